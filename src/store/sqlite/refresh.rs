//! The life of a credential: a lease to renew it, and writes that count only under that lease.
//!
//! Two tables hold credentials, a connection's and those for the product's own API; each step is the same
//! for both.

use async_trait::async_trait;
use serde_json::json;
use sqlx::{AssertSqlSafe, Row as _, Sqlite, Transaction, sqlite::SqliteRow};

use super::{
    super::{
        DueRefresh, LEASE, Lease, LeaseRequest, LeaseStore, Leasing, LiveConnection, RefreshedCredential,
        Renewable, Result, is_held,
    },
    SqliteStore,
    app_credential::note_app_ended,
    journal::note_connection,
    row::{self, connection_columns},
};
use crate::model::{Action, ConnectionId, Customer, DisconnectReason, Scope, Timestamp};

/// Where credentials lie. Both tables have the same columns for a renewal; connections are also renewed by
/// the clock, so with them go assignments of `refresh_at`.
struct Table {
    name: &'static str,
    /// What finds a row.
    id: &'static str,
    /// When it is renewed, kept back by a failure, and over. Their values are bound last: where the table
    /// has no such column they are not asked for.
    renewed: &'static str,
    put_off: &'static str,
    ended: &'static str,
}

const CONNECTIONS: Table = Table {
    name: "connection",
    id: "id",
    renewed: ", refresh_at = $7",
    put_off: ", refresh_at = $5",
    ended: ", refresh_at = null",
};
const APP_CREDENTIALS: Table =
    Table { name: "app_credential", id: "customer_id", renewed: "", put_off: "", ended: "" };

/// Writes under a lease count while nobody took it after and the version is the one it was taken for.
const UNDER_LEASE: &str = "credential_version = $2
               and refresh_generation = $3
               and refresh_owner is not null
               and state = 'ready'";

impl Renewable {
    fn table(self) -> &'static Table {
        match self {
            Self::Connection(_) => &CONNECTIONS,
            Self::YourApp(_) => &APP_CREDENTIALS,
        }
    }

    /// What finds its row.
    fn row(self) -> String {
        match self {
            Self::Connection(id) => id.to_string(),
            Self::YourApp(customer) => customer.to_string(),
        }
    }
}

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
        let Table { name, id, .. } = request.of.table();
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let find = format!(
            "select refresh_until, refresh_generation, refresh_sent_version, refresh_unreported
             from {name}
             where {id} = $1
               and workspace_id = $2
               and ($3 is null or customer_id = $3)
               and credential_version = $4
               and state = 'ready'"
        );
        let found = sqlx::query(AssertSqlSafe(find))
            .bind(request.of.row())
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
            if let Renewable::Connection(id) = request.of {
                let end = "update connection
                           set refresh_at = expires_at,
                               refresh_owner = null,
                               refresh_until = null
                           where id = $1";
                sqlx::query(end).bind(id.to_string()).execute(&mut *tx).await?;
            }
            Leasing::Spent
        } else {
            lease(&mut tx, request, unreported + 1, now).await?;
            Leasing::Taken(Lease {
                of: request.of,
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
        let Table { name, id, renewed: refresh_at, .. } = lease.of.table();
        let store = format!(
            "update {name}
             set sealed_credentials = $4,
                 credential_version = credential_version + 1,
                 refresh_owner = null,
                 refresh_until = null,
                 refresh_sent_version = null,
                 refresh_unreported = 0,
                 retry_attempts = 0,
                 expires_at = $5,
                 updated_at = $6{refresh_at}
             where {id} = $1
               and {UNDER_LEASE}"
        );
        let done = sqlx::query(AssertSqlSafe(store))
            .bind(lease.of.row())
            .bind(lease.version)
            .bind(lease.generation)
            .bind(&renewed.sealed)
            .bind(renewed.expires_at.map(Timestamp::millis))
            .bind(now.millis())
            .bind(renewed.refresh_at.map(Timestamp::millis))
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    async fn note_refresh_failure(
        &self,
        lease: &Lease,
        retry_at: Option<Timestamp>,
        outcome_known: bool,
    ) -> Result<bool> {
        let Table { name, id, put_off: refresh_at, .. } = lease.of.table();
        let put_off = format!(
            "update {name}
             set retry_attempts = retry_attempts + 1,
                 refresh_owner = null,
                 refresh_until = null,
                 refresh_sent_version = case $4 when 1 then null else refresh_sent_version end,
                 refresh_unreported = 0{refresh_at}
             where {id} = $1
               and {UNDER_LEASE}"
        );
        let done = sqlx::query(AssertSqlSafe(put_off))
            .bind(lease.of.row())
            .bind(lease.version)
            .bind(lease.generation)
            .bind(outcome_known)
            .bind(retry_at.map(Timestamp::millis))
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    async fn disconnect(
        &self,
        scope: Scope,
        of: Renewable,
        version: i64,
        generation: Option<i64>,
        reason: DisconnectReason,
        now: Timestamp,
    ) -> Result<bool> {
        let Table { name, id, ended: refresh_at, .. } = of.table();
        let end = format!(
            "update {name}
             set state = 'disconnected',
                 reason = $6,
                 refresh_owner = null,
                 refresh_until = null,
                 updated_at = $7{refresh_at}
             where {id} = $1
               and workspace_id = $2
               and ($3 is null or customer_id = $3)
               and credential_version = $4
               and ($5 is null or (refresh_generation = $5 and refresh_owner is not null))
               and state = 'ready'"
        );
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let done = sqlx::query(AssertSqlSafe(end))
            .bind(of.row())
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
        match of {
            Renewable::Connection(id) => {
                let detail = json!({ "reason": reason });
                let action = Action::ConnectionDisconnected;
                note_connection(&mut tx, id, reason.actor(), action, detail, now).await?;
            }
            Renewable::YourApp(customer) => note_app_ended(&mut tx, customer, reason, now).await?,
        }
        tx.commit().await?;
        Ok(true)
    }
}

async fn lease(
    tx: &mut Transaction<'_, Sqlite>,
    request: &LeaseRequest<'_>,
    unreported: u32,
    now: Timestamp,
) -> Result<()> {
    let Table { name, id, .. } = request.of.table();
    let take = format!(
        "update {name}
         set refresh_owner = $2,
             refresh_until = $3,
             refresh_generation = refresh_generation + 1,
             refresh_sent_version = credential_version,
             refresh_unreported = $4,
             refresh_tried_at = $5
         where {id} = $1"
    );
    sqlx::query(AssertSqlSafe(take))
        .bind(request.of.row())
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
