//! Connecting, reconnecting and deleting, the way a browser without JavaScript does it.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use url::Url;

use super::app::TestApp;

#[tokio::test]
async fn a_customer_connects_sees_reconnects_and_deletes() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("c1").await;

    let arrived = browser.connect("hubspot", &[]).await;
    assert_eq!(arrived.location(), "/?notice=connected&app=hubspot");
    let page = browser.get("/").await;
    page.assert_says("Connected");
    page.assert_says("sandbox-alice");
    let first = app.connections("c1").await;
    let page = browser.get("/apps/hubspot").await;

    let left = browser.press(&page, "reconnect").await;
    let returned = browser.consent(&left.location(), &[]).await;
    browser.get(&returned.location()).await.assert_status(StatusCode::SEE_OTHER);
    let second = app.connections("c1").await;
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_eq!(first[0]["id"], second[0]["id"]);

    let page = browser.get("/apps/hubspot").await;
    let deleted = browser.press(&page, "delete").await;
    assert_eq!(deleted.location(), "/?notice=deleted&app=hubspot");
    assert!(app.connections("c1").await.is_empty());
    assert_eq!(app.count("revoke").await, 2, "refresh token and access token");
    assert_eq!(
        browser.press(&page, "delete").await.location(),
        "/?notice=deleted&app=hubspot",
        "twice is no error"
    );
    assert_eq!(app.count("revoke").await, 2);
}

#[tokio::test]
async fn every_oauth_app_of_the_catalog_connects() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("c1").await;

    for key in
        ["hubspot", "github", "gitlab", "google-drive", "notion", "linear", "asana", "airtable", "dropbox"]
    {
        let arrived = browser.connect(key, &[]).await;
        assert_eq!(arrived.location(), format!("/?notice=connected&app={key}"), "{key}");
    }

    let connections = app.connections("c1").await;
    assert_eq!(connections.len(), 9);
    assert!(connections.iter().all(|connection| connection["connected"] == true));
    let named =
        connections.iter().filter(|connection| connection["name"].as_str().unwrap().contains("lice")).count();
    assert!(named >= 8, "the account is known: {connections:?}");
}

#[tokio::test]
async fn a_subdomain_leads_to_that_tenant_only() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("c1").await;

    let left = browser.submit("zendesk", &[("input[subdomain]", "acme")]).await;

    let address = Url::parse(&left.location()).unwrap();
    assert!(address.path().starts_with("/sandbox/acme.zendesk.com/oauth/"), "{address}");
    let returned = browser.consent(address.as_str(), &[]).await;
    assert_eq!(browser.get(&returned.location()).await.location(), "/?notice=connected&app=zendesk");
}

#[tokio::test]
async fn a_state_is_good_for_one_callback_only() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("c1").await;
    let left = browser.submit("hubspot", &[]).await;
    let returned = browser.consent(&left.location(), &[]).await.location();
    let cookies = browser.cookies.clone();

    let replays = (0..50).map(|_| {
        let mut window = app.browser();
        window.cookies = cookies.clone();
        let returned = returned.clone();
        async move { window.get(&returned).await }
    });
    let answers = futures_util::future::join_all(replays).await;

    let connected = answers.iter().filter(|page| page.status == StatusCode::SEE_OTHER).count();
    let refused = answers.iter().filter(|page| page.status == StatusCode::BAD_REQUEST).count();
    assert_eq!((connected, refused), (1, 49));
    assert_eq!(app.count("token_code").await, 1);
    assert_eq!(app.connections("c1").await.len(), 1);
}

#[tokio::test]
async fn an_attempt_that_took_too_long_connects_nothing() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("c1").await;
    let left = browser.submit("hubspot", &[]).await;
    let returned = browser.consent(&left.location(), &[]).await.location();

    app.clock.advance(Duration::from_secs(601));
    let answer = browser.get(&returned).await;

    let result = browser.get(&answer.location()).await;
    result.assert_says("took longer than ten minutes");
    assert_eq!(app.count("token_code").await, 0);
    assert!(app.connections("c1").await.is_empty());
}

#[tokio::test]
async fn every_failure_says_what_happened_and_connects_nothing() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("c1").await;

    for (choices, sentence, calls) in [
        ([("decision", "deny"), ("scenario", "allow")], "access was declined", 0),
        ([("decision", "allow"), ("scenario", "error")], "HubSpot answered with an error", 0),
        ([("decision", "allow"), ("scenario", "wrong_iss")], "came from another server than expected", 0),
        ([("decision", "allow"), ("scenario", "token_500")], "HubSpot is not answering right now", 1),
        ([("decision", "allow"), ("scenario", "token_429")], "HubSpot is not answering right now", 1),
    ] {
        let before = app.count("token_code").await;
        let answer = browser.connect("hubspot", &choices).await;
        let result = browser.get(&answer.location()).await;
        result.assert_says(sentence);
        result.assert_says("Try again");
        assert_eq!(app.count("token_code").await - before, calls, "{choices:?}");
        assert!(app.connections("c1").await.is_empty(), "{choices:?}");
    }
}

#[tokio::test]
async fn a_token_without_a_refresh_token_connects_and_ends_honestly() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("c1").await;
    browser.connect("hubspot", &[("scenario", "no_refresh")]).await.assert_status(StatusCode::SEE_OTHER);

    app.clock.advance(Duration::from_secs(2 * 60 * 60));
    app.engine.refresh_due().await.unwrap();

    let connection = &app.connections("c1").await[0];
    assert_eq!(connection["disconnected"], true);
    assert_eq!(connection["error"]["data"]["reason"], "not_renewable");
    let mut browser = app.signed_in("c1").await;
    browser.get("/").await.assert_says("The permission that HubSpot gave has run out");
}

#[tokio::test]
async fn a_reconnect_as_another_account_changes_nothing_and_gives_the_new_tokens_back() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("c1").await;
    browser.connect("hubspot", &[("account", "alice")]).await.assert_status(StatusCode::SEE_OTHER);
    let scope = app.scope("c1").await;
    let id = app.connections("c1").await[0]["id"].as_str().unwrap().parse().unwrap();
    let id = hitchpost::model::ConnectionId::from_uuid(id);
    let before = app.engine.fresh(scope, id).await.unwrap().to_bytes();

    let page = browser.get("/apps/hubspot").await;
    let left = browser.press(&page, "reconnect").await;
    let returned = browser.consent(&left.location(), &[("account", "bob")]).await;
    let answer = browser.get(&returned.location()).await;

    browser.get(&answer.location()).await.assert_says("That is another HubSpot account");
    assert_eq!(app.engine.fresh(scope, id).await.unwrap().to_bytes(), before);
    assert_eq!(app.count("revoke").await, 2, "refresh token and access token of the other account");
}

#[tokio::test]
async fn a_start_by_post_from_an_allowed_origin_goes_straight_on_and_comes_back_with_the_id() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let token = app.token("c1");
    let form = [
        ("token", token.as_str()),
        ("integrationKey", "hubspot"),
        ("redirectUri", "https://app.acme.com/back?keep=1#top"),
        ("customState", "a b&c=\u{e9}"),
    ];

    let left = browser.post_from("https://app.acme.com", "/connect", &form).await;
    let returned = browser.consent(&left.location(), &[]).await;
    let back = Url::parse(&browser.get(&returned.location()).await.location()).unwrap();

    let id = app.connections("c1").await[0]["id"].as_str().unwrap().to_owned();
    let query: Vec<_> = back.query_pairs().into_owned().collect();
    let expected = [("keep", "1"), ("connectionId", id.as_str()), ("customState", "a b&c=\u{e9}")];
    assert_eq!(query, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!((back.host_str(), back.path(), back.fragment()), (Some("app.acme.com"), "/back", Some("top")));
}

#[tokio::test]
async fn a_failure_comes_back_with_a_sentence_and_its_data() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let token = app.token("c1");
    let form = [
        ("token", token.as_str()),
        ("integrationKey", "hubspot"),
        ("redirectUri", "https://app.acme.com/back"),
    ];
    let left = browser.post_from("https://app.acme.com", "/connection-popup", &form).await;

    let returned = browser.consent(&left.location(), &[("decision", "deny")]).await;
    let back = Url::parse(&browser.get(&returned.location()).await.location()).unwrap();

    let query: std::collections::HashMap<_, _> = back.query_pairs().into_owned().collect();
    assert_eq!(query["error"], "HubSpot was not connected: access was declined.");
    let data: serde_json::Value = serde_json::from_str(&query["errorData"]).unwrap();
    assert_eq!(data["key"], "access_denied_by_provider");
    assert_eq!(data["type"], "connection");
    assert!(!query.contains_key("connectionId"));
}

#[tokio::test]
async fn a_redirect_to_somewhere_else_is_refused_before_anything_begins() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let token = app.token("c1");

    for redirect in [
        "https://evil.example/",
        "https://app.acme.com.evil.example/",
        "//evil.example",
        "javascript:alert(1)",
    ] {
        let form = [("token", token.as_str()), ("integrationKey", "hubspot"), ("redirectUri", redirect)];
        let page = browser.post_from("https://app.acme.com", "/connect", &form).await;
        page.assert_status(StatusCode::BAD_REQUEST);
        assert_eq!(page.header("location"), "", "{redirect}");
    }
}

#[tokio::test]
async fn a_waiting_page_learns_the_outcome_from_the_server() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let token = app.token("c1");
    let request_id = "request-0123456789abcdef";
    let base = app.base.clone();
    let listening = tokio::spawn(async move {
        let mut listener = super::app::Browser::new(base);
        listener.get(&format!("/sse/connection-events/{request_id}")).await
    });
    let form = [("token", token.as_str()), ("integrationKey", "hubspot"), ("requestId", request_id)];

    let left = browser.post_from("https://app.acme.com", "/connect", &form).await;
    let returned = browser.consent(&left.location(), &[]).await;
    let result = browser.get(&returned.location()).await.location();
    let heard = tokio::time::timeout(Duration::from_secs(10), listening).await.unwrap().unwrap();

    let data = heard.body.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let event: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!(event["type"], "newConnectionCreated");
    assert_eq!(event["requestId"], request_id);
    assert_eq!(event["connection"]["integrationKey"], "hubspot");
    let page = browser.get(&result).await;
    page.assert_says("HubSpot is connected");
    page.assert_says("data-target-origin=\"https://app.acme.com\"");
}

#[tokio::test]
async fn a_short_request_id_is_not_listened_to_without_a_token() {
    let app = TestApp::new().await;

    let headers = [("accept", "application/json")];
    let refused = app.browser().send(Method::GET, "/sse/connection-events/short", &headers, None).await;

    refused.assert_error(StatusCode::BAD_REQUEST, "short_request_id");
}

#[tokio::test]
async fn a_request_id_is_used_once() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let token = app.token("c1");
    let form =
        [("token", token.as_str()), ("integrationKey", "hubspot"), ("requestId", "request-0123456789abcdef")];
    browser.post_from("https://app.acme.com", "/connect", &form).await.assert_status(StatusCode::SEE_OTHER);

    let again = browser.post_from("https://app.acme.com", "/connect", &form).await;

    again.assert_status(StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_integration_without_its_client_says_so_and_cannot_be_started() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("c1").await;
    let token = app.token("c1");

    browser.get("/apps/unready").await.assert_says("Acme");
    let form = [("token", token.as_str()), ("integrationKey", "unready"), ("authOptionKey", "oauth2")];
    let page = browser.post_from("https://app.acme.com", "/connect", &form).await;

    page.assert_status(StatusCode::BAD_REQUEST);
    let listed = browser.api(Method::GET, "/integrations?search=unready", &token).await.json();
    assert_eq!(listed["items"][0]["hasMissingParameters"], json!(true));
}
