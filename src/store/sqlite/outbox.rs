//! From an event to its webhooks: what is due, who tries it, and what came of it.
//!
//! A claim moves a delivery's next time to the claim's end, so what a process left behind when it died is
//! due again by itself.

use async_trait::async_trait;
use serde_json::json;
use sqlx::{Row as _, Sqlite, Transaction};
use tokio::sync::watch;

use super::{
    super::{AfterTry, Claimed, OutboxDepth, OutboxStore, Result, StoreError, Tried},
    SqliteStore,
    event::{self, event_columns},
    journal::{Entry, add_delivery, add_event, note},
    webhook::{webhook, webhook_columns},
};
use crate::model::{
    Action, Actor, DeliveryError, DeliveryId, Event, EventId, Scope, Timestamp, WebhookId, WorkspaceId,
    event::TEST,
};

/// Days that an event is kept after its deliveries ended well, and after one was given up.
const KEPT_DAYS: i64 = 30;
const KEPT_DEAD_DAYS: i64 = 90;
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// Events forgotten in one transaction.
const SWEPT_MOST: i64 = 1000;

#[async_trait]
impl OutboxStore for SqliteStore {
    fn outbox_wakes(&self) -> watch::Receiver<()> {
        self.outbox.subscribe()
    }

    async fn due_webhooks(&self, now: Timestamp) -> Result<Vec<WebhookId>> {
        // By the writer: a wake-up comes while its transaction is open, and this waits for its end.
        let rows = sqlx::query(
            "select w.id
             from webhook w
             where exists (select 1
                           from delivery d
                           where d.webhook_id = w.id
                             and d.state = 'pending'
                             and d.next_at <= $1)",
        )
        .bind(now.millis())
        .fetch_all(&self.writer)
        .await?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            WebhookId::parse(row.try_get("id")?).ok_or(StoreError::Unreadable("webhook.id"))
        };
        rows.iter().map(read).collect()
    }

    async fn claim_deliveries(
        &self,
        id: WebhookId,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Claimed>> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let row = sqlx::query(concat!("select ", webhook_columns!(), " from webhook w where w.id = $1"))
            .bind(id.to_string())
            .fetch_optional(&mut *tx)
            .await?;
        let Some(row) = row else { return Ok(Vec::new()) };
        let webhook = webhook(&row)?;
        let due = sqlx::query(concat!(
            "select d.id as delivery_id, d.attempts, ",
            event_columns!(),
            " from delivery d
              join event e on e.id = d.event_id
              where d.webhook_id = $1
                and d.state = 'pending'
                and d.next_at <= $2
              order by d.next_at
              limit $3"
        ))
        .bind(webhook.id.to_string())
        .bind(now.millis())
        .bind(limit)
        .fetch_all(&mut *tx)
        .await?;
        let mut claimed = Vec::new();
        for row in &due {
            let id: &str = row.try_get("delivery_id")?;
            sqlx::query("update delivery set next_at = $2, claimed_until = $2 where id = $1")
                .bind(id)
                .bind(until.millis())
                .execute(&mut *tx)
                .await?;
            claimed.push(Claimed {
                delivery: DeliveryId::parse(id).ok_or(StoreError::Unreadable("delivery.id"))?,
                attempts: row.try_get("attempts")?,
                until,
                event: event::event(row)?,
                webhook: webhook.clone(),
            });
        }
        tx.commit().await?;
        Ok(claimed)
    }

    async fn finish_delivery(
        &self,
        id: DeliveryId,
        claim: Timestamp,
        tried: Tried,
        now: Timestamp,
    ) -> Result<bool> {
        let (state, next_at, delivered_at) = match tried.next {
            AfterTry::Done => ("delivered", None, Some(now.millis())),
            AfterTry::Again(at) => ("pending", Some(at.millis()), None),
            AfterTry::GiveUp => ("dead", None, None),
        };
        let done = sqlx::query(
            "update delivery
             set state = $3,
                 attempts = attempts + 1,
                 next_at = $4,
                 claimed_until = null,
                 last_status = $5,
                 last_error = $6,
                 delivered_at = $7,
                 updated_at = $8
             where id = $1
               and state = 'pending'
               and claimed_until = $2",
        )
        .bind(id.to_string())
        .bind(claim.millis())
        .bind(state)
        .bind(next_at)
        .bind(tried.status)
        .bind(tried.error.map(DeliveryError::as_str))
        .bind(delivered_at)
        .bind(now.millis())
        .execute(&self.writer)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    async fn redeliver(
        &self,
        scope: Scope,
        event: EventId,
        webhook: Option<WebhookId>,
        by: Actor,
        now: Timestamp,
    ) -> Result<Option<u64>> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let found = sqlx::query(concat!(
            "select ",
            event_columns!(),
            " from event e
              where e.id = $1
                and e.workspace_id = $2
                and ($3 is null or e.customer_id = $3)"
        ))
        .bind(event.to_string())
        .bind(scope.workspace.to_string())
        .bind(scope.customer.map(|id| id.to_string()))
        .fetch_optional(&mut *tx)
        .await?;
        let Some(found) = found else { return Ok(None) };
        let found = event::event(&found)?;
        let again = match webhook {
            Some(webhook) => send_to(&mut tx, &found, webhook, now).await?,
            None => Some(send_again(&mut tx, &found, None, now).await?),
        };
        if again.is_some_and(|again| again > 0) {
            let subject = event.to_string();
            let (workspace, customer) = (scope.workspace, found.customer);
            let (action, detail) = (Action::EventRedelivered, json!({ "deliveries": again }));
            note(&mut tx, &Entry { workspace, customer, by, action, subject: &subject, detail }, now).await?;
            tx.commit().await?;
            self.outbox.send_replace(());
        }
        Ok(again)
    }

    async fn add_test_event(
        &self,
        workspace: WorkspaceId,
        webhook: WebhookId,
        now: Timestamp,
    ) -> Result<Option<Event>> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let found = sqlx::query("select 1 from webhook where id = $1 and workspace_id = $2")
            .bind(webhook.to_string())
            .bind(workspace.to_string())
            .fetch_optional(&mut *tx)
            .await?;
        if found.is_none() {
            return Ok(None);
        }
        let event = Event {
            id: super::journal::event_id(now),
            workspace,
            customer: None,
            connection: None,
            kind: TEST.to_owned(),
            data: json!({ "webhook": { "id": webhook } }),
            created_at: now,
        };
        add_event(&mut tx, &event).await?;
        add_delivery(&mut tx, &event, &webhook.to_string(), now).await?;
        tx.commit().await?;
        Ok(Some(event))
    }

    async fn outbox_depth(&self, now: Timestamp) -> Result<OutboxDepth> {
        let row = sqlx::query(
            "select (select count(*) from delivery where state = 'pending') as pending,
                    (select count(*) from delivery where state = 'dead') as dead,
                    (select min(created_at) from delivery where state = 'pending') as oldest",
        )
        .fetch_one(&self.readers)
        .await?;
        let oldest: Option<i64> = row.try_get("oldest")?;
        Ok(OutboxDepth {
            pending: row.try_get("pending")?,
            dead: row.try_get("dead")?,
            oldest: oldest.map(|at| now.since(Timestamp::from_millis(at))),
        })
    }

    async fn sweep_events(&self, now: Timestamp) -> Result<u64> {
        let done = sqlx::query(
            "delete from event
             where id in (select e.id
                          from event e
                          where e.created_at <= $1
                            and not exists (select 1
                                            from delivery d
                                            where d.event_id = e.id
                                              and (d.state = 'pending'
                                                   or d.updated_at > $1
                                                   or (d.state = 'dead' and d.updated_at > $2)))
                          limit $3)",
        )
        .bind(now.millis() - KEPT_DAYS * DAY_MILLIS)
        .bind(now.millis() - KEPT_DEAD_DAYS * DAY_MILLIS)
        .bind(SWEPT_MOST)
        .execute(&self.writer)
        .await?;
        Ok(done.rows_affected())
    }
}

/// Sends an event to one webhook, whether it went there before or not.
async fn send_to(
    tx: &mut Transaction<'_, Sqlite>,
    event: &Event,
    webhook: WebhookId,
    now: Timestamp,
) -> Result<Option<u64>> {
    let known = sqlx::query("select 1 from webhook where id = $1 and workspace_id = $2")
        .bind(webhook.to_string())
        .bind(event.workspace.to_string())
        .fetch_optional(&mut **tx)
        .await?;
    if known.is_none() {
        return Ok(None);
    }
    let again = send_again(tx, event, Some(webhook), now).await?;
    if again == 0 {
        add_delivery(tx, event, &webhook.to_string(), now).await?;
    }
    Ok(Some(again.max(1)))
}

/// Begins the deliveries of an event anew. One that is being tried right now is left to end.
async fn send_again(
    tx: &mut Transaction<'_, Sqlite>,
    event: &Event,
    webhook: Option<WebhookId>,
    now: Timestamp,
) -> Result<u64> {
    let done = sqlx::query(
        "update delivery
         set state = 'pending',
             attempts = case when claimed_until > $3 then attempts else 0 end,
             next_at = case when claimed_until > $3 then next_at else $3 end,
             claimed_until = case when claimed_until > $3 then claimed_until end,
             delivered_at = null,
             updated_at = $3
         where event_id = $1
           and ($2 is null or webhook_id = $2)",
    )
    .bind(event.id.to_string())
    .bind(webhook.map(|id| id.to_string()))
    .bind(now.millis())
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}
