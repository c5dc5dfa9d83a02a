//! A workspace's own settings, changed by its backend.

use async_trait::async_trait;
use serde_json::{json, to_string};

use super::{
    super::{Result, WorkspaceStore, WorkspaceUpdate},
    SqliteStore,
    journal::{Entry, note},
};
use crate::model::{Action, Actor, Timestamp};

#[async_trait]
impl WorkspaceStore for SqliteStore {
    async fn change_workspace(
        &self,
        update: &WorkspaceUpdate<'_>,
        by: Actor,
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let subject = update.id.to_string();
        let done = sqlx::query(
            "update workspace
             set name = $3,
                 settings = $4,
                 revision = revision + 1,
                 updated_at = $5
             where id = $1
               and revision = $2",
        )
        .bind(&subject)
        .bind(update.revision)
        .bind(update.name)
        .bind(to_string(update.settings).expect("settings are plain data"))
        .bind(now.millis())
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let entry = Entry {
            workspace: update.id,
            customer: None,
            by,
            action: Action::WorkspaceUpdated,
            subject: &subject,
            detail: json!({ "changed": update.changed }),
        };
        note(&mut tx, &entry, now).await?;
        tx.commit().await?;
        Ok(true)
    }
}
