//! Customers as the product's backend keeps them: listed, made, changed, archived, invited by a link.

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::{NewLink, Page, Result};
use crate::model::{Actor, Connection, Customer, CustomerId, StoredCredential, Timestamp, WorkspaceId};

/// A customer with all that is kept of them.
#[derive(Clone, Debug)]
pub struct CustomerRecord {
    /// Who it is.
    pub customer: Customer,
    /// What the backend keeps with them.
    pub meta: Option<Value>,
    /// When they were seen first.
    pub created_at: Timestamp,
    /// When something about them changed.
    pub updated_at: Timestamp,
    /// When a token of theirs was seen last, at most an hour behind.
    pub last_active_at: Option<Timestamp>,
    /// When they were archived.
    pub archived_at: Option<Timestamp>,
}

/// Which customers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomerFilter {
    /// This one only.
    pub only: Option<CustomerId>,
    /// Whose name or own id contains this, case-insensitively.
    pub search: Option<String>,
    /// Archived ones too.
    pub include_archived: bool,
    /// Made before this one.
    pub before: Option<CustomerId>,
    /// At most so many.
    pub limit: u32,
}

/// How a caller names a customer.
#[derive(Clone, Copy, Debug)]
pub enum CustomerName<'a> {
    /// By our id.
    Id(CustomerId),
    /// By the product's own id.
    InternalId(&'a str),
}

/// A customer about to be made.
#[derive(Clone, Debug)]
pub struct NewCustomer {
    /// Who it is.
    pub customer: Customer,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// What the backend keeps with them.
    pub meta: Option<Value>,
}

/// What changes about a customer; none leaves it as it is.
#[derive(Clone, Debug, Default)]
pub struct CustomerChange {
    /// The name, or that there is none.
    pub name: Option<Option<String>>,
    /// The fields, whole.
    pub fields: Option<Map<String, Value>>,
    /// What the backend keeps, or that there is nothing.
    pub meta: Option<Option<Value>>,
}

/// A customer who was archived just now, or before.
#[derive(Debug)]
pub struct ArchivedCustomer {
    /// The customer.
    pub record: CustomerRecord,
    /// The connections that ended with it, and what was erased of each, so that it can be revoked.
    pub ended: Vec<(Connection, StoredCredential)>,
}

/// Customers as the product's backend keeps them.
#[async_trait]
pub trait CustomerStore {
    /// The customer with the product's own id, made at first sight; a newer name or newer fields win.
    /// None when they are archived.
    async fn ensure_customer(
        &self,
        seen: &Customer,
        workspace: WorkspaceId,
        now: Timestamp,
    ) -> Result<Option<Customer>>;
    /// One customer of a workspace, archived ones too: what they had may still have to be given back.
    async fn customer(&self, workspace: WorkspaceId, id: CustomerId) -> Result<Option<Customer>>;

    /// Customers of a workspace, newest first.
    async fn customers(
        &self,
        workspace: WorkspaceId,
        filter: &CustomerFilter,
    ) -> Result<Page<CustomerRecord>>;
    /// One customer with all that is kept of them, archived ones too.
    async fn customer_record(
        &self,
        workspace: WorkspaceId,
        name: CustomerName<'_>,
    ) -> Result<Option<CustomerRecord>>;
    /// Makes a customer; none when the product's own id is taken.
    async fn add_customer(
        &self,
        new: &NewCustomer,
        by: Actor,
        now: Timestamp,
    ) -> Result<Option<CustomerRecord>>;
    /// Changes a customer; none when there is no such.
    async fn change_customer(
        &self,
        workspace: WorkspaceId,
        id: CustomerId,
        change: &CustomerChange,
        by: Actor,
        now: Timestamp,
    ) -> Result<Option<CustomerRecord>>;
    /// Archives a customer: their connections are archived and erased, their page sessions, links and
    /// attempts end. None when there is no such customer; doing it again ends nothing more.
    async fn archive_customer(
        &self,
        workspace: WorkspaceId,
        id: CustomerId,
        by: Actor,
        now: Timestamp,
    ) -> Result<Option<ArchivedCustomer>>;
    /// Lets an archived customer sign in again. Nothing that ended comes back.
    async fn restore_customer(
        &self,
        workspace: WorkspaceId,
        id: CustomerId,
        by: Actor,
        now: Timestamp,
    ) -> Result<Option<CustomerRecord>>;
    /// Remembers a link that a backend made.
    async fn make_link(&self, link: &NewLink, by: Actor, now: Timestamp) -> Result<()>;
}
