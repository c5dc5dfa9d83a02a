//! Which connection a caller names: by its id, by its own key, or by its integration where it has one only.

use super::{ConnectionView, Engine, EngineError, WorkspaceView, trace};
use crate::{
    model::{Access, Connection, ConnectionId, ConnectionState, Scope},
    store::ConnectionFilter,
};

impl Engine {
    /// One connection and what it ties to, as a caller may see it; an archived one by its id only.
    pub async fn connection_view(
        &self,
        access: &Access,
        selector: &str,
    ) -> Result<ConnectionView, EngineError> {
        let found = self.select(access.scope(), selector, |key| access.sees(key)).await?;
        trace::connection(found.connection.id);
        Ok(found)
    }

    /// The same for somebody who sees all of a scope.
    pub async fn connection(&self, scope: Scope, selector: &str) -> Result<Connection, EngineError> {
        Ok(self.select(scope, selector, |_| true).await?.connection)
    }

    /// The same, unless it is archived.
    pub async fn live_view(&self, access: &Access, selector: &str) -> Result<ConnectionView, EngineError> {
        let found = self.connection_view(access, selector).await?;
        match found.connection.state {
            ConnectionState::Archived(_) => Err(EngineError::NotFound("connection")),
            ConnectionState::Ready | ConnectionState::Disconnected(_) => Ok(found),
        }
    }

    async fn select(
        &self,
        scope: Scope,
        selector: &str,
        sees: impl Fn(&str) -> bool,
    ) -> Result<ConnectionView, EngineError> {
        let workspace = self.workspace(scope.workspace).await?;
        // An id is looked up once, whoever's it is: somebody else's costs and reads the same as none.
        let found = match ConnectionId::parse(selector) {
            Some(id) => self.store().connection(scope, id).await?,
            None => self.named(scope, &workspace, selector, &sees).await?,
        };
        let found = found.and_then(|connection| {
            let view = workspace.by_id(connection.integration)?.clone();
            sees(&view.integration.key).then_some(ConnectionView { connection, view })
        });
        found.ok_or(EngineError::NotFound("connection"))
    }

    async fn named(
        &self,
        scope: Scope,
        workspace: &WorkspaceView,
        name: &str,
        sees: &impl Fn(&str) -> bool,
    ) -> Result<Option<Connection>, EngineError> {
        let is_seen = |connection: &Connection| {
            workspace.by_id(connection.integration).is_some_and(|view| sees(&view.integration.key))
        };
        let mut of_key = self.store().connections_by_key(scope, name).await?;
        of_key.retain(is_seen);
        if of_key.len() > 1 {
            return Err(EngineError::Ambiguous);
        }
        if let Some(found) = of_key.pop() {
            return Ok(Some(found));
        }
        let view = workspace.integration(name).filter(|view| sees(&view.integration.key));
        let Some(view) = view else { return Ok(None) };
        let integration = Some(view.integration.id);
        let filter = ConnectionFilter { integration, limit: 1, ..ConnectionFilter::default() };
        let mut page = self.store().connections(scope, &filter).await?;
        if page.more { Err(EngineError::Ambiguous) } else { Ok(page.items.pop()) }
    }
}
