//! An account that has several things: the customer says which one a connection is for.

use std::time::Duration;

use hitchpost::model::{ConnectionId, FailureKey};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{
    app::{Browser, Page, TestApp},
    provider::{Provider, Seen},
};

/// A connector whose token opens several boards.
const BOARDS: &str = r#"
name = "Boards"
[api]
base = "https://api.boards.example/boards/{{board}}"
hosts = ["api.boards.example", "login.boards.example"]
test = { path = "/me" }
account = { id = "id", label = "name" }
[[auth]]
type = "oauth2"
authorize = { url = "https://login.boards.example/authorize" }
token = { url = "https://login.boards.example/token" }
revoke = { url = "https://login.boards.example/revoke" }
use = { headers = { Authorization = "Bearer {{access_token}}", X-Board = "{{board}}" } }
[[auth.discover]]
url = "https://api.boards.example/mine"
items = "boards"
pick = { id = "id", label = "name" }
keep = { board = "slug" }
"#;

const CONFIG: &str = r#"
[server]
sandbox = true
[[workspace]]
key = "acme"
name = "Acme"
secret = "acme-secret-0123456789abcdef-0123456789"
allowed_origins = ["https://app.acme.com"]
integration = [{ key = "boards", connector = "file:boards.toml", sandbox = true }]
"#;

/// The app, and a provider whose account has these boards.
async fn app_with(boards: Value) -> (TestApp, Provider) {
    let answer = move |seen: &Seen| match seen.path.as_str() {
        "/token" => {
            let token = json!({ "access_token": "canary-access", "refresh_token": "canary-refresh", "token_type": "bearer" });
            (200, token)
        }
        "/mine" => (200, json!({ "boards": boards })),
        _ => (200, json!({ "id": seen.header("x-board"), "name": "Ada" })),
    };
    let provider = Provider::new(answer).await;
    let app = TestApp::played_by(provider.address, CONFIG, &[("boards.toml", BOARDS)]).await;
    (app, provider)
}

fn two() -> Value {
    json!([{ "id": 7, "slug": "first", "name": "<b>Ours</b>" }, { "id": 8, "slug": "second", "name": "Theirs & \"more\"" }])
}

/// Opens the app's page, presses Connect, and comes back from the provider with a code.
async fn returned(app: &TestApp, browser: &mut Browser) -> Page {
    let left = browser.submit("boards", &[]).await.location();
    back(app, browser, &left).await
}

/// Comes back from the provider's address with a code.
async fn back(app: &TestApp, browser: &mut Browser, left: &str) -> Page {
    let address = url::Url::parse(left).unwrap();
    let state = address.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let workspace = app.engine.workspace_by_key("acme").await.unwrap();
    let id = workspace.integration("boards").unwrap().integration.id;
    browser.get(&format!("/oauth/callback/{id}?code=a-code&state={state}")).await
}

/// Sends the page's form as pressing the button of this item does.
async fn choose(browser: &mut Browser, page: &Page, item: &str) -> Page {
    let (action, fields) = page.form("choose");
    let mut fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    fields.push(("item", item));
    browser.post(&action, &fields).await
}

fn id_of(connection: &Value) -> ConnectionId {
    connection["id"].as_str().and_then(ConnectionId::parse).unwrap()
}

#[tokio::test]
async fn an_account_with_nothing_is_told_so_and_its_tokens_are_given_back() {
    let (app, provider) = app_with(json!([])).await;
    let mut browser = app.signed_in("c1").await;

    let answer = returned(&app, &mut browser).await;

    let result = browser.get(&answer.location()).await;
    result.assert_says("This Boards account has nothing to connect yet");
    result.assert_says("Try again");
    assert!(app.connections("c1").await.is_empty());
    let given_back: Vec<_> = provider
        .calls()
        .iter()
        .filter(|call| call.path == "/revoke")
        .map(|call| call.param("token").unwrap())
        .collect();
    assert_eq!(given_back, ["canary-refresh", "canary-access"]);
    assert_eq!(provider.count("/me"), 0);
}

#[tokio::test]
async fn an_answer_that_is_no_list_is_nothing_to_connect() {
    for boards in [json!(null), json!("boards"), json!([{ "name": "without an id" }]), json!([1, 2])] {
        let (app, provider) = app_with(boards.clone()).await;
        let mut browser = app.signed_in("c1").await;

        let answer = returned(&app, &mut browser).await;

        browser.get(&answer.location()).await.assert_says("nothing to connect yet");
        assert_eq!(provider.count("/revoke"), 2, "{boards}");
    }
}

#[tokio::test]
async fn one_thing_is_taken_without_a_question() {
    let (app, provider) = app_with(json!([{ "id": 7, "slug": "only", "name": "Ours" }])).await;
    let mut browser = app.signed_in("c1").await;

    let answer = returned(&app, &mut browser).await;

    assert_eq!(answer.location(), "/?notice=connected&app=boards");
    assert_eq!(provider.last("/me").path, "/boards/only/me");
    assert_eq!(provider.count("/revoke"), 0);
    assert_eq!(app.connections("c1").await.len(), 1);
}

#[tokio::test]
async fn of_two_things_the_chosen_one_is_connected_and_the_other_never_called() {
    let (app, provider) = app_with(two()).await;
    let mut browser = app.signed_in("c1").await;

    let asked = returned(&app, &mut browser).await.location();
    let page = browser.get(&asked).await;
    assert!(asked.starts_with("/connect/continue/"), "{asked}");
    page.assert_status(StatusCode::OK);
    page.assert_says("&lt;b&gt;Ours&lt;");
    page.assert_says("Theirs &amp; \"more\"");
    assert!(!page.body.contains("<b>Ours"), "a provider's words are no markup: {}", page.body);
    assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
    assert!(!page.body.contains("canary-"), "no token is on the page");
    assert_eq!(provider.count("/me"), 0, "nothing is called before the choice");
    assert!(app.connections("c1").await.is_empty());

    let chosen = choose(&mut browser, &page, "8").await;

    assert_eq!(chosen.location(), "/?notice=connected&app=boards");
    let connections = app.connections("c1").await;
    assert_eq!(connections.len(), 1);
    let (scope, id) = (app.scope("c1").await, id_of(&connections[0]));
    let credentials = app.engine.fresh(scope, id).await.unwrap();
    assert_eq!(credentials.kept["board"], "second");
    app.engine.check(scope, id).await.unwrap();
    assert!(provider.calls().iter().all(|call| !call.path.contains("first")));
    assert_eq!(provider.last("/me").header("x-board"), "second");
    assert_eq!(provider.count("/token"), 1, "the code was spent once");
}

#[tokio::test]
async fn a_choice_is_made_once() {
    let (app, provider) = app_with(two()).await;
    let mut browser = app.signed_in("c1").await;
    let asked = returned(&app, &mut browser).await.location();
    let page = browser.get(&asked).await;
    choose(&mut browser, &page, "7").await.assert_status(StatusCode::SEE_OTHER);

    let again = choose(&mut browser, &page, "8").await;

    assert_eq!(again.location(), "/refused/not_open");
    browser.get("/refused/not_open").await.assert_status(StatusCode::GONE);
    browser.get(&asked).await.assert_status(StatusCode::GONE);
    assert_eq!(app.connections("c1").await.len(), 1);
    assert_eq!(provider.last("/me").header("x-board"), "first");
}

#[tokio::test]
async fn a_choice_pressed_many_times_at_once_is_made_once() {
    let (app, provider) = app_with(two()).await;
    let mut browser = app.signed_in("c1").await;
    let asked = returned(&app, &mut browser).await.location();
    let page = browser.get(&asked).await;
    let (_, fields) = page.form("choose");

    let presses = (0..20).map(|_| {
        let mut window = app.browser();
        let ticket = fields["ticket"].clone();
        async move { window.post("/_actions/choose", &[("ticket", &ticket), ("item", "7")]).await.location() }
    });
    let answers = futures_util::future::join_all(presses).await;

    let connected = answers.iter().filter(|answer| answer.contains("notice=connected")).count();
    let refused = answers.iter().filter(|answer| *answer == "/refused/not_open").count();
    assert_eq!((connected, refused), (1, 19), "{answers:?}");
    assert_eq!(provider.count("/me"), 1);
    assert_eq!(app.connections("c1").await.len(), 1);
}

#[tokio::test]
async fn a_thing_that_was_not_offered_is_asked_for_again() {
    let (app, provider) = app_with(two()).await;
    let mut browser = app.signed_in("c1").await;
    let asked = returned(&app, &mut browser).await.location();
    let page = browser.get(&asked).await;

    for item in ["9", "", "first", "0", "7 ", "8\u{0}", "../8"] {
        assert_eq!(choose(&mut browser, &page, item).await.location(), asked, "{item:?}");
    }

    assert_eq!(provider.count("/me"), 0);
    assert_eq!(choose(&mut browser, &page, "7").await.location(), "/?notice=connected&app=boards");
}

/// The ticket alone opens the choice, so it is 256 random bits and only the browser that left sees it.
#[tokio::test]
async fn a_guessed_ticket_opens_nothing() {
    let (app, provider) = app_with(two()).await;
    let mut browser = app.signed_in("c1").await;
    let mut left = browser.submit("boards", &[]).await.location();
    let mut stranger = app.browser();
    left = url::Url::parse(&left)
        .unwrap()
        .query_pairs()
        .find(|(name, _)| name == "state")
        .unwrap()
        .1
        .into_owned();

    for ticket in ["", "a", &"A".repeat(43), left.as_str()] {
        let answer = stranger.post("/_actions/choose", &[("ticket", ticket), ("item", "7")]).await;
        assert_eq!(answer.location(), "/refused/not_open", "{ticket:?}");
    }

    assert!(provider.calls().is_empty());
}

/// Security B5: only our own form makes the choice.
#[tokio::test]
async fn another_site_cannot_choose() {
    let (app, provider) = app_with(two()).await;
    let mut browser = app.signed_in("c1").await;
    let asked = returned(&app, &mut browser).await.location();
    let (action, fields) = browser.get(&asked).await.form("choose");

    let form = [("ticket", fields["ticket"].as_str()), ("item", "7")];
    let answer = browser.post_from("https://evil.example", &action, &form).await;

    answer.assert_status(StatusCode::FORBIDDEN);
    assert_eq!(provider.count("/me"), 0);
    browser.get(&asked).await.assert_status(StatusCode::OK);
}

#[tokio::test]
async fn where_nothing_may_be_asked_several_things_are_an_error_and_the_tokens_are_given_back() {
    let (app, provider) = app_with(two()).await;
    let mut browser = app.browser();
    let token = app.token("c1");
    let form = [
        ("token", token.as_str()),
        ("integrationKey", "boards"),
        ("redirectUri", "https://app.acme.com/back"),
        ("noUi", "1"),
    ];
    let left = browser.post_from("https://app.acme.com", "/connect", &form).await.location();

    let answer = back(&app, &mut browser, &left).await.location();

    let address = url::Url::parse(&answer).unwrap();
    let data = address.query_pairs().find(|(name, _)| name == "errorData").unwrap().1.into_owned();
    let data: Value = serde_json::from_str(&data).unwrap();
    assert_eq!(data["key"], "invalid_input");
    assert_eq!(data["message"], "This Boards account has several to choose from.");
    assert_eq!(provider.count("/revoke"), 2);
    assert!(app.connections("c1").await.is_empty());
}

#[tokio::test]
async fn a_choice_that_nobody_makes_in_ten_minutes_is_over() {
    let (app, provider) = app_with(two()).await;
    let mut browser = app.browser();
    let token = app.token("c1");
    let request_id = "a-request-of-the-page";
    let form = [("token", token.as_str()), ("integrationKey", "boards"), ("requestId", request_id)];
    let left = browser.post_from("https://app.acme.com", "/connect", &form).await.location();
    let asked = back(&app, &mut browser, &left).await.location();
    let page = browser.get(&asked).await;

    app.clock.advance(Duration::from_secs(601));

    browser.get(&asked).await.assert_status(StatusCode::GONE);
    assert_eq!(choose(&mut browser, &page, "7").await.location(), "/refused/not_open");
    let mut watch = app.engine.watch(request_id, None);
    let told = tokio::time::timeout(Duration::from_secs(5), watch.told()).await;
    let outcome = told.expect("whoever waits is told").unwrap().ended().unwrap();
    assert_eq!(outcome.failure().unwrap().key, FailureKey::AttemptExpired);
    assert_eq!(provider.count("/me"), 0);
}

#[tokio::test]
async fn a_customer_who_wants_none_of_it_is_not_connected_and_the_tokens_are_given_back() {
    let (app, provider) = app_with(two()).await;
    let mut browser = app.signed_in("c1").await;
    let asked = returned(&app, &mut browser).await.location();
    let (action, fields) = browser.get(&asked).await.form("choose");

    let form = [("ticket", fields["ticket"].as_str()), ("cancel", "1")];
    let declined = browser.post(&action, &form).await;

    browser.get(&declined.location()).await.assert_says("was not connected");
    assert_eq!((provider.count("/revoke"), provider.count("/me")), (2, 0));
    browser.get(&asked).await.assert_status(StatusCode::GONE);
    assert!(app.connections("c1").await.is_empty());
}

/// Two things of the same name are told apart by their ids.
#[tokio::test]
async fn things_of_the_same_name_show_their_ids() {
    let boards = json!([{ "id": "id-one", "slug": "a", "name": "Ours" }, { "id": "id-two", "slug": "b", "name": "Ours" }]);
    let (app, _provider) = app_with(boards).await;
    let mut browser = app.signed_in("c1").await;

    let asked = returned(&app, &mut browser).await.location();
    let page = browser.get(&asked).await;

    page.assert_says("<small>id-one</small>");
    page.assert_says("<small>id-two</small>");
}

/// Security S1: what waits for the choice is sealed.
#[tokio::test]
async fn tokens_that_wait_for_a_choice_are_in_no_file() {
    let (app, _provider) = app_with(two()).await;
    let mut browser = app.signed_in("c1").await;

    let asked = returned(&app, &mut browser).await.location();

    let files = super::canary::left_behind(&app.folder);
    assert!(
        files
            .iter()
            .any(|(_, bytes)| super::canary::finds(bytes, "second") || super::canary::finds(bytes, "Theirs"))
    );
    for (file, bytes) in
        files.iter().chain(&[("the log".to_owned(), std::fs::read(&*super::app::LOG).unwrap())])
    {
        for secret in ["canary-access", "canary-refresh", asked.rsplit('/').next().unwrap()] {
            assert!(!super::canary::finds(bytes, secret), "{file} holds {secret}");
        }
    }
}
