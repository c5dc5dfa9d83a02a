//! An integration: a connector set up in a workspace.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{IntegrationId, Timestamp, WorkspaceId};

/// A connector set up in a workspace. Its client secret stays in the store, sealed.
#[derive(Clone, Debug)]
pub struct Integration {
    /// Its id; follows from workspace and key.
    pub id: IntegrationId,
    /// The workspace it belongs to.
    pub workspace: WorkspaceId,
    /// Its key, unique in the workspace.
    pub key: String,
    /// Key of the connector, or the path it was read from.
    pub connector: String,
    /// Text of the connector when it is the workspace's own file.
    pub connector_source: Option<String>,
    /// Everything else that can be set.
    pub settings: IntegrationSettings,
    /// No longer offered; its connections stay.
    pub hidden: bool,
    /// What is known of it beside what it is.
    pub record: IntegrationRecord,
}

/// Whose an integration is and since when.
#[derive(Clone, Debug)]
pub struct IntegrationRecord {
    /// The configuration file names it, and puts its own values back whenever it is applied.
    pub of_file: bool,
    /// What the backend keeps with it.
    pub meta: Option<Value>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it was archived, or dropped from the file.
    pub archived_at: Option<Timestamp>,
}

/// What an integration can set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IntegrationSettings {
    /// Instead of the connector's name.
    pub name: Option<String>,
    /// Instead of the connector's description.
    pub description: Option<String>,
    /// Address of a logo instead of the connector's.
    pub logo: Option<String>,
    /// Sorts first; none leaves it to the connector.
    pub featured: Option<bool>,
    /// OAuth client id.
    pub client_id: Option<String>,
    /// Scopes instead of the connector's default.
    pub scopes: Option<Vec<String>>,
    /// Connector parameters.
    pub connector_parameters: Map<String, Value>,
    /// Played by the built-in sandbox.
    pub sandbox: bool,
    /// Callback address registered at the provider, when it is not ours.
    pub oauth_callback_uri: Option<String>,
}
