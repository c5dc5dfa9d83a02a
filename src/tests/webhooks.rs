//! Events on their way to webhooks. Acceptance 79.

mod api;
mod app_api;
mod crash;
mod waiting;

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    app::{Browser, Page, SECRET, TestApp},
    receiver::{Message, Mood, Receiver},
};

pub const HOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";
const MINUTE: Duration = Duration::from_secs(60);

/// A workspace whose file names these receivers.
pub fn config(receivers: &[&Receiver]) -> String {
    let allowed: Vec<_> = receivers.iter().map(|one| format!("\"{}\"", one.address)).collect();
    let hooks: Vec<_> = receivers
        .iter()
        .map(|one| format!("{{ url = \"{}\", secret = \"{HOOK_SECRET}\" }}", one.url()))
        .collect();
    format!(
        r#"
[server]
sandbox = true
egress_allow = [{}]

[[workspace]]
key = "acme"
name = "Acme"
secret = "{SECRET}"
webhooks = [{}]
integration = [{{ key = "hubspot", sandbox = true }}, {{ key = "stripe", sandbox = true }}]

[[workspace]]
key = "other"
secret = "other-secret-0123456789abcdef-012345678"
integration = [{{ key = "stripe", sandbox = true }}]
"#,
        allowed.join(", "),
        hooks.join(", ")
    )
}

/// A token of the workspace's backend, for all customers or for one.
pub fn backend(app: &TestApp, customer: Option<&str>) -> String {
    let mut claims = json!({ "iss": "acme", "isAdmin": true, "exp": app.now() + 600 });
    if let Some(customer) = customer {
        claims["id"] = customer.into();
    }
    app.signed(SECRET, &claims)
}

async fn get(app: &TestApp, address: &str) -> Page {
    app.browser().api(Method::GET, address, &backend(app, None)).await
}

async fn post(app: &TestApp, address: &str, body: &Value) -> Page {
    app.browser().post_json(address, &backend(app, None), body).await
}

/// Connects an app that needs a key; the connection's id.
async fn connected(app: &TestApp, customer: &str) -> String {
    let mut browser = app.signed_in(customer).await;
    browser
        .submit("stripe", &[("input[api_key]", "sk_test_sandbox")])
        .await
        .assert_status(StatusCode::SEE_OTHER);
    app.connections(customer).await[0]["id"].as_str().unwrap().to_owned()
}

async fn import_done(app: &TestApp, connection: &str) {
    let body = json!({ "type": "IMPORT_DONE" });
    post(app, &format!("/connections/{connection}/events"), &body).await.assert_status(StatusCode::OK);
}

fn signature(secret: &str, message: &Message) -> String {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &key);
    let signed = format!("{}.{}.{}", message.id(), message.header("webhook-timestamp"), message.body);
    format!("v1,{}", STANDARD.encode(aws_lc_rs::hmac::sign(&key, signed.as_bytes())))
}

/// Seconds since 1970 of a time on the wire.
fn seconds(time: &Value) -> i64 {
    let format = time::format_description::well_known::Rfc3339;
    time::OffsetDateTime::parse(time.as_str().unwrap(), &format).unwrap().unix_timestamp()
}

#[tokio::test]
async fn a_message_says_what_happened_to_which_connection_and_is_signed() {
    let receiver = Receiver::new().await;
    let app = TestApp::with(&config(&[&receiver])).await;

    let connection = connected(&app, "c1").await;
    let made = receiver.has(1).await.remove(0);
    let integration = get(&app, "/integrations").await.json();

    let body = made.json();
    let stripe = integration["items"].as_array().unwrap().iter().find(|one| one["key"] == "stripe").unwrap();
    assert_eq!(made.header("content-type"), "application/json");
    assert_eq!(
        (&body["type"], &body["eventType"]),
        (&"connection.created".into(), &"connection.created".into())
    );
    assert_eq!(
        body["data"],
        json!({ "connection": {
            "id": connection,
            "integrationId": stripe["id"],
            "integrationKey": "stripe",
            "name": body["data"]["connection"]["name"],
            "disconnected": false,
            "customerId": "c1",
        } })
    );
    assert!(body["data"]["connection"]["name"].as_str().is_some_and(|name| !name.is_empty()), "{body}");
    assert!((seconds(&body["timestamp"]) - app.now()).abs() < 30, "{body}");
    assert_eq!(made.header("webhook-signature"), signature(HOOK_SECRET, &made));
    let sent: i64 = made.header("webhook-timestamp").parse().unwrap();
    assert!((app.now() - sent).abs() < 30, "{sent}");
}

/// Every event arrives at least once, with one id, however often the receiver failed before.
#[tokio::test]
async fn a_receiver_that_fails_and_recovers_gets_every_event_with_a_stable_id() {
    let receiver = Receiver::new().await;
    let app = TestApp::with(&config(&[&receiver])).await;
    receiver.is(Mood::Answers(500));

    let first = connected(&app, "c1").await;
    let second = connected(&app, "c2").await;
    import_done(&app, &first).await;
    tried(&app, 3, 1).await;
    app.clock.advance(Duration::from_secs(5));
    tried(&app, 3, 2).await;
    app.clock.advance(5 * MINUTE);
    tried(&app, 3, 3).await;
    receiver.is(Mood::Answers(200));
    app.clock.advance(30 * MINUTE);
    let messages = receiver.has(12).await;

    let mut tries: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for message in &messages {
        assert_eq!(message.header("webhook-signature"), signature(HOOK_SECRET, message));
        let connection = message.json()["data"]["connection"]["id"].as_str().unwrap().to_owned();
        tries.entry((message.kind(), connection)).or_default().push(format!(
            "{} {}",
            message.id(),
            message.body
        ));
    }
    let wanted =
        [("connection.created", &first), ("connection.created", &second), ("connection.import_done", &first)];
    assert_eq!(tries.len(), 3);
    for (kind, connection) in wanted {
        let tries = &tries[&(kind.to_owned(), connection.clone())];
        assert_eq!(tries.len(), 4, "{kind}");
        assert!(tries.iter().all(|one| *one == tries[0]), "the same id and the same bytes: {tries:?}");
    }
    until_none_is_pending(&app).await;
    assert_eq!(receiver.messages().len(), 12, "nothing is sent again that was taken");
}

#[tokio::test]
async fn ten_failures_are_the_end_and_a_dead_event_is_sent_again_by_hand() {
    let receiver = Receiver::new().await;
    let app = TestApp::with(&config(&[&receiver])).await;
    receiver.is(Mood::Answers(503));

    connected(&app, "c1").await;
    for tries in 1..=9 {
        receiver.has(tries).await;
        settled(&app, "pending", tries).await;
        app.clock.advance(24 * 60 * MINUTE);
    }
    receiver.has(10).await;
    let dead = settled(&app, "dead", 10).await;
    app.clock.advance(48 * 60 * MINUTE);
    receiver.is(Mood::Answers(204));
    let event = dead["eventId"].as_str().unwrap();
    let again = post(&app, &format!("/events/{event}/redeliver"), &json!({})).await;
    let messages = receiver.has(11).await;
    let delivered = settled(&app, "delivered", 1).await;

    assert_eq!((&dead["lastStatus"], &dead["lastError"]), (&503.into(), &"status".into()));
    assert_eq!(dead["nextAttemptAt"], Value::Null);
    assert_eq!(again.json(), json!({ "deliveries": 1 }));
    assert_eq!(messages.len(), 11);
    assert!(messages.iter().all(|message| message.id() == event));
    assert_eq!(delivered["id"], dead["id"]);
    assert_eq!(delivered["lastError"], Value::Null);
}

#[tokio::test]
async fn gone_ends_at_once_a_redirect_is_not_followed_and_a_wish_to_wait_is_heard() {
    let (receiver, elsewhere) = (Receiver::new().await, Receiver::new().await);
    let app = TestApp::with(&config(&[&receiver])).await;

    receiver.is(Mood::Answers(410));
    connected(&app, "c1").await;
    let gone = settled(&app, "dead", 1).await;
    receiver.is(Mood::Answers(307));
    connected(&app, "c2").await;
    let redirected = settled(&app, "pending", 1).await;
    receiver.is(Mood::Asks(429, 3600));
    app.clock.advance(Duration::from_secs(5));
    let asked = settled(&app, "pending", 2).await;

    assert_eq!((&gone["lastStatus"], &gone["lastError"]), (&410.into(), &"gone".into()));
    assert_eq!((&redirected["lastStatus"], &redirected["lastError"]), (&307.into(), &"redirect".into()));
    assert_eq!((&asked["lastStatus"], &asked["lastError"]), (&429.into(), &"status".into()));
    let wait = seconds(&asked["nextAttemptAt"]) - app.now();
    assert!((3560..=3600).contains(&wait), "{wait}");
    assert!(elsewhere.messages().is_empty());
}

/// One receiver that never answers delays nobody else's messages.
#[tokio::test]
async fn a_slow_receiver_delays_nobody_else() {
    let (slow, quick) = (Receiver::new().await, Receiver::new().await);
    let app = TestApp::with(&config(&[&slow, &quick])).await;
    slow.is(Mood::Hangs);
    let connection = connected(&app, "c1").await;

    let began = std::time::Instant::now();
    for _ in 0..40 {
        import_done(&app, &connection).await;
    }
    let messages = quick.has(41).await;

    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    assert_eq!(messages.len(), 41);
    assert_eq!(slow.messages().len(), 8, "as many at once as one webhook may have");
}

/// Two processes on one database send each event once when nothing fails.
#[tokio::test]
async fn two_servers_on_one_database_send_each_event_once() {
    let receiver = Receiver::new().await;
    let app = TestApp::with(&config(&[&receiver])).await;
    let other = TestApp::start(app.folder.clone()).await;
    let connection = connected(&app, "c1").await;

    for _ in 0..30 {
        import_done(&app, &connection).await;
        import_done(&other, &connection).await;
    }
    receiver.has(61).await;
    until_none_is_pending(&app).await;

    let messages = receiver.messages();
    let ids: std::collections::BTreeSet<_> = messages.iter().map(|message| message.id().to_owned()).collect();
    assert_eq!((messages.len(), ids.len()), (61, 61));
}

async fn until_none_is_pending(app: &TestApp) {
    for _ in 0..1000 {
        let page = get(app, "/deliveries?state=pending").await.json();
        if page["items"].as_array().unwrap().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("some are still pending");
}

/// Comes back when so many deliveries wait after so many tries: only then may the clock move on.
async fn tried(app: &TestApp, count: usize, tries: usize) {
    for _ in 0..3000 {
        let page = get(app, "/deliveries?state=pending").await.json();
        let waiting = page["items"].as_array().unwrap().iter().filter(|one| one["attempts"] == tries).count();
        if waiting == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{count} deliveries do not wait after {tries} tries");
}

/// The one delivery in `state` after so many tries, as soon as it is there.
async fn settled(app: &TestApp, state: &str, tries: usize) -> Value {
    for _ in 0..3000 {
        let page = get(app, &format!("/deliveries?state={state}")).await.json();
        let found = page["items"].as_array().unwrap().iter().find(|one| one["attempts"] == tries).cloned();
        if let Some(found) = found {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no delivery is {state} after {tries} tries");
}
