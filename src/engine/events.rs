//! What is told about an event, and who may read it.

use serde_json::{Value, json};

use super::{Engine, EngineError};
use crate::{
    model::{Access, AuditEntry, Delivery, Event, EventId, IntegrationId, WebhookId},
    store::{AuditFilter, DeliveryFilter, EventFilter, OutboxDepth, Page},
};

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
        self.inner.imports.announce();
        tracing::info!(connection.id = %id, "The import of connection {id} is done");
        told.ok_or(EngineError::NotFound("connection"))
    }
}
