//! `/connect` and `/connection-popup` as the SDKs post to them: a field `payload`, into a popup, a hidden
//! frame or the same window, with a page of the product that waits for the outcome.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use super::app::{Page, SECRET, TestApp};

const PRODUCT: &str = "https://app.acme.com";
const REQUEST: &str = "request-0123456789abcdef";

/// Posts a payload as a browser does for a page of the product, into `place` (`iframe` or `document`).
async fn post(app: &TestApp, place: &str, address: &str, payload: &Value) -> Page {
    post_from(app, PRODUCT, place, address, payload).await
}

async fn post_from(app: &TestApp, origin: &str, place: &str, address: &str, payload: &Value) -> Page {
    let headers = [
        ("accept", "text/html"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-dest", place),
        ("origin", origin),
    ];
    let form = [("payload", payload.to_string())];
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    app.browser().send(Method::POST, address, &headers, Some(body)).await
}

/// What a page tells the page that waits, and to which origin.
fn told(page: &Page) -> Option<(String, Value)> {
    let attribute = |name: &str| {
        let (_, rest) = page.body.split_once(&format!("{name}=\""))?;
        let text = rest.split_once('"')?.0.replace("&quot;", "\"").replace("&lt;", "<");
        Some(text.replace("&#x27;", "'").replace("&amp;", "&"))
    };
    let outcome = attribute("data-outcome")?;
    let outcome = serde_json::from_str(&outcome).unwrap_or_else(|_| panic!("not JSON: {outcome}"));
    Some((attribute("data-target-origin")?, outcome))
}

fn payload(app: &TestApp, more: Value) -> Value {
    let mut payload = json!({ "token": app.token("c1"), "requestId": REQUEST });
    payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    payload
}

#[tokio::test]
async fn a_hidden_frame_connects_without_asking_and_tells_the_page_around_it() {
    let app = TestApp::new().await;
    let input = json!({ "api_key": "sk_test_sandbox" });

    for (address, given) in [
        ("/connect", json!({ "integrationKey": "stripe", "input": input })),
        ("/connection-popup?integrationId=stripe", json!({ "connectionParameters": input })),
    ] {
        let mut given = payload(&app, given);
        given["requestId"] = format!("{REQUEST}{}", address.len()).into();
        let sent = post(&app, "iframe", address, &given).await;
        let result = app.browser().get(&sent.location()).await;

        let (origin, message) = told(&result).unwrap();
        assert_eq!(origin, PRODUCT);
        assert_eq!(message["source"], "integration.app");
        assert_eq!(message["type"], "newConnectionCreated");
        assert_eq!(message["requestId"], given["requestId"]);
        assert_eq!(message["connection"]["integrationKey"], "stripe");
        let policy = result.header("content-security-policy");
        assert!(policy.contains("frame-ancestors https://app.acme.com"), "{policy}");
    }
    assert_eq!(app.connections("c1").await.len(), 1, "connecting again renews");
}

/// design.md §7: what would have to be asked ends the attempt, and whoever waits is told.
#[tokio::test]
async fn a_hidden_frame_that_would_have_to_ask_fails_and_says_so_on_both_roads() {
    let app = TestApp::new().await;

    for (number, given, key) in [
        (1, json!({ "integrationKey": "stripe" }), "invalid_input"),
        (2, json!({ "integrationKey": "stripe", "input": { "api_key": "nonsense" } }), "invalid_input"),
        (3, json!({ "integrationKey": "hubspot" }), "invalid_input"),
        (4, json!({ "integrationKey": "stripe", "input": { "api_key": "sk_test_wrong" } }), "test_failed"),
    ] {
        let mut given = payload(&app, given);
        let request_id = format!("{REQUEST}{number}");
        given["requestId"] = request_id.as_str().into();
        let sent = post(&app, "iframe", "/connect", &given).await;
        let result = app.browser().get(&sent.location()).await;
        let events = app.browser().get(&format!("/sse/connection-events/{request_id}")).await;

        let (_, message) = told(&result).unwrap();
        assert_eq!(message["type"], "newConnectionFailure", "{number}");
        assert_eq!(message["errorData"]["key"], key, "{number}");
        assert_eq!(message["errorData"]["type"], "connection", "{number}");
        let event = events.body.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
        assert_eq!(serde_json::from_str::<Value>(event).unwrap(), message, "{number}");
        assert!(result.body.contains("data-close=\"told\""), "{number}");
    }
    assert!(app.connections("c1").await.is_empty());
}

/// The SDK would otherwise wait for ever: in a frame nobody sees the page that says what is wrong.
#[tokio::test]
async fn what_cannot_begin_is_told_to_a_listed_page_that_waits() {
    let app = TestApp::new().await;
    let parameters = json!({ "integrationKey": "stripe", "connectorParameters": { "nope": 1 } });

    for (given, status, key) in [
        (json!({ "integrationKey": "nope" }), StatusCode::NOT_FOUND, "not_found"),
        (json!({ "connectionId": REQUEST }), StatusCode::NOT_FOUND, "not_found"),
        (
            json!({ "integrationKey": "stripe", "authOptionKey": "nope" }),
            StatusCode::BAD_REQUEST,
            "unknown_auth_option",
        ),
        (parameters.clone(), StatusCode::BAD_REQUEST, "invalid_input"),
    ] {
        for place in ["iframe", "document"] {
            let refused = post(&app, place, "/connect", &payload(&app, given.clone())).await;

            refused.assert_status(status);
            let (origin, message) = told(&refused).unwrap();
            assert_eq!((origin.as_str(), &message["requestId"]), (PRODUCT, &json!(REQUEST)));
            assert_eq!(message["type"], "newConnectionFailure");
            assert_eq!(message["errorData"]["key"], key, "{given}");
            assert_eq!(message["error"], message["errorData"]["message"]);
            let policy = refused.header("content-security-policy");
            assert!(policy.contains("frame-ancestors https://app.acme.com"), "{policy}");
        }
    }
    let by_path = told(&post(&app, "iframe", "/connect", &payload(&app, parameters)).await).unwrap().1;
    let fields = by_path["errorData"]["data"]["fields"].as_object().unwrap();
    assert!(fields.contains_key("connectorParameters.nope"), "{by_path}");
}

#[tokio::test]
async fn nobody_else_is_told_what_could_not_begin() {
    let app = TestApp::new().await;
    let given = payload(&app, json!({ "integrationKey": "nope" }));
    let mut unsigned = given.clone();
    unsigned["token"] = "x.y.z".into();

    for (origin, given) in [("https://evil.example", &given), ("null", &given), (PRODUCT, &unsigned)] {
        let refused = post_from(&app, origin, "iframe", "/connect", given).await;

        assert!(refused.status.is_client_error());
        assert!(told(&refused).is_none(), "{origin}");
        let policy = refused.header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    }
}

/// Acceptance 41: a product that sent its customer away gets them back, whatever was wrong.
#[tokio::test]
async fn what_cannot_begin_comes_back_to_the_callers_address() {
    let app = TestApp::new().await;
    let back =
        json!({ "redirectUri": "https://app.acme.com/back?keep=1#top", "customState": "a b&c=\u{e9}" });
    let mut given = payload(&app, back);
    given["integrationKey"] = "nope".into();

    let sent = post(&app, "document", "/connect", &given).await;
    given["redirectUri"] = "https://evil.example/".into();
    let stays = post(&app, "document", "/connect", &given).await;
    let token = app.token("c1");
    given["redirectUri"] = "https://app.acme.com/back".into();
    let program = app.browser().post_json("/connect", &token, &given).await;

    let at = Url::parse(&sent.location()).unwrap();
    let query: Vec<_> = at.query_pairs().into_owned().collect();
    let names: Vec<_> = query.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["keep", "error", "errorData", "customState"]);
    assert_eq!(query[1].1, "There is no such integration.");
    assert_eq!(serde_json::from_str::<Value>(&query[2].1).unwrap()["key"], "not_found");
    assert_eq!((query[3].1.as_str(), at.fragment()), ("a b&c=\u{e9}", Some("top")));
    stays.assert_status(StatusCode::BAD_REQUEST);
    assert_eq!(stays.header("location"), "");
    program.assert_error(StatusCode::NOT_FOUND, "not_found");
}

/// A proxy on the way closes a stream that says nothing for long.
#[tokio::test]
async fn an_event_stream_that_waits_is_kept_open_by_comments() {
    let app = TestApp::new().await;
    let address = app.base.join(&format!("/sse/connection-events/{REQUEST}")).unwrap();

    let mut stream = super::app::browser::plain_client().get(address).send().await.unwrap();
    let first = stream.chunk().await.unwrap().unwrap();

    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    assert!(first.starts_with(b":"), "{first:?}");
}

/// The page that asks whether to connect is for a person: a frame out of sight never gets past it.
#[tokio::test]
async fn a_hidden_frame_of_a_strangers_page_leaves_for_no_provider_and_tells_it_nothing() {
    let app = TestApp::new().await;
    let given = payload(&app, json!({ "integrationKey": "hubspot" }));

    let sent = post_from(&app, "https://evil.example", "iframe", "/connect", &given).await;
    let result = app.browser().get(&sent.location()).await;

    assert!(sent.location().starts_with("/connect/result/"), "{}", sent.location());
    assert!(told(&result).is_none());
    assert_eq!(app.count("authorize").await, 0);
}

#[tokio::test]
async fn every_name_that_the_sdks_have_for_an_integration_or_a_connection_is_understood() {
    let app = TestApp::new().await;
    let integration =
        app.browser().api(Method::GET, "/integrations/stripe", &app.token("c1")).await.json()["id"].clone();
    let input = json!({ "api_key": "sk_test_sandbox" });
    let mut number = 0;
    let mut ids = Vec::new();

    for named in [
        json!({ "integrationKey": "stripe" }),
        json!({ "integrationId": integration }),
        json!({ "integrationId": "stripe" }),
        json!({ "connectorKey": "stripe" }),
        json!({ "connectorId": "stripe", "connectorVersion": "1" }),
        json!({ "connectionKey": "stripe" }),
    ] {
        number += 1;
        let mut given = payload(&app, named.clone());
        given["input"] = input.clone();
        given["requestId"] = format!("{REQUEST}{number}").into();
        let sent = post(&app, "iframe", "/connect", &given).await;
        let (_, message) = told(&app.browser().get(&sent.location()).await).unwrap();
        assert_eq!(message["type"], "newConnectionCreated", "{named}: {message}");
        ids.push(message["connection"]["id"].as_str().unwrap().to_owned());

        let options = app.browser().post_json("/connection-options", &app.token("c1"), &named).await;
        options.assert_status(StatusCode::OK);
        assert_eq!(options.json()[0]["type"], "client-credentials", "{named}");
        assert!(options.json()[0].get("key").is_none(), "{named}");
    }

    ids.dedup();
    assert_eq!(ids.len(), 1, "it was one connection all the time");
}

/// `unready` is a second integration of HubSpot's connector.
#[tokio::test]
async fn a_connector_of_several_integrations_names_none_of_them() {
    let app = TestApp::new().await;

    let refused =
        post(&app, "iframe", "/connect", &payload(&app, json!({ "connectorKey": "hubspot" }))).await;

    refused.assert_status(StatusCode::CONFLICT);
    assert_eq!(told(&refused).unwrap().1["errorData"]["data"]["reason"], "ambiguous_selector");
}

/// Acceptance 28.
#[tokio::test]
async fn a_connection_is_renewed_only_for_the_integration_it_belongs_to() {
    let app = TestApp::new().await;
    app.signed_in("c1").await.connect("hubspot", &[]).await.assert_status(StatusCode::SEE_OTHER);
    let id = app.connections("c1").await[0]["id"].clone();

    let same = json!({ "connectionId": id, "integrationKey": "hubspot" });
    let other = json!({ "connectionId": id, "integrationKey": "github", "requestId": "another-0123456789" });

    post(&app, "document", "/connect", &payload(&app, same)).await.assert_status(StatusCode::SEE_OTHER);
    post(&app, "document", "/connect", &payload(&app, other)).await.assert_status(StatusCode::NOT_FOUND);
}

/// On this machine: the sandbox sends browsers nowhere else.
const OWN_CALLBACK: &str = "http://localhost:4000/oauth/hubspot";

fn config(callback: &str) -> String {
    format!(
        r#"
[server]
sandbox = true
[[workspace]]
key = "acme"
name = "Acme"
secret = "{SECRET}"
allowed_origins = ["{PRODUCT}"]
integration = [{{ key = "hubspot", sandbox = true{callback} }}]
"#
    )
}

/// The provider is sent to the developer's own address, which sends the browser on with the query as it is.
#[tokio::test]
async fn an_integration_may_have_a_callback_address_of_its_own() {
    let app = TestApp::with(&config(&format!(r#", oauth_callback_uri = "{OWN_CALLBACK}""#))).await;
    let mut browser = app.browser();
    let token = app.token("c1");
    let shown = browser.api(Method::GET, "/integrations/hubspot", &token).await.json();
    assert_eq!(shown["oAuthCallbackUri"], OWN_CALLBACK);
    assert_eq!(shown["authOptions"][0]["oAuthCallbackUri"], OWN_CALLBACK);
    let form = [
        ("token", token.as_str()),
        ("integrationKey", "hubspot"),
        ("redirectUri", "https://app.acme.com/back"),
    ];

    let left = browser.post_from(PRODUCT, "/connect", &form).await;
    let sent: Vec<_> = Url::parse(&left.location()).unwrap().query_pairs().into_owned().collect();
    assert!(sent.contains(&("redirect_uri".to_owned(), OWN_CALLBACK.to_owned())), "{sent:?}");
    let returned = browser.consent(&left.location(), &[]).await.location();
    let query = returned.strip_prefix(OWN_CALLBACK).unwrap().to_owned();
    let callback = format!("/oauth/callback/{}{query}", shown["id"].as_str().unwrap());
    let back = browser.get(&callback).await.location();

    let id = app.connections("c1").await[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(back, format!("https://app.acme.com/back?connectionId={id}"));
    assert_eq!(app.count("token_code").await, 1, "the code was redeemed with the same address");
}

#[tokio::test]
async fn a_callback_address_is_set_and_taken_away_by_the_api() {
    let app = TestApp::with(&config("")).await;
    let admin = app.signed(SECRET, &json!({ "iss": "acme", "isAdmin": true, "exp": app.now() + 600 }));
    let mut browser = app.browser();
    let new = json!({ "key": "own", "connectorId": "hubspot", "oAuthCallbackUri": OWN_CALLBACK });

    let made = browser.post_json("/integrations", &admin, &new).await;
    let cleared = json!({ "oAuthCallbackUri": null });
    let ours = browser.api_json(Method::PATCH, "/integrations/own", &admin, &cleared).await;
    let bad = json!({ "oAuthCallbackUri": "http://app.acme.com/oauth" });
    let refused = browser.api_json(Method::PATCH, "/integrations/own", &admin, &bad).await;

    made.assert_status(StatusCode::CREATED);
    assert_eq!(made.json()["oAuthCallbackUri"], OWN_CALLBACK);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert!(ours.json()["oAuthCallbackUri"].as_str().unwrap().ends_with(&format!("/oauth/callback/{id}")));
    refused.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
    assert!(refused.json()["data"]["fields"].as_object().unwrap().contains_key("oAuthCallbackUri"));
}
