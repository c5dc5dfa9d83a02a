//! From a configuration to a running server: ports, engine, routes and layers, all on one page.

use std::{future::Future, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::{HeaderName, StatusCode},
    middleware::{from_fn, from_fn_with_state},
    response::{IntoResponse as _, Response},
    routing::get,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::{
        CompressionLayer, CompressionLevel,
        predicate::{DefaultPredicate, NotForContentType, Predicate as _},
    },
    limit::RequestBodyLimitLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    trace::TraceLayer,
};
use url::Url;

use crate::{
    api, app,
    catalog::Catalog,
    clock::{Clock, Entropy, SystemClock, SystemEntropy},
    config::{Config, ConfigError, Environment, ServerConfig, encryption_keys, is_loopback},
    connect,
    engine::{
        Addresses, ConfigureError, DesiredIntegration, DesiredKey, DesiredWorkspace, Engine, EngineError,
        Ports, WorkspaceView,
    },
    http::{AppState, Assets, Refusal, assets, headers},
    model::{IntegrationSettings, WorkspaceSettings, redirect::Origin},
    outbound::Outbound,
    sandbox::{self, Sandbox},
    store::{SqliteStore, Store, StoreError},
    vault::{Place, Sealed, Vault, VaultError},
};

/// Largest request body anywhere unless a route says otherwise.
const BODY_MAX: usize = 64 * 1024;
/// Between two looks for tokens that are close to their end.
const REFRESH_EVERY: Duration = Duration::from_secs(20);
/// Between two sweeps of what ended.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How long requests in progress may take at shutdown.
const DRAIN: Duration = Duration::from_secs(25);
/// What is sealed under the current key to recognise a wrong one.
const KEY_CHECK: &[u8] = b"hitchpost key check";
const KEY_CHECK_NAME: &str = "key_check";

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What the configuration asks for.
    #[error("{file}{error}")]
    Configure {
        /// The file, and a colon.
        file: String,
        /// What is wrong.
        error: ConfigureError,
    },
    /// The address is taken or cannot be used.
    #[error("{address}: {reason}; set another with HITCHPOST_LISTEN or `[server] listen`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's words.
        reason: String,
    },
    /// The database.
    #[error("{database}: {error}")]
    Store {
        /// The database.
        database: String,
        /// What is wrong.
        error: StoreError,
    },
    /// The encryption keys.
    #[error("HITCHPOST_ENCRYPTION_KEYS or the key file beside the database: {0}")]
    Vault(#[from] VaultError),
    /// A connector of the catalog.
    #[error("{0}")]
    Catalog(#[from] crate::catalog::parse::ConnectorError),
    /// The log.
    #[error(transparent)]
    Log(#[from] crate::telemetry::BadFilter),
    /// Anything else on our side.
    #[error("{0}")]
    Engine(#[from] EngineError),
    /// The system.
    #[error("{0}")]
    System(#[from] std::io::Error),
    /// The HTTP client.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(#[from] reqwest::Error),
}

/// What tests replace.
pub struct Surroundings {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy::default()) }
    }
}

/// A server that answers.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// What browsers call it.
    pub public_url: Url,
    /// Its verbs.
    pub engine: Engine,
    listener: TcpListener,
    router: Router,
}

/// An engine without a server: for commands that only need the store.
pub async fn engine(
    config: &ServerConfig,
    environment: &Environment,
    addresses: Addresses,
    around: Surroundings,
) -> Result<Engine, StartError> {
    let path = &config.database.path;
    let store = open_store(path).await?;
    let of_store = |error| StartError::Store { database: path.display().to_string(), error };
    let is_new = store.is_empty().await.map_err(of_store)?;
    let keys = encryption_keys(path, is_new, environment, &*around.entropy)?;
    let vault = Vault::parse(keys.expose(), around.entropy.clone())?;
    check_key(&store, &vault, path).await?;
    let outbound = Outbound::new(config.egress_allow.clone(), addresses.sandbox_bound)?;
    let ports = Ports {
        store: Arc::new(store),
        vault,
        outbound,
        clock: around.clock,
        entropy: around.entropy,
        catalog: Arc::new(Catalog::builtin()?),
    };
    Ok(Engine::new(ports, addresses))
}

impl Server {
    /// Opens everything, applies the file, and binds the address. Nothing is answered before [`Server::run`].
    pub async fn bind(
        config: Config,
        environment: &Environment,
        around: Surroundings,
    ) -> Result<Self, StartError> {
        let settings = &config.server;
        let listener = TcpListener::bind(settings.listen).await.map_err(|error| StartError::Listen {
            address: settings.listen,
            reason: match error.kind() {
                std::io::ErrorKind::AddrInUse => "something else listens there already".to_owned(),
                _ => error.to_string(),
            },
        })?;
        let address = listener.local_addr()?;
        let public_url = settings.public_url.clone().unwrap_or_else(|| on_localhost(address));
        let plays = settings.sandbox.unwrap_or_else(|| is_loopback(&public_url));
        let addresses = Addresses {
            public_url: public_url.clone(),
            sandbox_url: settings.sandbox_url.clone(),
            sandbox_bound: plays.then(|| reachable(address)),
        };
        let (clock, entropy) = (around.clock.clone(), around.entropy.clone());
        let engine = engine(settings, environment, addresses, around).await?;
        let file = config.file.as_ref().map(|path| format!("{}: ", path.display())).unwrap_or_default();
        let configured = match config.file {
            Some(_) => engine.configure(config.workspaces).await.map(|_| ()),
            None => demo(&engine).await,
        };
        configured.map_err(|error| StartError::Configure { file, error })?;
        check_sandbox(&engine, plays).await?;
        let key = engine.sandbox_key();
        let demo_workspace = demo_workspace(&engine).await?.map(|view| view.workspace.key.clone());
        let origin = Origin::of(&public_url).ok_or(EngineError::NotFound("origin of public_url"))?;
        let state = AppState::new(engine.clone(), Assets::new(), origin, demo_workspace);
        let played = plays.then(|| {
            let base = settings.sandbox_url.clone().unwrap_or_else(|| public_url.clone());
            let origins = sandbox::Origins { sandbox: base, callbacks: vec![public_url.clone()] };
            Sandbox::new(engine.catalog().clone(), key, origins, clock, entropy)
        });
        Ok(Self { address, public_url, engine, listener, router: router(state, played) })
    }

    /// A link that signs in as the demo's test customer; none where there is no demo.
    pub async fn demo_link(&self) -> Result<Option<Url>, StartError> {
        let Some(view) = demo_workspace(&self.engine).await? else { return Ok(None) };
        let ticket = self.engine.demo_link(view.workspace.id).await?;
        let mut url = self.public_url.clone();
        url.set_path(&format!("/link/{}", ticket.expose()));
        Ok(Some(url))
    }

    /// Answers until `shutdown` comes back; then finishes what is in progress and closes the store.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), StartError> {
        let background = background(self.engine.clone());
        let engine = self.engine.clone();
        let closing = self.engine.clone();
        let serving = axum::serve(self.listener, self.router).with_graceful_shutdown(async move {
            shutdown.await;
            closing.begin_closing();
        });
        let drained = async {
            engine.closing().await;
            tokio::time::sleep(DRAIN).await;
        };
        tokio::select! {
            served = serving => served?,
            () = drained => tracing::warn!("Some requests did not end in time"),
        }
        background.abort();
        engine.close().await;
        Ok(())
    }
}

/// Every route and every layer. Layers run from the last one here to the first.
fn router(state: AppState, played: Option<Arc<Sandbox>>) -> Router {
    let refused = from_fn_with_state(state.clone(), app::refused::layer);
    let mut router = Router::new()
        .merge(app::routes(&state))
        .merge(connect::routes())
        .merge(api::routes())
        .route("/assets/{file}", get(assets::serve))
        .route("/healthz", get(healthz))
        // Browsers ask for it unasked; a workspace's own icon is linked by its pages.
        .route("/favicon.ico", get(async || StatusCode::NO_CONTENT))
        .fallback(async || Refusal::not_found("page"));
    if played.is_some() {
        router = router.route("/sandbox/embed", get(app::example::embed));
    }
    let mut router = router.with_state(state);
    if let Some(played) = played {
        router = router.merge(sandbox::router(played));
    }
    let id = HeaderName::from_static("x-request-id");
    let compressible = DefaultPredicate::new().and(NotForContentType::const_new("image/png"));
    router
        .layer(RequestBodyLimitLayer::new(BODY_MAX))
        .layer(CatchPanicLayer::custom(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response()))
        .layer(refused)
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(compressible))
        .layer(from_fn(headers::defaults))
        .layer(PropagateRequestIdLayer::new(id.clone()))
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(|request: &Request| {
                    // The route's template: addresses carry handles and tokens.
                    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str);
                    let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok());
                    tracing::info_span!("request", method = %request.method(), route, id)
                })
                .on_request(())
                .on_response(|response: &Response, took: Duration, _: &tracing::Span| {
                    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                    tracing::debug!(status = response.status().as_u16(), duration_ms, "Answered");
                }),
        )
        .layer(SetRequestIdLayer::new(id, MakeRequestUuid))
}

async fn healthz() -> &'static str {
    "ok\n"
}

/// An integration that the sandbox should play needs the sandbox.
async fn check_sandbox(engine: &Engine, plays: bool) -> Result<(), StartError> {
    for workspace in engine.workspaces().await? {
        let mut played = workspace.integrations.iter().filter(|view| !view.integration.hidden);
        if let Some(view) = played.find(|view| view.integration.settings.sandbox && !plays) {
            let (workspace, key) = (&workspace.workspace.key, &view.integration.key);
            let reason = format!(
                "integration `{key}` of workspace `{workspace}` has `sandbox = true`, but the sandbox is off; \
                 give it a client_id and client_secret, or turn the sandbox on"
            );
            return Err(ConfigError::Setting { source_name: "[server] sandbox".to_owned(), reason }.into());
        }
    }
    Ok(())
}

/// Renews and sweeps for as long as the server runs.
fn background(engine: Engine) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut refresh = tokio::time::interval(REFRESH_EVERY);
        let mut sweep = tokio::time::interval(SWEEP_EVERY);
        loop {
            let done = tokio::select! {
                _ = refresh.tick() => engine.refresh_due().await.map(|_| ()),
                _ = sweep.tick() => engine.sweep().await.map(|_| ()),
            };
            if let Err(error) = done {
                tracing::error!(%error, "The background could not do its work");
            }
        }
    })
}

async fn open_store(path: &Path) -> Result<SqliteStore, StartError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .map_err(|reason| ConfigError::Unwritable { path: folder.to_owned(), reason })?;
    }
    SqliteStore::open(path)
        .await
        .map_err(|error| StartError::Store { database: path.display().to_string(), error })
}

/// Refuses to go on with a key that does not open what is there.
async fn check_key(store: &SqliteStore, vault: &Vault, path: &Path) -> Result<(), StartError> {
    let database = path.display().to_string();
    let of_store = |error| StartError::Store { database: database.clone(), error };
    let place = Place { table: "installation", row: KEY_CHECK_NAME, column: "value", workspace: None };
    let sealed = vault.seal(place, KEY_CHECK);
    let kept = store.keep_installation_value(KEY_CHECK_NAME, &sealed.0).await.map_err(of_store)?;
    match vault.open(place, &Sealed(kept)) {
        Ok(opened) if opened.expose() == KEY_CHECK => Ok(()),
        _ => Err(ConfigError::WrongKey { database }.into()),
    }
}

/// The workspace a newcomer meets: every app of the catalog, played by the sandbox.
async fn demo(engine: &Engine) -> Result<(), ConfigureError> {
    let known = engine.workspaces().await?;
    if !known.is_empty() && !known.iter().all(|view| view.workspace.settings.demo) {
        return Ok(());
    }
    let apps = engine.catalog().iter().map(|connector| DesiredIntegration {
        key: connector.key.clone(),
        connector: connector.key.clone(),
        connector_source: None,
        client_secret: None,
        settings: IntegrationSettings { sandbox: true, ..IntegrationSettings::default() },
    });
    let origins = ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"];
    let settings = WorkspaceSettings {
        allowed_origins: origins.map(str::to_owned).to_vec(),
        demo: true,
        ..WorkspaceSettings::default()
    };
    let workspace = DesiredWorkspace {
        id: None,
        key: "demo".to_owned(),
        name: "Acme".to_owned(),
        settings,
        keys: vec![DesiredKey::Secret(engine.demo_secret())],
        integrations: apps.collect(),
    };
    engine.configure(vec![workspace]).await.map(|_| ())
}

async fn demo_workspace(engine: &Engine) -> Result<Option<Arc<WorkspaceView>>, EngineError> {
    Ok(engine.workspaces().await?.into_iter().find(|view| view.workspace.settings.demo))
}

fn on_localhost(address: SocketAddr) -> Url {
    Url::parse(&format!("http://localhost:{}", address.port())).expect("a port makes an address")
}

/// Where this process reaches itself: a wildcard address is reached by loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => ([127, 0, 0, 1], v4.port()).into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => (std::net::Ipv6Addr::LOCALHOST, v6.port()).into(),
        other => other,
    }
}

/// What comes back when the process is asked to end.
pub async fn asked_to_end() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        let mut terminate = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(terminate) => terminate,
            Err(_) => return drop(interrupt.await),
        };
        tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    drop(interrupt.await);
}
