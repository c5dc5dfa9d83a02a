//! The verbs: what a customer or a product's backend can do. The only place where ports meet.
//!
//! Doors call one verb each and get an answer or a refusal in words; nothing here knows HTTP routes,
//! HTML or SQL. Time and randomness come from [`Clock`] and [`Entropy`].

mod activity;
mod archive;
mod ask;
mod callback;
mod cancel;
mod check;
mod choose;
mod client;
mod configure;
mod confirm;
mod connect;
mod customers;
mod deliver;
mod depart;
mod directory;
mod discover;
mod doctor;
mod error;
mod events;
mod find;
mod health;
mod hot;
mod import;
mod import_watch;
mod integrations;
mod keys;
mod limits;
mod links;
mod list;
mod metrics;
mod oauth;
mod oauth1;
mod opening;
mod outcome;
mod parameters;
mod park;
mod patch;
mod plan;
mod provider;
mod proxy;
mod read_out;
mod refresh;
mod refused;
mod relay;
mod schedule;
mod select;
mod session;
mod settings;
mod settle;
mod tokens;
mod trace;
mod verify;
mod webhooks;
mod your_app;

use std::{net::SocketAddr, sync::Arc};

use url::Url;

pub use ask::{Ask, AskSubmission};
pub use callback::CallbackParams;
pub use check::CheckError;
pub use choose::Choosing;
pub use configure::{ConfigureError, DesiredIntegration, DesiredKey, DesiredWorkspace};
pub use connect::{Began, CUSTOM_STATE_MAX, ConnectRequest, Next, REQUEST_ID_MAX};
pub use customers::DesiredCustomer;
pub use depart::{Departure, attempt_cookie, leaves};
pub use directory::{IntegrationView, OptionView, WorkspaceView};
pub use doctor::{Finding, Level};
pub use error::{EngineError, SessionRefusal};
pub use find::{
    CategoryCount, ConnectionView, IntegrationPage, IntegrationQuery, IntegrationSummary, PAGE_SIZE,
};
pub use health::{KEY_CHECK, KEY_CHECK_PLACE};
pub use import::{GivenCredentials, Import};
pub use import_watch::ImportWatch;
pub use integrations::{IntegrationChange, NewConnector, NewIntegration, ParametersGiven};
pub use keys::{KeyView, MadeKey};
pub use limits::{Act, Limits, Rate, Rates, network};
pub use links::{DesiredLink, Link};
pub use list::{ConnectionPage, ConnectionQuery};
pub use metrics::Metrics;
pub use opening::Opened;
pub use outcome::{Destination, Outcome, Told, Watch};
pub use patch::ConnectionPatch;
pub use refresh::RefreshError;
pub use refused::{RefusedStart, Starter};
pub use relay::{
    Answer, AnswerBody, MAX_WAIT, MAX_WAIT_HEADER, ProxyLimits, REPLAYED_MOST, RelayError, Relayed,
};
pub use session::{Backend, EMBED_SESSION_LIFE, PAGE_SESSION_LIFE};
pub use settings::{SettingError, ThemeChange, WorkspaceChange, check_theme};
pub use webhooks::{DesiredWebhook, OVERLAP_DEFAULT, OVERLAP_MAX, WebhookError, overlaps};
pub use your_app::{AppCall, AppCallError, DesiredYourApp, Own, YourApp, YourAppFault};

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
    hot: hot::Hot,
    lanes: relay::Lanes,
    activity: activity::Activity,
    app_flights: your_app::AppFlights,
    outcomes: outcome::Hub,
    refused: refused::Refused,
    imports: import_watch::Imports,
    clocks: oauth1::Clocks,
    sessions: session::Sessions,
    tokens: tokens::Tokens,
    lists: find::Lists,
    closing: tokio::sync::watch::Sender<bool>,
    meter: limits::Meter,
    metrics: Metrics,
    findings: health::Findings,
}

impl Engine {
    /// Puts the ports together.
    pub fn new(ports: Ports, addresses: Addresses, limits: Limits) -> Self {
        let owner = ports.entropy.uuid(ports.clock.now()).to_string();
        Self {
            inner: Arc::new(Inner {
                ports,
                addresses,
                directory: directory::Directory::default(),
                flights: refresh::Flights::of_process(owner),
                hot: hot::Hot::default(),
                lanes: relay::Lanes::new(limits.calls.clone()),
                activity: activity::Activity::default(),
                app_flights: your_app::AppFlights::default(),
                outcomes: outcome::Hub::default(),
                refused: refused::Refused::default(),
                imports: import_watch::Imports::default(),
                clocks: oauth1::Clocks::default(),
                sessions: session::Sessions::default(),
                tokens: tokens::Tokens::default(),
                lists: find::Lists::default(),
                closing: tokio::sync::watch::Sender::new(false),
                meter: limits::Meter::new(limits),
                metrics: Metrics::default(),
                findings: health::Findings::default(),
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

    /// An id for a request.
    pub fn request_id(&self) -> uuid::Uuid {
        self.entropy().uuid(self.now())
    }

    /// Forgets what ended: sessions, links and attempts.
    pub async fn sweep(&self) -> Result<u64, EngineError> {
        self.forget_full_buckets();
        self.write_activity().await?;
        self.end_abandoned_choices().await?;
        self.end_unconfirmed().await?;
        self.store().sweep_events(self.now()).await?;
        Ok(self.store().sweep(self.now()).await?)
    }

    /// Lets go of everybody who waits, so that a shutdown does not wait for them.
    pub fn begin_closing(&self) {
        self.inner.closing.send_replace(true);
    }

    /// Whether the shutdown began.
    pub fn is_closing(&self) -> bool {
        *self.inner.closing.borrow()
    }

    /// Comes back when the shutdown begins.
    pub async fn closing(&self) {
        let mut closing = self.inner.closing.subscribe();
        // The sender lives as long as the engine, so this ends by the value alone.
        let _ = closing.wait_for(|closing| *closing).await;
    }

    /// Writes everything down before the process ends.
    pub async fn close(&self) {
        // What a provider answers while the process ends has to be stored.
        self.inner.flights.landed().await;
        if let Err(error) = self.write_activity().await {
            tracing::warn!(%error, "When connections were last used was not written down");
        }
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
