//! Integrations as a backend makes, changes, archives and restores them.
//!
//! What the configuration file names is the file's: it would put its own values back at the next start.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    ConfigureError, DesiredIntegration, Engine, EngineError, IntegrationView, WorkspaceView,
    directory::client_secret_place,
};
use crate::{
    catalog::{parameters::MASK, parse},
    model::{Access, IntegrationSettings, Parameters, Secret},
    store::{IntegrationSave, SavedIntegration},
    vault::Sealed,
};

/// How often a change is made anew when somebody else was faster.
const TRIES: usize = 5;
/// Bytes of what a backend keeps with a thing.
pub(super) const META_MAX: usize = 16 * 1024;

/// A new integration.
pub struct NewIntegration {
    /// Its key; none is the connector's.
    pub key: Option<String>,
    /// Key of a connector of the catalog, or the connector itself.
    pub connector: NewConnector,
    /// Everything else.
    pub change: IntegrationChange,
}

/// What a new integration connects.
pub enum NewConnector {
    /// A connector of the catalog, by its key.
    Of(String),
    /// A connector of the backend's own, in the shape of a connector file.
    Own(Map<String, Value>),
}

impl NewConnector {
    /// Its name, and its text where it is the backend's own.
    fn named(&self) -> Result<(String, Option<String>), EngineError> {
        match self {
            Self::Of(key) => Ok((key.clone(), None)),
            Self::Own(definition) => {
                let text = parse::text_of(definition)
                    .map_err(|reason| EngineError::invalid("connector", format!("It {reason}.")))?;
                Ok((parse::INLINE.to_owned(), Some(text)))
            }
        }
    }
}

/// What changes about an integration: none leaves a thing as it is, an inner none is the default.
#[derive(Clone, Default)]
pub struct IntegrationChange {
    /// Instead of the connector's name.
    pub name: Option<Option<String>>,
    /// Instead of the connector's description.
    pub description: Option<Option<String>>,
    /// A `data:` address of a picture.
    pub logo: Option<Option<String>>,
    /// Sorts first.
    pub featured: Option<Option<bool>>,
    /// Played by the sandbox.
    pub sandbox: Option<bool>,
    /// OAuth client id. A new one without a secret forgets the old secret.
    pub client_id: Option<Option<String>>,
    /// OAuth client secret.
    pub client_secret: Option<Option<Secret<String>>>,
    /// Scopes to ask for.
    pub scopes: Option<Option<Vec<String>>>,
    /// Connector parameters.
    pub connector_parameters: Option<ParametersGiven>,
    /// Callback address registered at the provider.
    pub oauth_callback_uri: Option<Option<String>>,
    /// What the backend keeps with it.
    pub meta: Option<Option<Value>>,
}

/// Connector parameters as somebody gives them. The mask of a secret one stands for what it is.
#[derive(Clone, Debug)]
pub enum ParametersGiven {
    /// These and no others.
    Whole(Map<String, Value>),
    /// These beside those there are; null takes one away.
    Merged(Map<String, Value>),
}

impl ParametersGiven {
    /// All that there are to be, secret ones in the clear.
    pub(super) fn over(self, had: &Parameters) -> Map<String, Value> {
        let clear = |name: &String| had.secret.get(name).map(|secret| Value::from(secret.expose().as_str()));
        let (given, mut all) = match self {
            Self::Whole(given) => (given, Map::new()),
            Self::Merged(given) => {
                let secret = had.secret.keys().filter_map(|name| Some((name.clone(), clear(name)?)));
                (given, had.plain.clone().into_iter().chain(secret).collect())
            }
        };
        for (name, value) in given {
            match value {
                Value::Null => all.remove(&name),
                // A mask where there is no secret stays, and is refused by its path.
                value if value == MASK => all.insert(name.clone(), clear(&name).unwrap_or(value)),
                value => all.insert(name, value),
            };
        }
        all
    }
}

/// An integration that is being changed.
struct Before<'v> {
    view: &'v IntegrationView,
    /// The client secret comes with the change, so it is not the one that was given for the hosts before.
    is_secret_given: bool,
}

impl Engine {
    /// Makes an integration.
    pub async fn create_integration(
        &self,
        access: &Access,
        new: NewIntegration,
    ) -> Result<Arc<IntegrationView>, EngineError> {
        let (connector, source) = new.connector.named()?;
        let key = match (new.key, &source) {
            (Some(key), _) => key,
            (None, None) => connector.clone(),
            (None, Some(_)) => {
                return Err(EngineError::invalid("key", "A connector of your own needs a key."));
            }
        };
        if !access.sees(&key) {
            return Err(EngineError::invalid("key", "This token is for other integrations."));
        }
        for _ in 0..TRIES {
            let workspace = self.workspace_now(access).await?;
            let blank = DesiredIntegration {
                key: key.clone(),
                connector: connector.clone(),
                connector_source: source.clone(),
                client_secret: None,
                settings: IntegrationSettings::default(),
            };
            let desired = self.changed(blank, &Parameters::default(), new.change.clone())?;
            let meta = new.change.meta.clone().flatten();
            if let Some(saved) = self.save(access, &workspace, desired, meta, None).await? {
                return Ok(saved);
            }
        }
        Err(EngineError::Contended)
    }

    /// Changes an integration.
    pub async fn change_integration(
        &self,
        access: &Access,
        selector: &str,
        change: &IntegrationChange,
    ) -> Result<Arc<IntegrationView>, EngineError> {
        for _ in 0..TRIES {
            let workspace = self.workspace_now(access).await?;
            let view = seen(&workspace, access, selector)?;
            let record = &view.integration.record;
            let before = self.desired(&view)?;
            let settings = before.settings.clone();
            let desired = self.changed(before, &view.parameters, change.clone())?;
            let is_other = desired.settings != settings || change.client_secret.is_some();
            if record.of_file && is_other {
                return Err(EngineError::OwnedByFile("integration"));
            }
            let meta = change.meta.clone().unwrap_or_else(|| record.meta.clone());
            if !is_other && meta == record.meta {
                return Ok(view);
            }
            let is_secret_given = matches!(change.client_secret, Some(Some(_)));
            let before = Before { view: &view, is_secret_given };
            if let Some(saved) = self.save(access, &workspace, desired, meta, Some(&before)).await? {
                return Ok(saved);
            }
        }
        Err(EngineError::Contended)
    }

    /// Archives an integration: it is offered no more, and its connections stay. Doing it again changes
    /// nothing.
    pub async fn archive_integration(
        &self,
        access: &Access,
        selector: &str,
    ) -> Result<Arc<IntegrationView>, EngineError> {
        let workspace = self.workspace_now(access).await?;
        let view = seen(&workspace, access, selector)?;
        if view.integration.record.of_file && !view.integration.hidden {
            return Err(EngineError::OwnedByFile("integration"));
        }
        let id = view.integration.id;
        self.store().archive_integration(access.workspace, id, access.actor(), self.now()).await?;
        self.integration_now(access, selector).await
    }

    /// Brings an archived integration back. Doing it again changes nothing.
    pub async fn restore_integration(
        &self,
        access: &Access,
        selector: &str,
    ) -> Result<Arc<IntegrationView>, EngineError> {
        let view = self.integration_now(access, selector).await?;
        if view.integration.hidden {
            self.check_unshared(access, &view).await?;
        }
        let id = view.integration.id;
        self.store().restore_integration(access.workspace, id, access.actor(), self.now()).await?;
        self.integration_now(access, selector).await
    }

    /// While it was archived, another workspace may have begun to use its client.
    async fn check_unshared(&self, access: &Access, view: &IntegrationView) -> Result<(), EngineError> {
        let client = &view.integration.settings.client_id;
        let is_same = |other: &Arc<IntegrationView>| {
            other.integration.connector == view.integration.connector
                && other.integration.settings.client_id == *client
                && !other.integration.hidden
        };
        let all = self.workspaces().await?;
        let mut others = all.iter().filter(|other| other.workspace.id != access.workspace);
        let is_shared = client.is_some() && others.any(|other| other.integrations.iter().any(is_same));
        if is_shared { Err(shared_client()) } else { Ok(()) }
    }

    /// The caller's workspace as it is stored now.
    async fn workspace_now(&self, access: &Access) -> Result<Arc<WorkspaceView>, EngineError> {
        self.forget_directory();
        self.workspace(access.workspace).await
    }

    async fn integration_now(
        &self,
        access: &Access,
        selector: &str,
    ) -> Result<Arc<IntegrationView>, EngineError> {
        seen(&*self.workspace_now(access).await?, access, selector)
    }

    /// An integration in the form in which it is wanted.
    fn desired(&self, view: &IntegrationView) -> Result<DesiredIntegration, EngineError> {
        let integration = &view.integration;
        let row = integration.id.to_string();
        let place = client_secret_place(integration.workspace, &row);
        let sealed = view.sealed_client_secret.as_ref();
        let secret = sealed.map(|sealed| self.vault().open(place, &Sealed(sealed.clone()))).transpose()?;
        let secret = secret.and_then(|bytes| String::from_utf8(bytes.expose().clone()).ok());
        let mut settings = integration.settings.clone();
        settings.connector_parameters = ParametersGiven::Merged(Map::new()).over(&view.parameters);
        Ok(DesiredIntegration {
            key: integration.key.clone(),
            connector: integration.connector.clone(),
            connector_source: integration.connector_source.clone(),
            client_secret: secret.map(Secret::new),
            settings,
        })
    }

    fn changed(
        &self,
        mut desired: DesiredIntegration,
        had: &Parameters,
        change: IntegrationChange,
    ) -> Result<DesiredIntegration, EngineError> {
        check_meta(change.meta.as_ref())?;
        if change.sandbox == Some(true) && self.inner.addresses.sandbox_bound.is_none() {
            return Err(EngineError::invalid("isTest", "The sandbox is off on this server."));
        }
        let settings = &mut desired.settings;
        let is_new_client = change.client_id.as_ref().is_some_and(|id| *id != settings.client_id);
        set(&mut settings.name, change.name);
        set(&mut settings.description, change.description);
        set(&mut settings.logo, change.logo);
        set(&mut settings.featured, change.featured);
        set(&mut settings.sandbox, change.sandbox);
        set(&mut settings.client_id, change.client_id);
        set(&mut settings.scopes, change.scopes);
        set(&mut settings.oauth_callback_uri, change.oauth_callback_uri);
        if let Some(given) = change.connector_parameters {
            settings.connector_parameters = given.over(had);
        }
        if is_new_client {
            desired.client_secret = None;
        }
        set(&mut desired.client_secret, change.client_secret);
        Ok(desired)
    }

    /// None when the workspace changed in the meantime.
    async fn save(
        &self,
        access: &Access,
        workspace: &WorkspaceView,
        desired: DesiredIntegration,
        meta: Option<Value>,
        before: Option<&Before<'_>>,
    ) -> Result<Option<Arc<IntegrationView>>, EngineError> {
        let view = before.map(|before| before.view);
        let plan = self.plan_integration(access.workspace, desired, view).map_err(on_the_wire)?;
        let keeps_secret = before.is_some_and(|before| !before.is_secret_given);
        if keeps_secret && plan.sealed_client_secret.is_some() && !plan.new_hosts.is_empty() {
            let message = "This changes where the client secret goes: send the secret with it.";
            return Err(EngineError::invalid("parameters.clientSecret", message));
        }
        let save = IntegrationSave {
            workspace: access.workspace,
            revision: workspace.workspace.revision,
            plan: &plan,
            meta: meta.as_ref(),
            is_new: before.is_none(),
        };
        match self.store().save_integration(&save, access.actor(), self.now()).await? {
            SavedIntegration::Saved => self.integration_now(access, &plan.key).await.map(Some),
            SavedIntegration::Moved => Ok(None),
            SavedIntegration::Taken => Err(EngineError::AlreadyExists("an integration with this key")),
            SavedIntegration::Gone => Err(EngineError::NotFound("integration")),
            SavedIntegration::SharedClient => Err(shared_client()),
            SavedIntegration::Held(connections) => {
                let message = format!(
                    "This changes where credentials go, and {connections} connections hold some that were given \
                     for the hosts before. Make another integration, or delete those connections first."
                );
                Err(EngineError::invalid("parameters.connectorParameters", message))
            }
        }
    }
}

/// The integration that a backend names, hidden ones too.
fn seen(
    workspace: &WorkspaceView,
    access: &Access,
    selector: &str,
) -> Result<Arc<IntegrationView>, EngineError> {
    let view = workspace.integration(selector).filter(|view| access.sees(&view.integration.key));
    view.cloned().ok_or(EngineError::NotFound("integration"))
}

fn set<T>(place: &mut T, wanted: Option<T>) {
    if let Some(wanted) = wanted {
        *place = wanted;
    }
}

pub(super) fn check_meta(meta: Option<&Option<Value>>) -> Result<(), EngineError> {
    let is_large = |meta: &Value| meta.to_string().len() > META_MAX;
    if meta.and_then(Option::as_ref).is_some_and(is_large) {
        let message = format!("This has at most {} KiB as JSON.", META_MAX / 1024);
        return Err(EngineError::invalid("meta", message));
    }
    Ok(())
}

fn shared_client() -> EngineError {
    let message = "Another workspace uses this client: consent given to one would count for the other.";
    EngineError::invalid("parameters.clientId", message)
}

/// The same refusal with the names that the wire has.
fn on_the_wire(error: ConfigureError) -> EngineError {
    match error {
        ConfigureError::Engine(error) => error,
        ConfigureError::BadKey { .. } => {
            EngineError::invalid("key", "A key has 1 to 64 lower-case letters, digits and hyphens.")
        }
        ConfigureError::ReservedKey => EngineError::invalid("key", "This key is taken by Hitchpost itself."),
        ConfigureError::UnknownConnector { hint, .. } => {
            EngineError::invalid("connectorId", format!("There is no such connector in the catalog{hint}."))
        }
        ConfigureError::Parameter { errors, .. } => {
            let each = errors.into_iter().map(|error| (format!("parameters.{}", error.path), error.message));
            EngineError::Invalid(each.collect())
        }
        ConfigureError::IntegrationSetting { setting, reason, .. } => {
            EngineError::invalid(member(setting), reason)
        }
        ConfigureError::SharedClient { .. } => shared_client(),
        ConfigureError::Connector { error, .. } => {
            let path = format!("connector.{}", error.key);
            EngineError::invalid(path.trim_end_matches('.'), format!("This {}.", error.reason))
        }
        other => EngineError::invalid("parameters", other.to_string()),
    }
}

/// A setting's name in a configuration file, as the wire has it.
fn member(setting: &str) -> &str {
    match setting {
        "client_id" => "parameters.clientId",
        "client_secret" => "parameters.clientSecret",
        "scopes" => "parameters.scopes",
        "logo" => "logoUri",
        "oauth_callback_uri" => "oAuthCallbackUri",
        other => other,
    }
}
