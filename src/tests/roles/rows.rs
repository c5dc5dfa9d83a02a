//! A route without a row fails here: an operation of the API cannot be written without its role, and every
//! other route stands in `table.toml`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use hitchpost::{api, http::openapi};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use crate::app::TestApp;

/// Sources that may hold routes.
const DOORS: [&str; 6] = ["api", "app", "connect", "http", "sandbox", "server"];
/// How the sources name a method, or a handler of one.
const HANDLERS: [(&str, &str); 5] =
    [("get(", "GET"), ("post(", "POST"), ("any(", "ANY"), ("form(", "POST"), ("reference::route(", "GET")];
/// Ways around `.route(`, which would hide routes from this test.
const HIDING: [&str; 5] = [".nest(", ".nest_service(", ".route_service(", ".fallback_service(", "#[route"];

#[derive(Deserialize)]
struct Table {
    route: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    path: String,
    methods: BTreeSet<String>,
    role: String,
    #[serde(default)]
    says: bool,
}

fn table() -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/roles/table.toml");
    toml::from_str::<Table>(&fs::read_to_string(path).unwrap()).unwrap().route
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() && name != "tests" {
            sources(&path, found);
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

/// Every source of the doors, with its code and without its tests and comments.
fn doors() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    for door in DOORS {
        let (folder, file) = (root.join(door), root.join(format!("{door}.rs")));
        assert!(folder.is_dir() || file.is_file(), "there is no door {door}");
        if folder.is_dir() {
            sources(&folder, &mut found);
        }
        found.extend(file.is_file().then_some(file));
    }
    let code = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let own = text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
        let lines = own.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.collect::<Vec<_>>().join("\n")
    };
    found.iter().map(|path| (path.strip_prefix(&root).unwrap().display().to_string(), code(path))).collect()
}

/// Method and path of each `.route("…", …)` of a source. One that cannot be read fails.
fn routes(place: &str, code: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for call in code.split(".route(").skip(1) {
        let whole = parenthesised(call);
        let Some((path, handler)) =
            whole.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"'))
        else {
            // The API hands its own table to the router, and an operation makes its own route.
            let is_own = place == "api/mod.rs" && ["path, handler", "state"].contains(&whole);
            assert!(is_own, "{place}: .route({whole}) names no path");
            continue;
        };
        let handler = handler.replace("::get(", "(");
        let named = HANDLERS.iter().filter(|(word, _)| has_word(&handler, word));
        let before = found.len();
        found.extend(named.map(|(_, method)| ((*method).to_owned(), path.to_owned())));
        assert!(found.len() > before, "{place}: which method has {path}? {handler}");
    }
    found
}

/// The text up to the parenthesis that closes it.
fn parenthesised(text: &str) -> &str {
    let mut depth = 0_i32;
    let end = text.find(|letter| {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        depth < 0
    });
    &text[..end.unwrap_or(text.len())]
}

fn has_word(text: &str, word: &str) -> bool {
    let starts = text.match_indices(word).map(|(at, _)| text[..at].chars().next_back());
    starts.into_iter().any(|before| !before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_'))
}

/// `{sel}` and `{request_id}` are the same place.
fn nameless(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// Security T1, T2.
#[test]
fn every_route_in_the_sources_has_a_row_and_every_row_a_route() {
    let doors = doors();
    let found: BTreeSet<_> = doors.iter().flat_map(|(place, code)| routes(place, code)).collect();

    let rows = table();
    let named: BTreeSet<_> = rows
        .iter()
        .flat_map(|row| row.methods.iter().map(|method| (method.clone(), row.path.clone())))
        .collect();

    assert_eq!(found, named, "routes in the sources, and in src/tests/roles/table.toml");
    assert!(found.len() > 30, "only {} routes were read", found.len());
    for (place, code) in &doors {
        for hiding in HIDING {
            assert!(!code.contains(hiding), "{place} hides routes behind {hiding}");
        }
    }
    let fallbacks: usize = doors.iter().map(|(_, code)| code.matches(".fallback(").count()).sum();
    assert_eq!(fallbacks, 1, "only the router has a fallback");
}

#[test]
fn every_operation_of_the_api_stands_in_its_table() {
    let doors = doors();
    let count = |word: &str| -> usize {
        let all = doors.iter().filter(|(place, _)| place != "api/operation.rs");
        all.map(|(_, code)| code.matches(word).count()).sum()
    };

    let written = count("Operation::new(") + count("Operation::of_any_method(");

    assert_eq!(written, api::operations().len());
}

#[test]
fn every_server_function_has_a_route_of_its_own() {
    let actions = doors().into_iter().find(|(place, _)| place == "app/actions.rs").unwrap().1;
    let endpoints = actions.split("endpoint = \"").skip(1).map(|rest| rest.split('"').next().unwrap());

    let functions: BTreeSet<_> = endpoints.map(|name| format!("/_actions/{name}")).collect();

    let rows = table().into_iter().filter(|row| row.path.starts_with("/_actions/"));
    assert_eq!(functions, rows.map(|row| row.path).collect());
    assert_eq!(actions.matches("#[server(prefix").count(), functions.len());
}

#[test]
fn roles_are_known_and_programs_find_their_routes_in_the_document() {
    let document: Value = serde_json::from_str(openapi::document()).unwrap();
    let mut written = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation["x-door"].is_string() {
                let role = operation["x-role"].as_str().unwrap().to_owned();
                written.insert((method.to_uppercase(), nameless(path)), role);
            }
        }
    }

    let rows = table();
    let said = rows.iter().filter(|row| row.says).flat_map(|row| {
        row.methods.iter().map(|method| ((method.clone(), nameless(&row.path)), row.role.clone()))
    });

    assert_eq!(written, said.collect());
    let known = ["anyone", "customer", "backend", "session", "ticket", "browser", "operator", "sandbox"];
    assert!(rows.iter().all(|row| known.contains(&row.role.as_str())));
}

/// Security T2: nothing answers that no row names.
#[tokio::test]
async fn a_method_that_no_row_names_is_refused() {
    let app = TestApp::new().await;
    let mut rows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in table() {
        rows.entry(nameless(&row.path)).or_default().extend(row.methods);
    }
    let of_api: BTreeSet<_> = api::operations().iter().map(|operation| nameless(operation.path)).collect();
    for operation in api::operations() {
        let method = operation.method.map_or("ANY".to_owned(), |method| method.to_string());
        rows.entry(nameless(operation.path)).or_default().insert(method);
    }
    let token = app.signed(
        crate::app::SECRET,
        &serde_json::json!({ "iss": "acme", "isAdmin": true, "exp": app.now() + 600 }),
    );

    let mut refused = 0;
    for (path, methods) in &rows {
        let tried = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::TRACE];
        for method in
            tried.into_iter().filter(|method| !methods.contains(method.as_str()) && !methods.contains("ANY"))
        {
            let answer = app.browser().api(method.clone(), &path.replace("{}", "x"), &token).await;

            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}: {}", answer.body);
            refused += 1;
        }
    }
    assert!(refused > 150, "only {refused} were tried");
    assert!(of_api.len() > 30);
}
