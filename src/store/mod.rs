//! What is remembered: one trait, each verb one complete transaction, every verb told what the
//! caller may see. Knows nothing of HTTP, of the vault or of what sealed bytes contain.
//!
//! `conformance.rs` holds the suite that every backend runs.

mod activity;
mod app_credential;
mod confirm;
mod connection;
mod customer;
mod event;
mod integration;
mod lease;
mod record;
mod sqlite;
mod upkeep;
mod workspace;
mod workspace_key;

#[cfg(test)]
mod conformance;

use std::time::Duration;

use async_trait::async_trait;

pub use activity::ActivityStore;
pub use app_credential::{AppCredentialStore, NewAppCredential};
pub use confirm::{ConfirmStore, Unconfirmed};
pub use connection::{
    ChangedConnection, ConnectionChange, ConnectionStore, CredentialChange, Imported, ImportedConnection,
    ParameterChange,
};
pub use customer::{
    ArchivedCustomer, CustomerChange, CustomerFilter, CustomerName, CustomerRecord, CustomerStore,
    NewCustomer,
};
pub use event::{
    AfterTry, AuditFilter, Claimed, DeliveryFilter, EventFilter, EventStore, OutboxDepth, OutboxStore,
    SecretPlan, Tried, WEBHOOKS_MOST, WebhookChange, WebhookPatch, WebhookPlan,
};
pub use integration::{IntegrationSave, IntegrationStore, SavedIntegration};
pub use lease::{
    DueRefresh, LEASE, Lease, LeaseRequest, LeaseStore, Leasing, LiveConnection, RefreshedCredential,
    Renewable, is_held,
};
pub use record::{
    ApplyPlan, ApplyReport, AttemptFilter, CompletedAttempt, ConnectionFilter, ConnectionSearch,
    IntegrationPlan, KeyPlan, NewAttempt, NewConnection, NewLink, NewSession, Page, Replacing, Seal,
    StoredIntegration, StoredKey, WorkspaceEntry, WorkspacePlan,
};
pub use sqlite::SqliteStore;
pub use upkeep::UpkeepStore;
pub use workspace::{WorkspaceStore, WorkspaceUpdate};
pub use workspace_key::{KeyRecord, KeyStore, NewKey, Retiring};

use crate::model::{
    Actor, Attempt, AttemptId, AttemptRequest, Connection, ConnectionId, Failure, HandleHash, Scope, Session,
    StoredCredential, Timestamp, WorkspaceId,
};

/// Why the store could not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process held the database for longer than the busy timeout.
    #[error("the database is busy")]
    Busy,
    /// The file, or the file system it is on, cannot be written any more.
    #[error("the database can only be read")]
    ReadOnly,
    /// The disk is full.
    #[error("the disk that holds the database is full")]
    Full,
    /// Something in a row cannot be read; the row is named, never its content.
    #[error("unreadable row in {0}")]
    Unreadable(&'static str),
    /// The two halves of a unique pair met at the same time.
    #[error("already there: {0}")]
    Conflict(&'static str),
    /// Anything else the driver says.
    #[error("database: {0}")]
    Driver(#[source] sqlx::Error),
    /// The migrations do not fit the database.
    #[error("database migration: {0}")]
    Migration(#[source] sqlx::migrate::MigrateError),
}

/// A store's answer.
pub type Result<T> = std::result::Result<T, StoreError>;

/// All that Hitchpost remembers.
#[async_trait]
pub trait Store:
    ActivityStore
    + AppCredentialStore
    + ConfirmStore
    + ConnectionStore
    + CustomerStore
    + IntegrationStore
    + KeyStore
    + LeaseStore
    + EventStore
    + OutboxStore
    + UpkeepStore
    + WorkspaceStore
    + Send
    + Sync
{
    /// A value that belongs to the whole installation.
    async fn installation_value(&self, name: &str) -> Result<Option<Vec<u8>>>;
    /// Sets it unless it is set; returns what holds.
    async fn keep_installation_value(&self, name: &str, value: &[u8]) -> Result<Vec<u8>>;
    /// Whether anything was ever sealed or configured here.
    async fn is_empty(&self) -> Result<bool>;

    /// Makes workspaces, keys and integrations be as planned. What the plan does not own stays.
    async fn apply(&self, plan: &ApplyPlan, now: Timestamp) -> Result<ApplyReport>;
    /// Every workspace's id, key and revision.
    async fn workspaces(&self) -> Result<Vec<(WorkspaceId, String, i64)>>;
    /// One workspace with its keys and all its integrations, hidden ones too.
    async fn workspace(&self, id: WorkspaceId) -> Result<Option<WorkspaceEntry>>;

    /// Remembers a page session.
    async fn add_session(&self, session: &NewSession, now: Timestamp) -> Result<()>;
    /// Lets a session that has not ended last until `until`, at most `longest` from its beginning. Until when
    /// it lasts now; none when nothing changed.
    async fn extend_session(
        &self,
        hash: HandleHash,
        until: Timestamp,
        longest: Duration,
        now: Timestamp,
    ) -> Result<Option<Timestamp>>;
    /// The session behind a handle, unless it ended.
    async fn session(&self, hash: HandleHash, now: Timestamp) -> Result<Option<Session>>;
    /// Remembers a link; a demo link replaces the ones of earlier processes.
    async fn add_link(&self, link: &NewLink, now: Timestamp) -> Result<()>;
    /// Who a link signs in, unless it ended: customer and visible integrations.
    async fn link(&self, hash: HandleHash, now: Timestamp) -> Result<Option<NewLink>>;

    /// One connection in scope, archived ones too.
    async fn connection(&self, scope: Scope, id: ConnectionId) -> Result<Option<Connection>>;
    /// Connections in scope, newest first, without archived ones.
    async fn connections(&self, scope: Scope, filter: &ConnectionFilter) -> Result<Page<Connection>>;
    /// The sealed credentials of a connection in scope; none when archived.
    async fn credential(&self, scope: Scope, id: ConnectionId) -> Result<Option<StoredCredential>>;
    /// Archives and erases in one step; returns what was erased, so that it can be revoked. `None`
    /// when there is nothing to archive any more.
    async fn archive(
        &self,
        scope: Scope,
        id: ConnectionId,
        by: Actor,
        now: Timestamp,
    ) -> Result<Option<StoredCredential>>;

    /// Remembers a new attempt.
    async fn add_attempt(&self, attempt: &NewAttempt, now: Timestamp) -> Result<()>;
    /// A live attempt by its ticket.
    async fn attempt_by_ticket(&self, ticket: HandleHash, now: Timestamp) -> Result<Option<Attempt>>;
    /// Any attempt by the handle of its result, for ten minutes after it ended.
    async fn attempt_by_result(&self, result: HandleHash, now: Timestamp) -> Result<Option<Attempt>>;
    /// Attempts that carry this `requestId`, latest first.
    async fn attempts_by_request(&self, filter: &AttemptFilter, now: Timestamp) -> Result<Vec<Attempt>>;
    /// Keeps what the customer typed so far, and what is wrong with it. False when it is no longer pending.
    async fn update_attempt(
        &self,
        id: AttemptId,
        request: &AttemptRequest,
        sealed_secret: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<bool>;
    /// The browser is about to leave: `state` and `binding` open the callback, the ticket is spent.
    async fn send_attempt_off(
        &self,
        id: AttemptId,
        request: &AttemptRequest,
        sealed_secret: &[u8],
        state: HandleHash,
        binding: HandleHash,
        now: Timestamp,
    ) -> Result<bool>;
    /// The pending attempt that waits for `state`, without taking it.
    async fn attempt_by_state(&self, state: HandleHash, now: Timestamp) -> Result<Option<Attempt>>;
    /// Keeps an answer with an attempt that left, until the browser comes back. False when it is no longer
    /// pending, or holds something else than `known` by now.
    async fn park_attempt(
        &self,
        id: AttemptId,
        known: Option<&[u8]>,
        sealed_secret: &[u8],
        now: Timestamp,
    ) -> Result<bool>;
    /// Takes the attempt that waits for `state`; a second call finds nothing, whatever became of the first.
    async fn take_attempt(&self, state: HandleHash, now: Timestamp) -> Result<Option<Attempt>>;
    /// Turns a pending attempt into a consumed one without a callback (API keys and the like).
    async fn consume_attempt(&self, id: AttemptId, now: Timestamp) -> Result<bool>;
    /// Lets the customer choose: `ticket` opens the page for it. False when the attempt is not consumed.
    async fn offer_choice(
        &self,
        id: AttemptId,
        request: &AttemptRequest,
        sealed_secret: &[u8],
        ticket: HandleHash,
        now: Timestamp,
    ) -> Result<bool>;
    /// Takes the attempt whose choice was made; a second call finds nothing.
    async fn take_choice(&self, ticket: HandleHash, now: Timestamp) -> Result<Option<Attempt>>;
    /// Takes an attempt whose choice was not made in time, so that what was granted can be given back.
    async fn take_abandoned_choice(&self, now: Timestamp) -> Result<Option<Attempt>>;
    /// Makes or renews the connection and ends the attempt, all or nothing.
    async fn complete_attempt(
        &self,
        id: AttemptId,
        connection: &NewConnection,
        result: HandleHash,
        by: Actor,
        now: Timestamp,
    ) -> Result<CompletedAttempt>;
    /// Ends the attempt without a connection; says whether it was still open.
    async fn fail_attempt(
        &self,
        id: AttemptId,
        failure: &Failure,
        result: HandleHash,
        now: Timestamp,
    ) -> Result<bool>;

    /// Forgets sessions, links and attempts that ended before `now`.
    async fn sweep(&self, now: Timestamp) -> Result<u64>;
    /// Brings the write-ahead log back into the database, as before a shutdown.
    async fn close(&self);
}
