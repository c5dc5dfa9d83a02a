//! The life of a credential: a lease to renew it, and writes that count only under that lease.

use async_trait::async_trait;
use serde_json::json;
use sqlx::{Row as _, Sqlite, Transaction, sqlite::SqliteRow};

use super::{
    super::{
        DueRefresh, LEASE, LEASE_FARTHEST, Lease, LeaseRequest, LeaseStore, Leasing, LiveConnection,
        RefreshedCredential, Result,
    },
    SqliteStore,
    journal::note_connection,
    row::{self, connection_columns},
};
use crate::model::{Action, ConnectionId, Customer, DisconnectReason, Scope, Timestamp};

#[async_trait]
impl LeaseStore for SqliteStore {
    async fn live(&self, scope: Scope, id: ConnectionId) -> Result<Option<LiveConnection>> {
        let found = sqlx::query(concat!(
            "select ",
            connection_columns!(),
            ", sealed_credentials, credential_version, expires_at, refresh_sent_version, refresh_until,
               refresh_tried_at,
               (select name from customer where customer.id = connection.customer_id) as customer_name,
               (select fields from customer where customer.id = connection.customer_id) as customer_fields
              from connection
              where id = $1
                and workspace_id = $2
                and ($3 is null or customer_id = $3)
                and state <> 'archived'"
        ))
        .bind(id.to_string())
        .bind(scope.workspace.to_string())
        .bind(scope.customer.map(|id| id.to_string()))
        .fetch_optional(&self.readers)
        .await?;
        found.as_ref().map_or(Ok(None), live)
    }

    async fn due_refreshes(&self, now: Timestamp, limit: u32, each: u32) -> Result<Vec<DueRefresh>> {
        let rows = sqlx::query(
            "select id, workspace_id, customer_id, integration_id
             from (
                 select id, workspace_id, customer_id, integration_id, refresh_at,
                        row_number() over (partition by integration_id order by refresh_at) as place
                 from (
                     select id, workspace_id, customer_id, integration_id, refresh_at
                     from connection
                     where state = 'ready'
                       and refresh_at <= $1
                     order by refresh_at
                     limit $4
                 )
             )
             where place <= $2
             order by refresh_at
             limit $3",
        )
        .bind(now.millis())
        .bind(each)
        .bind(limit)
        // Enough to choose from, and no more: after a long stop everything is due.
        .bind(limit.saturating_mul(10))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(due).collect()
    }

    async fn take_lease(&self, request: &LeaseRequest<'_>, now: Timestamp) -> Result<Leasing> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let found = sqlx::query(
            "select refresh_until, refresh_generation, refresh_sent_version, refresh_unreported
             from connection
             where id = $1
               and workspace_id = $2
               and ($3 is null or customer_id = $3)
               and credential_version = $4
               and state = 'ready'",
        )
        .bind(request.connection.to_string())
        .bind(request.scope.workspace.to_string())
        .bind(request.scope.customer.map(|id| id.to_string()))
        .bind(request.version)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(found) = found else { return Ok(Leasing::Moved) };
        if is_held(row::time_option(&found, "refresh_until")?, now) {
            return Ok(Leasing::Held);
        }
        let is_again = found.try_get::<Option<i64>, _>("refresh_sent_version")? == Some(request.version);
        let unreported = if is_again { found.try_get::<u32, _>("refresh_unreported")? } else { 0 };
        let leasing = if request.most_unreported.is_some_and(|most| unreported >= most) {
            let end = "update connection
                       set refresh_at = expires_at,
                           refresh_owner = null,
                           refresh_until = null
                       where id = $1";
            sqlx::query(end).bind(request.connection.to_string()).execute(&mut *tx).await?;
            Leasing::Spent
        } else {
            lease(&mut tx, request, unreported + 1, now).await?;
            Leasing::Taken(Lease {
                scope: request.scope,
                connection: request.connection,
                version: request.version,
                generation: found.try_get::<i64, _>("refresh_generation")? + 1,
                is_again,
            })
        };
        tx.commit().await?;
        Ok(leasing)
    }

    async fn store_refreshed(
        &self,
        lease: &Lease,
        renewed: &RefreshedCredential,
        now: Timestamp,
    ) -> Result<bool> {
        let done = sqlx::query(
            "update connection
             set sealed_credentials = $4,
                 credential_version = credential_version + 1,
                 refresh_owner = null,
                 refresh_until = null,
                 refresh_sent_version = null,
                 refresh_unreported = 0,
                 retry_attempts = 0,
                 expires_at = $5,
                 refresh_at = $6,
                 updated_at = $7
             where id = $1
               and credential_version = $2
               and refresh_generation = $3
               and refresh_owner is not null
               and state = 'ready'",
        )
        .bind(lease.connection.to_string())
        .bind(lease.version)
        .bind(lease.generation)
        .bind(&renewed.sealed)
        .bind(renewed.expires_at.map(Timestamp::millis))
        .bind(renewed.refresh_at.map(Timestamp::millis))
        .bind(now.millis())
        .execute(&self.writer)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    async fn note_refresh_failure(
        &self,
        lease: &Lease,
        retry_at: Timestamp,
        outcome_known: bool,
    ) -> Result<bool> {
        let done = sqlx::query(
            "update connection
             set retry_attempts = retry_attempts + 1,
                 refresh_at = $4,
                 refresh_owner = null,
                 refresh_until = null,
                 refresh_sent_version = case $5 when 1 then null else refresh_sent_version end,
                 refresh_unreported = 0
             where id = $1
               and credential_version = $2
               and refresh_generation = $3
               and refresh_owner is not null
               and state = 'ready'",
        )
        .bind(lease.connection.to_string())
        .bind(lease.version)
        .bind(lease.generation)
        .bind(retry_at.millis())
        .bind(outcome_known)
        .execute(&self.writer)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    async fn disconnect(
        &self,
        scope: Scope,
        id: ConnectionId,
        version: i64,
        generation: Option<i64>,
        reason: DisconnectReason,
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let done = sqlx::query(
            "update connection
             set state = 'disconnected',
                 reason = $6,
                 refresh_at = null,
                 refresh_owner = null,
                 refresh_until = null,
                 updated_at = $7
             where id = $1
               and workspace_id = $2
               and ($3 is null or customer_id = $3)
               and credential_version = $4
               and ($5 is null or (refresh_generation = $5 and refresh_owner is not null))
               and state = 'ready'",
        )
        .bind(id.to_string())
        .bind(scope.workspace.to_string())
        .bind(scope.customer.map(|id| id.to_string()))
        .bind(version)
        .bind(generation)
        .bind(reason.as_str())
        .bind(now.millis())
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() != 1 {
            return Ok(false);
        }
        let detail = json!({ "reason": reason });
        note_connection(&mut tx, id, reason.actor(), Action::ConnectionDisconnected, detail, now).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// A lease that reaches implausibly far was taken before the clock was set back.
fn is_held(until: Option<Timestamp>, now: Timestamp) -> bool {
    until.is_some_and(|until| until > now && until <= now.plus(LEASE_FARTHEST))
}

async fn lease(
    tx: &mut Transaction<'_, Sqlite>,
    request: &LeaseRequest<'_>,
    unreported: u32,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "update connection
         set refresh_owner = $2,
             refresh_until = $3,
             refresh_generation = refresh_generation + 1,
             refresh_sent_version = credential_version,
             refresh_unreported = $4,
             refresh_tried_at = $5
         where id = $1",
    )
    .bind(request.connection.to_string())
    .bind(request.owner)
    .bind(now.plus(LEASE).millis())
    .bind(unreported)
    .bind(now.millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn live(found: &SqliteRow) -> Result<Option<LiveConnection>> {
    let Some(stored) = row::credential(found)? else { return Ok(None) };
    let connection = row::connection(found)?;
    let customer = Customer {
        id: connection.customer,
        internal_id: connection.owner.clone(),
        name: found.try_get("customer_name")?,
        fields: row::json(found, "customer_fields")?,
    };
    Ok(Some(LiveConnection {
        connection,
        customer,
        stored,
        leased_until: row::time_option(found, "refresh_until")?,
        tried_at: row::time_option(found, "refresh_tried_at")?,
    }))
}

fn due(found: &SqliteRow) -> Result<DueRefresh> {
    Ok(DueRefresh {
        scope: Scope {
            workspace: row::workspace_id(found, "workspace_id")?,
            customer: Some(row::customer_id(found, "customer_id")?),
        },
        connection: row::connection_id(found, "id")?,
        integration: row::integration_id(found, "integration_id")?,
    })
}
