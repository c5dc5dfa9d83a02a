//! Makes workspaces be as somebody wants them: checks, seals, stores.

use std::{collections::HashMap, sync::Arc};

use super::{
    DesiredWebhook, DesiredYourApp, Engine, EngineError, IntegrationView, WorkspaceView,
    directory::secret_place, settings::check_settings,
};
use crate::{
    catalog::{parameters::ParameterError, parse::ConnectorError},
    model::{IntegrationSettings, Secret, WorkspaceId, WorkspaceSettings},
    protocol::jwt::{PublicKey, check_secret},
    store::{ApplyPlan, ApplyReport, KeyPlan, WorkspacePlan},
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
    /// Where its events are told.
    pub webhooks: Vec<DesiredWebhook>,
    /// How its own API is called.
    pub your_app: Option<DesiredYourApp>,
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
    /// A connector parameter that is not declared, or does not fit.
    #[error("integration `{integration}`: {}", listed(errors))]
    Parameter {
        /// The integration.
        integration: String,
        /// What is wrong, each with its path.
        errors: Vec<ParameterError>,
    },
    /// Another setting that cannot be so.
    #[error("integration `{integration}`: {setting}: {reason}")]
    IntegrationSetting {
        /// The integration.
        integration: String,
        /// Its name in the file.
        setting: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A setting that cannot be so.
    #[error("workspace `{workspace}`: {reason}")]
    Setting {
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
    /// A webhook that cannot be so.
    #[error("workspace `{workspace}`: webhook {webhook}: {reason}")]
    Webhook {
        /// The workspace.
        workspace: String,
        /// Its host, or its path of the product's own API.
        webhook: String,
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
    /// Credentials were given for other hosts than those that would see them now.
    #[error(
        "integration `{integration}`: {connections} of its connections hold credentials that were not given \
         for {}: connect under another key, delete them, or run `hitchpost apply --allow-new-hosts {integration}`",
        .hosts.join(", ")
    )]
    Held {
        /// The integration.
        integration: String,
        /// How many.
        connections: i64,
        /// The new hosts.
        hosts: Vec<String>,
    },
    /// The product's own API cannot be called so.
    #[error("workspace `{workspace}`: your_app: {fault}")]
    YourApp {
        /// The workspace.
        workspace: String,
        /// What is wrong, and at which key.
        fault: super::YourAppFault,
    },
    /// The store or the vault.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Engine {
    /// Makes the workspaces be so. All or nothing; what is not named stays, integrations that are gone
    /// from their workspace are hidden and their connections stay.
    pub async fn configure(&self, desired: Vec<DesiredWorkspace>) -> Result<ApplyReport, ConfigureError> {
        self.configure_moving(desired, &[]).await
    }

    /// The same, for somebody who says that the connections of the integrations `moving` may send their
    /// credentials to the hosts that the configuration now names.
    pub async fn configure_moving(
        &self,
        desired: Vec<DesiredWorkspace>,
        moving: &[String],
    ) -> Result<ApplyReport, ConfigureError> {
        check_unique("workspace", desired.iter().map(|workspace| workspace.key.as_str()))?;
        check_clients(&desired)?;
        self.check_other_clients(&desired).await?;
        // As it is now: what another process made of it counts, too.
        self.forget_directory();
        let known = self.workspaces().await?;
        let mut plan = ApplyPlan::default();
        for mut workspace in desired {
            let webhooks = std::mem::take(&mut workspace.webhooks);
            let id = workspace.id.unwrap_or_else(|| WorkspaceId::of(&workspace.key));
            let before = known.iter().find(|view| view.workspace.id == id);
            let mut planned = self.plan_workspace(workspace, before)?;
            for integration in planned.integrations.iter_mut().filter(|one| moving.contains(&one.key)) {
                integration.new_hosts.clear();
            }
            planned.webhooks = self.plan_webhooks(planned.id, &planned.key, webhooks).await?;
            plan.workspaces.push(planned);
        }
        let report = self.store().apply(&plan, self.now()).await.map_err(EngineError::from)?;
        if let Some((integration, connections)) = report.integrations_held.first() {
            return Err(held(&plan, integration, *connections));
        }
        self.forget_directory();
        Ok(report)
    }

    /// The same against what is here and not in the file.
    async fn check_other_clients(&self, desired: &[DesiredWorkspace]) -> Result<(), ConfigureError> {
        let known = self.workspaces().await?;
        for workspace in desired {
            let others = known.iter().filter(|view| view.workspace.key != workspace.key);
            let others: Vec<_> = others.flat_map(|view| stays(view, desired)).collect();
            for integration in &workspace.integrations {
                let is_same = |other: &&Arc<IntegrationView>| {
                    other.integration.connector == integration.connector
                        && other.integration.settings.client_id == integration.settings.client_id
                };
                if integration.settings.client_id.is_some() && others.iter().any(is_same) {
                    return Err(shared(integration));
                }
            }
        }
        Ok(())
    }

    fn plan_workspace(
        &self,
        desired: DesiredWorkspace,
        before: Option<&Arc<WorkspaceView>>,
    ) -> Result<WorkspacePlan, ConfigureError> {
        check_key("workspace", &desired.key)?;
        let id = desired.id.unwrap_or_else(|| WorkspaceId::of(&desired.key));
        check_settings(&desired.settings).map_err(|error| ConfigureError::Setting {
            workspace: desired.key.clone(),
            reason: error.to_string(),
        })?;
        let integrations = desired.integrations.iter().map(|integration| integration.key.as_str());
        check_unique("integration", integrations)?;
        let keys = desired
            .keys
            .into_iter()
            .enumerate()
            .map(|(number, key)| self.plan_key(id, &desired.key, number, key))
            .collect::<Result<Vec<_>, _>>()?;
        let integrations = desired
            .integrations
            .into_iter()
            .map(|integration| {
                let before = before.and_then(|view| view.integration(&integration.key));
                self.plan_integration(id, integration, before.map(|view| &**view))
            })
            .collect::<Result<_, _>>()?;
        let can_sign = keys.iter().any(|key| matches!(key, KeyPlan::Secret { .. }));
        let your_app = desired
            .your_app
            .map(|your_app| self.plan_your_app(id, &desired.name, can_sign, your_app))
            .transpose()
            .map_err(|fault| ConfigureError::YourApp { workspace: desired.key.clone(), fault })?;
        let (your_app, sealed_your_app) = your_app.unzip();
        Ok(WorkspacePlan {
            id,
            key: desired.key,
            name: desired.name,
            settings: WorkspaceSettings { your_app, ..desired.settings },
            sealed_your_app,
            keys,
            integrations,
            webhooks: Vec::new(),
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
}

fn held(plan: &ApplyPlan, integration: &str, connections: i64) -> ConfigureError {
    let all = plan.workspaces.iter().flat_map(|workspace| &workspace.integrations);
    let hosts = all.filter(|one| one.key == integration).flat_map(|one| one.new_hosts.clone()).collect();
    ConfigureError::Held { integration: integration.to_owned(), connections, hosts }
}

pub(super) fn check_key(place: &'static str, key: &str) -> Result<(), ConfigureError> {
    let fits = (1..=64).contains(&key.len())
        && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    fits.then_some(()).ok_or_else(|| ConfigureError::BadKey { place, key: key.to_owned() })
}

fn listed(errors: &[ParameterError]) -> String {
    let in_file = |path: &str| path.replace("connectorParameters", "connector_parameters");
    let each = errors.iter().map(|error| format!("{}: {}", in_file(&error.path), error.message));
    each.collect::<Vec<_>>().join(" ")
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
                return Err(shared(integration));
            }
        }
    }
    Ok(())
}

fn shared(integration: &DesiredIntegration) -> ConfigureError {
    ConfigureError::SharedClient {
        integration: integration.key.clone(),
        connector: integration.connector.clone(),
    }
}

/// The integrations of a workspace that are offered after the file is applied, beside those in it.
fn stays<'v>(
    view: &'v WorkspaceView,
    desired: &[DesiredWorkspace],
) -> impl Iterator<Item = &'v Arc<IntegrationView>> {
    let in_file = desired.iter().find(|workspace| workspace.key == view.workspace.key);
    let named: Option<Vec<String>> =
        in_file.map(|workspace| workspace.integrations.iter().map(|one| one.key.clone()).collect());
    view.integrations.iter().filter(move |other| {
        let Some(named) = &named else { return !other.integration.hidden };
        !other.integration.hidden
            && !other.integration.record.of_file
            && !named.contains(&other.integration.key)
    })
}
