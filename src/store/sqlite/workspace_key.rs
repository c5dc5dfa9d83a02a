//! The keys that verify a workspace's tokens.

use async_trait::async_trait;
use serde_json::{Value, json};
use sqlx::{Row as _, Sqlite, Transaction};

use super::{
    super::{KeyRecord, KeyStore, NewKey, Result, Retiring},
    SqliteStore,
    journal::{Entry, note},
    row,
};
use crate::model::{Action, Actor, Timestamp, WorkspaceId};

#[async_trait]
impl KeyStore for SqliteStore {
    async fn workspace_keys(&self, workspace: WorkspaceId) -> Result<Vec<KeyRecord>> {
        let rows = sqlx::query(
            "select id, kid, pem, from_file, created_at, retires_at, last_used_at
             from workspace_key
             where workspace_id = $1
             order by created_at, id",
        )
        .bind(workspace.to_string())
        .fetch_all(&self.readers)
        .await?;
        let record = |row| {
            Ok(KeyRecord {
                id: sqlx::sqlite::SqliteRow::try_get(row, "id")?,
                kid: row.try_get("kid")?,
                pem: row.try_get("pem")?,
                of_file: row.try_get("from_file")?,
                created_at: row::time(row, "created_at")?,
                retires_at: row::time_option(row, "retires_at")?,
                last_used_at: row::time_option(row, "last_used_at")?,
            })
        };
        rows.iter().map(record).collect()
    }

    async fn add_workspace_key(&self, new: &NewKey<'_>, now: Timestamp) -> Result<bool> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let done = sqlx::query(
            "insert into workspace_key (id, workspace_id, kind, kid, pem, from_file, created_at)
             select $1, $2, 'public', $3, $4, 0, $5
             where not exists (
                 select 1
                 from workspace_key
                 where workspace_id = $2
                   and kid = $3
             )",
        )
        .bind(new.id)
        .bind(new.workspace.to_string())
        .bind(new.kid)
        .bind(new.pem)
        .bind(now.millis())
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        tell(&mut tx, new.workspace, Action::WorkspaceKeyCreated, json!({ "kid": new.kid }), now).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn retire_workspace_key(
        &self,
        workspace: WorkspaceId,
        kid: &str,
        at: Timestamp,
        now: Timestamp,
    ) -> Result<Retiring> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        // The file may have brought one of the same name after this one was made.
        let found = sqlx::query(
            "select id, from_file, retires_at
             from workspace_key
             where workspace_id = $1
               and kid = $2
             order by from_file
             limit 1",
        )
        .bind(workspace.to_string())
        .bind(kid)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(found) = found else { return Ok(Retiring::Unknown) };
        if found.try_get::<bool, _>("from_file")? {
            return Ok(Retiring::OfFile);
        }
        if let Some(over) = row::time_option(&found, "retires_at")?.filter(|end| *end <= now) {
            return Ok(Retiring::Over(over));
        }
        sqlx::query("update workspace_key set retires_at = $2 where id = $1")
            .bind(found.try_get::<&str, _>("id")?)
            .bind(at.millis())
            .execute(&mut *tx)
            .await?;
        let detail = json!({ "kid": kid, "until": at });
        tell(&mut tx, workspace, Action::WorkspaceKeyRetired, detail, now).await?;
        tx.commit().await?;
        Ok(Retiring::Until(at))
    }

    async fn note_key_use(&self, used: &[(String, Timestamp)]) -> Result<()> {
        let pairs: Vec<_> = used.iter().map(|(id, at)| json!([id, at.millis()])).collect();
        sqlx::query(
            "update workspace_key
             set last_used_at = noted.value ->> 1
             from json_each($1) as noted
             where workspace_key.id = noted.value ->> 0
               and (last_used_at is null or last_used_at < noted.value ->> 1)",
        )
        .bind(json!(pairs).to_string())
        .execute(&self.writer)
        .await?;
        Ok(())
    }
}

/// The audit log's line, and a new revision, so that every process reads the keys again.
async fn tell(
    tx: &mut Transaction<'_, Sqlite>,
    workspace: WorkspaceId,
    action: Action,
    detail: Value,
    now: Timestamp,
) -> Result<()> {
    let subject = workspace.to_string();
    sqlx::query("update workspace set revision = revision + 1, updated_at = $2 where id = $1")
        .bind(&subject)
        .bind(now.millis())
        .execute(&mut **tx)
        .await?;
    let by = Actor::Operator;
    note(tx, &Entry { workspace, customer: None, by, action, subject: &subject, detail }, now).await
}
