//! Attempts, from their ticket to their end.

use serde_json::to_string;
use sqlx::{Row as _, Sqlite, SqliteConnection, SqlitePool, Transaction};

use super::{
    super::{AttemptFilter, NewAttempt, Result, record::state_word},
    readers::Readers,
    row::{self, attempt_columns},
};
use crate::model::{Attempt, AttemptId, AttemptRequest, AttemptState, Failure, HandleHash, Timestamp};

/// Attempts with their customers, for a condition on `attempt a`.
macro_rules! attempts_where {
    ($condition:literal) => {
        concat!(
            "select ",
            attempt_columns!(),
            " from attempt a join customer c on c.id = a.customer_id where ",
            $condition
        )
    };
}

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
    readers: &Readers,
    ticket: HandleHash,
    now: Timestamp,
) -> Result<Option<Attempt>> {
    let sql =
        attempts_where!("a.ticket_hash = $1 and a.state in ('pending', 'consumed') and a.expires_at > $2");
    by_hash(readers, sql, ticket, now.millis()).await
}

pub(super) async fn by_result(
    readers: &Readers,
    result: HandleHash,
    now: Timestamp,
) -> Result<Option<Attempt>> {
    let sql = attempts_where!("a.result_hash = $1 and a.updated_at > $2");
    by_hash(readers, sql, result, now.millis() - RESULT_LIFE_MILLIS).await
}

pub(super) async fn by_request(
    readers: &Readers,
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
            and (a.expires_at > $4 or a.updated_at > $4)
          order by a.id desc
          limit 4"
    ))
    .bind(&filter.request_id)
    .bind(filter.scope.map(|scope| scope.workspace.to_string()))
    .bind(filter.scope.and_then(|scope| scope.customer).map(|id| id.to_string()))
    // One that ran out is found for as long: whoever waits for it has to be told.
    .bind(now.millis() - RESULT_LIFE_MILLIS)
    .fetch_all(readers)
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

pub(super) async fn by_state(
    readers: &Readers,
    state: HandleHash,
    now: Timestamp,
) -> Result<Option<Attempt>> {
    let sql = attempts_where!("a.state_hash = $1 and a.state = 'pending' and a.expires_at > $2");
    by_hash(readers, sql, state, now.millis()).await
}

async fn by_hash(
    readers: &Readers,
    sql: &'static str,
    hash: HandleHash,
    after: i64,
) -> Result<Option<Attempt>> {
    let found = sqlx::query(sql).bind(hash.as_bytes().as_slice()).bind(after).fetch_optional(readers).await?;
    found.as_ref().map(row::attempt).transpose()
}

pub(super) async fn park(
    pool: &SqlitePool,
    id: AttemptId,
    known: Option<&[u8]>,
    sealed_secret: &[u8],
    now: Timestamp,
) -> Result<bool> {
    let done = sqlx::query(
        "update attempt
         set sealed_secret = $2, updated_at = $3
         where id = $1
           and sealed_secret is $4
           and state = 'pending'
           and state_hash is not null
           and expires_at > $3",
    )
    .bind(id.to_string())
    .bind(sealed_secret)
    .bind(now.millis())
    .bind(known)
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

pub(super) async fn find(connection: &mut SqliteConnection, id: &str) -> Result<Option<Attempt>> {
    let found = sqlx::query(attempts_where!("a.id = $1")).bind(id).fetch_optional(connection).await?;
    found.as_ref().map(row::attempt).transpose()
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

pub(super) async fn fail(
    pool: &SqlitePool,
    id: AttemptId,
    failure: &Failure,
    result: HandleHash,
    now: Timestamp,
) -> Result<bool> {
    let mut tx = pool.begin_with("begin immediate").await?;
    let ended = end(&mut tx, id, &AttemptState::Failed(failure.clone()), result, now).await?;
    tx.commit().await?;
    Ok(ended)
}

/// Ends an attempt once, and says whether this was the time; secrets it held are gone with the same statement.
pub(super) async fn end(
    tx: &mut Transaction<'_, Sqlite>,
    id: AttemptId,
    state: &AttemptState,
    result: HandleHash,
    now: Timestamp,
) -> Result<bool> {
    let (connection, failure) = match state {
        AttemptState::Connected(connection) => (Some(connection.to_string()), None),
        AttemptState::Failed(failure) => (None, Some(to_string(failure).expect("a failure is plain data"))),
        AttemptState::Pending | AttemptState::Consumed | AttemptState::NeedsChoice => (None, None),
    };
    let done = sqlx::query(
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
    Ok(done.rows_affected() == 1)
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
