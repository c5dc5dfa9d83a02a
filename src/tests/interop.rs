//! The whole flow against a server that nobody here wrote: npm `oidc-provider`, certified OpenID Connect.
//!
//! Needs Node 20 and `npm ci` in `end2end/`; `./test` sees to both.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops with the place and the cause")]

#[path = "app.rs"]
#[expect(dead_code, reason = "shared with the black-box tests, which use the rest of it")]
mod app;

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use app::{Browser, Page, TestApp};
use hitchpost::{
    engine::RefreshError,
    model::{ConnectionId, DisconnectReason, Scope},
};
use reqwest::{Method, StatusCode};
use serde_json::Value;

const CLIENT_ID: &str = "acme:client";
/// Characters that Basic only carries when each part is form-encoded first (RFC 6749 §2.3.1).
const CLIENT_SECRET: &str = "we:ird %+&=/secret-0123456789abcdef0123456789abcdef";

/// The provider, ended with the test.
struct Provider {
    child: Child,
    base: String,
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
    fn start(port: u16, redirect_uri: &str) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/end2end");
        let mut child = Command::new("node")
            .arg("oidc-provider.mjs")
            .current_dir(folder)
            .env("PORT", port.to_string())
            .env("REDIRECT_URI", redirect_uri)
            .env("CLIENT_ID", CLIENT_ID)
            .env("CLIENT_SECRET", CLIENT_SECRET)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Node 20 is needed: run ./test, which installs it");
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        out.read_line(&mut first).unwrap();
        assert_eq!(first, "listening\n", "run `npm ci` in end2end/, or ./test, which does");
        Self { child, base: format!("http://127.0.0.1:{port}"), _out: out }
    }

    async fn stats(&self) -> Value {
        Browser::new(self.base.parse().unwrap()).get("/_stats").await.json()
    }

    /// Spends a refresh token behind Hitchpost's back.
    async fn refresh(&self, token: &str) -> Page {
        let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let basic = format!("{}:{}", encode(CLIENT_ID), encode(CLIENT_SECRET));
        let basic =
            format!("Basic {}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, basic));
        let body = format!("grant_type=refresh_token&refresh_token={}", encode(token));
        let mut caller = Browser::new(self.base.parse().unwrap());
        caller.send(Method::POST, "/token", &[("authorization", &basic)], Some(body)).await
    }
}

async fn started() -> (TestApp, Provider) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let base = format!("http://127.0.0.1:{port}");
    let config = format!(
        r#"
[server]
egress_allow = ["127.0.0.1:{port}"]
[[workspace]]
key = "acme"
name = "Acme"
secret = "{secret}"
[[workspace.integration]]
key = "certified"
connector = "file:certified.toml"
client_id = "{CLIENT_ID}"
client_secret = "{CLIENT_SECRET}"
"#,
        secret = app::SECRET,
    );
    let connector = format!(
        r#"
name = "Certified"
categories = ["other"]
status = "reviewed"
docs = "https://github.com/panva/node-oidc-provider/blob/main/docs/README.md"
[api]
base = "{base}"
hosts = ["127.0.0.1:{port}"]
test = {{ path = "/me" }}
account = {{ id = "sub", label = "sub" }}
[[auth]]
key = "oauth2"
type = "oauth2"
issuer = "{base}"
client_auth = "basic"
scopes = {{ default = ["openid", "offline_access"] }}
authorize = {{ url = "{base}/auth", params = {{ prompt = "consent" }} }}
token = {{ url = "{base}/token" }}
revoke = {{ url = "{base}/token/revocation" }}
refresh = {{ rotates = true }}
use = {{ headers = {{ Authorization = "Bearer {{{{access_token}}}}" }} }}
"#
    );
    let app = TestApp::with_files(&config, &[("certified.toml", &connector)]).await;
    let workspace = app.engine.workspace_by_key("acme").await.unwrap();
    let redirect_uri = app.engine.callback_uri(workspace.integration("certified").unwrap());
    let provider = Provider::start(port, &redirect_uri);
    (app, provider)
}

/// Follows the provider's own pages as `login`, up to the address that comes back to us.
async fn consented(browser: &mut Browser, address: &str, login: &str) -> String {
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
        fields.entry("login".to_owned()).and_modify(|value| *value = login.to_owned());
        fields.entry("password".to_owned()).and_modify(|value| *value = "any".to_owned());
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let action = page.url.join(&action).unwrap();
        page = browser.post(action.as_str(), &fields).await;
    }
    panic!("the provider's pages did not come to an end");
}

async fn connected(app: &TestApp) -> (Scope, ConnectionId) {
    let mut browser = app.signed_in("c1").await;
    let left = browser.submit("certified", &[]).await.location();
    let returned = consented(&mut browser, &left, "ada").await;
    let arrived = browser.get(&returned).await;
    assert_eq!(arrived.location(), "/?notice=connected&app=certified", "{}", arrived.body);
    let connections = app.connections("c1").await;
    assert_eq!(connections[0]["name"], "ada", "the account behind the connection is known");
    (app.scope("c1").await, ConnectionId::parse(connections[0]["id"].as_str().unwrap()).unwrap())
}

#[tokio::test]
async fn code_with_pkce_refresh_with_rotation_and_revocation() {
    let (app, provider) = started().await;
    let (scope, id) = connected(&app).await;
    let first = app.engine.fresh(scope, id).await.unwrap();

    app.clock.advance(Duration::from_secs(2 * 60 * 60));
    let second = app.engine.fresh(scope, id).await.unwrap();

    let (old, new) = (first.refresh_token.unwrap(), second.refresh_token.unwrap());
    assert_ne!(old.expose(), new.expose(), "the provider rotates");
    let stats = provider.stats().await;
    assert_eq!((&stats["code"], &stats["refresh"], &stats["refused"]), (&1.into(), &1.into(), &0.into()));

    let mut browser = app.signed_in("c1").await;
    let page = browser.get("/apps/certified").await;
    browser.press(&page, "delete").await.assert_status(StatusCode::SEE_OTHER);
    assert_eq!(provider.stats().await["revocation"], 2);
    let dead = provider.refresh(new.expose()).await;
    assert_eq!(dead.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn a_hundred_callers_with_one_expired_token_cause_one_refresh_there() {
    let (app, provider) = started().await;
    let (scope, id) = connected(&app).await;

    for round in 1..=20_u64 {
        app.clock.advance(Duration::from_secs(2 * 60 * 60));
        let fresh = futures_util::future::join_all((0..100).map(|_| app.engine.fresh(scope, id))).await;
        let tokens: Vec<_> =
            fresh.into_iter().map(|fresh| fresh.unwrap().access_token.unwrap().expose().clone()).collect();
        assert!(tokens.iter().all(|token| *token == tokens[0]));
        assert_eq!(provider.stats().await["refresh"], round);
    }

    let stats = provider.stats().await;
    assert_eq!((&stats["refused"], &stats["reuse"]), (&0.into(), &0.into()));
}

#[tokio::test]
async fn a_refresh_token_used_behind_our_back_ends_the_connection_honestly_and_a_reconnect_heals_it() {
    let (app, provider) = started().await;
    let (scope, id) = connected(&app).await;
    let stolen = app.engine.fresh(scope, id).await.unwrap().refresh_token.unwrap();
    provider.refresh(stolen.expose()).await.assert_status(StatusCode::OK);

    app.clock.advance(Duration::from_secs(2 * 60 * 60));
    let ended = app.engine.fresh(scope, id).await;

    assert!(matches!(ended, Err(RefreshError::Disconnected(DisconnectReason::GrantRevoked))));
    let (_, again) = connected(&app).await;
    assert_eq!(again, id, "the same connection, with new credentials");
    app.engine.fresh(scope, id).await.unwrap();
}

#[tokio::test]
async fn a_customer_who_declines_there_is_told_so_here() {
    let (app, _provider) = started().await;
    let mut browser = app.signed_in("c1").await;
    let left = browser.submit("certified", &[]).await.location();
    let first = browser.get(&left).await;
    let asked = first.url.join(first.header("location")).unwrap();
    let page = browser.get(asked.as_str()).await;
    let abort =
        page.body.split('"').find(|part| part.ends_with("/abort")).expect("a way to decline").to_owned();
    let mut answer = browser.get(page.url.join(&abort).unwrap().as_str()).await;
    while !answer.url.path().starts_with("/oauth/callback/") && answer.status.is_redirection() {
        let next = answer.url.join(answer.header("location")).unwrap();
        answer = browser.get(next.as_str()).await;
    }

    let result = browser.get(&answer.location()).await;
    result.assert_says("access was declined");
    assert!(app.connections("c1").await.is_empty());
}
