//! From a configuration to a running server: ports, engine, routes, and the way down.

mod background;
mod demo;
mod guarded;
mod listen;
mod opening;
mod routes;

use std::{future::Future, net::SocketAddr, sync::Arc};

use tokio::net::TcpListener;
use url::Url;

use self::{
    background::Background,
    demo::{demo, demo_workspace},
    opening::{check_key, check_sandbox, open_store, stage},
    routes::router,
};
use crate::{
    api,
    catalog::Catalog,
    clock::{Clock, Entropy, SystemClock, SystemEntropy},
    config::{Config, ConfigError, Environment, ServerConfig, encryption_keys, is_loopback},
    engine::{Addresses, ConfigureError, Engine, EngineError, Ports},
    http::{AppState, Assets, Limits, Operating},
    model::{HandleHash, redirect::Origin},
    outbound::{Names, Outbound, SystemNames},
    sandbox::{self, Sandbox},
    store::{Store as _, StoreError},
    vault::{Vault, VaultError},
};

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
    Client(#[from] crate::outbound::ClientError),
}

/// What tests replace.
pub struct Surroundings {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Who plays the providers instead of the built-in sandbox.
    pub provider: Option<SocketAddr>,
    /// What names mean.
    pub names: Arc<dyn Names>,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy::default()),
            provider: None,
            names: Arc::new(SystemNames),
        }
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
    router: axum::Router,
    limits: Limits,
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
    let outbound = Outbound::new(config.egress_allow.clone(), addresses.sandbox_bound, around.names)?;
    let ports = Ports {
        store: Arc::new(store),
        vault,
        outbound,
        clock: around.clock,
        entropy: around.entropy,
        catalog: Arc::new(Catalog::on_demand()),
    };
    Ok(Engine::new(ports, addresses, config.limits.engine.clone()))
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
            sandbox_bound: plays.then(|| around.provider.unwrap_or_else(|| reachable(address))),
        };
        let (clock, entropy) = (around.clock.clone(), around.entropy.clone());
        let engine = engine(settings, environment, addresses, around).await?;
        let used = config.workspaces.iter().flat_map(|workspace| &workspace.integrations);
        engine.catalog().read_ahead(used.map(|integration| integration.connector.as_str()));
        let file = config.file.as_ref().map(|path| format!("{}: ", path.display())).unwrap_or_default();
        let configured = match config.file {
            Some(_) => engine.configure(config.workspaces).await.map(|_| ()),
            None => demo(&engine).await,
        };
        configured.map_err(|error| StartError::Configure { file, error })?;
        check_sandbox(&engine, plays).await?;
        for key in engine.keyless_workspaces().await? {
            tracing::warn!("Workspace {key}: {}", no_key(&key));
        }
        let key = engine.sandbox_key();
        let demo_workspace = demo_workspace(&engine).await?.map(|view| view.workspace.key.clone());
        let origin = Origin::of(&public_url).ok_or(EngineError::NotFound("origin of public_url"))?;
        let limits = settings.limits.http.clone();
        let operating = Operating {
            limits: limits.clone(),
            api_routes: api::operations().into_iter().map(|operation| operation.path).collect(),
            metrics_token: settings.metrics_token.as_ref().map(|token| HandleHash::of(token.expose())),
        };
        let state = AppState::new(engine.clone(), Assets::new(), origin, demo_workspace, operating);
        let stage = if plays { Some(stage(&engine).await?) } else { None };
        let played = stage.map(|stage| {
            let base = settings.sandbox_url.clone().unwrap_or_else(|| public_url.clone());
            let origins = sandbox::Origins { sandbox: base, callbacks: vec![public_url.clone()] };
            Sandbox::new(stage, key, origins, clock, entropy)
        });
        Ok(Self { address, public_url, engine, listener, router: router(state, played), limits })
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
        let background = Background::start(&self.engine);
        listen::serve(self.listener, self.router, self.engine.clone(), self.limits, shutdown).await;
        background.end().await;
        self.engine.close().await;
        Ok(())
    }
}

fn on_localhost(address: SocketAddr) -> Url {
    Url::parse(&format!("http://localhost:{}", address.port())).expect("a port makes an address")
}

/// What to do about a workspace without any key.
pub fn no_key(workspace: &str) -> String {
    format!(
        "nobody can sign in until it has a key; `hitchpost workspace keys new --workspace {workspace}` makes one"
    )
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

#[cfg(test)]
mod tests;
