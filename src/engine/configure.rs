//! Makes workspaces be as somebody wants them: checks, seals, stores.

use std::{collections::HashMap, sync::Arc};

use super::{
    Engine, EngineError,
    directory::{client_secret_place, secret_place},
};
use crate::{
    catalog::{self, connector::Connector, parse::ConnectorError},
    model::{
        IntegrationId, IntegrationSettings, Secret, WorkspaceId, WorkspaceSettings, redirect::OriginPattern,
    },
    protocol::jwt::{PublicKey, check_secret},
    store::{ApplyPlan, ApplyReport, IntegrationPlan, KeyPlan, WorkspacePlan},
};

/// A workspace as somebody wants it.
pub struct DesiredWorkspace {
    /// Its id, when somebody fixed it.
    pub id: Option<WorkspaceId>,
    /// Its key.
    pub key: String,
    /// Its name.
    pub name: String,
    /// Its settings.
    pub settings: WorkspaceSettings,
    /// What signs its customers' tokens.
    pub keys: Vec<DesiredKey>,
    /// Its integrations in order.
    pub integrations: Vec<DesiredIntegration>,
}

/// A key that signs customers' tokens.
pub enum DesiredKey {
    /// A shared secret of at least 32 bytes.
    Secret(Secret<String>),
    /// A public key.
    Public {
        /// Its name in token headers.
        kid: Option<String>,
        /// SPKI in PEM.
        pem: String,
    },
}

/// An integration as somebody wants it.
pub struct DesiredIntegration {
    /// Its key.
    pub key: String,
    /// Key of a connector, or the path of a file.
    pub connector: String,
    /// The file's text, where it is one.
    pub connector_source: Option<String>,
    /// OAuth client secret.
    pub client_secret: Option<Secret<String>>,
    /// Everything else.
    pub settings: IntegrationSettings,
}

/// Why it cannot be so. Each names what is wrong and where.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    /// A key that cannot be one.
    #[error("{place}: `{key}` is not a key: use 1 to 64 lower-case letters, digits and hyphens")]
    BadKey {
        /// Where it stands.
        place: &'static str,
        /// The key.
        key: String,
    },
    /// A key that would collide with one of our paths.
    #[error("integration: the key `confirm` is taken by Hitchpost itself")]
    ReservedKey,
    /// Two of the same key.
    #[error("{place}: `{key}` stands there twice")]
    Twice {
        /// Where it stands.
        place: &'static str,
        /// The key.
        key: String,
    },
    /// No such connector.
    #[error("integration `{integration}`: there is no connector `{connector}` in the catalog{hint}")]
    UnknownConnector {
        /// The integration.
        integration: String,
        /// What it names.
        connector: String,
        /// A near one.
        hint: String,
    },
    /// A connector file that does not fit.
    #[error("integration `{integration}`: {error}")]
    Connector {
        /// The integration.
        integration: String,
        /// What is wrong.
        error: Box<ConnectorError>,
    },
    /// An origin that is none.
    #[error("workspace `{workspace}`: allowed_origins: {reason}")]
    Origin {
        /// The workspace.
        workspace: String,
        /// What is wrong.
        reason: String,
    },
    /// A secret or public key that cannot be used.
    #[error("workspace `{workspace}`: {reason}")]
    Key {
        /// The workspace.
        workspace: String,
        /// What is wrong.
        reason: String,
    },
    /// Two workspaces share one OAuth client: consent given to one would count for the other.
    #[error("integration `{integration}`: another workspace uses the same client_id at `{connector}`")]
    SharedClient {
        /// The integration.
        integration: String,
        /// The connector.
        connector: String,
    },
    /// The store or the vault.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Engine {
    /// Makes the workspaces be so. All or nothing; what is not named stays, integrations that are gone
    /// from their workspace are hidden and their connections stay.
    pub async fn configure(&self, desired: Vec<DesiredWorkspace>) -> Result<ApplyReport, ConfigureError> {
        check_unique("workspace", desired.iter().map(|workspace| workspace.key.as_str()))?;
        check_clients(&desired)?;
        let mut plan = ApplyPlan::default();
        for workspace in desired {
            plan.workspaces.push(self.plan_workspace(workspace)?);
        }
        let report = self.store().apply(&plan, self.now()).await.map_err(EngineError::from)?;
        self.forget_directory();
        Ok(report)
    }

    fn plan_workspace(&self, desired: DesiredWorkspace) -> Result<WorkspacePlan, ConfigureError> {
        check_key("workspace", &desired.key)?;
        let id = desired.id.unwrap_or_else(|| WorkspaceId::of(&desired.key));
        for origin in &desired.settings.allowed_origins {
            OriginPattern::parse(origin).map_err(|error| ConfigureError::Origin {
                workspace: desired.key.clone(),
                reason: error.to_string(),
            })?;
        }
        let integrations = desired.integrations.iter().map(|integration| integration.key.as_str());
        check_unique("integration", integrations)?;
        let keys = desired
            .keys
            .into_iter()
            .enumerate()
            .map(|(number, key)| self.plan_key(id, &desired.key, number, key))
            .collect::<Result<_, _>>()?;
        let integrations = desired
            .integrations
            .into_iter()
            .map(|integration| self.plan_integration(id, integration))
            .collect::<Result<_, _>>()?;
        Ok(WorkspacePlan {
            id,
            key: desired.key,
            name: desired.name,
            settings: desired.settings,
            keys,
            integrations,
        })
    }

    fn plan_key(
        &self,
        workspace: WorkspaceId,
        workspace_key: &str,
        number: usize,
        key: DesiredKey,
    ) -> Result<KeyPlan, ConfigureError> {
        let refused = |reason: String| ConfigureError::Key { workspace: workspace_key.to_owned(), reason };
        match key {
            DesiredKey::Secret(secret) => {
                check_secret(secret.expose().as_bytes())
                    .map_err(|error| refused(format!("secret: {error}")))?;
                let name = format!("secret/{number}");
                let id = uuid::Uuid::new_v5(&workspace.uuid(), name.as_bytes()).to_string();
                let sealed = self.vault().seal(secret_place(workspace, &id), secret.expose().as_bytes()).0;
                Ok(KeyPlan::Secret { id, sealed })
            }
            DesiredKey::Public { kid, pem } => {
                PublicKey::from_pem(kid.clone(), &pem)
                    .map_err(|error| refused(format!("public_keys: {error}")))?;
                Ok(KeyPlan::Public { kid, pem })
            }
        }
    }

    fn plan_integration(
        &self,
        workspace: WorkspaceId,
        desired: DesiredIntegration,
    ) -> Result<IntegrationPlan, ConfigureError> {
        check_key("integration", &desired.key)?;
        if desired.key == "confirm" {
            return Err(ConfigureError::ReservedKey);
        }
        self.connector(&desired)?;
        let id = IntegrationId::of(workspace, &desired.key);
        let row = id.to_string();
        let sealed_client_secret = desired.client_secret.map(|secret| {
            self.vault().seal(client_secret_place(workspace, &row), secret.expose().as_bytes()).0
        });
        Ok(IntegrationPlan {
            id,
            key: desired.key,
            connector: desired.connector,
            connector_source: desired.connector_source,
            settings: desired.settings,
            sealed_client_secret,
        })
    }

    fn connector(&self, desired: &DesiredIntegration) -> Result<Arc<Connector>, ConfigureError> {
        if let Some(source) = &desired.connector_source {
            return catalog::parse::connector(&desired.key, &desired.connector, source)
                .map(Arc::new)
                .map_err(|error| ConfigureError::Connector {
                    integration: desired.key.clone(),
                    error: Box::new(error),
                });
        }
        self.catalog().get(&desired.connector).cloned().ok_or_else(|| {
            let begins =
                |key: &str| key.starts_with(desired.connector.get(..3).unwrap_or(&desired.connector));
            let near = self.catalog().iter().find(|connector| begins(&connector.key));
            ConfigureError::UnknownConnector {
                integration: desired.key.clone(),
                connector: desired.connector.clone(),
                hint: near.map(|near| format!(" (did you mean `{}`?)", near.key)).unwrap_or_default(),
            }
        })
    }
}

fn check_key(place: &'static str, key: &str) -> Result<(), ConfigureError> {
    let fits = (1..=64).contains(&key.len())
        && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    fits.then_some(()).ok_or_else(|| ConfigureError::BadKey { place, key: key.to_owned() })
}

fn check_unique<'k>(place: &'static str, keys: impl Iterator<Item = &'k str>) -> Result<(), ConfigureError> {
    let mut seen = std::collections::HashSet::new();
    for key in keys {
        if !seen.insert(key) {
            return Err(ConfigureError::Twice { place, key: key.to_owned() });
        }
    }
    Ok(())
}

fn check_clients(desired: &[DesiredWorkspace]) -> Result<(), ConfigureError> {
    let mut owners: HashMap<(&str, &str), &str> = HashMap::new();
    for workspace in desired {
        for integration in &workspace.integrations {
            let Some(client_id) = &integration.settings.client_id else { continue };
            let owner = owners.entry((&integration.connector, client_id)).or_insert(&workspace.key);
            if *owner != workspace.key {
                return Err(ConfigureError::SharedClient {
                    integration: integration.key.clone(),
                    connector: integration.connector.clone(),
                });
            }
        }
    }
    Ok(())
}
