//! Confirm mode: nothing is redeemed before the product's backend named the customer whose browser it is.

mod linking;

use std::time::Duration;

use hitchpost::config::{Config, Environment};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use super::{
    app::{Browser, Page, TestApp},
    canary::{finds, left_behind},
    customers::{audited, backend, backend_for, call, other_backend},
    provider::{Provider, Seen},
};

const CONFIG: &str = r#"
[server]
sandbox = true
[[workspace]]
key = "acme"
name = "Acme"
secret = "acme-secret-0123456789abcdef-0123456789"
allowed_origins = ["https://app.acme.com"]
confirm_redirect = "https://app.acme.com/confirm?from=hitchpost#here"
integration = [
  { key = "hubspot", sandbox = true },
  { key = "trello", sandbox = true },
  { key = "apple", sandbox = true },
  { key = "stripe", sandbox = true },
  { key = "boards", connector = "file:boards.toml", sandbox = true },
  { key = "own", connector = "file:own.toml", sandbox = true },
]
[[workspace]]
key = "other"
name = "Other"
secret = "other-secret-0123456789abcdef-012345678"
integration = [{ key = "hubspot", sandbox = true }]
"#;

/// A connector whose token opens several boards.
const BOARDS: &str = r#"
name = "Boards"
[api]
base = "https://api.boards.example"
hosts = ["api.boards.example", "login.boards.example"]
[[auth]]
type = "oauth2"
authorize = { url = "https://login.boards.example/authorize" }
token = { url = "https://login.boards.example/token" }
use = { headers = { Authorization = "Bearer {{access_token}}", X-Board = "{{board}}" } }
[[auth.discover]]
url = "https://api.boards.example/mine"
items = "boards"
pick = { id = "id", label = "name" }
keep = { board = "slug" }
"#;

/// An app whose customers sign in on a page of the developer's own.
const OWN: &str = r#"
name = "Own"
[api]
base = "https://own.example"
hosts = ["own.example"]
[[auth]]
type = "proxy"
url = "https://app.acme.com/sign-in"
use = { headers = { Authorization = "Bearer {{credentials.token}}" } }
"#;

const FILES: [(&str, &str); 2] = [("boards.toml", BOARDS), ("own.toml", OWN)];

async fn app() -> TestApp {
    TestApp::with_files(CONFIG, &FILES).await
}

/// Connects as far as the product's own page; gives the address of it.
async fn answered(browser: &mut Browser, key: &str) -> Url {
    Url::parse(&browser.connect(key, &[]).await.location()).unwrap()
}

fn query(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

fn nonce(url: &Url) -> String {
    query(url, "confirmation").unwrap()
}

async fn confirm(app: &TestApp, token: &str, body: Value) -> Page {
    call(app, Method::POST, "/connections/confirm", token, body).await
}

/// The product's backend confirms for the customer of its own session.
async fn confirm_as(app: &TestApp, customer: &str, nonce: &str) -> Page {
    confirm(app, &backend(app), json!({ "confirmation": nonce, "customerId": customer })).await
}

/// The way that a refusal or an answer sends the browser on, as a path of ours.
fn onward(answer: &Value) -> String {
    let url = Url::parse(answer["redirectUrl"].as_str().unwrap()).unwrap();
    url[url::Position::BeforePath..].to_owned()
}

#[tokio::test]
async fn the_backends_word_connects_and_shows_the_browser_the_way_on() {
    let app = app().await;
    let mut browser = app.signed_in("c1").await;

    let page = answered(&mut browser, "hubspot").await;
    assert!(page.as_str().starts_with("https://app.acme.com/confirm?from=hitchpost&confirmation="), "{page}");
    assert_eq!((query(&page, "integrationKey").as_deref(), page.fragment()), (Some("hubspot"), Some("here")));
    assert_eq!(nonce(&page).len(), 43);
    assert_eq!(app.count("token_code").await, 0, "nothing is redeemed before the word");
    assert!(app.connections("c1").await.is_empty());
    let answer = confirm_as(&app, "c1", &nonce(&page)).await;

    answer.assert_status(StatusCode::OK);
    let answer = answer.json();
    let connections = app.connections("c1").await;
    assert_eq!((connections.len(), &connections[0]["id"]), (1, &answer["connection"]["id"]));
    assert_eq!(connections[0]["connected"], true);
    assert_eq!(onward(&answer), "/?notice=connected&app=hubspot");
    browser.get(&onward(&answer)).await.assert_says("HubSpot is connected.");
    assert_eq!(app.count("token_code").await, 1);
    assert_eq!(audited(&app).await, ["connection.created"]);
}

/// OAuth 1 has a verifier in the code's place, Apple posts its answer.
#[tokio::test]
async fn every_kind_of_answer_waits_for_the_word() {
    let app = app().await;
    let mut browser = app.signed_in("c1").await;

    let page = answered(&mut browser, "trello").await;
    assert_eq!(app.count("oauth1_token").await, 0);
    confirm_as(&app, "c1", &nonce(&page)).await.assert_status(StatusCode::OK);

    let left = browser.submit("apple", &[]).await.location();
    let posted = browser.consent(&left, &[]).await;
    let (action, fields) = posted.form("");
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let parked = app.browser().post_from("https://appleid.apple.com", &action, &fields).await;
    let (_, rest) = parked.body.split_once("content=\"0;url=").unwrap();
    let way = rest.split_once('"').unwrap().0.replace("&amp;", "&");
    let page = Url::parse(&browser.get(&way).await.location()).unwrap();
    assert_eq!(app.count("token_code").await, 0);
    confirm_as(&app, "c1", &nonce(&page)).await.assert_status(StatusCode::OK);

    assert_eq!(app.connections("c1").await.len(), 2);
}

#[tokio::test]
async fn a_word_counts_once_however_many_say_it_at_once() {
    let app = app().await;
    let mut browser = app.signed_in("c1").await;
    let nonce = nonce(&answered(&mut browser, "hubspot").await);

    let words = futures_util::future::join_all((0..20).map(|_| confirm_as(&app, "c1", &nonce))).await;

    let good = words.iter().filter(|page| page.status == StatusCode::OK).count();
    let late = words.iter().filter(|page| page.status == StatusCode::NOT_FOUND).count();
    assert_eq!((good, late), (1, 19));
    assert_eq!(app.count("token_code").await, 1);
    let unknown = confirm_as(&app, "c1", &"A".repeat(43)).await;
    assert_eq!(confirm_as(&app, "c1", &nonce).await.body, unknown.body, "a used one reads like none");
    assert_eq!(confirm_as(&app, "c1", "short").await.body, unknown.body);
}

#[tokio::test]
async fn a_word_that_comes_too_late_connects_nothing() {
    let app = app().await;
    let mut browser = app.signed_in("c1").await;
    let in_time = nonce(&answered(&mut browser, "hubspot").await);
    app.clock.advance(Duration::from_secs(299));
    // The word still counts; it is the sandbox's code that has ended.
    let ended = confirm_as(&app, "c1", &in_time).await;
    ended.assert_error(StatusCode::BAD_REQUEST, "provider_error");
    assert_eq!(ended.json()["data"]["provider"]["code"], "invalid_grant");
    let form = [
        ("token", app.token("c1")),
        ("integrationKey", "hubspot".to_owned()),
        ("requestId", "request-0123456789".to_owned()),
    ];
    let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let left = browser.post_from("https://app.acme.com", "/connect", &form).await.location();
    let returned = browser.consent(&left, &[]).await.location();
    let page = Url::parse(&browser.get(&returned).await.location()).unwrap();
    assert_eq!(query(&page, "requestId").as_deref(), Some("request-0123456789"));

    app.clock.advance(Duration::from_secs(301));

    confirm_as(&app, "c1", &nonce(&page)).await.assert_error(StatusCode::NOT_FOUND, "not_found");
    app.engine.sweep().await.unwrap();
    let mut watch = app.engine.watch("request-0123456789", Some(app.scope("c1").await));
    let told = tokio::time::timeout(Duration::from_secs(5), watch.told()).await.unwrap().unwrap();
    let outcome = told.ended().unwrap();
    assert_eq!(outcome.failure().unwrap().key.as_str(), "attempt_expired");
    assert_eq!(
        outcome.failure().unwrap().message,
        "This connection was not confirmed in time. Please try again."
    );
    assert_eq!(app.count("token_code").await, 1);
}

#[tokio::test]
async fn whoever_waits_is_told_when_the_word_came() {
    let app = app().await;
    let mut browser = app.signed_in("c1").await;
    let token = app.token("c1");
    let form = [
        ("token", token.as_str()),
        ("integrationKey", "hubspot"),
        ("requestId", "request-0123456789"),
        ("redirectUri", "https://app.acme.com/back?keep=1"),
        ("customState", "state of mine"),
    ];
    let left = browser.post_from("https://app.acme.com", "/connect", &form).await.location();
    let returned = browser.consent(&left, &[]).await.location();
    let page = Url::parse(&browser.get(&returned).await.location()).unwrap();
    assert_eq!(page.path(), "/confirm", "not where the flow's own redirectUri says");

    let answer = confirm_as(&app, "c1", &nonce(&page)).await.json();

    let mut watch = app.engine.watch("request-0123456789", Some(app.scope("c1").await));
    let told = tokio::time::timeout(Duration::from_secs(5), watch.told()).await.unwrap().unwrap();
    let outcome = told.ended().unwrap();
    assert!(outcome.failure().is_none());
    let id = answer["connection"]["id"].as_str().unwrap();
    let back = format!("https://app.acme.com/back?keep=1&connectionId={id}&customState=state%20of%20mine");
    assert_eq!(answer["redirectUrl"], back);
}

#[tokio::test]
async fn what_the_provider_refuses_is_told_to_backend_and_browser() {
    let app = app().await;
    let mut browser = app.signed_in("c1").await;

    let denied = browser.connect("hubspot", &[("decision", "deny")]).await.location();
    browser.get(&denied).await.assert_says("access was declined");
    let left = browser.connect("hubspot", &[("scenario", "token_500")]).await.location();
    let answer = confirm_as(&app, "c1", &nonce(&Url::parse(&left).unwrap())).await;

    answer.assert_error(StatusCode::BAD_REQUEST, "provider_unreachable");
    assert_eq!(answer.json()["type"], "connection");
    browser.get(&onward(&answer.json()["data"])).await.assert_says("HubSpot is not answering right now");
    assert!(app.connections("c1").await.is_empty());
}

/// What was typed in the customer's own session leaves for no provider's page, so nothing waits.
#[tokio::test]
async fn keys_that_are_typed_need_no_word() {
    let app = app().await;
    let mut browser = app.signed_in("c1").await;

    let answer = browser.submit("stripe", &[("input[api_key]", "sk_test_sandbox")]).await;

    assert_eq!(answer.location(), "/?notice=connected&app=stripe");
}

/// Security L1, T2: a word is the workspace's own backend's; what is malformed uses nothing up.
#[tokio::test]
async fn a_word_of_anybody_else_is_none_and_uses_nothing_up() {
    let app = app().await;
    let mut browser = app.signed_in("c1").await;
    let nonce = nonce(&answered(&mut browser, "hubspot").await);
    let whole = json!({ "confirmation": nonce, "customerId": "c1" });

    confirm(&app, &app.token("c1"), whole.clone()).await.assert_error(StatusCode::FORBIDDEN, "access_denied");
    let elsewhere = confirm(&app, &other_backend(&app), whole.clone()).await;
    elsewhere.assert_error(StatusCode::NOT_FOUND, "not_found");
    for (path, token, body) in [
        ("customerId", backend(&app), json!({ "confirmation": nonce })),
        ("customerId", backend(&app), json!({ "confirmation": nonce, "customerId": 5 })),
        ("customerId", backend_for(&app, "c2"), whole),
        ("confirmation", backend(&app), json!({ "customerId": "c1" })),
        ("confirmation", backend(&app), json!({ "confirmation": [nonce], "customerId": "c1" })),
    ] {
        let refused = confirm(&app, &token, body).await;
        refused.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
        assert!(refused.json()["data"]["fields"][path].is_string(), "{}", refused.body);
    }
    assert_eq!(app.count("token_code").await, 0);

    let own = confirm(&app, &backend_for(&app, "c1"), json!({ "confirmation": nonce })).await;
    own.assert_status(StatusCode::OK);
}

#[tokio::test]
async fn a_customer_with_several_things_chooses_after_the_word() {
    let answer = |seen: &Seen| match seen.path.as_str() {
        "/token" => (200, json!({ "access_token": "a-token", "token_type": "bearer" })),
        _ => {
            let boards = json!([{ "id": 7, "slug": "first", "name": "Ours" }, { "id": 8, "slug": "second", "name": "Theirs" }]);
            (200, json!({ "boards": boards }))
        }
    };
    let provider = Provider::new(answer).await;
    let app = TestApp::played_by(provider.address, CONFIG, &FILES).await;
    let mut browser = app.signed_in("c1").await;
    let left = Url::parse(&browser.submit("boards", &[]).await.location()).unwrap();
    let workspace = app.engine.workspace_by_key("acme").await.unwrap();
    let id = workspace.integration("boards").unwrap().integration.id;
    let returned = format!("/oauth/callback/{id}?code=a-code&state={}", query(&left, "state").unwrap());
    let page = Url::parse(&browser.get(&returned).await.location()).unwrap();
    assert!(provider.calls().is_empty());

    let answer = confirm_as(&app, "c1", &nonce(&page)).await;

    answer.assert_status(StatusCode::OK);
    assert!(answer.json().get("connection").is_none());
    let page = browser.get(&onward(&answer.json())).await;
    let (action, fields) = page.form("choose");
    let mut fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    fields.push(("item", "8"));
    assert_eq!(browser.post(&action, &fields).await.location(), "/?notice=connected&app=boards");
    assert_eq!((app.connections("c1").await.len(), provider.count("/token")), (1, 1));
}

/// What a developer's own page collected is the backend's word already, if it names the customer.
#[tokio::test]
async fn credentials_are_handed_over_for_a_named_customer_only() {
    let app = app().await;
    let mut browser = app.signed_in("c1").await;
    let left = Url::parse(&browser.submit("own", &[]).await.location()).unwrap();
    let path = format!("/connect/continue/{}", query(&left, "ticket").unwrap());
    let body = |customer: Value| json!({ "credentials": { "token": "t" }, "customerId": customer });

    let unnamed = call(&app, Method::POST, &path, &backend(&app), body(Value::Null)).await;
    let wrong = call(&app, Method::POST, &path, &backend(&app), body("c2".into())).await;
    let named = call(&app, Method::POST, &path, &backend(&app), body("c1".into())).await;

    unnamed.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
    wrong.assert_error(StatusCode::NOT_FOUND, "not_found");
    assert_eq!(browser.get(&onward(&named.json())).await.location(), "/?notice=connected&app=own");
}

/// The switch holds from the next answer on; what already waits can still be confirmed.
#[tokio::test]
async fn the_mode_is_switched_by_the_backend_too() {
    let app = app().await;
    let mut browser = app.signed_in("c1").await;
    let waiting = nonce(&answered(&mut browser, "hubspot").await);

    let off =
        call(&app, Method::PATCH, "/workspace", &backend(&app), json!({ "confirmRedirect": null })).await;

    off.assert_status(StatusCode::OK);
    confirm_as(&app, "c1", &waiting).await.assert_status(StatusCode::OK);
    assert_eq!(browser.connect("trello", &[]).await.location(), "/?notice=connected&app=trello");
}

/// Security S2: neither the nonce nor the code is in the database.
#[tokio::test]
async fn what_waits_is_sealed() {
    let app = app().await;
    let mut browser = app.signed_in("c1").await;
    let left = browser.submit("hubspot", &[]).await.location();
    let returned = browser.consent(&left, &[]).await.location();
    let code = query(&app.base.join(&returned).unwrap(), "code").unwrap();

    let page = Url::parse(&browser.get(&returned).await.location()).unwrap();

    let left = left_behind(&app.folder);
    assert!(left.iter().any(|(_, bytes)| finds(bytes, "Name of c1")), "the scan finds what is there");
    for secret in [nonce(&page), code] {
        assert!(secret.len() > 8 && left.iter().all(|(_, bytes)| !finds(bytes, &secret)));
    }
}

/// The mode leads nowhere that the workspace does not list.
#[tokio::test]
async fn a_page_for_confirming_outside_the_allowed_origins_is_refused_by_name() {
    let app = TestApp::new().await;
    let path = app.folder.join("elsewhere.toml");
    let text = std::fs::read_to_string(app.folder.join("hitchpost.toml")).unwrap();
    let elsewhere = "name = \"Acme\"\nconfirm_redirect = \"https://evil.example/confirm\"";
    std::fs::write(&path, text.replace("name = \"Acme\"", elsewhere)).unwrap();
    let config = Config::load(Some(&path), &Environment::default()).unwrap();

    let refused = app.engine.configure(config.workspaces).await;

    assert_eq!(
        refused.unwrap_err().to_string(),
        "workspace `acme`: confirm_redirect: the origin of the redirect address is not among the workspace's \
         `allowed_origins`"
    );
}
