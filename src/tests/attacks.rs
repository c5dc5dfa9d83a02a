//! Account linking: an attacker begins, a victim is made to finish. Nothing may be connected and no code
//! may be sent to the provider unless the victim presses Continue on our own page, which names whose
//! connection it becomes.

use reqwest::StatusCode;

use super::app::{OTHER_SECRET, TestApp};

/// 0 connections of the attacker and 0 token calls.
async fn assert_nothing_was_linked(app: &TestApp) {
    assert!(app.connections("mallory").await.is_empty());
    assert_eq!(app.count("token_code").await, 0);
}

#[tokio::test]
async fn a_link_shows_our_confirm_page_which_names_app_and_customer() {
    let app = TestApp::new().await;
    let mut victim = app.browser();

    let answer = victim.get(&format!("/connect?token={}&integrationKey=hubspot", app.token("mallory"))).await;
    let page = victim.get(&answer.location()).await;

    page.assert_status(StatusCode::OK);
    for named in ["HubSpot", "Acme", "Name of mallory", "(mallory)", "Continue to HubSpot"] {
        page.assert_says(named);
    }
    assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
    assert_eq!(page.header("set-cookie"), "");
    assert_eq!(app.count("authorize").await, 0);
    assert_nothing_was_linked(&app).await;
}

#[tokio::test]
async fn a_link_to_a_form_for_a_key_says_whose_connection_it_becomes() {
    let app = TestApp::new().await;
    let mut victim = app.browser();

    let answer = victim.get(&format!("/connect?token={}&integrationKey=stripe", app.token("mallory"))).await;
    let page = victim.get(&answer.location()).await;

    page.assert_says("linked to Name of mallory (mallory) at Acme");
    page.assert_says("If someone sent you this link, close this page");
}

#[tokio::test]
async fn a_form_posted_by_another_site_shows_the_confirm_page_too() {
    let app = TestApp::new().await;
    let mut victim = app.browser();
    let token = app.token("mallory");
    let form = [("token", token.as_str()), ("integrationKey", "hubspot")];

    for origin in ["https://evil.example", "null", "https://app.acme.com.evil.example", "http://app.acme.com"]
    {
        let answer = victim.post_from(origin, "/connect", &form).await;
        assert!(answer.location().starts_with("/connect/continue/"), "{origin}");
    }

    assert_nothing_was_linked(&app).await;
}

#[tokio::test]
async fn a_form_posted_by_another_site_cannot_press_our_buttons() {
    let app = TestApp::new().await;
    let mut attacker = app.signed_in("mallory").await;
    let (action, fields) = attacker.get("/apps/hubspot").await.form("connect");
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let begun =
        attacker.get(&format!("/connect?token={}&integrationKey=hubspot", app.token("mallory"))).await;
    let ticket = begun.location().rsplit('/').next().unwrap().to_owned();
    let mut victim = app.browser();

    for (address, form) in
        [(action.as_str(), fields), ("/_actions/submit_input", vec![("ticket", ticket.as_str())])]
    {
        let answer = victim.post_from("https://evil.example", address, &form).await;
        answer.assert_status(StatusCode::FORBIDDEN);
    }

    assert_eq!(app.count("authorize").await, 0);
    assert_nothing_was_linked(&app).await;
}

#[tokio::test]
async fn a_captured_provider_address_finished_in_another_browser_exchanges_nothing() {
    let app = TestApp::new().await;
    let mut attacker = app.signed_in("mallory").await;
    let mut victim = app.signed_in("victim").await;
    let captured = attacker.submit("hubspot", &[]).await.location();

    let returned = victim.consent(&captured, &[("account", "alice")]).await;
    let answer = victim.get(&returned.location()).await;

    answer.assert_status(StatusCode::FORBIDDEN);
    answer.assert_says("started in another browser");
    assert_nothing_was_linked(&app).await;
    let late = attacker.get(&returned.location()).await;
    late.assert_status(StatusCode::BAD_REQUEST);
    assert_nothing_was_linked(&app).await;
}

#[tokio::test]
async fn a_captured_callback_of_the_victim_is_worth_nothing_to_the_attacker() {
    let app = TestApp::new().await;
    let mut attacker = app.signed_in("mallory").await;
    let mut victim = app.signed_in("victim").await;
    let left = attacker.submit("hubspot", &[]).await.location();
    let own_state = value(&left, "state");
    let victims = victim.submit("hubspot", &[]).await.location();
    let returned = victim.consent(&victims, &[]).await.location();
    let code = value(&returned, "code");
    let path = returned.split('?').next().unwrap();

    let injected = attacker.get(&format!("{path}?code={code}&state={own_state}")).await;

    // The attacker's browser is the right one for that state, so the code goes out once, and PKCE stops it.
    let result = attacker.get(&injected.location()).await;
    result.assert_says("was not connected");
    assert!(app.connections("mallory").await.is_empty());
}

#[tokio::test]
async fn a_callback_at_another_integration_aborts_before_any_token_call() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("mallory").await;
    let left = browser.submit("hubspot", &[]).await;
    let returned = browser.consent(&left.location(), &[]).await.location();
    let github =
        app.engine.workspace_by_key("acme").await.unwrap().integration("github").unwrap().integration.id;
    let (_, query) = returned.split_once('?').unwrap();

    let answer = browser.get(&format!("/oauth/callback/{github}?{query}")).await;

    browser.get(&answer.location()).await.assert_says("belongs to another integration");
    assert_nothing_was_linked(&app).await;
}

#[tokio::test]
async fn a_parameter_that_appears_twice_is_refused() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("mallory").await;

    for extra in ["&code=second", "&iss=https://a.example&iss=https://b.example", "&error=a&error=b"] {
        let left = browser.submit("hubspot", &[]).await;
        let returned = browser.consent(&left.location(), &[]).await.location();
        let answer = browser.get(&format!("{returned}{extra}")).await;
        browser.get(&answer.location()).await.assert_says("was not connected");
    }
    let left = browser.submit("hubspot", &[]).await;
    let returned = browser.consent(&left.location(), &[]).await.location();
    browser.get(&format!("{returned}&state=x")).await.assert_status(StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_a_callback_says_is_never_shown() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("mallory").await;
    let left = browser.submit("hubspot", &[]).await;
    let state = value(&left.location(), "state");
    let id =
        app.engine.workspace_by_key("acme").await.unwrap().integration("hubspot").unwrap().integration.id;
    let script = "%3Cscript%3Ealert(1)%3C/script%3E";

    let answer = browser
        .get(&format!("/oauth/callback/{id}?state={state}&error={script}&error_description={script}"))
        .await;

    let result = browser.get(&answer.location()).await;
    assert!(!result.body.contains("alert(1)"), "{}", result.body);
    result.assert_says("HubSpot answered with an error");
}

#[tokio::test]
async fn somebody_elses_connection_reads_like_an_unknown_one() {
    let app = TestApp::new().await;
    let mut victim = app.signed_in("victim").await;
    victim.connect("hubspot", &[]).await.assert_status(StatusCode::SEE_OTHER);
    let id = app.connections("victim").await[0]["id"].as_str().unwrap().to_owned();
    let mut attacker = app.signed_in("mallory").await;
    let (_, fields) = attacker.get("/apps/hubspot").await.form("connect");
    let session = fields["session"].as_str();
    let unknown = "01900000-0000-7000-8000-000000000000";

    for action in ["/_actions/delete", "/_actions/reconnect"] {
        let theirs = attacker.post(action, &[("session", session), ("connection", &id)]).await;
        let nobodys = attacker.post(action, &[("session", session), ("connection", unknown)]).await;
        assert_eq!(theirs.location(), nobodys.location(), "{action}");
        assert_eq!(theirs.location(), "/refused/not_found");
    }
    let other = app.token_of("other", OTHER_SECRET, "victim");
    for token in [app.token("mallory"), other] {
        let theirs = format!("/connect?token={token}&connectionId={id}");
        let nobodys = format!("/connect?token={token}&connectionId={unknown}");
        let (theirs, nobodys) = (attacker.get(&theirs).await, attacker.get(&nobodys).await);
        assert_eq!((theirs.status, theirs.body), (nobodys.status, nobodys.body));
    }

    assert_eq!(app.connections("victim").await.len(), 1);
}

#[tokio::test]
async fn a_form_that_cannot_be_read_never_goes_back_to_a_foreign_page() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("mallory").await;
    let origin = app.base.origin().ascii_serialization();
    let headers = [
        ("accept", "text/html"),
        ("sec-fetch-site", "same-origin"),
        ("origin", origin.as_str()),
        ("referer", "https://evil.example/x"),
    ];

    for body in ["session=a&session=b", "input=x", "input[a][b]=x", "%ff=%ff", ""] {
        for action in ["connect", "reconnect", "delete", "submit_input"] {
            let address = format!("/_actions/{action}");
            let answer = browser.send(reqwest::Method::POST, &address, &headers, Some(body.to_owned())).await;
            let location = answer.header("location");
            assert!(location.is_empty() || location.starts_with("/refused/"), "{action} {body}: {location}");
            assert!(!answer.body.contains("evil.example"));
        }
    }
}

#[tokio::test]
async fn what_the_framework_refuses_is_said_in_our_words() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("c1").await;

    for (address, status) in [
        ("/?q=a&q=b", StatusCode::BAD_REQUEST),
        ("/apps/%ff", StatusCode::BAD_REQUEST),
        ("/_actions/nothing", StatusCode::NOT_FOUND),
        ("/_actions/connect", StatusCode::METHOD_NOT_ALLOWED),
        ("/assets/none", StatusCode::NOT_FOUND),
    ] {
        let page = browser.get(address).await;
        page.assert_status(status);
        page.assert_says("<h1");
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8", "{address}");
    }
    let token = app.token("c1");
    for address in ["/connections?disconnected=maybe", "/integrations?limit=1&limit=2"] {
        let refused = browser.api(reqwest::Method::GET, address, &token).await;
        refused.assert_error(StatusCode::BAD_REQUEST, "invalid_query");
    }
}

fn value(address: &str, name: &str) -> String {
    let url: url::Url = address.parse().unwrap();
    url.query_pairs().find(|(given, _)| given == name).unwrap().1.into_owned()
}
