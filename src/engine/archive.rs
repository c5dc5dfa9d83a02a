//! Deletes a connection: erased here first, then given back at the provider.

use std::time::Duration;

use super::{ConnectionView, Engine, EngineError, IntegrationSummary, refresh::credential_place};
use crate::{
    model::{Access, Connection, Credentials, StoredCredential},
    vault::Sealed,
};

/// How long a delete waits for the provider to take the token back; longer goes on in the background.
const REVOKE_PATIENCE: Duration = Duration::from_secs(2);

impl Engine {
    /// Archives a connection. Doing it again changes nothing and is no error.
    pub async fn archive(&self, access: &Access, selector: &str) -> Result<ConnectionView, EngineError> {
        let scope = access.scope();
        let ConnectionView { connection, view } = self.connection_view(access, selector).await?;
        let id = connection.id;
        let erased = self.store().archive(scope, id, access.actor(), self.now()).await?;
        self.connection_ended(&connection);
        if let Some(erased) = erased {
            tracing::info!(connection.id = %id, "Archived connection {id}");
            self.give_back(connection, erased).await;
        }
        let connection = self.store().connection(scope, id).await?;
        let connection = connection.ok_or(EngineError::NotFound("connection"))?;
        Ok(ConnectionView { connection, view })
    }

    /// Archives the customer's connection to an integration, as the older SDK asks for it. Where there is none
    /// it is done already.
    pub async fn disconnect(
        &self,
        access: &Access,
        integration: &str,
    ) -> Result<IntegrationSummary, EngineError> {
        let (view, connections) = self.integration(access, integration).await?;
        match connections.as_slice() {
            [] if access.customer.is_none() => return Err(EngineError::NotFound("connection")),
            [] => {}
            [only] => {
                self.archive(access, &only.id.to_string()).await?;
            }
            _ => return Err(EngineError::Ambiguous),
        }
        Ok(IntegrationSummary { view, connection: None })
    }

    /// RFC 7009, best effort: the local deletion never waits long for it.
    pub(super) async fn give_back(&self, connection: Connection, erased: StoredCredential) {
        let (engine, flying) = (self.clone(), self.inner.flights.take_off());
        let revoking = tokio::spawn(async move {
            let row = connection.id.to_string();
            let place = credential_place(connection.workspace, &row);
            // A shutdown waits for it.
            let _flying = flying;
            let Ok(bytes) = engine.vault().open(place, &Sealed(erased.sealed)) else { return };
            let Ok(credentials) = Credentials::from_bytes(bytes.expose()) else { return };
            if let Ok(provider) = engine.provider_of(&connection, &credentials).await {
                provider.revoke(&credentials).await;
            }
        });
        let _ = tokio::time::timeout(REVOKE_PATIENCE, revoking).await;
    }
}
