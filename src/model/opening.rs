//! What a product asked for when it opened our page inside its own.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Scheme;

/// How an embed was opened. Its session keeps it sealed: connector parameters never stand on a page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Opening {
    /// The path of ours it was opened with and comes back to; empty is the catalog.
    pub path: String,
    /// What it is for.
    pub purpose: Purpose,
    /// The auth option the customer begins with.
    pub option: Option<String>,
    /// A name for the connection to be.
    pub name: Option<String>,
    /// The product's own name for the attempt.
    pub request_id: Option<String>,
    /// Comes back with the outcome, byte for byte.
    pub custom_state: Option<String>,
    /// Makes a further connection instead of renewing the one there is.
    pub allow_multiple: bool,
    /// Connector parameters, not signed.
    pub connector_parameters: Option<Map<String, Value>>,
    /// Colours that go before the workspace's own.
    pub scheme: Option<Scheme>,
    /// Origin of the page around it, as the browser said; believed only where it is an allowed one.
    pub parent: Option<String>,
}

/// What an embed is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Connections are looked at, made and deleted; it ends when somebody closes it.
    #[default]
    Browse,
    /// It ends with a connection.
    Connect,
}
