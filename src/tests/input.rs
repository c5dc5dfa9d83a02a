//! Keys and other things that customers type.

use reqwest::StatusCode;

use super::app::TestApp;

#[tokio::test]
async fn a_wrong_key_is_refused_by_the_test_call_and_a_right_one_connects() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("c1").await;

    let wrong = browser.submit("stripe", &[("input[api_key]", "sk_test_wrong")]).await;
    let ask = browser.get(&wrong.location()).await;
    ask.assert_says("Stripe did not accept this");
    assert!(!ask.body.contains("sk_test_wrong"), "a secret is never sent back");
    assert!(app.connections("c1").await.is_empty());

    let right = browser.submit_on(&ask, &[("input[api_key]", "sk_test_sandbox")]).await;
    assert_eq!(right.location(), "/?notice=connected&app=stripe");
    let connection = &app.connections("c1").await[0];
    assert_eq!(connection["input"], serde_json::json!({}), "secret input is never returned");
}

#[tokio::test]
async fn a_key_of_the_wrong_shape_is_told_at_its_field_without_asking_the_provider() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("c1").await;

    let wrong = browser.submit("stripe", &[("input[api_key]", "hello")]).await;

    let ask = browser.get(&wrong.location()).await;
    ask.assert_says("aria-invalid=\"true\"");
    assert_eq!(app.count("api_refused").await, 0);
    assert_eq!(app.count("api").await, 0);
}

#[tokio::test]
async fn a_bad_subdomain_keeps_what_was_typed_and_says_what_is_wrong() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("c1").await;

    for bad in ["evil.com/#", "x@evil", "a.b%2f", "..", "acme zendesk", "\u{ff0e}evil"] {
        let answer = browser.submit("zendesk", &[("input[subdomain]", bad)]).await;
        let ask = browser.get(&answer.location()).await;
        ask.assert_says("aria-invalid=\"true\"");
        assert_eq!(ask.form("connect").1["input[subdomain]"], bad);
    }

    assert_eq!(app.count("authorize").await, 0);
}

#[tokio::test]
async fn a_secret_already_given_is_kept_when_only_another_field_is_corrected() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("c1").await;
    let page = browser.get("/apps/zendesk?option=basic").await;
    let typed = [
        ("input[subdomain]", "acme"),
        ("input[email]", "not an address"),
        ("input[api_token]", "sandbox-token"),
    ];
    let answer = browser.submit_on(&page, &typed).await;
    let ask = browser.get(&answer.location()).await;
    assert!(!ask.body.contains("sandbox-token"));

    let fixed = browser
        .submit_on(&ask, &[("input[email]", "ada@example.com"), ("input[api_token]", "sandbox-token")])
        .await;

    assert_eq!(fixed.location(), "/?notice=connected&app=zendesk");
    let connection = &app.connections("c1").await[0];
    assert_eq!(connection["authOptionKey"], "basic");
    assert_eq!(connection["input"], serde_json::json!({ "subdomain": "acme", "email": "ada@example.com" }));
}

#[tokio::test]
async fn the_region_of_a_key_decides_its_host() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("c1").await;

    let typed = [("input[api_host]", "api.eu.sendgrid.com"), ("input[api_key]", "SG.sandbox")];
    let answer = browser.submit("sendgrid", &typed).await;

    assert_eq!(answer.location(), "/?notice=connected&app=sendgrid");
    assert_eq!(app.connections("c1").await[0]["input"]["api_host"], "api.eu.sendgrid.com");
}

#[tokio::test]
async fn a_region_that_is_not_offered_is_refused() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("c1").await;

    let typed = [("input[api_host]", "evil.example"), ("input[api_key]", "SG.sandbox")];
    let answer = browser.submit("sendgrid", &typed).await;

    assert!(answer.location().starts_with("/connect/continue/"));
    assert_eq!(app.count("api").await, 0);
}

#[tokio::test]
async fn a_page_that_asked_is_answered_once() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("c1").await;
    let wrong = browser.submit("stripe", &[("input[api_key]", "nope")]).await;
    let ask = browser.get(&wrong.location()).await;
    let right = [("input[api_key]", "sk_test_sandbox")];
    browser.submit_on(&ask, &right).await.assert_status(StatusCode::SEE_OTHER);

    let again = browser.submit_on(&ask, &right).await;

    assert_eq!(again.location(), "/refused/not_open");
    browser.get("/refused/not_open").await.assert_status(StatusCode::GONE);
    assert_eq!(app.connections("c1").await.len(), 1);
}

#[tokio::test]
async fn input_by_link_is_checked_like_typed_input() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let address = format!(
        "/connect?token={}&integrationKey=stripe&redirectUri=https://app.acme.com/back&input={}",
        app.token("c1"),
        "%7B%22api_key%22%3A%22sk_test_wrong%22%7D",
    );

    let answer = browser.get(&address).await;

    let location = answer.location();
    assert!(location.starts_with("https://app.acme.com/back?error="), "{location}");
    assert!(location.contains("test_failed"));
    assert!(app.connections("c1").await.is_empty());
}

#[tokio::test]
async fn a_subdomain_that_no_host_can_have_is_told_on_the_form() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("c1").await;

    let answer = browser.submit("zendesk", &[("input[subdomain]", &"a".repeat(70))]).await;

    let ask = browser.get(&answer.location()).await;
    ask.assert_says("That does not lead to Zendesk");
    let fixed = browser.submit_on(&ask, &[("input[subdomain]", "acme")]).await;
    assert!(fixed.location().contains("/sandbox/acme.zendesk.com/"));
}
