//! The JSON lists: the same verbs as the page.

use reqwest::{Method, StatusCode};

use super::app::TestApp;

#[tokio::test]
async fn integrations_come_with_this_customers_connection_and_nobody_elses() {
    let app = TestApp::new().await;
    app.signed_in("c1").await.connect("hubspot", &[]).await.assert_status(StatusCode::SEE_OTHER);

    let mine = app.browser().api(Method::GET, "/integrations?search=HUB", &app.token("c1")).await.json();
    let theirs = app.browser().api(Method::GET, "/integrations?search=hub", &app.token("c2")).await.json();

    let hubspot = &mine["items"].as_array().unwrap().iter().find(|item| item["key"] == "hubspot").unwrap();
    assert_eq!(hubspot["name"], "HubSpot");
    assert_eq!(hubspot["connection"]["connected"], true);
    assert!(hubspot["logoUri"].as_str().unwrap().starts_with("http://localhost:"));
    assert!(hubspot["oAuthCallbackUri"].as_str().unwrap().contains("/oauth/callback/"));
    assert!(theirs["items"].as_array().unwrap().iter().all(|item| item.get("connection").is_none()));
}

#[tokio::test]
async fn pages_of_integrations_are_stable_and_cursor_zero_is_the_beginning() {
    let app = TestApp::new().await;
    let token = app.token("c1");
    let whole =
        app.browser().api(Method::GET, "/integrations?limit=1000&cursor=0&hash=7", &token).await.json();
    let all: Vec<_> = whole["items"].as_array().unwrap().iter().map(|item| item["key"].clone()).collect();

    let (mut seen, mut cursor) = (Vec::new(), "0".to_owned());
    loop {
        let address = format!("/integrations?limit=5&cursor={cursor}");
        let page = app.browser().api(Method::GET, &address, &token).await.json();
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["key"].clone()));
        match page["cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }

    assert_eq!(all.len(), 13);
    assert_eq!(seen, all);
    assert!(whole.get("cursor").is_none());
}

#[tokio::test]
async fn a_connection_holds_no_credential_and_says_how_it_fares() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("c1").await;
    browser.connect("hubspot", &[]).await.assert_status(StatusCode::SEE_OTHER);

    let listed = browser.api(Method::GET, "/connections?integrationKey=hubspot", &app.token("c1")).await;
    let none =
        browser.api(Method::GET, "/connections?integrationKey=no-such-integration", &app.token("c1")).await;

    let connection = &listed.json()["items"][0];
    for (name, value) in
        [("integrationKey", "hubspot"), ("customerId", "c1"), ("authOptionKey", "oauth2"), ("state", "READY")]
    {
        assert_eq!(connection[name], value);
    }
    for name in ["credentials", "accessToken", "refreshToken"] {
        assert!(connection.get(name).is_none());
    }
    assert_eq!(none.json()["items"].as_array().unwrap().len(), 0);
    assert_eq!(listed.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_limit_that_is_none_is_refused_by_name() {
    let app = TestApp::new().await;

    for limit in ["0", "1001", "-1", "x", "1e3"] {
        let refused =
            app.browser().api(Method::GET, &format!("/integrations?limit={limit}"), &app.token("c1")).await;
        refused.assert_error(StatusCode::BAD_REQUEST, "invalid_limit");
    }
}

#[tokio::test]
async fn a_browser_of_any_origin_may_ask_with_a_token() {
    let app = TestApp::new().await;
    let headers = [
        ("origin", "https://app.acme.com"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "authorization,membrane-api-version"),
    ];

    let preflight = app.browser().send(Method::OPTIONS, "/integrations", &headers, None).await;

    preflight.assert_status(StatusCode::OK);
    assert_eq!(preflight.header("access-control-allow-origin"), "*");
    assert_eq!(preflight.header("access-control-allow-credentials"), "");
}
