//! The product's own API: what opens it for one customer, and calls to it as that customer.
//!
//! How it is called is written like a connector's auth option, so it becomes a connector that no catalog
//! lists, and filling in, signing, renewing and sending are the same as for every provider. What a
//! customer has for it is given once and never read back.

mod call;
mod credentials;
mod renew;
mod schema;

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;
use serde_json::Value;

pub(super) use self::renew::AppFlights;
use self::schema::Schema;
pub use self::{
    call::{AppCall, AppCallError},
    credentials::Own,
};
use super::{ConfigureError, Engine, EngineError, IntegrationView, directory::client_secret_place};
use crate::{
    catalog::{
        Connector,
        connector::{AuthOption, AuthType},
        parse::{ConnectorError, YOUR_APP, your_app},
    },
    model::{
        Actor, Integration, IntegrationId, IntegrationRecord, IntegrationSettings, Secret, Workspace,
        WorkspaceId, YourAppSecrets, YourAppSettings,
    },
    store::StoredIntegration,
    vault::{Place, Sealed},
};

/// How somebody wants the product's own API to be called.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DesiredYourApp {
    /// What stands before relative paths.
    pub base_uri: String,
    /// One auth option, in the shape of a connector's `[[auth]]`.
    pub auth: Value,
    /// JSON Schema of a customer's credentials.
    #[serde(default)]
    pub credentials_schema: Option<Value>,
    /// OAuth client id.
    #[serde(default)]
    pub client_id: Option<String>,
    /// OAuth client secret, and whatever else `{{client.secret}}` stands for.
    #[serde(default)]
    pub client_secret: Option<String>,
}

/// Why it cannot be called so.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct YourAppFault {
    /// `base_uri`, `auth.…`, `credentials_schema`, `client_id`, `client_secret`.
    pub key: String,
    /// What is wrong, to follow the key.
    pub reason: String,
}

/// The product's own API, ready to be called.
pub struct YourApp {
    /// What can be shown of its settings.
    pub settings: YourAppSettings,
    /// It as an integration; not among those of the workspace.
    pub(super) view: Arc<IntegrationView>,
    schema: Option<Schema>,
}

impl YourApp {
    fn option(&self) -> &AuthOption {
        &self.view.connector.auth[0]
    }

    /// Whether a call needs something that only the customer has.
    pub fn needs_credentials(&self) -> bool {
        self.option().kind == AuthType::OAuth2 || !self.option().fields.is_empty()
    }
}

impl From<ConnectorError> for YourAppFault {
    fn from(error: ConnectorError) -> Self {
        Self { key: error.key, reason: error.reason }
    }
}

impl Engine {
    /// Sets how the product's own API is called, or that it is not. Replaces everything that was set.
    pub async fn set_your_app(
        &self,
        workspace: WorkspaceId,
        desired: Option<DesiredYourApp>,
        by: Actor,
    ) -> Result<(), ConfigureError> {
        let view = self.workspace(workspace).await?;
        let Workspace { key, name, .. } = &view.workspace;
        let can_sign = !view.keys.secrets.is_empty();
        let planned = desired
            .map(|desired| self.plan_your_app(workspace, name, can_sign, desired))
            .transpose()
            .map_err(|fault| ConfigureError::YourApp { workspace: key.clone(), fault })?;
        let settings = planned.as_ref().map(|(settings, sealed)| (settings, sealed.as_slice()));
        let is_set = self.store().set_your_app(workspace, settings, by, self.now()).await;
        self.forget_directory();
        if is_set.map_err(EngineError::from)? {
            Ok(())
        } else {
            Err(EngineError::NotFound("workspace").into())
        }
    }

    /// Checks how the product's own API is to be called. Comes back with what is stored: the half that can
    /// be shown, and the sealed one. `can_sign` says that the workspace has a secret.
    pub(super) fn plan_your_app(
        &self,
        workspace: WorkspaceId,
        name: &str,
        can_sign: bool,
        desired: DesiredYourApp,
    ) -> Result<(YourAppSettings, Vec<u8>), YourAppFault> {
        let fault = |key: &str, reason: &str| YourAppFault { key: key.to_owned(), reason: reason.to_owned() };
        let connector = your_app(name, &desired.base_uri, &desired.auth)?;
        let kind = connector.auth[0].kind;
        if let Some(schema) = &desired.credentials_schema {
            Schema::read(schema).map_err(|reason| fault("credentials_schema", &reason))?;
        }
        if kind == AuthType::MembraneToken && !can_sign {
            return Err(fault("auth.type", "signs with the workspace's `secret`, and there is none"));
        }
        let client_id = desired.client_id.filter(|id| !id.is_empty());
        let client_secret = desired.client_secret.filter(|secret| !secret.is_empty());
        check_client(&connector, client_id.is_some(), client_secret.is_some())?;
        let settings = YourAppSettings {
            base_uri: desired.base_uri,
            auth_type: desired.auth["type"].as_str().unwrap_or_default().to_owned(),
            credentials_schema: desired.credentials_schema,
            client_id,
            has_client_secret: client_secret.is_some(),
        };
        let secrets = YourAppSecrets { auth: desired.auth, client_secret };
        let plain = Secret::new(serde_json::to_vec(&secrets).expect("strings and JSON always serialize"));
        let row = workspace.to_string();
        Ok((settings, self.vault().seal(your_app_place(workspace, &row), plain.expose()).0))
    }

    /// The product's own API out of what is stored. One that cannot be read any more is left out.
    pub(super) fn your_app_view(&self, workspace: &Workspace, sealed: Option<&[u8]>) -> Option<Arc<YourApp>> {
        let settings = workspace.settings.your_app.clone()?;
        match self.read_your_app(workspace, settings, sealed?) {
            Ok(found) => Some(Arc::new(found)),
            Err(reason) => {
                tracing::warn!(workspace.id = %workspace.id, reason, "Its `your_app` is left out");
                None
            }
        }
    }

    fn read_your_app(
        &self,
        workspace: &Workspace,
        settings: YourAppSettings,
        sealed: &[u8],
    ) -> Result<YourApp, String> {
        let row = workspace.id.to_string();
        let place = your_app_place(workspace.id, &row);
        let opened = self.vault().open(place, &Sealed(sealed.to_vec())).map_err(|error| error.to_string())?;
        let secrets: YourAppSecrets = serde_json::from_slice(opened.expose()).map_err(|_| "unreadable")?;
        let connector = your_app(&workspace.name, &settings.base_uri, &secrets.auth);
        let connector = connector.map_err(|error| error.to_string())?;
        // No key of an integration has a slash, so no integration has this id.
        let id = IntegrationId::of(workspace.id, "your-app/");
        let client_secret = secrets.client_secret.map(Secret::new);
        let own = id.to_string();
        let place = client_secret_place(workspace.id, &own);
        let stored = StoredIntegration {
            integration: Integration {
                id,
                workspace: workspace.id,
                key: YOUR_APP.to_owned(),
                connector: YOUR_APP.to_owned(),
                connector_source: None,
                settings: IntegrationSettings {
                    client_id: settings
                        .client_id
                        .clone()
                        .or_else(|| client_secret.as_ref().map(|_| String::new())),
                    ..IntegrationSettings::default()
                },
                hidden: true,
                record: IntegrationRecord {
                    of_file: true,
                    meta: None,
                    created_at: self.now(),
                    updated_at: self.now(),
                    archived_at: None,
                },
            },
            sealed_client_secret: client_secret
                .map(|secret| self.vault().seal(place, secret.expose().as_bytes()).0),
            sealed_parameters: None,
        };
        Ok(YourApp {
            schema: settings.credentials_schema.as_ref().map(Schema::read).transpose()?,
            view: Arc::new(self.assembled(Arc::new(connector), stored)),
            settings,
        })
    }
}

/// What a template or a token call takes from the client has to be there.
fn check_client(connector: &Connector, has_id: bool, has_secret: bool) -> Result<(), YourAppFault> {
    let option = &connector.auth[0];
    let is_oauth = matches!(option.kind, AuthType::OAuth2 | AuthType::ClientCredentials);
    let needs_id = (is_oauth && option.client.is_none()) || connector.uses(option, "client.id");
    let missing = |key: &str| YourAppFault { key: key.to_owned(), reason: "is missing".to_owned() };
    if needs_id && !has_id {
        return Err(missing("client_id"));
    }
    if connector.uses(option, "client.secret") && !has_secret {
        return Err(missing("client_secret"));
    }
    Ok(())
}

/// Faults by path, as they go on the wire.
type Faults = BTreeMap<String, String>;

fn your_app_place(workspace: WorkspaceId, row: &str) -> Place<'_> {
    Place { table: "workspace", row, column: "sealed_your_app", workspace: Some(workspace) }
}
