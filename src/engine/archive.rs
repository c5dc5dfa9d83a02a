//! Deletes a connection: erased here first, then given back at the provider.

use std::time::Duration;

use super::{ConnectionView, Engine, EngineError, refresh::credential_place};
use crate::{
    model::{Connection, ConnectionId, ConnectionState, Credentials, Scope, Session, StoredCredential},
    vault::Sealed,
};

/// How long a delete waits for the provider to take the token back; longer goes on in the background.
const REVOKE_PATIENCE: Duration = Duration::from_secs(2);

impl Engine {
    /// Archives a connection. Doing it again changes nothing and is no error.
    pub async fn archive(&self, session: &Session, selector: &str) -> Result<ConnectionView, EngineError> {
        let scope = session.scope();
        let id = ConnectionId::parse(selector).ok_or(EngineError::NotFound("connection"))?;
        let connection = self.store().connection(scope, id).await?;
        let connection = connection.ok_or(EngineError::NotFound("connection"))?;
        let workspace = self.workspace(scope.workspace).await?;
        let view = workspace.by_id(connection.integration).filter(|view| session.sees(&view.integration.key));
        let view = view.cloned().ok_or(EngineError::NotFound("connection"))?;
        let erased = self.store().archive(scope, id, self.now()).await?;
        self.inner.lists.forget(scope.workspace, session.customer.id);
        if let Some(erased) = erased {
            tracing::info!(connection.id = %id, "Archived connection {id}");
            self.give_back(connection, erased).await;
        }
        let connection = self.store().connection(scope, id).await?;
        let connection = connection.ok_or(EngineError::NotFound("connection"))?;
        Ok(ConnectionView { connection, view })
    }

    /// RFC 7009, best effort: the local deletion never waits long for it.
    async fn give_back(&self, connection: Connection, erased: StoredCredential) {
        let engine = self.clone();
        let revoking = tokio::spawn(async move {
            let row = connection.id.to_string();
            let place = credential_place(connection.workspace, &row);
            let Ok(bytes) = engine.vault().open(place, &Sealed(erased.sealed)) else { return };
            let Ok(credentials) = Credentials::from_bytes(bytes.expose()) else { return };
            if let Ok(provider) = engine.provider_of(&connection, &credentials).await {
                provider.revoke(&credentials).await;
            }
        });
        let _ = tokio::time::timeout(REVOKE_PATIENCE, revoking).await;
    }

    /// One live connection in scope, by id, or by integration key when exactly one fits.
    pub async fn connection(&self, scope: Scope, selector: &str) -> Result<Connection, EngineError> {
        let not_found = EngineError::NotFound("connection");
        if let Some(id) = ConnectionId::parse(selector) {
            return self.store().connection(scope, id).await?.ok_or(not_found);
        }
        let workspace = self.workspace(scope.workspace).await?;
        let Some(view) = workspace.integration(selector) else { return Err(not_found) };
        let filter = crate::store::ConnectionFilter {
            integration: Some(view.integration.id),
            limit: 1,
            ..Default::default()
        };
        let mut page = self.store().connections(scope, &filter).await?;
        match (page.items.pop(), page.more) {
            (_, true) => Err(EngineError::Ambiguous),
            (Some(found), false) if !matches!(found.state, ConnectionState::Archived(_)) => Ok(found),
            _ => Err(not_found),
        }
    }
}
