//! Webhooks, events and deliveries over the API.

use super::*;

async fn made(app: &TestApp, body: &Value) -> Value {
    let made = post(app, "/webhooks", body).await;
    made.assert_status(StatusCode::OK);
    made.json()
}

async fn patch(app: &TestApp, address: &str, body: &Value) -> Page {
    let bearer = format!("Bearer {}", backend(app, None));
    let headers = [("accept", "application/json"), ("authorization", bearer.as_str())];
    app.browser().send(Method::PATCH, address, &headers, Some(body.to_string())).await
}

/// Listens for nothing, but lets a configuration allow it.
async fn allowing(receiver: &Receiver) -> TestApp {
    let text = config(&[receiver]);
    let (before, rest) = text.split_once("webhooks = [").unwrap();
    let (_, after) = rest.split_once(']').unwrap();
    TestApp::with(&format!("{before}{after}")).await
}

#[tokio::test]
async fn a_secret_is_shown_once_and_signs_beside_the_next_one_for_a_day() {
    let receiver = Receiver::new().await;
    let app = allowing(&receiver).await;

    let hook = made(&app, &json!({ "url": receiver.url() })).await;
    let address = format!("/webhooks/{}", hook["id"].as_str().unwrap());
    let first = hook["secret"].as_str().unwrap().to_owned();
    let connection = connected(&app, "c1").await;
    receiver.has(1).await;
    let rotated = post(&app, &format!("{address}/rotate-secret"), &json!({})).await.json();
    let second = rotated["secret"].as_str().unwrap().to_owned();
    import_done(&app, &connection).await;
    receiver.has(2).await;
    app.clock.advance(24 * 60 * MINUTE);
    import_done(&app, &connection).await;
    let messages = receiver.has(3).await;

    let signatures = |message: &Message| message.header("webhook-signature").to_owned();
    assert_eq!(signatures(&messages[0]), signature(&first, &messages[0]));
    let both = format!("{} {}", signature(&second, &messages[1]), signature(&first, &messages[1]));
    assert_eq!(signatures(&messages[1]), both);
    assert_eq!(signatures(&messages[2]), signature(&second, &messages[2]));
    assert!(rotated["previousSecretUntil"].is_string());
    let read = get(&app, &address).await;
    let listed = get(&app, "/webhooks").await;
    for page in [&read, &listed] {
        assert!(!page.body.contains("whsec_") && !page.body.contains("ecret\":\""), "{}", page.body);
    }
    assert_eq!(read.json()["url"], receiver.url());
    assert_eq!((&read.json()["events"], &read.json()["origin"]), (&Value::Null, &"api".into()));
}

#[tokio::test]
async fn a_webhook_is_told_the_types_it_names_and_nothing_when_it_is_gone() {
    let receiver = Receiver::new().await;
    let app = allowing(&receiver).await;
    let hook = made(&app, &json!({ "url": receiver.url(), "events": ["connection.import_done"] })).await;
    let address = format!("/webhooks/{}", hook["id"].as_str().unwrap());

    let connection = connected(&app, "c1").await;
    import_done(&app, &connection).await;
    receiver.has(1).await;
    patch(&app, &address, &json!({ "events": null })).await.assert_status(StatusCode::OK);
    let archived = format!("/connections/{connection}");
    let archived = app.browser().api(Method::DELETE, &archived, &app.token("c1")).await;
    assert!(archived.status.is_success(), "{}", archived.body);
    receiver.has(2).await;
    let test = post(&app, &format!("{address}/test"), &json!({})).await.json();
    receiver.has(3).await;
    let removed = app.browser().api(Method::DELETE, &address, &backend(&app, None)).await;
    connected(&app, "c2").await;

    let kinds: Vec<_> = receiver.messages().iter().map(Message::kind).collect();
    assert_eq!(kinds, ["connection.import_done", "connection.deleted", "webhook.test"]);
    removed.assert_status(StatusCode::NO_CONTENT);
    get(&app, &address).await.assert_error(StatusCode::NOT_FOUND, "not_found");
    assert_eq!(test["data"], json!({ "webhook": { "id": hook["id"] } }));
    until_none_is_pending(&app).await;
}

#[tokio::test]
async fn what_does_not_fit_is_refused_by_its_path() {
    let receiver = Receiver::new().await;
    let app = allowing(&receiver).await;
    let url = receiver.url();
    let cases = [
        (json!({}), "url"),
        (json!({ "url": 7 }), "url"),
        (json!({ "url": "hooks" }), "url"),
        (json!({ "url": "ftp://app.acme.com/" }), "url"),
        (json!({ "url": "http://app.acme.com/" }), "url"),
        (json!({ "url": "https://127.0.0.1/" }), "url"),
        (json!({ "url": "https://169.254.169.254/latest" }), "url"),
        (json!({ "url": "https://metadata.google.internal/" }), "url"),
        (json!({ "url": "https://user:key@app.acme.com/" }), "url"),
        (json!({ "url": format!("https://app.acme.com/{}", "x".repeat(2048)) }), "url"),
        (json!({ "url": url, "yourApp": "/hooks" }), "yourApp"),
        (json!({ "yourApp": "hooks" }), "yourApp"),
        (json!({ "yourApp": "//evil.example/" }), "yourApp"),
        (json!({ "yourApp": "/a/../b" }), "yourApp"),
        (json!({ "url": url, "events": [] }), "events"),
        (json!({ "url": url, "events": "all" }), "events"),
        (json!({ "url": url, "events": ["connection.created", "customer.created"] }), "events[1]"),
        (json!({ "url": url, "secret": "whsec_c2hvcnQ=" }), "secret"),
    ];

    for (body, path) in cases {
        let refused = post(&app, "/webhooks", &body).await;

        refused.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
        let fields = refused.json()["data"]["fields"].as_object().unwrap().clone();
        assert_eq!(fields.keys().collect::<Vec<_>>(), [path], "{body}");
    }
    assert_eq!(get(&app, "/webhooks").await.json(), json!({ "items": [] }));
    for (address, wrong) in
        [("/events?cursor=x", "invalid_cursor"), ("/deliveries?state=lost", "invalid_input")]
    {
        get(&app, address).await.assert_error(StatusCode::BAD_REQUEST, wrong);
    }
}

#[tokio::test]
async fn a_webhook_of_the_configuration_file_is_changed_there_alone() {
    let receiver = Receiver::new().await;
    let app = TestApp::with(&config(&[&receiver])).await;
    let hook = get(&app, "/webhooks").await.json()["items"][0].clone();
    let address = format!("/webhooks/{}", hook["id"].as_str().unwrap());

    let changed = patch(&app, &address, &json!({ "events": null })).await;
    let rotated = post(&app, &format!("{address}/rotate-secret"), &json!({})).await;
    let removed = app.browser().api(Method::DELETE, &address, &backend(&app, None)).await;

    for refused in [changed, rotated, removed] {
        refused.assert_error(StatusCode::CONFLICT, "owned_by_file");
    }
    assert_eq!(hook["origin"], "file");
    let again = TestApp::start(app.folder.clone()).await;
    assert_eq!(get(&again, "/webhooks").await.json()["items"][0]["id"], hook["id"], "its id stays");
}

/// Security T1, T2.
#[tokio::test]
async fn events_are_the_backends_and_one_customers_are_nobody_elses() {
    let receiver = Receiver::new().await;
    let app = TestApp::with(&config(&[&receiver])).await;
    connected(&app, "c1").await;
    connected(&app, "c2").await;
    receiver.has(2).await;
    let all = get(&app, "/events").await.json();
    let newest = all["items"][0]["id"].as_str().unwrap();
    let other = json!({ "iss": "other", "isAdmin": true, "exp": app.now() + 600 });
    let other = app.signed(crate::app::OTHER_SECRET, &other);

    let of_c1 = app.browser().api(Method::GET, "/events", &backend(&app, Some("c1"))).await.json();
    let theirs = app.browser().api(Method::GET, "/events", &other).await.json();
    let unknown = "018f4e7c-0000-7000-8000-000000000000";
    for path in ["", "/deliveries"] {
        let address = |id: &str| format!("/events/{id}{path}");
        let foreign = app.browser().api(Method::GET, &address(newest), &other).await;
        let hidden = app.browser().api(Method::GET, &address(newest), &backend(&app, Some("c1"))).await;
        let missing = app.browser().api(Method::GET, &address(unknown), &other).await;
        assert_eq!((foreign.status, hidden.status), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND));
        assert_eq!((&foreign.body, &hidden.body), (&missing.body, &missing.body));
    }

    assert_eq!(all["items"].as_array().unwrap().len(), 2);
    assert_eq!(of_c1["items"].as_array().unwrap().len(), 1);
    assert_eq!(of_c1["items"][0]["data"]["connection"]["customerId"], "c1");
    assert_eq!(theirs["items"], json!([]));
    for address in ["/events", "/webhooks", "/deliveries", "/audit"] {
        let refused = app.browser().api(Method::GET, address, &app.token("c1")).await;
        refused.assert_error(StatusCode::FORBIDDEN, "access_denied");
    }
}

#[tokio::test]
async fn events_are_listed_page_by_page_and_by_connection_and_type() {
    let receiver = Receiver::new().await;
    let app = TestApp::with(&config(&[&receiver])).await;
    let connection = connected(&app, "c1").await;
    connected(&app, "c2").await;
    for _ in 0..3 {
        import_done(&app, &connection).await;
    }

    let (mut seen, mut cursor) = (Vec::new(), "0".to_owned());
    loop {
        let page = get(&app, &format!("/events?limit=2&cursor={cursor}")).await.json();
        seen.extend(page["items"].as_array().unwrap().iter().map(|one| one["id"].clone()));
        match page["cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    let of_one = get(&app, &format!("/events?connectionId={connection}")).await.json();
    let made = get(&app, "/events?type=connection.created").await.json();
    let nobodys = get(&app, "/events?connectionId=no-such-thing").await.json();

    let whole = get(&app, "/events").await.json();
    let all: Vec<_> = whole["items"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
    assert_eq!((seen.len(), &seen), (5, &all));
    assert_eq!(of_one["items"].as_array().unwrap().len(), 4);
    assert_eq!(made["items"].as_array().unwrap().len(), 2);
    assert_eq!(nobodys["items"], json!([]));
}
