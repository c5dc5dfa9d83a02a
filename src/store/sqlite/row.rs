//! Rows into nouns. A value that cannot be read names its table, never itself.

use serde::de::DeserializeOwned;
use sqlx::{Row as _, sqlite::SqliteRow};

use super::super::{Result, StoreError};
use crate::model::{
    Account, Attempt, AttemptId, AttemptRequest, AttemptState, Connection, ConnectionId, ConnectionState,
    Customer, CustomerId, DisconnectReason, IntegrationId, StoredCredential, Timestamp, WorkspaceId,
};

/// Columns of a connection, in the order [`connection`] wants no particular one.
macro_rules! connection_columns {
    () => {
        "id, workspace_id, customer_id, integration_id, key, name, auth_option, state, reason, input, \
         connector_parameters, sealed_parameters, account_id, account_label, refresh_at, retry_attempts, \
         meta, last_active_at, created_at, updated_at, archived_at, \
         (select internal_id from customer where customer.id = connection.customer_id) as owner"
    };
}
pub(super) use connection_columns;

/// Columns of an attempt with its customer, for `attempt a join customer c`.
macro_rules! attempt_columns {
    () => {
        "a.id, a.workspace_id, a.customer_id, a.integration_id, a.request_id, a.state, a.request, \
         a.failure, a.connection_id, a.sealed_secret, a.binding_hash, a.expires_at, \
         c.internal_id, c.name as customer_name, c.fields"
    };
}
pub(super) use attempt_columns;

pub(super) fn json<T: DeserializeOwned>(row: &SqliteRow, column: &'static str) -> Result<T> {
    let text: &str = row.try_get(column)?;
    serde_json::from_str(text).map_err(|_| StoreError::Unreadable(column))
}

pub(super) fn json_option<T: DeserializeOwned>(row: &SqliteRow, column: &'static str) -> Result<Option<T>> {
    let text: Option<&str> = row.try_get(column)?;
    text.map(serde_json::from_str).transpose().map_err(|_| StoreError::Unreadable(column))
}

pub(super) fn time(row: &SqliteRow, column: &'static str) -> Result<Timestamp> {
    Ok(Timestamp::from_millis(row.try_get(column)?))
}

pub(super) fn time_option(row: &SqliteRow, column: &'static str) -> Result<Option<Timestamp>> {
    let millis: Option<i64> = row.try_get(column)?;
    Ok(millis.map(Timestamp::from_millis))
}

pub(super) fn workspace_id(row: &SqliteRow, column: &'static str) -> Result<WorkspaceId> {
    WorkspaceId::parse(row.try_get(column)?).ok_or(StoreError::Unreadable(column))
}

pub(super) fn customer_id(row: &SqliteRow, column: &'static str) -> Result<CustomerId> {
    CustomerId::parse(row.try_get(column)?).ok_or(StoreError::Unreadable(column))
}

pub(super) fn integration_id(row: &SqliteRow, column: &'static str) -> Result<IntegrationId> {
    IntegrationId::parse(row.try_get(column)?).ok_or(StoreError::Unreadable(column))
}

pub(super) fn connection_id(row: &SqliteRow, column: &'static str) -> Result<ConnectionId> {
    ConnectionId::parse(row.try_get(column)?).ok_or(StoreError::Unreadable(column))
}

pub(super) fn connection(row: &SqliteRow) -> Result<Connection> {
    let state = match (row.try_get::<&str, _>("state")?, time_option(row, "archived_at")?) {
        ("ready", _) => ConnectionState::Ready,
        ("disconnected", _) => {
            let reason: Option<&str> = row.try_get("reason")?;
            let reason = reason.and_then(DisconnectReason::parse);
            ConnectionState::Disconnected(reason.ok_or(StoreError::Unreadable("connection.reason"))?)
        }
        ("archived", Some(at)) => ConnectionState::Archived(at),
        _ => return Err(StoreError::Unreadable("connection.state")),
    };
    let account = row
        .try_get::<Option<String>, _>("account_id")?
        .map(|id| Ok::<_, sqlx::Error>(Account { id, label: row.try_get("account_label")? }))
        .transpose()?;
    Ok(Connection {
        id: connection_id(row, "id")?,
        workspace: workspace_id(row, "workspace_id")?,
        customer: customer_id(row, "customer_id")?,
        owner: row.try_get("owner")?,
        key: row.try_get("key")?,
        integration: integration_id(row, "integration_id")?,
        name: row.try_get("name")?,
        auth_option: row.try_get("auth_option")?,
        state,
        input: json(row, "input")?,
        connector_parameters: json(row, "connector_parameters")?,
        sealed_parameters: row.try_get("sealed_parameters")?,
        account,
        refresh_at: time_option(row, "refresh_at")?,
        retry_attempts: row.try_get("retry_attempts")?,
        meta: json_option(row, "meta")?,
        last_active_at: time_option(row, "last_active_at")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

pub(super) fn credential(row: &SqliteRow) -> Result<Option<StoredCredential>> {
    let Some(sealed) = row.try_get("sealed_credentials")? else { return Ok(None) };
    Ok(Some(StoredCredential {
        sealed,
        version: row.try_get("credential_version")?,
        expires_at: time_option(row, "expires_at")?,
        refresh_sent_version: row.try_get("refresh_sent_version")?,
    }))
}

pub(super) fn attempt(row: &SqliteRow) -> Result<Attempt> {
    let request: AttemptRequest = json(row, "request")?;
    let state = match row.try_get::<&str, _>("state")? {
        "pending" => AttemptState::Pending,
        "consumed" if request.choice.is_some() => AttemptState::NeedsChoice,
        "consumed" => AttemptState::Consumed,
        "connected" => AttemptState::Connected(connection_id(row, "connection_id")?),
        _ => AttemptState::Failed(json(row, "failure")?),
    };
    Ok(Attempt {
        id: AttemptId::parse(row.try_get("id")?).ok_or(StoreError::Unreadable("attempt.id"))?,
        workspace: workspace_id(row, "workspace_id")?,
        customer: Customer {
            id: customer_id(row, "customer_id")?,
            internal_id: row.try_get("internal_id")?,
            name: row.try_get("customer_name")?,
            fields: json(row, "fields")?,
        },
        integration: integration_id(row, "integration_id")?,
        request_id: row.try_get("request_id")?,
        state,
        request,
        sealed_secret: row.try_get("sealed_secret")?,
        binding_hash: row.try_get("binding_hash")?,
        expires_at: time(row, "expires_at")?,
    })
}
