//! What is written down in the transaction of a change: the audit log, and the events that webhooks get.
//!
//! Neither can be missing when the change is there, nor be there when it is not.

use serde_json::{Value, json};
use sqlx::{Row as _, Sqlite, Transaction};
use url::Url;

use super::super::Result;
use crate::{
    clock::{Entropy as _, SystemEntropy},
    model::{
        Action, Actor, ConnectionId, CustomerId, DeliveryId, Event, EventId, Target, Timestamp, WorkspaceId,
    },
};

/// One line of the audit log.
pub(super) struct Entry<'a> {
    pub(super) workspace: WorkspaceId,
    /// Whom it is about, where it is about a customer.
    pub(super) customer: Option<CustomerId>,
    pub(super) by: Actor,
    pub(super) action: Action,
    /// Id of what was changed.
    pub(super) subject: &'a str,
    /// What else there is to say; never a secret.
    pub(super) detail: Value,
}

/// Writes a line of the audit log.
pub(super) async fn note(tx: &mut Transaction<'_, Sqlite>, entry: &Entry<'_>, now: Timestamp) -> Result<()> {
    sqlx::query(
        "insert into audit (id, workspace_id, actor, customer_id, action, subject, detail, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(SystemEntropy::default().uuid(now).to_string())
    .bind(entry.workspace.to_string())
    .bind(entry.by.as_str())
    .bind(entry.customer.map(|id| id.to_string()))
    .bind(entry.action.as_str())
    .bind(entry.subject)
    .bind(entry.detail.to_string())
    .bind(now.millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Writes down what happened to a connection, as it is now: a line of the audit log and, where webhooks
/// are told, the event and a delivery to each of them.
pub(super) async fn note_connection(
    tx: &mut Transaction<'_, Sqlite>,
    id: ConnectionId,
    by: Actor,
    action: Action,
    detail: Value,
    now: Timestamp,
) -> Result<Option<Event>> {
    let row = sqlx::query(
        "select c.workspace_id, c.customer_id, c.integration_id, c.state,
                coalesce(c.name, c.account_label) as name,
                i.key as integration_key, u.internal_id
         from connection c
         join integration i on i.id = c.integration_id
         join customer u on u.id = c.customer_id
         where c.id = $1",
    )
    .bind(id.to_string())
    .fetch_one(&mut **tx)
    .await?;
    let workspace = super::row::workspace_id(&row, "workspace_id")?;
    let customer = super::row::customer_id(&row, "customer_id")?;
    let subject = id.to_string();
    let entry = Entry { workspace, customer: Some(customer), by, action, subject: &subject, detail };
    note(tx, &entry, now).await?;
    if !action.is_event() {
        return Ok(None);
    }
    let data = json!({
        "connection": {
            "id": id,
            "integrationId": row.try_get::<&str, _>("integration_id")?,
            "integrationKey": row.try_get::<&str, _>("integration_key")?,
            "name": row.try_get::<Option<&str>, _>("name")?,
            "disconnected": row.try_get::<&str, _>("state")? == "disconnected",
            "customerId": row.try_get::<&str, _>("internal_id")?,
        },
    });
    let event = Event {
        id: event_id(now),
        workspace,
        customer: Some(customer),
        connection: Some(id),
        kind: action.as_str().to_owned(),
        data,
        created_at: now,
    };
    add_event(tx, &event).await?;
    tell_webhooks(tx, &event, now).await?;
    Ok(Some(event))
}

/// An id for an event of `now`.
pub(super) fn event_id(now: Timestamp) -> EventId {
    EventId::from_uuid(SystemEntropy::default().uuid(now))
}

/// Writes an event down.
pub(super) async fn add_event(tx: &mut Transaction<'_, Sqlite>, event: &Event) -> Result<()> {
    sqlx::query(
        "insert into event (id, workspace_id, customer_id, connection_id, type, data, created_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(event.id.to_string())
    .bind(event.workspace.to_string())
    .bind(event.customer.map(|id| id.to_string()))
    .bind(event.connection.map(|id| id.to_string()))
    .bind(&event.kind)
    .bind(event.data.to_string())
    .bind(event.created_at.millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A delivery to each webhook of the workspace that wants this event.
pub(super) async fn tell_webhooks(
    tx: &mut Transaction<'_, Sqlite>,
    event: &Event,
    now: Timestamp,
) -> Result<()> {
    let wanting = sqlx::query(
        "select id
         from webhook
         where workspace_id = $1
           and (events is null or exists (select 1 from json_each(events) where value = $2))",
    )
    .bind(event.workspace.to_string())
    .bind(&event.kind)
    .fetch_all(&mut **tx)
    .await?;
    for webhook in &wanting {
        add_delivery(tx, event, webhook.try_get("id")?, now).await?;
    }
    Ok(())
}

/// A delivery that is due at once.
pub(super) async fn add_delivery(
    tx: &mut Transaction<'_, Sqlite>,
    event: &Event,
    webhook: &str,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "insert into delivery (id, workspace_id, event_id, webhook_id, state, attempts, next_at,
                               created_at, updated_at)
         values ($1, $2, $3, $4, 'pending', 0, $5, $5, $5)",
    )
    .bind(DeliveryId::from_uuid(SystemEntropy::default().uuid(now)).to_string())
    .bind(event.workspace.to_string())
    .bind(event.id.to_string())
    .bind(webhook)
    .bind(now.millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The host of a webhook, which may be written anywhere: the rest of an address may hold a key.
pub(super) fn host_of(target: &Target) -> String {
    match target {
        Target::Url(url) => {
            Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
        }
        Target::YourApp(_) => "your_app".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::SqliteStore, *};

    /// Security S7.
    #[tokio::test]
    async fn a_line_of_the_audit_log_is_neither_changed_nor_deleted() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let folder = std::env::temp_dir().join(format!("hitchpost-audit-{}", event_id(now)));
        std::fs::create_dir_all(&folder).expect("a folder");
        let store = SqliteStore::open(&folder.join("test.db")).await.expect("a store");
        let mut tx = store.writer.begin().await.expect("a transaction");
        let (workspace, by) = (WorkspaceId::of("acme"), Actor::Operator);
        let action = Action::ConfigurationApplied;
        let entry = Entry { workspace, customer: None, by, action, subject: "s", detail: json!({}) };
        note(&mut tx, &entry, now).await.expect("a line");
        tx.commit().await.expect("a commit");

        for statement in ["delete from audit", "update audit set actor = 'nobody'"] {
            let refused = sqlx::query(statement).execute(&store.writer).await;

            let said = refused.expect_err("refused").to_string();
            assert!(said.contains("the audit log is append-only"), "{said}");
        }
        let _ = std::fs::remove_dir_all(&folder);
    }
}
