//! The life of a credential: renewals by compare-and-swap on its version.

use sqlx::SqlitePool;

use super::{
    super::{DueRefresh, RefreshedCredential, Result},
    row,
};
use crate::model::{ConnectionId, DisconnectReason, Scope, Timestamp};

pub(super) async fn due(pool: &SqlitePool, now: Timestamp, limit: u32) -> Result<Vec<DueRefresh>> {
    let rows = sqlx::query(
        "select id, workspace_id, customer_id
         from connection
         where state = 'ready'
           and refresh_at <= $1
         order by refresh_at
         limit $2",
    )
    .bind(now.millis())
    .bind(limit)
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|found| {
            Ok(DueRefresh {
                scope: Scope {
                    workspace: row::workspace_id(found, "workspace_id")?,
                    customer: Some(row::customer_id(found, "customer_id")?),
                },
                connection: row::connection_id(found, "id")?,
            })
        })
        .collect()
}

pub(super) async fn mark_sent(
    pool: &SqlitePool,
    scope: Scope,
    id: ConnectionId,
    version: i64,
) -> Result<bool> {
    let done = sqlx::query(
        "update connection
         set refresh_sent_version = $4
         where id = $1
           and workspace_id = $2
           and ($3 is null or customer_id = $3)
           and credential_version = $4
           and state = 'ready'",
    )
    .bind(id.to_string())
    .bind(scope.workspace.to_string())
    .bind(scope.customer.map(|id| id.to_string()))
    .bind(version)
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn store(
    pool: &SqlitePool,
    scope: Scope,
    id: ConnectionId,
    from: i64,
    renewed: &RefreshedCredential,
    now: Timestamp,
) -> Result<bool> {
    let done = sqlx::query(
        "update connection
         set sealed_credentials = $5,
             credential_version = credential_version + 1,
             refresh_sent_version = null,
             retry_attempts = 0,
             expires_at = $6,
             refresh_at = $7,
             updated_at = $8
         where id = $1
           and workspace_id = $2
           and ($3 is null or customer_id = $3)
           and credential_version = $4
           and state = 'ready'",
    )
    .bind(id.to_string())
    .bind(scope.workspace.to_string())
    .bind(scope.customer.map(|id| id.to_string()))
    .bind(from)
    .bind(&renewed.sealed)
    .bind(renewed.expires_at.map(Timestamp::millis))
    .bind(renewed.refresh_at.map(Timestamp::millis))
    .bind(now.millis())
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn note_failure(
    pool: &SqlitePool,
    scope: Scope,
    id: ConnectionId,
    version: i64,
    retry_at: Timestamp,
    outcome_known: bool,
) -> Result<()> {
    sqlx::query(
        "update connection
         set retry_attempts = retry_attempts + 1,
             refresh_at = $5,
             refresh_sent_version = case $6 when 1 then null else refresh_sent_version end
         where id = $1
           and workspace_id = $2
           and ($3 is null or customer_id = $3)
           and credential_version = $4
           and state = 'ready'",
    )
    .bind(id.to_string())
    .bind(scope.workspace.to_string())
    .bind(scope.customer.map(|id| id.to_string()))
    .bind(version)
    .bind(retry_at.millis())
    .bind(outcome_known)
    .execute(pool)
    .await?;
    Ok(())
}

pub(super) async fn disconnect(
    pool: &SqlitePool,
    scope: Scope,
    id: ConnectionId,
    version: i64,
    reason: DisconnectReason,
    now: Timestamp,
) -> Result<bool> {
    let done = sqlx::query(
        "update connection
         set state = 'disconnected',
             reason = $5,
             refresh_at = null,
             updated_at = $6
         where id = $1
           and workspace_id = $2
           and ($3 is null or customer_id = $3)
           and credential_version = $4
           and state = 'ready'",
    )
    .bind(id.to_string())
    .bind(scope.workspace.to_string())
    .bind(scope.customer.map(|id| id.to_string()))
    .bind(version)
    .bind(reason.as_str())
    .bind(now.millis())
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}
