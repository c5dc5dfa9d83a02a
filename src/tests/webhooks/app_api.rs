//! Events told to the product's own API, as the customer they are about.

use super::*;

async fn app_with(receiver: &Receiver) -> TestApp {
    TestApp::with(&format!(
        r#"
[server]
sandbox = true
egress_allow = ["{address}"]

[[workspace]]
key = "acme"
secret = "{SECRET}"
webhooks = [{{ your_app = "/hooks/connections", secret = "{HOOK_SECRET}" }}]
integration = [{{ key = "stripe", sandbox = true }}]

[workspace.your_app]
base_uri = "http://{address}/v1"
auth = {{ type = "api-key", use = {{ headers = {{ Authorization = "Bearer {{{{credentials.apiKey}}}}" }} }} }}
"#,
        address = receiver.address
    ))
    .await
}

#[tokio::test]
async fn an_event_reaches_the_products_own_api_as_the_customer_it_is_about() {
    let receiver = Receiver::new().await;
    let app = app_with(&receiver).await;
    let bearer = |customer: &str| format!("Bearer {}", app.token(customer));
    for (customer, key) in [("c1", "key-of-c1"), ("c2", "key-of-c2")] {
        let bearer = bearer(customer);
        let headers = [("accept", "application/json"), ("authorization", bearer.as_str())];
        let body = json!({ "credentials": { "apiKey": key } }).to_string();
        let set = app.browser().send(Method::PATCH, "/self", &headers, Some(body)).await;
        assert!(set.status.is_success(), "{}", set.body);
    }

    connected(&app, "c1").await;
    receiver.has(1).await;
    connected(&app, "c2").await;
    let messages = receiver.has(2).await;
    connected(&app, "c3").await;
    let without = settled(&app, "pending", 1).await;

    for (message, customer) in messages.iter().zip(["c1", "c2"]) {
        assert_eq!(message.path, "/v1/hooks/connections");
        assert_eq!(message.header("authorization"), format!("Bearer key-of-{customer}"));
        assert_eq!(message.header("webhook-signature"), signature(HOOK_SECRET, message));
        assert_eq!(message.json()["data"]["connection"]["customerId"], customer);
    }
    assert_eq!((&without["lastStatus"], &without["lastError"]), (&Value::Null, &"app_not_ready".into()));
    assert_eq!(receiver.messages().len(), 2);
    let hook = get(&app, "/webhooks").await.json()["items"][0].clone();
    assert_eq!(hook["yourApp"], "/hooks/connections");
    let test = post(&app, &format!("/webhooks/{}/test", hook["id"].as_str().unwrap()), &json!({})).await;
    test.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
}
