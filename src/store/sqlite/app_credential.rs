//! What opens the product's own API, and how that is called. Its renewals are in `refresh`.

use async_trait::async_trait;
use serde_json::{json, to_string};
use sqlx::{Row as _, Sqlite, Transaction, sqlite::SqliteRow};

use super::{
    super::{AppCredentialStore, NewAppCredential, Result, StoreError},
    SqliteStore,
    journal::{Entry, add_event, event_id, note, tell_webhooks},
    row,
};
use crate::model::{
    Action, Actor, AppCredential, CustomerId, DisconnectReason, Event, Timestamp, WorkspaceId,
    WorkspaceSettings, YourAppSettings,
};

#[async_trait]
impl AppCredentialStore for SqliteStore {
    async fn app_credential(
        &self,
        workspace: WorkspaceId,
        customer: CustomerId,
    ) -> Result<Option<AppCredential>> {
        let found = sqlx::query(
            "select workspace_id, customer_id, state, reason, sealed_credentials, credential_version,
                    expires_at, refresh_until, refresh_tried_at, retry_attempts, updated_at
             from app_credential
             where workspace_id = $1
               and customer_id = $2",
        )
        .bind(workspace.to_string())
        .bind(customer.to_string())
        .fetch_optional(&self.readers)
        .await?;
        found.as_ref().map(app_credential).transpose()
    }

    async fn set_app_credential(
        &self,
        workspace: WorkspaceId,
        customer: CustomerId,
        new: Option<&NewAppCredential>,
        by: Actor,
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let is_there = "select 1
                        from customer
                        where workspace_id = $1
                          and id = $2
                          and archived_at is null";
        let found = sqlx::query(is_there)
            .bind(workspace.to_string())
            .bind(customer.to_string())
            .fetch_optional(&mut *tx)
            .await?;
        if found.is_none() {
            return Ok(false);
        }
        let changed = match new {
            Some(new) => replace(&mut tx, workspace, customer, new, now).await.map(|()| true)?,
            None => erase(&mut tx, workspace, customer).await?,
        };
        if changed {
            let subject = customer.to_string();
            let entry = Entry {
                workspace,
                customer: Some(customer),
                by,
                action: Action::AppCredentialsSet,
                subject: &subject,
                detail: json!({ "erased": new.is_none() }),
            };
            note(&mut tx, &entry, now).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    async fn begin_app_credential(
        &self,
        workspace: WorkspaceId,
        customer: CustomerId,
        sealed: &[u8],
        now: Timestamp,
    ) -> Result<()> {
        sqlx::query(
            "insert into app_credential (customer_id, workspace_id, state, sealed_credentials,
                                         credential_version, created_at, updated_at)
             select id, workspace_id, 'ready', $3, $4, $4, $4
             from customer
             where workspace_id = $1
               and id = $2
               and archived_at is null
             on conflict (customer_id) do nothing",
        )
        .bind(workspace.to_string())
        .bind(customer.to_string())
        .bind(sealed)
        .bind(now.millis())
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    async fn set_your_app(
        &self,
        workspace: WorkspaceId,
        settings: Option<(&YourAppSettings, &[u8])>,
        by: Actor,
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let found = sqlx::query("select settings from workspace where id = $1")
            .bind(workspace.to_string())
            .fetch_optional(&mut *tx)
            .await?;
        let Some(found) = found else { return Ok(false) };
        let mut all: WorkspaceSettings = row::json(&found, "settings")?;
        all.your_app = settings.map(|(settings, _)| settings.clone());
        sqlx::query(
            "update workspace
             set settings = $2,
                 sealed_your_app = $3,
                 revision = revision + 1,
                 updated_at = $4
             where id = $1",
        )
        .bind(workspace.to_string())
        .bind(to_string(&all).expect("settings are plain data"))
        .bind(settings.map(|(_, sealed)| sealed))
        .bind(now.millis())
        .execute(&mut *tx)
        .await?;
        let subject = workspace.to_string();
        let detail = json!({ "yourApp": all.your_app.map(|your_app| your_app.auth_type) });
        let action = Action::WorkspaceUpdated;
        note(&mut tx, &Entry { workspace, customer: None, by, action, subject: &subject, detail }, now)
            .await?;
        tx.commit().await?;
        Ok(true)
    }
}

async fn replace(
    tx: &mut Transaction<'_, Sqlite>,
    workspace: WorkspaceId,
    customer: CustomerId,
    new: &NewAppCredential,
    now: Timestamp,
) -> Result<()> {
    // The first version is the time: after an erasure a renewal of the version before finds another one.
    sqlx::query(
        "insert into app_credential (customer_id, workspace_id, state, sealed_credentials,
                                     credential_version, expires_at, created_at, updated_at)
         values ($1, $2, 'ready', $3, $5, $4, $5, $5)
         on conflict (customer_id) do update
            set state = 'ready',
                reason = null,
                sealed_credentials = excluded.sealed_credentials,
                credential_version = credential_version + 1,
                expires_at = excluded.expires_at,
                refresh_owner = null,
                refresh_until = null,
                refresh_sent_version = null,
                refresh_unreported = 0,
                refresh_tried_at = null,
                retry_attempts = 0,
                updated_at = excluded.updated_at",
    )
    .bind(customer.to_string())
    .bind(workspace.to_string())
    .bind(&new.sealed)
    .bind(new.expires_at.map(Timestamp::millis))
    .bind(now.millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Whether there was anything.
async fn erase(
    tx: &mut Transaction<'_, Sqlite>,
    workspace: WorkspaceId,
    customer: CustomerId,
) -> Result<bool> {
    let done = sqlx::query("delete from app_credential where workspace_id = $1 and customer_id = $2")
        .bind(workspace.to_string())
        .bind(customer.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes down that a customer's credentials ended: a line of the audit log and an event for webhooks.
pub(super) async fn note_app_ended(
    tx: &mut Transaction<'_, Sqlite>,
    customer: CustomerId,
    reason: DisconnectReason,
    now: Timestamp,
) -> Result<()> {
    let found = sqlx::query("select workspace_id, internal_id, name from customer where id = $1")
        .bind(customer.to_string())
        .fetch_one(&mut **tx)
        .await?;
    let workspace = row::workspace_id(&found, "workspace_id")?;
    let (subject, action) = (customer.to_string(), Action::AppCredentialsDisconnected);
    let entry = Entry {
        workspace,
        customer: Some(customer),
        by: reason.actor(),
        action,
        subject: &subject,
        detail: json!({ "reason": reason }),
    };
    note(tx, &entry, now).await?;
    let event = Event {
        id: event_id(now),
        workspace,
        customer: Some(customer),
        connection: None,
        kind: action.as_str().to_owned(),
        data: json!({
            "customer": {
                "id": customer,
                "internalId": found.try_get::<&str, _>("internal_id")?,
                "name": found.try_get::<Option<&str>, _>("name")?,
            },
            "reason": reason,
        }),
        created_at: now,
    };
    add_event(tx, &event).await?;
    tell_webhooks(tx, &event, now).await
}

fn app_credential(found: &SqliteRow) -> Result<AppCredential> {
    let ended = match found.try_get::<&str, _>("state")? {
        "ready" => None,
        _ => {
            let reason: Option<&str> = found.try_get("reason")?;
            let reason = reason.and_then(DisconnectReason::parse);
            Some(reason.ok_or(StoreError::Unreadable("app_credential.reason"))?)
        }
    };
    Ok(AppCredential {
        workspace: row::workspace_id(found, "workspace_id")?,
        customer: row::customer_id(found, "customer_id")?,
        ended,
        sealed: found.try_get("sealed_credentials")?,
        version: found.try_get("credential_version")?,
        expires_at: row::time_option(found, "expires_at")?,
        leased_until: row::time_option(found, "refresh_until")?,
        tried_at: row::time_option(found, "refresh_tried_at")?,
        retry_attempts: found.try_get("retry_attempts")?,
        updated_at: row::time(found, "updated_at")?,
    })
}
