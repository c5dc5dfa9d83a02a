//! What is told about an event, who may read it, and who hears that an import is done.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::{Engine, EngineError, Outcome, connect::ATTEMPT_LIFE};
use crate::{
    model::{
        Access, AuditEntry, Connection, ConnectionId, Delivery, Event, EventId, IntegrationId, Scope,
        Timestamp, WebhookId,
    },
    store::{AuditFilter, DeliveryFilter, EventFilter, OutboxDepth, Page},
};

/// How often a waiting page looks by itself: reports to other processes are not announced here.
const POLL: Duration = Duration::from_secs(5);
/// Reports that a slow listener may be behind before it has to look by itself.
const BACKLOG: usize = 64;

/// Tells whoever waits that an import is done.
pub(super) struct Imports(broadcast::Sender<()>);

impl Default for Imports {
    fn default() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }
}

/// Waits for reports that a connection's import is done.
pub struct ImportWatch {
    engine: Engine,
    scope: Scope,
    connection: ConnectionId,
    after: Option<EventId>,
    since: Timestamp,
    announced: broadcast::Receiver<()>,
}

impl ImportWatch {
    /// The next report, as soon as there is one, with the connection as it is now.
    pub async fn next(&mut self) -> Result<(EventId, Connection), EngineError> {
        loop {
            let store = self.engine.store();
            if let Some(found) = store.import_done(self.connection, self.after, self.since).await? {
                self.after = Some(found);
                let connection = store.connection(self.scope, self.connection).await?;
                return Ok((found, connection.ok_or(EngineError::NotFound("connection"))?));
            }
            tokio::select! {
                // Having missed some is a reason to look as well.
                _ = self.announced.recv() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }
}

impl Engine {
    /// Events that this caller may see, newest first.
    pub async fn events(&self, access: &Access, filter: &EventFilter) -> Result<Page<Event>, EngineError> {
        Ok(self.store().events(access.scope(), filter).await?)
    }

    /// One event that this caller may see.
    pub async fn event(&self, access: &Access, id: &str) -> Result<Event, EngineError> {
        let not_found = EngineError::NotFound("event");
        let Some(id) = EventId::parse(id) else { return Err(not_found) };
        self.store().event(access.scope(), id).await?.ok_or(not_found)
    }

    /// Deliveries that this caller may see, newest first.
    pub async fn deliveries(
        &self,
        access: &Access,
        filter: &DeliveryFilter,
    ) -> Result<Page<Delivery>, EngineError> {
        Ok(self.store().deliveries(access.scope(), filter).await?)
    }

    /// The audit log, newest first.
    pub async fn audit(
        &self,
        access: &Access,
        filter: &AuditFilter,
    ) -> Result<Page<AuditEntry>, EngineError> {
        Ok(self.store().audit(access.scope(), filter).await?)
    }

    /// Sends an event again: to one webhook, or to all it went to before. How many deliveries begin anew.
    pub async fn redeliver(
        &self,
        access: &Access,
        event: &str,
        webhook: Option<&str>,
    ) -> Result<u64, EngineError> {
        let event = self.event(access, event).await?;
        let webhook = match webhook {
            Some(id) => Some(WebhookId::parse(id).ok_or(EngineError::NotFound("webhook"))?),
            None => None,
        };
        let by = access.actor();
        let again = self.store().redeliver(access.scope(), event.id, webhook, by, self.now()).await?;
        again.ok_or(EngineError::NotFound("webhook"))
    }

    /// What waits to be delivered, over all workspaces.
    pub async fn outbox_depth(&self) -> Result<OutboxDepth, EngineError> {
        Ok(self.store().outbox_depth(self.now()).await?)
    }

    /// What a webhook is sent about an event: the same bytes at every try.
    ///
    /// A connection without a name has that of its integration.
    pub async fn event_body(&self, event: &Event) -> Value {
        let mut data = event.data.clone();
        if let Some(connection) = data.get_mut("connection")
            && connection["name"].is_null()
        {
            connection["name"] = self.name_of_integration(event, &connection["integrationId"]).await.into();
        }
        json!({ "type": event.kind, "eventType": event.kind, "timestamp": event.created_at, "data": data })
    }

    async fn name_of_integration(&self, event: &Event, id: &Value) -> Option<String> {
        let id = id.as_str().and_then(IntegrationId::parse)?;
        let workspace = self.workspace(event.workspace).await.ok()?;
        workspace.by_id(id).map(|view| view.name.clone())
    }

    /// The backend finished the first import of a connection: an event, and whoever waits is told.
    pub async fn report_import_done(&self, access: &Access, selector: &str) -> Result<Event, EngineError> {
        let found = self.connection_view(access, selector).await?;
        let id = found.connection.id;
        let told = self.store().note_import_done(access.scope(), id, access.actor(), self.now()).await?;
        // Nobody listening is not an error.
        let _ = self.inner.imports.0.send(());
        tracing::info!(connection.id = %id, "The import of connection {id} is done");
        told.ok_or(EngineError::NotFound("connection"))
    }

    /// Listens for reports that the import of the connection that an attempt ended in is done, behind
    /// event `after`; none when it ended in no connection.
    pub fn watch_import(&self, outcome: &Outcome, after: Option<EventId>) -> Option<ImportWatch> {
        let connection = outcome.connection.as_ref()?;
        Some(ImportWatch {
            engine: self.clone(),
            scope: Scope { workspace: connection.workspace, customer: Some(connection.customer) },
            connection: connection.id,
            after,
            since: outcome.attempt.expires_at.minus(ATTEMPT_LIFE),
            announced: self.inner.imports.0.subscribe(),
        })
    }
}
