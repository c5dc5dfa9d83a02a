//! The OpenAPI document, the page made of it and the routes: that they say the same.

use std::{collections::BTreeMap, process::Command};

use hitchpost::{
    api::{self, Role},
    http::openapi,
};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::app::TestApp;

/// Methods that a path of a document can have.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// Method and path of every operation of the document, with its role and its door; `ANY` stands for every
/// method.
fn written() -> BTreeMap<(String, String), (String, Option<String>)> {
    let document: Value = serde_json::from_str(openapi::document()).unwrap();
    let mut found = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (name, operation) in item.as_object().unwrap() {
            if !METHODS.contains(&name.as_str()) {
                continue;
            }
            let method = if item["x-any-method"] == true { "ANY".to_owned() } else { name.to_uppercase() };
            let role = operation["x-role"].as_str().unwrap().to_owned();
            let is_for_callers = ["customer", "backend"].contains(&role.as_str());
            assert_eq!(needs_token(&document, operation), is_for_callers, "{method} {path}");
            let door = operation["x-door"].as_str().map(str::to_owned);
            found.insert((method, path.clone()), (role, door));
        }
    }
    found
}

/// Whether a way in shows the API's token.
fn needs_token(document: &Value, operation: &Value) -> bool {
    let ways = operation.get("security").unwrap_or(&document["security"]).as_array().unwrap();
    ways.iter().any(|way| way.get("token").is_some())
}

/// Method and path of an operation of the API, as a document writes them.
fn coded() -> BTreeMap<(String, String), String> {
    let role = |role| match role {
        Role::Anyone => "anyone",
        Role::Customer => "customer",
        Role::Backend => "backend",
    };
    let operations = api::operations().into_iter();
    // A path and the same with a slash behind it are one operation.
    let whole = operations.filter(|operation| !operation.path.ends_with('/'));
    whole
        .map(|operation| {
            let method = operation.method.map_or("ANY".to_owned(), |method| method.to_string());
            ((method, operation.path.replace("{*", "{")), role(operation.role).to_owned())
        })
        .collect()
}

/// Issue 4: a document that says what the code does, and nothing else.
#[test]
fn the_document_has_every_operation_of_the_api_with_its_role_and_no_other() {
    let written: BTreeMap<_, _> = written()
        .into_iter()
        .filter(|(_, (_, door))| door.is_none())
        .map(|(operation, (role, _))| (operation, role))
        .collect();

    assert_eq!(written, coded());
    assert!(written.len() > 50, "only {} operations", written.len());
}

#[tokio::test]
async fn everybody_may_read_the_document_and_keep_it_until_it_changes() {
    let app = TestApp::new().await;

    let first = app.browser().get("/openapi.json").await;
    let tag = first.header("etag").to_owned();
    let known = [("if-none-match", tag.as_str()), ("origin", "https://docs.acme.com")];
    let again = app.browser().send(Method::GET, "/openapi.json", &known, None).await;
    let packed = app.browser().head("/openapi.json", &[("accept-encoding", "gzip")]).await;

    first.assert_status(StatusCode::OK);
    assert_eq!(first.body, openapi::document());
    assert_eq!(first.json()["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(first.header("content-type"), "application/json");
    assert_eq!(first.header("cache-control"), "public, max-age=300");
    again.assert_status(StatusCode::NOT_MODIFIED);
    assert_eq!(again.header("access-control-allow-origin"), "*");
    assert_eq!(packed.header("content-encoding"), "gzip");
}

#[test]
fn the_command_line_prints_the_same_document() {
    let printed = Command::new(env!("CARGO_BIN_EXE_hitchpost")).arg("openapi").output().unwrap();

    assert!(printed.status.success());
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), openapi::document());
}

#[tokio::test]
async fn the_page_shows_every_call_without_a_token_and_without_a_script() {
    let app = TestApp::new().await;
    let document: Value = serde_json::from_str(openapi::document()).unwrap();

    let page = app.browser().get("/docs").await;

    page.assert_status(StatusCode::OK);
    assert_eq!(page.header("cache-control"), "public, max-age=300");
    assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
    let mut shown = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        // A path that takes every method is shown once.
        let is_any = item["x-any-method"] == true;
        let methods = item.as_object().unwrap().iter().filter(|(name, _)| !is_any || *name == "get");
        for id in methods.filter_map(|(_, call)| call["operationId"].as_str()) {
            page.assert_says(&format!("<div id=\"{id}\">"));
            shown += 1;
        }
        page.assert_says(&format!("<code>{path}</code>"));
    }
    assert_eq!(page.body.matches("<details class=\"call\">").count(), shown + schemas(&document));
    page.assert_says(&format!("curl '{}", app.base.origin().ascii_serialization()));
}

fn schemas(document: &Value) -> usize {
    document["components"]["schemas"].as_object().unwrap().len()
}
