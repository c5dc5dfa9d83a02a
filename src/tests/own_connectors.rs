//! Connectors of a workspace's own, and where the secrets of others cannot be made to go.

use std::path::Path;

use hitchpost::{
    config::{Config, Environment},
    engine::ConfigureError,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    app::{Page, TestApp},
    customers::{backend, call},
    provider::Provider,
};

const WORKSPACE: &str = r#"
[server]
sandbox = true
[[workspace]]
key = "acme"
secret = "acme-secret-0123456789abcdef-0123456789"
allowed_origins = ["https://app.acme.com"]
"#;

/// An app with an OAuth client of the product's and a key of the customer's, on one host.
fn tickets(host: &str) -> String {
    format!(
        "name = \"Tickets\"\n[api]\nbase = \"https://{host}/api\"\n\
         [[auth]]\ntype = \"oauth2\"\nauthorize = \"https://{host}/authorize\"\ntoken = \"https://{host}/token\"\n\
         use = {{ headers = {{ Authorization = \"Bearer {{{{access_token}}}}\" }} }}\n\
         [[auth]]\ntype = \"api-key\"\nuse = {{ headers = {{ X-Key = \"{{{{key}}}}\" }} }}\n\
         field = [{{ name = \"key\", title = \"Key\", secret = true }}]\n"
    )
}

/// A self-hosted app: the host is a parameter of the integration, or what the customer types.
const SELF_HOSTED: &str = r#"
name = "Forge"
[api]
base = "https://{{param.server}}/api"
open_hosts = true
[parameters.server]
type = "string"
integration_only = true
[[auth]]
type = "client-credentials"
token = "https://{{param.server}}/token"
use = { headers = { Authorization = "Bearer {{access_token}}" } }
[[auth]]
type = "api-key"
use = { headers = { X-Key = "{{key}}" } }
field = [
  { name = "host", title = "Host" },
  { name = "key", title = "Key", secret = true },
]
[auth.api]
base = "https://{{host}}/api"
open_hosts = true
"#;

async fn patch(app: &TestApp, path: &str, body: Value) -> Page {
    call(app, Method::PATCH, path, &backend(app), body).await
}

/// A connection of customer c1 with a key of theirs.
async fn connected(app: &TestApp, integration: &str, input: Value) -> Value {
    let body = json!({ "customerId": "c1", "integrationKey": integration, "authOptionKey": "api-key",
                       "credentials": input });
    let made = call(app, Method::POST, "/connections", &backend(app), body).await;
    made.assert_status(StatusCode::CREATED);
    made.json()
}

/// Applies another configuration to the running server, as `hitchpost apply` does.
async fn applied(app: &TestApp, config: &str, files: &[(&str, &str)], moving: &[&str]) -> Result<(), String> {
    let path = app.folder.join("hitchpost.toml");
    std::fs::write(&path, config).unwrap();
    for (name, text) in files {
        std::fs::write(app.folder.join(name), text).unwrap();
    }
    let moving: Vec<_> = moving.iter().map(|key| (*key).to_owned()).collect();
    let config = Config::load(Some(&path), &Environment::default()).map_err(|error| error.to_string())?;
    let done: Result<_, ConfigureError> = app.engine.configure_moving(config.workspaces, &moving).await;
    done.map(|_| ()).map_err(|error| error.to_string())
}

fn integration(connector: &str, more: &str) -> String {
    format!(
        "{WORKSPACE}[[workspace.integration]]\nkey = \"tickets\"\nconnector = {connector}\nsandbox = true\n{more}\n"
    )
}

fn refusal(path: &Path, error: &str) -> String {
    error.replace(&path.display().to_string(), "hitchpost.toml")
}

#[tokio::test]
async fn a_connector_can_stand_in_the_configuration_itself() {
    let provider = Provider::new(|_| (200, json!({ "ok": true }))).await;
    let config = format!(
        "{WORKSPACE}[[workspace.integration]]\nkey = \"tickets\"\nsandbox = true\n\
         [workspace.integration.connector]\nname = \"Tickets\"\napi = {{ base = \"https://tickets.example/v1\" }}\n\
         [[workspace.integration.connector.auth]]\ntype = \"api-key\"\n\
         use = {{ headers = {{ X-Key = \"{{{{key}}}}\" }} }}\n\
         field = [{{ name = \"key\", title = \"Key\", secret = true }}]\n"
    );
    let app = TestApp::played_by(provider.address, &config, &[]).await;
    let connection = connected(&app, "tickets", json!({ "key": "k-123" })).await;

    let path = format!("/connections/{}/proxy/tickets", connection["id"].as_str().unwrap());
    let reply = call(&app, Method::GET, &path, &backend(&app), Value::Null).await;

    reply.assert_status(StatusCode::OK);
    let seen = provider.last("/v1/tickets");
    assert_eq!((seen.host.as_str(), seen.header("x-key")), ("tickets.example", "k-123"));
}

/// The sandbox plays what a workspace brings along as it plays what comes with us.
#[tokio::test]
async fn the_sandbox_plays_a_workspaces_own_connector_beside_ours_of_the_same_key() {
    let config = format!(
        "{WORKSPACE}[[workspace.integration]]\nkey = \"hubspot\"\nconnector = \"file:hubspot.toml\"\nsandbox = true\n\
         [[workspace.integration]]\nkey = \"real\"\nconnector = \"hubspot\"\nsandbox = true\n"
    );
    let app = TestApp::with_files(&config, &[("hubspot.toml", &tickets("tickets.example"))]).await;
    let mut browser = app.signed_in("c1").await;

    for key in ["hubspot", "real"] {
        browser.connect(key, &[]).await.assert_status(StatusCode::SEE_OTHER);
    }

    let connections = app.connections("c1").await;
    assert_eq!(connections.len(), 2, "{connections:?}");
    assert!(connections.iter().all(|connection| connection["connected"] == true), "{connections:?}");
}

#[tokio::test]
async fn a_connector_in_the_configuration_is_checked_like_a_file_and_its_line_is_named() {
    let app = TestApp::with(WORKSPACE).await;
    let begin = format!("{WORKSPACE}[[workspace.integration]]\nkey = \"tickets\"\n");
    let line = begin.lines().count();

    for (connector, expected) in [
        (
            "[workspace.integration.connector]\nname = \"Tickets\"\n[[workspace.integration.connector.auth]]\ntype = \"api-key\"\npcke = true\n",
            format!(
                "hitchpost.toml:{}: integration `tickets`: connector.auth[0].pcke: is not a key",
                line + 5
            ),
        ),
        (
            "connector = { name = \"Tickets\", auth = [{ type = \"magic\" }] }\n",
            format!(
                "hitchpost.toml:{}: integration `tickets`: connector.auth[0].type: must be one of",
                line + 1
            ),
        ),
        (
            "[workspace.integration.connector]\nname = \"Tickets\"\napi = { base = \"http://tickets.example\" }\n[[workspace.integration.connector.auth]]\ntype = \"api-key\"\nuse = { headers = { A = \"{{key}}\" } }\nfield = [{ name = \"key\", title = \"Key\", secret = true }]\n",
            format!(
                "hitchpost.toml:{}: integration `tickets`: connector.api.base: must begin with https://",
                line + 3
            ),
        ),
        ("connector = 3\n", "integration `tickets`: connector: write a key of the catalog".to_owned()),
    ] {
        let said = applied(&app, &format!("{begin}{connector}"), &[], &[]).await.unwrap_err();
        let said = refusal(&app.folder.join("hitchpost.toml"), &said);
        assert!(said.contains(&expected), "{said}\n{expected}");
    }
}

/// A file may have the name of a connector of ours: it is nobody's but its integration's.
#[tokio::test]
async fn a_file_with_the_key_of_a_known_app_changes_nothing_for_that_app() {
    let provider = Provider::new(|_| (200, json!({ "access_token": "t", "token_type": "bearer" }))).await;
    let mut own = tickets("evil.example");
    own = own.replace("name = \"Tickets\"", "name = \"HubSpot\"");
    let config = format!(
        "{WORKSPACE}[[workspace.integration]]\nkey = \"hubspot\"\nsandbox = true\nclient_id = \"our-id\"\n\
         client_secret = \"our-hubspot-secret\"\n\
         [[workspace.integration]]\nkey = \"other\"\nconnector = \"file:hubspot.toml\"\nsandbox = true\n\
         client_id = \"their-id\"\nclient_secret = \"their-secret\"\n"
    );
    let app = TestApp::played_by(provider.address, &config, &[("hubspot.toml", &own)]).await;

    for key in ["hubspot", "other"] {
        let mut browser = app.signed_in("c1").await;
        let left = browser.submit(key, &[]).await;
        left.assert_status(StatusCode::SEE_OTHER);
        let address: url::Url = left.location().parse().unwrap();
        let query: std::collections::BTreeMap<_, _> = address.query_pairs().into_owned().collect();
        let callback: url::Url = query["redirect_uri"].parse().unwrap();
        browser.get(&format!("{}?code=c&state={}", callback.path(), query["state"])).await;
    }

    let calls = provider.calls();
    let to = |host: &str| {
        calls.iter().filter(|seen| seen.host == host).map(|seen| seen.text()).collect::<String>()
    };
    assert!(to("api.hubapi.com").contains("our-hubspot-secret"), "{calls:?}");
    assert!(to("evil.example").contains("their-secret"), "{calls:?}");
    for seen in calls.iter().filter(|seen| seen.text().contains("our-hubspot-secret")) {
        assert_eq!(seen.host, "api.hubapi.com");
    }
}

#[tokio::test]
async fn connections_keep_their_connectors_hosts_until_somebody_says_otherwise() {
    let provider = Provider::new(|_| (200, json!({}))).await;
    let config = integration("\"file:tickets.toml\"", "");
    let mine = tickets("tickets.example");
    let app = TestApp::played_by(provider.address, &config, &[("tickets.toml", &mine)]).await;
    let connection = connected(&app, "tickets", json!({ "key": "k-123" })).await;
    let evil = tickets("evil.example");
    let more = mine.replace("https://tickets.example/token", "https://login.tickets.example/token");
    let inline = "{ name = \"T\", api = { base = \"https://evil.example\" }, auth = [{ type = \"api-key\", use = { headers = { A = \"{{key}}\" } }, field = [{ name = \"key\", title = \"K\", secret = true }] }] }";
    let path = format!("/connections/{}/proxy/x", connection["id"].as_str().unwrap());
    let called = async || {
        call(&app, Method::GET, &path, &backend(&app), Value::Null).await.assert_status(StatusCode::OK);
        provider.last("/x").host
    };

    for (text, config) in [
        (&evil, config.clone()),
        (&more, config.clone()),
        (&mine, integration("\"hubspot\"", "")),
        (&mine, integration(inline, "")),
    ] {
        let said = applied(&app, &config, &[("tickets.toml", text)], &[]).await.unwrap_err();
        assert!(said.contains("1 of its connections hold credentials that were not given for"), "{said}");
        assert!(said.contains("--allow-new-hosts tickets"), "{said}");
        assert_eq!(called().await, "tickets.example", "nothing was changed");
    }
    // One that is not what it was is not better for being put aside in between.
    applied(&app, WORKSPACE, &[], &[]).await.unwrap();
    applied(&app, &config, &[("tickets.toml", &evil)], &[]).await.unwrap_err();
    let renamed = mine.replace("\"Tickets\"", "\"Ticket desk\"");
    applied(&app, &config, &[("tickets.toml", &renamed)], &[]).await.unwrap();
    applied(&app, &config, &[("tickets.toml", &more)], &["tickets"]).await.unwrap();
    applied(&app, &config, &[("tickets.toml", &more)], &[]).await.unwrap();
    assert_eq!(called().await, "tickets.example");
    let id = connection["id"].as_str().unwrap();
    call(&app, Method::DELETE, &format!("/connections/{id}"), &backend(&app), Value::Null).await;
    applied(&app, &config, &[("tickets.toml", &evil)], &[]).await.unwrap();
}

#[tokio::test]
async fn a_backend_makes_a_connector_of_its_own_that_is_checked_like_a_file() {
    let provider = Provider::new(|_| (200, json!({}))).await;
    let app = TestApp::played_by(provider.address, WORKSPACE, &[]).await;
    let definition = json!({ "name": "Tickets", "api": { "base": "https://tickets.example/v1" },
        "auth": [{ "type": "api-key", "use": { "headers": { "X-Key": "{{key}}" } },
                   "field": [{ "name": "key", "title": "Key", "secret": true }] }] });
    let post = async |body: Value| call(&app, Method::POST, "/integrations", &backend(&app), body).await;

    let made = post(json!({ "key": "tickets", "connector": definition, "isTest": true })).await;
    made.assert_status(StatusCode::CREATED);
    let connection = connected(&app, "tickets", json!({ "key": "k-123" })).await;
    let path = format!("/connections/{}/proxy/x", connection["id"].as_str().unwrap());
    call(&app, Method::GET, &path, &backend(&app), Value::Null).await.assert_status(StatusCode::OK);

    assert_eq!(made.json()["name"], "Tickets");
    let seen = provider.last("/v1/x");
    assert_eq!((seen.host.as_str(), seen.header("x-key")), ("tickets.example", "k-123"));
    let mut wrong = definition.clone();
    wrong["api"]["base"] = "http://tickets.example".into();
    for (body, at) in [
        (json!({ "connector": definition }), "key"),
        (json!({ "key": "t2", "connector": definition, "connectorId": "hubspot" }), "connector"),
        (json!({ "key": "t2", "connector": {} }), "connector.name"),
        (json!({ "key": "t2", "connector": { "name": null } }), "connector"),
        (json!({ "key": "t2", "connector": wrong }), "connector.api.base"),
        (json!({ "key": "t2", "connector": "tickets" }), "connector"),
    ] {
        let refused = post(body).await;
        refused.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
        assert!(refused.json()["data"]["fields"][at].is_string(), "{at}: {}", refused.body);
    }
    let moved = patch(&app, "/integrations/tickets", json!({ "connector": definition })).await;
    moved.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
}

/// Where any host is open, the parameter that names it decides where the client secret goes.
#[tokio::test]
async fn a_backend_cannot_point_a_kept_client_secret_at_another_host() {
    let provider = Provider::new(|_| (200, json!({ "access_token": "t", "token_type": "bearer" }))).await;
    let more = "client_id = \"forge-id\"\nclient_secret = \"forge-secret\"\nconnector_parameters = { server = \"git.acme.example\" }";
    let app = TestApp::played_by(provider.address, WORKSPACE, &[]).await;
    applied(&app, &integration("\"file:forge.toml\"", more), &[("forge.toml", SELF_HOSTED)], &[])
        .await
        .unwrap();
    // What the file no longer names becomes the backend's own.
    applied(&app, WORKSPACE, &[], &[]).await.unwrap();
    call(&app, Method::POST, "/integrations/tickets/restore", &backend(&app), json!({}))
        .await
        .assert_status(StatusCode::OK);
    let parameters = |more: Value| {
        let mut parameters = json!({ "connectorParameters": { "server": "evil.example" } });
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "parameters": parameters })
    };

    let kept = patch(&app, "/integrations/tickets", parameters(json!({}))).await;
    let put = call(
        &app,
        Method::PUT,
        "/integrations/tickets",
        &backend(&app),
        parameters(json!({ "clientId": "forge-id" })),
    )
    .await;
    let renamed = patch(&app, "/integrations/tickets", json!({ "name": "Forge" })).await;
    let with_secret =
        patch(&app, "/integrations/tickets", parameters(json!({ "clientSecret": "another" }))).await;

    for refused in [kept, put] {
        refused.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
        assert!(refused.json()["data"]["fields"]["parameters.clientSecret"].is_string(), "{}", refused.body);
    }
    renamed.assert_status(StatusCode::OK);
    with_secret.assert_status(StatusCode::OK);
    connected(&app, "tickets", json!({ "host": "git.acme.example", "key": "k-123" })).await;
    let held = json!({ "parameters": { "clientSecret": "s", "connectorParameters": { "server": "third.example" } } });
    let held = patch(&app, "/integrations/tickets", held).await;
    held.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
    assert!(held.json()["data"]["fields"]["parameters.connectorParameters"].is_string(), "{}", held.body);
}

#[tokio::test]
async fn a_backend_cannot_point_kept_credentials_of_a_connection_at_another_host() {
    let provider = Provider::new(|_| (200, json!({}))).await;
    let app = TestApp::played_by(
        provider.address,
        &integration("\"file:forge.toml\"", ""),
        &[("forge.toml", SELF_HOSTED)],
    )
    .await;
    let connection = connected(&app, "tickets", json!({ "host": "git.acme.example", "key": "k-123" })).await;
    let path = format!("/connections/{}", connection["id"].as_str().unwrap());
    provider.take();

    let moved = patch(&app, &path, json!({ "input": { "host": "evil.example" } })).await;
    let same = patch(&app, &path, json!({ "input": { "host": "git.acme.example" }, "name": "Forge" })).await;

    moved.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
    assert!(moved.json()["data"]["fields"]["input.host"].is_string(), "{}", moved.body);
    same.assert_status(StatusCode::OK);
    assert!(provider.calls().iter().all(|seen| seen.host != "evil.example"), "{:?}", provider.calls());
    let anew = json!({ "input": { "host": "new.example" }, "credentials": { "host": "new.example", "key": "k-456" } });
    patch(&app, &path, anew).await.assert_status(StatusCode::OK);
}
