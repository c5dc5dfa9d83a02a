//! Connections over the API: listed, named, changed, archived.

mod change;
mod import;
mod strangers;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    app::{Page, TestApp},
    customers::{backend, backend_for, call},
    provider::{Provider, Seen},
};

const CONFIG: &str = r#"
[server]
sandbox = true
[[workspace]]
key = "acme"
name = "Acme"
secret = "acme-secret-0123456789abcdef-0123456789"
allow_credentials_read = true
integration = [
  { key = "tool", connector = "file:tool.toml", sandbox = true },
  { key = "second", connector = "file:tool.toml", sandbox = true, name = "Zweites" },
  { key = "sendgrid" },
  { key = "hubspot", sandbox = true },
]
[[workspace]]
key = "other"
name = "Other"
secret = "other-secret-0123456789abcdef-012345678"
integration = [{ key = "hubspot", sandbox = true }, { key = "tool", connector = "file:tool.toml", sandbox = true }]
"#;

/// A key, and a login whose account has several sites; two environments and a secret parameter.
const TOOL: &str = r#"
name = "Tool"
[api]
base = "https://{{zone_host}}/v1"
hosts = ["a.tool.example", "b.tool.example"]
headers = { X-Note = "{{param.note}}" }
test = { path = "/me" }
account = { id = "id", label = "name" }
[parameters.zone]
enum = ["a", "b"]
default = "a"
sets.a = { zone_host = "a.tool.example" }
sets.b = { zone_host = "b.tool.example" }
[parameters.note]
type = "string"
default = "no note"
secret = true
[[auth]]
key = "key"
type = "api-key"
use = { headers = { Authorization = "Bearer {{api_key}}", X-Region = "{{region}}" } }
field = [
  { name = "api_key", title = "API key", secret = true },
  { name = "region", title = "Region", pattern = "^[a-z]{2}$", default = "eu" },
]
[[auth]]
key = "login"
type = "oauth2"
authorize = { url = "https://a.tool.example/authorize" }
token = { url = "https://a.tool.example/token" }
refresh = { rotates = true }
use = { headers = { Authorization = "Bearer {{access_token}}", X-Site = "{{site_id}}" } }
[[auth.discover]]
url = "https://a.tool.example/sites"
pick = { id = "id", label = "name" }
keep = { site_id = "id" }
"#;

/// Takes what begins with `good`; whoever calls is the account.
fn answer(seen: &Seen) -> (u16, Value) {
    if seen.path == "/token" {
        let token = json!({ "access_token": "good-renewed", "refresh_token": "rt-2", "token_type": "Bearer", "expires_in": 3600 });
        return (200, token);
    }
    let bearer = seen.header("authorization").strip_prefix("Bearer ").unwrap_or_default();
    match (bearer.starts_with("good"), seen.path.as_str()) {
        (false, _) => (401, json!({ "error": "unknown" })),
        (true, "/sites") => (200, json!([{ "id": "s1", "name": "One" }, { "id": "s2", "name": "Two" }])),
        (true, _) => {
            let account = bearer.split('-').nth(1).unwrap_or_default();
            (200, json!({ "id": account, "name": format!("Account {account}") }))
        }
    }
}

/// A server whose tools are played by this test.
async fn with_tool() -> (TestApp, Provider) {
    let provider = Provider::new(answer).await;
    let app = TestApp::played_by(provider.address, CONFIG, &[("tool.toml", TOOL)]).await;
    (app, provider)
}

/// A connection to the tool by its key, for a customer.
fn keyed(customer: &str) -> Value {
    json!({ "customerId": customer, "integrationKey": "tool", "credentials": { "api_key": "good-one" } })
}

/// The same with further members.
fn keyed_with(customer: &str, more: Value) -> Value {
    let mut body = keyed(customer);
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

async fn import(app: &TestApp, body: Value) -> Page {
    call(app, Method::POST, "/connections", &backend(app), body).await
}

async fn imported(app: &TestApp, body: Value) -> Value {
    let made = import(app, body).await;
    made.assert_status(StatusCode::CREATED);
    made.json()
}

fn id_of(connection: &Value) -> &str {
    connection["id"].as_str().unwrap()
}

async fn get(app: &TestApp, path: &str, token: &str) -> Page {
    call(app, Method::GET, path, token, Value::Null).await
}

/// Names of a list's items, with its cursor.
async fn names(app: &TestApp, path: &str, token: &str) -> (Vec<String>, Value) {
    let page = get(app, path, token).await;
    page.assert_status(StatusCode::OK);
    let page = page.json();
    let items = page["items"].as_array().unwrap();
    (items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect(), page["cursor"].clone())
}

/// Four connections: two customers, three integrations, one disconnected, and one archived one.
async fn furnished(app: &TestApp) {
    let untested = |customer: &str, integration: &str, name: &str| {
        let credentials =
            if integration == "sendgrid" { json!({ "api_key": "SG.x" }) } else { json!({ "api_key": "x" }) };
        json!({ "customerId": customer, "integrationKey": integration, "name": name, "test": false,
                "credentials": credentials, "allowMultipleConnections": true })
    };
    imported(app, untested("c1", "tool", "Alpha")).await;
    imported(app, untested("c1", "second", "Beta")).await;
    imported(app, untested("c2", "sendgrid", "Gamma alpha")).await;
    let over = json!({ "customerId": "c1", "integrationKey": "tool", "name": "Delta", "authOptionKey": "login", "test": false,
                       "credentials": { "accessToken": "x", "site_id": "s1", "expiresIn": 5 }, "allowMultipleConnections": true });
    imported(app, over).await;
    let gone = imported(app, untested("c1", "tool", "Gone")).await;
    call(app, Method::DELETE, &format!("/connections/{}", id_of(&gone)), &backend(app), Value::Null).await;
    app.clock.advance(std::time::Duration::from_secs(60));
    app.engine.refresh_due().await.unwrap();
}

/// Acceptance 19.
#[tokio::test]
async fn each_filter_narrows_the_list() {
    let (app, _provider) = with_tool().await;
    furnished(&app).await;
    let all = get(&app, "/connections", &backend(&app)).await.json();
    let ours = all["items"][1]["userId"].as_str().unwrap();
    assert_eq!(all["items"][1]["name"], "Gamma alpha");
    let tool = all["items"][0]["integrationId"].as_str().unwrap();

    for (query, expected) in [
        ("", "Delta Gamma alpha Beta Alpha"),
        ("integrationKey=tool", "Delta Alpha"),
        (&format!("integrationId={tool}"), "Delta Alpha"),
        (&format!("integrationId={tool}&integrationKey=second"), ""),
        ("integrationKey=nothing", ""),
        ("connectorId=sendgrid", "Gamma alpha"),
        ("connected=true", "Gamma alpha Beta Alpha"),
        ("connected=false", "Delta"),
        ("disconnected=true", "Delta"),
        ("disconnected=false", "Gamma alpha Beta Alpha"),
        ("disconnected=true&connected=true", ""),
        ("isTest=true", "Delta Beta Alpha"),
        ("isTest=false", "Gamma alpha"),
        ("search=ALPHA", "Gamma alpha Alpha"),
        ("search=zweites", "Beta"),
        ("customerId=c2", "Gamma alpha"),
        (&format!("userId={ours}"), "Gamma alpha"),
        ("tenantId=nobody", ""),
        ("customerId=c1&search=alpha", "Alpha"),
        ("includeArchived=true&integrationKey=tool", "Gone Delta Alpha"),
        ("includeArchived=true&connected=false", "Gone Delta"),
        ("hash=12&integrationKey=&search=%20&includeSecrets=true&limit=2", "Delta Gamma alpha"),
    ] {
        let (found, _) = names(&app, &format!("/connections?{query}"), &backend(&app)).await;
        assert_eq!(found.join(" "), expected, "{query}");
    }
}

#[tokio::test]
async fn a_customer_lists_their_own_whatever_they_ask_for() {
    let (app, _provider) = with_tool().await;
    furnished(&app).await;
    let (mine, theirs) = (app.token("c1"), backend_for(&app, "c2"));

    for (query, token, expected) in [
        ("", &mine, "Delta Beta Alpha"),
        ("customerId=c1", &mine, "Delta Beta Alpha"),
        ("customerId=c2", &mine, ""),
        ("userId=c2&includeArchived=true", &mine, ""),
        ("integrationKey=sendgrid", &mine, ""),
        ("includeArchived=true", &mine, "Gone Delta Beta Alpha"),
        ("", &theirs, "Gamma alpha"),
        ("customerId=c1", &theirs, ""),
    ] {
        let (found, _) = names(&app, &format!("/connections?{query}"), token).await;
        assert_eq!(found.join(" "), expected, "{query}");
    }
    let claims = json!({ "iss": "acme", "id": "c1", "integrations": ["second"], "exp": app.now() + 600 });
    let narrow = app.signed(super::app::SECRET, &claims);
    assert_eq!(names(&app, "/connections?limit=1", &narrow).await.0, ["Beta"]);
    assert_eq!(names(&app, "/connections?integrationKey=tool", &narrow).await.0, [""; 0]);
}

#[tokio::test]
async fn every_full_page_has_a_cursor_and_a_wrong_one_is_refused() {
    let (app, _provider) = with_tool().await;
    for name in ["1", "2", "3", "4"] {
        let more = json!({ "name": name, "allowMultipleConnections": true, "test": false });
        imported(&app, keyed_with("c1", more)).await;
    }
    let token = app.token("c1");

    let (first, cursor) = names(&app, "/connections?limit=2&cursor=0", &token).await;
    let next = format!("/connections?limit=2&cursor={}", cursor.as_str().unwrap());
    let (second, cursor) = names(&app, &next, &token).await;
    let next = format!("/connections?limit=2&cursor={}", cursor.as_str().unwrap());
    let last = names(&app, &next, &token).await;

    assert_eq!((first, second), (vec!["4".to_owned(), "3".to_owned()], vec!["2".to_owned(), "1".to_owned()]));
    assert_eq!(last, (Vec::new(), Value::Null));
    assert_eq!(names(&app, "/connections?limit=5", &token).await.1, Value::Null);
    for (query, reason) in [
        ("cursor=x", "invalid_cursor"),
        ("cursor=1", "invalid_cursor"),
        ("limit=0", "invalid_limit"),
        ("limit=1001", "invalid_limit"),
        ("disconnected=maybe", "invalid_query"),
        ("isTest=2", "invalid_query"),
        ("limit=1&limit=2", "invalid_query"),
    ] {
        let refused = get(&app, &format!("/connections?{query}"), &token).await;
        refused.assert_error(StatusCode::BAD_REQUEST, reason);
    }
}

/// Acceptance 75, 80: its id, its own key, then its integration's where that is the only one.
#[tokio::test]
async fn a_connection_is_named_by_id_by_its_own_key_or_by_its_integration() {
    let (app, _provider) = with_tool().await;
    let first = imported(&app, keyed_with("c1", json!({ "key": "second", "name": "First" }))).await;
    let token = app.token("c1");
    let named =
        async |selector: &str, token: &str| get(&app, &format!("/connections/{selector}"), token).await;

    for selector in [id_of(&first), "second", "tool"] {
        assert_eq!(named(selector, &token).await.json()["name"], "First", "{selector}");
    }
    named("hubspot", &token).await.assert_error(StatusCode::NOT_FOUND, "not_found");
    let more = json!({ "allowMultipleConnections": true, "name": "Next" });
    imported(&app, keyed_with("c1", more)).await;
    named("tool", &token).await.assert_error(StatusCode::CONFLICT, "ambiguous_selector");
    assert_eq!(
        named("second", &token).await.json()["name"],
        "First",
        "its own key goes before an integration's"
    );
    imported(&app, keyed_with("c2", json!({ "key": "second" }))).await;
    named("second", &backend(&app)).await.assert_error(StatusCode::CONFLICT, "ambiguous_selector");
    assert_eq!(named("second", &backend_for(&app, "c1")).await.json()["name"], "First");
}

/// Acceptance 22.
#[tokio::test]
async fn an_archived_connection_is_gone_from_lists_and_readable_by_its_id() {
    let (app, _provider) = with_tool().await;
    let made = imported(&app, keyed_with("c1", json!({ "key": "main" }))).await;
    let (path, token) = (format!("/connections/{}", id_of(&made)), app.token("c1"));

    let gone = call(&app, Method::DELETE, "/connections/main", &token, Value::Null).await;
    let again = call(&app, Method::DELETE, &path, &token, Value::Null).await;

    gone.assert_status(StatusCode::OK);
    assert_eq!((&gone.json()["id"], &gone.json()["connected"]), (&made["id"], &json!(false)));
    assert!(gone.json()["archivedAt"].as_str().unwrap().ends_with('Z'));
    assert_eq!(again.json(), gone.json());
    assert_eq!(get(&app, &path, &token).await.json(), gone.json());
    assert_eq!(names(&app, "/connections", &token).await.0, [""; 0]);
    for selector in ["main", "tool"] {
        let unknown = get(&app, &format!("/connections/{selector}"), &token).await;
        unknown.assert_error(StatusCode::NOT_FOUND, "not_found");
    }
    for method in [Method::PATCH, Method::PUT] {
        let refused = call(&app, method, &path, &token, json!({ "name": "x" })).await;
        refused.assert_error(StatusCode::NOT_FOUND, "not_found");
    }
    imported(&app, keyed_with("c1", json!({ "key": "main" }))).await;
}
