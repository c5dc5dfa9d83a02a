//! Workspaces and their integrations, held in memory.
//!
//! A page shows many integrations and they seldom change. A copy is at most [`MAX_AGE`] behind the
//! store, so that `apply` in another process shows without a restart.

use std::{
    cmp::Reverse,
    collections::HashMap,
    sync::{Arc, RwLock},
    time::Duration,
};

use super::{CategoryCount, Engine, EngineError, YourApp, find::count_categories};
use crate::{
    catalog::{
        self,
        connector::{AuthOption, Connector, Status},
        logo::{self, Logo},
        parameters,
        search::Names,
    },
    model::{
        Integration, IntegrationId, IntegrationSettings, Parameters, Secret, Timestamp, Workspace,
        WorkspaceId,
        redirect::{Origin, OriginPattern},
    },
    protocol::jwt::{Keys, PublicKey},
    store::{KeyPlan, StoredIntegration, StoredKey, WorkspaceEntry},
    vault::{Place, Sealed},
};

/// How far a copy may be behind the store.
const MAX_AGE: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Directory {
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    checked_at: Option<Timestamp>,
    by_key: HashMap<String, WorkspaceId>,
    views: HashMap<WorkspaceId, Arc<WorkspaceView>>,
}

/// A workspace, ready to use.
pub struct WorkspaceView {
    /// The workspace.
    pub workspace: Workspace,
    /// Its allowed origins.
    pub origins: Vec<OriginPattern>,
    /// What verifies its tokens.
    pub keys: Keys,
    /// Its integrations in the order of the page, featured ones and then by name; hidden ones too.
    pub integrations: Vec<Arc<IntegrationView>>,
    /// Places of those that customers are offered.
    pub offered: Vec<usize>,
    /// Categories of those that are offered, with counts.
    pub categories: Arc<[CategoryCount]>,
    /// The product's own API, where it is connected.
    pub your_app: Option<Arc<YourApp>>,
}

/// An integration, ready to use.
pub struct IntegrationView {
    /// The integration.
    pub integration: Integration,
    /// Its connector.
    pub connector: Arc<Connector>,
    /// What customers read.
    pub name: String,
    /// What it is found by.
    pub names: Names,
    /// Sorts first.
    pub featured: bool,
    /// The auth options that can be used now.
    pub options: Vec<OptionView>,
    /// At least one option waits for the developer to give its OAuth client, or all wait for something.
    pub missing_client: bool,
    /// Its picture.
    pub logo: Logo,
    pub(super) sealed_client_secret: Option<Vec<u8>>,
    /// Its connector parameters, secret ones opened.
    pub(super) parameters: Parameters,
}

/// An auth option that can be used, by its place in the connector.
#[derive(Clone, Copy, Debug)]
pub struct OptionView {
    place: usize,
    /// Works without a parameter that only a connection can bring.
    offered: bool,
}

impl WorkspaceView {
    /// The integration with this id or key, hidden ones too.
    pub fn integration(&self, selector: &str) -> Option<&Arc<IntegrationView>> {
        let id = IntegrationId::parse(selector);
        self.integrations
            .iter()
            .find(|view| Some(view.integration.id) == id || view.integration.key == selector)
    }

    /// The one integration of a connector that is offered; `sees` says which ones the caller knows of.
    pub fn of_connector(
        &self,
        connector: &str,
        sees: impl Fn(&str) -> bool,
    ) -> Result<&Arc<IntegrationView>, EngineError> {
        let mut found = self.integrations.iter().filter(|view| {
            !view.integration.hidden && view.connector.key == connector && sees(&view.integration.key)
        });
        match (found.next(), found.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(EngineError::NotFound("integration")),
            (Some(_), Some(_)) => Err(EngineError::Ambiguous),
        }
    }

    /// The integration with this id.
    pub fn by_id(&self, id: IntegrationId) -> Option<&Arc<IntegrationView>> {
        self.integrations.iter().find(|view| view.integration.id == id)
    }

    /// Whether any key is there that a token could be signed with.
    pub fn has_key(&self, now: Timestamp) -> bool {
        !self.keys.secrets.is_empty() || self.keys.public.iter().any(|key| key.counts(now))
    }

    /// Whether pages from `origin` may frame the embed and receive outcomes.
    pub fn admits(&self, origin: &Origin) -> bool {
        crate::model::redirect::admits(&self.origins, origin)
    }
}

impl IntegrationView {
    /// The option with `key`, or the default without one; `None` when there is no such option or it
    /// cannot be used now.
    pub fn option(&self, key: Option<&str>) -> Option<&AuthOption> {
        let mut options = self.usable();
        match key {
            Some(key) => options.find(|option| option.key == key),
            None => self.usable().find(|option| self.offers(option)).or_else(|| options.next()),
        }
    }

    /// Whether customers are offered it at all.
    pub fn is_offered(&self) -> bool {
        !self.integration.hidden && !self.is_closed()
    }

    /// Whether the vendor's doors are believed shut.
    pub fn is_closed(&self) -> bool {
        self.connector.status == Status::Closed
    }

    /// Whether nobody checked the connector by hand yet. A file of the workspace's own is its own affair.
    pub fn is_beta(&self) -> bool {
        self.integration.connector_source.is_none() && self.connector.status == Status::Listed
    }

    /// Whether it only says who somebody is: the connector knows no API to call.
    pub fn is_sign_in_only(&self) -> bool {
        let has_base = |option| self.connector.api_for(option).is_some_and(|api| api.base.is_some());
        !self.connector.auth.iter().any(has_base)
    }

    /// Whether it has a client secret of its own.
    pub fn has_client_secret(&self) -> bool {
        self.sealed_client_secret.is_some()
    }

    /// Its connector parameters as the product's backend sees them: secret ones masked.
    pub fn shown_parameters(&self) -> serde_json::Map<String, serde_json::Value> {
        let masked = self.parameters.secret.keys().map(|name| (name.clone(), parameters::MASK.into()));
        self.parameters.plain.clone().into_iter().chain(masked).collect()
    }

    /// What connecting brings, in one line.
    pub fn description(&self) -> Option<&str> {
        self.integration.settings.description.as_deref().or(self.connector.description.as_deref())
    }

    /// Whether a customer can be offered `option` when nobody gave parameters for the connection.
    pub fn offers(&self, option: &AuthOption) -> bool {
        self.options.iter().any(|one| one.offered && self.connector.auth[one.place].key == option.key)
    }

    /// The options that can be used now, in the connector's order.
    pub fn usable(&self) -> impl Iterator<Item = &AuthOption> {
        self.options.iter().map(|option| &self.connector.auth[option.place])
    }

    /// Scopes that `option` asks for, unless a connection has its own: the integration's, else the
    /// connector's.
    pub fn scopes(&self, option: &AuthOption) -> Vec<String> {
        let set =
            self.parameters.list(parameters::SCOPES).or_else(|| self.integration.settings.scopes.clone());
        set.unwrap_or_else(|| option.scopes.default.clone())
    }
}

/// What an integration gives to the options of its connector.
struct Given<'a> {
    connector: &'a Connector,
    settings: &'a IntegrationSettings,
    parameters: &'a Parameters,
}

impl Given<'_> {
    /// Whether `option` has all that only the developer can give: the OAuth client, and the parameters of
    /// the integration. What the sandbox plays lacks nothing.
    fn is_usable(&self, option: &AuthOption) -> bool {
        self.settings.sandbox || !(self.lacks_client(option) || self.lacks(option, true))
    }

    fn lacks_client(&self, option: &AuthOption) -> bool {
        let has_client = self.settings.client_id.is_some() || self.settings.sandbox;
        !has_client && self.connector.needs_client(option)
    }

    /// Whether `option` works without parameters of the connection's own.
    fn is_offered(&self, option: &AuthOption) -> bool {
        !self.lacks(option, false)
    }

    /// Whether `option` uses a parameter that has no value, among those of the integration only or among
    /// the others.
    fn lacks(&self, option: &AuthOption, integration_only: bool) -> bool {
        let is_set = |name: &String| {
            self.parameters.plain.contains_key(name) || self.parameters.secret.contains_key(name)
        };
        let all = self.connector.parameters.iter();
        all.filter(|(_, parameter)| parameter.integration_only == integration_only).any(
            |(name, parameter)| {
                parameter.schema.get("default").is_none()
                    && !is_set(name)
                    && self.connector.uses_parameter(option, name, parameter)
            },
        )
    }
}

impl Engine {
    /// The workspace with this id.
    pub async fn workspace(&self, id: WorkspaceId) -> Result<Arc<WorkspaceView>, EngineError> {
        self.refresh_directory().await?;
        let known = self.inner.directory.known.read().expect("no writer panics");
        known.views.get(&id).cloned().ok_or(EngineError::NotFound("workspace"))
    }

    /// The workspace with this key.
    pub async fn workspace_by_key(&self, key: &str) -> Result<Arc<WorkspaceView>, EngineError> {
        self.refresh_directory().await?;
        let known = self.inner.directory.known.read().expect("no writer panics");
        let id = known.by_key.get(key).ok_or(EngineError::NotFound("workspace"))?;
        known.views.get(id).cloned().ok_or(EngineError::NotFound("workspace"))
    }

    /// Every workspace's view.
    pub async fn workspaces(&self) -> Result<Vec<Arc<WorkspaceView>>, EngineError> {
        self.refresh_directory().await?;
        let known = self.inner.directory.known.read().expect("no writer panics");
        Ok(known.views.values().cloned().collect())
    }

    /// Forgets the copies, so that the next look sees what was just written.
    pub(super) fn forget_directory(&self) {
        self.inner.directory.known.write().expect("no writer panics").checked_at = None;
    }

    async fn refresh_directory(&self) -> Result<(), EngineError> {
        let now = self.now();
        {
            let known = self.inner.directory.known.read().expect("no writer panics");
            if known.checked_at.is_some_and(|at| now >= at && now.since(at) < MAX_AGE) {
                return Ok(());
            }
        }
        let listed = self.store().workspaces().await?;
        let mut views = HashMap::new();
        for (id, _, revision) in &listed {
            let current = {
                let known = self.inner.directory.known.read().expect("no writer panics");
                known.views.get(id).filter(|view| view.workspace.revision == *revision).cloned()
            };
            let view = match current {
                Some(view) => Some(view),
                None => self.store().workspace(*id).await?.map(|entry| self.view(entry)).transpose()?,
            };
            views.extend(view.map(|view| (*id, view)));
        }
        let mut known = self.inner.directory.known.write().expect("no writer panics");
        known.by_key = listed.into_iter().map(|(id, key, _)| (key, id)).collect();
        known.views = views;
        known.checked_at = Some(now);
        Ok(())
    }

    fn view(&self, entry: WorkspaceEntry) -> Result<Arc<WorkspaceView>, EngineError> {
        let workspace = entry.workspace;
        let origins = workspace
            .settings
            .allowed_origins
            .iter()
            .filter_map(|text| OriginPattern::parse(text).ok())
            .collect();
        let keys = self.keys(workspace.id, &entry.keys)?;
        let found = entry.integrations.into_iter().filter_map(|stored| self.integration_view(stored));
        let mut integrations: Vec<_> = found.map(Arc::new).collect();
        integrations.sort_by_cached_key(|view| {
            (Reverse(view.featured), view.name.to_lowercase(), view.integration.key.clone())
        });
        let your_app = self.your_app_view(&workspace, entry.sealed_your_app.as_deref());
        let offered: Vec<_> =
            (0..integrations.len()).filter(|place| integrations[*place].is_offered()).collect();
        let categories = count_categories(offered.iter().map(|place| &integrations[*place]));
        Ok(Arc::new(WorkspaceView { workspace, origins, keys, integrations, offered, categories, your_app }))
    }

    fn keys(&self, workspace: WorkspaceId, stored: &[StoredKey]) -> Result<Keys, EngineError> {
        let mut keys = Keys::default();
        for StoredKey { id, key, retires_at } in stored {
            match key {
                KeyPlan::Secret { sealed, .. } => {
                    let opened = self.vault().open(secret_place(workspace, id), &Sealed(sealed.clone()))?;
                    keys.secrets.push(Secret::new(opened.expose().clone()));
                }
                KeyPlan::Public { kid, pem } => match PublicKey::from_pem(kid.clone(), pem) {
                    Ok(key) => {
                        let key = key.of_row(id);
                        keys.public.push(match retires_at {
                            Some(end) => key.retiring(*end),
                            None => key,
                        });
                    }
                    Err(error) => {
                        tracing::warn!(workspace.id = %workspace, %error, "A public key is left out");
                    }
                },
            }
        }
        Ok(keys)
    }

    fn integration_view(&self, stored: StoredIntegration) -> Option<IntegrationView> {
        let integration = stored.integration;
        let connector = match &integration.connector_source {
            Some(source) => {
                catalog::parse::connector(&integration.key, &integration.connector, source).map(Arc::new).ok()
            }
            None => self.catalog().get(&integration.connector).cloned(),
        };
        let Some(connector) = connector else {
            tracing::warn!(
                integration.id = %integration.id,
                "Integration {} is left out: connector {} is not in the catalog",
                integration.key, integration.connector,
            );
            return None;
        };
        Some(self.assembled(connector, StoredIntegration { integration, ..stored }))
    }

    /// An integration with its connector at hand.
    pub(super) fn assembled(&self, connector: Arc<Connector>, stored: StoredIntegration) -> IntegrationView {
        let integration = stored.integration;
        let settings = &integration.settings;
        let parameters = self.opened_parameters(&integration, stored.sealed_parameters.as_deref());
        let given = Given { connector: &connector, settings, parameters: &parameters };
        let options: Vec<_> = connector
            .auth
            .iter()
            .enumerate()
            .filter(|(_, option)| given.is_usable(option))
            .map(|(place, option)| OptionView { place, offered: given.is_offered(option) })
            .collect();
        let missing_client =
            options.is_empty() || connector.auth.iter().any(|option| given.lacks_client(option));
        let name = settings.name.clone().unwrap_or_else(|| connector.name.clone());
        IntegrationView {
            names: names(&name, &integration.key, &connector),
            name,
            featured: settings.featured.unwrap_or(connector.featured),
            missing_client,
            options,
            parameters,
            logo: settings.logo.as_deref().and_then(Logo::of_data).unwrap_or_else(|| logo::svg(&connector)),
            sealed_client_secret: stored.sealed_client_secret,
            connector,
            integration,
        }
    }
}

/// What an integration is found by: its name here, what the app is called elsewhere, what it belongs to.
fn names(name: &str, key: &str, connector: &Connector) -> Names {
    let aliases = connector.aliases.iter().map(String::as_str);
    let others = [connector.name.as_str(), connector.key.as_str()].into_iter().chain(aliases);
    let about = connector.family.iter().chain(&connector.categories).map(String::as_str);
    Names::new([name, key], others, about)
}

impl Engine {
    fn opened_parameters(&self, integration: &Integration, sealed: Option<&[u8]>) -> Parameters {
        let plain = integration.settings.connector_parameters.clone();
        let row = integration.id.to_string();
        let place = integration_parameters_place(integration.workspace, &row);
        let opened = sealed.map(|sealed| self.vault().open(place, &Sealed(sealed.to_vec())));
        let read = match &opened {
            Some(Ok(bytes)) => Parameters::with_secret_bytes(plain.clone(), bytes.expose()).ok(),
            Some(Err(error)) => {
                tracing::warn!(integration.id = %integration.id, %error, "Its secret parameters do not open");
                None
            }
            None => None,
        };
        read.unwrap_or(Parameters { plain, ..Parameters::default() })
    }
}

pub(super) fn integration_parameters_place(workspace: WorkspaceId, row: &str) -> Place<'_> {
    Place { table: "integration", row, column: "sealed_parameters", workspace: Some(workspace) }
}

pub(super) fn secret_place(workspace: WorkspaceId, row: &str) -> Place<'_> {
    Place { table: "workspace_key", row, column: "sealed_secret", workspace: Some(workspace) }
}

pub(super) fn client_secret_place(workspace: WorkspaceId, row: &str) -> Place<'_> {
    Place { table: "integration", row, column: "sealed_client_secret", workspace: Some(workspace) }
}
