//! Integrations that a backend makes and changes.

use async_trait::async_trait;
use serde_json::{json, to_string};
use sqlx::{Sqlite, Transaction};

use super::{
    super::{IntegrationPlan, IntegrationSave, IntegrationStore, Result, SavedIntegration},
    SqliteStore,
    configuration::held,
    journal::{Entry, note},
};
use crate::model::{Action, Actor, IntegrationId, Timestamp, WorkspaceId};

#[async_trait]
impl IntegrationStore for SqliteStore {
    async fn save_integration(
        &self,
        save: &IntegrationSave<'_>,
        by: Actor,
        now: Timestamp,
    ) -> Result<SavedIntegration> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        if save.is_new && is_known(&mut tx, save.workspace, &save.plan.key).await? {
            return Ok(SavedIntegration::Taken);
        }
        if is_shared(&mut tx, save.workspace, save.plan).await? {
            return Ok(SavedIntegration::SharedClient);
        }
        let held = held(&mut tx, save.plan).await?;
        if held > 0 {
            return Ok(SavedIntegration::Held(held));
        }
        if !begin_revision(&mut tx, save, now).await? {
            return Ok(SavedIntegration::Moved);
        }
        let action = match save.is_new {
            true => {
                insert(&mut tx, save, now).await?;
                Action::IntegrationCreated
            }
            false if update(&mut tx, save, now).await? => Action::IntegrationUpdated,
            false => return Ok(SavedIntegration::Gone),
        };
        note_integration(&mut tx, save.workspace, save.plan.id, by, action, now).await?;
        tx.commit().await?;
        Ok(SavedIntegration::Saved)
    }

    async fn archive_integration(
        &self,
        workspace: WorkspaceId,
        id: IntegrationId,
        by: Actor,
        now: Timestamp,
    ) -> Result<bool> {
        let change = "update integration
                      set hidden = 1,
                          archived_at = $3,
                          updated_at = $3
                      where id = $1
                        and workspace_id = $2
                        and hidden = 0";
        self.turn(change, workspace, id, by, Action::IntegrationArchived, now).await
    }

    async fn restore_integration(
        &self,
        workspace: WorkspaceId,
        id: IntegrationId,
        by: Actor,
        now: Timestamp,
    ) -> Result<bool> {
        // One that the file dropped would be hidden again by the next `apply` if it stayed the file's.
        let change = "update integration
                      set hidden = 0,
                          archived_at = null,
                          origin = 'api',
                          updated_at = $3
                      where id = $1
                        and workspace_id = $2
                        and hidden = 1";
        self.turn(change, workspace, id, by, Action::IntegrationRestored, now).await
    }
}

impl SqliteStore {
    /// Archives or restores. Doing it again changes nothing and is written down once.
    async fn turn(
        &self,
        change: &'static str,
        workspace: WorkspaceId,
        id: IntegrationId,
        by: Actor,
        action: Action,
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let changed = sqlx::query(change)
            .bind(id.to_string())
            .bind(workspace.to_string())
            .bind(now.millis())
            .execute(&mut *tx)
            .await?;
        if changed.rows_affected() == 0 {
            let known = "select 1 from integration where id = $1 and workspace_id = $2";
            let known = sqlx::query(known).bind(id.to_string()).bind(workspace.to_string());
            return Ok(known.fetch_optional(&mut *tx).await?.is_some());
        }
        let turn = "update workspace
                    set revision = revision + 1,
                        updated_at = $2
                    where id = $1";
        sqlx::query(turn).bind(workspace.to_string()).bind(now.millis()).execute(&mut *tx).await?;
        note_integration(&mut tx, workspace, id, by, action, now).await?;
        tx.commit().await?;
        Ok(true)
    }
}

async fn is_known(tx: &mut Transaction<'_, Sqlite>, workspace: WorkspaceId, key: &str) -> Result<bool> {
    let known = sqlx::query("select 1 from integration where workspace_id = $1 and key = $2")
        .bind(workspace.to_string())
        .bind(key)
        .fetch_optional(&mut **tx)
        .await?;
    Ok(known.is_some())
}

async fn is_shared(
    tx: &mut Transaction<'_, Sqlite>,
    workspace: WorkspaceId,
    plan: &IntegrationPlan,
) -> Result<bool> {
    let shared = sqlx::query(
        "select 1
         from integration
         where workspace_id <> $1
           and connector = $2
           and json_extract(settings, '$.client_id') = $3
           and hidden = 0",
    )
    .bind(workspace.to_string())
    .bind(&plan.connector)
    .bind(&plan.settings.client_id)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(shared.is_some())
}

async fn begin_revision(
    tx: &mut Transaction<'_, Sqlite>,
    save: &IntegrationSave<'_>,
    now: Timestamp,
) -> Result<bool> {
    let begun = sqlx::query(
        "update workspace
         set revision = revision + 1,
             updated_at = $3
         where id = $1
           and revision = $2",
    )
    .bind(save.workspace.to_string())
    .bind(save.revision)
    .bind(now.millis())
    .execute(&mut **tx)
    .await?;
    Ok(begun.rows_affected() == 1)
}

async fn insert(tx: &mut Transaction<'_, Sqlite>, save: &IntegrationSave<'_>, now: Timestamp) -> Result<()> {
    let plan = save.plan;
    sqlx::query(
        "insert into integration (id, workspace_id, key, connector, connector_source, settings,
                                  sealed_client_secret, sealed_parameters, meta, origin, position, hidden,
                                  created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'api',
                 (select coalesce(max(position), 0) + 1 from integration where workspace_id = $2), 0,
                 $10, $10)",
    )
    .bind(plan.id.to_string())
    .bind(save.workspace.to_string())
    .bind(&plan.key)
    .bind(&plan.connector)
    .bind(&plan.connector_source)
    .bind(to_string(&plan.settings).expect("settings are plain data"))
    .bind(&plan.sealed_client_secret)
    .bind(&plan.sealed_parameters)
    .bind(save.meta.map(ToString::to_string))
    .bind(now.millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn update(
    tx: &mut Transaction<'_, Sqlite>,
    save: &IntegrationSave<'_>,
    now: Timestamp,
) -> Result<bool> {
    let plan = save.plan;
    let done = sqlx::query(
        "update integration
         set settings = $3,
             sealed_client_secret = $4,
             sealed_parameters = $5,
             meta = $6,
             updated_at = $7
         where id = $1
           and workspace_id = $2",
    )
    .bind(plan.id.to_string())
    .bind(save.workspace.to_string())
    .bind(to_string(&plan.settings).expect("settings are plain data"))
    .bind(&plan.sealed_client_secret)
    .bind(&plan.sealed_parameters)
    .bind(save.meta.map(ToString::to_string))
    .bind(now.millis())
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

async fn note_integration(
    tx: &mut Transaction<'_, Sqlite>,
    workspace: WorkspaceId,
    id: IntegrationId,
    by: Actor,
    action: Action,
    now: Timestamp,
) -> Result<()> {
    let subject = id.to_string();
    let entry = Entry { workspace, customer: None, by, action, subject: &subject, detail: json!({}) };
    note(tx, &entry, now).await
}
