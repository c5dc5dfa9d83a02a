//! [`TestApp`]: the server, [`Browser`]: what a person has, and [`Page`]: what came back.

pub mod browser;
mod page;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, LazyLock},
    time::Duration,
};

use hitchpost::{
    clock::{Entropy as _, ShiftedClock, SystemEntropy},
    config::{Config, Environment},
    engine::Engine,
    model::{Scope, Timestamp},
    outbound::Names,
    protocol::jwt,
    server::{Server, Surroundings},
    telemetry,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use url::Url;

pub use self::{browser::Browser, page::Page};

/// Secret of the workspaces `acme` and `other` in [`CONFIG`].
pub const SECRET: &str = "acme-secret-0123456789abcdef-0123456789";
pub const OTHER_SECRET: &str = "other-secret-0123456789abcdef-012345678";

const CONFIG: &str = r#"
[server]
sandbox = true

[[workspace]]
key = "acme"
name = "Acme"
secret = "acme-secret-0123456789abcdef-0123456789"
allowed_origins = ["https://app.acme.com", "http://localhost:*"]
integration = [
  { key = "hubspot", sandbox = true },
  { key = "github", sandbox = true },
  { key = "gitlab", sandbox = true },
  { key = "google-drive", sandbox = true },
  { key = "notion", sandbox = true },
  { key = "linear", sandbox = true },
  { key = "asana", sandbox = true },
  { key = "airtable", sandbox = true },
  { key = "dropbox", sandbox = true },
  { key = "zendesk", sandbox = true },
  { key = "stripe", sandbox = true },
  { key = "sendgrid", sandbox = true },
  { key = "unready", connector = "hubspot", name = "Unready" },
]

[[workspace]]
key = "other"
name = "Other"
secret = "other-secret-0123456789abcdef-012345678"
integration = [{ key = "hubspot", sandbox = true }]
"#;

/// Everything that the servers of this test run log at TRACE.
pub static LOG: LazyLock<PathBuf> = LazyLock::new(|| {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(concat!(env!("CARGO_CRATE_NAME"), ".log"));
    let file = std::fs::File::create(&path).unwrap();
    let written = tracing_subscriber::fmt()
        .with_env_filter(telemetry::filter("trace").unwrap())
        .with_ansi(false)
        .with_writer(std::sync::Mutex::new(file));
    written.init();
    path
});

/// A running server with a database of its own.
pub struct TestApp {
    pub engine: Engine,
    pub clock: ShiftedClock,
    pub base: Url,
    pub folder: PathBuf,
    stop: Option<oneshot::Sender<()>>,
}

impl TestApp {
    pub async fn new() -> Self {
        Self::with(CONFIG).await
    }

    pub async fn with(config: &str) -> Self {
        Self::with_files(config, &[]).await
    }

    /// With files beside the configuration.
    pub async fn with_files(config: &str, files: &[(&str, &str)]) -> Self {
        Self::start(folder_with(config, files)).await
    }

    /// With somebody else than the built-in sandbox who plays every provider.
    pub async fn played_by(provider: SocketAddr, config: &str, files: &[(&str, &str)]) -> Self {
        Self::started(folder_with(config, files), Some(provider)).await
    }

    /// With somebody else than the system who says what names mean.
    pub async fn with_names(names: Arc<dyn Names>, config: &str, files: &[(&str, &str)]) -> Self {
        Self::surrounded(folder_with(config, files), Surroundings { names, ..Surroundings::default() }).await
    }

    /// Starts on a folder that may hold the database of an earlier run.
    pub async fn start(folder: PathBuf) -> Self {
        Self::started(folder, None).await
    }

    /// The same, with somebody else than the built-in sandbox who plays every provider.
    pub async fn restarted(folder: PathBuf, provider: SocketAddr) -> Self {
        Self::started(folder, Some(provider)).await
    }

    async fn started(folder: PathBuf, provider: Option<SocketAddr>) -> Self {
        Self::surrounded(folder, Surroundings { provider, ..Surroundings::default() }).await
    }

    async fn surrounded(folder: PathBuf, around: Surroundings) -> Self {
        LazyLock::force(&LOG);
        let database = format!("sqlite:{}", folder.join("test.db").display());
        let environment =
            Environment::of(&[("HITCHPOST_LISTEN", "127.0.0.1:0"), ("HITCHPOST_DATABASE", &database)]);
        let config = Config::load(Some(&folder.join("hitchpost.toml")), &environment).unwrap();
        let clock = ShiftedClock::new();
        let around = Surroundings { clock: Arc::new(clock.clone()), ..around };
        let server = Server::bind(config, &environment, around).await.unwrap();
        let (engine, base) = (server.engine.clone(), server.public_url.clone());
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(server.run(async move {
            let _ = stopped.await;
        }));
        Self { engine, clock, base, folder, stop: Some(stop) }
    }

    /// Seconds since 1970 as the server sees them.
    pub fn now(&self) -> i64 {
        self.engine.clock().now().seconds()
    }

    pub fn token(&self, customer: &str) -> String {
        self.token_of("acme", SECRET, customer)
    }

    pub fn token_of(&self, workspace: &str, secret: &str, customer: &str) -> String {
        let claims = json!({ "iss": workspace, "id": customer, "name": format!("Name of {customer}"), "exp": self.now() + 600 });
        self.signed(secret, &claims)
    }

    pub fn signed(&self, secret: &str, claims: &Value) -> String {
        jwt::sign_hs256(&hitchpost::model::Secret::new(secret.as_bytes().to_vec()), claims).expose().clone()
    }

    pub fn browser(&self) -> Browser {
        Browser::new(self.base.clone())
    }

    /// A browser signed in as a customer, on `/`.
    pub async fn signed_in(&self, customer: &str) -> Browser {
        let mut browser = self.browser();
        let page = browser.get(&format!("/?token={}", self.token(customer))).await;
        page.assert_status(StatusCode::SEE_OTHER);
        browser
    }

    /// What the sandbox counted.
    pub async fn stats(&self) -> Value {
        self.browser().get("/sandbox/stats").await.json()
    }

    pub async fn count(&self, what: &str) -> u64 {
        self.stats().await["total"][what].as_u64().unwrap()
    }

    /// The scope of a customer that was seen before.
    pub async fn scope(&self, customer: &str) -> Scope {
        let session = self.engine.authenticate(&self.token(customer), hitchpost::model::Surface::Page).await;
        session.unwrap().scope()
    }

    /// The customer's connections, as the API lists them.
    pub async fn connections(&self, customer: &str) -> Vec<Value> {
        let listed = self.browser().api(Method::GET, "/connections", &self.token(customer)).await;
        listed.json()["items"].as_array().unwrap().clone()
    }

    /// Stops the server and leaves its folder; gives it back for another start.
    pub async fn stop(mut self) -> PathBuf {
        let folder = self.folder.clone();
        let _ = self.stop.take().map(|stop| stop.send(()));
        self.folder = PathBuf::new();
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.engine.close().await;
        folder
    }
}

/// A folder of its own with a configuration and files beside it.
fn folder_with(config: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = std::env::temp_dir()
        .join(format!("hitchpost-test-{}", SystemEntropy::default().uuid(Timestamp::from_millis(0))));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("hitchpost.toml"), config).unwrap();
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
    folder
}

impl Drop for TestApp {
    fn drop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
        if !self.folder.as_os_str().is_empty() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}
