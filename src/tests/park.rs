//! Answers that come without the browser's cookie: a form posted by the provider's page, and what a
//! developer's own page collected.
//!
//! Whoever was lured into answering somebody else's attempt must not be linked by it, and nobody but
//! the workspace's own backend hands credentials over.

mod own_page;

use std::time::Duration;

use reqwest::StatusCode;

use super::app::{Browser, Page, TestApp};

const CONFIG: &str = r#"
[server]
sandbox = true
[[workspace]]
key = "acme"
name = "Acme"
secret = "acme-secret-0123456789abcdef-0123456789"
allowed_origins = ["https://app.acme.com"]
integration = [
  { key = "apple", sandbox = true },
  { key = "hubspot", sandbox = true },
  { key = "own", connector = "file:own.toml", sandbox = true },
]
[[workspace]]
key = "other"
name = "Other"
secret = "other-secret-0123456789abcdef-012345678"
integration = [{ key = "own", connector = "file:own.toml", sandbox = true }]
"#;

/// An app whose customers sign in on a page of the developer's own.
const OWN: &str = r#"
name = "Own"
[api]
base = "https://{{region}}.own.example"
hosts = ["*.own.example"]
test = { path = "/me" }
account = { id = "id" }
[[auth]]
type = "proxy"
url = "https://app.acme.com/sign-in?for={{customer.id}}&at={{workspace.key}}"
use = { headers = { Authorization = "Bearer {{credentials.token}}", X-Pin = "{{pin}}" } }
field = [
  { name = "region", title = "Region", pattern = "^[a-z]{2}$", required = false, default = "eu" },
  { name = "pin", title = "Pin", secret = true, pattern = "^canary-[0-9]{4}$", required = false, default = "canary-0000" },
]
"#;

const EVIL: &str = "https://appleid.apple.com";

async fn app() -> TestApp {
    TestApp::with_files(CONFIG, &[("own.toml", OWN)]).await
}

/// The provider's form, as its page posts it from its own site: no cookie of ours goes along.
struct Posted {
    action: String,
    fields: Vec<(String, String)>,
}

impl Posted {
    fn value(&self, name: &str) -> &str {
        &self.fields.iter().find(|(found, _)| found == name).unwrap().1
    }

    async fn send(&self, app: &TestApp) -> Page {
        let fields: Vec<_> =
            self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        app.browser().post_from(EVIL, &self.action, &fields).await
    }
}

/// What Apple's page answers to whoever consents in this browser.
async fn consented(browser: &mut Browser, left: &str) -> Posted {
    let page = browser.consent(left, &[]).await;
    page.assert_status(StatusCode::OK);
    let (action, fields) = page.form("");
    Posted { action, fields: fields.into_iter().collect() }
}

/// The address a parked answer sends the browser on to.
fn onward(page: &Page) -> String {
    page.assert_status(StatusCode::OK);
    let (_, rest) = page.body.split_once("content=\"0;url=").unwrap();
    rest.split_once('"').unwrap().0.replace("&amp;", "&")
}

fn query(address: &str, name: &str) -> String {
    let url = url::Url::parse("http://localhost").unwrap().join(address).unwrap();
    url.query_pairs()
        .find(|(found, _)| found == name)
        .unwrap_or_else(|| panic!("{name} in {address}"))
        .1
        .into_owned()
}

#[tokio::test]
async fn a_posted_answer_connects_the_browser_that_left() {
    let app = app().await;
    let mut browser = app.signed_in("c1").await;
    let left = browser.submit("apple", &[]).await.location();

    let parked = consented(&mut browser, &left).await.send(&app).await;
    let way = onward(&parked);
    assert_eq!(app.count("token_code").await, 0, "nothing is redeemed before the browser is back");
    let arrived = browser.get(&way).await;

    assert_eq!(arrived.location(), "/?notice=connected&app=apple");
    assert_eq!(app.connections("c1").await.len(), 1);
    assert_eq!(parked.header("cache-control"), "no-store");
    assert!(parked.header("content-security-policy").contains("frame-ancestors 'none'"));
    assert_eq!(parked.header("set-cookie"), "");
    browser.get(&way).await.assert_status(StatusCode::BAD_REQUEST);
    assert_eq!(app.count("token_code").await, 1);
}

/// Security L1: the nonce alone, or the cookie alone, is worth nothing.
#[tokio::test]
async fn a_parked_answer_needs_both_the_nonce_and_the_cookie() {
    for has_cookie in [true, false] {
        let app = app().await;
        let mut browser = app.signed_in("c1").await;
        let left = browser.submit("apple", &[]).await.location();
        let way = onward(&consented(&mut browser, &left).await.send(&app).await);
        let nonce = query(&way, "parked");

        let answer = if has_cookie {
            browser.get(&way.replace(&nonce, &"A".repeat(43))).await
        } else {
            app.browser().get(&way).await
        };

        if has_cookie {
            browser.get(&answer.location()).await.assert_says("did not come back the way it left");
        } else {
            answer.assert_status(StatusCode::FORBIDDEN);
        }
        assert_eq!(app.count("token_code").await, 0);
        assert!(app.connections("c1").await.is_empty());
        browser.get(&way).await.assert_status(StatusCode::BAD_REQUEST);
        assert_eq!(app.count("token_code").await, 0, "the attempt is over");
    }
}

/// Security L1: the attacker began, holds cookie and state, and polls while the victim answers.
#[tokio::test]
async fn an_attacker_who_polls_with_his_own_cookie_and_state_gets_nothing() {
    for extra in ["", "&code=a-code-of-his-own", "&parked=", "&error=access_denied"] {
        let app = app().await;
        let mut attacker = app.signed_in("mallory").await;
        let mut victim = app.browser();
        let left = attacker.submit("apple", &[]).await.location();
        let posted = consented(&mut victim, &left).await;
        let state = posted.value("state").to_owned();
        let parked = posted.send(&app).await;

        let poll = format!("{}?state={state}{extra}", posted.action);
        let answer = attacker.get(&poll).await;
        let victims = victim.get(&onward(&parked)).await;

        attacker.get(&answer.location()).await.assert_says("did not come back the way it left");
        assert!(victims.status.is_client_error(), "{}", victims.status);
        assert_eq!(app.count("token_code").await, 0, "{extra}");
        assert!(app.connections("mallory").await.is_empty());
    }
}

/// Security L1: nor does it help to bring the victim's browser back first.
#[tokio::test]
async fn a_victim_who_is_lured_into_a_posted_answer_links_nothing() {
    let app = app().await;
    let mut attacker = app.signed_in("mallory").await;
    let mut victim = app.signed_in("victim").await;
    let left = attacker.submit("apple", &[]).await.location();

    let way = onward(&consented(&mut victim, &left).await.send(&app).await);
    let answer = victim.get(&way).await;

    answer.assert_status(StatusCode::FORBIDDEN);
    answer.assert_says("started in another browser");
    attacker.get(&way).await.assert_status(StatusCode::BAD_REQUEST);
    assert_eq!(app.count("token_code").await, 0);
    assert!(app.connections("mallory").await.is_empty() && app.connections("victim").await.is_empty());
}

#[tokio::test]
async fn a_second_posted_answer_is_refused_and_the_first_still_counts() {
    let app = app().await;
    let mut browser = app.signed_in("c1").await;
    let left = browser.submit("apple", &[]).await.location();
    let posted = consented(&mut browser, &left).await;
    let way = onward(&posted.send(&app).await);

    for second in [posted.fields.clone(), vec![("state".to_owned(), posted.value("state").to_owned())]] {
        let second = Posted { action: posted.action.clone(), fields: second };
        second.send(&app).await.assert_status(StatusCode::BAD_REQUEST);
    }

    assert_eq!(browser.get(&way).await.location(), "/?notice=connected&app=apple");
}

/// Security L2: what was sent to one integration is not an answer to another, also when it is posted.
#[tokio::test]
async fn an_answer_posted_to_another_integration_is_not_kept() {
    let app = app().await;
    let mut browser = app.signed_in("c1").await;
    let left = browser.submit("apple", &[]).await.location();
    let posted = consented(&mut browser, &left).await;
    let workspace = app.engine.workspace_by_key("acme").await.unwrap();
    let other = workspace.integration("hubspot").unwrap().integration.id;

    let action = format!("/oauth/callback/{other}");
    let answer = Posted { action, fields: posted.fields.clone() }.send(&app).await;

    answer.assert_status(StatusCode::BAD_REQUEST);
    assert_eq!(app.count("token_code").await, 0);
    let way = onward(&posted.send(&app).await);
    assert_eq!(
        browser.get(&way).await.location(),
        "/?notice=connected&app=apple",
        "its own answer still counts"
    );
}

#[tokio::test]
async fn a_posted_answer_without_a_state_that_waits_is_refused() {
    let app = app().await;
    let mut browser = app.signed_in("c1").await;
    let left = browser.submit("apple", &[]).await.location();
    let posted = consented(&mut browser, &left).await;
    let state = posted.value("state").to_owned();

    for fields in [
        vec![],
        vec![("code", "c")],
        vec![("state", "short")],
        vec![("state", state.as_str()), ("state", "twice")],
    ] {
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let answer = Posted { action: posted.action.clone(), fields }.send(&app).await;
        answer.assert_status(StatusCode::BAD_REQUEST);
    }
    app.clock.advance(Duration::from_secs(601));

    posted.send(&app).await.assert_status(StatusCode::BAD_REQUEST);
}

/// RFC 6749 §4.1.2.1 by `response_mode=form_post`.
#[tokio::test]
async fn a_posted_refusal_ends_the_attempt_in_words() {
    let app = app().await;
    let mut browser = app.signed_in("c1").await;
    let left = browser.submit("apple", &[]).await.location();
    let page = browser.consent(&left, &[("decision", "deny")]).await;
    let (action, fields) = page.form("");
    let posted = Posted { action, fields: fields.into_iter().collect() };
    assert!(!posted.value("error").is_empty());

    let answer = browser.get(&onward(&posted.send(&app).await)).await;

    browser.get(&answer.location()).await.assert_says("was not connected");
    assert_eq!(app.count("token_code").await, 0);
}
