//! Tokens of the product's own API: renewed once, by one process, and ended only by a refusal.

use std::time::Duration;

use futures_util::future::join_all;
use hitchpost::{engine::AppCall, model::WorkspaceId};
use serde_json::json;

use super::*;

const OAUTH2: &str = r#"client_id = "hitchpost"
client_secret = "client-canary-2f61"
auth = { type = "oauth2", token = { url = "API/oauth2/token" } }"#;

/// A server, and a customer `c1` with tokens.
async fn granted(api: &Api) -> TestApp {
    let app = connected(api, OAUTH2).await;
    give(&app, api, "c1", json!({})).await;
    app
}

async fn give(app: &TestApp, api: &Api, customer: &str, more: Value) {
    let (access, refresh) = api.grant(customer);
    let mut credentials = json!({ "accessToken": access, "refreshToken": refresh });
    credentials.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    app.give(customer, credentials).await.assert_status(StatusCode::OK);
}

/// Acceptance 72.
#[tokio::test]
async fn fifty_calls_with_an_expired_token_cause_one_refresh_and_the_new_pair_is_kept() {
    let api = Api::new().await;
    let app = granted(&api).await;
    api.delay(Duration::from_millis(200));

    for round in 1..=3 {
        api.expire();
        let pages = join_all((0..50).map(|_| app.ask("c1", "/oauth2/me"))).await;

        for page in &pages {
            app.is_answered(page, "c1");
        }
        assert_eq!(api.refreshes(), (round, 0));
        app.clock.advance(Duration::from_secs(61));
    }
}

/// Acceptance 72.
#[tokio::test]
async fn two_processes_on_one_database_send_a_refresh_token_once() {
    let api = Api::new().await;
    let one = granted(&api).await;
    let other = TestApp::start(one.folder.clone()).await;
    api.delay(Duration::from_millis(300));

    for round in 1..=3 {
        api.expire();
        let asked = (0..50).map(|number| if number % 2 == 0 { &one } else { &other });
        let pages = join_all(asked.map(|app| app.ask("c1", "/oauth2/me"))).await;

        for page in &pages {
            one.is_answered(page, "c1");
        }
        assert_eq!(api.refreshes(), (round, 0));
        one.clock.advance(Duration::from_secs(61));
        other.clock.advance(Duration::from_secs(61));
    }
}

#[tokio::test]
async fn each_customers_tokens_are_renewed_on_their_own() {
    let api = Api::new().await;
    let app = granted(&api).await;
    give(&app, &api, "c2", json!({})).await;
    api.expire();

    let pages = join_all(["c1", "c2", "c1", "c2"].map(|customer| app.ask(customer, "/oauth2/me"))).await;

    for (page, customer) in pages.iter().zip(["c1", "c2", "c1", "c2"]) {
        app.is_answered(page, customer);
    }
    assert_eq!(api.refreshes(), (2, 0));
}

#[tokio::test]
async fn a_token_that_says_when_it_ends_is_renewed_before_the_api_has_to_refuse_it() {
    let api = Api::new().await;
    let app = connected(&api, OAUTH2).await;
    give(&app, &api, "c1", json!({ "expiresIn": 1800 })).await;

    app.is_answered(&app.ask("c1", "/oauth2/me").await, "c1");
    let before = api.refreshes();
    app.clock.advance(Duration::from_secs(29 * 60 + 1));
    app.is_answered(&app.ask("c1", "/oauth2/me").await, "c1");
    app.is_answered(&app.ask("c1", "/oauth2/me").await, "c1");

    assert_eq!((before, api.refreshes()), ((0, 0), (1, 0)));
    assert_eq!(api.calls().len(), 3, "none of them was refused");
}

#[tokio::test]
async fn a_refresh_token_alone_is_enough_to_begin_with() {
    let api = Api::new().await;
    let app = connected(&api, OAUTH2).await;
    let (_, refresh) = api.grant("c1");

    app.give("c1", json!({ "refresh_token": refresh })).await.assert_status(StatusCode::OK);
    let nothing = app.give("c2", json!({ "note": "none" })).await;

    app.is_answered(&app.ask("c1", "/oauth2/me").await, "c1");
    assert_eq!(
        nothing.json()["data"]["fields"]["credentials.access_token"],
        "There has to be an access token or a refresh token."
    );
}

/// Acceptance 72: the failure is flagged, audited and told.
#[tokio::test]
async fn a_refused_refresh_ends_the_credentials_and_new_ones_heal_them() {
    let api = Api::new().await;
    let app = granted(&api).await;
    api.expire();
    api.revoke();

    let refused = app.ask("c1", "/oauth2/me").await;
    let again = join_all((0..5).map(|_| app.ask("c1", "/oauth2/me"))).await;

    assert_eq!(
        (refused.json()["type"].as_str(), refused.json()["key"].as_str()),
        (Some("connection"), Some("connection_is_defunct"))
    );
    assert_eq!(refused.json()["data"]["reason"], "grant_revoked");
    assert!(again.iter().all(|page| page.body == refused.body));
    assert_eq!((api.refreshes().0, api.calls().len()), (1, 1), "no call leaves with dead credentials");
    let own = app.own("c1").await;
    assert_eq!(
        (&own["hasCredentials"], &own["credentialsError"]["data"]["reason"]),
        (&json!(true), &json!("grant_revoked"))
    );
    assert!(audited(&app).await.contains(&"customer.credentials_disconnected".to_owned()));
    let events = call(
        &app,
        Method::GET,
        "/events?type=customer.credentials_disconnected",
        &backend(&app),
        Value::Null,
    )
    .await
    .json();
    let told = &events["items"][0];
    assert_eq!(
        (&told["data"]["customer"]["internalId"], &told["data"]["reason"]),
        (&json!("c1"), &json!("grant_revoked"))
    );
    give(&app, &api, "c1", json!({})).await;
    app.is_answered(&app.ask("c1", "/oauth2/me").await, "c1");
    assert!(app.own("c1").await.get("credentialsError").is_none());
}

#[tokio::test]
async fn trouble_of_the_token_endpoint_ends_nothing() {
    let api = Api::new().await;
    let app = connected(&api, OAUTH2).await;
    give(&app, &api, "c1", json!({ "expiresIn": 1800 })).await;
    api.expire();
    api.trouble(Some((503, "temporarily_unavailable")));

    let passed_on = app.ask("c1", "/oauth2/me").await;
    app.clock.advance(Duration::from_secs(31 * 60));
    let ended = app.ask("c1", "/oauth2/me").await;
    let at_once = app.ask("c1", "/oauth2/me").await;
    let tries = api.refreshes().0;
    api.trouble(None);
    app.clock.advance(Duration::from_secs(5 * 60));

    passed_on.assert_status(StatusCode::UNAUTHORIZED);
    assert_eq!(passed_on.json()["error"], "who are you?", "the API's own answer");
    ended.assert_error(StatusCode::SERVICE_UNAVAILABLE, "provider_unreachable");
    at_once.assert_error(StatusCode::SERVICE_UNAVAILABLE, "provider_unreachable");
    assert_eq!(tries, 2, "the third call waits its turn");
    app.is_answered(&app.ask("c1", "/oauth2/me").await, "c1");
}

/// Security F5.
#[tokio::test]
async fn an_api_that_refuses_every_token_is_not_asked_in_a_loop() {
    let api = Api::new().await;
    let app = granted(&api).await;

    for _ in 0..5 {
        app.ask("c1", "/nobody").await.assert_status(StatusCode::UNAUTHORIZED);
    }
    let within = (api.refreshes().0, api.calls().len());
    app.clock.advance(Duration::from_secs(61));
    app.ask("c1", "/nobody").await.assert_status(StatusCode::UNAUTHORIZED);

    assert_eq!(within, (1, 6), "one renewal, one call made again");
    assert_eq!((api.refreshes(), api.calls().len()), ((2, 0), 8));
    assert!(app.own("c1").await.get("credentialsError").is_none());
}

#[tokio::test]
async fn a_key_that_is_refused_is_the_callers_business() {
    let api = Api::new().await;
    let app = connected(&api, BEARER).await;
    app.give("c1", json!({ "apiKey": "wrong" })).await.assert_status(StatusCode::OK);

    app.ask("c1", "/bearer").await.assert_status(StatusCode::UNAUTHORIZED);

    assert_eq!(api.calls().len(), 1);
    assert!(app.own("c1").await.get("credentialsError").is_none());
}

#[tokio::test]
async fn credentials_given_while_old_ones_are_renewed_win() {
    let api = Api::new().await;
    let app = granted(&api).await;
    api.expire();
    api.delay(Duration::from_millis(500));

    let asked = app.ask("c1", "/oauth2/me");
    let given = async {
        while api.refreshes().0 == 0 && api.calls().is_empty() {
            tokio::task::yield_now().await;
        }
        give(&app, &api, "c1", json!({ "note": "newer" })).await;
    };
    let (page, ()) = tokio::join!(asked, given);
    api.delay(Duration::ZERO);

    app.is_answered(&page, "c1");
    app.is_answered(&app.ask("c1", "/oauth2/me").await, "c1");
    assert_eq!(api.refreshes().1, 0);
}

#[tokio::test]
async fn a_client_is_the_customers_own_or_the_products() {
    let api = Api::new().await;
    let own = r#"auth = { type = "client-credentials", client = { id = "{{credentials.id}}", secret = "{{credentials.secret}}" }, token = { url = "API/oauth2/token" } }"#;
    let app = connected(&api, own).await;
    for customer in ["c1", "c2"] {
        let id = format!("{customer}-client");
        app.give(customer, json!({ "id": id, "secret": format!("{id}-secret") }))
            .await
            .assert_status(StatusCode::OK);
    }
    app.give("c3", json!({ "id": "c3-client", "secret": "wrong" })).await.assert_status(StatusCode::OK);
    let products = r#"client_id = "hitchpost"
client_secret = "client-canary-2f61"
auth = { type = "client-credentials", token = { url = "API/oauth2/token" } }"#;
    let shared = connected(&api, products).await;

    for customer in ["c1", "c2", "c1"] {
        app.is_answered(&app.ask(customer, "/oauth2/me").await, customer);
    }
    let refused = app.ask("c3", "/oauth2/me").await;
    let before = api.refreshes().0;
    let pages = join_all((0..20).map(|_| shared.ask("c9", "/oauth2/me"))).await;

    refused.assert_error(StatusCode::CONFLICT, "grant_revoked");
    assert_eq!(before, 3);
    for page in &pages {
        shared.is_answered(page, "everybody");
    }
    assert_eq!(api.refreshes().0, before + 1, "one token for twenty calls");
    assert_eq!(shared.own("c9").await["hasCredentials"], false);
}

/// Acceptance 79: connection events can be told to the app itself.
#[tokio::test]
async fn the_engine_calls_the_api_as_a_customer_too() {
    let api = Api::new().await;
    let app = granted(&api).await;
    let customer = app.scope("c1").await.customer.unwrap();
    api.expire();
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert("webhook-id", "evt_1".parse().unwrap());
    let hook =
        AppCall { method: Method::POST, path: "/oauth2/hooks".to_owned(), headers, body: b"{}".to_vec() };

    let reply = app.engine.call_your_app(WorkspaceId::of("acme"), customer, hook).await.unwrap();

    assert_eq!((reply.status, reply.body.as_slice()), (StatusCode::OK, br#"{"customer":"c1"}"#.as_slice()));
    let seen = api.calls();
    assert_eq!((seen.len(), seen[1].header("webhook-id"), seen[1].body.as_str()), (2, "evt_1", "{}"));
    assert_eq!(api.refreshes(), (1, 0));
}
