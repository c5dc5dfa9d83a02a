//! Hands credentials to a backend in the clear: only where the workspace says so, and never unnoticed.

use serde_json::{Map, Value, json};

use super::{ConnectionView, Engine, EngineError, RefreshError};
use crate::model::{Access, Credentials, Timestamp};

impl Engine {
    /// A connection with its credentials, renewed first if their end is near, in the form in which they
    /// can be imported. The audit log has a line of it in the same transaction.
    pub async fn read_credentials(
        &self,
        access: &Access,
        selector: &str,
    ) -> Result<(ConnectionView, Map<String, Value>), RefreshError> {
        // Before anything is looked up, so that the refusal says nothing about what there is.
        self.check_readable(access).await?;
        let found = self.live_view(access, selector).await?;
        let (scope, id) = (access.scope(), found.connection.id);
        self.fresh_for_call(scope, id).await?;
        let read = self.store().read_credential(scope, id, access.actor(), self.now()).await;
        let stored = read.map_err(EngineError::from)?.ok_or(RefreshError::NotFound)?;
        let credentials = self.opened_credentials(&found.connection, &stored.sealed)?;
        tracing::info!(connection.id = %id, "Read the credentials of {id} out");
        let connection = self.store().connection(scope, id).await.map_err(EngineError::from)?;
        let connection = connection.ok_or(RefreshError::NotFound)?;
        Ok((ConnectionView { connection, view: found.view }, written(&credentials, stored.expires_at)))
    }

    async fn check_readable(&self, access: &Access) -> Result<(), EngineError> {
        let settings = &self.workspace(access.workspace).await?.workspace.settings;
        match (access.is_backend, settings.allow_credentials_read) {
            (false, _) => Err(EngineError::AccessDenied),
            (true, false) => Err(EngineError::CredentialsNotReadable),
            (true, true) => Ok(()),
        }
    }
}

/// As an import takes them.
fn written(credentials: &Credentials, expires_at: Option<Timestamp>) -> Map<String, Value> {
    let mut json = Map::new();
    for (name, secret) in &credentials.input {
        let name = name.strip_prefix("credentials.").unwrap_or(name);
        json.insert(name.to_owned(), secret.expose().as_str().into());
    }
    json.extend(credentials.kept.iter().map(|(name, value)| (name.clone(), value.as_str().into())));
    for (name, token) in [
        ("accessToken", &credentials.access_token),
        ("refreshToken", &credentials.refresh_token),
        ("tokenSecret", &credentials.token_secret),
    ] {
        if let Some(token) = token {
            json.insert(name.to_owned(), token.expose().as_str().into());
        }
    }
    if let Some(scopes) = &credentials.scopes {
        json.insert("scopes".to_owned(), json!(scopes));
    }
    if let Some(end) = expires_at {
        json.insert("expiresAt".to_owned(), json!(end));
    }
    json
}
