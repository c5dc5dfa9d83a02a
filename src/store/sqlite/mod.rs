//! SQLite: one file, one writer, several readers.
//!
//! WAL with `synchronous=FULL`: what was acknowledged survives a power cut. All writes go through one
//! connection, so two of them never meet inside a transaction.

mod attempt;
mod configuration;
mod connection;
mod customer;
mod refresh;
mod row;

use std::{path::Path, time::Duration};

use async_trait::async_trait;
use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    ApplyPlan, ApplyReport, AttemptFilter, CompletedAttempt, ConnectionFilter, DueRefresh, NewAttempt,
    NewConnection, NewLink, NewSession, Page, RefreshedCredential, Result, Store, StoreError, WorkspaceEntry,
};
use crate::model::{
    Attempt, AttemptId, AttemptRequest, Connection, ConnectionId, Customer, CustomerId, DisconnectReason,
    Failure, HandleHash, Scope, Session, StoredCredential, Timestamp, WorkspaceId,
};

/// How long a statement waits for another process's lock before the store says busy.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that read.
const READERS: u32 = 4;
/// Connections' own cache, in KiB, negative as SQLite wants it.
const CACHE_KIB: &str = "-2000";

/// The SQLite backend.
#[derive(Clone)]
pub struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteStore {
    /// Opens the file, makes it if it is not there, and brings its tables up to date.
    pub async fn open(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("secure_delete", "on")
            .pragma("cache_size", CACHE_KIB)
            .optimize_on_close(true, None);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.clone())
            .await?;
        sqlx::migrate!("migrations/sqlite").run(&writer).await.map_err(StoreError::Migration)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .min_connections(1)
            .connect_with(options.read_only(true).create_if_missing(false))
            .await?;
        Ok(Self { writer, readers })
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if matches!(error, sqlx::Error::PoolTimedOut) {
            return Self::Busy;
        }
        match error.as_database_error().and_then(|e| e.code()).as_deref() {
            Some("5" | "6" | "261" | "517") => Self::Busy,
            Some("13") => Self::Full,
            Some("1555" | "2067") => Self::Conflict("a row with the same unique value"),
            _ => Self::Driver(error),
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn installation_value(&self, name: &str) -> Result<Option<Vec<u8>>> {
        configuration::installation_value(&self.readers, name).await
    }

    async fn keep_installation_value(&self, name: &str, value: &[u8]) -> Result<Vec<u8>> {
        configuration::keep_installation_value(&self.writer, name, value).await
    }

    async fn is_empty(&self) -> Result<bool> {
        configuration::is_empty(&self.readers).await
    }

    async fn apply(&self, plan: &ApplyPlan, now: Timestamp) -> Result<ApplyReport> {
        configuration::apply(&self.writer, plan, now).await
    }

    async fn workspaces(&self) -> Result<Vec<(WorkspaceId, String, i64)>> {
        configuration::workspaces(&self.readers).await
    }

    async fn workspace(&self, id: WorkspaceId) -> Result<Option<WorkspaceEntry>> {
        configuration::workspace(&self.readers, id).await
    }

    async fn ensure_customer(
        &self,
        seen: &Customer,
        workspace: WorkspaceId,
        now: Timestamp,
    ) -> Result<Customer> {
        customer::ensure(&self.readers, &self.writer, seen, workspace, now).await
    }

    async fn customer(&self, workspace: WorkspaceId, id: CustomerId) -> Result<Option<Customer>> {
        customer::find(&self.readers, workspace, id).await
    }

    async fn add_session(&self, session: &NewSession, now: Timestamp) -> Result<()> {
        customer::add_session(&self.writer, session, now).await
    }

    async fn session(&self, hash: HandleHash, now: Timestamp) -> Result<Option<Session>> {
        customer::session(&self.readers, hash, now).await
    }

    async fn add_link(&self, link: &NewLink, now: Timestamp) -> Result<()> {
        customer::add_link(&self.writer, link, now).await
    }

    async fn link(&self, hash: HandleHash, now: Timestamp) -> Result<Option<NewLink>> {
        customer::link(&self.readers, hash, now).await
    }

    async fn connection(&self, scope: Scope, id: ConnectionId) -> Result<Option<Connection>> {
        connection::find(&self.readers, scope, id).await
    }

    async fn connections(&self, scope: Scope, filter: &ConnectionFilter) -> Result<Page<Connection>> {
        connection::list(&self.readers, scope, filter).await
    }

    async fn credential(&self, scope: Scope, id: ConnectionId) -> Result<Option<StoredCredential>> {
        connection::credential(&self.readers, scope, id).await
    }

    async fn archive(
        &self,
        scope: Scope,
        id: ConnectionId,
        now: Timestamp,
    ) -> Result<Option<StoredCredential>> {
        connection::archive(&self.writer, scope, id, now).await
    }

    async fn due_refreshes(&self, now: Timestamp, limit: u32) -> Result<Vec<DueRefresh>> {
        refresh::due(&self.readers, now, limit).await
    }

    async fn mark_refresh_sent(&self, scope: Scope, id: ConnectionId, version: i64) -> Result<bool> {
        refresh::mark_sent(&self.writer, scope, id, version).await
    }

    async fn store_refreshed(
        &self,
        scope: Scope,
        id: ConnectionId,
        from: i64,
        renewed: &RefreshedCredential,
        now: Timestamp,
    ) -> Result<bool> {
        refresh::store(&self.writer, scope, id, from, renewed, now).await
    }

    async fn note_refresh_failure(
        &self,
        scope: Scope,
        id: ConnectionId,
        version: i64,
        retry_at: Timestamp,
        outcome_known: bool,
    ) -> Result<()> {
        refresh::note_failure(&self.writer, scope, id, version, retry_at, outcome_known).await
    }

    async fn disconnect(
        &self,
        scope: Scope,
        id: ConnectionId,
        version: i64,
        reason: DisconnectReason,
        now: Timestamp,
    ) -> Result<bool> {
        refresh::disconnect(&self.writer, scope, id, version, reason, now).await
    }

    async fn add_attempt(&self, attempt: &NewAttempt, now: Timestamp) -> Result<()> {
        attempt::add(&self.writer, attempt, now).await
    }

    async fn attempt_by_ticket(&self, ticket: HandleHash, now: Timestamp) -> Result<Option<Attempt>> {
        attempt::by_ticket(&self.readers, ticket, now).await
    }

    async fn attempt_by_result(&self, result: HandleHash, now: Timestamp) -> Result<Option<Attempt>> {
        attempt::by_result(&self.readers, result, now).await
    }

    async fn attempts_by_request(&self, filter: &AttemptFilter, now: Timestamp) -> Result<Vec<Attempt>> {
        attempt::by_request(&self.readers, filter, now).await
    }

    async fn update_attempt(
        &self,
        id: AttemptId,
        request: &AttemptRequest,
        sealed_secret: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<bool> {
        attempt::update(&self.writer, id, request, sealed_secret, now).await
    }

    async fn send_attempt_off(
        &self,
        id: AttemptId,
        request: &AttemptRequest,
        sealed_secret: &[u8],
        state: HandleHash,
        binding: HandleHash,
        now: Timestamp,
    ) -> Result<bool> {
        attempt::send_off(&self.writer, id, request, sealed_secret, state, binding, now).await
    }

    async fn take_attempt(&self, state: HandleHash, now: Timestamp) -> Result<Option<Attempt>> {
        attempt::take(&self.writer, state, now).await
    }

    async fn consume_attempt(&self, id: AttemptId, now: Timestamp) -> Result<bool> {
        attempt::consume(&self.writer, id, now).await
    }

    async fn complete_attempt(
        &self,
        id: AttemptId,
        connection: &NewConnection,
        result: HandleHash,
        now: Timestamp,
    ) -> Result<CompletedAttempt> {
        attempt::complete(&self.writer, id, connection, result, now).await
    }

    async fn fail_attempt(
        &self,
        id: AttemptId,
        failure: &Failure,
        result: HandleHash,
        now: Timestamp,
    ) -> Result<()> {
        attempt::fail(&self.writer, id, failure, result, now).await
    }

    async fn sweep(&self, now: Timestamp) -> Result<u64> {
        attempt::sweep(&self.writer, now).await
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}
