//! [`TestApp`]: the server, and [`Browser`]: what a person has.

use std::{
    collections::{BTreeMap, HashMap},
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
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use url::Url;

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

/// Cookies and the last page; follows nothing by itself.
pub struct Browser {
    base: Url,
    client: reqwest::Client,
    pub cookies: BTreeMap<String, String>,
    /// Values that must never turn up in a database or log.
    pub secrets: Vec<String>,
}

/// What calls the server from outside; follows nothing by itself.
pub fn plain_client() -> reqwest::Client {
    #[expect(clippy::disallowed_methods, reason = "a client of its own, not the server's")]
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_gzip().build().unwrap()
}

impl Browser {
    pub fn new(base: Url) -> Self {
        Self { base, client: plain_client(), cookies: BTreeMap::new(), secrets: Vec::new() }
    }

    pub async fn get(&mut self, address: &str) -> Page {
        self.send(Method::GET, address, &[("accept", "text/html"), ("sec-fetch-site", "none")], None).await
    }

    /// A form post as a browser makes it from a page of the server's own.
    pub async fn post(&mut self, address: &str, form: &[(&str, &str)]) -> Page {
        let origin = self.base.origin().ascii_serialization();
        let headers = [("accept", "text/html"), ("sec-fetch-site", "same-origin"), ("origin", &origin)];
        self.send(Method::POST, address, &headers, Some(encoded(form))).await
    }

    /// A form post from another site.
    pub async fn post_from(&mut self, origin: &str, address: &str, form: &[(&str, &str)]) -> Page {
        let headers = [("accept", "text/html"), ("sec-fetch-site", "cross-site"), ("origin", origin)];
        self.send(Method::POST, address, &headers, Some(encoded(form))).await
    }

    pub async fn api(&mut self, method: Method, address: &str, token: &str) -> Page {
        let bearer = format!("Bearer {token}");
        let headers = [("accept", "application/json"), ("authorization", bearer.as_str())];
        self.send(method, address, &headers, None).await
    }

    /// A program's post of JSON.
    pub async fn post_json(&mut self, address: &str, token: &str, body: &Value) -> Page {
        self.api_json(Method::POST, address, token, body).await
    }

    pub async fn api_json(&mut self, method: Method, address: &str, token: &str, body: &Value) -> Page {
        let bearer = format!("Bearer {token}");
        let headers = [("accept", "application/json"), ("authorization", bearer.as_str())];
        self.send_as("application/json", method, address, &headers, Some(body.to_string())).await
    }

    /// Asks and reads the headers only: the body may be compressed.
    pub async fn head(&self, address: &str, headers: &[(&str, &str)]) -> Page {
        let url = self.base.join(address).unwrap();
        let mut request = self.client.get(url.clone());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let response = request.header(header::COOKIE, cookies.join("; ")).send().await.unwrap();
        Page { url, status: response.status(), headers: response.headers().clone(), body: String::new() }
    }

    pub async fn send(
        &mut self,
        method: Method,
        address: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Page {
        self.send_as("application/x-www-form-urlencoded", method, address, headers, body).await
    }

    async fn send_as(
        &mut self,
        media_type: &str,
        method: Method,
        address: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Page {
        let url = self.base.join(address).unwrap();
        let mut request = self.client.request(method, url.clone());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        if let Some(body) = body {
            request = request.header(header::CONTENT_TYPE, media_type).body(body);
        }
        let response = request.send().await.unwrap();
        for cookie in response.headers().get_all(header::SET_COOKIE) {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            let (value, attributes) = rest.split_once(';').unwrap();
            if value.is_empty() || attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.secrets.push(value.to_owned());
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.text().await.unwrap();
        Page { url, status, headers, body }
    }

    /// Opens an app's page and sends its form. Comes back with the answer to the form.
    pub async fn submit(&mut self, app: &str, input: &[(&str, &str)]) -> Page {
        let page = self.get(&format!("/apps/{app}")).await;
        page.assert_status(StatusCode::OK);
        self.submit_on(&page, input).await
    }

    /// Sends the one connect form of a page.
    pub async fn submit_on(&mut self, page: &Page, input: &[(&str, &str)]) -> Page {
        let (action, mut fields) = page.form("connect");
        for (name, value) in input {
            fields.insert((*name).to_owned(), (*value).to_owned());
        }
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post(&action, &fields).await
    }

    /// Sends a page's form of this name as it stands.
    pub async fn press(&mut self, page: &Page, name: &str) -> Page {
        let (action, fields) = page.form(name);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post(&action, &fields).await
    }

    /// Answers the sandbox's consent page at `address`; comes back with the way to the callback.
    pub async fn consent(&mut self, address: &str, choices: &[(&str, &str)]) -> Page {
        let page = self.get(address).await;
        page.assert_status(StatusCode::OK);
        let (action, mut fields) = page.form("");
        fields.insert("decision".to_owned(), "allow".to_owned());
        fields.insert("scenario".to_owned(), "allow".to_owned());
        for (name, value) in choices {
            fields.insert((*name).to_owned(), (*value).to_owned());
        }
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        // The sandbox may stand at another address than the product.
        let action = page.url.join(&action).unwrap();
        self.post(action.as_str(), &fields).await
    }

    /// Connects an app through the provider's page, in one window; comes back with the callback's answer.
    pub async fn connect(&mut self, app: &str, choices: &[(&str, &str)]) -> Page {
        let left = self.submit(app, &[]).await;
        let returned = self.consent(&left.location(), choices).await;
        self.get(&returned.location()).await
    }
}

fn encoded(form: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish()
}

/// What came back.
pub struct Page {
    pub url: Url,
    pub status: StatusCode,
    pub headers: header::HeaderMap,
    pub body: String,
}

impl Page {
    #[track_caller]
    pub fn assert_status(&self, status: StatusCode) {
        assert_eq!(self.status, status, "{}: {}", self.url.path(), self.body);
    }

    #[track_caller]
    pub fn assert_says(&self, text: &str) {
        assert!(self.body.contains(text), "{} does not say {text:?}: {}", self.url.path(), self.body);
    }

    /// Where a redirect goes.
    #[track_caller]
    pub fn location(&self) -> String {
        self.assert_status(StatusCode::SEE_OTHER);
        self.header("location").to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }

    /// Checks the refusal an API call got.
    #[track_caller]
    pub fn assert_error(&self, status: StatusCode, reason: &str) {
        self.assert_status(status);
        assert_eq!(self.json()["data"]["reason"], reason, "{}", self.body);
    }

    /// Action and fields of the first form of class `name` or of that action; an empty name is any form.
    #[track_caller]
    pub fn form(&self, name: &str) -> (String, HashMap<String, String>) {
        let form = self
            .body
            .split("<form")
            .skip(1)
            .filter_map(|rest| rest.split_once("</form>").map(|(form, _)| form))
            .find(|form| {
                let is_class = attribute(form, "class").is_some_and(|class| class == name);
                is_class || attribute(form, "action").is_some_and(|action| action.ends_with(name))
            })
            .unwrap_or_else(|| panic!("no form {name:?} on {}: {}", self.url.path(), self.body));
        let action = attribute(form, "action").unwrap();
        let inputs = form.split("<input").skip(1).filter(|input| {
            let is_choice = matches!(attribute(input, "type").as_deref(), Some("radio" | "checkbox"));
            !is_choice || input.split('>').next().unwrap().contains("checked")
        });
        let fields = inputs
            .filter_map(|input| {
                Some((attribute(input, "name")?, attribute(input, "value").unwrap_or_default()))
            })
            .collect();
        (action, fields)
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let tag = tag.split_once('>').map_or(tag, |(tag, _)| tag);
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    let (value, _) = rest.split_once('"')?;
    Some(value.replace("&quot;", "\"").replace("&lt;", "<").replace("&#x2f;", "/").replace("&amp;", "&"))
}
