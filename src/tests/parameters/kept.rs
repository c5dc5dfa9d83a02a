//! What a connection keeps of its parameters when it is made again.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{app, backend, connect_by_form, key_payload, signing, stored, test_call};
use crate::{
    app::TestApp,
    canary::{finds, left_behind},
    provider::Provider,
};

/// Acceptance 61, 64.
#[tokio::test]
async fn a_reconnect_keeps_parameters_unless_new_ones_are_sent() {
    let (app, provider) = app().await;
    let first = key_payload(&json!({ "zone": "b", "note": "first-note", "scopes": ["x"] }));
    connect_by_form(&app, "c1", &first).await;
    let id = stored(&app, "c1").await.id;
    let mut without = key_payload(&json!({}));
    without.as_object_mut().unwrap().remove("connectorParameters");
    let mut null = without.clone();
    null["connectorParameters"] = Value::Null;

    for (payload, plain, host, note) in [
        (without.clone(), json!({ "zone": "b", "scopes": ["x"] }), "b.tool.example", "first-note"),
        (null, json!({ "zone": "b", "scopes": ["x"] }), "b.tool.example", "first-note"),
        (key_payload(&json!({ "zone": "c" })), json!({ "zone": "c" }), "c.tool.example", "note-of-connector"),
        (key_payload(&json!({ "note": "second-note" })), json!({}), "a.tool.example", "second-note"),
        (without.clone(), json!({}), "a.tool.example", "second-note"),
        (key_payload(&json!({})), json!({}), "a.tool.example", "note-of-connector"),
    ] {
        connect_by_form(&app, "c1", &payload).await;
        let connection = stored(&app, "c1").await;
        assert_eq!(Value::Object(connection.connector_parameters), plain, "{payload}");
        assert_eq!(connection.id, id);
        let call = test_call(&app, &provider, "c1").await;
        assert_eq!((call.host.as_str(), call.header("x-note")), (host, note), "{payload}");
    }
}

/// Acceptance 64: by name of the connection, by the hosted page's button, and for a further connection.
#[tokio::test]
async fn every_way_to_reconnect_keeps_parameters_and_a_further_connection_has_none() {
    let (app, provider) = app().await;
    connect_by_form(&app, "c1", &key_payload(&json!({ "zone": "b", "note": "kept-note" }))).await;
    let id = stored(&app, "c1").await.id;

    let named = json!({ "connectionId": id, "input": { "key": "new-key" } });
    app.browser().post_json("/connect", &app.token("c1"), &named).await.assert_status(StatusCode::OK);
    let call = test_call(&app, &provider, "c1").await;
    assert_eq!(
        (call.host.as_str(), call.header("x-note"), call.header("x-key")),
        ("b.tool.example", "kept-note", "new-key")
    );
    let mut browser = app.signed_in("c1").await;
    let page = browser.get(&format!("/apps/tool?connection={id}")).await;
    let answer = browser.submit_on(&page, &[("input[key]", "newer-key"), ("input[team]", "blue")]).await;
    assert_eq!(answer.location(), "/?notice=reconnected&app=tool");
    let call = test_call(&app, &provider, "c1").await;
    assert_eq!(
        (call.host.as_str(), call.header("x-note"), call.header("x-key")),
        ("b.tool.example", "kept-note", "newer-key")
    );

    let mut further = key_payload(&Value::Null);
    further["allowMultipleConnections"] = true.into();
    provider.take();
    app.browser().post_json("/connect", &app.token("c1"), &further).await.assert_status(StatusCode::OK);
    let call = provider.last("/me");
    assert_eq!((call.host.as_str(), call.header("x-note")), ("a.tool.example", "note-of-connector"));
    assert_eq!(app.connections("c1").await.len(), 2);
}

/// Security O1: a page cannot take away what was signed.
#[tokio::test]
async fn unsigned_parameters_do_not_take_a_signed_one_away() {
    let (app, provider) = app().await;
    let payload = key_payload(&json!({ "tenant": "of-backend", "zone": "b" }));
    app.browser().post_json("/connect", &backend(&app, "c1"), &payload).await.assert_status(StatusCode::OK);

    for parameters in [json!({ "zone": "c" }), json!({})] {
        connect_by_form(&app, "c1", &key_payload(&parameters)).await;
        assert_eq!(test_call(&app, &provider, "c1").await.header("x-tenant"), "of-backend", "{parameters}");
    }

    app.browser()
        .post_json("/connect", &backend(&app, "c1"), &key_payload(&json!({})))
        .await
        .assert_status(StatusCode::OK);
    assert_eq!(test_call(&app, &provider, "c1").await.header("x-tenant"), "nobody");
}

/// Acceptance 63: a hosted page goes on with what its token signed, as long as the page lives, over a
/// restart, and sealed.
#[tokio::test]
async fn a_page_session_keeps_what_its_token_signed() {
    let (app, _first) = app().await;
    let token = signing(&app, "c1", &json!({ "tenant": "canary-of-a-session", "zone": "c" }));
    let mut browser = app.browser();
    browser.get(&format!("/?token={token}")).await.assert_status(StatusCode::SEE_OTHER);
    let cookies = browser.cookies.clone();
    for (file, bytes) in left_behind(&app.folder) {
        assert!(!finds(&bytes, "canary-of-a-session"), "{file} holds it");
    }

    let folder = app.stop().await;
    let provider = Provider::new(|_| (200, json!({ "id": "1", "name": "Ada" }))).await;
    let app = TestApp::restarted(folder, provider.address).await;
    app.clock.advance(Duration::from_secs(8 * 60 * 60 - 60));
    let mut browser = app.browser();
    browser.cookies = cookies;
    let typed = [("input[key]", "k"), ("input[team]", "t")];
    assert_eq!(browser.submit("tool", &typed).await.location(), "/?notice=connected&app=tool");

    let call = provider.last("/me");
    assert_eq!((call.host.as_str(), call.header("x-tenant")), ("c.tool.example", "canary-of-a-session"));
    app.clock.advance(Duration::from_secs(61));
    browser.get("/apps/tool").await.assert_status(StatusCode::UNAUTHORIZED);
}
