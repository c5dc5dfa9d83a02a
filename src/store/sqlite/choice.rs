//! Attempts that wait for the customer to choose one of several things.

use sqlx::{Row as _, Sqlite, SqlitePool, query::Query, sqlite::SqliteArguments};

use super::{super::Result, attempt};
use crate::model::{Attempt, AttemptId, AttemptRequest, HandleHash, Timestamp};

pub(super) async fn offer(
    pool: &SqlitePool,
    id: AttemptId,
    request: &AttemptRequest,
    sealed_secret: &[u8],
    ticket: HandleHash,
    now: Timestamp,
) -> Result<bool> {
    let done = sqlx::query(
        "update attempt
         set request = $2,
             sealed_secret = $3,
             ticket_hash = $4,
             updated_at = $5
         where id = $1
           and state = 'consumed'",
    )
    .bind(id.to_string())
    .bind(request.json())
    .bind(sealed_secret)
    .bind(ticket.as_bytes().as_slice())
    .bind(now.millis())
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn take(pool: &SqlitePool, ticket: HandleHash, now: Timestamp) -> Result<Option<Attempt>> {
    let taking = sqlx::query(
        "update attempt
         set ticket_hash = null, updated_at = $2
         where ticket_hash = $1
           and state = 'consumed'
           and json_extract(request, '$.choice') is not null
           and expires_at > $2
         returning id",
    );
    taken(pool, taking.bind(ticket.as_bytes().as_slice()).bind(now.millis())).await
}

pub(super) async fn take_abandoned(pool: &SqlitePool, now: Timestamp) -> Result<Option<Attempt>> {
    let taking = sqlx::query(
        "update attempt
         set ticket_hash = null, updated_at = $1
         where id = (
            select id
            from attempt
            where expires_at <= $1
              and state = 'consumed'
              and ticket_hash is not null
              and json_extract(request, '$.choice') is not null
            limit 1
         )
         returning id",
    );
    taken(pool, taking.bind(now.millis())).await
}

/// The attempt that `taking` takes; whoever comes second finds none.
async fn taken(pool: &SqlitePool, taking: Query<'_, Sqlite, SqliteArguments>) -> Result<Option<Attempt>> {
    let mut tx = pool.begin_with("begin immediate").await?;
    let Some(row) = taking.fetch_optional(&mut *tx).await? else { return Ok(None) };
    let attempt = attempt::find(&mut tx, row.try_get("id")?).await?;
    tx.commit().await?;
    Ok(attempt)
}
