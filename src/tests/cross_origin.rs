//! What the SDKs need before anything else: a page of any origin may ask, and read also what it is refused;
//! and what Hitchpost does not have is said in a form they can read.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::app::{Page, TestApp};

const PAGE: (&str, &str) = ("origin", "https://app.acme.com");

async fn preflight(app: &TestApp, path: &str) -> Page {
    let asks = [
        PAGE,
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type,membrane-api-version"),
    ];
    app.browser().send(Method::OPTIONS, path, &asks, None).await
}

/// As the SDKs send it.
async fn call(app: &TestApp, method: Method, path: &str, token: &str) -> Page {
    let bearer = format!("Bearer {token}");
    let headers = [
        PAGE,
        ("accept", "application/json, text/plain, */*"),
        ("authorization", bearer.as_str()),
        ("membrane-api-version", "2025-10-21"),
    ];
    app.browser().send(method, path, &headers, None).await
}

#[tokio::test]
async fn a_preflight_names_every_header_that_was_asked_for() {
    let app = TestApp::new().await;

    for path in [
        "/self",
        "/integrations/hubspot",
        "/connections/x/proxy/v1/y",
        "/flows",
        "/flow-instance",
        "/connections/x/operations/y/run",
        "/screens",
    ] {
        let told = preflight(&app, path).await;

        told.assert_status(StatusCode::OK);
        assert_eq!(told.header("access-control-allow-origin"), "*", "{path}");
        // `*` would leave `Authorization` out.
        assert_eq!(
            told.header("access-control-allow-headers"),
            "authorization,content-type,membrane-api-version"
        );
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            assert!(told.header("access-control-allow-methods").contains(method), "{path} {method}");
        }
        assert_eq!(told.header("access-control-allow-credentials"), "", "{path}");
    }
}

#[tokio::test]
async fn pages_are_not_for_other_origins() {
    let app = TestApp::new().await;
    let token = app.token("c1");

    for path in [
        "/",
        "/apps/hubspot",
        "/embed/main",
        "/connect/continue/x",
        "/connection-popup",
        "/screens/connect",
        "/nowhere",
        "/metrics",
    ] {
        assert_eq!(preflight(&app, path).await.header("access-control-allow-origin"), "", "{path}");
        let answer = call(&app, Method::GET, path, &token).await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
    }
}

#[tokio::test]
async fn a_refusal_can_be_read_by_whoever_asked() {
    let app = TestApp::new().await;
    let token = app.token("c1");

    for (method, path, token, status, key) in [
        (Method::GET, "/self", "x", StatusCode::UNAUTHORIZED, "not_authenticated"),
        (Method::GET, "/customers", token.as_str(), StatusCode::FORBIDDEN, "access_denied"),
        (Method::GET, "/integrations/nope", &token, StatusCode::NOT_FOUND, "not_found"),
        (Method::GET, "/integrations?limit=0", &token, StatusCode::BAD_REQUEST, "bad_request"),
        (Method::DELETE, "/self", &token, StatusCode::METHOD_NOT_ALLOWED, "bad_request"),
        (Method::GET, "/sse/connection-events/short", &token, StatusCode::BAD_REQUEST, "bad_request"),
    ] {
        let refused = call(&app, method, path, token).await;

        refused.assert_status(status);
        assert_eq!(refused.header("access-control-allow-origin"), "*", "{path}");
        assert_eq!(refused.json()["type"], "bad_request", "{path}");
        assert_eq!(refused.json()["key"], key, "{path}");
    }
}

#[tokio::test]
async fn a_body_over_its_limit_is_refused_so_that_the_page_can_read_it() {
    let app = TestApp::new().await;
    let bearer = format!("Bearer {}", app.token("c1"));
    let headers = [PAGE, ("accept", "application/json"), ("authorization", bearer.as_str())];

    let large = Some("x".repeat(1024 * 1024 + 1));
    let refused = app.browser().send(Method::PATCH, "/self", &headers, large).await;

    refused.assert_error(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large");
    assert_eq!(refused.header("access-control-allow-origin"), "*");
}

/// sdk-protocol §7 F and G.
#[tokio::test]
async fn what_hitchpost_does_not_have_is_said_and_is_never_an_error_of_ours() {
    let app = TestApp::new().await;
    let token = app.token("c1");

    for path in [
        "/flows",
        "/flow-instances/f1/run?",
        "/action-instance?id=a1",
        "/actions/send/run",
        "/data-sources?limit=1000&cursor=0",
        "/field-mappings",
        "/packages",
        "/screens",
        "/external-event-subscriptions/e1/setup",
        "/connections/c1/api/records",
        "/connections/c1/operations/list/run",
        "/connections/c1/data/contacts/find-by-id?a=1",
        "/connections/c1/actions/send/run?",
        "/connections/c1/execute-request",
        "/integrations/hubspot/operations",
        "/integrations/hubspot/flows/f1/reset",
        "/sse/workspace?token=x",
    ] {
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let answer = call(&app, method.clone(), path, &token).await;

            answer.assert_error(StatusCode::NOT_FOUND, "not_found");
            assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
            let body = answer.json();
            assert_eq!((&body["type"], &body["key"]), (&json!("bad_request"), &json!("not_found")));
        }
    }
    let flows = call(&app, Method::GET, "/flows", &token).await.json();
    assert_eq!(
        flows["message"],
        "Hitchpost has no flows. It keeps connections, and calls their apps at `/connections/{sel}/proxy/`."
    );
}

#[tokio::test]
async fn the_older_sdk_disconnects_by_integration() {
    let app = TestApp::new().await;
    let token = app.token("c1");
    app.signed_in("c1").await.connect("hubspot", &[]).await.assert_status(StatusCode::SEE_OTHER);
    app.signed_in("c2").await.connect("hubspot", &[]).await.assert_status(StatusCode::SEE_OTHER);

    let first = call(&app, Method::POST, "/integrations/hubspot/disconnect", &token).await;
    let again = call(&app, Method::POST, "/integrations/hubspot/disconnect", &token).await;

    first.assert_status(StatusCode::OK);
    assert_eq!(first.json()["key"], "hubspot");
    assert!(first.json().get("connection").is_none());
    again.assert_status(StatusCode::OK);
    assert!(app.connections("c1").await.is_empty());
    assert_eq!(app.connections("c2").await.len(), 1, "somebody else's stays");
    let unknown = call(&app, Method::POST, "/integrations/nope/disconnect", &token).await;
    unknown.assert_error(StatusCode::NOT_FOUND, "not_found");
}
