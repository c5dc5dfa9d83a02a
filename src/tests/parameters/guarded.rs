//! Who may set a parameter, and who gets to see it.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    STRICT_SECRET, app, back, backend, connect_by_form, key_payload, param, post_form, signing, test_call,
};
use crate::{
    app::LOG,
    canary::{finds, left_behind},
};

/// Acceptance 62, 63: what is undeclared, does not fit, or comes from a place that may not set it.
#[tokio::test]
async fn parameters_that_cannot_be_used_are_refused_with_their_paths_and_nothing_is_called() {
    let (app, provider) = app().await;
    let from_browser = app.token("c1");

    for (token, parameters, paths) in [
        (
            &from_browser,
            json!({ "tokenUri": "https://evil.example/canary" }),
            vec!["connectorParameters.tokenUri"],
        ),
        (&from_browser, json!({ "zone": "canary" }), vec!["connectorParameters.zone"]),
        (&from_browser, json!({ "zone": ["a"] }), vec!["connectorParameters.zone"]),
        (&from_browser, json!({ "zone_host": "canary.example" }), vec!["connectorParameters.zone_host"]),
        (&from_browser, json!({ "tenant": "canary" }), vec!["connectorParameters.tenant"]),
        (&from_browser, json!({ "fixed": "canary" }), vec!["connectorParameters.fixed"]),
        (&from_browser, json!({ "note": 5 }), vec!["connectorParameters.note"]),
        (&from_browser, json!({ "scopes": "canary" }), vec!["connectorParameters.scopes"]),
        (&from_browser, json!({ "scopes": ["a b canary"] }), vec!["connectorParameters.scopes"]),
        (&from_browser, json!({ "scopes": [["canary"]] }), vec!["connectorParameters.scopes"]),
        (
            &from_browser,
            json!({ "a": 1, "zone": "b", "z": 2 }),
            vec!["connectorParameters.a", "connectorParameters.z"],
        ),
        (&from_browser, json!({ "note": "canary".repeat(4000) }), vec!["connectorParameters"]),
        (&backend(&app, "c1"), json!({ "fixed": "canary" }), vec!["connectorParameters.fixed"]),
        (&backend(&app, "c1"), json!({ "tenant": "CANARY" }), vec!["connectorParameters.tenant"]),
        (&signing(&app, "c1", &json!({ "fixed": "canary" })), json!({}), vec!["connectorParameters.fixed"]),
        (&signing(&app, "c1", &json!({ "other": "canary" })), json!({}), vec!["connectorParameters.other"]),
    ] {
        let answer = app.browser().post_json("/connect", token, &key_payload(&parameters)).await;
        answer.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
        let fields = answer.json()["data"]["fields"].clone();
        let named: Vec<_> = fields.as_object().unwrap().keys().collect();
        assert_eq!(named, paths, "{parameters}");
        assert!(!answer.body.to_lowercase().contains("canary"), "a refusal quotes no value: {}", answer.body);
    }
    for parameters in [json!([]), json!(7), json!("no object")] {
        let answer = app.browser().post_json("/connect", &from_browser, &key_payload(&parameters)).await;
        answer.assert_error(StatusCode::BAD_REQUEST, "malformed_input");
    }

    assert!(provider.calls().is_empty());
    assert!(app.connections("c1").await.is_empty());
}

/// Acceptance 63.
#[tokio::test]
async fn a_signed_parameter_is_taken_from_a_claim_or_the_backend() {
    let (app, provider) = app().await;

    let mut browser = app.browser();
    browser.get(&format!("/?token={}", signing(&app, "claim", &json!({ "tenant": "of-claim" })))).await;
    browser
        .submit("tool", &[("input[key]", "k"), ("input[team]", "t")])
        .await
        .assert_status(StatusCode::SEE_OTHER);
    let payload = key_payload(&json!({ "tenant": "of-backend" }));
    app.browser()
        .post_json("/connect", &backend(&app, "backend"), &payload)
        .await
        .assert_status(StatusCode::OK);

    assert_eq!(test_call(&app, &provider, "claim").await.header("x-tenant"), "of-claim");
    assert_eq!(test_call(&app, &provider, "backend").await.header("x-tenant"), "of-backend");
}

/// Acceptance 63: the page around cannot overrule what the token says.
#[tokio::test]
async fn a_claim_goes_before_the_payload_parameter_by_parameter() {
    let (app, provider) = app().await;
    let token = signing(&app, "c1", &json!({ "zone": "c", "tenant": "of-claim" }));

    let payload = key_payload(&json!({ "zone": "b", "note": "of-payload" }));
    post_form(&app, &mut app.browser(), &token, &payload).await.assert_status(StatusCode::SEE_OTHER);

    let call = test_call(&app, &provider, "c1").await;
    assert_eq!(
        (call.host.as_str(), call.header("x-tenant"), call.header("x-note")),
        ("c.tool.example", "of-claim", "of-payload")
    );
}

/// Acceptance 63: the whole workspace may forbid unsigned ones.
#[tokio::test]
async fn a_strict_workspace_takes_signed_parameters_only() {
    let (app, provider) = app().await;
    let claims = |extra: Value| {
        let mut claims = json!({ "iss": "strict", "id": "c1", "exp": app.now() + 600 });
        claims.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        app.signed(STRICT_SECRET, &claims)
    };
    let payload = key_payload(&json!({ "zone": "b" }));

    let unsigned = app.browser().post_json("/connect", &claims(json!({})), &payload).await;
    unsigned.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
    assert!(unsigned.json()["data"]["fields"]["connectorParameters"].is_string(), "{}", unsigned.body);
    assert!(provider.calls().is_empty());

    let signed = claims(json!({ "connectorParameters": { "zone": "c" } }));
    app.browser()
        .post_json("/connect", &signed, &key_payload(&json!({})))
        .await
        .assert_status(StatusCode::OK);
    assert_eq!(provider.last("/me").host, "c.tool.example");
    let backend = claims(json!({ "isAdmin": true }));
    app.browser().post_json("/connect", &backend, &payload).await.assert_status(StatusCode::OK);
    assert_eq!(provider.last("/me").host, "b.tool.example");

    let emptied = app.browser().post_json("/connect", &claims(json!({})), &key_payload(&json!({}))).await;
    emptied.assert_status(StatusCode::OK);
    assert_eq!(provider.last("/me").host, "b.tool.example", "nothing unsigned takes a signed one away");
}

/// Acceptance 60: the backend sees them, secret ones masked; the customer's own list has none.
#[tokio::test]
async fn the_backend_reads_parameters_with_secret_ones_masked_and_a_customer_reads_none() {
    let (app, _provider) = app().await;
    let parameters = json!({ "tenant": "of-backend", "zone": "b", "note": "canary-masked" });

    let answer = app.browser().post_json("/connect", &backend(&app, "c1"), &key_payload(&parameters)).await;
    let listed = app.browser().api(Method::GET, "/connections", &backend(&app, "c1")).await;
    let customers = app.browser().api(Method::GET, "/connections", &app.token("c1")).await;

    let shown = json!({ "tenant": "of-backend", "zone": "b", "note": "********" });
    assert_eq!(answer.json()["connection"]["connectorParameters"], shown);
    assert_eq!(listed.json()["items"][0]["connectorParameters"], shown);
    for value in ["connectorParameters", "of-backend", "canary-masked"] {
        assert!(!customers.body.contains(value), "{}", customers.body);
    }
}

/// Acceptance 56.
#[tokio::test]
async fn no_page_shows_a_parameter() {
    let (app, _provider) = app().await;
    let parameters =
        json!({ "tenant": "canary-tenant", "note": "canary-note", "zone": "b", "scopes": ["canary.scope"] });
    let token = signing(&app, "c1", &parameters);
    let mut browser = app.browser();
    browser.get(&format!("/?token={token}")).await.assert_status(StatusCode::SEE_OTHER);
    let mut pages = Vec::new();

    pages.push(browser.get("/").await);
    pages.push(browser.get("/apps/tool").await);
    pages.push(browser.get("/apps/tool?option=oauth2").await);
    let embed = browser.get(&format!("/embed/main?token={token}")).await.location();
    pages.push(browser.get(&embed).await);
    let asked = browser.get(&format!("/connect?token={token}&integrationKey=tool")).await.location();
    pages.push(browser.get(&asked).await);
    let confirm = browser
        .get(&format!("/connect?token={token}&integrationKey=tool&authOptionKey=oauth2"))
        .await
        .location();
    pages.push(browser.get(&confirm).await);
    let left = browser.press(pages.last().unwrap(), "connect").await.location();
    assert_eq!(param(&left, "scope"), "canary.scope", "they are in use");
    let popup = back(&app, &mut browser, "tool", &left).await.location();
    pages.push(browser.get(&popup).await);
    pages.push(browser.get("/").await);
    pages.push(browser.get("/apps/tool").await);
    let refused = browser
        .get(&format!(
            "/connect?token={token}&integrationKey=tool&connectorParameters=%7B%22canary-name%22:1%7D"
        ))
        .await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);

    assert_eq!(pages.len(), 9);
    for page in &pages {
        page.assert_status(StatusCode::OK);
        for value in ["canary-tenant", "canary-note", "canary.scope", "b.tool.example"] {
            assert!(!page.body.contains(value), "{} shows {value}: {}", page.url.path(), page.body);
        }
        for name in ["tenant", "note", "zone", "connectorParameters"] {
            assert!(
                !page.body.contains(&format!("name=\"{name}")),
                "{} has a field for {name}",
                page.url.path()
            );
        }
    }
}

/// Acceptance 60, security S1, S2.
#[tokio::test]
async fn a_secret_parameter_is_in_no_file_and_no_log() {
    let (app, provider) = app().await;
    let parameters = json!({ "note": "canary-of-a-secret-parameter", "zone": "b" });
    connect_by_form(&app, "by-form", &key_payload(&parameters)).await;
    let token = signing(&app, "by-claim", &parameters);
    let mut browser = app.browser();
    browser.get(&format!("/?token={token}")).await.assert_status(StatusCode::SEE_OTHER);
    let left = browser.get(&format!("/connect?token={token}&integrationKey=tool&authOptionKey=oauth2")).await;
    left.assert_status(StatusCode::SEE_OTHER);
    let refused = key_payload(&json!({ "note": "canary-of-a-secret-parameter", "other": 1 }));
    app.browser()
        .post_json("/connect", &app.token("refused"), &refused)
        .await
        .assert_status(StatusCode::BAD_REQUEST);

    let mut files = left_behind(&app.folder);
    files.push(("the log".to_owned(), std::fs::read(&*LOG).unwrap()));

    assert_eq!(test_call(&app, &provider, "by-form").await.header("x-note"), "canary-of-a-secret-parameter");
    assert!(files.iter().any(|(_, bytes)| finds(bytes, "\"zone\":\"b\"")), "the scan finds what is there");
    for (file, bytes) in &files {
        assert!(!finds(bytes, "canary-of-a-secret-parameter"), "{file} holds it");
    }
}

/// An option that waits for parameters of the integration is no missing OAuth client, and is not offered.
#[tokio::test]
async fn options_that_wait_for_the_developer_are_not_offered_and_do_not_spoil_the_others() {
    let config = format!(
        r#"
        [[workspace]]
        key = "acme"
        name = "Acme"
        secret = "{secret}"
        integration = [
          {{ key = "github", client_id = "id", client_secret = "word" }},
          {{ key = "apple", client_id = "id", client_secret = "word" }},
          {{ key = "salesforce", client_id = "id", client_secret = "word" }},
        ]
        "#,
        secret = crate::app::SECRET,
    );
    let app = crate::app::TestApp::with(&config).await;
    let mut browser = app.signed_in("c1").await;

    let github = browser.get("/apps/github").await;
    let apple = browser.get("/apps/apple").await;
    let salesforce = browser.get("/apps/salesforce").await;

    github.assert_says("Personal access token");
    assert!(!github.body.contains("Install the GitHub App"), "{}", github.body);
    assert!(!apple.body.contains("/_actions/connect"), "{}", apple.body);
    assert!(!salesforce.body.contains("Approved app"), "{}", salesforce.body);
    let listed = browser.api(Method::GET, "/integrations", &app.token("c1")).await.json();
    let missing: Vec<_> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (&item["key"], &item["hasMissingParameters"]))
        .collect();
    assert_eq!(json!(missing), json!([["github", false], ["salesforce", false], ["apple", true]]));
}
