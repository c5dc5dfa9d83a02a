//! Attempts, and the one transaction in which an attempt becomes a connection.

use serde_json::to_string;
use sqlx::{Row as _, Sqlite, SqliteConnection, SqlitePool, Transaction};

use super::{
    super::{
        AttemptFilter, CompletedAttempt, NewAttempt, NewConnection, Replacing, Result, record::state_word,
    },
    row::{self, attempt_columns, connection_columns},
};
use crate::model::{
    Attempt, AttemptId, AttemptRequest, AttemptState, Connection, ConnectionId, Failure, HandleHash,
    Timestamp,
};

/// How long the outcome of an attempt can be asked for after its end, milliseconds.
const RESULT_LIFE_MILLIS: i64 = 10 * 60 * 1000;

pub(super) async fn add(pool: &SqlitePool, attempt: &NewAttempt, now: Timestamp) -> Result<()> {
    sqlx::query(
        "insert into attempt (id, workspace_id, customer_id, integration_id, request_id, state, request,
                              sealed_secret, ticket_hash, expires_at, created_at, updated_at)
         values ($1, $2, $3, $4, $5, 'pending', $6, $7, $8, $9, $10, $10)",
    )
    .bind(attempt.id.to_string())
    .bind(attempt.scope.workspace.to_string())
    .bind(attempt.scope.customer.map(|id| id.to_string()))
    .bind(attempt.integration.to_string())
    .bind(&attempt.request_id)
    .bind(attempt.request.json())
    .bind(&attempt.sealed_secret)
    .bind(attempt.ticket.as_bytes().as_slice())
    .bind(attempt.expires_at.millis())
    .bind(now.millis())
    .execute(pool)
    .await?;
    Ok(())
}

pub(super) async fn by_ticket(
    pool: &SqlitePool,
    ticket: HandleHash,
    now: Timestamp,
) -> Result<Option<Attempt>> {
    sqlx::query(concat!(
        "select ",
        attempt_columns!(),
        " from attempt a
          join customer c on c.id = a.customer_id
          where a.ticket_hash = $1
            and a.state = 'pending'
            and a.expires_at > $2"
    ))
    .bind(ticket.as_bytes().as_slice())
    .bind(now.millis())
    .fetch_optional(pool)
    .await?
    .as_ref()
    .map(row::attempt)
    .transpose()
}

pub(super) async fn by_result(
    pool: &SqlitePool,
    result: HandleHash,
    now: Timestamp,
) -> Result<Option<Attempt>> {
    sqlx::query(concat!(
        "select ",
        attempt_columns!(),
        " from attempt a
          join customer c on c.id = a.customer_id
          where a.result_hash = $1
            and a.updated_at > $2"
    ))
    .bind(result.as_bytes().as_slice())
    .bind(now.millis() - RESULT_LIFE_MILLIS)
    .fetch_optional(pool)
    .await?
    .as_ref()
    .map(row::attempt)
    .transpose()
}

pub(super) async fn by_request(
    pool: &SqlitePool,
    filter: &AttemptFilter,
    now: Timestamp,
) -> Result<Vec<Attempt>> {
    let rows = sqlx::query(concat!(
        "select ",
        attempt_columns!(),
        " from attempt a
          join customer c on c.id = a.customer_id
          where a.request_id = $1
            and ($2 is null or a.workspace_id = $2)
            and ($3 is null or a.customer_id = $3)
            and (a.expires_at > $4 or a.updated_at > $5)
          order by a.id desc
          limit 4"
    ))
    .bind(&filter.request_id)
    .bind(filter.scope.map(|scope| scope.workspace.to_string()))
    .bind(filter.scope.and_then(|scope| scope.customer).map(|id| id.to_string()))
    .bind(now.millis())
    .bind(now.millis() - RESULT_LIFE_MILLIS)
    .fetch_all(pool)
    .await?;
    rows.iter().map(row::attempt).collect()
}

pub(super) async fn update(
    pool: &SqlitePool,
    id: AttemptId,
    request: &AttemptRequest,
    sealed_secret: Option<&[u8]>,
    now: Timestamp,
) -> Result<bool> {
    let done = sqlx::query(
        "update attempt
         set request = $2,
             sealed_secret = $3,
             state = 'pending',
             updated_at = $4
         where id = $1
           and state in ('pending', 'consumed')
           and state_hash is null
           and expires_at > $4",
    )
    .bind(id.to_string())
    .bind(request.json())
    .bind(sealed_secret)
    .bind(now.millis())
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn send_off(
    pool: &SqlitePool,
    id: AttemptId,
    request: &AttemptRequest,
    sealed_secret: &[u8],
    state: HandleHash,
    binding: HandleHash,
    now: Timestamp,
) -> Result<bool> {
    let done = sqlx::query(
        "update attempt
         set request = $2,
             sealed_secret = $3,
             state_hash = $4,
             binding_hash = $5,
             ticket_hash = null,
             updated_at = $6
         where id = $1
           and state = 'pending'
           and state_hash is null
           and expires_at > $6",
    )
    .bind(id.to_string())
    .bind(request.json())
    .bind(sealed_secret)
    .bind(state.as_bytes().as_slice())
    .bind(binding.as_bytes().as_slice())
    .bind(now.millis())
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn take(pool: &SqlitePool, state: HandleHash, now: Timestamp) -> Result<Option<Attempt>> {
    let mut tx = pool.begin_with("begin immediate").await?;
    let taken = sqlx::query(
        "update attempt
         set state = 'consumed', updated_at = $2
         where state_hash = $1
           and state = 'pending'
         returning id",
    )
    .bind(state.as_bytes().as_slice())
    .bind(now.millis())
    .fetch_optional(&mut *tx)
    .await?;
    let Some(taken) = taken else { return Ok(None) };
    let attempt = find(&mut tx, taken.try_get("id")?).await?;
    tx.commit().await?;
    Ok(attempt)
}

async fn find(connection: &mut SqliteConnection, id: &str) -> Result<Option<Attempt>> {
    sqlx::query(concat!(
        "select ",
        attempt_columns!(),
        " from attempt a
          join customer c on c.id = a.customer_id
          where a.id = $1"
    ))
    .bind(id)
    .fetch_optional(connection)
    .await?
    .as_ref()
    .map(row::attempt)
    .transpose()
}

pub(super) async fn consume(pool: &SqlitePool, id: AttemptId, now: Timestamp) -> Result<bool> {
    let done = sqlx::query(
        "update attempt
         set state = 'consumed', updated_at = $2
         where id = $1
           and state = 'pending'
           and state_hash is null
           and expires_at > $2",
    )
    .bind(id.to_string())
    .bind(now.millis())
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn complete(
    pool: &SqlitePool,
    id: AttemptId,
    new: &NewConnection,
    result: HandleHash,
    now: Timestamp,
) -> Result<CompletedAttempt> {
    let mut tx = pool.begin_with("begin immediate").await?;
    let attempt = find(&mut tx, &id.to_string()).await?;
    if !attempt.is_some_and(|attempt| attempt.state == AttemptState::Consumed) {
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
    let row_id = replaced.as_ref().map_or(new.id, |connection| connection.id);
    match &replaced {
        Some(_) => renew(&mut tx, row_id, new, now).await?,
        None => insert(&mut tx, new, now).await?,
    }
    end(&mut tx, id, &AttemptState::Connected(row_id), result, now).await?;
    let row = sqlx::query(concat!("select ", connection_columns!(), " from connection where id = $1"))
        .bind(row_id.to_string())
        .fetch_one(&mut *tx)
        .await?;
    let connection = row::connection(&row)?;
    tx.commit().await?;
    Ok(match replaced {
        Some(_) => CompletedAttempt::Renewed(connection),
        None => CompletedAttempt::Created(connection),
    })
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
                                 input, connector_parameters, account_id, account_label, sealed_credentials,
                                 credential_version, expires_at, refresh_at, retry_attempts,
                                 created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, 'ready', $7, '{}', $8, $9, $10, 1, $11, $12, 0, $13, $13)",
    )
    .bind(new.id.to_string())
    .bind(new.scope.workspace.to_string())
    .bind(new.scope.customer.map(|id| id.to_string()))
    .bind(new.integration.to_string())
    .bind(&new.name)
    .bind(&new.auth_option)
    .bind(to_string(&new.input).expect("strings serialize"))
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
             retry_attempts = 0,
             expires_at = $8,
             refresh_at = $9,
             updated_at = $10
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
    .bind(now.millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn fail(
    pool: &SqlitePool,
    id: AttemptId,
    failure: &Failure,
    result: HandleHash,
    now: Timestamp,
) -> Result<()> {
    let mut tx = pool.begin_with("begin immediate").await?;
    end(&mut tx, id, &AttemptState::Failed(failure.clone()), result, now).await?;
    tx.commit().await?;
    Ok(())
}

/// Ends an attempt once; secrets it held are gone with the same statement.
async fn end(
    tx: &mut Transaction<'_, Sqlite>,
    id: AttemptId,
    state: &AttemptState,
    result: HandleHash,
    now: Timestamp,
) -> Result<()> {
    let (connection, failure) = match state {
        AttemptState::Connected(connection) => (Some(connection.to_string()), None),
        AttemptState::Failed(failure) => (None, Some(to_string(failure).expect("a failure is plain data"))),
        AttemptState::Pending | AttemptState::Consumed => (None, None),
    };
    sqlx::query(
        "update attempt
         set state = $2,
             connection_id = $3,
             failure = $4,
             result_hash = $5,
             sealed_secret = null,
             ticket_hash = null,
             binding_hash = null,
             updated_at = $6
         where id = $1
           and state in ('pending', 'consumed')",
    )
    .bind(id.to_string())
    .bind(state_word(state))
    .bind(connection)
    .bind(failure)
    .bind(result.as_bytes().as_slice())
    .bind(now.millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn sweep(pool: &SqlitePool, now: Timestamp) -> Result<u64> {
    let mut tx = pool.begin_with("begin immediate").await?;
    let mut gone = 0;
    for statement in [
        "delete from page_session where expires_at <= $1",
        "delete from link where expires_at <= $1",
        "delete from attempt where expires_at <= $1 - 600000 and updated_at <= $1 - 600000",
    ] {
        gone += sqlx::query(statement).bind(now.millis()).execute(&mut *tx).await?.rows_affected();
    }
    tx.commit().await?;
    Ok(gone)
}
