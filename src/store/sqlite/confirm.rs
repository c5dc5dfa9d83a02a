//! Answers that wait for the word of the product's backend.

use async_trait::async_trait;
use sqlx::{Row as _, Sqlite, SqlitePool, query::Query, sqlite::SqliteArguments};

use super::{
    super::{ConfirmStore, Result, Unconfirmed},
    SqliteStore, attempt,
};
use crate::model::{Attempt, HandleHash, Timestamp, WorkspaceId};

#[async_trait]
impl ConfirmStore for SqliteStore {
    async fn await_confirmation(&self, answer: &Unconfirmed<'_>, now: Timestamp) -> Result<bool> {
        let done = sqlx::query(
            "update attempt
             set sealed_secret = $2,
                 confirmation_hash = $3,
                 expires_at = $4,
                 updated_at = $5
             where id = $1
               and state = 'consumed'",
        )
        .bind(answer.attempt.to_string())
        .bind(answer.sealed_secret)
        .bind(answer.confirmation.as_bytes().as_slice())
        .bind(answer.expires_at.millis())
        .bind(now.millis())
        .execute(&self.writer)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    async fn take_confirmation(
        &self,
        workspace: WorkspaceId,
        confirmation: HandleHash,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Attempt>> {
        let taking = sqlx::query(
            "update attempt
             set confirmation_hash = null,
                 expires_at = $3,
                 updated_at = $4
             where confirmation_hash = $1
               and workspace_id = $2
               and state = 'consumed'
               and expires_at > $4
             returning id",
        )
        .bind(confirmation.as_bytes().as_slice())
        .bind(workspace.to_string())
        .bind(until.millis())
        .bind(now.millis());
        taken(&self.writer, taking).await
    }

    async fn take_unconfirmed(&self, now: Timestamp) -> Result<Option<Attempt>> {
        let taking = sqlx::query(
            "update attempt
             set confirmation_hash = null, updated_at = $1
             where id = (
                select id
                from attempt
                where confirmation_hash is not null
                  and expires_at <= $1
                  and state = 'consumed'
                limit 1
             )
             returning id",
        );
        taken(&self.writer, taking.bind(now.millis())).await
    }
}

/// The attempt that `taking` takes; whoever comes second finds none.
async fn taken(pool: &SqlitePool, taking: Query<'_, Sqlite, SqliteArguments>) -> Result<Option<Attempt>> {
    let mut tx = pool.begin_with("begin immediate").await?;
    let Some(row) = taking.fetch_optional(&mut *tx).await? else { return Ok(None) };
    let attempt = attempt::find(&mut tx, row.try_get("id")?).await?;
    tx.commit().await?;
    Ok(attempt)
}
