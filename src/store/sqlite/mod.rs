//! SQLite: one file, one writer, several readers.
//!
//! WAL with `synchronous=FULL`: what was acknowledged survives a power cut. All writes go through one
//! connection, so two of them never meet inside a transaction.

mod activity;
mod app_credential;
mod attempt;
mod choice;
mod complete;
mod configuration;
mod confirm;
mod connection;
mod connection_change;
mod connection_list;
mod customer;
mod event;
mod integration;
mod journal;
mod outbox;
mod readers;
mod refresh;
mod row;
mod session;
mod upkeep;
mod webhook;
mod workspace;
mod workspace_key;

use std::{path::Path, time::Duration};

use async_trait::async_trait;
use sqlx::{
    SqlitePool,
    sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqliteOperation, SqlitePoolOptions, SqliteSynchronous,
    },
};

use self::readers::Readers;
use super::{
    ApplyPlan, ApplyReport, AttemptFilter, CompletedAttempt, ConnectionFilter, NewAttempt, NewConnection,
    NewLink, NewSession, Page, Result, Store, StoreError, WorkspaceEntry,
};
use crate::model::{
    Actor, Attempt, AttemptId, AttemptRequest, Connection, ConnectionId, Failure, HandleHash, Scope, Session,
    StoredCredential, Timestamp, WorkspaceId,
};

/// How long a statement waits for another process's lock before the store says busy.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that read.
const READERS: usize = 4;
/// Connections' own cache, in KiB, negative as SQLite wants it.
const CACHE_KIB: &str = "-2000";

/// The SQLite backend.
#[derive(Clone)]
pub struct SqliteStore {
    writer: SqlitePool,
    readers: Readers,
    /// Changes when a delivery is written down here; the transaction may still be open then.
    outbox: tokio::sync::watch::Sender<()>,
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
        let outbox = tokio::sync::watch::Sender::new(());
        let wakes = outbox.clone();
        let writer = SqlitePoolOptions::new()
            .after_connect(move |connection, _| {
                let wakes = wakes.clone();
                Box::pin(async move {
                    connection.lock_handle().await?.set_update_hook(move |change| {
                        if change.table == "delivery" && change.operation == SqliteOperation::Insert {
                            wakes.send_replace(());
                        }
                    });
                    Ok(())
                })
            })
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.clone())
            .await?;
        sqlx::migrate!("migrations/sqlite").run(&writer).await.map_err(StoreError::Migration)?;
        let readers = Readers::open(options.read_only(true).create_if_missing(false), READERS).await?;
        Ok(Self { writer, readers, outbox })
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if matches!(error, sqlx::Error::PoolTimedOut) {
            return Self::Busy;
        }
        match error.as_database_error().and_then(|e| e.code()).as_deref() {
            Some("5" | "6" | "261" | "517") => Self::Busy,
            // Besides a full disk: a quota, or a limit on the size of a file, when a page or the index of
            // the log cannot be written.
            Some("13" | "778" | "4874") => Self::Full,
            Some("8" | "264" | "520" | "776" | "1032" | "1288" | "1544") => Self::ReadOnly,
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

    async fn add_session(&self, session: &NewSession, now: Timestamp) -> Result<()> {
        session::add_session(&self.writer, session, now).await
    }

    async fn extend_session(
        &self,
        hash: HandleHash,
        until: Timestamp,
        longest: Duration,
        now: Timestamp,
    ) -> Result<Option<Timestamp>> {
        session::extend_session(&self.writer, hash, until, longest, now).await
    }

    async fn session(&self, hash: HandleHash, now: Timestamp) -> Result<Option<Session>> {
        session::session(&self.readers, hash, now).await
    }

    async fn add_link(&self, link: &NewLink, now: Timestamp) -> Result<()> {
        session::add_link(&self.writer, link, now).await
    }

    async fn link(&self, hash: HandleHash, now: Timestamp) -> Result<Option<NewLink>> {
        session::link(&self.readers, hash, now).await
    }

    async fn connection(&self, scope: Scope, id: ConnectionId) -> Result<Option<Connection>> {
        connection::find(&self.readers, scope, id).await
    }

    async fn connections(&self, scope: Scope, filter: &ConnectionFilter) -> Result<Page<Connection>> {
        connection_list::list(&self.readers, scope, filter).await
    }

    async fn credential(&self, scope: Scope, id: ConnectionId) -> Result<Option<StoredCredential>> {
        connection::credential(&self.readers, scope, id).await
    }

    async fn archive(
        &self,
        scope: Scope,
        id: ConnectionId,
        by: Actor,
        now: Timestamp,
    ) -> Result<Option<StoredCredential>> {
        connection::archive(&self.writer, scope, id, by, now).await
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

    async fn attempt_by_state(&self, state: HandleHash, now: Timestamp) -> Result<Option<Attempt>> {
        attempt::by_state(&self.readers, state, now).await
    }

    async fn park_attempt(
        &self,
        id: AttemptId,
        known: Option<&[u8]>,
        sealed_secret: &[u8],
        now: Timestamp,
    ) -> Result<bool> {
        attempt::park(&self.writer, id, known, sealed_secret, now).await
    }

    async fn take_attempt(&self, state: HandleHash, now: Timestamp) -> Result<Option<Attempt>> {
        attempt::take(&self.writer, state, now).await
    }

    async fn consume_attempt(&self, id: AttemptId, now: Timestamp) -> Result<bool> {
        attempt::consume(&self.writer, id, now).await
    }

    async fn offer_choice(
        &self,
        id: AttemptId,
        request: &AttemptRequest,
        sealed_secret: &[u8],
        ticket: HandleHash,
        now: Timestamp,
    ) -> Result<bool> {
        choice::offer(&self.writer, id, request, sealed_secret, ticket, now).await
    }

    async fn take_choice(&self, ticket: HandleHash, now: Timestamp) -> Result<Option<Attempt>> {
        choice::take(&self.writer, ticket, now).await
    }

    async fn take_abandoned_choice(&self, now: Timestamp) -> Result<Option<Attempt>> {
        choice::take_abandoned(&self.writer, now).await
    }

    async fn complete_attempt(
        &self,
        id: AttemptId,
        connection: &NewConnection,
        result: HandleHash,
        by: Actor,
        now: Timestamp,
    ) -> Result<CompletedAttempt> {
        complete::complete(&self.writer, id, connection, result, by, now).await
    }

    async fn fail_attempt(
        &self,
        id: AttemptId,
        failure: &Failure,
        result: HandleHash,
        now: Timestamp,
    ) -> Result<bool> {
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
