//! Connections and their sealed credentials.

use sqlx::{Row as _, SqlitePool};

use super::{
    super::{ConnectionFilter, Page, Result},
    row::{self, connection_columns},
};
use crate::model::{Connection, ConnectionId, Scope, StoredCredential, Timestamp};

pub(super) async fn find(pool: &SqlitePool, scope: Scope, id: ConnectionId) -> Result<Option<Connection>> {
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
    .fetch_optional(pool)
    .await?
    .as_ref()
    .map(row::connection)
    .transpose()
}

pub(super) async fn list(
    pool: &SqlitePool,
    scope: Scope,
    filter: &ConnectionFilter,
) -> Result<Page<Connection>> {
    // Ids are UUIDv7, so their order is the order of making; a page continues below the last id.
    let rows = sqlx::query(concat!(
        "select ",
        connection_columns!(),
        " from connection
          where workspace_id = $1
            and ($2 is null or customer_id = $2)
            and state <> 'archived'
            and ($3 is null or integration_id = $3)
            and ($4 is null or (state = 'disconnected') = $4)
            and ($5 is null or instr(lower(coalesce(name, '')), lower($5)) > 0)
            and ($6 is null or id < $6)
          order by id desc
          limit $7"
    ))
    .bind(scope.workspace.to_string())
    .bind(scope.customer.map(|id| id.to_string()))
    .bind(filter.integration.map(|id| id.to_string()))
    .bind(filter.disconnected)
    .bind(&filter.search)
    .bind(filter.before.map(|id| id.to_string()))
    .bind(i64::from(filter.limit) + 1)
    .fetch_all(pool)
    .await?;
    let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
    Ok(Page {
        more: rows.len() > limit,
        items: rows.iter().take(limit).map(row::connection).collect::<Result<_>>()?,
    })
}

pub(super) async fn credential(
    pool: &SqlitePool,
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
    .fetch_optional(pool)
    .await?;
    found.as_ref().map_or(Ok(None), row::credential)
}

pub(super) async fn archive(
    pool: &SqlitePool,
    scope: Scope,
    id: ConnectionId,
    now: Timestamp,
) -> Result<Option<StoredCredential>> {
    let mut tx = pool.begin_with("begin immediate").await?;
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
    .fetch_optional(&mut *tx)
    .await?;
    let Some(found) = found else { return Ok(None) };
    sqlx::query(
        "update connection
         set state = 'archived',
             reason = null,
             sealed_credentials = null,
             input = '{}',
             credential_version = credential_version + 1,
             expires_at = null,
             refresh_at = null,
             refresh_sent_version = null,
             archived_at = $2,
             updated_at = $2
         where id = $1",
    )
    .bind(id.to_string())
    .bind(now.millis())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    let erased = row::credential(&found)?;
    Ok(Some(erased.unwrap_or(StoredCredential {
        sealed: Vec::new(),
        version: found.try_get("credential_version")?,
        expires_at: None,
        refresh_sent_version: None,
    })))
}
