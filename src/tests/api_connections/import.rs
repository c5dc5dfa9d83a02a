//! Connections that a backend brings along, and credentials that it reads out.

use std::time::Duration;

use super::{super::customers::audited, *};

fn login(customer: &str, credentials: Value) -> Value {
    json!({ "customerId": customer, "integrationKey": "tool", "authOptionKey": "login", "credentials": credentials })
}

#[tokio::test]
async fn a_backend_brings_a_key_along_and_the_customer_is_made_at_first_sight() {
    let (app, provider) = with_tool().await;
    let more = json!({ "name": "Main", "key": "main", "meta": { "crm": 7 }, "input": { "region": "us" },
                       "connectorParameters": { "zone": "b", "note": "hush" } });

    let made = imported(&app, keyed_with("c9", more)).await;
    let again = import(&app, keyed_with("c9", json!({ "credentials": { "api_key": "good-two" } }))).await;

    for (name, value) in [
        ("name", json!("Main")),
        ("key", json!("main")),
        ("meta", json!({ "crm": 7 })),
        ("customerId", json!("c9")),
        ("authOptionKey", json!("key")),
        ("input", json!({ "region": "us" })),
        ("connectorParameters", json!({ "zone": "b", "note": "********" })),
        ("connected", json!(true)),
        ("disconnected", json!(false)),
    ] {
        assert_eq!(made[name], value, "{name}");
    }
    let tried = &provider.calls()[0];
    assert_eq!((tried.host.as_str(), tried.path.as_str()), ("b.tool.example", "/v1/me"));
    for (name, value) in [("authorization", "Bearer good-one"), ("x-region", "us"), ("x-note", "hush")] {
        assert_eq!(tried.header(name), value);
    }
    again.assert_status(StatusCode::OK);
    assert_eq!((&again.json()["id"], &again.json()["name"]), (&made["id"], &json!("Main")));
    assert_eq!(app.connections("c9").await.len(), 1);
    assert_eq!(app.connections("c9").await[0].get("connectorParameters"), None);
    let noted = audited(&app).await;
    assert!(
        noted.ends_with(&["connection.created".to_owned(), "connection.reconnected".to_owned()]),
        "{noted:?}"
    );
}

#[tokio::test]
async fn what_does_not_fit_is_refused_by_its_path_and_nothing_is_stored() {
    let (app, provider) = with_tool().await;
    let good = |name: &str| json!({ "accessToken": "good-one", "site_id": "s1", name: "x y" });

    for (body, path) in [
        (json!({ "integrationKey": "tool" }), "customerId"),
        (json!({ "customerId": "c1" }), "integrationKey"),
        (json!({ "customerId": 7, "integrationKey": "tool" }), "customerId"),
        (keyed_with("c1", json!({ "name": " " })), "name"),
        (keyed_with("c1", json!({ "name": "x".repeat(257) })), "name"),
        (keyed_with("c1", json!({ "key": "" })), "key"),
        (keyed_with("c1", json!({ "key": "a/b" })), "key"),
        (keyed_with("c1", json!({ "key": "x".repeat(101) })), "key"),
        (keyed_with("c1", json!({ "key": "0199a1b2-0000-7000-8000-000000000000" })), "key"),
        (keyed_with("c1", json!({ "meta": "x".repeat(16 * 1024) })), "meta"),
        (keyed_with("c1", json!({ "credentials": "x" })), "credentials"),
        (keyed_with("c1", json!({ "credentials": {} })), "credentials.api_key"),
        (keyed_with("c1", json!({ "credentials": { "api_key": ["x"] } })), "credentials.api_key"),
        (keyed_with("c1", json!({ "credentials": { "api_key": "x", "apikey": "x" } })), "credentials.apikey"),
        (
            keyed_with("c1", json!({ "credentials": { "api_key": "x", "accessToken": "x" } })),
            "credentials.accessToken",
        ),
        (keyed_with("c1", json!({ "input": { "region": "Europe" } })), "input.region"),
        (keyed_with("c1", json!({ "connectorParameters": { "zone": "z" } })), "connectorParameters.zone"),
        (keyed_with("c1", json!({ "connectorParameters": { "zones": "a" } })), "connectorParameters.zones"),
        (
            keyed_with("c1", json!({ "connectorParameters": { "note": "********" } })),
            "connectorParameters.note",
        ),
        (keyed_with("c1", json!({ "authOptionKey": "nothing" })), "authOptionKey"),
        (keyed_with("c1", json!({ "test": "no" })), "test"),
        (login("c1", json!({})), "credentials.accessToken"),
        (login("c1", good("accessToken")), "credentials.accessToken"),
        (login("c1", good("refreshToken")), "credentials.refreshToken"),
        (login("c1", good("expiresAt")), "credentials.expiresAt"),
        (login("c1", good("expiresIn")), "credentials.expiresIn"),
        (login("c1", good("scopes")), "credentials.scopes"),
        (
            login(
                "c1",
                json!({ "accessToken": "good-one", "expiresAt": "2030-01-01T00:00:00Z", "expiresIn": 5 }),
            ),
            "credentials.expiresIn",
        ),
        (login("c1", json!({ "accessToken": "good-one" })), "credentials.site_id"),
        (login("c1", json!({ "refreshToken": "rt-1" })), "credentials.site_id"),
    ] {
        let refused = import(&app, body.clone()).await;
        refused.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
        let fields = refused.json()["data"]["fields"].clone();
        assert!(fields[path].is_string(), "{path}: {fields}");
        assert!(!refused.body.contains("x y"), "{}", refused.body);
    }
    import(&app, json!({ "customerId": "c1", "integrationKey": "nothing" }))
        .await
        .assert_error(StatusCode::NOT_FOUND, "not_found");
    let refused = import(&app, keyed_with("c1", json!({ "credentials": { "api_key": "bad" } }))).await;
    refused.assert_error(StatusCode::BAD_REQUEST, "test_failed");
    assert!(app.connections("c1").await.is_empty());
    assert_eq!(provider.count("/token"), 0);
}

#[tokio::test]
async fn a_token_that_has_ended_is_kept_and_renewed_by_the_first_that_needs_it() {
    let (app, provider) = with_tool().await;
    let body = login("c1", json!({ "refreshToken": "rt-1", "site_id": "s1" }));

    let made = imported(&app, body).await;
    let asked_before = provider.calls().len();
    let path = format!("/connections/{}?includeSecrets=true", id_of(&made));
    let read = get(&app, &path, &backend(&app)).await.json();

    assert_eq!((asked_before, &made["connected"]), (0, &json!(true)));
    assert_eq!(provider.last("/token").param("refresh_token").as_deref(), Some("rt-1"));
    assert_eq!(read["credentials"]["accessToken"], "good-renewed");
    assert_eq!(read["credentials"]["refreshToken"], "rt-2");
    assert_eq!(read["credentials"]["site_id"], "s1");
    assert!(read["nextCredentialsRefreshAt"].is_string());
}

#[tokio::test]
async fn the_site_that_is_named_is_the_one_that_the_connection_is_for() {
    let (app, provider) = with_tool().await;
    let token = json!({ "accessToken": "good-ada", "refreshToken": "rt", "expiresIn": 3600, "site_id": "s2", "scopes": ["read"] });

    let made = imported(&app, login("c1", token.clone())).await;

    assert_eq!(made["name"], "Two · Account ada");
    assert_eq!(provider.last("/v1/me").header("x-site"), "s2");
    let path = format!("/connections/{}?includeSecrets=true", id_of(&made));
    let read = get(&app, &path, &backend(&app)).await.json()["credentials"].clone();
    for name in ["accessToken", "refreshToken", "site_id", "scopes"] {
        assert_eq!(read[name], token[name], "{name}");
    }
    // What was read out can be brought along again.
    let mut body = login("c2", read);
    body["name"] = "Twin".into();
    assert_eq!(imported(&app, body).await["name"], "Twin");
}

/// Security S5.
#[tokio::test]
async fn credentials_are_read_where_the_workspace_says_so_by_its_backend_and_never_unnoticed() {
    let (app, _provider) = with_tool().await;
    let made = imported(&app, keyed("c1")).await;
    let path = format!("/connections/{}", id_of(&made));
    let asking = format!("{path}?includeSecrets=true");

    let read = get(&app, &asking, &backend(&app)).await.json();
    let own = get(&app, &asking, &backend_for(&app, "c1")).await.json();
    let customer = get(&app, &asking, &app.token("c1")).await;
    let unasked = get(&app, &format!("{path}?includeSecrets=false"), &backend(&app)).await.json();
    let listed = get(&app, "/connections?includeSecrets=true", &backend(&app)).await.json();

    assert_eq!(read["credentials"], json!({ "api_key": "good-one" }));
    assert_eq!(own["credentials"], read["credentials"]);
    customer.assert_error(StatusCode::FORBIDDEN, "access_denied");
    assert!(unasked.get("credentials").is_none() && listed["items"][0].get("credentials").is_none());
    let reads =
        audited(&app).await.into_iter().filter(|action| action == "connection.credentials_read").count();
    assert_eq!(reads, 2);
    let off = json!({ "allowCredentialsRead": false });
    call(&app, Method::PATCH, "/workspace", &backend(&app), off).await.assert_status(StatusCode::OK);
    for path in [asking.as_str(), "/connections/unknown?includeSecrets=true"] {
        let refused = get(&app, path, &backend(&app)).await;
        refused.assert_error(StatusCode::FORBIDDEN, "credentials_not_readable");
        refused.assert_says("allow_credentials_read");
    }
}

#[tokio::test]
async fn credentials_of_a_connection_that_has_ended_are_not_read() {
    let (app, _provider) = with_tool().await;
    let body = login("c1", json!({ "accessToken": "good-ada", "expiresIn": 600, "site_id": "s1" }));
    let made = imported(&app, body).await;
    app.clock.advance(Duration::from_secs(601));

    let path = format!("/connections/{}?includeSecrets=true", id_of(&made));
    let refused = get(&app, &path, &backend(&app)).await;

    refused.assert_error(StatusCode::CONFLICT, "not_renewable");
    assert_eq!(refused.json()["key"], "connection_is_defunct");
}
