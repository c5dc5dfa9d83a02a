//! Every operation × every stranger: what is somebody else's answers as what is not there, byte for byte,
//! and nothing happens to it.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    database::dump,
    operations::{Operation, operations},
    stage::{Answer, OF_CUSTOMER, OF_WORKSPACE, Stage},
};

/// What the same workspace sees whoever asks. A word about a confirmation that names another customer is a
/// word, and uses it up: `confirm` has tests of its own for that.
const OF_ALL: [&str; 3] = ["integrationSel", "webhookId", "confirmation"];

/// How a stranger stands to an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    /// 401.
    Nobody,
    /// 403.
    NotBackend,
    /// Lets in, and sees none of it.
    Elsewhere,
    /// The same, but is of the same workspace.
    Beside,
}

fn standing(stranger: &str, operation: &Operation) -> Standing {
    match (stranger, operation.role.as_str()) {
        ("anonymous" | "expired", _) => Standing::Nobody,
        ("other customer" | "customer of another workspace" | "the customer", "backend") => {
            Standing::NotBackend
        }
        ("other customer" | "backend for another customer", _) => Standing::Beside,
        _ => Standing::Elsewhere,
    }
}

/// A request that names something of the victim's, and the same that names nothing.
struct Pair {
    real: (String, Option<Value>),
    unknown: (String, Option<Value>),
    kinds: Vec<String>,
}

fn by_path(stage: &Stage, operation: &Operation) -> Vec<Pair> {
    let kinds = operation.selects();
    let most = kinds.iter().map(|kind| stage.names[*kind].len()).max().unwrap_or_default();
    let at = |kind: &str, place: usize| {
        let names = &stage.names[kind];
        names[place.min(names.len() - 1)].clone()
    };
    let pair = |place: usize| Pair {
        real: (operation.address(|kind| at(kind, place).0), operation.example.clone()),
        unknown: (operation.address(|kind| at(kind, place).1), operation.example.clone()),
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
    };
    (0..most).map(pair).collect()
}

/// Conditions of a list that name something.
fn by_query(stage: &Stage, operation: &Operation) -> Vec<Pair> {
    if operation.method != Method::GET || !operation.selects().is_empty() {
        return Vec::new();
    }
    let named = |name: &str| match name {
        "integrationId" | "integrationKey" => Some("integrationSel"),
        "customerId" | "userId" => Some("customerSel"),
        "connectionId" | "subject" => Some("connectionSel"),
        "webhookId" => Some("webhookId"),
        "search" => Some("customerSel"),
        _ => None,
    };
    let mut pairs = Vec::new();
    for place in &operation.places {
        let Some(kind) = named(&place.name) else { continue };
        for (real, unknown) in &stage.names[kind] {
            let address = |name: &str| format!("{}?{}={name}", operation.path, place.name);
            let kinds = vec![kind.to_owned()];
            pairs.push(Pair { real: (address(real), None), unknown: (address(unknown), None), kinds });
        }
    }
    pairs
}

/// Bodies that name something.
fn by_body(stage: &Stage, operation: &Operation) -> Vec<Pair> {
    let members: &[(&str, &str)] = match operation.id.as_str() {
        "listConnectionOptions" => &[("connectionId", "connectionSel"), ("integrationId", "integrationSel")],
        "begin" => &[("connectionId", "connectionSel"), ("integrationId", "integrationSel")],
        "importConnection" => &[("integrationId", "integrationSel")],
        "cancelAttempt" => &[("requestId", "requestId")],
        "confirmConnection" => &[("confirmation", "confirmation")],
        _ => &[],
    };
    let mut pairs = Vec::new();
    for (member, kind) in members {
        for (real, unknown) in &stage.names[*kind] {
            let body = |name: &str| match operation.id.as_str() {
                "importConnection" => json!({ *member: name, "credentials": { "accessToken": "x" } }),
                _ => json!({ *member: name }),
            };
            pairs.push(Pair {
                real: (operation.path.clone(), Some(body(real))),
                unknown: (operation.path.clone(), Some(body(unknown))),
                kinds: vec![(*kind).to_owned()],
            });
        }
    }
    pairs
}

async fn sent(
    stage: &Stage,
    operation: &Operation,
    request: &(String, Option<Value>),
    token: Option<&str>,
) -> Answer {
    stage.call(operation.method.clone(), &request.0, token, request.1.as_ref()).await
}

fn assert_status(answer: &Answer, standing: Standing, operation: &Operation, is_by_path: bool) {
    let expected = match standing {
        Standing::Nobody => Some(StatusCode::UNAUTHORIZED),
        Standing::NotBackend => Some(StatusCode::FORBIDDEN),
        _ => is_by_path.then_some(StatusCode::NOT_FOUND),
    };
    match expected {
        Some(expected) => assert_eq!(answer.status, expected, "{standing:?} {}: {answer:?}", operation.id),
        None => assert!(!answer.status.is_server_error(), "{standing:?} {}: {answer:?}", operation.id),
    }
}

/// Nothing of the victim's is said, whether it was asked for or not.
fn assert_silent(stage: &Stage, answer: &Answer, stranger: &str, asked: &str) {
    let said = answer.text();
    let is_beside = ["other customer", "backend for another customer", "the customer"].contains(&stranger);
    let words = if is_beside { vec![OF_CUSTOMER] } else { vec![OF_CUSTOMER, OF_WORKSPACE] };
    let ids = stage.names.iter().filter(|(kind, _)| !is_beside || !OF_ALL.contains(*kind));
    let ids = ids
        .filter(|(kind, _)| **kind != "path")
        .flat_map(|(_, names)| names.iter().map(|(real, _)| real.as_str()));
    for word in words.into_iter().chain(ids) {
        assert!(!said.contains(word), "{stranger} reads {word} at {asked}: {said}");
    }
}

/// Security T1, T2: somebody else's id reads as an unknown one, for every operation and every stranger.
#[tokio::test]
async fn what_is_somebody_elses_answers_byte_for_byte_as_what_is_not_there() {
    let stage = Stage::new().await;
    let mut strangers = stage.strangers();
    strangers.push(("the customer", Some(stage.app.token(OF_CUSTOMER))));
    let before = dump(&stage.app.folder).await;

    let mut compared = 0;
    for operation in operations().iter().filter(|operation| operation.role != "anyone") {
        for (stranger, token) in &strangers {
            let standing = standing(stranger, operation);
            if *stranger == "the customer" && standing != Standing::NotBackend {
                continue;
            }
            let refused = [Standing::Nobody, Standing::NotBackend].contains(&standing);
            let by_path = by_path(&stage, operation);
            let is_by_path = !by_path.is_empty();
            let others = by_query(&stage, operation).into_iter().chain(by_body(&stage, operation));
            for pair in by_path.into_iter().chain(others) {
                let is_seen = standing == Standing::Beside
                    && pair.kinds.iter().any(|kind| OF_ALL.contains(&kind.as_str()));
                if is_seen {
                    continue;
                }
                let real = sent(&stage, operation, &pair.real, token.as_deref()).await;
                let unknown = sent(&stage, operation, &pair.unknown, token.as_deref()).await;

                assert_eq!(real, unknown, "{stranger}, {}: {}", operation.id, pair.real.0);
                assert_status(&real, standing, operation, is_by_path);
                assert_silent(&stage, &real, stranger, &operation.id);
                compared += 1;
            }
            if !is_by_path
                && (refused || operation.method == Method::GET)
                && operation.id != "beginByLink"
                && operation.id != "beginLegacyByLink"
            {
                let plain = sent(
                    &stage,
                    operation,
                    &(operation.path.clone(), operation.example.clone()),
                    token.as_deref(),
                )
                .await;
                assert_status(&plain, standing, operation, false);
                assert_silent(&stage, &plain, stranger, &operation.id);
            }
        }
    }

    assert!(compared > 900, "only {compared} pairs");
    let after = dump(&stage.app.folder).await;
    for (table, rows) in &before {
        assert_eq!(&after[table], rows, "{table} has changed");
    }
    assert!(before.len() > 10 && before["connection"].len() == 2 && !before["delivery"].is_empty());
}

/// The names of the sweep are real: whoever may see them does.
#[tokio::test]
async fn the_backend_whose_they_are_finds_each_of_them() {
    let stage = Stage::new().await;
    let backend = stage.backend();
    // For these there has to be more than a name.
    let rest = ["proxyGet", "proxyBaseGet", "watchAttempt"];

    let mut found = 0;
    let reading = operations().into_iter().filter(|operation| operation.method == Method::GET);
    for operation in reading.filter(|operation| !rest.contains(&operation.id.as_str())) {
        for pair in by_path(&stage, &operation) {
            let real = sent(&stage, &operation, &pair.real, Some(&backend)).await;
            let unknown = sent(&stage, &operation, &pair.unknown, Some(&backend)).await;

            // An archived connection is found by its id.
            assert_eq!(real.status, StatusCode::OK, "{}: {real:?}", pair.real.0);
            assert_eq!(unknown.status, StatusCode::NOT_FOUND, "{}: {unknown:?}", pair.unknown.0);
            found += 1;
        }
    }

    assert!(found >= 10, "only {found}");
}

/// Security T2: the stream of an attempt tells its outcome to nobody else.
#[tokio::test]
async fn a_strangers_token_hears_nothing_of_an_attempt() {
    let stage = Stage::new().await;
    let request = format!("{OF_CUSTOMER}-fedcba9876543210");
    let body = json!({ "integrationKey": "stripe", "requestId": request, "input": { "api_key": "sk_test_sandbox" }, "allowMultipleConnections": true, "noUi": true });
    let token = stage.app.token(OF_CUSTOMER);
    let begun = stage.call(Method::POST, "/connect", Some(&token), Some(&body)).await;
    assert_eq!(begun.status, StatusCode::OK, "{begun:?}");
    let address = |request: &str, token: &str| format!("/sse/connection-events/{request}?token={token}");

    let own = stage.call(Method::GET, &address(&request, &token), None, None).await;
    let mut heard = Vec::new();
    for (stranger, token) in stage.strangers() {
        let Some(token) = token.filter(|_| stranger != "expired") else { continue };
        for id in [request.as_str(), "n0thing-fedcba9876543210"] {
            let asked = address(id, &token);
            let waited = std::time::Duration::from_millis(250);
            if let Ok(answer) =
                tokio::time::timeout(waited, stage.call(Method::GET, &asked, None, None)).await
            {
                heard.push((stranger, answer));
            }
        }
    }

    assert!(own.text().contains("newConnectionCreated"), "{own:?}");
    let told: Vec<_> = heard.iter().filter(|(_, answer)| answer.status == StatusCode::OK).collect();
    assert!(told.is_empty(), "{told:?}");
}
