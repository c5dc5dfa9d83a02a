//! Pages that wait for an import. Acceptance 50.

use super::*;

/// Reads an event stream until it has held so many messages, or ends.
async fn messages(app: &TestApp, address: &str, count: usize) -> Vec<Value> {
    #[expect(clippy::disallowed_methods, reason = "a page of its own, not the server's client")]
    let client = reqwest::Client::builder().build().unwrap();
    let mut stream = client.get(app.base.join(address).unwrap()).send().await.unwrap();
    let (mut text, mut found) = (String::new(), Vec::new());
    while found.len() < count {
        let chunk = tokio::time::timeout(Duration::from_secs(20), stream.chunk()).await.unwrap().unwrap();
        let Some(chunk) = chunk else { break };
        text.push_str(std::str::from_utf8(&chunk).unwrap());
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        found = data.map(|data| serde_json::from_str(data).unwrap()).collect();
    }
    found
}

#[tokio::test]
async fn a_page_that_asked_for_all_events_hears_that_the_import_is_done() {
    let receiver = Receiver::new().await;
    let app = TestApp::with(&config(&[&receiver])).await;
    let request_id = "a-request-id-of-24-chars";
    let stream = format!("/sse/connection-events/{request_id}");
    let start = json!({
        "token": app.token("c1"),
        "integrationKey": "stripe",
        "requestId": request_id,
        "input": { "api_key": "sk_test_sandbox" },
    });

    let made = post(&app, "/connect", &start).await.json();
    let connection = made["connection"]["id"].as_str().unwrap().to_owned();
    let with_all = format!("{stream}?events=all");
    let (told, ()) = tokio::join!(messages(&app, &with_all, 2), import_done(&app, &connection));
    let told_usually = messages(&app, &stream, 2).await;

    let kinds: Vec<_> = told.iter().map(|one| one["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["newConnectionCreated", "IMPORT_DONE"]);
    assert_eq!(told[1]["source"], "integration.app");
    assert_eq!(told[1]["requestId"], request_id);
    assert_eq!(told[1]["connection"]["id"], connection.as_str());
    // The public SDKs stop listening at a message of a type they do not know.
    let kinds: Vec<_> = told_usually.iter().map(|one| one["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["newConnectionCreated"]);
}

#[tokio::test]
async fn only_the_backend_reports_an_import_and_only_of_a_connection_it_sees() {
    let receiver = Receiver::new().await;
    let app = TestApp::with(&config(&[&receiver])).await;
    let connection = connected(&app, "c1").await;
    let address = format!("/connections/{connection}/events");
    let done = json!({ "type": "IMPORT_DONE" });

    let by_customer = app.browser().post_json(&address, &app.token("c1"), &done).await;
    let for_another = app.browser().post_json(&address, &backend(&app, Some("c2")), &done).await;
    let of_another_type = post(&app, &address, &json!({ "type": "READY" })).await;
    let by_key =
        app.browser().post_json("/connections/stripe/events", &backend(&app, Some("c1")), &done).await;

    by_customer.assert_error(StatusCode::FORBIDDEN, "access_denied");
    for_another.assert_error(StatusCode::NOT_FOUND, "not_found");
    of_another_type.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
    assert_eq!(by_key.json()["type"], "connection.import_done");
    let messages = receiver.has(2).await;
    let mut kinds: Vec<_> = messages.iter().map(Message::kind).collect();
    kinds.sort();
    assert_eq!(kinds, ["connection.created", "connection.import_done"]);
}
