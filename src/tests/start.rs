//! How a flow may be started from outside: every shape, every flag, and what is answered to whom.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use super::app::{Page, TestApp};

const PRODUCT: &str = "https://app.acme.com";
const DONE: &str = "https://app.acme.com/done?kept=1#top";

/// A form post from the product's own page.
async fn post(app: &TestApp, path: &str, fields: &[(&str, &str)]) -> Page {
    let token = app.token("c1");
    let mut form = vec![("token", token.as_str())];
    form.extend_from_slice(fields);
    app.browser().post_from(PRODUCT, path, &form).await
}

/// What the product reads in the address that its customer comes back to.
fn told(page: &Page) -> (Url, Vec<(String, String)>) {
    let url: Url = page.location().parse().unwrap();
    let query = url.query_pairs().into_owned().collect();
    (url, query)
}

fn value<'q>(query: &'q [(String, String)], name: &str) -> Option<&'q str> {
    query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn error_data(query: &[(String, String)]) -> Value {
    serde_json::from_str(value(query, "errorData").expect("the attempt failed")).unwrap()
}

/// Acceptance 25, 38, 40: both paths, and the product's own query and fragment stay.
#[tokio::test]
async fn both_paths_connect_with_a_key_at_once_and_come_back_with_the_id() {
    for path in ["/connect", "/connection-popup"] {
        let app = TestApp::new().await;
        let input = r#"{"api_key":"sk_test_sandbox"}"#;

        let page =
            post(&app, path, &[("integrationKey", "stripe"), ("input", input), ("redirectUri", DONE)]).await;

        let (url, query) = told(&page);
        let id = app.connections("c1").await[0]["id"].clone();
        assert_eq!(
            (url.host_str(), url.path(), url.fragment()),
            (Some("app.acme.com"), "/done", Some("top"))
        );
        assert_eq!(
            query,
            [("kept".into(), "1".into()), ("connectionId".into(), id.as_str().unwrap().into())]
        );
    }
}

/// Acceptance 27, 41: with `noUi` what would be asked comes back as an error with the fields.
#[tokio::test]
async fn where_nothing_may_be_asked_missing_input_comes_back_with_its_fields() {
    let app = TestApp::new().await;
    let start = [("integrationKey", "zendesk"), ("authOptionKey", "basic"), ("redirectUri", DONE)];
    let asked = post(&app, "/connect", &start).await;
    assert!(asked.location().starts_with("/connect/continue/"), "{}", asked.location());

    let page = post(&app, "/connect", &[&start[..], &[("noUi", "1")]].concat()).await;

    let (_, query) = told(&page);
    let data = error_data(&query);
    assert_eq!((&data["type"], &data["key"]), (&json!("connection"), &json!("invalid_input")));
    let fields: Vec<_> = data["data"]["fields"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(fields, ["api_token", "email", "subdomain"]);
    assert!(app.connections("c1").await.is_empty());
}

/// A link would have to be confirmed first; a post from the product's own page goes straight on.
#[tokio::test]
async fn where_nothing_may_be_asked_a_link_is_an_error_and_the_products_own_post_goes_on() {
    let app = TestApp::new().await;
    let token = app.token("c1");
    let link = format!(
        "/connect?noUi=1&integrationKey=hubspot&token={token}&redirectUri={}",
        "https%3A%2F%2Fapp.acme.com%2Fdone"
    );

    let by_link = app.browser().get(&link).await;
    let by_post = post(&app, "/connect", &[("integrationKey", "hubspot"), ("noUi", "1")]).await;

    let (_, query) = told(&by_link);
    assert_eq!(error_data(&query)["key"], "origin_not_allowed");
    assert!(by_post.location().contains("/sandbox/app.hubspot.com/"), "{}", by_post.location());
}

/// Acceptance 26, 30.
#[tokio::test]
async fn an_integration_or_option_that_is_not_there_is_said_so() {
    let app = TestApp::new().await;
    let token = app.token("c1");
    let mut browser = app.browser();

    for (body, status, reason) in [
        (json!({ "integrationKey": "nowhere" }), StatusCode::NOT_FOUND, "not_found"),
        (json!({}), StatusCode::NOT_FOUND, "not_found"),
        (
            json!({ "integrationKey": "stripe", "authOptionKey": "oauth9" }),
            StatusCode::BAD_REQUEST,
            "unknown_auth_option",
        ),
        (
            json!({ "integrationKey": "stripe", "connectionId": "0198c0de-0000-7000-8000-000000000000" }),
            StatusCode::NOT_FOUND,
            "not_found",
        ),
        (json!({ "integrationKey": "stripe", "input": [] }), StatusCode::BAD_REQUEST, "malformed_input"),
        (json!({ "payload": "{" }), StatusCode::BAD_REQUEST, "malformed_payload"),
    ] {
        let page = browser.post_json("/connect", &token, &body).await;

        page.assert_error(status, reason);
    }
}

/// Acceptance 25: a person gets a page that says what is wrong.
#[tokio::test]
async fn a_payload_that_cannot_be_read_is_a_page_with_the_reason() {
    let app = TestApp::new().await;

    let page = post(&app, "/connection-popup", &[("payload", "{oops")]).await;

    page.assert_status(StatusCode::BAD_REQUEST);
    assert!(page.header("content-type").starts_with("text/html"), "{}", page.header("content-type"));
    page.assert_says("<code>payload</code> has to be a JSON object");
}

/// Acceptance 29, 31.
#[tokio::test]
async fn a_second_connect_renews_the_first_and_keeps_its_name_unless_more_are_allowed() {
    let app = TestApp::new().await;
    let key = ("input", r#"{"api_key":"sk_test_sandbox"}"#);
    post(&app, "/connect", &[("integrationKey", "stripe"), key, ("name", "Main shop")]).await;
    let first = app.connections("c1").await;

    post(&app, "/connect", &[("integrationKey", "stripe"), key]).await;
    let renewed = app.connections("c1").await;
    let more = [("integrationKey", "stripe"), key, ("allowMultipleConnections", "true"), ("name", "Second")];
    post(&app, "/connect", &more).await;

    assert_eq!((renewed.len(), &renewed[0]["id"]), (1, &first[0]["id"]));
    assert_eq!(renewed[0]["name"], "Main shop");
    let names: Vec<_> = app.connections("c1").await.iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["Second", "Main shop"]);
}

/// Acceptance 31: twice at once without the flag is still one.
#[tokio::test]
async fn ten_starts_at_once_end_as_one_connection() {
    let app = TestApp::new().await;
    let start = [("integrationKey", "stripe"), ("input", r#"{"api_key":"sk_test_sandbox"}"#)];

    let pages = futures_util::future::join_all((0..10).map(|_| post(&app, "/connect", &start))).await;

    for page in pages {
        page.assert_status(StatusCode::SEE_OTHER);
    }
    assert_eq!(app.connections("c1").await.len(), 1);
}

/// Acceptance 32: byte for byte, on success and on error.
#[tokio::test]
async fn a_custom_state_comes_back_as_it_was() {
    let app = TestApp::new().await;
    let state = "a=b&c=d+e %2F \u{1f98a} \"'<>\\ \u{0}x";
    for (key, ends_well) in [("sk_test_sandbox", true), ("sk_test_wrong", false)] {
        let input = json!({ "api_key": key }).to_string();
        let start = [
            ("integrationKey", "stripe"),
            ("input", input.as_str()),
            ("customState", state),
            ("redirectUri", "https://app.acme.com/done"),
        ];

        let page = post(&app, "/connect", &start).await;

        let (_, query) = told(&page);
        assert_eq!(value(&query, "customState"), Some(state));
        assert_eq!(value(&query, "connectionId").is_some(), ends_well, "{query:?}");
        if !ends_well {
            assert_eq!(error_data(&query)["key"], "test_failed");
        }
    }
}

/// Acceptance 45: a program gets the connection, the reason, or where to send the customer's browser.
#[tokio::test]
async fn a_program_is_answered_in_json_and_never_with_the_providers_address() {
    let app = TestApp::new().await;
    let token = app.token("c1");
    let mut program = app.browser();
    let stripe = |key: &str| json!({ "integrationKey": "stripe", "input": { "api_key": key } });

    let connected = program.post_json("/connect", &token, &stripe("sk_test_sandbox")).await;
    let refused = program.post_json("/connect", &token, &stripe("sk_test_wrong")).await;
    let asked = program.post_json("/connect", &token, &json!({ "integrationKey": "hubspot" })).await;

    assert_eq!(connected.json()["connection"]["integrationKey"], "stripe");
    refused.assert_error(StatusCode::BAD_REQUEST, "test_failed");
    let address = asked.json()["redirectUrl"].as_str().unwrap().to_owned();
    assert!(address.starts_with(&format!("{}connect/continue/", app.base)), "{address}");
    let confirm = app.browser().get(&address).await;
    confirm.assert_says("Name of c1 (c1)");
    let without = program.api(Method::GET, "/connect?integrationKey=hubspot", "").await;
    without.assert_status(StatusCode::UNAUTHORIZED);
}
