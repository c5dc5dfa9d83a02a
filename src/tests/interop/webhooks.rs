//! PyPI `standardwebhooks` verifies what webhooks get.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    app::{SECRET, TestApp},
    provider::python,
    receiver::{Message, Receiver},
};

/// What the library says of each message.
fn verdicts(messages: &[(&str, &Message)]) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("end2end/providers/webhooks.py");
    let mut judge =
        Command::new(python()).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = judge.stdin.take().unwrap();
    for (secret, message) in messages {
        let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
        let headers: serde_json::Map<String, Value> =
            names.iter().map(|name| ((*name).to_owned(), message.header(name).into())).collect();
        let line = json!({ "secret": secret, "headers": headers, "body": message.body });
        writeln!(input, "{line}").unwrap();
    }
    drop(input);
    let said = String::from_utf8(judge.wait_with_output().unwrap().stdout).unwrap();
    said.lines().map(str::to_owned).collect()
}

/// Acceptance 79.
#[tokio::test]
async fn a_library_of_another_language_verifies_every_message_before_during_and_after_a_rotation() {
    let receiver = Receiver::new().await;
    let app = TestApp::with(&format!(
        r#"
[server]
sandbox = true
egress_allow = ["{}"]
[[workspace]]
key = "acme"
secret = "{SECRET}"
integration = [{{ key = "stripe", sandbox = true }}]
"#,
        receiver.address
    ))
    .await;
    let token = app.signed(SECRET, &json!({ "iss": "acme", "isAdmin": true, "exp": app.now() + 600 }));
    let post = async |address: &str, body: Value| {
        let page = app.browser().post_json(address, &token, &body).await;
        page.assert_status(StatusCode::OK);
        page.json()
    };
    let hook = post("/webhooks", json!({ "url": receiver.url() })).await;
    let rotate = format!("/webhooks/{}/rotate-secret", hook["id"].as_str().unwrap());
    let mut browser = app.signed_in("c1 ü").await;

    browser.submit("stripe", &[("input[api_key]", "sk_test_sandbox")]).await;
    receiver.has(1).await;
    let second = post(&rotate, json!({ "overlap": 3600 })).await;
    let listed = browser.api(Method::GET, "/connections", &app.token("c1 ü")).await.json();
    let done = format!("/connections/{}/events", listed["items"][0]["id"].as_str().unwrap());
    post(&done, json!({ "type": "IMPORT_DONE" })).await;
    receiver.has(2).await;
    let third = post(&rotate, json!({ "overlap": 0 })).await;
    post(&done, json!({ "type": "IMPORT_DONE" })).await;
    let messages = receiver.has(3).await;

    let secrets = [&hook, &second, &third].map(|one| one["secret"].as_str().unwrap());
    let mut spoilt = messages[0].clone();
    spoilt.body = spoilt.body.replace("connection.created", "connection.deleted");
    let verdicts = verdicts(&[
        (secrets[0], &messages[0]),
        (secrets[0], &messages[1]),
        (secrets[1], &messages[1]),
        (secrets[2], &messages[2]),
        (secrets[1], &messages[2]),
        (secrets[1], &messages[0]),
        (secrets[0], &spoilt),
    ]);
    let good = verdicts.iter().map(|said| said == "ok").collect::<Vec<_>>();
    assert_eq!(good, [true, true, true, true, false, false, false], "{verdicts:?}");
}
