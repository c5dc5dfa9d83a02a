//! Connections as their owners keep them: found by their own key, changed, imported, read out.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::{NewConnection, Result};
use crate::model::{Account, Actor, Connection, ConnectionId, Scope, StoredCredential, Timestamp};

/// What changes about a connection; none leaves it as it is.
#[derive(Default)]
pub struct ConnectionChange {
    /// The name, or that it has none of its own.
    pub name: Option<Option<String>>,
    /// Its own key, or that it has none.
    pub key: Option<Option<String>>,
    /// What the backend keeps with it, or that there is nothing.
    pub meta: Option<Option<Value>>,
    /// Connector parameters.
    pub parameters: Option<ParameterChange>,
    /// Credentials, and what belongs to them.
    pub credential: Option<CredentialChange>,
}

/// New connector parameters, made out of those there were.
pub struct ParameterChange {
    /// Those there were: without secret ones, and those sealed. Others by now mean that nothing is changed.
    pub before: (Map<String, Value>, Option<Vec<u8>>),
    /// Those without secret ones.
    pub plain: Map<String, Value>,
    /// Secret ones, sealed for this row.
    pub sealed: Option<Vec<u8>>,
}

/// New credentials for a connection that stays what it is.
pub struct CredentialChange {
    /// The version they replace. Another one by now means that nothing is changed.
    pub from: i64,
    /// Auth option.
    pub auth_option: String,
    /// Input without secrets.
    pub input: BTreeMap<String, String>,
    /// Sealed for this row.
    pub sealed: Vec<u8>,
    /// Upstream account; none keeps the one there is.
    pub account: Option<Account>,
    /// When the access token ends.
    pub expires_at: Option<Timestamp>,
    /// When to renew it ahead of that.
    pub refresh_at: Option<Timestamp>,
}

/// What came of changing a connection.
pub enum ChangedConnection {
    /// It is so.
    Changed(Box<Connection>),
    /// There is no such connection any more.
    Gone,
    /// Another connection of this customer has that key.
    KeyTaken,
    /// The credentials belong to another upstream account.
    OtherAccount,
    /// What the change was made out of is no longer there.
    Moved,
}

/// A connection that a backend brings along.
pub struct ImportedConnection<'a> {
    /// The connection.
    pub connection: &'a NewConnection,
    /// A key of its own; none keeps the one there is.
    pub key: Option<&'a str>,
    /// What the backend keeps with it; none keeps what there is.
    pub meta: Option<&'a Value>,
}

/// What came of an import.
pub enum Imported {
    /// A connection was made.
    Created(Connection),
    /// A connection was renewed, in place.
    Renewed(Connection),
    /// Another connection of this customer has that key.
    KeyTaken,
    /// The customer was archived.
    CustomerArchived,
}

/// Connections as their owners keep them.
#[async_trait]
pub trait ConnectionStore {
    /// Live connections in scope that have this key of their own; two at most, since more are not told apart.
    async fn connections_by_key(&self, scope: Scope, key: &str) -> Result<Vec<Connection>>;
    /// Changes a live connection.
    async fn change_connection(
        &self,
        scope: Scope,
        id: ConnectionId,
        change: &ConnectionChange,
        by: Actor,
        now: Timestamp,
    ) -> Result<ChangedConnection>;
    /// Makes or renews a connection without an attempt.
    async fn import_connection(
        &self,
        import: &ImportedConnection<'_>,
        by: Actor,
        now: Timestamp,
    ) -> Result<Imported>;
    /// The sealed credentials of a live connection, for somebody who will see them: that is written down.
    async fn read_credential(
        &self,
        scope: Scope,
        id: ConnectionId,
        by: Actor,
        now: Timestamp,
    ) -> Result<Option<StoredCredential>>;
}
