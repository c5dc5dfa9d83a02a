//! The product's own API, and what opens it for one customer.
//!
//! How it is called stands in the settings; what a customer has for it is sealed, like a connection's
//! credentials, and lives as long as those do.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{CustomerId, DisconnectReason, Timestamp, WorkspaceId};

/// How the product's own API is called, without anything secret. The auth option may hold literals that
/// open it, so it is sealed with the client's secret; see [`YourAppSecrets`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct YourAppSettings {
    /// What stands before relative paths.
    pub base_uri: String,
    /// `type` of the auth option.
    pub auth_type: String,
    /// JSON Schema of a customer's credentials; none takes any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_schema: Option<Value>,
    /// OAuth client id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Whether there is a client secret.
    #[serde(default)]
    pub has_client_secret: bool,
}

/// The half of the settings that is sealed.
#[derive(Serialize, Deserialize)]
pub struct YourAppSecrets {
    /// The auth option, in the shape of a connector's `[[auth]]`.
    pub auth: Value,
    /// OAuth client secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
}

/// What opens the product's API for one customer, sealed, and how it fares.
#[derive(Clone, Debug)]
pub struct AppCredential {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Whose it is.
    pub customer: CustomerId,
    /// Why it no longer works; none while it does.
    pub ended: Option<DisconnectReason>,
    /// The sealed bytes.
    pub sealed: Vec<u8>,
    /// Grows with every replacement; compare-and-swap goes by it.
    pub version: i64,
    /// When the access token ends; none when nobody said.
    pub expires_at: Option<Timestamp>,
    /// Until when somebody renews it; none when nobody does.
    pub leased_until: Option<Timestamp>,
    /// When this version was last tried to be renewed.
    pub tried_at: Option<Timestamp>,
    /// Renewals that failed in a row for passing reasons.
    pub retry_attempts: u32,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl YourAppSettings {
    /// The settings as the product's backend reads them.
    pub fn shown(&self) -> Value {
        json!({
            "baseUri": self.base_uri,
            "authType": self.auth_type,
            "credentialsSchema": self.credentials_schema,
            "clientId": self.client_id,
            "hasClientSecret": self.has_client_secret,
        })
    }
}
