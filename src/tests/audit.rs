//! The audit log: every change of state writes a line, and no line holds a secret.

use std::collections::BTreeSet;

use hitchpost::model::Action;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    app::{LOG, Page, TestApp},
    canary::{finds, left_behind},
    receiver::Receiver,
    webhooks::{HOOK_SECRET, backend, config},
};

async fn lines(app: &TestApp, query: &str) -> Vec<Value> {
    let page = app.browser().api(Method::GET, &format!("/audit{query}"), &backend(app, None)).await;
    page.assert_status(StatusCode::OK);
    page.json()["items"].as_array().unwrap().clone()
}

async fn post(app: &TestApp, address: &str, body: &Value) -> Page {
    let page = app.browser().post_json(address, &backend(app, None), body).await;
    assert!(page.status.is_success(), "{address}: {}", page.body);
    page
}

async fn send(app: &TestApp, method: Method, address: &str, body: &Value) {
    let bearer = format!("Bearer {}", backend(app, None));
    let headers = [("accept", "application/json"), ("authorization", bearer.as_str())];
    let page = app.browser().send(method, address, &headers, Some(body.to_string())).await;
    assert!(page.status.is_success(), "{address}: {}", page.body);
}

/// What the lines about one thing say, the oldest first: `actor action`.
async fn story(app: &TestApp, subject: &str) -> Vec<String> {
    let about = lines(app, &format!("?subject={subject}")).await;
    let words =
        |line: &Value| format!("{} {}", line["actor"].as_str().unwrap(), line["action"].as_str().unwrap());
    about.iter().rev().map(words).collect()
}

#[tokio::test]
async fn the_life_of_a_connection_is_told_with_who_did_what() {
    let receiver = Receiver::new().await;
    let app = TestApp::with(&config(&[&receiver])).await;
    let mut browser = app.signed_in("c1").await;
    browser.connect("hubspot", &[("email", "ada@example.com")]).await.assert_status(StatusCode::SEE_OTHER);
    let id = app.connections("c1").await[0]["id"].as_str().unwrap().to_owned();

    browser.connect("hubspot", &[("email", "ada@example.com")]).await.assert_status(StatusCode::SEE_OTHER);
    post(&app, &format!("/connections/{id}/events"), &json!({ "type": "IMPORT_DONE" })).await;
    let archived = app.browser().api(Method::DELETE, &format!("/connections/{id}"), &app.token("c1")).await;

    assert!(archived.status.is_success(), "{}", archived.body);
    let told = [
        "customer connection.created",
        "customer connection.reconnected",
        "backend connection.import_done",
        "customer connection.deleted",
    ];
    assert_eq!(story(&app, &id).await, told);
    let about = lines(&app, &format!("?subject={id}")).await;
    assert!(about.iter().all(|line| line["customerId"].is_string()));
    let messages = receiver.has(4).await;
    assert_eq!(messages.len(), 4, "each of them is an event as well");
}

#[tokio::test]
async fn a_disconnection_names_the_provider_and_its_reason() {
    let receiver = Receiver::new().await;
    let app = TestApp::with(&config(&[&receiver])).await;
    let mut browser = app.signed_in("c1").await;
    browser.connect("hubspot", &[("scenario", "no_refresh")]).await;
    let id = app.connections("c1").await[0]["id"].as_str().unwrap().to_owned();
    app.clock.advance(std::time::Duration::from_secs(7 * 60 * 60));

    let tested = post(&app, &format!("/connections/{id}/test"), &json!({})).await.json();
    let told = story(&app, &id).await;

    assert_eq!(tested["ok"], false);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].ends_with(" connection.disconnected"), "{told:?}");
    let line = &lines(&app, &format!("?subject={id}&action=connection.disconnected")).await[0];
    assert!(line["detail"]["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{line}");
    let told = receiver.has(2).await.remove(1);
    assert_eq!(told.json()["data"]["connection"]["disconnected"], true);
}

/// What no call of a backend does: a provider or the product's own API says that it is over.
const NOT_BY_CALL: [Action; 2] = [Action::ConnectionDisconnected, Action::AppCredentialsDisconnected];

/// Security S1, S7: a new action that nothing here writes fails this test, and so does a secret in a line.
#[tokio::test]
async fn every_action_there_is_is_written_by_the_call_that_does_it() {
    let receiver = Receiver::new().await;
    let app = TestApp::with(&config(&[&receiver])).await;
    let mut browser = app.signed_in("c1").await;
    browser.connect("hubspot", &[]).await.assert_status(StatusCode::SEE_OTHER);
    browser.connect("hubspot", &[]).await.assert_status(StatusCode::SEE_OTHER);

    send(
        &app,
        Method::PATCH,
        "/workspace",
        &json!({ "allowCredentialsRead": true, "yourApp": {
        "baseUri": format!("http://{}", receiver.address),
        "auth": { "type": "api-key", "use": { "headers": { "X-Key": "{{credentials.apiKey}}" } } },
    } }),
    )
    .await;
    let own = format!("Bearer {}", app.token("c1"));
    let headers = [("accept", "application/json"), ("authorization", own.as_str())];
    let given = json!({ "credentials": { "apiKey": "app-key-canary" } }).to_string();
    app.browser().send(Method::PATCH, "/self", &headers, Some(given)).await.assert_status(StatusCode::OK);
    post(&app, "/customers", &json!({ "internalId": "c9", "name": "Nine" })).await;
    send(&app, Method::PATCH, "/customers/c9", &json!({ "name": "Nine again" })).await;
    send(&app, Method::DELETE, "/customers/c9", &json!({})).await;
    post(&app, "/customers/c9/restore", &json!({})).await;
    post(&app, "/links", &json!({ "customerId": "c9" })).await;
    let imported = json!({
        "customerId": "c9", "integrationKey": "stripe", "credentials": { "api_key": "sk_test_canary_sandbox" },
    });
    let imported = post(&app, "/connections", &imported).await.json();
    let address = format!("/connections/{}", imported["id"].as_str().unwrap());
    send(&app, Method::PATCH, &address, &json!({ "name": "Named" })).await;
    let secrets = format!("{address}?includeSecrets=true");
    let read = app.browser().api(Method::GET, &secrets, &backend(&app, None)).await;
    read.assert_status(StatusCode::OK);
    post(&app, &format!("{address}/events"), &json!({ "type": "IMPORT_DONE" })).await;
    send(&app, Method::DELETE, &address, &json!({})).await;
    let github = json!({ "key": "github", "connectorKey": "github", "parameters": {
        "clientId": "id", "clientSecret": "client-secret-canary",
    } });
    post(&app, "/integrations", &github).await;
    send(&app, Method::PATCH, "/integrations/github", &json!({ "name": "Git" })).await;
    send(&app, Method::DELETE, "/integrations/github", &json!({})).await;
    post(&app, "/integrations/github/restore", &json!({})).await;
    let hook = post(&app, "/webhooks", &json!({ "url": receiver.url() })).await.json();
    let address = format!("/webhooks/{}", hook["id"].as_str().unwrap());
    send(&app, Method::PATCH, &address, &json!({ "events": null })).await;
    post(&app, &format!("{address}/rotate-secret"), &json!({})).await;
    send(&app, Method::DELETE, &address, &json!({})).await;
    let event = receiver.has(1).await.remove(0).id().to_owned();
    post(&app, &format!("/events/{event}/redeliver"), &json!({})).await;
    let key = app.engine.make_key("acme", None).await.unwrap();
    app.engine.retire_key("acme", &key.kid, std::time::Duration::ZERO).await.unwrap();

    let all = lines(&app, "?limit=1000").await;
    let done: BTreeSet<_> = all.iter().map(|line| line["action"].as_str().unwrap()).collect();
    let wanted = Action::ALL.into_iter().filter(|action| !NOT_BY_CALL.contains(action));
    let missing: Vec<_> = wanted.map(Action::as_str).filter(|action| !done.contains(action)).collect();
    assert!(missing.is_empty(), "nothing wrote {missing:?}");
    let text = serde_json::to_string(&all).unwrap();
    for secret in ["canary", "whsec_", "PRIVATE KEY", super::app::SECRET] {
        assert!(!text.contains(secret), "a line holds {secret}");
    }
}

/// Security S1: what a customer, a backend or the operator keeps secret is in no line.
#[tokio::test]
async fn neither_a_line_nor_a_file_nor_the_log_holds_a_signing_secret() {
    let receiver = Receiver::new().await;
    let app = TestApp::with(&config(&[&receiver])).await;
    let mut browser = app.signed_in("c1").await;
    browser.submit("stripe", &[("input[api_key]", "sk_test_canary_sandbox")]).await;
    let hook = post(&app, "/webhooks", &json!({ "url": receiver.url() })).await.json();
    let address = format!("/webhooks/{}", hook["id"].as_str().unwrap());
    let other = format!("http://{}/other?key=hook-canary", receiver.address);
    send(&app, Method::PATCH, &address, &json!({ "url": other })).await;
    let rotated = post(&app, &format!("{address}/rotate-secret"), &json!({})).await.json();
    let event = receiver.has(1).await.remove(0).id().to_owned();
    post(&app, &format!("/events/{event}/redeliver"), &json!({})).await;
    send(&app, Method::DELETE, &address, &json!({})).await;

    let all = lines(&app, "?limit=1000").await;

    let text = serde_json::to_string(&all).unwrap();
    let first = hook["secret"].as_str().unwrap();
    let second = rotated["secret"].as_str().unwrap();
    for secret in ["sk_test_canary", "hook-canary", "whsec_", first, second, super::app::SECRET] {
        assert!(!text.contains(secret), "a line holds {secret}");
    }
    let mut left = left_behind(&app.folder);
    left.push(("the log".to_owned(), std::fs::read(&*LOG).unwrap()));
    for (file, bytes) in &left {
        for secret in [first, second, HOOK_SECRET] {
            let secret = secret.strip_prefix("whsec_").unwrap();
            assert!(!finds(bytes, secret), "{file} holds a signing secret");
        }
    }
    let log = &left.last().unwrap().1;
    assert!(!finds(log, "hook-canary") && finds(log, &event), "the log names the event and no address");
    let applied = all.iter().find(|line| line["action"] == "workspace.configuration_applied").unwrap();
    assert_eq!(applied["detail"], json!({ "keys": 1, "integrations": 2, "webhooks": 1 }));
    assert_eq!(applied["actor"], "operator");
    let refused = app.browser().api(Method::GET, "/audit?action=nothing", &backend(&app, None)).await;
    refused.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
}
