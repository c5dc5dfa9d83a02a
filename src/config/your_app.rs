//! `[workspace.your_app]`: how the product's own API is called.

use serde::Deserialize;
use serde_json::Value;

use crate::engine::DesiredYourApp;

/// The section as the file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct YourApp {
    base_uri: String,
    auth: Value,
    credentials_schema: Option<Value>,
    client_id: Option<String>,
    pub(super) client_secret: Option<String>,
}

impl From<YourApp> for DesiredYourApp {
    fn from(section: YourApp) -> Self {
        Self {
            base_uri: section.base_uri,
            auth: section.auth,
            credentials_schema: section.credentials_schema,
            client_id: section.client_id,
            client_secret: section.client_secret,
        }
    }
}
