//! Webhooks, events and the audit log in SQLite.

use async_trait::async_trait;
use serde_json::json;
use sqlx::{QueryBuilder, Row as _, Sqlite, sqlite::SqliteRow};

use super::{
    super::{
        AuditFilter, DeliveryFilter, EventFilter, EventStore, Page, Result, StoreError, WEBHOOKS_MOST,
        WebhookChange, WebhookPatch,
    },
    SqliteStore,
    journal::note_connection,
    row,
    webhook::{Changed, insert, refused, replace_secret, webhook, webhook_columns, words},
};
use crate::model::{
    Action, Actor, AuditEntry, ConnectionId, CustomerId, Delivery, DeliveryError, DeliveryId, DeliveryState,
    Event, EventId, Scope, Target, Timestamp, Webhook, WebhookId, WorkspaceId,
};

/// Columns of an event.
macro_rules! event_columns {
    () => {
        "e.id, e.workspace_id, e.customer_id, e.connection_id, e.type, e.data, e.created_at"
    };
}
pub(super) use event_columns;

#[async_trait]
impl EventStore for SqliteStore {
    async fn webhooks(&self, workspace: WorkspaceId) -> Result<Vec<Webhook>> {
        let rows = sqlx::query(concat!(
            "select ",
            webhook_columns!(),
            " from webhook w
              where w.workspace_id = $1
              order by w.id desc"
        ))
        .bind(workspace.to_string())
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(webhook).collect()
    }

    async fn webhook(&self, workspace: WorkspaceId, id: WebhookId) -> Result<Option<Webhook>> {
        let found = sqlx::query(concat!(
            "select ",
            webhook_columns!(),
            " from webhook w
              where w.id = $1
                and w.workspace_id = $2"
        ))
        .bind(id.to_string())
        .bind(workspace.to_string())
        .fetch_optional(&self.readers)
        .await?;
        found.as_ref().map(webhook).transpose()
    }

    async fn add_webhook(&self, new: &Webhook, by: Actor, now: Timestamp) -> Result<bool> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let known: u32 = sqlx::query("select count(*) as known from webhook where workspace_id = $1")
            .bind(new.workspace.to_string())
            .fetch_one(&mut *tx)
            .await?
            .try_get("known")?;
        if known >= WEBHOOKS_MOST {
            return Ok(false);
        }
        insert(&mut tx, new, now).await?;
        let changed = Changed { workspace: new.workspace, id: new.id, by, now };
        changed.note(&mut tx, Action::WebhookCreated, Some(&new.target)).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn update_webhook(
        &self,
        workspace: WorkspaceId,
        id: WebhookId,
        patch: &WebhookPatch,
        by: Actor,
        now: Timestamp,
    ) -> Result<WebhookChange> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        if let Some(refused) = refused(&mut tx, workspace, id).await? {
            return Ok(refused);
        }
        sqlx::query(
            "update webhook
             set kind = coalesce($2, kind),
                 url = coalesce($3, url),
                 events = case $4 when 1 then $5 else events end,
                 updated_at = $6
             where id = $1",
        )
        .bind(id.to_string())
        .bind(patch.target.as_ref().map(Target::kind))
        .bind(patch.target.as_ref().map(Target::address))
        .bind(patch.events.is_some())
        .bind(patch.events.as_ref().and_then(words))
        .bind(now.millis())
        .execute(&mut *tx)
        .await?;
        let changed = Changed { workspace, id, by, now };
        changed.note(&mut tx, Action::WebhookUpdated, patch.target.as_ref()).await?;
        tx.commit().await?;
        Ok(WebhookChange::Done)
    }

    async fn remove_webhook(
        &self,
        workspace: WorkspaceId,
        id: WebhookId,
        by: Actor,
        now: Timestamp,
    ) -> Result<WebhookChange> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        if let Some(refused) = refused(&mut tx, workspace, id).await? {
            return Ok(refused);
        }
        sqlx::query("delete from webhook where id = $1").bind(id.to_string()).execute(&mut *tx).await?;
        Changed { workspace, id, by, now }.note(&mut tx, Action::WebhookDeleted, None).await?;
        tx.commit().await?;
        Ok(WebhookChange::Done)
    }

    async fn rotate_webhook_secret(
        &self,
        workspace: WorkspaceId,
        id: WebhookId,
        sealed: &[u8],
        previous_until: Timestamp,
        by: Actor,
        now: Timestamp,
    ) -> Result<WebhookChange> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        if let Some(refused) = refused(&mut tx, workspace, id).await? {
            return Ok(refused);
        }
        replace_secret(&mut tx, id, Some(sealed), previous_until, now).await?;
        Changed { workspace, id, by, now }.note(&mut tx, Action::WebhookSecretRotated, None).await?;
        tx.commit().await?;
        Ok(WebhookChange::Done)
    }

    async fn events(&self, scope: Scope, filter: &EventFilter) -> Result<Page<Event>> {
        let mut query = QueryBuilder::<Sqlite>::new(concat!(
            "select ",
            event_columns!(),
            " from event e where e.workspace_id = "
        ));
        query.push_bind(scope.workspace.to_string());
        also(&mut query, " and e.customer_id = ", scope.customer);
        also(&mut query, " and e.connection_id = ", filter.connection);
        also(&mut query, " and e.type = ", filter.kind.as_ref());
        also(&mut query, " and e.id < ", filter.before);
        query.push(" order by e.id desc limit ").push_bind(i64::from(filter.limit) + 1);
        page(query.build().fetch_all(&self.readers).await?, filter.limit, event)
    }

    async fn event(&self, scope: Scope, id: EventId) -> Result<Option<Event>> {
        let found = sqlx::query(concat!(
            "select ",
            event_columns!(),
            " from event e
              where e.id = $1
                and e.workspace_id = $2
                and ($3 is null or e.customer_id = $3)"
        ))
        .bind(id.to_string())
        .bind(scope.workspace.to_string())
        .bind(scope.customer.map(|id| id.to_string()))
        .fetch_optional(&self.readers)
        .await?;
        found.as_ref().map(event).transpose()
    }

    async fn deliveries(&self, scope: Scope, filter: &DeliveryFilter) -> Result<Page<Delivery>> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "select d.id, d.event_id, d.webhook_id, d.state, d.attempts, d.next_at, d.last_status,
                    d.last_error, d.delivered_at, d.created_at, d.updated_at
             from delivery d
             where d.workspace_id = ",
        );
        query.push_bind(scope.workspace.to_string());
        also(&mut query, " and d.event_id = ", filter.event);
        also(&mut query, " and d.webhook_id = ", filter.webhook);
        // Written out, so that the indexes of one state fit.
        query.push(match filter.state {
            None => "",
            Some(DeliveryState::Pending) => " and d.state = 'pending'",
            Some(DeliveryState::Delivered) => " and d.state = 'delivered'",
            Some(DeliveryState::Dead) => " and d.state = 'dead'",
        });
        also(&mut query, " and d.id < ", filter.before);
        let of_customer = " and exists (select 1 from event e where e.id = d.event_id and e.customer_id = ";
        if scope.customer.is_some() {
            also(&mut query, of_customer, scope.customer);
            query.push(")");
        }
        query.push(" order by d.id desc limit ").push_bind(i64::from(filter.limit) + 1);
        page(query.build().fetch_all(&self.readers).await?, filter.limit, delivery)
    }

    async fn audit(&self, scope: Scope, filter: &AuditFilter) -> Result<Page<AuditEntry>> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "select id, actor, customer_id, action, subject, detail, created_at
             from audit
             where workspace_id = ",
        );
        query.push_bind(scope.workspace.to_string());
        also(&mut query, " and customer_id = ", scope.customer);
        also(&mut query, " and subject = ", filter.subject.as_ref());
        also(&mut query, " and action = ", filter.action.map(Action::as_str));
        also(&mut query, " and id < ", filter.before);
        query.push(" order by id desc limit ").push_bind(i64::from(filter.limit) + 1);
        page(query.build().fetch_all(&self.readers).await?, filter.limit, audit_entry)
    }

    async fn note_import_done(
        &self,
        scope: Scope,
        id: ConnectionId,
        by: Actor,
        now: Timestamp,
    ) -> Result<Option<Event>> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let live = sqlx::query(
            "select 1
             from connection
             where id = $1
               and workspace_id = $2
               and ($3 is null or customer_id = $3)
               and state <> 'archived'",
        )
        .bind(id.to_string())
        .bind(scope.workspace.to_string())
        .bind(scope.customer.map(|id| id.to_string()))
        .fetch_optional(&mut *tx)
        .await?;
        if live.is_none() {
            return Ok(None);
        }
        let told = note_connection(&mut tx, id, by, Action::ConnectionImportDone, json!({}), now).await?;
        tx.commit().await?;
        Ok(told)
    }

    async fn import_done(
        &self,
        id: ConnectionId,
        after: Option<EventId>,
        since: Timestamp,
    ) -> Result<Option<EventId>> {
        let found = sqlx::query(
            "select id
             from event
             where connection_id = $1
               and id > $2
               and type = $3
               and created_at >= $4
             order by id
             limit 1",
        )
        .bind(id.to_string())
        .bind(after.map(|id| id.to_string()).unwrap_or_default())
        .bind(Action::ConnectionImportDone.as_str())
        .bind(since.millis())
        .fetch_optional(&self.readers)
        .await?;
        found.as_ref().map(|row| event_id(row, "id")).transpose()
    }
}

/// Adds a condition, where there is one.
fn also<T: ToString>(query: &mut QueryBuilder<Sqlite>, condition: &'static str, value: Option<T>) {
    if let Some(value) = value {
        query.push(condition).push_bind(value.to_string());
    }
}

fn page<T>(rows: Vec<SqliteRow>, limit: u32, read: fn(&SqliteRow) -> Result<T>) -> Result<Page<T>> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(Page { more: rows.len() > limit, items: rows.iter().take(limit).map(read).collect::<Result<_>>()? })
}

pub(super) fn event(row: &SqliteRow) -> Result<Event> {
    let customer: Option<&str> = row.try_get("customer_id")?;
    let connection: Option<&str> = row.try_get("connection_id")?;
    Ok(Event {
        id: event_id(row, "id")?,
        workspace: row::workspace_id(row, "workspace_id")?,
        customer: customer.and_then(CustomerId::parse),
        connection: connection.and_then(ConnectionId::parse),
        kind: row.try_get("type")?,
        data: row::json(row, "data")?,
        created_at: row::time(row, "created_at")?,
    })
}

fn delivery(row: &SqliteRow) -> Result<Delivery> {
    let state = DeliveryState::parse(row.try_get("state")?);
    let error: Option<&str> = row.try_get("last_error")?;
    let webhook = WebhookId::parse(row.try_get("webhook_id")?);
    Ok(Delivery {
        id: DeliveryId::parse(row.try_get("id")?).ok_or(StoreError::Unreadable("delivery.id"))?,
        event: event_id(row, "event_id")?,
        webhook: webhook.ok_or(StoreError::Unreadable("delivery.webhook_id"))?,
        state: state.ok_or(StoreError::Unreadable("delivery.state"))?,
        attempts: row.try_get("attempts")?,
        next_at: row::time_option(row, "next_at")?,
        last_status: row.try_get("last_status")?,
        last_error: error.and_then(DeliveryError::parse),
        delivered_at: row::time_option(row, "delivered_at")?,
        created_at: row::time(row, "created_at")?,
        updated_at: row::time(row, "updated_at")?,
    })
}

fn audit_entry(row: &SqliteRow) -> Result<AuditEntry> {
    let customer: Option<&str> = row.try_get("customer_id")?;
    Ok(AuditEntry {
        id: event_id(row, "id")?,
        actor: row.try_get("actor")?,
        customer: customer.and_then(CustomerId::parse),
        action: row.try_get("action")?,
        subject: row.try_get("subject")?,
        detail: row::json(row, "detail")?,
        created_at: row::time(row, "created_at")?,
    })
}

pub(super) fn event_id(row: &SqliteRow, column: &'static str) -> Result<EventId> {
    EventId::parse(row.try_get(column)?).ok_or(StoreError::Unreadable(column))
}
