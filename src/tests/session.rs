//! Who may see a page, and what they get who may not.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::app::{OTHER_SECRET, SECRET, TestApp};

#[tokio::test]
async fn a_token_in_the_address_is_swapped_for_a_session_at_the_first_step() {
    let app = TestApp::new().await;
    let mut browser = app.browser();

    let answer = browser.get(&format!("/?token={}", app.token("c1"))).await;

    assert_eq!(answer.location(), "/");
    let cookie = answer.header("set-cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    browser.get("/").await.assert_says("Name of c1");
}

#[tokio::test]
async fn a_session_cookie_set_before_signing_in_is_never_adopted() {
    let app = TestApp::new().await;
    let planted = app.signed_in("mallory").await.cookies["hitchpost_session"].clone();
    let mut victim = app.browser();
    victim.cookies.insert("hitchpost_session".to_owned(), planted.clone());

    victim.get(&format!("/?token={}", app.token("victim"))).await.assert_status(StatusCode::SEE_OTHER);

    assert_ne!(victim.cookies["hitchpost_session"], planted);
    victim.get("/").await.assert_says("Name of victim");
}

#[tokio::test]
async fn nobody_gets_a_page_that_says_what_to_do_and_programs_get_401() {
    let app = TestApp::new().await;
    let now = app.now();
    let claims = |exp: i64| json!({ "iss": "acme", "id": "c1", "exp": exp });
    let cases = [
        (String::new(), "missing_token"),
        ("not-a-token".to_owned(), "malformed_token"),
        (app.signed(SECRET, &claims(now - 3600)), "token_expired"),
        (app.signed(SECRET, &claims(now + 3 * 24 * 3600)), "lifetime_too_long"),
        (app.signed(OTHER_SECRET, &claims(now + 60)), "bad_signature"),
        (app.signed(SECRET, &json!({ "iss": "nobody", "id": "c1", "exp": now + 60 })), "unknown_workspace"),
        (app.signed(SECRET, &json!({ "iss": "acme", "exp": now + 60 })), "missing_customer"),
        (app.signed(SECRET, &json!({ "iss": "acme", "id": "c1" })), "missing_expiry"),
    ];

    for (token, reason) in cases {
        let mut browser = app.browser();
        let refused = if token.is_empty() {
            browser.send(Method::GET, "/connections", &[("accept", "application/json")], None).await
        } else {
            browser.api(Method::GET, "/connections", &token).await
        };
        refused.assert_error(StatusCode::UNAUTHORIZED, reason);
        assert_eq!(refused.header("www-authenticate"), "Bearer");
        assert!(!refused.body.contains(&token) || token.is_empty());
        let address = if token.is_empty() { "/".to_owned() } else { format!("/?token={token}") };
        let page = browser.get(&address).await;
        page.assert_status(StatusCode::UNAUTHORIZED);
        page.assert_says(reason);
        page.assert_says("developer");
        assert_eq!(page.header("set-cookie"), "");
    }
}

#[tokio::test]
async fn a_page_ends_and_says_so() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("c1").await;

    app.clock.advance(Duration::from_secs(8 * 60 * 60 + 1));

    let page = browser.get("/").await;
    page.assert_status(StatusCode::UNAUTHORIZED);
    page.assert_says("Your session has ended");
}

#[tokio::test]
async fn an_embed_swaps_its_token_sets_no_cookie_and_is_framed_by_allowed_origins_only() {
    let app = TestApp::new().await;
    let mut browser = app.browser();

    let answer = browser.get(&format!("/embed/main?token={}&theme=dark", app.token("c1"))).await;
    let location = answer.location();
    let page = browser.get(&location).await;

    assert!(location.starts_with("/embed/main?session="), "{location}");
    assert!(!location.contains("token"));
    assert!(browser.cookies.is_empty());
    page.assert_says("data-scheme=\"dark\"");
    let policy = page.header("content-security-policy");
    assert!(policy.ends_with("frame-ancestors https://app.acme.com http://localhost:*"), "{policy}");
    app.clock.advance(Duration::from_secs(31 * 60));
    browser.get(&location).await.assert_status(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_embed_session_is_none_for_a_hosted_page_nor_the_other_way_round() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("c1").await;
    let hosted = browser.cookies["hitchpost_session"].clone();

    let page = browser.get(&format!("/embed/main?session={hosted}")).await;

    page.assert_status(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_embed_that_cannot_be_verified_may_be_framed_to_say_so_and_holds_nothing() {
    let app = TestApp::new().await;

    let page = app.browser().get("/embed/main?token=x.y.z").await;

    page.assert_status(StatusCode::UNAUTHORIZED);
    assert!(page.header("content-security-policy").ends_with("frame-ancestors *"));
    assert!(!page.body.contains("Acme"));
}

#[tokio::test]
async fn a_session_with_a_list_sees_those_integrations_only() {
    let app = TestApp::new().await;
    let claims = json!({ "iss": "acme", "id": "c1", "exp": app.now() + 60, "integrations": ["github"] });
    let token = app.signed(SECRET, &claims);
    let mut browser = app.browser();
    browser.get(&format!("/?token={token}")).await.assert_status(StatusCode::SEE_OTHER);

    let page = browser.get("/").await;

    page.assert_says("GitHub");
    assert!(!page.body.contains("HubSpot"));
    browser.get("/apps/hubspot").await.assert_status(StatusCode::NOT_FOUND);
    let refused = browser.get(&format!("/connect?token={token}&integrationKey=hubspot")).await;
    refused.assert_status(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_demo_link_signs_in_again_and_again_and_changes_nothing_but_the_cookie() {
    let app = TestApp::new().await;
    let id = app.engine.workspace_by_key("acme").await.unwrap().workspace.id;
    let ticket = app.engine.demo_link(id).await.unwrap();
    let mut browser = app.browser();

    for _ in 0..2 {
        let answer = browser.get(&format!("/link/{}", ticket.expose())).await;
        assert_eq!(answer.location(), "/");
    }

    browser.get("/").await.assert_says("Test customer");
    let newer = app.engine.demo_link(id).await.unwrap();
    browser.get(&format!("/link/{}", ticket.expose())).await.assert_status(StatusCode::UNAUTHORIZED);
    browser.get(&format!("/link/{}", newer.expose())).await.assert_status(StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_search_shows_again_only_what_can_be_typed() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("c1").await;

    let page = browser.get("/?q=hub%00%01%1b").await;

    page.assert_says("HubSpot");
    assert!(!page.body.chars().any(|letter| letter.is_control() && letter != '\n'));
}
