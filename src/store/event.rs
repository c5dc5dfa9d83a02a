//! Webhooks, what they are told, how far the telling got, and the audit log.
//!
//! An event and a delivery for each webhook that wants it are written in the transaction of the change
//! itself (`sqlite/journal.rs`), so here is only what comes afterwards.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use super::{Page, Result};
use crate::model::{
    Action, Actor, AuditEntry, ConnectionId, Delivery, DeliveryError, DeliveryId, DeliveryState, Event,
    EventId, Scope, Target, Timestamp, Webhook, WebhookId, WorkspaceId,
};

/// Webhooks that one workspace may have.
pub const WEBHOOKS_MOST: u32 = 50;

/// A webhook as a configuration file wants it.
pub struct WebhookPlan {
    /// Its id: the one it has, or the one that follows from its target.
    pub id: WebhookId,
    /// Where events go.
    pub target: Target,
    /// Types it is told; none means all.
    pub events: Option<Vec<String>>,
    /// What becomes of its secret.
    pub secret: SecretPlan,
}

/// What becomes of a webhook's secret.
pub enum SecretPlan {
    /// It stays as it is.
    Keep,
    /// This one, sealed for the row; the one before signs too until then.
    Replace(Option<Vec<u8>>, Timestamp),
}

/// A change of a webhook: what is none stays.
#[derive(Default)]
pub struct WebhookPatch {
    /// Another target.
    pub target: Option<Target>,
    /// Other types; the inner none means all.
    pub events: Option<Option<Vec<String>>>,
}

/// What came of changing a webhook.
#[derive(Debug, PartialEq, Eq)]
pub enum WebhookChange {
    /// It was done.
    Done,
    /// There is no such webhook.
    Unknown,
    /// It stands in the configuration file.
    FromFile,
}

/// Which events, newest first.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// About this connection.
    pub connection: Option<ConnectionId>,
    /// Of this type.
    pub kind: Option<String>,
    /// Older than this one.
    pub before: Option<EventId>,
    /// At most so many.
    pub limit: u32,
}

/// Which deliveries, newest first.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// Of this event.
    pub event: Option<EventId>,
    /// To this webhook.
    pub webhook: Option<WebhookId>,
    /// In this state.
    pub state: Option<DeliveryState>,
    /// Older than this one.
    pub before: Option<DeliveryId>,
    /// At most so many.
    pub limit: u32,
}

/// Which lines of the audit log, newest first.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// About this thing.
    pub subject: Option<String>,
    /// Of this kind.
    pub action: Option<Action>,
    /// Older than this one.
    pub before: Option<EventId>,
    /// At most so many.
    pub limit: u32,
}

/// Webhooks, events and the audit log.
#[async_trait]
pub trait EventStore: Send + Sync {
    /// Every webhook of a workspace, newest first.
    async fn webhooks(&self, workspace: WorkspaceId) -> Result<Vec<Webhook>>;
    /// One webhook.
    async fn webhook(&self, workspace: WorkspaceId, id: WebhookId) -> Result<Option<Webhook>>;
    /// Remembers a webhook; false when there are [`WEBHOOKS_MOST`] already.
    async fn add_webhook(&self, webhook: &Webhook, by: Actor, now: Timestamp) -> Result<bool>;
    /// Changes a webhook that the API made.
    async fn update_webhook(
        &self,
        workspace: WorkspaceId,
        id: WebhookId,
        patch: &WebhookPatch,
        by: Actor,
        now: Timestamp,
    ) -> Result<WebhookChange>;
    /// Deletes a webhook that the API made, with what is on its way to it.
    async fn remove_webhook(
        &self,
        workspace: WorkspaceId,
        id: WebhookId,
        by: Actor,
        now: Timestamp,
    ) -> Result<WebhookChange>;
    /// Gives it a new sealed secret; the one it had signs too until `previous_until`.
    async fn rotate_webhook_secret(
        &self,
        workspace: WorkspaceId,
        id: WebhookId,
        sealed: &[u8],
        previous_until: Timestamp,
        by: Actor,
        now: Timestamp,
    ) -> Result<WebhookChange>;

    /// Events in scope.
    async fn events(&self, scope: Scope, filter: &EventFilter) -> Result<Page<Event>>;
    /// One event in scope.
    async fn event(&self, scope: Scope, id: EventId) -> Result<Option<Event>>;
    /// Deliveries of events in scope.
    async fn deliveries(&self, scope: Scope, filter: &DeliveryFilter) -> Result<Page<Delivery>>;
    /// The audit log in scope.
    async fn audit(&self, scope: Scope, filter: &AuditFilter) -> Result<Page<AuditEntry>>;

    /// Writes down that the backend finished its first import of a live connection in scope; none when
    /// there is no such connection.
    async fn note_import_done(
        &self,
        scope: Scope,
        id: ConnectionId,
        by: Actor,
        now: Timestamp,
    ) -> Result<Option<Event>>;
    /// The first report that an import is done after event `after` and not before `since`.
    async fn import_done(
        &self,
        id: ConnectionId,
        after: Option<EventId>,
        since: Timestamp,
    ) -> Result<Option<EventId>>;
}

/// A delivery that this process may try until its claim ends.
pub struct Claimed {
    /// Which.
    pub delivery: DeliveryId,
    /// Tries before this one.
    pub attempts: u32,
    /// When the claim ends; also what proves it.
    pub until: Timestamp,
    /// What is told.
    pub event: Event,
    /// Where.
    pub webhook: Webhook,
}

/// What came of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Whether that was it.
    pub next: AfterTry,
    /// HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// What was wrong.
    pub error: Option<DeliveryError>,
}

/// What follows a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterTry {
    /// Nothing: the webhook took it.
    Done,
    /// Another try.
    Again(Timestamp),
    /// Nothing: it is given up.
    GiveUp,
}

/// What waits to be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxDepth {
    /// Pending deliveries.
    pub pending: u64,
    /// Deliveries that were given up and are still kept.
    pub dead: u64,
    /// How long the oldest pending one has waited.
    pub oldest: Option<Duration>,
}

/// The way from an event to its webhooks.
#[async_trait]
pub trait OutboxStore: Send + Sync {
    /// Changes whenever a delivery is written down by this process.
    fn outbox_wakes(&self) -> watch::Receiver<()>;
    /// Webhooks with a delivery that is due.
    async fn due_webhooks(&self, now: Timestamp) -> Result<Vec<WebhookId>>;
    /// Claims due deliveries of a webhook until `until`, longest due first. Nobody else gets them before.
    async fn claim_deliveries(
        &self,
        webhook: WebhookId,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Claimed>>;
    /// Writes down what came of a try; false when the claim ended meanwhile, and then nothing is written.
    async fn finish_delivery(
        &self,
        id: DeliveryId,
        claim: Timestamp,
        tried: Tried,
        now: Timestamp,
    ) -> Result<bool>;
    /// Sends an event again from the first try: to `webhook`, or to all it went to before. How many;
    /// none when the event or the webhook is not there.
    async fn redeliver(
        &self,
        scope: Scope,
        event: EventId,
        webhook: Option<WebhookId>,
        by: Actor,
        now: Timestamp,
    ) -> Result<Option<u64>>;
    /// Writes down an event that tries a webhook out; none when it is not there.
    async fn add_test_event(
        &self,
        workspace: WorkspaceId,
        webhook: WebhookId,
        now: Timestamp,
    ) -> Result<Option<Event>>;
    /// How much waits, over all workspaces.
    async fn outbox_depth(&self, now: Timestamp) -> Result<OutboxDepth>;
    /// Forgets events 30 days after their last delivery ended, 90 days where one was given up. How many.
    async fn sweep_events(&self, now: Timestamp) -> Result<u64>;
}
