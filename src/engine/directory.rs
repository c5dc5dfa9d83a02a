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

use super::{Engine, EngineError};
use crate::{
    catalog::{
        self,
        connector::{AuthOption, AuthType, Connector},
        logo::{self, Logo},
    },
    model::{
        Integration, IntegrationId, Secret, Timestamp, Workspace, WorkspaceId,
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
}

/// An integration, ready to use.
pub struct IntegrationView {
    /// The integration.
    pub integration: Integration,
    /// Its connector.
    pub connector: Arc<Connector>,
    /// What customers read.
    pub name: String,
    /// Sorts first.
    pub featured: bool,
    /// The auth options that can be used now.
    pub options: Vec<OptionView>,
    /// At least one option waits for the developer to give its OAuth client.
    pub missing_client: bool,
    /// Its picture.
    pub logo: Logo,
    pub(super) sealed_client_secret: Option<Vec<u8>>,
}

/// An auth option that can be used, by its place in the connector.
#[derive(Clone, Copy, Debug)]
pub struct OptionView {
    place: usize,
}

impl WorkspaceView {
    /// The integration with this id or key, hidden ones too.
    pub fn integration(&self, selector: &str) -> Option<&Arc<IntegrationView>> {
        let id = IntegrationId::parse(selector);
        self.integrations
            .iter()
            .find(|view| Some(view.integration.id) == id || view.integration.key == selector)
    }

    /// The integration with this id.
    pub fn by_id(&self, id: IntegrationId) -> Option<&Arc<IntegrationView>> {
        self.integrations.iter().find(|view| view.integration.id == id)
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
            None => options.next(),
        }
    }

    /// The options that can be used now, in the connector's order.
    pub fn usable(&self) -> impl Iterator<Item = &AuthOption> {
        self.options.iter().map(|option| &self.connector.auth[option.place])
    }

    /// Scopes that `option` asks for: the integration's for the default option, else the connector's.
    pub fn scopes<'a>(&'a self, option: &'a AuthOption) -> &'a [String] {
        match &self.integration.settings.scopes {
            Some(scopes) => scopes,
            None => &option.scopes.default,
        }
    }
}

/// Whether the engine speaks this method yet.
fn is_spoken(kind: AuthType) -> bool {
    matches!(kind, AuthType::OAuth2 | AuthType::ApiKey | AuthType::Basic | AuthType::Custom)
}

fn needs_client(option: &AuthOption) -> bool {
    option.kind == AuthType::OAuth2 && option.client.is_none()
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
        Ok(Arc::new(WorkspaceView { workspace, origins, keys, integrations }))
    }

    fn keys(&self, workspace: WorkspaceId, stored: &[StoredKey]) -> Result<Keys, EngineError> {
        let mut keys = Keys::default();
        for StoredKey { id, key } in stored {
            match key {
                KeyPlan::Secret { sealed, .. } => {
                    let opened = self.vault().open(secret_place(workspace, id), &Sealed(sealed.clone()))?;
                    keys.secrets.push(Secret::new(opened.expose().clone()));
                }
                KeyPlan::Public { kid, pem } => match PublicKey::from_pem(kid.clone(), pem) {
                    Ok(key) => keys.public.push(key),
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
        let settings = &integration.settings;
        let has_client = settings.client_id.is_some() || settings.sandbox;
        let usable = |option: &AuthOption| is_spoken(option.kind) && (has_client || !needs_client(option));
        let options = (0..connector.auth.len())
            .filter(|place| usable(&connector.auth[*place]))
            .map(|place| OptionView { place })
            .collect();
        Some(IntegrationView {
            name: settings.name.clone().unwrap_or_else(|| connector.name.clone()),
            featured: settings.featured.unwrap_or(connector.featured),
            missing_client: !has_client && connector.auth.iter().any(needs_client),
            options,
            logo: settings.logo.as_deref().and_then(Logo::of_data).unwrap_or_else(|| logo::svg(&connector)),
            sealed_client_secret: stored.sealed_client_secret,
            connector,
            integration,
        })
    }
}

pub(super) fn secret_place(workspace: WorkspaceId, row: &str) -> Place<'_> {
    Place { table: "workspace_key", row, column: "sealed_secret", workspace: Some(workspace) }
}

pub(super) fn client_secret_place(workspace: WorkspaceId, row: &str) -> Place<'_> {
    Place { table: "integration", row, column: "sealed_client_secret", workspace: Some(workspace) }
}
