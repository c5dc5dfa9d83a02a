//! Connector parameters: what the developer sets for one connection, and the customer never sees.

mod guarded;
mod kept;

use std::time::Duration;

use hitchpost::{
    model::{Access, Connection, Surface},
    store::ConnectionFilter,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use super::{
    app::{Browser, Page, SECRET, TestApp},
    provider::{Provider, Seen},
};

const CONFIG: &str = r#"
[server]
sandbox = true
[[workspace]]
key = "acme"
name = "Acme"
secret = "acme-secret-0123456789abcdef-0123456789"
allowed_origins = ["https://app.acme.com"]
integration = [
  { key = "tool", connector = "file:tool.toml", sandbox = true },
  { key = "set", connector = "file:tool.toml", sandbox = true, scopes = ["of.integration"], connector_parameters = { zone = "b", note = "note-of-integration" } },
  { key = "salesforce", sandbox = true },
  { key = "slack", sandbox = true },
]
[[workspace]]
key = "strict"
name = "Strict"
secret = "strict-secret-0123456789abcdef-01234567"
allowed_origins = ["https://app.acme.com"]
require_signed_parameters = true
integration = [{ key = "tool", connector = "file:tool.toml", sandbox = true }]
"#;

const STRICT_SECRET: &str = "strict-secret-0123456789abcdef-01234567";
const ORIGIN: &str = "https://app.acme.com";

/// One parameter of each kind: an environment, a signed one, a secret one, one of the integration only.
const TOOL: &str = r#"
name = "Tool"
[api]
base = "https://{{zone_host}}/v1"
hosts = ["a.tool.example", "b.tool.example", "c.tool.example", "login.tool.example"]
headers = { X-Tenant = "{{param.tenant}}", X-Note = "{{param.note}}", X-Fixed = "{{param.fixed}}" }
test = { path = "/me" }
account = { id = "id", label = "name" }
[parameters.zone]
enum = ["a", "b", "c"]
default = "a"
sets.a = { zone_host = "a.tool.example" }
sets.b = { zone_host = "b.tool.example" }
sets.c = { zone_host = "c.tool.example" }
[parameters.tenant]
type = "string"
pattern = "^[a-z-]{1,40}$"
default = "nobody"
signed = true
[parameters.note]
type = "string"
default = "note-of-connector"
secret = true
[parameters.fixed]
type = "string"
default = "fixed-of-connector"
integration_only = true
[[auth]]
key = "key"
type = "api-key"
use = { headers = { X-Key = "{{key}}" } }
field = [{ name = "key", title = "Key", secret = true }, { name = "team", title = "Team" }]
[[auth]]
key = "oauth2"
type = "oauth2"
scopes = { separator = ",", default = ["of.connector"], on_refresh = true }
authorize = { url = "https://login.tool.example/authorize" }
token = { url = "https://login.tool.example/token", expires_in = 3600 }
refresh = { rotates = false }
revoke = { url = "https://login.tool.example/revoke" }
use = { headers = { Authorization = "Bearer {{access_token}}" } }
"#;

async fn app() -> (TestApp, Provider) {
    let answer = |seen: &Seen| {
        let mut reply = json!({ "id": "1", "user_id": "1", "name": "Ada", "preferred_username": "ada@example.com", "ok": true });
        if seen.path.ends_with("token") || seen.path.ends_with("oauth.v2.access") {
            let org = if seen.host.starts_with("test.") { "acme--dev.sandbox" } else { "acme" };
            reply["access_token"] = "an-access-token".into();
            reply["refresh_token"] = "a-refresh-token".into();
            reply["expires_in"] = 3600.into();
            reply["instance_url"] = format!("https://{org}.my.salesforce.com").into();
        }
        (200, reply)
    };
    let provider = Provider::new(answer).await;
    let app = TestApp::played_by(provider.address, CONFIG, &[("tool.toml", TOOL)]).await;
    (app, provider)
}

/// A token that signs connector parameters.
fn signing(app: &TestApp, customer: &str, parameters: &Value) -> String {
    app.signed(
        SECRET,
        &json!({ "iss": "acme", "id": customer, "exp": app.now() + 600, "connectorParameters": parameters }),
    )
}

/// A token of the backend, for one of its customers.
fn backend(app: &TestApp, customer: &str) -> String {
    app.signed(SECRET, &json!({ "iss": "acme", "id": customer, "isAdmin": true, "exp": app.now() + 600 }))
}

/// The product's page posts a form with a `payload`, signed in by `token`.
async fn post_form(app: &TestApp, browser: &mut Browser, token: &str, payload: &Value) -> Page {
    let mut payload = payload.clone();
    payload["token"] = token.into();
    payload["redirectUri"] = "https://app.acme.com/back".into();
    let answer = browser.post_from(ORIGIN, "/connect", &[("payload", &payload.to_string())]).await;
    assert_eq!(answer.url.origin(), app.base.origin());
    answer
}

fn key_payload(parameters: &Value) -> Value {
    json!({ "integrationKey": "tool", "authOptionKey": "key", "input": { "key": "canary-typed-key", "team": "blue" }, "connectorParameters": parameters })
}

/// Connects the tool by form with a key; what the answer to a good connect says.
async fn connect_by_form(app: &TestApp, customer: &str, payload: &Value) {
    let answer = post_form(app, &mut app.browser(), &app.token(customer), payload).await;
    assert!(
        answer.location().starts_with("https://app.acme.com/back?connectionId="),
        "{}",
        answer.location()
    );
}

/// Comes back from the provider's address with a code.
async fn back(app: &TestApp, browser: &mut Browser, integration: &str, left: &str) -> Page {
    let state = param(left, "state");
    let workspace = app.engine.workspace_by_key("acme").await.unwrap();
    let id = workspace.integration(integration).unwrap().integration.id;
    browser.get(&format!("/oauth/callback/{id}?code=a-code&state={state}")).await
}

#[track_caller]
fn param(address: &str, name: &str) -> String {
    let url = Url::parse(address).unwrap();
    url.query_pairs()
        .find(|(found, _)| found == name)
        .unwrap_or_else(|| panic!("{name} in {address}"))
        .1
        .into_owned()
}

/// The customer's only connection, as it is stored.
async fn stored(app: &TestApp, customer: &str) -> Connection {
    let session = app.engine.authenticate(&app.token(customer), Surface::Page).await.unwrap();
    let found =
        app.engine.find_connections(&Access::from(&session), &ConnectionFilter::default()).await.unwrap();
    assert_eq!(found.items.len(), 1, "connections of {customer}");
    found.items.into_iter().next().unwrap().connection
}

/// The test call that the customer's connection makes now.
async fn test_call(app: &TestApp, provider: &Provider, customer: &str) -> Seen {
    let connection = stored(app, customer).await;
    app.engine.check(app.scope(customer).await, connection.id).await.unwrap();
    provider.last("/me")
}

/// Everything of a record that says how it was set up, and what a call with it carries.
async fn record(app: &TestApp, provider: &Provider, customer: &str) -> Value {
    let connection = stored(app, customer).await;
    let call = test_call(app, provider, customer).await;
    json!({
        "input": connection.input,
        "plain": connection.connector_parameters,
        "sealed": connection.sealed_parameters.is_some(),
        "option": connection.auth_option,
        "account": connection.account,
        "host": call.host,
        "key": call.header("x-key"),
        "note": call.header("x-note"),
        "tenant": call.header("x-tenant"),
    })
}

/// Acceptance 55: by a form to `/connect`, by a claim and the hosted page's own form, by the backend.
#[tokio::test]
async fn the_three_ways_to_give_parameters_make_equal_records() {
    let (app, provider) = app().await;
    let parameters = json!({ "zone": "b", "note": "canary-note", "scopes": ["x.read"] });
    let payload = key_payload(&parameters);

    connect_by_form(&app, "by-form", &payload).await;
    let mut browser = app.browser();
    browser
        .get(&format!("/?token={}", signing(&app, "by-claim", &parameters)))
        .await
        .assert_status(StatusCode::SEE_OTHER);
    let answer = browser.submit("tool", &[("input[key]", "canary-typed-key"), ("input[team]", "blue")]).await;
    assert_eq!(answer.location(), "/?notice=connected&app=tool");
    let answer = app.browser().post_json("/connect", &backend(&app, "by-backend"), &payload).await;
    answer.assert_status(StatusCode::OK);
    assert_eq!(answer.json()["connection"]["customerId"], "by-backend");

    let first = record(&app, &provider, "by-form").await;
    assert_eq!(
        first,
        json!({
            "input": { "team": "blue" },
            "plain": { "zone": "b", "scopes": ["x.read"] },
            "sealed": true,
            "option": "key",
            "account": { "id": "1", "label": "Ada" },
            "host": "b.tool.example",
            "key": "canary-typed-key",
            "note": "canary-note",
            "tenant": "nobody",
        })
    );
    assert_eq!(record(&app, &provider, "by-claim").await, first);
    assert_eq!(record(&app, &provider, "by-backend").await, first);
}

/// Acceptance 55: every shape that `/connect` reads carries them.
#[tokio::test]
async fn query_form_and_json_carry_parameters_alike() {
    let (app, provider) = app().await;
    let parameters = json!({ "zone": "c", "scopes": ["x.read"] }).to_string();
    let input = json!({ "key": "k", "team": "t" }).to_string();
    let pairs = |customer: &str| {
        let token = app.token(customer);
        let pairs = [
            ("integrationKey", "tool"),
            ("input", &input),
            ("connectorParameters", &parameters),
            ("token", &token),
        ];
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    };
    let mut browser = app.browser();

    browser.get(&format!("/connect?{}", pairs("query"))).await.assert_status(StatusCode::SEE_OTHER);
    let headers = [("accept", "text/html"), ("origin", ORIGIN)];
    browser
        .send(Method::POST, "/connection-popup", &headers, Some(pairs("form")))
        .await
        .assert_status(StatusCode::SEE_OTHER);
    let payload = key_payload(&serde_json::from_str(&parameters).unwrap()).to_string();
    let body = json!({ "payload": payload, "token": app.token("wrapped") });
    app.browser().post_json("/connect", "unused", &body).await.assert_status(StatusCode::OK);

    for customer in ["query", "form", "wrapped"] {
        let record = record(&app, &provider, customer).await;
        assert_eq!(record["plain"], json!({ "zone": "c", "scopes": ["x.read"] }), "{customer}");
        assert_eq!(record["host"], "c.tool.example", "{customer}");
    }
}

/// Acceptance 57: connection over integration over connector, parameter by parameter.
#[tokio::test]
async fn a_connection_goes_before_its_integration_and_that_before_the_connector() {
    let (app, provider) = app().await;
    let with = |integration: &str, parameters: Value| {
        let mut payload = key_payload(&parameters);
        payload["integrationKey"] = integration.into();
        payload
    };

    for (customer, payload, host, note) in [
        ("none", with("tool", json!({})), "a.tool.example", "note-of-connector"),
        ("integration", with("set", json!({})), "b.tool.example", "note-of-integration"),
        ("zone", with("set", json!({ "zone": "c" })), "c.tool.example", "note-of-integration"),
        ("note", with("set", json!({ "note": "own" })), "b.tool.example", "own"),
        ("both", with("set", json!({ "zone": "a", "note": "own" })), "a.tool.example", "own"),
    ] {
        connect_by_form(&app, customer, &payload).await;
        let call = test_call(&app, &provider, customer).await;
        assert_eq!((call.host.as_str(), call.header("x-note")), (host, note), "{customer}");
        assert_eq!(call.header("x-fixed"), "fixed-of-connector");
    }
}

/// Acceptance 57, 58: a list is replaced whole, and joined as the provider wants it.
#[tokio::test]
async fn scopes_of_a_connection_replace_the_others_in_the_authorize_address_and_on_refresh() {
    let (app, provider) = app().await;

    for (customer, integration, parameters, expected) in [
        ("default", "tool", json!({}), "of.connector"),
        ("integration", "set", json!({}), "of.integration"),
        ("own", "set", json!({ "scopes": ["b.write", "a.read"] }), "b.write,a.read"),
    ] {
        let mut browser = app.browser();
        let payload = json!({ "integrationKey": integration, "authOptionKey": "oauth2", "connectorParameters": parameters });
        let left = post_form(&app, &mut browser, &app.token(customer), &payload).await.location();
        assert_eq!(param(&left, "scope"), expected);
        back(&app, &mut browser, integration, &left).await.assert_status(StatusCode::SEE_OTHER);

        let (scope, id) = (app.scope(customer).await, stored(&app, customer).await.id);
        app.clock.advance(Duration::from_secs(2 * 60 * 60));
        app.engine.fresh(scope, id).await.unwrap();

        let renewal = provider.last("/token");
        assert_eq!(renewal.param("grant_type").as_deref(), Some("refresh_token"));
        assert_eq!(renewal.param("scope").as_deref(), Some(expected), "{customer}");
    }
}

/// Acceptance 58: each provider's own separator and parameter name.
#[tokio::test]
async fn scopes_are_separated_as_each_provider_wants_them() {
    let (app, _provider) = app().await;

    for (integration, option, name, scopes, expected) in [
        ("slack", "oauth2", "scope", json!(["team:read", "users:read"]), "team:read,users:read"),
        ("slack", "oauth2-user", "user_scope", json!(["search:read"]), "search:read"),
        ("salesforce", "oauth2", "scope", json!(["api", "web"]), "api web"),
    ] {
        let payload = json!({ "integrationKey": integration, "authOptionKey": option, "connectorParameters": { "scopes": scopes } });
        let left = post_form(&app, &mut app.browser(), &app.token("c1"), &payload).await.location();
        assert_eq!(param(&left, name), expected, "{integration} {option}");
    }
}

/// Acceptance 59: authorize, token, test, refresh and revoke of that connection, and of no other.
#[tokio::test]
async fn an_environment_changes_every_host_of_its_connection_only() {
    let (app, provider) = app().await;
    let mut all = Vec::new();

    for (customer, parameters) in [("sandboxed", json!({ "environment": "sandbox" })), ("live", json!({}))] {
        let mut browser = app.browser();
        let payload = json!({ "integrationKey": "salesforce", "connectorParameters": parameters });
        let left = post_form(&app, &mut browser, &app.token(customer), &payload).await.location();
        let authorize = Url::parse(&left).unwrap().path().split('/').nth(2).unwrap().to_owned();
        back(&app, &mut browser, "salesforce", &left).await.assert_status(StatusCode::SEE_OTHER);
        let mut hosts = vec![authorize];
        hosts.extend(provider.take().into_iter().map(|call| call.host));
        all.push(hosts);
    }
    for (customer, hosts) in ["sandboxed", "live"].into_iter().zip(&mut all) {
        let (scope, id) = (app.scope(customer).await, stored(&app, customer).await.id);
        app.clock.advance(Duration::from_secs(2 * 60 * 60));
        app.engine.fresh(scope, id).await.unwrap();
        app.engine.check(scope, id).await.unwrap();
        let session = app.engine.authenticate(&app.token(customer), Surface::Page).await.unwrap();
        app.engine.archive(&Access::from(&session), &id.to_string()).await.unwrap();
        hosts.extend(provider.take().into_iter().map(|call| call.host));
    }

    let hosts = |login: &str, org: &str| {
        let (login, org) = (format!("{login}.salesforce.com"), format!("{org}.my.salesforce.com"));
        // Authorize, token, test; refresh, test, revoke of both tokens.
        [&login, &login, &org, &login, &org, &login, &login].map(Clone::clone).to_vec()
    };
    assert_eq!(all[0], hosts("test", "acme--dev.sandbox"));
    assert_eq!(all[1], hosts("login", "acme"));
}

/// Acceptance 45, 55: a backend starts, a browser goes on, and the parameters are there.
#[tokio::test]
async fn parameters_of_a_backend_reach_the_provider_through_the_customers_browser() {
    let (app, provider) = app().await;
    let payload = json!({ "integrationKey": "tool", "authOptionKey": "oauth2", "connectorParameters": { "tenant": "of-backend", "scopes": ["x.read", "y.write"] } });

    let answer = app.browser().post_json("/connect", &backend(&app, "c1"), &payload).await;
    let address = answer.json()["redirectUrl"].as_str().unwrap().to_owned();
    let mut browser = app.browser();
    let page = browser.get(&address).await;
    let left = browser.press(&page, "connect").await.location();
    back(&app, &mut browser, "tool", &left).await.assert_status(StatusCode::SEE_OTHER);

    assert_eq!(param(&left, "scope"), "x.read,y.write");
    assert_eq!(provider.last("/token").header("x-tenant"), "of-backend");
    assert_eq!(provider.last("/me").header("x-tenant"), "of-backend");
}
