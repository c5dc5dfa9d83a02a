//! Calls an app through a connection.

use super::{
    Engine, EngineError,
    refresh::Fresh,
    relay::{Answer, Behalf, RelayError, Relayed, Standing},
    trace,
};
use crate::model::{Access, ConnectionId, Scope};

impl Engine {
    /// Passes a call on to the app behind a connection: by its id, or as everywhere by what names it.
    pub async fn proxy(
        &self,
        access: &Access,
        selector: &str,
        request: Relayed,
    ) -> Result<Answer, RelayError> {
        let id = match ConnectionId::parse(selector) {
            Some(id) => id,
            None => self.connection_view(access, selector).await?.connection.id,
        };
        let standing = Connected { engine: self, scope: access.scope(), id };
        let fresh = self.fresh_for_call(standing.scope, id).await?;
        let behalf = standing.behalf(fresh).await?;
        if !access.sees(&behalf.view.integration.key) {
            return Err(EngineError::NotFound("connection").into());
        }
        self.note_activity(id);
        trace::connection(id);
        self.relay(behalf, &standing, request).await
    }
}

/// A connection whose credentials are in use.
struct Connected<'e> {
    engine: &'e Engine,
    scope: Scope,
    id: ConnectionId,
}

impl Connected<'_> {
    async fn behalf(&self, fresh: Fresh) -> Result<Behalf, RelayError> {
        let Fresh { connection, customer, credentials, version, ends } = fresh;
        let workspace = self.engine.workspace(connection.workspace).await?;
        let view = workspace.by_id(connection.integration).cloned();
        let view = view.ok_or(EngineError::NotFound("connection"))?;
        let option = view.connector.auth.iter().position(|option| option.key == connection.auth_option);
        let option = option.ok_or(EngineError::NotFound("connection"))?;
        let lane = connection.id.uuid();
        let connection = Some(connection);
        Ok(Behalf { workspace, view, option, customer, connection, credentials, version, mark: ends, lane })
    }
}

impl Standing for Connected<'_> {
    fn stands(&self, behalf: &Behalf) -> bool {
        behalf.mark == self.engine.inner.hot.ends()
    }

    async fn again(&self, _: Behalf) -> Result<Behalf, RelayError> {
        self.behalf(self.engine.fresh_for_call(self.scope, self.id).await?).await
    }

    async fn renew(&self, rejected: i64) -> Result<Behalf, RelayError> {
        self.behalf(self.engine.renew_rejected(self.scope, self.id, rejected).await?).await
    }
}
