//! Workspaces, their keys and integrations.

use serde_json::{json, to_string};
use sqlx::{Connection as _, Row as _, Sqlite, SqlitePool, Transaction};
use uuid::Uuid;

use super::{
    super::{
        ApplyPlan, ApplyReport, IntegrationPlan, KeyPlan, Result, StoreError, StoredIntegration, StoredKey,
        WorkspaceEntry, WorkspacePlan,
    },
    journal::{Entry, note},
    readers::Readers,
    row,
    webhook::apply_webhooks,
};
use crate::model::{Action, Actor, Integration, IntegrationRecord, Timestamp, Workspace, WorkspaceId};

pub(super) async fn installation_value(readers: &Readers, name: &str) -> Result<Option<Vec<u8>>> {
    let row = sqlx::query("select value from installation where name = $1")
        .bind(name)
        .fetch_optional(readers)
        .await?;
    Ok(row.map(|row| row.try_get("value")).transpose()?)
}

pub(super) async fn keep_installation_value(pool: &SqlitePool, name: &str, value: &[u8]) -> Result<Vec<u8>> {
    // Read to its end: the row comes before the commit, and the commit may fail.
    let rows = sqlx::query(
        "insert into installation (name, value)
         values ($1, $2)
         on conflict (name) do update set value = value
         returning value",
    )
    .bind(name)
    .bind(value)
    .fetch_all(pool)
    .await?;
    Ok(rows.first().ok_or(sqlx::Error::RowNotFound)?.try_get("value")?)
}

pub(super) async fn is_empty(readers: &Readers) -> Result<bool> {
    let row =
        sqlx::query("select exists (select 1 from installation union all select 1 from workspace) as used")
            .fetch_one(readers)
            .await?;
    Ok(!row.try_get::<bool, _>("used")?)
}

pub(super) async fn apply(pool: &SqlitePool, plan: &ApplyPlan, now: Timestamp) -> Result<ApplyReport> {
    let mut report = ApplyReport::default();
    let mut tx = pool.begin_with("begin immediate").await?;
    for workspace in &plan.workspaces {
        apply_workspace(&mut tx, workspace, now, &mut report).await?;
        apply_keys(&mut tx, workspace, now).await?;
        for (position, integration) in (0_i64..).zip(&workspace.integrations) {
            apply_integration(&mut tx, workspace.id, integration, position, now, &mut report).await?;
        }
        hide_others(&mut tx, workspace, now, &mut report).await?;
        apply_webhooks(&mut tx, workspace.id, &workspace.webhooks, now).await?;
        note_applied(&mut tx, workspace, now).await?;
    }
    if report.integrations_held.is_empty() {
        tx.commit().await?;
    }
    Ok(report)
}

async fn apply_workspace(
    tx: &mut Transaction<'_, Sqlite>,
    plan: &WorkspacePlan,
    now: Timestamp,
    report: &mut ApplyReport,
) -> Result<()> {
    let revision: i64 = sqlx::query(
        "insert into workspace (id, key, name, settings, sealed_your_app, revision, created_at, updated_at)
         values ($1, $2, $3, $4, $6, 1, $5, $5)
         on conflict (id) do update
            set key = excluded.key,
                name = excluded.name,
                settings = excluded.settings,
                sealed_your_app = excluded.sealed_your_app,
                revision = revision + 1,
                updated_at = excluded.updated_at
         returning revision",
    )
    .bind(plan.id.to_string())
    .bind(&plan.key)
    .bind(&plan.name)
    .bind(to_string(&plan.settings).expect("settings are plain data"))
    .bind(now.millis())
    .bind(&plan.sealed_your_app)
    .fetch_one(&mut **tx)
    .await
    .map_err(|error| match StoreError::from(error) {
        StoreError::Conflict(_) => StoreError::Conflict("a workspace with this key has another id"),
        other => other,
    })?
    .try_get("revision")?;
    report.workspaces_created += usize::from(revision == 1);
    Ok(())
}

async fn apply_keys(tx: &mut Transaction<'_, Sqlite>, plan: &WorkspacePlan, now: Timestamp) -> Result<()> {
    let ids: Vec<_> = plan.keys.iter().map(|key| key_id(plan, key)).collect();
    sqlx::query(
        "delete from workspace_key
         where workspace_id = $1
           and from_file = 1
           and id not in (select value from json_each($2))",
    )
    .bind(plan.id.to_string())
    .bind(to_string(&ids).expect("strings serialize"))
    .execute(&mut **tx)
    .await?;
    for (key, id) in plan.keys.iter().zip(ids) {
        // One that stays keeps its times.
        let insert = sqlx::query(
            "insert into workspace_key (id, workspace_id, kind, kid, sealed_secret, pem, from_file, created_at)
             values ($1, $2, $3, $4, $5, $6, 1, $7)
             on conflict (id) do update set sealed_secret = excluded.sealed_secret",
        )
        .bind(id)
        .bind(plan.id.to_string());
        let insert = match key {
            KeyPlan::Secret { sealed, .. } => {
                insert.bind("secret").bind(None::<String>).bind(Some(sealed.clone())).bind(None::<String>)
            }
            KeyPlan::Public { kid, pem } => {
                insert.bind("public").bind(kid.clone()).bind(None::<Vec<u8>>).bind(Some(pem.clone()))
            }
        };
        insert.bind(now.millis()).execute(&mut **tx).await?;
    }
    Ok(())
}

/// The row of a key of the file: the same as long as the key is.
fn key_id(plan: &WorkspacePlan, key: &KeyPlan) -> String {
    match key {
        KeyPlan::Secret { id, .. } => id.clone(),
        KeyPlan::Public { kid, pem } => {
            let name = format!("public/{}/{pem}", kid.as_deref().unwrap_or_default());
            Uuid::new_v5(&plan.id.uuid(), name.as_bytes()).to_string()
        }
    }
}

async fn apply_integration(
    tx: &mut Transaction<'_, Sqlite>,
    workspace: WorkspaceId,
    plan: &IntegrationPlan,
    position: i64,
    now: Timestamp,
    report: &mut ApplyReport,
) -> Result<()> {
    let held = held(tx, plan).await?;
    if held > 0 {
        report.integrations_held.push((plan.key.clone(), held));
    }
    let known = sqlx::query("select 1 from integration where id = $1")
        .bind(plan.id.to_string())
        .fetch_optional(&mut **tx)
        .await?;
    sqlx::query(
        "insert into integration (id, workspace_id, key, connector, connector_source, settings,
                                  sealed_client_secret, sealed_parameters, position, hidden,
                                  created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10, $10)
         on conflict (id) do update
            set connector = excluded.connector,
                connector_source = excluded.connector_source,
                settings = excluded.settings,
                sealed_client_secret = excluded.sealed_client_secret,
                sealed_parameters = excluded.sealed_parameters,
                position = excluded.position,
                hidden = 0,
                origin = 'file',
                archived_at = null,
                updated_at = excluded.updated_at",
    )
    .bind(plan.id.to_string())
    .bind(workspace.to_string())
    .bind(&plan.key)
    .bind(&plan.connector)
    .bind(&plan.connector_source)
    .bind(to_string(&plan.settings).expect("settings are plain data"))
    .bind(&plan.sealed_client_secret)
    .bind(&plan.sealed_parameters)
    .bind(position)
    .bind(now.millis())
    .execute(&mut **tx)
    .await?;
    report.integrations_created += usize::from(known.is_none());
    Ok(())
}

/// How many connections of an integration that moves to new hosts hold credentials.
pub(super) async fn held(tx: &mut Transaction<'_, Sqlite>, plan: &IntegrationPlan) -> Result<i64> {
    if plan.new_hosts.is_empty() {
        return Ok(0);
    }
    let row = sqlx::query(
        "select count(*) as held
         from connection
         where integration_id = $1
           and state <> 'archived'
           and sealed_credentials is not null",
    )
    .bind(plan.id.to_string())
    .fetch_one(&mut **tx)
    .await?;
    Ok(row.try_get("held")?)
}

async fn hide_others(
    tx: &mut Transaction<'_, Sqlite>,
    plan: &WorkspacePlan,
    now: Timestamp,
    report: &mut ApplyReport,
) -> Result<()> {
    let keys: Vec<&str> = plan.integrations.iter().map(|integration| integration.key.as_str()).collect();
    let hidden = sqlx::query(
        "update integration
         set hidden = 1,
             archived_at = $3,
             updated_at = $3
         where workspace_id = $1
           and hidden = 0
           and origin = 'file'
           and key not in (select value from json_each($2))
         returning key",
    )
    .bind(plan.id.to_string())
    .bind(to_string(&keys).expect("strings serialize"))
    .bind(now.millis())
    .fetch_all(&mut **tx)
    .await?;
    for row in hidden {
        report.integrations_hidden.push(row.try_get("key")?);
    }
    Ok(())
}

async fn note_applied(tx: &mut Transaction<'_, Sqlite>, plan: &WorkspacePlan, now: Timestamp) -> Result<()> {
    let subject = plan.id.to_string();
    let entry = Entry {
        workspace: plan.id,
        customer: None,
        by: Actor::Operator,
        action: Action::ConfigurationApplied,
        subject: &subject,
        detail: json!({
            "keys": plan.keys.len(),
            "integrations": plan.integrations.len(),
            "webhooks": plan.webhooks.len(),
        }),
    };
    note(tx, &entry, now).await
}

pub(super) async fn workspaces(readers: &Readers) -> Result<Vec<(WorkspaceId, String, i64)>> {
    let rows = sqlx::query("select id, key, revision from workspace order by key").fetch_all(readers).await?;
    rows.iter()
        .map(|row| Ok((row::workspace_id(row, "id")?, row.try_get("key")?, row.try_get("revision")?)))
        .collect()
}

pub(super) async fn workspace(readers: &Readers, id: WorkspaceId) -> Result<Option<WorkspaceEntry>> {
    let mut lent = readers.lend().await?;
    let mut tx = lent.connection()?.begin().await?;
    let found =
        sqlx::query("select key, name, settings, sealed_your_app, revision from workspace where id = $1")
            .bind(id.to_string())
            .fetch_optional(&mut *tx)
            .await?;
    let Some(found) = found else { return Ok(None) };
    let keys = sqlx::query(
        "select id, kind, kid, sealed_secret, pem, retires_at
         from workspace_key
         where workspace_id = $1
         order by created_at, id",
    )
    .bind(id.to_string())
    .fetch_all(&mut *tx)
    .await?;
    let integrations = sqlx::query(
        "select id, key, connector, connector_source, settings, sealed_client_secret, sealed_parameters,
                hidden, origin, meta, created_at, updated_at, archived_at
         from integration
         where workspace_id = $1
         order by position, key",
    )
    .bind(id.to_string())
    .fetch_all(&mut *tx)
    .await?;
    Ok(Some(WorkspaceEntry {
        workspace: Workspace {
            id,
            key: found.try_get("key")?,
            name: found.try_get("name")?,
            settings: row::json(&found, "settings")?,
            revision: found.try_get("revision")?,
        },
        sealed_your_app: found.try_get("sealed_your_app")?,
        keys: keys.iter().map(stored_key).collect::<Result<_>>()?,
        integrations: integrations.iter().map(|row| stored_integration(row, id)).collect::<Result<_>>()?,
    }))
}

fn stored_key(row: &sqlx::sqlite::SqliteRow) -> Result<StoredKey> {
    let id: String = row.try_get("id")?;
    let key = match row.try_get::<&str, _>("kind")? {
        "secret" => KeyPlan::Secret { id: id.clone(), sealed: row.try_get("sealed_secret")? },
        _ => KeyPlan::Public { kid: row.try_get("kid")?, pem: row.try_get("pem")? },
    };
    Ok(StoredKey { id, key, retires_at: row::time_option(row, "retires_at")? })
}

fn stored_integration(row: &sqlx::sqlite::SqliteRow, workspace: WorkspaceId) -> Result<StoredIntegration> {
    Ok(StoredIntegration {
        integration: Integration {
            id: row::integration_id(row, "id")?,
            workspace,
            key: row.try_get("key")?,
            connector: row.try_get("connector")?,
            connector_source: row.try_get("connector_source")?,
            settings: row::json(row, "settings")?,
            hidden: row.try_get("hidden")?,
            record: IntegrationRecord {
                of_file: row.try_get::<&str, _>("origin")? == "file",
                meta: row::json_option(row, "meta")?,
                created_at: row::time(row, "created_at")?,
                updated_at: row::time(row, "updated_at")?,
                archived_at: row::time_option(row, "archived_at")?,
            },
        },
        sealed_client_secret: row.try_get("sealed_client_secret")?,
        sealed_parameters: row.try_get("sealed_parameters")?,
    })
}
