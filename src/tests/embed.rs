//! The page inside somebody else's: how it is opened, what its session keeps, how it ends.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    app::{Browser, OTHER_SECRET, Page, TestApp},
    canary::{finds, left_behind},
};

const PRODUCT: &str = "https://app.acme.com";
const FRAMED: &str = "frame-ancestors https://app.acme.com http://localhost:*";

/// The product's page posts a form into an iframe, as the public SDKs do; comes back with the first page.
async fn screen(app: &TestApp, browser: &mut Browser, path: &str, fields: &[(&str, &str)]) -> Page {
    let token = app.token("c1");
    let mut all = vec![("token", token.as_str())];
    all.extend(fields);
    let opened = browser.post_from(PRODUCT, path, &all).await;
    browser.get(&opened.location()).await
}

#[track_caller]
fn assert_framed_by(page: &Page, ancestors: &str) {
    let policy = page.header("content-security-policy");
    assert!(policy.ends_with(ancestors), "{}: {policy}", page.url.path());
    assert_eq!(page.header("x-frame-options"), "");
}

/// What the script tells the page around.
#[track_caller]
fn told(page: &Page) -> Value {
    let (_, rest) = page.body.split_once("data-connection=\"").expect(&page.body);
    serde_json::from_str(&rest.split_once('"').unwrap().0.replace("&quot;", "\"")).unwrap()
}

async fn connect_stripe(browser: &mut Browser, page: &Page) -> Page {
    let done = browser.submit_on(page, &[("input[api_key]", "sk_test_sandbox")]).await.location();
    assert!(done.starts_with("/embed/connected?session="), "{done}");
    browser.get(&done).await
}

#[tokio::test]
async fn an_address_with_a_way_back_that_is_no_frame_goes_there() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let query =
        format!("token={}&customState=a%26b&redirectUri=https%3A%2F%2Fapp.acme.com%2Fback", app.token("c1"));
    let address = format!("/embed/integrations/stripe/connect?{query}");

    let opened = browser.get(&address).await.location();
    assert_eq!(opened, format!("/connect?{query}&integrationKey=stripe"));
    let asked = browser.get(&opened).await.location();
    let form = browser.get(&asked).await;
    let back = browser.submit_on(&form, &[("input[api_key]", "sk_test_sandbox")]).await.location();
    assert!(back.starts_with("https://app.acme.com/back?connectionId="), "{back}");
    assert!(back.ends_with("&customState=a%26b"), "{back}");

    let id = back.split(['=', '&']).nth(1).unwrap();
    let renewed = browser.get(&format!("/embed/connections/{id}/refresh?{query}")).await.location();
    assert_eq!(renewed, format!("/connect?{query}&connectionId={id}"));
    let framed = browser.send(Method::GET, &address, &[("sec-fetch-dest", "iframe")], None).await.location();
    assert!(framed.starts_with("/embed/integrations/stripe/connect?session="), "{framed}");
}

#[tokio::test]
async fn a_form_swaps_its_token_for_a_session_on_the_same_origin_and_without_a_cookie() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let token = app.token("c1");

    for (path, fields, goes) in [
        ("/screens/connect", vec![], "/embed/main"),
        ("/screens/connect", vec![("integrationKey", "stripe")], "/embed/integrations/stripe/connect"),
        ("/screens/connect", vec![("integrationId", "a b/c")], "/embed/integrations/a%20b%2Fc/connect"),
        ("/screens/connect", vec![("connectorKey", "stripe")], "/embed/connectors/stripe/connect"),
        (
            "/screens/connect",
            vec![("connectionId", "x"), ("integrationKey", "y")],
            "/embed/connections/x/refresh",
        ),
        (
            "/screens/connect",
            vec![("connectionKey", "x"), ("connectionId", "")],
            "/embed/connections/x/refresh",
        ),
        ("/screens/connection", vec![("connectionId", "x")], "/embed/connections/x"),
        ("/screens/integrations/stripe/connect", vec![], "/embed/integrations/stripe/connect"),
    ] {
        let mut all = vec![("token", token.as_str()), ("unknown", "[object Object]")];
        all.extend(&fields);
        let location = browser.post_from(PRODUCT, path, &all).await.location();
        let (goes_to, query) = location.split_once('?').unwrap();
        assert_eq!(goes_to, goes, "{path} {fields:?}");
        assert!(query.starts_with("session=") && !query.contains('&'), "{query}");
    }
    assert!(browser.cookies.is_empty());
}

#[tokio::test]
async fn what_it_was_opened_with_holds_to_the_end_and_the_connection_is_told_whole() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let fields = [("integrationKey", "stripe"), ("name", "The name"), ("theme", "dark")];

    let page = screen(&app, &mut browser, "/screens/connect", &fields).await;
    let wrong = browser.submit_on(&page, &[("input[api_key]", "sk_test_wrong")]).await.location();
    let asked = browser.get(&wrong).await;
    let done = connect_stripe(&mut browser, &asked).await;

    for page in [&page, &asked, &done] {
        page.assert_says("data-scheme=\"dark\"");
        page.assert_says("/assets/frame-");
        assert_framed_by(page, FRAMED);
    }
    let told = told(&done);
    assert_eq!((&told["name"], &told["integration"]["name"]), (&json!("The name"), &json!("Stripe")));
    assert_eq!(told["id"], app.connections("c1").await[0]["id"]);
    assert_eq!(told["connectorParameters"], Value::Null);
}

/// Acceptance 31.
#[tokio::test]
async fn only_with_the_flag_a_further_connection_is_made() {
    let app = TestApp::new().await;
    let mut browser = app.browser();

    for (flag, count) in [("", 1), ("", 1), ("1", 2), ("true", 3), ("no", 3)] {
        let fields = [("allowMultipleConnections", flag)];
        let page = screen(&app, &mut browser, "/screens/integrations/stripe/connect", &fields).await;
        connect_stripe(&mut browser, &page).await;
        assert_eq!(app.connections("c1").await.len(), count, "{flag}");
    }
}

/// Acceptance 56.
#[tokio::test]
async fn connector_parameters_are_sealed_with_the_session_and_stand_nowhere() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let scopes = json!({ "scopes": ["oauth", "canary.scope.of.the.embed"] }).to_string();
    let fields = [("integrationKey", "hubspot"), ("connectorParameters", scopes.as_str())];

    let page = screen(&app, &mut browser, "/screens/connect", &fields).await;
    assert!(!page.body.contains("canary.scope"), "{}", page.body);
    for (file, bytes) in left_behind(&app.folder) {
        assert!(!finds(&bytes, "canary.scope.of.the.embed"), "{file} holds a parameter");
    }

    let left = browser.submit_on(&page, &[]).await.location();
    assert!(left.contains("canary.scope.of.the.embed"), "{left}");
}

#[tokio::test]
async fn what_cannot_be_used_is_said_before_anybody_types() {
    let app = TestApp::new().await;
    let mut browser = app.browser();

    for (fields, code, ancestors) in [
        (vec![("integrationKey", "nothing")], "not_found", FRAMED),
        (vec![("connectionId", "nothing")], "not_found", FRAMED),
        (vec![("connectorKey", "nothing")], "not_found", FRAMED),
        (vec![("connectorKey", "hubspot")], "ambiguous_selector", FRAMED),
        (vec![("integrationKey", "hubspot"), ("authOptionKey", "nothing")], "unknown_auth_option", FRAMED),
        (
            vec![("integrationKey", "hubspot"), ("connectorParameters", "{\"tokenUri\":\"x\"}")],
            "connectorParameters.tokenUri",
            FRAMED,
        ),
    ] {
        let page = screen(&app, &mut browser, "/screens/connect", &fields).await;
        page.assert_says(code);
        assert_framed_by(&page, ancestors);
        assert!(page.status.is_client_error() && !page.body.contains("<form"), "{fields:?}");
    }
    let token = app.token("c1");
    for fields in [
        vec![("token", token.as_str()), ("connectorParameters", "[1]")],
        vec![("token", token.as_str()), ("token", token.as_str())],
        vec![("integrationKey", "stripe")],
        vec![("token", "x.y.z")],
    ] {
        let page = browser.post_from(PRODUCT, "/screens/connect", &fields).await;
        assert!(page.status.is_client_error(), "{fields:?}");
        assert_framed_by(&page, "frame-ancestors *");
        assert!(!page.body.contains("Acme"), "who cannot be told apart is told nothing: {}", page.body);
    }
}

#[tokio::test]
async fn a_refused_form_is_said_inside_the_frame_with_a_way_back() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let long = "n".repeat(201);
    let fields = [("integrationKey", "stripe"), ("name", long.as_str())];
    let page = screen(&app, &mut browser, "/screens/connect", &fields).await;

    let refused = browser.submit_on(&page, &[("input[api_key]", "sk_test_sandbox")]).await.location();
    let said = browser.get(&refused).await;

    said.assert_status(StatusCode::BAD_REQUEST);
    assert_framed_by(&said, FRAMED);
    said.assert_says("href=\"/embed/integrations/stripe/connect?session=");
    app.clock.advance(Duration::from_secs(31 * 60));
    let ended = browser.submit_on(&page, &[("input[api_key]", "sk_test_sandbox")]).await.location();
    let said = browser.get(&ended).await;
    said.assert_says("Your session has ended");
    assert_framed_by(&said, "frame-ancestors *");
}

#[tokio::test]
async fn somebody_elses_connection_reads_like_none_in_every_embed() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let page = screen(&app, &mut browser, "/screens/connect", &[("integrationKey", "stripe")]).await;
    connect_stripe(&mut browser, &page).await;
    let theirs = app.connections("c1").await[0]["id"].as_str().unwrap().to_owned();
    let strangers = [app.token("c2"), app.token_of("other", OTHER_SECRET, "c1")];

    for token in &strangers {
        for path in ["", "/refresh"] {
            let mut bodies = Vec::new();
            for id in [theirs.as_str(), "01900000-0000-7000-8000-000000000000"] {
                let address = format!("/embed/connections/{id}{path}?token={token}");
                let opened = browser.get(&address).await.location();
                let session = opened.split_once("session=").unwrap().1.to_owned();
                let page = browser.get(&opened).await;
                page.assert_status(StatusCode::NOT_FOUND);
                let end = browser.get(&format!("/embed/connected?session={session}&connection={id}")).await;
                end.assert_status(StatusCode::NOT_FOUND);
                bodies.push(page.body.replace(&session, "").replace(id, ""));
            }
            assert_eq!(bodies[0], bodies[1]);
        }
    }
}

#[tokio::test]
async fn what_was_given_up_makes_no_connection_whatever_the_provider_answers() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let page = screen(&app, &mut browser, "/screens/connect", &[("integrationKey", "hubspot")]).await;
    let (_, form) = page.form("connect");
    let left = browser.submit_on(&page, &[("popup", "1")]).await.location();
    let returned = browser.consent(&left, &[]).await.location();

    for _ in 0..2 {
        let fields = [("session", form["session"].as_str()), ("request_id", form["request_id"].as_str())];
        browser.post("/_actions/cancel", &fields).await.assert_status(StatusCode::SEE_OTHER);
    }
    let late = browser.get(&returned).await;

    late.assert_says("Nothing was connected");
    assert!(app.connections("c1").await.is_empty());
    assert_eq!(app.count("token_code").await, 0, "the code is not redeemed");
}

#[tokio::test]
async fn a_stranger_cannot_give_up_what_somebody_else_waits_for() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let page = screen(&app, &mut browser, "/screens/connect", &[("integrationKey", "hubspot")]).await;
    let (_, form) = page.form("connect");
    let left = browser.submit_on(&page, &[("popup", "1")]).await.location();
    let mut stranger = app.browser();
    let other = stranger.get(&format!("/embed/main?token={}", app.token("c2"))).await.location();

    let fields =
        [("session", other.split_once("session=").unwrap().1), ("request_id", form["request_id"].as_str())];
    stranger.post("/_actions/cancel", &fields).await.assert_status(StatusCode::SEE_OTHER);
    let returned = browser.consent(&left, &[]).await.location();
    browser.get(&returned).await.assert_status(StatusCode::SEE_OTHER);

    assert_eq!(app.connections("c1").await.len(), 1);
}
