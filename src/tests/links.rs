//! Links that sign a customer in.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    app::{Page, TestApp},
    canary::{finds, left_behind},
    customers::{audited, backend, backend_for, call, other_backend},
};

async fn make(app: &TestApp, body: Value) -> Page {
    call(app, Method::POST, "/links", &backend(app), body).await
}

#[tokio::test]
async fn a_link_opens_the_page_of_its_customer_any_number_of_times_until_it_ends() {
    let app = TestApp::new().await;

    let made = make(&app, json!({ "customerId": "c1", "name": "Ada Lovelace" })).await;

    made.assert_status(StatusCode::CREATED);
    let link = made.json();
    let url = link["url"].as_str().unwrap();
    assert!(url.starts_with(&format!("{}link/", app.base)), "{url}");
    for _ in 0..2 {
        let mut browser = app.browser();
        assert_eq!(browser.get(url).await.location(), "/");
        let page = browser.get("/").await;
        page.assert_says("Ada Lovelace");
        page.assert_says("Acme");
    }
    assert_eq!(audited(&app).await, ["link.created"]);
    app.clock.advance(Duration::from_secs(59 * 60));
    assert_eq!(app.browser().get(url).await.location(), "/");
    app.clock.advance(Duration::from_secs(61));
    app.browser().get(url).await.assert_says("This link has ended");
}

#[tokio::test]
async fn a_link_lives_as_long_as_it_was_asked_to() {
    let app = TestApp::new().await;

    for (given, seconds) in
        [(json!(90), 90), (json!("90"), 90), (json!("2h"), 7200), (json!("30d"), 30 * 86400)]
    {
        let link = make(&app, json!({ "customerId": "c1", "expiresIn": given })).await.json();
        let lookup = call(&app, Method::GET, "/audit?limit=1", &backend(&app), Value::Null).await.json();
        assert_eq!(lookup["items"][0]["detail"]["expiresAt"], link["expiresAt"]);
        let url = link["url"].as_str().unwrap().to_owned();
        assert_eq!(app.browser().get(&url).await.location(), "/");
        app.clock.advance(Duration::from_secs(seconds + 1));
        app.browser().get(&url).await.assert_says("This link has ended");
    }
    for given in
        [json!(0), json!(-1), json!(1.5), json!("soon"), json!("31d"), json!(30 * 86400 + 1), json!(true)]
    {
        let refused = make(&app, json!({ "customerId": "c1", "expiresIn": given })).await;
        refused.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
        assert!(refused.json()["data"]["fields"]["expiresIn"].is_string(), "{given}: {}", refused.body);
    }
}

#[tokio::test]
async fn a_link_shows_only_the_integrations_it_was_made_for() {
    let app = TestApp::new().await;
    let link = make(&app, json!({ "customerId": "c1", "integrations": ["hubspot"] })).await.json();
    let mut browser = app.browser();

    browser.get(link["url"].as_str().unwrap()).await.assert_status(StatusCode::SEE_OTHER);

    browser.get("/apps/hubspot").await.assert_status(StatusCode::OK);
    browser.get("/apps/github").await.assert_status(StatusCode::NOT_FOUND);
    let refused = make(&app, json!({ "customerId": "c1", "integrations": ["hubspot", "nope"] })).await;
    refused.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
    assert!(refused.json()["data"]["fields"]["integrations[1]"].is_string(), "{}", refused.body);
    let wrong = make(&app, json!({ "customerId": "c1", "integrations": "hubspot" })).await;
    assert!(wrong.json()["data"]["fields"]["integrations"].is_string(), "{}", wrong.body);
}

/// Security T2.
#[tokio::test]
async fn only_the_backend_makes_links_and_only_for_whom_its_token_is() {
    let app = TestApp::new().await;
    let make_as = async |token: String, body: Value| call(&app, Method::POST, "/links", &token, body).await;

    make_as(app.token("c1"), json!({ "customerId": "c1" }))
        .await
        .assert_error(StatusCode::FORBIDDEN, "access_denied");
    let own = make_as(backend_for(&app, "c1"), json!({})).await;
    own.assert_status(StatusCode::CREATED);
    let theirs = make_as(backend_for(&app, "c1"), json!({ "customerId": "c2" })).await;
    theirs.assert_error(StatusCode::NOT_FOUND, "not_found");
    for body in [json!({}), json!({ "customerId": "" }), json!({ "customerId": 5 })] {
        let refused = make(&app, body).await;
        refused.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
        assert!(refused.json()["data"]["fields"]["customerId"].is_string(), "{}", refused.body);
    }
    let elsewhere = make_as(other_backend(&app), json!({ "customerId": "c1" })).await;
    let mut browser = app.browser();
    browser.get(elsewhere.json()["url"].as_str().unwrap()).await.assert_status(StatusCode::SEE_OTHER);
    browser.get("/").await.assert_says("Other");
}

#[tokio::test]
async fn no_link_is_made_for_an_archived_customer() {
    let app = TestApp::new().await;
    make(&app, json!({ "customerId": "c1" })).await.assert_status(StatusCode::CREATED);
    call(&app, Method::DELETE, "/customers/c1", &backend(&app), Value::Null)
        .await
        .assert_status(StatusCode::OK);

    let refused = make(&app, json!({ "customerId": "c1" })).await;

    refused.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
    assert!(refused.json()["data"]["fields"]["customerId"].is_string(), "{}", refused.body);
}

/// Security S2.
#[tokio::test]
async fn the_ticket_of_a_link_is_nowhere_in_the_database() {
    let app = TestApp::new().await;

    let link = make(&app, json!({ "customerId": "c1", "name": "Ada Lovelace" })).await.json();

    let ticket = link["url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    assert_eq!(ticket.len(), 43);
    let left = left_behind(&app.folder);
    assert!(left.iter().any(|(_, bytes)| finds(bytes, "Ada Lovelace")), "the scan finds what is there");
    assert!(left.iter().all(|(_, bytes)| !finds(bytes, &ticket)));
}
