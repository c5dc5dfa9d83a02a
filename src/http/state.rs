//! What every handler has at hand.

use std::{ops::Deref, sync::Arc};

use crate::{engine::Engine, model::redirect::Origin};

use super::Assets;

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
    /// Origin of our own pages.
    pub origin: Origin,
    /// Key of the workspace that the embed example of the sandbox shows; none hides it.
    pub demo_workspace: Option<String>,
}

impl AppState {
    /// Puts them together.
    pub fn new(engine: Engine, assets: Assets, origin: Origin, demo_workspace: Option<String>) -> Self {
        Self { inner: Arc::new(Inner { engine, assets, origin, demo_workspace }) }
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
