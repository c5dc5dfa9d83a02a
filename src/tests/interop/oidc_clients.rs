//! Clients that prove themselves in other ways, act for themselves or have to push their requests,
//! against `oidc-provider`.

use std::time::Duration;

use reqwest::StatusCode;

use super::{
    app::TestApp,
    certified::{ADA, SERVICE_ID, SERVICE_SECRET, started},
    provider::{Provider, accounts, assert_failed, connect, connect_at_once, query_of},
};

const TWO_HOURS: Duration = Duration::from_secs(2 * 60 * 60);

/// Connects an app without a person, and sees that its token is used while it lasts and replaced after.
async fn connects_and_renews(app: &TestApp, provider: &Provider, key: &str, input: &[(&str, &str)]) {
    let (scope, id) = connect_at_once(app, key, input).await;
    assert_eq!(provider.counted(["client_credentials", "resource"]).await, [1, 1]);
    let first = app.engine.fresh(scope, id).await.unwrap().access_token.unwrap();
    let again = app.engine.fresh(scope, id).await.unwrap().access_token.unwrap();
    assert_eq!(first.expose(), again.expose());

    app.clock.advance(TWO_HOURS);
    let second = app.engine.fresh(scope, id).await.unwrap().access_token.unwrap();

    assert_ne!(first.expose(), second.expose());
    assert_eq!(provider.counted(["client_credentials", "refused"]).await, [2, 0]);
    let bearer = format!("Bearer {}", second.expose());
    let called = provider.browser().head("/resource", &[("authorization", &bearer)]).await;
    called.assert_status(StatusCode::OK);
}

/// RFC 6749 §4.4, §2.3.1.
#[tokio::test]
async fn the_products_own_client_with_odd_characters_connects_for_itself_and_renews() {
    let (app, provider) = started().await;

    connects_and_renews(&app, &provider, "machine", &[]).await;

    assert_eq!(accounts(&app).await, [SERVICE_ID]);
}

/// RFC 6749 §4.4, §2.3.1.
#[tokio::test]
async fn a_client_that_the_customer_types_connects_for_itself_and_renews() {
    let (app, provider) = started().await;
    let typed = [("input[client_id]", SERVICE_ID), ("input[client_secret]", SERVICE_SECRET)];

    connects_and_renews(&app, &provider, "machine-typed", &typed).await;

    assert_eq!(accounts(&app).await, [SERVICE_ID]);
}

#[tokio::test]
async fn a_mistyped_client_secret_connects_nothing() {
    let (app, provider) = started().await;
    let mut browser = app.signed_in("c1").await;
    let typed = [("input[client_id]", SERVICE_ID), ("input[client_secret]", "mistyped")];

    let answer = browser.submit("machine-typed", &typed).await;

    assert_ne!(answer.header("location"), "/?notice=connected&app=machine-typed");
    assert!(app.connections("c1").await.is_empty());
    assert_eq!(provider.counted(["client_credentials", "refused"]).await, [0, 1]);
}

/// RFC 7523 §2.2, §3.
#[tokio::test]
async fn a_client_with_an_rsa_key_connects_for_itself_and_renews() {
    let (app, provider) = started().await;

    connects_and_renews(&app, &provider, "machine-rs256", &[]).await;

    assert_eq!(provider.counted(["assertion"]).await, [2]);
}

/// RFC 7523 §2.2, §3.
#[tokio::test]
async fn a_client_with_an_elliptic_key_connects_for_itself_and_renews() {
    let (app, provider) = started().await;

    connects_and_renews(&app, &provider, "machine-es256", &[]).await;

    assert_eq!(provider.counted(["assertion"]).await, [2]);
}

#[tokio::test]
async fn a_client_that_signs_with_another_key_connects_nothing() {
    let (app, provider) = started().await;
    let mut browser = app.signed_in("c1").await;

    let answer = browser.submit("machine-forged", &[]).await;

    assert_ne!(answer.header("location"), "/?notice=connected&app=machine-forged");
    assert!(app.connections("c1").await.is_empty());
    assert_eq!(provider.counted(["client_credentials", "refused"]).await, [0, 1]);
}

/// RFC 7523 §2.2, §3.
#[tokio::test]
async fn codes_refreshes_and_revocations_of_a_client_that_signs() {
    for key in ["signed-rs256", "signed-es256"] {
        let (app, provider) = started().await;
        let (scope, id) = connect(&app, &provider, key, ADA).await;
        let first = app.engine.fresh(scope, id).await.unwrap();

        app.clock.advance(TWO_HOURS);
        let second = app.engine.fresh(scope, id).await.unwrap();

        assert_ne!(first.access_token.unwrap().expose(), second.access_token.unwrap().expose(), "{key}");
        let counted = provider.counted(["code", "refresh", "assertion", "refused"]).await;
        assert_eq!(counted, [1, 1, 2, 0], "{key}");
        let mut browser = app.signed_in("c1").await;
        let page = browser.get(&format!("/apps/{key}")).await;
        browser.press(&page, "delete").await.assert_status(StatusCode::SEE_OTHER);
        assert_eq!(provider.counted(["revocation"]).await, [2], "{key}");
    }
}

/// RFC 9126 §2.1, §4.
#[tokio::test]
async fn a_request_that_has_to_be_pushed_is_pushed_and_the_address_shows_none_of_it() {
    let (app, provider) = started().await;
    let mut browser = app.signed_in("c1").await;

    let left = browser.submit("pushed", &[]).await.location();

    let query = query_of(&left);
    let names: Vec<_> = query.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["client_id", "request_uri"]);
    assert!(query[1].1.starts_with("urn:ietf:params:oauth:request_uri:"));
    let returned = provider.consented(&left, ADA).await;
    assert_eq!(browser.get(&returned).await.location(), "/?notice=connected&app=pushed");
    assert_eq!(accounts(&app).await, ["ada"]);
    assert_eq!(provider.counted(["pushed", "code", "refused"]).await, [1, 1, 0]);
}

/// RFC 9126 §2.1 with RFC 7523 §2.2.
#[tokio::test]
async fn a_client_that_signs_pushes_its_request_with_an_assertion_too() {
    let (app, provider) = started().await;

    connect(&app, &provider, "pushed-signed", ADA).await;

    assert_eq!(provider.counted(["pushed", "code", "assertion", "refused"]).await, [1, 1, 2, 0]);
}

#[tokio::test]
async fn the_provider_refuses_that_client_what_was_not_pushed() {
    let (app, provider) = started().await;
    let mut browser = app.signed_in("c1").await;
    let left = browser.submit("unpushed", &[]).await.location();

    let returned = provider.consented(&left, ADA).await;
    let answer = browser.get(&returned).await;

    assert_failed(&app, &mut browser, answer, "answered with an error").await;
    assert_eq!(provider.counted(["pushed", "code"]).await, [0, 0]);
}
