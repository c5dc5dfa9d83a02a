//! Rows of webhooks, and what the API and a configuration file do to them.

use serde_json::{json, to_string};
use sqlx::{Row as _, Sqlite, Transaction, sqlite::SqliteRow};

use super::{
    super::{Result, SecretPlan, StoreError, WebhookChange, WebhookPlan},
    journal::{Entry, host_of, note},
    row,
};
use crate::model::{Action, Actor, Target, Timestamp, Webhook, WebhookId, WorkspaceId};

/// Columns of a webhook.
macro_rules! webhook_columns {
    () => {
        "w.id, w.workspace_id, w.kind, w.url, w.events, w.sealed_secret, w.sealed_previous_secret, \
         w.previous_until, w.origin, w.created_at, w.updated_at"
    };
}

pub(super) use webhook_columns;

/// Makes the webhooks of a configuration file be as planned; those it no longer names are deleted.
pub(super) async fn apply_webhooks(
    tx: &mut Transaction<'_, Sqlite>,
    workspace: WorkspaceId,
    plans: &[WebhookPlan],
    now: Timestamp,
) -> Result<()> {
    let ids: Vec<String> = plans.iter().map(|plan| plan.id.to_string()).collect();
    sqlx::query(
        "delete from webhook
         where workspace_id = $1
           and origin = 'file'
           and id not in (select value from json_each($2))",
    )
    .bind(workspace.to_string())
    .bind(to_string(&ids).expect("strings serialize"))
    .execute(&mut **tx)
    .await?;
    for plan in plans {
        sqlx::query(
            "insert into webhook (id, workspace_id, kind, url, events, origin, created_at, updated_at)
             values ($1, $2, $3, $4, $5, 'file', $6, $6)
             on conflict (id) do update
                set kind = excluded.kind,
                    url = excluded.url,
                    events = excluded.events,
                    origin = 'file',
                    updated_at = excluded.updated_at",
        )
        .bind(plan.id.to_string())
        .bind(workspace.to_string())
        .bind(plan.target.kind())
        .bind(plan.target.address())
        .bind(words(&plan.events))
        .bind(now.millis())
        .execute(&mut **tx)
        .await?;
        if let SecretPlan::Replace(sealed, until) = &plan.secret {
            replace_secret(tx, plan.id, sealed.as_deref(), *until, now).await?;
        }
    }
    Ok(())
}

pub(super) async fn insert(tx: &mut Transaction<'_, Sqlite>, new: &Webhook, now: Timestamp) -> Result<()> {
    sqlx::query(
        "insert into webhook (id, workspace_id, kind, url, events, sealed_secret, origin, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, 'api', $7, $7)",
    )
    .bind(new.id.to_string())
    .bind(new.workspace.to_string())
    .bind(new.target.kind())
    .bind(new.target.address())
    .bind(words(&new.events))
    .bind(&new.sealed_secret)
    .bind(now.millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn replace_secret(
    tx: &mut Transaction<'_, Sqlite>,
    id: WebhookId,
    sealed: Option<&[u8]>,
    previous_until: Timestamp,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "update webhook
         set sealed_previous_secret = sealed_secret,
             previous_until = case when sealed_secret is null then null else $3 end,
             sealed_secret = $2,
             updated_at = $4
         where id = $1",
    )
    .bind(id.to_string())
    .bind(sealed)
    .bind(previous_until.millis())
    .bind(now.millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Why the API may not change this webhook.
pub(super) async fn refused(
    tx: &mut Transaction<'_, Sqlite>,
    workspace: WorkspaceId,
    id: WebhookId,
) -> Result<Option<WebhookChange>> {
    let found = sqlx::query("select origin from webhook where id = $1 and workspace_id = $2")
        .bind(id.to_string())
        .bind(workspace.to_string())
        .fetch_optional(&mut **tx)
        .await?;
    let Some(found) = found else { return Ok(Some(WebhookChange::Unknown)) };
    let from_file = found.try_get::<&str, _>("origin")? == "file";
    Ok(from_file.then_some(WebhookChange::FromFile))
}

/// A webhook that is being changed.
pub(super) struct Changed {
    pub(super) workspace: WorkspaceId,
    pub(super) id: WebhookId,
    pub(super) by: Actor,
    pub(super) now: Timestamp,
}

impl Changed {
    pub(super) async fn note(
        &self,
        tx: &mut Transaction<'_, Sqlite>,
        action: Action,
        target: Option<&Target>,
    ) -> Result<()> {
        // An address may hold a key in its path or query.
        let detail = target.map_or_else(|| json!({}), |target| json!({ "host": host_of(target) }));
        let subject = self.id.to_string();
        let (workspace, by) = (self.workspace, self.by);
        note(tx, &Entry { workspace, customer: None, by, action, subject: &subject, detail }, self.now).await
    }
}

pub(super) fn words(events: &Option<Vec<String>>) -> Option<String> {
    events.as_ref().map(|events| to_string(events).expect("strings serialize"))
}

pub(super) fn webhook(row: &SqliteRow) -> Result<Webhook> {
    let address: String = row.try_get("url")?;
    let previous: Option<Vec<u8>> = row.try_get("sealed_previous_secret")?;
    Ok(Webhook {
        id: WebhookId::parse(row.try_get("id")?).ok_or(StoreError::Unreadable("webhook.id"))?,
        workspace: row::workspace_id(row, "workspace_id")?,
        target: match row.try_get::<&str, _>("kind")? {
            "your_app" => Target::YourApp(address),
            _ => Target::Url(address),
        },
        events: row::json_option(row, "events")?,
        sealed_secret: row.try_get("sealed_secret")?,
        previous: previous.zip(row::time_option(row, "previous_until")?),
        from_file: row.try_get::<&str, _>("origin")? == "file",
        created_at: row::time(row, "created_at")?,
        updated_at: row::time(row, "updated_at")?,
    })
}
