//! The one transaction in which an attempt becomes a connection.

use serde_json::{json, to_string};
use sqlx::{Sqlite, SqlitePool, Transaction};

use super::{
    super::{CompletedAttempt, Imported, ImportedConnection, NewConnection, Replacing, Result, StoreError},
    attempt::{end, find},
    customer::is_archived,
    journal::note_connection,
    row::{self, connection_columns},
};
use crate::model::{Action, Actor, AttemptId, AttemptState, Connection, ConnectionId, HandleHash, Timestamp};

pub(super) async fn complete(
    pool: &SqlitePool,
    id: AttemptId,
    new: &NewConnection,
    result: HandleHash,
    by: Actor,
    now: Timestamp,
) -> Result<CompletedAttempt> {
    let mut tx = pool.begin_with("begin immediate").await?;
    let attempt = find(&mut tx, &id.to_string()).await?;
    if !attempt.is_some_and(|attempt| is_taken(&attempt.state)) {
        return Ok(CompletedAttempt::NotOpen);
    }
    if is_archived(&mut tx, new.scope.customer).await? {
        return Ok(CompletedAttempt::NotOpen);
    }
    let replaced = match new.replacing {
        Replacing::Nothing => None,
        Replacing::Existing => existing(&mut tx, new).await?,
        Replacing::Exactly(target) => {
            let Some(target) = exactly(&mut tx, new, target).await? else {
                return Ok(CompletedAttempt::TargetGone);
            };
            if let (Some(before), Some(now)) = (&target.account, &new.account)
                && before.id != now.id
            {
                return Ok(CompletedAttempt::OtherAccount);
            }
            Some(target)
        }
    };
    let row_id = place(&mut tx, replaced.as_ref(), new, now).await?;
    end(&mut tx, id, &AttemptState::Connected(row_id), result, now).await?;
    note_connection(&mut tx, row_id, by, made(&replaced), json!({ "attempt": id }), now).await?;
    let connection = placed(&mut tx, row_id).await?;
    tx.commit().await?;
    Ok(match replaced {
        Some(_) => CompletedAttempt::Renewed(connection),
        None => CompletedAttempt::Created(connection),
    })
}

/// Makes or renews a connection that somebody brings along.
pub(super) async fn import(
    pool: &SqlitePool,
    import: &ImportedConnection<'_>,
    by: Actor,
    now: Timestamp,
) -> Result<Imported> {
    let new = import.connection;
    let mut tx = pool.begin_with("begin immediate").await?;
    if is_archived(&mut tx, new.scope.customer).await? {
        return Ok(Imported::CustomerArchived);
    }
    let replaced = match new.replacing {
        Replacing::Nothing => None,
        Replacing::Existing | Replacing::Exactly(_) => existing(&mut tx, new).await?,
    };
    let id = place(&mut tx, replaced.as_ref(), new, now).await?;
    let kept = sqlx::query(
        "update connection
         set key = coalesce($2, key),
             meta = coalesce($3, meta)
         where id = $1",
    )
    .bind(id.to_string())
    .bind(import.key)
    .bind(import.meta.map(ToString::to_string))
    .execute(&mut *tx)
    .await;
    match kept.map_err(StoreError::from) {
        Ok(_) => {}
        Err(StoreError::Conflict(_)) => return Ok(Imported::KeyTaken),
        Err(error) => return Err(error),
    }
    note_connection(&mut tx, id, by, made(&replaced), json!({ "imported": true }), now).await?;
    let connection = placed(&mut tx, id).await?;
    tx.commit().await?;
    Ok(match replaced {
        Some(_) => Imported::Renewed(connection),
        None => Imported::Created(connection),
    })
}

/// Puts a connection in the place of another, or in one of its own.
async fn place(
    tx: &mut Transaction<'_, Sqlite>,
    replaced: Option<&Connection>,
    new: &NewConnection,
    now: Timestamp,
) -> Result<ConnectionId> {
    let Some(replaced) = replaced else {
        insert(tx, new, now).await?;
        return Ok(new.id);
    };
    renew(tx, replaced.id, new, now).await?;
    Ok(replaced.id)
}

fn made(replaced: &Option<Connection>) -> Action {
    match replaced {
        Some(_) => Action::ConnectionReconnected,
        None => Action::ConnectionCreated,
    }
}

pub(super) async fn placed(tx: &mut Transaction<'_, Sqlite>, id: ConnectionId) -> Result<Connection> {
    let row = sqlx::query(concat!("select ", connection_columns!(), " from connection where id = $1"))
        .bind(id.to_string())
        .fetch_one(&mut **tx)
        .await?;
    row::connection(&row)
}

/// Its answer was taken, and nobody else can.
fn is_taken(state: &AttemptState) -> bool {
    matches!(state, AttemptState::Consumed | AttemptState::NeedsChoice)
}

async fn existing(tx: &mut Transaction<'_, Sqlite>, new: &NewConnection) -> Result<Option<Connection>> {
    sqlx::query(concat!(
        "select ",
        connection_columns!(),
        " from connection
          where integration_id = $1
            and workspace_id = $2
            and customer_id = $3
            and state <> 'archived'
          order by id desc
          limit 1"
    ))
    .bind(new.integration.to_string())
    .bind(new.scope.workspace.to_string())
    .bind(new.scope.customer.map(|id| id.to_string()))
    .fetch_optional(&mut **tx)
    .await?
    .as_ref()
    .map(row::connection)
    .transpose()
}

async fn exactly(
    tx: &mut Transaction<'_, Sqlite>,
    new: &NewConnection,
    target: ConnectionId,
) -> Result<Option<Connection>> {
    sqlx::query(concat!(
        "select ",
        connection_columns!(),
        " from connection
          where id = $1
            and integration_id = $2
            and workspace_id = $3
            and customer_id = $4
            and state <> 'archived'"
    ))
    .bind(target.to_string())
    .bind(new.integration.to_string())
    .bind(new.scope.workspace.to_string())
    .bind(new.scope.customer.map(|id| id.to_string()))
    .fetch_optional(&mut **tx)
    .await?
    .as_ref()
    .map(row::connection)
    .transpose()
}

async fn insert(tx: &mut Transaction<'_, Sqlite>, new: &NewConnection, now: Timestamp) -> Result<()> {
    sqlx::query(
        "insert into connection (id, workspace_id, customer_id, integration_id, name, auth_option, state,
                                 input, connector_parameters, sealed_parameters, account_id, account_label,
                                 sealed_credentials, credential_version, expires_at, refresh_at,
                                 retry_attempts, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, 'ready', $7, $8, $9, $10, $11, $12, 1, $13, $14, 0, $15, $15)",
    )
    .bind(new.id.to_string())
    .bind(new.scope.workspace.to_string())
    .bind(new.scope.customer.map(|id| id.to_string()))
    .bind(new.integration.to_string())
    .bind(&new.name)
    .bind(&new.auth_option)
    .bind(to_string(&new.input).expect("strings serialize"))
    .bind(to_string(&new.connector_parameters).expect("JSON serializes"))
    .bind(new.seal_parameters.as_ref().map(|seal| seal(new.id)))
    .bind(new.account.as_ref().map(|account| &account.id))
    .bind(new.account.as_ref().and_then(|account| account.label.as_ref()))
    .bind((new.seal)(new.id))
    .bind(new.expires_at.map(Timestamp::millis))
    .bind(new.refresh_at.map(Timestamp::millis))
    .bind(now.millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Puts the new credentials in the place of the old ones. Those are not revoked at the provider: many
/// keep one grant per account and client, and revoking the old token would end the new one as well.
async fn renew(
    tx: &mut Transaction<'_, Sqlite>,
    id: ConnectionId,
    new: &NewConnection,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "update connection
         set name = coalesce($2, name),
             auth_option = $3,
             state = 'ready',
             reason = null,
             input = $4,
             account_id = coalesce($5, account_id),
             account_label = case when $5 is null then account_label else $6 end,
             sealed_credentials = $7,
             credential_version = credential_version + 1,
             refresh_sent_version = null,
             refresh_owner = null,
             refresh_until = null,
             refresh_tried_at = null,
             retry_attempts = 0,
             expires_at = $8,
             refresh_at = $9,
             connector_parameters = $10,
             sealed_parameters = $11,
             updated_at = $12
         where id = $1",
    )
    .bind(id.to_string())
    .bind(&new.name)
    .bind(&new.auth_option)
    .bind(to_string(&new.input).expect("strings serialize"))
    .bind(new.account.as_ref().map(|account| &account.id))
    .bind(new.account.as_ref().and_then(|account| account.label.as_ref()))
    .bind((new.seal)(id))
    .bind(new.expires_at.map(Timestamp::millis))
    .bind(new.refresh_at.map(Timestamp::millis))
    .bind(to_string(&new.connector_parameters).expect("JSON serializes"))
    .bind(new.seal_parameters.as_ref().map(|seal| seal(id)))
    .bind(now.millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}
