//! The built-in provider: plays every connector of the catalog, failures included.
//!
//! For newcomers, tests and staging. A sandboxed integration's `https://HOST/PATH` is served here
//! as `/sandbox/HOST/PATH`; the connector's own file says which role that address plays and with
//! which quirks. It knows nothing of workspaces, customers or connections: to us it is as foreign
//! as any other provider, and it speaks to us by redirect and HTTP only.

use std::sync::{Arc, OnceLock};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use minijinja::{Value, context};
use url::{Host, Url};

use crate::{
    catalog::{Catalog, Connector, connector::Status},
    clock::{Clock, Entropy},
    model::Secret,
};

mod api;
mod assertion;
mod call;
mod cast;
mod client;
mod consent;
mod discover;
mod grant;
mod kept;
mod memory;
mod oauth1;
mod pages;
mod par;
mod pattern;
mod person;
mod reply;
mod revoke;
mod scenario;
mod sent;
mod signed;
mod stats;
mod written;

#[cfg(test)]
mod tests;

use call::Call;
use cast::{Cast, Part, Role, is_played};
use memory::Memory;
use pages::{Isolation, Page};
use scenario::Scenario;
use signed::Signer;
use stats::Stats;

/// The provider: what it plays, where it stands and what it remembers.
pub struct Sandbox {
    catalog: Arc<Catalog>,
    /// Read when the first call comes: it takes every file.
    cast: OnceLock<Cast>,
    signer: Signer,
    origins: Origins,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    memory: Memory,
    stats: Stats,
}

/// Where the sandbox stands and to where it sends browsers back.
#[derive(Clone, Debug)]
pub struct Origins {
    /// Public origin of the sandbox's own pages.
    pub sandbox: Url,
    /// Further origins a redirect address may have; loopback and the sandbox's own always may.
    pub callbacks: Vec<Url>,
}

impl From<Url> for Origins {
    fn from(sandbox: Url) -> Self {
        Self { sandbox, callbacks: Vec::new() }
    }
}

impl Origins {
    /// Whether a browser may be sent to this address: an http(s) one without a fragment (RFC 6749
    /// §3.1.2) on loopback or a known origin.
    fn admit(&self, redirect_uri: &str) -> bool {
        let Ok(url) = Url::parse(redirect_uri) else { return false };
        let known = |origin: &Url| origin.origin() == url.origin();
        matches!(url.scheme(), "http" | "https")
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
            && (is_loopback(&url) || known(&self.sandbox) || self.callbacks.iter().any(known))
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl Sandbox {
    /// Sets the provider up. `key` signs its tokens, so that they survive a restart; `origins` is
    /// the public origin of its pages, with further callback origins where there are any.
    pub fn new(
        catalog: Arc<Catalog>,
        key: Secret<[u8; 32]>,
        origins: impl Into<Origins>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Arc<Self> {
        Arc::new(Self {
            cast: OnceLock::new(),
            signer: Signer::new(&key),
            origins: origins.into(),
            memory: Memory::new(),
            stats: Stats::default(),
            catalog,
            clock,
            entropy,
        })
    }

    fn cast(&self) -> &Cast {
        self.cast.get_or_init(|| Cast::new(&self.catalog))
    }

    /// The authorize part of an option, by keys.
    fn part(&self, connector: &str, option: &str) -> Option<Part> {
        let connector = self.catalog.get(connector)?;
        let index = connector.auth.iter().position(|one| one.key == option)?;
        Some(Part::new(Arc::clone(connector), index, Role::Authorize))
    }
}

/// Whether it can play an app, by at least one of the ways to connect it.
pub fn plays(connector: &Connector) -> bool {
    connector.status != Status::Closed && connector.auth.iter().any(is_played)
}

/// Its routes; every path is `/sandbox` or below it.
pub fn router(sandbox: Arc<Sandbox>) -> Router {
    Router::new()
        .route("/sandbox", get(index))
        .route("/sandbox/", get(index))
        .route("/sandbox/style.css", get(pages::style))
        .route("/sandbox/stats", get(stats))
        .route("/sandbox/consent", post(consent::decide))
        .route("/sandbox/{host}", any(play))
        .route("/sandbox/{host}/", any(play))
        .route("/sandbox/{host}/{*path}", any(play))
        .with_state(sandbox)
}

/// Plays whatever role the address has.
async fn play(State(sandbox): State<Arc<Sandbox>>, request: Request) -> Response {
    sandbox.stats.host(&call::host(request.uri().path()));
    let Some((call, body)) = Call::split(request) else { return reply::unknown() };
    let parts = sandbox.cast().parts(&call);
    match parts.first().map(|part| part.role) {
        None => reply::unknown(),
        Some(Role::Authorize) => consent::ask(&sandbox, &call, &parts),
        Some(Role::Par) => par::answer(&sandbox, call, body, &parts).await,
        Some(Role::RequestToken) => oauth1::request_token(&sandbox, call, body, &parts).await,
        Some(Role::Token | Role::Refresh | Role::Exchange) => {
            grant::answer(&sandbox, call, body, parts).await
        }
        Some(Role::Revoke) => revoke::answer(&sandbox, call, body, &parts).await,
        Some(Role::Unplayed) => reply::unplayed(&parts[0]),
        Some(Role::Test | Role::Discover(_) | Role::Api) => api::answer(&sandbox, call, body, &parts).await,
    }
}

/// `GET /sandbox/stats`: what reached the sandbox since it started.
async fn stats(State(sandbox): State<Arc<Sandbox>>) -> Response {
    reply::unstored((StatusCode::OK, Json(sandbox.stats.json(sandbox.catalog.keys()))).into_response())
}

/// `GET /sandbox`: what this is and who is played.
async fn index(State(sandbox): State<Arc<Sandbox>>) -> Response {
    let connectors = sandbox.catalog.iter().map(|connector| {
        let options = connector.auth.iter().map(|option| {
            context! { title => option.title.as_str(), played => is_played(option) }
        });
        context! {
            key => connector.key.as_str(),
            name => connector.name.as_str(),
            options => options.collect::<Value>(),
        }
    });
    let scenarios = Scenario::ALL.iter().map(|one| context! { key => one.key(), title => one.title() });
    let page = context! {
        connectors => connectors.collect::<Value>(),
        scenarios => scenarios.collect::<Value>(),
    };
    pages::show(StatusCode::OK, Page::Index, page, Isolation::None)
}
