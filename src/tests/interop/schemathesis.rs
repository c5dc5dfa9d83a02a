//! PyPI `schemathesis` calls every operation of the document with what fits it and what does not, and
//! `openapi-spec-validator` reads the document itself.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use super::{
    app::TestApp,
    operations::operations,
    provider::python,
    stage::{OF_CUSTOMER, Stage},
};

/// What is held against every answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance";
/// Cases that are made up for each operation, the same every time.
const CASES: &str = "10";
/// Operations that are not called: one waits for what does not come, the other changes who may call at all.
const LEFT_OUT: [&str; 2] = ["watchAttempt", "patchWorkspace"];

/// Who calls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Caller {
    /// The backend, with the workspace's own names.
    Backend,
    /// The customer, with their own names.
    Customer,
    /// The backend, with names that came by chance.
    Stranger,
    /// Nobody.
    Anonymous,
}

impl Caller {
    fn token(self, stage: &Stage) -> Option<String> {
        match self {
            Self::Backend | Self::Stranger => Some(stage.backend()),
            Self::Customer => Some(stage.app.token(OF_CUSTOMER)),
            Self::Anonymous => None,
        }
    }
}

/// Real names for the paths. What is archived or deleted is not what the other operations are called with.
fn configuration(stage: &Stage) -> String {
    let mut text = String::new();
    for operation in operations() {
        let ends = operation.id.starts_with("archive") || operation.id.starts_with("delete");
        let mut lines = String::new();
        for place in operation.places.iter().filter(|place| stage.names.contains_key(place.kind.as_str())) {
            let names = &stage.names[place.kind.as_str()];
            let name = match (place.kind.as_str(), ends) {
                // The second one is archived already.
                ("connectionSel", true) => names[1].0.clone(),
                ("customerSel" | "customerQuery", true) => "c-to-archive".to_owned(),
                (_, true) => continue,
                (_, false) => names[0].0.clone(),
            };
            let within = if place.is_in_path { "path" } else { "query" };
            lines.push_str(&format!("\"{within}.{}\" = \"{name}\"\n", place.name));
        }
        if !lines.is_empty() {
            let id = &operation.id;
            text.push_str(&format!(
                "[[operations]]\ninclude-operation-id = \"{id}\"\n[operations.parameters]\n{lines}\n"
            ));
        }
    }
    text
}

/// Runs it and gives back what it reported, case by case.
async fn run(stage: &Stage, caller: Caller, only: Option<&str>) -> (bool, String) {
    let folder: PathBuf = stage.app.folder.clone();
    let settings = folder.join("schemathesis.toml");
    let names = if caller == Caller::Stranger { String::new() } else { configuration(stage) };
    fs::write(&settings, names).unwrap();
    let mut command = Command::new(python().with_file_name("schemathesis"));
    command.current_dir(&folder).arg("--config-file").arg(&settings).arg("--no-color");
    command.arg("run").arg(stage.app.base.join("/openapi.json").unwrap().as_str());
    command.args(["--checks", CHECKS, "--max-examples", CASES, "--generation-deterministic"]);
    command.args([
        "--phases",
        "examples,coverage,fuzzing",
        "--request-timeout",
        "20",
        "--max-redirects",
        "0",
    ]);
    command.args(["--suppress-health-check", "all", "--warnings", "off", "--continue-on-failure"]);
    let (option, ids) = match only {
        Some(id) => ("--include-operation-id", vec![id]),
        None => ("--exclude-operation-id", LEFT_OUT.to_vec()),
    };
    for id in ids {
        command.arg(option).arg(id);
    }
    if let Some(token) = caller.token(stage) {
        command.arg("--header").arg(format!("Authorization: Bearer {token}"));
    }
    let done =
        tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output().unwrap()).await.unwrap();
    let said = [done.stdout, done.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    (done.status.success(), said)
}

/// How many cases ran, as it says at the end.
fn cases(said: &str) -> u64 {
    let summary = said.lines().find(|line| line.contains("generated")).unwrap_or_default();
    let number = summary.split_whitespace().find_map(|word| word.replace(',', "").parse().ok());
    number.unwrap_or_else(|| panic!("it does not say how many cases it generated: {said}"))
}

async fn assert_conforms(caller: Caller, only: Option<&str>, least: u64) {
    let stage = Stage::new().await;

    let (conforms, said) = run(&stage, caller, only).await;

    assert!(conforms, "{said}");
    assert!(cases(&said) >= least, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backend_gets_what_the_document_says() {
    assert_conforms(Caller::Backend, None, 1000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_gets_what_the_document_says() {
    assert_conforms(Caller::Customer, None, 1000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_came_by_chance_get_what_the_document_says() {
    assert_conforms(Caller::Stranger, None, 1000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_what_the_document_says() {
    assert_conforms(Caller::Anonymous, None, 1000).await;
}

/// On a server of its own: it changes which tokens are taken.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_workspace_is_what_the_document_says() {
    assert_conforms(Caller::Backend, Some("patchWorkspace"), 10).await;
}

#[tokio::test]
async fn the_document_is_valid_openapi() {
    let app = TestApp::new().await;
    let document = app.browser().get("/openapi.json").await.body;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("end2end/providers/openapi.py");

    let verdict = |text: &str| {
        let mut judge =
            Command::new(python()).arg(&script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        judge.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        String::from_utf8(judge.wait_with_output().unwrap().stdout).unwrap()
    };
    let mut spoilt: Value = serde_json::from_str(&document).unwrap();
    spoilt["info"].as_object_mut().unwrap().remove("title");

    assert_eq!(verdict(&document), "valid\n");
    assert_ne!(verdict(&spoilt.to_string()), "valid\n");
}
