//! What every handler has at hand.

use std::{
    collections::{HashMap, HashSet},
    ops::Deref,
    sync::{Arc, RwLock},
};

use crate::{
    engine::Engine,
    model::{HandleHash, IntegrationId, WorkspaceId, redirect::Origin},
};

use super::{Assets, Limits, limits::Streams, sdk::Sdk};

/// Fragments held at most; all are let go of when there are more.
const HELD_MOST: usize = 8192;

/// Pieces of pages that are the same for everybody, as HTML.
#[derive(Default)]
pub struct Fragments(RwLock<HashMap<FragmentKey, Arc<str>>>);

/// What a fragment depends on, and nothing else.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum FragmentKey {
    /// A card: its integration, the revision of the workspace, and the state it shows.
    Card(IntegrationId, i64, &'static str),
    /// The categories: workspace, its revision, and the chosen one.
    Chips(WorkspaceId, i64, String),
}

impl Fragments {
    /// The fragment, made if this is the first time.
    pub fn get_or_make(&self, key: FragmentKey, make: impl FnOnce() -> String) -> Arc<str> {
        if let Some(html) = self.0.read().expect("nothing panics while holding it").get(&key) {
            return html.clone();
        }
        let html: Arc<str> = make().into();
        let mut held = self.0.write().expect("nothing panics while holding it");
        if held.len() >= HELD_MOST {
            held.clear();
        }
        held.insert(key, html.clone());
        html
    }
}

/// Shared by all handlers; cheap to clone.
#[derive(Clone)]
pub struct AppState {
    inner: Arc<Inner>,
}

/// See [`AppState`].
pub struct Inner {
    /// The verbs.
    pub engine: Engine,
    /// Style, script and logos.
    pub assets: Assets,
    /// Our own SDK.
    pub sdk: Sdk,
    /// Pieces of pages that are the same for everybody.
    pub fragments: Fragments,
    /// Origin of our own pages.
    pub origin: Origin,
    /// Key of the workspace that the embed example of the sandbox shows; none hides it.
    pub demo_workspace: Option<String>,
    /// What requests may take.
    pub limits: Limits,
    /// Event streams that are open.
    pub streams: Streams,
    /// Templates of the API's routes.
    pub api_routes: HashSet<&'static str>,
    /// SHA-256 of what opens `/metrics`; none opens it to this machine.
    pub metrics_token: Option<HandleHash>,
}

/// What whoever runs the server decided about its doors.
pub struct Operating {
    /// What requests may take.
    pub limits: Limits,
    /// Templates of the API's routes.
    pub api_routes: HashSet<&'static str>,
    /// SHA-256 of what opens `/metrics`; none opens it to this machine.
    pub metrics_token: Option<HandleHash>,
}

impl AppState {
    /// Puts them together.
    pub fn new(
        engine: Engine,
        assets: Assets,
        origin: Origin,
        demo_workspace: Option<String>,
        operating: Operating,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                engine,
                assets,
                sdk: Sdk::new(&origin),
                fragments: Fragments::default(),
                origin,
                demo_workspace,
                limits: operating.limits,
                streams: Streams::default(),
                api_routes: operating.api_routes,
                metrics_token: operating.metrics_token,
            }),
        }
    }

    /// Whether browsers reach us over TLS, so that cookies can say Secure.
    pub fn is_secure(&self) -> bool {
        self.origin.as_str().starts_with("https://")
    }
}

impl Deref for AppState {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.inner
    }
}
