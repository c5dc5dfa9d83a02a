//! Connections that are changed.

use super::{super::customers::audited, *};

async fn patch(app: &TestApp, selector: &str, token: &str, body: Value) -> Page {
    call(app, Method::PATCH, &format!("/connections/{selector}"), token, body).await
}

async fn patched(app: &TestApp, selector: &str, token: &str, body: Value) -> Value {
    let page = patch(app, selector, token, body).await;
    page.assert_status(StatusCode::OK);
    page.json()
}

#[tokio::test]
async fn a_customer_names_keys_and_annotates_their_connection() {
    let (app, _provider) = with_tool().await;
    let made = imported(&app, keyed("c1")).await;
    let (id, token) = (id_of(&made), app.token("c1"));
    assert_eq!(made["name"], "Account one");

    let first =
        patched(&app, id, &token, json!({ "name": "Sales", "key": "main", "meta": { "a": [1] } })).await;
    let second = patched(&app, "main", &token, json!({ "name": null })).await;
    let third = patched(&app, id, &token, json!({ "key": null, "meta": null })).await;

    assert_eq!(
        (&first["name"], &first["key"], &first["meta"]),
        (&json!("Sales"), &json!("main"), &json!({ "a": [1] }))
    );
    assert_eq!((&second["name"], &second["key"]), (&json!("Account one"), &json!("main")));
    assert_eq!((&third["key"], &third["meta"]), (&Value::Null, &Value::Null));
    let updates = audited(&app).await.into_iter().filter(|action| action == "connection.updated").count();
    assert_eq!(updates, 3);
}

#[tokio::test]
async fn what_is_sent_back_as_it_was_shown_changes_nothing() {
    let (app, _provider) = with_tool().await;
    let more = json!({ "connectorParameters": { "zone": "b", "note": "hush" }, "input": { "region": "us" } });
    let made = imported(&app, keyed_with("c1", more)).await;
    let before = audited(&app).await.len();

    for token in [app.token("c1"), backend(&app)] {
        let shown = get(&app, "/connections/tool", &token).await.json();
        let put = call(&app, Method::PUT, "/connections/tool", &token, shown.clone()).await;
        let patched = patched(&app, "tool", &token, shown.clone()).await;

        assert_eq!((put.json(), &patched), (shown.clone(), &shown));
    }

    assert_eq!(audited(&app).await.len(), before);
    let named = call(
        &app,
        Method::PUT,
        "/connections/tool",
        &app.token("c1"),
        json!({ "name": "Sales", "createdAt": "1999", "state": "BUILDING" }),
    )
    .await;
    assert_eq!((&named.json()["name"], &named.json()["createdAt"]), (&json!("Sales"), &made["createdAt"]));
    let unnamed = call(&app, Method::PUT, "/connections/tool", &app.token("c1"), json!({})).await.json();
    assert_eq!((&unnamed["name"], &unnamed["input"]), (&made["name"], &made["input"]));
}

#[tokio::test]
async fn what_does_not_fit_or_cannot_be_changed_is_refused_by_its_path() {
    let (app, _provider) = with_tool().await;
    imported(&app, keyed_with("c1", json!({ "key": "taken", "allowMultipleConnections": true }))).await;
    let made = imported(&app, keyed_with("c1", json!({ "allowMultipleConnections": true }))).await;
    let id = id_of(&made);

    for (body, path) in [
        (json!({ "name": 5 }), "name"),
        (json!({ "name": "" }), "name"),
        (json!({ "name": "a\nb" }), "name"),
        (json!({ "key": "confirm" }), "key"),
        (json!({ "key": ".." }), "key"),
        (json!({ "meta": { "a": "x".repeat(17_000) } }), "meta"),
        (json!({ "connectorParameters": [] }), "connectorParameters"),
        (json!({ "connectorParameters": { "zone": 1 } }), "connectorParameters.zone"),
        (json!({ "connectorParameters": { "note": "********" } }), "connectorParameters.note"),
        (json!({ "authOptionKey": "nothing", "credentials": {} }), "authOptionKey"),
        (json!({ "authOptionKey": "login" }), "credentials"),
        (json!({ "credentials": { "api_key": null } }), "credentials.api_key"),
        (json!({ "input": { "region": "far away" } }), "input.region"),
        (json!({ "integrationId": "x" }), "integrationId"),
        (json!({ "customerId": "c2" }), "customerId"),
        (json!({ "nmae": "x" }), "nmae"),
    ] {
        let refused = patch(&app, id, &backend(&app), body).await;
        refused.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
        assert!(refused.json()["data"]["fields"][path].is_string(), "{path}: {}", refused.body);
    }
    patch(&app, id, &backend(&app), json!({ "key": "taken" }))
        .await
        .assert_error(StatusCode::CONFLICT, "already_exists");
    let text = call(&app, Method::PATCH, &format!("/connections/{id}"), &backend(&app), json!([1])).await;
    text.assert_error(StatusCode::BAD_REQUEST, "malformed_input");
    assert_eq!(get(&app, &format!("/connections/{id}"), &backend(&app)).await.json(), made);
}

/// Acceptance 60 and 61.
#[tokio::test]
async fn a_backend_sets_connector_parameters_one_by_one_and_takes_them_away() {
    let (app, provider) = with_tool().await;
    imported(&app, keyed("c1")).await;
    let token = backend(&app);
    let shown = async |body: Value| patched(&app, "tool", &token, body).await["connectorParameters"].clone();
    let tested = async || {
        provider.take();
        call(&app, Method::POST, "/connections/tool/test", &token, Value::Null)
            .await
            .assert_status(StatusCode::OK);
        let call = provider.last("/v1/me");
        (call.host.clone(), call.header("x-note").to_owned())
    };

    let first = shown(json!({ "connectorParameters": { "zone": "b", "note": "hush" } })).await;
    assert_eq!(first, json!({ "zone": "b", "note": "********" }));
    assert_eq!(tested().await, ("b.tool.example".to_owned(), "hush".to_owned()));
    let merged = shown(json!({ "connectorParameters": { "zone": null, "note": "********" } })).await;
    assert_eq!(merged, json!({ "note": "********" }));
    assert_eq!(tested().await, ("a.tool.example".to_owned(), "hush".to_owned()));
    let whole = call(
        &app,
        Method::PUT,
        "/connections/tool",
        &token,
        json!({ "connectorParameters": { "zone": "b" } }),
    )
    .await;
    assert_eq!(whole.json()["connectorParameters"], json!({ "zone": "b" }));
    assert_eq!(tested().await, ("b.tool.example".to_owned(), "no note".to_owned()));
    assert_eq!(shown(json!({ "connectorParameters": null })).await, json!({}));
    assert_eq!(tested().await, ("a.tool.example".to_owned(), "no note".to_owned()));
}

#[tokio::test]
async fn a_backend_replaces_credentials_of_the_same_account_and_they_are_tried_first() {
    let (app, provider) = with_tool().await;
    let made = imported(&app, keyed("c1")).await;
    let token = backend(&app);
    let with = |key: &str| json!({ "credentials": { "api_key": key } });

    let refused = patch(&app, "tool", &token, with("bad")).await;
    let other = patch(&app, "tool", &token, with("good-bob")).await;
    let still = get(&app, "/connections/tool?includeSecrets=true", &token).await.json();
    let renewed = patched(&app, "tool", &token, with("good-one-new")).await;
    let moved = patched(&app, "tool", &token, json!({ "input": { "region": "us" } })).await;

    refused.assert_error(StatusCode::BAD_REQUEST, "test_failed");
    other.assert_error(StatusCode::BAD_REQUEST, "account_mismatch");
    assert_eq!(still["credentials"], json!({ "api_key": "good-one" }));
    assert_eq!((&renewed["id"], &renewed["connected"]), (&made["id"], &json!(true)));
    assert_eq!(moved["input"], json!({ "region": "us" }));
    let tried = provider.last("/v1/me");
    assert_eq!((tried.header("authorization"), tried.header("x-region")), ("Bearer good-one-new", "us"));
    let login = json!({ "authOptionKey": "login", "test": false, "credentials": { "accessToken": "good-x", "site_id": "s1" } });
    assert_eq!(patched(&app, "tool", &token, login).await["authOptionKey"], "login");
}

#[tokio::test]
async fn what_is_a_backends_alone_a_customer_may_not_change() {
    let (app, _provider) = with_tool().await;
    let made = imported(&app, keyed("c1")).await;
    let path = format!("/connections/{}", id_of(&made));

    for body in [
        json!({ "connectorParameters": { "zone": "b" } }),
        json!({ "connectorParameters": null }),
        json!({ "credentials": { "api_key": "good-one-2" } }),
        json!({ "input": { "region": "us" } }),
    ] {
        for method in [Method::PATCH, Method::PUT] {
            let refused = call(&app, method, &path, &app.token("c1"), body.clone()).await;
            refused.assert_error(StatusCode::FORBIDDEN, "access_denied");
        }
    }
    let refused = call(&app, Method::POST, "/connections", &app.token("c1"), keyed("c1")).await;
    refused.assert_error(StatusCode::FORBIDDEN, "access_denied");
    assert_eq!(get(&app, &path, &backend(&app)).await.json(), made);
}
