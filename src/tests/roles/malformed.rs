//! Bodies and addresses that make no sense: refused in words, never a failure of ours.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    operations::{Operation, operations},
    stage::{Answer, OF_CUSTOMER, Stage},
};

fn token(stage: &Stage, operation: &Operation) -> String {
    if operation.role == "backend" { stage.backend() } else { stage.app.token(OF_CUSTOMER) }
}

/// A working connection of the customer, and real names for the rest.
fn address(stage: &Stage, operation: &Operation) -> String {
    operation.address(|kind| match kind {
        "connectionSel" => stage.names[kind][0].0.clone(),
        kind => stage.names[kind].last().unwrap().0.clone(),
    })
}

async fn asked(stage: &Stage, operation: &Operation, media_type: &str, body: impl Into<Vec<u8>>) -> Answer {
    let (address, token) = (address(stage, operation), token(stage, operation));
    stage.send(operation.method.clone(), &address, Some(&token), Some((media_type, body.into()))).await
}

/// A refusal as every program reads it.
fn assert_refused(answer: &Answer, what: &str) {
    assert!(answer.status.is_client_error(), "{what}: {answer:?}");
    let body = answer.json();
    let is_whole =
        body["type"].is_string() && body["message"].is_string() && body["data"]["reason"].is_string();
    assert!(is_whole, "{what}: {answer:?}");
}

fn with_body() -> Vec<Operation> {
    operations().into_iter().filter(|operation| operation.example.is_some()).collect()
}

/// A value of a type that the schema does not have; none where it takes everything.
fn misfit(schema: &Value) -> Option<Value> {
    let types: Vec<_> = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let misfits = [
        ("object", json!({ "a": 1 })),
        ("array", json!([{ "a": [] }])),
        ("integer", json!(7)),
        ("string", json!("x")),
    ];
    misfits.into_iter().find(|(name, _)| !types.contains(name)).map(|(_, value)| value)
}

/// Security D4.
#[tokio::test]
async fn a_member_of_another_type_is_refused_by_its_path() {
    let stage = Stage::new().await;

    let mut refused = 0;
    for operation in with_body().iter().filter(|operation| operation.is_api) {
        for (name, schema) in &operation.properties {
            let Some(misfit) = misfit(schema) else { continue };
            let mut body = operation.example.clone().unwrap();
            body[name] = misfit;
            let answer = asked(&stage, operation, "application/json", body.to_string()).await;

            let what = format!("{} {body}", operation.id);
            assert_refused(&answer, &what);
            if answer.json()["data"]["reason"] == "invalid_input" {
                let fields = answer.json()["data"]["fields"].clone();
                let is_named = fields.as_object().unwrap().keys().any(|path| path.starts_with(name.as_str()));
                assert!(is_named, "{what}: {answer:?}");
                refused += 1;
            }
        }
    }
    assert!(refused > 60, "only {refused} were refused by their path");
}

/// Security D4: no JSON, too deep, too large, not UTF-8, of another kind.
#[tokio::test]
async fn a_body_that_is_none_is_refused_and_never_breaks_anything() {
    let stage = Stage::new().await;
    let deep = format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200));
    let multipart = "--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nx\r\n--x--\r\n";
    let bodies: [(&str, &str, Vec<u8>); 11] = [
        ("deep", "application/json", deep.into_bytes()),
        ("not UTF-8", "application/json", b"{\"name\":\"\xff\xfe\"}".to_vec()),
        ("cut off", "application/json", b"{\"name\":\"x".to_vec()),
        ("a list", "application/json", b"[]".to_vec()),
        ("a text", "application/json", b"\"x\"".to_vec()),
        ("a number", "application/json", b"1e400".to_vec()),
        ("null", "application/json", b"null".to_vec()),
        ("two of a kind", "application/json", b"{\"name\":\"x\",\"name\":\"y\"}".to_vec()),
        ("a lone surrogate", "application/json", b"{\"name\":\"\\ud800\"}".to_vec()),
        ("multipart", "multipart/form-data; boundary=x", multipart.as_bytes().to_vec()),
        (
            "a mebibyte and more",
            "application/json",
            format!("{{\"x\":\"{}\"}}", "y".repeat(1 << 20)).into_bytes(),
        ),
    ];

    let mut refused = 0;
    for operation in with_body() {
        for (what, media_type, body) in &bodies {
            let answer = asked(&stage, &operation, media_type, body.clone()).await;

            assert_refused(&answer, &format!("{what}, {}", operation.id));
            refused += 1;
        }
    }
    assert!(refused > 200, "only {refused}");
}

/// Security D4: 70 KB where a name is meant.
#[tokio::test]
async fn a_text_that_is_far_too_long_is_refused() {
    let stage = Stage::new().await;
    let long = "x".repeat(70 * 1024);

    let mut refused = 0;
    for operation in with_body() {
        let texts = operation.properties.iter().filter(|(_, schema)| {
            schema["type"] == "string"
                || schema["type"].as_array().is_some_and(|types| types.contains(&json!("string")))
        });
        for (name, _) in texts {
            // A PUT sends it back with everything else; only new credentials make it count.
            if (operation.id.as_str(), name.as_str()) == ("putConnection", "authOptionKey") {
                continue;
            }
            let mut body = operation.example.clone().unwrap();
            body[name] = long.as_str().into();
            let answer = asked(&stage, &operation, "application/json", body.to_string()).await;

            assert_refused(&answer, &format!("{} {name}", operation.id));
            refused += 1;
        }
    }
    assert!(refused > 50, "only {refused}");
}

/// Security D4: addresses and queries.
#[tokio::test]
async fn an_address_that_makes_no_sense_is_refused_and_never_breaks_anything() {
    let stage = Stage::new().await;
    let long = "x".repeat(8000);
    let names = [
        "%FF%FE",
        "%00",
        "..%2f..%2fx",
        "%25%32%65",
        "'%20or%201=1--",
        "\u{202e}x",
        "{sel}",
        long.as_str(),
        ".",
    ];
    let queries = [
        "limit=abc",
        "limit=-1",
        "limit=99999999999999999999",
        "limit=1&limit=2",
        "cursor=%FF",
        "cursor=%00",
        "includeArchived=maybe",
        "%FF=%FE",
        long.as_str(),
        "search=%00",
        "search=%25_%25",
        "connected=2",
        "=&&=",
        "state=x&type=%00",
    ];

    let mut asked = 0;
    for operation in operations() {
        let token = token(&stage, &operation);
        if !operation.selects().is_empty() && operation.id != "watchAttempt" {
            for name in names {
                let address =
                    operation.address(|kind| if kind == "path" { "x".to_owned() } else { name.to_owned() });
                let answer = stage
                    .call(operation.method.clone(), &address, Some(&token), operation.example.as_ref())
                    .await;

                assert!(!answer.status.is_server_error(), "{} {address}: {answer:?}", operation.method);
                asked += 1;
            }
        }
        let lists = operation.places.iter().any(|place| place.kind == "limit");
        for query in queries.iter().filter(|_| {
            operation.method == Method::GET && operation.selects().is_empty() && operation.id != "beginByLink"
        }) {
            let answer =
                stage.call(Method::GET, &format!("{}?{query}", operation.path), Some(&token), None).await;

            assert!(!answer.status.is_server_error(), "{} ?{query}: {answer:?}", operation.path);
            if lists && query.starts_with("limit=") {
                assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{} ?{query}: {answer:?}", operation.path);
                assert_refused(&answer, query);
            }
            asked += 1;
        }
    }
    assert!(asked > 400, "only {asked}");
}
