//! A provider in a process of its own, and a person on its pages.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hitchpost::model::{ConnectionId, Scope};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use url::Url;

use super::app::{Browser, Page, SECRET, TestApp};

/// The program behind a provider.
#[derive(Clone, Copy)]
pub enum Program {
    Node(&'static str),
    Python(&'static str),
}

impl Program {
    fn command(self) -> Command {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("end2end");
        match self {
            Self::Node(script) => {
                let mut command = Command::new("node");
                command.arg(folder.join(script));
                command
            }
            Self::Python(script) => {
                let mut command = Command::new(python());
                command.arg(folder.join("providers").join(script));
                command
            }
        }
    }
}

/// The interpreter that has what `end2end/providers/requirements.txt` names.
pub fn python() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let python = std::env::var_os("HITCHPOST_TEST_PYTHON")
        .map_or_else(|| target.join("tools/python/bin/python"), PathBuf::from);
    assert!(python.exists(), "there is no {}: run ./test, which installs it", python.display());
    python
}

/// A running provider, ended with the test.
pub struct Provider {
    child: Child,
    pub base: String,
    /// Held open: the provider writes notes to it and ends when nobody takes them.
    _out: BufReader<ChildStdout>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Provider {
    pub fn start(program: Program, port: u16, environment: &[(&str, &str)]) -> Self {
        let mut command = program.command();
        command.env("PORT", port.to_string()).envs(environment.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("Node 20 is needed: run ./test, which installs it");
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        out.read_line(&mut first).unwrap();
        assert_eq!(
            first, "listening\n",
            "the provider did not start: run ./test, which installs what it needs"
        );
        Self { child, base: format!("http://127.0.0.1:{port}"), _out: out }
    }

    /// A caller of its own, to go behind Hitchpost's back.
    pub fn browser(&self) -> Browser {
        Browser::new(self.base.parse().unwrap())
    }

    pub async fn stats(&self) -> Value {
        self.browser().get("/_stats").await.json()
    }

    /// What the provider counted of each, in this order.
    pub async fn counted<const N: usize>(&self, names: [&str; N]) -> [u64; N] {
        let stats = self.stats().await;
        names.map(|name| stats[name].as_u64().unwrap())
    }

    /// Follows the provider's own pages, answering each form with `answers`, up to the address that comes
    /// back to us.
    pub async fn consented(&self, address: &str, answers: &[(&str, &str)]) -> String {
        let mut browser = self.browser();
        let mut page = browser.get(address).await;
        for _ in 0..12 {
            if page.status.is_redirection() {
                let location = page.url.join(page.header("location")).unwrap();
                if location.path().starts_with("/oauth/callback/") {
                    return location.into();
                }
                page = browser.get(location.as_str()).await;
                continue;
            }
            page.assert_status(StatusCode::OK);
            let (action, mut fields) = page.form("");
            fields.extend(answers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let action = page.url.join(&action).unwrap();
            page = browser.post(action.as_str(), &fields).await;
        }
        panic!("the provider's pages did not come to an end");
    }

    /// A form post to the provider by a client that proves itself with Basic (RFC 6749 §2.3.1).
    pub async fn post_as(&self, client: (&str, &str), path: &str, form: &[(&str, &str)]) -> Page {
        let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let basic =
            format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(client.0), encode(client.1))));
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        self.browser().send(Method::POST, path, &[("authorization", &basic)], Some(body)).await
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// An integration of the workspace `acme`, with a connector of its own.
pub struct Integration<'a> {
    pub key: &'a str,
    /// Id and secret of the integration's own client.
    pub client: Option<(&'a str, &'a str)>,
    /// The connector from `test` of its `[api]` on.
    pub connector: String,
}

/// A server whose integrations all talk to the provider on this port.
pub async fn app_with(port: u16, integrations: &[Integration<'_>]) -> TestApp {
    let mut config = format!(
        "[server]\negress_allow = [\"127.0.0.1:{port}\"]\n\
         [[workspace]]\nkey = \"acme\"\nname = \"Acme\"\nsecret = \"{SECRET}\"\n"
    );
    let mut files = Vec::new();
    for Integration { key, client, connector } in integrations {
        config += &format!("[[workspace.integration]]\nkey = \"{key}\"\nconnector = \"file:{key}.toml\"\n");
        if let Some((id, secret)) = client {
            config += &format!("client_id = '{id}'\nclient_secret = '''{secret}'''\n");
        }
        let text = format!(
            "name = \"App {key}\"\ncategories = [\"other\"]\nstatus = \"listed\"\n\
             [api]\nbase = \"http://127.0.0.1:{port}\"\nhosts = [\"127.0.0.1:{port}\"]\n{connector}"
        );
        files.push((format!("{key}.toml"), text));
    }
    let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    TestApp::with_files(&config, &files).await
}

/// The callback address of an integration, as it is registered at a provider.
pub async fn callback_of(app: &TestApp, key: &str) -> String {
    let workspace = app.engine.workspace_by_key("acme").await.unwrap();
    app.engine.callback_uri(workspace.integration(key).unwrap())
}

/// Connects `c1` through the provider's pages; comes back with the connection.
pub async fn connect(
    app: &TestApp,
    provider: &Provider,
    key: &str,
    answers: &[(&str, &str)],
) -> (Scope, ConnectionId) {
    let mut browser = app.signed_in("c1").await;
    let left = browser.submit(key, &[]).await.location();
    let returned = provider.consented(&left, answers).await;
    let arrived = browser.get(&returned).await;
    let location = arrived.location().replace("notice=reconnected", "notice=connected");
    assert_eq!(location, format!("/?notice=connected&app={key}"), "{}", arrived.body);
    connection(app, key).await
}

/// Connects `c1` without any page of the provider.
pub async fn connect_at_once(app: &TestApp, key: &str, input: &[(&str, &str)]) -> (Scope, ConnectionId) {
    let mut browser = app.signed_in("c1").await;
    let arrived = browser.submit(key, input).await;
    assert_eq!(arrived.location(), format!("/?notice=connected&app={key}"), "{}", arrived.body);
    connection(app, key).await
}

/// The connection of `c1` to an app.
pub async fn connection(app: &TestApp, key: &str) -> (Scope, ConnectionId) {
    let listed = app.connections("c1").await;
    let connection = listed.iter().find(|connection| connection["integrationKey"] == key);
    let connection = connection.unwrap_or_else(|| panic!("no connection to {key}: {listed:?}"));
    assert_eq!(connection["connected"], true);
    (app.scope("c1").await, ConnectionId::parse(connection["id"].as_str().unwrap()).unwrap())
}

/// The names of the accounts that `c1` is connected to.
pub async fn accounts(app: &TestApp) -> Vec<String> {
    app.connections("c1").await.iter().map(|listed| listed["name"].as_str().unwrap().to_owned()).collect()
}

/// Follows an answer of ours to the page that says what came of an attempt; nothing may be connected.
pub async fn assert_failed(app: &TestApp, browser: &mut Browser, answer: Page, says: &str) {
    let result = browser.get(&answer.location()).await;
    result.assert_says(says);
    assert!(app.connections("c1").await.is_empty());
}

/// The parameters of an address, sorted by name.
pub fn query_of(address: &str) -> Vec<(String, String)> {
    let mut pairs: Vec<_> = Url::parse(address).unwrap().query_pairs().into_owned().collect();
    pairs.sort();
    pairs
}
