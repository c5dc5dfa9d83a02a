//! A page that waits for an attempt: what it is told when there never was one, how it gives up, and how it
//! comes back to go on listening.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::app::{OTHER_SECRET, Page, SECRET, TestApp, browser::plain_client};

const PRODUCT: &str = "https://app.acme.com";
const REQUEST: &str = "request-0123456789abcdef";

/// Posts a payload into a window, as the SDKs do.
async fn post(app: &TestApp, payload: &Value) -> Page {
    let form = [("payload", payload.to_string())];
    let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    app.browser().post_from(PRODUCT, "/connect", &form).await
}

/// The message that a listener has within `wait`.
async fn heard_within(app: &TestApp, query: &str, wait: Duration) -> Option<Value> {
    let address = app.base.join(&format!("/sse/connection-events/{query}")).unwrap();
    let mut stream = plain_client().get(address).send().await.unwrap();
    assert_eq!(stream.status(), StatusCode::OK);
    let mut text = String::new();
    let reading = async {
        loop {
            text.push_str(std::str::from_utf8(&stream.chunk().await.unwrap()?).unwrap());
            let message = text.lines().find_map(|line| line.strip_prefix("data: "));
            if let Some(message) = message.filter(|_| text.contains("\n\n")) {
                let mut message: Value = serde_json::from_str(message).unwrap();
                let id = text.lines().find_map(|line| line.strip_prefix("id: ")).unwrap_or_default();
                message["id"] = id.into();
                return Some(message);
            }
        }
    };
    tokio::time::timeout(wait, reading).await.ok().flatten()
}

async fn heard(app: &TestApp, query: &str) -> Value {
    heard_within(app, query, Duration::from_secs(2)).await.expect("whoever waits is told")
}

/// Long enough for a stream that has something to say.
const QUIET: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_start_that_is_refused_is_told_to_whoever_listens() {
    let app = TestApp::new().await;
    let token = app.token("c1");

    for (number, more, key) in [
        (1, json!({ "integrationKey": "nope" }), "not_found"),
        (2, json!({ "integrationKey": "stripe", "authOptionKey": "nope" }), "unknown_auth_option"),
        (3, json!({ "integrationKey": "stripe", "connectorParameters": { "nope": 1 } }), "invalid_input"),
        (
            4,
            json!({ "integrationKey": "stripe", "redirectUri": "https://evil.example/" }),
            "redirect_not_allowed",
        ),
        (5, json!({ "integrationKey": "stripe", "name": "n".repeat(201) }), "invalid_input"),
    ] {
        let request_id = format!("{REQUEST}{number}");
        let mut payload = json!({ "token": token, "requestId": request_id });
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (by_name, by_token) = (request_id.clone(), format!("{request_id}?token={token}"));
        let early = heard(&app, &by_name);

        // One listens before, as the SDKs do; one comes later.
        let (early, refused) = tokio::join!(early, post(&app, &payload));
        let late = heard(&app, &by_token).await;

        assert!(refused.status.is_client_error(), "{more}: {}", refused.status);
        assert_eq!(
            (&early["type"], &early["source"]),
            (&json!("newConnectionFailure"), &json!("integration.app"))
        );
        assert_eq!(early["requestId"], *request_id);
        let data = &early["errorData"];
        assert!(data["key"] == key || data["data"]["reason"] == key, "{more}: {data}");
        assert_eq!(early["error"], data["message"]);
        assert_eq!(early, late, "{more}");
        assert!(!early.to_string().contains(&token));
    }
}

#[tokio::test]
async fn nobody_else_hears_of_a_refused_start() {
    let app = TestApp::new().await;
    let start = |token: &str, request_id: &str| json!({ "token": token, "integrationKey": "nope", "requestId": request_id });
    post(&app, &start(&app.token("c1"), REQUEST)).await;
    let own = format!("{REQUEST}?token={}", app.token("c1"));
    assert_eq!(heard(&app, &own).await["errorData"]["key"], "not_found");

    for stranger in [app.token("c2"), app.token_of("other", OTHER_SECRET, "c1")] {
        assert_eq!(heard_within(&app, &format!("{REQUEST}?token={stranger}"), QUIET).await, None);
    }
    post(&app, &start(&app.token("c2"), REQUEST)).await;
    assert_eq!(heard_within(&app, REQUEST, QUIET).await, None, "two customers share the name");
}

/// A token that does not count belongs to nobody; who has it, or the name, is told.
#[tokio::test]
async fn a_start_whose_token_does_not_count_is_told_by_its_name() {
    let app = TestApp::new().await;
    let expired = app.signed(SECRET, &json!({ "iss": "acme", "id": "c1", "exp": app.now() - 600 }));

    post(&app, &json!({ "token": expired, "integrationKey": "hubspot", "requestId": REQUEST })).await;

    let message = heard(&app, REQUEST).await;
    assert_eq!(message["errorData"]["key"], "not_authenticated");
    assert_eq!(message["errorData"]["data"]["reason"], "token_expired");
    let other = format!("{REQUEST}?token={}", app.token("c1"));
    assert_eq!(heard_within(&app, &other, QUIET).await, None);
}

#[tokio::test]
async fn a_second_start_of_the_same_name_says_nothing_about_the_first() {
    let app = TestApp::new().await;
    let start = json!({ "token": app.token("c1"), "integrationKey": "hubspot", "requestId": REQUEST });
    post(&app, &start).await.assert_status(StatusCode::SEE_OTHER);

    post(&app, &start).await.assert_status(StatusCode::BAD_REQUEST);

    assert_eq!(heard_within(&app, REQUEST, QUIET).await, None);
}

/// A server that lets one start through, reached over a proxy that it trusts.
async fn limited(limit: &str) -> TestApp {
    TestApp::with(&format!(
        "[server]\nsandbox = true\ntrusted_proxies = [\"127.0.0.1\"]\n[server.limits]\n{limit} = \"1/h\"\n\
         [[workspace]]\nkey = \"acme\"\nsecret = \"{SECRET}\"\nallowed_origins = [\"{PRODUCT}\"]\n\
         integration = [{{ key = \"hubspot\", sandbox = true }}]\n"
    ))
    .await
}

/// Sends a form from behind the proxy.
async fn forwarded(app: &TestApp, origin: &str, address: &str, form: &[(&str, &str)]) -> Page {
    let headers = [("accept", "text/html"), ("origin", origin), ("x-forwarded-for", "203.0.113.7")];
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    app.browser().send(Method::POST, address, &headers, Some(body)).await
}

#[tokio::test]
async fn too_many_starts_are_told_in_every_shape() {
    for limit in ["start_per_customer", "start_per_address"] {
        let app = limited(limit).await;
        let token = app.token("c1");
        for number in 0..2 {
            let payload = json!({ "token": token, "integrationKey": "hubspot", "requestId": format!("{REQUEST}{number}") });
            forwarded(&app, PRODUCT, "/connect", &[("payload", &payload.to_string())]).await;
        }

        let by_name = heard(&app, &format!("{REQUEST}1")).await;
        let by_token = heard(&app, &format!("{REQUEST}1?token={token}")).await;

        assert_eq!(by_name["errorData"]["key"], "rate_limit_exceeded", "{limit}");
        assert_eq!(by_name["errorData"]["data"]["limit"], limit);
        assert_eq!(by_name, by_token);
        assert_eq!(heard_within(&app, &format!("{REQUEST}0"), QUIET).await, None, "the first is under way");
        let stranger = format!("{REQUEST}1?token={}", app.token("c2"));
        assert_eq!(heard_within(&app, &stranger, QUIET).await, None);
    }
}

/// The window shows the refusal; the dialog that opened it is told by the server, and says so.
#[tokio::test]
async fn a_dialog_is_told_what_its_window_was_refused() {
    let app = limited("start_per_address").await;
    let origin = app.base.origin().ascii_serialization();
    let token = app.token("c1");
    let form = [("token", token.as_str()), ("integrationKey", "hubspot")];
    let opened = app.browser().post_from(PRODUCT, "/screens/connect", &form).await.location();
    let page = app.browser().get(&opened).await;
    let (action, mut fields) = page.form("connect");
    for number in 0..2 {
        fields.insert("request_id".to_owned(), format!("{REQUEST}{number}"));
        let form: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        forwarded(&app, &origin, &action, &form).await;
    }
    let message = heard(&app, &format!("{REQUEST}1")).await;
    assert_eq!(message["errorData"]["key"], "rate_limit_exceeded");
    assert_eq!(
        message["error"],
        "There were too many tries in a short time. Please wait a minute and try again."
    );

    app.clock.advance(Duration::from_secs(61 * 60));
    fields.insert("request_id".to_owned(), format!("{REQUEST}-late"));
    let form: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let refused = app.browser().post(&action, &form).await;

    assert_eq!(refused.location(), "/refused/session_ended");
    let message = heard(&app, &format!("{REQUEST}-late")).await;
    assert_eq!(message["errorData"]["data"]["reason"], "session_ended");
    assert_eq!(message["error"], "This page was open for too long. Open it again to go on.");
}

#[tokio::test]
async fn who_gives_up_ends_their_own_attempt_and_nobody_elses() {
    let app = TestApp::new().await;
    let start = json!({ "token": app.token("c1"), "integrationKey": "hubspot", "requestId": REQUEST });
    let mut browser = app.browser();
    let form = [("payload", start.to_string())];
    let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let left = browser.post_from(PRODUCT, "/connect", &form).await.location();
    let given_up = json!({ "requestId": REQUEST });
    for stranger in [app.token("c2"), app.token_of("other", OTHER_SECRET, "c1")] {
        let answer = app.browser().post_json("/connect/cancel", &stranger, &given_up).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::NO_CONTENT, ""));
    }
    assert_eq!(heard_within(&app, REQUEST, QUIET).await, None);

    for _ in 0..2 {
        let answer = app.browser().post_json("/connect/cancel", &app.token("c1"), &given_up).await;
        answer.assert_status(StatusCode::NO_CONTENT);
    }

    assert_eq!(heard(&app, REQUEST).await["errorData"]["key"], "access_denied_by_provider");
    let returned = browser.consent(&left, &[]).await.location();
    browser.get(&returned).await;
    assert!(app.connections("c1").await.is_empty());
    let unnamed = app.browser().post_json("/connect/cancel", &app.token("c1"), &json!({})).await;
    unnamed.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
}

/// The product's backend says that an import is done.
async fn import_done(app: &TestApp, id: &str) {
    let admin = app.signed(SECRET, &json!({ "iss": "acme", "isAdmin": true, "exp": app.now() + 600 }));
    let body = json!({ "type": "IMPORT_DONE" });
    let told = app.browser().post_json(&format!("/connections/{id}/events"), &admin, &body).await;
    told.assert_status(StatusCode::OK);
}

/// Acceptance 50: the stream goes on however late it is asked for again, and says each report once.
#[tokio::test]
async fn who_listens_for_imports_may_come_back_after_hours() {
    let app = TestApp::new().await;
    let start = json!({ "integrationKey": "stripe", "requestId": REQUEST, "input": { "api_key": "sk_test_sandbox" } });
    app.browser().post_json("/connect", &app.token("c1"), &start).await.assert_status(StatusCode::OK);
    let id = app.connections("c1").await[0]["id"].as_str().unwrap().to_owned();
    let ready = heard(&app, &format!("{REQUEST}?events=all")).await;
    let bookmark = ready["id"].as_str().unwrap().to_owned();
    assert_eq!(ready["type"], "newConnectionCreated");
    app.clock.advance(Duration::from_secs(3 * 60 * 60));
    app.engine.sweep().await.unwrap();
    assert_eq!(heard_within(&app, &format!("{REQUEST}?events=all"), QUIET).await, None, "it is forgotten");

    import_done(&app, &id).await;
    let first = heard(&app, &format!("{REQUEST}?events=all&last={bookmark}")).await;
    let behind = format!("{REQUEST}?events=all&last={}", first["id"].as_str().unwrap());
    let nothing_new = heard_within(&app, &behind, QUIET).await;
    import_done(&app, &id).await;
    let second = heard(&app, &behind).await;

    assert_eq!((&first["type"], &first["connection"]["id"]), (&json!("IMPORT_DONE"), &json!(id)));
    assert_eq!(first["requestId"], REQUEST);
    assert_eq!(nothing_new, None);
    assert_eq!((&second["type"], second["id"] != first["id"]), (&json!("IMPORT_DONE"), true));

    let mut forged = bookmark.clone().into_bytes();
    let middle = forged.len() / 2;
    forged[middle] = if forged[middle] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();
    for query in [
        format!("{REQUEST}?events=all&last={forged}"),
        format!("another-{REQUEST}?events=all&last={bookmark}"),
        format!("{REQUEST}?last={bookmark}"),
    ] {
        assert_eq!(heard_within(&app, &query, QUIET).await, None, "{query}");
    }
    app.browser().api(Method::DELETE, &format!("/connections/{id}"), &app.token("c1")).await;
    assert_eq!(heard_within(&app, &format!("{REQUEST}?events=all&last={bookmark}"), QUIET).await, None);
}

/// An embed that is used does not end under somebody's hands; one that nobody uses does, and none lasts
/// longer than a hosted page.
#[tokio::test]
async fn an_embed_lasts_while_it_is_used_and_no_longer_than_eight_hours() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let token = app.token("c1");
    let form = [("token", token.as_str()), ("integrationKey", "stripe")];
    let opened = browser.post_from(PRODUCT, "/screens/connect", &form).await.location();
    let page = browser.get(&opened).await;
    let session = opened.split_once("session=").unwrap().1.to_owned();
    let alive = format!("/embed/session?session={session}");

    for _ in 0..6 {
        app.clock.advance(Duration::from_secs(10 * 60));
        browser.get(&alive).await.assert_status(StatusCode::NO_CONTENT);
    }
    let done = browser.submit_on(&page, &[("input[api_key]", "sk_test_sandbox")]).await.location();
    assert!(done.starts_with("/embed/connected?session="), "{done}");
    let mut minutes = 60;
    while browser.get(&alive).await.status == StatusCode::NO_CONTENT {
        app.clock.advance(Duration::from_secs(10 * 60));
        minutes += 10;
    }

    assert_eq!(minutes, 8 * 60);
    let ended = browser.get(&alive).await;
    ended.assert_status(StatusCode::UNAUTHORIZED);
    ended.assert_says("data-ended");
    ended.assert_says("data-reopen");
    browser.get("/embed/session").await.assert_status(StatusCode::UNAUTHORIZED);
}

/// What the public SDKs send to `/screens/connect` and nobody could tell what for.
#[tokio::test]
async fn a_dialog_goes_by_the_name_it_was_given_once_and_tells_the_state() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let token = app.token("c1");
    let form = [
        ("token", token.as_str()),
        ("integrationKey", "stripe"),
        ("requestId", REQUEST),
        ("customState", "a b&c=\u{e9}"),
    ];
    let opened = browser.post_from(PRODUCT, "/screens/connect", &form).await.location();
    let page = browser.get(&opened).await;
    assert_eq!(page.form("connect").1["request_id"], REQUEST);

    let done = browser.submit_on(&page, &[("input[api_key]", "sk_test_sandbox")]).await.location();
    let message = heard(&app, &format!("{REQUEST}?token={token}")).await;
    let again = browser.get(&opened).await;

    assert!(done.starts_with("/embed/connected?session="), "{done}");
    assert_eq!(message["type"], "newConnectionCreated");
    assert_eq!(message["customState"], "a b&c=\u{e9}");
    assert_ne!(again.form("connect").1["request_id"], REQUEST, "the name is good for one attempt");
    browser
        .submit_on(&again, &[("input[api_key]", "sk_test_sandbox")])
        .await
        .assert_status(StatusCode::SEE_OTHER);
}
