//! Connections and their sealed credentials.
//!
//! Lists are in `connection_list.rs`, changes in `connection_change.rs`.

use serde_json::json;
use sqlx::{Row as _, Sqlite, SqlitePool, Transaction};

use super::{
    super::Result,
    journal::note_connection,
    readers::Readers,
    row::{self, connection_columns},
};
use crate::model::{Action, Actor, Connection, ConnectionId, Scope, StoredCredential, Timestamp};

pub(super) async fn find(readers: &Readers, scope: Scope, id: ConnectionId) -> Result<Option<Connection>> {
    sqlx::query(concat!(
        "select ",
        connection_columns!(),
        " from connection
          where id = $1
            and workspace_id = $2
            and ($3 is null or customer_id = $3)"
    ))
    .bind(id.to_string())
    .bind(scope.workspace.to_string())
    .bind(scope.customer.map(|id| id.to_string()))
    .fetch_optional(readers)
    .await?
    .as_ref()
    .map(row::connection)
    .transpose()
}

pub(super) async fn credential(
    readers: &Readers,
    scope: Scope,
    id: ConnectionId,
) -> Result<Option<StoredCredential>> {
    let found = sqlx::query(
        "select sealed_credentials, credential_version, expires_at, refresh_sent_version
         from connection
         where id = $1
           and workspace_id = $2
           and ($3 is null or customer_id = $3)
           and state <> 'archived'",
    )
    .bind(id.to_string())
    .bind(scope.workspace.to_string())
    .bind(scope.customer.map(|id| id.to_string()))
    .fetch_optional(readers)
    .await?;
    found.as_ref().map_or(Ok(None), row::credential)
}

pub(super) async fn archive(
    pool: &SqlitePool,
    scope: Scope,
    id: ConnectionId,
    by: Actor,
    now: Timestamp,
) -> Result<Option<StoredCredential>> {
    let mut tx = pool.begin_with("begin immediate").await?;
    let erased = end(&mut tx, scope, id, by, now).await?;
    tx.commit().await?;
    Ok(erased)
}

/// Archives and erases within a transaction that may do more.
pub(super) async fn end(
    tx: &mut Transaction<'_, Sqlite>,
    scope: Scope,
    id: ConnectionId,
    by: Actor,
    now: Timestamp,
) -> Result<Option<StoredCredential>> {
    let found = sqlx::query(
        "select sealed_credentials, credential_version, expires_at, refresh_sent_version
         from connection
         where id = $1
           and workspace_id = $2
           and ($3 is null or customer_id = $3)
           and state <> 'archived'",
    )
    .bind(id.to_string())
    .bind(scope.workspace.to_string())
    .bind(scope.customer.map(|id| id.to_string()))
    .fetch_optional(&mut **tx)
    .await?;
    let Some(found) = found else { return Ok(None) };
    sqlx::query(
        "update connection
         set state = 'archived',
             reason = null,
             sealed_credentials = null,
             input = '{}',
             sealed_parameters = null,
             credential_version = credential_version + 1,
             expires_at = null,
             refresh_at = null,
             refresh_sent_version = null,
             refresh_owner = null,
             refresh_until = null,
             archived_at = $2,
             updated_at = $2
         where id = $1",
    )
    .bind(id.to_string())
    .bind(now.millis())
    .execute(&mut **tx)
    .await?;
    note_connection(tx, id, by, Action::ConnectionDeleted, json!({}), now).await?;
    let erased = row::credential(&found)?;
    Ok(Some(erased.unwrap_or(StoredCredential {
        sealed: Vec::new(),
        version: found.try_get("credential_version")?,
        expires_at: None,
        refresh_sent_version: None,
    })))
}
