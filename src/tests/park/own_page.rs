//! A page of the developer's own collects the credentials, and its backend hands them over.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{CONFIG, OWN, query};
use crate::{
    app::{Browser, LOG, OTHER_SECRET, Page, SECRET, TestApp},
    canary::{finds, left_behind},
    provider::{Provider, Seen},
};

/// The app, with a provider of the test's own behind it.
async fn app_with_provider() -> (TestApp, Provider) {
    let answer = |seen: &Seen| match seen.header("authorization") {
        "Bearer canary-wrong" => (401, json!({})),
        _ => (200, json!({ "id": "account-1" })),
    };
    let provider = Provider::new(answer).await;
    let app = TestApp::played_by(provider.address, CONFIG, &[("own.toml", OWN)]).await;
    (app, provider)
}

/// Goes to the developer's own page; gives the address of it.
async fn leave_for_own_page(browser: &mut Browser) -> url::Url {
    url::Url::parse(&browser.submit("own", &[]).await.location()).unwrap()
}

fn ticket(address: &url::Url) -> String {
    query(address.as_str(), "ticket")
}

fn admin(app: &TestApp) -> String {
    app.signed(SECRET, &json!({ "iss": "acme", "isAdmin": true, "exp": app.now() + 600 }))
}

async fn hand_over(app: &TestApp, token: &str, ticket: &str, body: &Value) -> Page {
    app.browser().post_json(&format!("/connect/continue/{ticket}"), token, body).await
}

/// Acceptance 39.
#[tokio::test]
async fn credentials_of_a_developers_own_page_connect_and_are_used_where_the_connector_says() {
    let (app, provider) = app_with_provider().await;
    let mut browser = app.signed_in("c1").await;
    let address = leave_for_own_page(&mut browser).await;
    assert_eq!(address.origin().ascii_serialization(), "https://app.acme.com");
    assert_eq!(
        (query(address.as_str(), "for"), query(address.as_str(), "at")),
        ("c1".to_owned(), "acme".to_owned())
    );

    let body = json!({ "credentials": { "token": "canary-token", "region": "us", "pin": "canary-1234", "extra": 5 }, "customerId": "c1" });
    let answer = hand_over(&app, &admin(&app), &ticket(&address), &body).await;
    answer.assert_status(StatusCode::OK);
    let redirect = answer.json()["redirectUrl"].as_str().unwrap().to_owned();
    assert!(redirect.starts_with(app.base.as_str()), "{redirect}");
    assert!(provider.calls().is_empty(), "nothing is called before the browser is back");
    let arrived = browser.get(&redirect).await;

    assert_eq!(arrived.location(), "/?notice=connected&app=own");
    let test = provider.last("/me");
    assert_eq!(test.host, "us.own.example");
    assert_eq!((test.header("authorization"), test.header("x-pin")), ("Bearer canary-token", "canary-1234"));
    let connections = app.connections("c1").await;
    assert_eq!(connections[0]["authOptionKey"], "proxy");
    assert!(!connections[0].to_string().contains("canary"), "{}", connections[0]);
}

/// Security L1: a ticket that was passed on connects the one who began it, or nobody.
#[tokio::test]
async fn handed_over_credentials_count_only_in_the_browser_that_left() {
    let (app, provider) = app_with_provider().await;
    let mut browser = app.signed_in("c1").await;
    let ticket = ticket(&leave_for_own_page(&mut browser).await);
    let body = json!({ "credentials": { "token": "canary-token" } });
    let answer = hand_over(&app, &admin(&app), &ticket, &body).await;
    let redirect = answer.json()["redirectUrl"].as_str().unwrap().to_owned();

    let stranger = app.browser().get(&redirect).await;

    stranger.assert_status(StatusCode::FORBIDDEN);
    browser.get(&redirect).await.assert_status(StatusCode::BAD_REQUEST);
    assert!(provider.calls().is_empty());
    assert!(app.connections("c1").await.is_empty());
}

/// Security T2, L6: only the workspace's own backend hands over, and only for its own customer.
#[tokio::test]
async fn only_the_workspaces_backend_hands_over_and_only_for_the_customer_it_names() {
    let (app, provider) = app_with_provider().await;
    let mut browser = app.signed_in("c1").await;
    let ticket = ticket(&leave_for_own_page(&mut browser).await);
    let good = json!({ "credentials": { "token": "canary-token" } });
    let elsewhere =
        app.signed(OTHER_SECRET, &json!({ "iss": "other", "isAdmin": true, "exp": app.now() + 600 }));
    let forged = app.signed(OTHER_SECRET, &json!({ "iss": "acme", "isAdmin": true, "exp": app.now() + 600 }));
    let named = json!({ "credentials": { "token": "canary-token" }, "customerId": "c2" });

    for (token, body, status, reason) in [
        (app.token("c1"), &good, StatusCode::FORBIDDEN, "access_denied"),
        (elsewhere, &good, StatusCode::NOT_FOUND, "not_found"),
        (forged, &good, StatusCode::UNAUTHORIZED, "bad_signature"),
        (admin(&app), &named, StatusCode::NOT_FOUND, "not_found"),
    ] {
        hand_over(&app, &token, &ticket, body).await.assert_error(status, reason);
    }
    let wrong = hand_over(&app, &admin(&app), &"A".repeat(43), &good).await;
    let malformed = hand_over(&app, &admin(&app), "short", &good).await;
    wrong.assert_error(StatusCode::NOT_FOUND, "not_found");
    assert_eq!(wrong.body, malformed.body, "an unknown ticket reads like one that cannot be");
    let path = format!("/connect/continue/{ticket}");
    let headers = [("accept", "application/json")];
    let nobody = app.browser().send(Method::POST, &path, &headers, Some(good.to_string())).await;
    nobody.assert_error(StatusCode::UNAUTHORIZED, "missing_token");

    assert!(provider.calls().is_empty());
    hand_over(&app, &admin(&app), &ticket, &good).await.assert_status(StatusCode::OK);
}

#[tokio::test]
async fn a_ticket_is_good_for_ten_minutes() {
    let (app, provider) = app_with_provider().await;
    let mut browser = app.signed_in("c1").await;
    let body = json!({ "credentials": { "token": "canary-token" } });
    let first = ticket(&leave_for_own_page(&mut browser).await);
    app.clock.advance(Duration::from_secs(590));
    let answer = hand_over(&app, &admin(&app), &first, &body).await;
    let redirect = answer.json()["redirectUrl"].as_str().unwrap().to_owned();
    assert_eq!(browser.get(&redirect).await.location(), "/?notice=connected&app=own");
    let second = ticket(&leave_for_own_page(&mut browser).await);
    let third = ticket(&leave_for_own_page(&mut browser).await);
    let answer = hand_over(&app, &admin(&app), &third, &body).await;
    let too_late = answer.json()["redirectUrl"].as_str().unwrap().to_owned();
    let calls = provider.calls().len();

    app.clock.advance(Duration::from_secs(601));

    let answer = hand_over(&app, &admin(&app), &second, &body).await;
    answer.assert_error(StatusCode::NOT_FOUND, "not_found");
    let answer = browser.get(&too_late).await;
    browser.get(&answer.location()).await.assert_says("took longer than ten minutes");
    assert_eq!(provider.calls().len(), calls);
}

#[tokio::test]
async fn credentials_are_handed_over_once() {
    let (app, provider) = app_with_provider().await;
    let mut browser = app.signed_in("c1").await;
    let ticket = ticket(&leave_for_own_page(&mut browser).await);
    let body = |token: &str| json!({ "credentials": { "token": token } });
    let answer = hand_over(&app, &admin(&app), &ticket, &body("canary-first")).await;
    let redirect = answer.json()["redirectUrl"].as_str().unwrap().to_owned();

    let second = hand_over(&app, &admin(&app), &ticket, &body("canary-second")).await;

    second.assert_error(StatusCode::BAD_REQUEST, "unknown_state");
    assert_eq!(browser.get(&redirect).await.location(), "/?notice=connected&app=own");
    assert_eq!(provider.last("/me").header("authorization"), "Bearer canary-first");
    hand_over(&app, &admin(&app), &ticket, &body("canary-third")).await.assert_status(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_its_field_and_the_ticket_stays_good() {
    let (app, provider) = app_with_provider().await;
    let mut browser = app.signed_in("c1").await;
    let ticket = ticket(&leave_for_own_page(&mut browser).await);

    for (credentials, field) in [
        (json!({ "token": "t", "region": "evil.example/#" }), "region"),
        (json!({ "token": "t", "pin": "1234" }), "pin"),
        (json!({ "token": "x".repeat(17 * 1024) }), "token"),
        (json!({ "token": "t", "odd": "x".repeat(17 * 1024) }), "odd"),
    ] {
        let answer = hand_over(&app, &admin(&app), &ticket, &json!({ "credentials": credentials })).await;
        answer.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
        let fields = answer.json()["data"]["fields"].clone();
        let named: Vec<_> = fields.as_object().unwrap().keys().collect();
        assert_eq!(named, [field], "{fields}");
        assert!(!answer.body.contains("evil.example"), "a refusal quotes no value");
    }
    for body in
        [json!({}), json!([]), json!({ "credentials": "text" }), json!({ "credentials": null }), json!(7)]
    {
        let answer = hand_over(&app, &admin(&app), &ticket, &body).await;
        answer.assert_error(StatusCode::BAD_REQUEST, "malformed_input");
    }

    assert!(provider.calls().is_empty());
    let good = json!({ "credentials": { "token": "canary-token" } });
    hand_over(&app, &admin(&app), &ticket, &good).await.assert_status(StatusCode::OK);
}

#[tokio::test]
async fn a_ticket_of_another_kind_of_attempt_takes_no_credentials() {
    let (app, _provider) = app_with_provider().await;
    let mut browser = app.signed_in("c1").await;
    let left = browser.submit("apple", &[]).await.location();

    let body = json!({ "credentials": { "token": "canary-token" } });
    let answer = hand_over(&app, &admin(&app), &query(&left, "state"), &body).await;

    answer.assert_error(StatusCode::NOT_FOUND, "not_found");
}

/// Acceptance 42.
#[tokio::test]
async fn a_developers_own_page_that_was_cancelled_ends_well() {
    let (app, provider) = app_with_provider().await;
    let mut browser = app.signed_in("c1").await;
    let ticket = ticket(&leave_for_own_page(&mut browser).await);
    let workspace = app.engine.workspace_by_key("acme").await.unwrap();
    let id = workspace.integration("own").unwrap().integration.id;

    let answer = browser.get(&format!("/oauth/callback/{id}?state={ticket}&error=access_denied")).await;

    browser.get(&answer.location()).await.assert_says("Own was not connected: access was declined");
    assert!(provider.calls().is_empty());
    let late = json!({ "credentials": { "token": "canary-token" } });
    hand_over(&app, &admin(&app), &ticket, &late).await.assert_status(StatusCode::NOT_FOUND);
}

/// A browser that comes back by itself brings no credentials.
#[tokio::test]
async fn a_browser_that_comes_back_before_the_backend_connects_nothing() {
    let (app, provider) = app_with_provider().await;
    let mut browser = app.signed_in("c1").await;
    let ticket = ticket(&leave_for_own_page(&mut browser).await);
    let workspace = app.engine.workspace_by_key("acme").await.unwrap();
    let id = workspace.integration("own").unwrap().integration.id;

    let own_words = "credentials.token=stolen&token=stolen&code=c";
    let answer = browser.get(&format!("/oauth/callback/{id}?state={ticket}&{own_words}")).await;

    browser.get(&answer.location()).await.assert_says("sent no credentials");
    assert!(provider.calls().is_empty());
}

#[tokio::test]
async fn credentials_that_the_test_call_refuses_connect_nothing() {
    let (app, provider) = app_with_provider().await;
    let mut browser = app.signed_in("c1").await;
    let ticket = ticket(&leave_for_own_page(&mut browser).await);
    let body = json!({ "credentials": { "token": "canary-wrong" } });
    let answer = hand_over(&app, &admin(&app), &ticket, &body).await;

    let back = browser.get(answer.json()["redirectUrl"].as_str().unwrap()).await;

    browser.get(&back.location()).await.assert_says("Own did not accept this");
    assert_eq!(provider.count("/me"), 1);
    assert!(app.connections("c1").await.is_empty());
}

/// Security S1: what is parked and what is stored is sealed.
#[tokio::test]
async fn handed_over_credentials_are_in_no_file_and_no_log() {
    let (app, _provider) = app_with_provider().await;
    let mut browser = app.signed_in("c1").await;
    let ticket = ticket(&leave_for_own_page(&mut browser).await);
    let body =
        json!({ "credentials": { "token": "canary-own-page-token", "pin": "canary-9876", "region": "zz" } });
    let answer = hand_over(&app, &admin(&app), &ticket, &body).await;
    let redirect = answer.json()["redirectUrl"].as_str().unwrap().to_owned();
    let secrets =
        ["canary-own-page-token".to_owned(), "canary-9876".to_owned(), query(&redirect, "parked"), ticket];
    let files = || {
        left_behind(&app.folder).into_iter().chain([("the log".to_owned(), std::fs::read(&*LOG).unwrap())])
    };

    let parked: Vec<_> = files().collect();
    browser.get(&redirect).await.assert_status(StatusCode::SEE_OTHER);
    let stored: Vec<_> = files().collect();

    assert!(stored.iter().any(|(_, bytes)| finds(bytes, "account-1")), "the scan finds what is there");
    for (file, bytes) in parked.iter().chain(&stored) {
        for secret in &secrets {
            assert!(!finds(bytes, secret), "{file} holds {secret}");
        }
    }
}
