//! Our own SDK: as it is served, and what the server does for it alone.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::app::TestApp;

#[tokio::test]
async fn every_site_may_load_the_sdk_and_keep_it_until_it_changes() {
    let app = TestApp::new().await;

    for path in ["/sdk.js", "/sdk.global.js", "/sdk.d.ts"] {
        let first = app.browser().send(Method::GET, path, &[("origin", "https://app.acme.com")], None).await;
        let known = [("if-none-match", first.header("etag"))];
        let again = app.browser().send(Method::GET, path, &known, None).await;

        first.assert_status(StatusCode::OK);
        again.assert_status(StatusCode::NOT_MODIFIED);
        for answer in [&first, &again] {
            assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
            assert_eq!(answer.header("cross-origin-resource-policy"), "cross-origin", "{path}");
            assert_eq!(answer.header("cache-control"), "public, max-age=300", "{path}");
            assert_eq!(answer.header("etag"), first.header("etag"), "{path}");
        }
    }
}

#[tokio::test]
async fn module_and_script_are_one_source_with_the_servers_own_address() {
    let app = TestApp::new().await;
    let address = format!("let server=\"{}\";", app.base.as_str().trim_end_matches('/'));

    let module = app.browser().get("/sdk.js").await;
    let script = app.browser().get("/sdk.global.js").await;
    let types = app.browser().get("/sdk.d.ts").await;

    for program in [&module, &script] {
        assert_eq!(program.header("content-type"), "text/javascript; charset=utf-8");
        assert_eq!(program.body.matches(&address).count(), 1);
        assert!(!program.body.contains("// ") && !program.body.contains("\n  "));
    }
    let names = "{HitchpostClient,HitchpostError,configure,connect};\n";
    let shared = module.body.strip_suffix(&format!("export{names}")).unwrap();
    let wrapped = format!("(() => {{\n\"use strict\";\n{shared}window.Hitchpost={names}}})();\n");
    assert_eq!(script.body, wrapped);
    assert!(types.body.contains("export class HitchpostClient"));
}

#[tokio::test]
async fn a_script_of_another_site_begins_an_attempt_and_reads_what_became_of_it() {
    let app = TestApp::new().await;
    let asked = [
        ("origin", "https://app.acme.com"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type"),
    ];
    let bearer = format!("Bearer {}", app.token("c1"));
    let headers =
        [("origin", "https://app.acme.com"), ("accept", "application/json, */*"), ("authorization", &bearer)];
    let form = |key: &str| format!("integrationKey=stripe&noUi=1&input=%7B%22api_key%22%3A%22{key}%22%7D");

    let preflight = app.browser().send(Method::OPTIONS, "/connect", &asked, None).await;
    let made = app.browser().send(Method::POST, "/connect", &headers, Some(form("sk_test_sandbox"))).await;
    let wrong = app.browser().send(Method::POST, "/connect", &headers, Some(form("sk_test_wrong"))).await;

    preflight.assert_status(StatusCode::OK);
    for answer in [&preflight, &made, &wrong] {
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
    assert_eq!(made.json()["connection"]["integrationKey"], "stripe");
    assert_eq!(wrong.json()["key"], "test_failed");
}

#[tokio::test]
async fn what_cannot_begin_is_refused_before_a_window_opens() {
    let app = TestApp::new().await;
    let token = app.token("c1");
    let asked = async |body| app.browser().post_json("/connection-options", &token, &body).await;

    let undeclared = json!({ "integrationKey": "hubspot", "connectorParameters": { "colour": "red" } });
    let scopes = json!({ "integrationKey": "hubspot", "connectorParameters": { "scopes": ["a"] } });
    let named = json!({ "integrationKey": "hubspot", "authOptionKey": "oauth2" });

    let refused = asked(undeclared).await;
    refused.assert_error(StatusCode::BAD_REQUEST, "invalid_input");
    assert!(refused.json()["data"]["fields"]["connectorParameters.colour"].is_string());
    asked(scopes).await.assert_status(StatusCode::OK);
    let unknown = asked(json!({ "integrationKey": "hubspot", "authOptionKey": "nothing" })).await;
    unknown.assert_error(StatusCode::BAD_REQUEST, "unknown_auth_option");
    assert_eq!(asked(named).await.json()[0]["key"], "oauth2");
}
