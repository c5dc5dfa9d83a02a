//! The verbs: what a customer or a product's backend can do. The only place where ports meet.
//!
//! Doors call one verb each and get an answer or a refusal in words; nothing here knows HTTP routes,
//! HTML or SQL. Time and randomness come from [`Clock`] and [`Entropy`].

mod archive;
mod ask;
mod callback;
mod configure;
mod connect;
mod directory;
mod error;
mod find;
mod oauth;
mod outcome;
mod provider;
mod refresh;
mod session;
mod verify;

use std::{net::SocketAddr, sync::Arc};

use url::Url;

pub use ask::{Ask, AskSubmission};
pub use callback::CallbackParams;
pub use configure::{ConfigureError, DesiredIntegration, DesiredKey, DesiredWorkspace};
pub use connect::{Began, ConnectRequest, Departure, Next, attempt_cookie, leaves};
pub use directory::{IntegrationView, OptionView, WorkspaceView};
pub use error::{EngineError, SessionRefusal};
pub use find::{
    CategoryCount, ConnectionView, IntegrationPage, IntegrationQuery, IntegrationSummary, PAGE_SIZE,
};
pub use outcome::{Destination, Outcome, Watch};
pub use refresh::RefreshError;
pub use session::{EMBED_SESSION_LIFE, PAGE_SESSION_LIFE};

use crate::{
    catalog::Catalog,
    clock::{Clock, Entropy},
    outbound::Outbound,
    store::Store,
    vault::Vault,
};

/// The engine; cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

/// What the engine is made of.
pub struct Ports {
    /// What is remembered.
    pub store: Arc<dyn Store>,
    /// What seals.
    pub vault: Vault,
    /// What calls providers.
    pub outbound: Outbound,
    /// What tells the time.
    pub clock: Arc<dyn Clock>,
    /// What makes handles.
    pub entropy: Arc<dyn Entropy>,
    /// The apps there are.
    pub catalog: Arc<Catalog>,
}

/// Where this installation lives.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// What customers' browsers call it, without a trailing slash in the path.
    pub public_url: Url,
    /// Where browsers find the sandbox; the public address unless a test puts it on another site.
    pub sandbox_url: Option<Url>,
    /// Where the server itself reaches its sandbox; none when the sandbox is off.
    pub sandbox_bound: Option<SocketAddr>,
}

struct Inner {
    ports: Ports,
    addresses: Addresses,
    directory: directory::Directory,
    flights: refresh::Flights,
    outcomes: outcome::Hub,
    sessions: session::Sessions,
    lists: find::Lists,
    closing: tokio::sync::watch::Sender<bool>,
}

impl Engine {
    /// Puts the ports together.
    pub fn new(ports: Ports, addresses: Addresses) -> Self {
        Self {
            inner: Arc::new(Inner {
                ports,
                addresses,
                directory: directory::Directory::default(),
                flights: refresh::Flights::default(),
                outcomes: outcome::Hub::default(),
                sessions: session::Sessions::default(),
                lists: find::Lists::default(),
                closing: tokio::sync::watch::Sender::new(false),
            }),
        }
    }

    /// Where this installation lives.
    pub fn addresses(&self) -> &Addresses {
        &self.inner.addresses
    }

    /// The apps there are.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.inner.ports.catalog
    }

    /// The clock everything here goes by.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.ports.clock
    }

    /// A fresh random handle, for names that a page makes.
    pub fn handle(&self) -> crate::model::Handle {
        self.inner.ports.entropy.handle()
    }

    /// Forgets what ended: sessions, links and attempts.
    pub async fn sweep(&self) -> Result<u64, EngineError> {
        Ok(self.store().sweep(self.now()).await?)
    }

    /// Lets go of everybody who waits, so that a shutdown does not wait for them.
    pub fn begin_closing(&self) {
        self.inner.closing.send_replace(true);
    }

    /// Comes back when the shutdown begins.
    pub async fn closing(&self) {
        let mut closing = self.inner.closing.subscribe();
        // The sender lives as long as the engine, so this ends by the value alone.
        let _ = closing.wait_for(|closing| *closing).await;
    }

    /// Writes everything down before the process ends.
    pub async fn close(&self) {
        self.store().close().await;
    }

    fn store(&self) -> &dyn Store {
        &*self.inner.ports.store
    }

    fn now(&self) -> crate::model::Timestamp {
        self.inner.ports.clock.now()
    }

    fn entropy(&self) -> &dyn Entropy {
        &*self.inner.ports.entropy
    }

    fn vault(&self) -> &Vault {
        &self.inner.ports.vault
    }
}
