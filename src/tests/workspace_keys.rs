//! `hitchpost workspace keys` beside a running server, which goes on while the command is waited for: hence
//! a second thread.

use std::{
    process::{Command, Output},
    time::Duration,
};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{app::TestApp, customers::backend};

const SECRET: &str = "acme-secret-0123456789abcdef-0123456789";

/// The command on the database of a running server.
fn keys(app: &TestApp, arguments: &[&str]) -> Output {
    command(app, arguments).output().unwrap()
}

fn command(app: &TestApp, arguments: &[&str]) -> Command {
    let database = format!("sqlite:{}", app.folder.join("test.db").display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_hitchpost"));
    command
        .current_dir(&app.folder)
        .args(["workspace", "keys"])
        .args(arguments)
        .env_remove("HITCHPOST_CONFIG")
        .env_remove("HITCHPOST_ENCRYPTION_KEYS")
        .env_remove("HITCHPOST_PUBLIC_URL")
        .env("HITCHPOST_LISTEN", "127.0.0.1:0")
        .env("HITCHPOST_DATABASE", database);
    command
}

/// What it printed when all was well: output, and what it said beside.
#[track_caller]
fn done(output: Output) -> (String, String) {
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    (String::from_utf8(output.stdout).unwrap(), said)
}

#[track_caller]
fn refused(output: Output) -> String {
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{said}");
    said
}

/// Makes a key; comes back with the private half.
fn made(app: &TestApp, kid: &str) -> String {
    done(keys(app, &["new", "--workspace", "acme", "--kid", kid])).0
}

fn listed(app: &TestApp) -> String {
    done(keys(app, &["list", "--workspace", "acme"])).0
}

/// The line of one key.
#[track_caller]
fn line(app: &TestApp, kid: &str) -> String {
    let listed = listed(app);
    let found = listed.lines().find(|line| line.split_whitespace().next() == Some(kid));
    found.unwrap_or_else(|| panic!("no {kid}: {listed}")).to_owned()
}

/// A customer's call with a token signed by `private`; the reason when it was refused.
async fn call(app: &TestApp, private: &str, kid: Option<&str>) -> Result<(), String> {
    // What another process changed shows within a second.
    app.clock.advance(Duration::from_secs(2));
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(Algorithm::RS256) };
    let key = EncodingKey::from_rsa_pem(private.as_bytes()).unwrap();
    let claims = json!({ "iss": "acme", "id": "c1", "exp": app.now() + 60 });
    let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    let answer = app.browser().api(Method::GET, "/connections", &token).await;
    if answer.status == StatusCode::OK {
        return Ok(());
    }
    answer.assert_status(StatusCode::UNAUTHORIZED);
    Err(answer.json()["data"]["reason"].as_str().unwrap().to_owned())
}

/// Acceptance 48.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_key_is_printed_once_and_kept_nowhere() {
    let app = TestApp::new().await;

    let (printed, said) = done(keys(&app, &["new", "--workspace", "acme"]));

    assert!(printed.starts_with("-----BEGIN PRIVATE KEY-----\n"), "nothing but the key");
    assert!(printed.ends_with("\n-----END PRIVATE KEY-----\n") && printed.matches("-----BEGIN").count() == 1);
    let list = listed(&app);
    let kid = list.lines().last().unwrap().split_whitespace().next().unwrap();
    assert!(kid.len() == "2026-11-21-3f9a1c".len(), "{kid}");
    let id = call_backend(&app, "/workspace").await["id"].as_str().unwrap().to_owned();
    assert!(said.contains(kid) && said.contains("RS256") && said.contains(&id), "{said}");
    assert_eq!(call(&app, &printed, Some(kid)).await, Ok(()));
    assert_eq!(call(&app, &printed, None).await, Ok(()), "a token may leave its name out");
    let secret_line = printed.lines().nth(5).unwrap();
    assert!(!list.contains("KEY-----") && !said.contains(secret_line));
    for name in ["test.db", "test.db-wal"] {
        let bytes = std::fs::read(app.folder.join(name)).unwrap_or_default();
        let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!holds(secret_line) && !holds("PRIVATE KEY"), "{name}");
    }
}

/// What could not be printed must not look like a key that somebody has.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_key_that_cannot_be_printed_counts_for_nothing() {
    let app = TestApp::new().await;
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();

    let output = command(&app, &["new", "--workspace", "acme", "--kid", "lost"]).stdout(full).output();

    let said = refused(output.unwrap());
    assert!(said.contains("No space left"), "{said}");
    assert!(line(&app, "lost").contains("retired 2"));
    assert!(public_keys(&app).await.is_empty());
}

async fn call_backend(app: &TestApp, path: &str) -> Value {
    let answer = app.browser().api(Method::GET, path, &backend(app)).await;
    answer.assert_status(StatusCode::OK);
    answer.json()
}

/// Acceptance 48: two count while one replaces the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_overlap_while_they_are_rotated() {
    let app = TestApp::new().await;
    let (old, new) = (made(&app, "old"), made(&app, "new"));
    assert_eq!((call(&app, &old, Some("old")).await, call(&app, &new, Some("new")).await), (Ok(()), Ok(())));
    assert_eq!(call(&app, &old, Some("new")).await, Err("bad_signature".to_owned()));

    let (said, _) = done(keys(&app, &["retire", "--workspace", "acme", "old", "--in", "1h"]));

    assert!(said.starts_with("key old counts until 2"), "{said}");
    assert_eq!(call(&app, &old, Some("old")).await, Ok(()), "an hour is not over");
    app.clock.advance(Duration::from_secs(3600));
    assert_eq!(call(&app, &old, Some("old")).await, Err("unknown_key".to_owned()));
    assert_eq!(call(&app, &old, None).await, Err("bad_signature".to_owned()));
    assert_eq!(call(&app, &new, Some("new")).await, Ok(()));
    let names: Vec<_> = public_keys(&app).await.iter().map(|key| key["name"].clone()).collect();
    assert_eq!(names, ["new"]);
}

async fn public_keys(app: &TestApp) -> Vec<Value> {
    call_backend(app, "/workspace").await["publicKeys"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_retired_at_once_and_for_good() {
    let app = TestApp::new().await;
    let (one, other) = (made(&app, "one"), made(&app, "other"));
    assert_eq!(call(&app, &one, Some("one")).await, Ok(()));
    done(keys(&app, &["retire", "--workspace", "acme", "one", "--in", "7d"]));

    let (sooner, _) = done(keys(&app, &["retire", "--workspace", "acme", "one"]));
    let (again, _) = done(keys(&app, &["retire", "--workspace", "acme", "one", "--in", "7d"]));

    assert_eq!(sooner, "key one is retired\n");
    assert!(again.starts_with("key one was retired already, at 2"), "{again}");
    assert_eq!(call(&app, &one, Some("one")).await, Err("unknown_key".to_owned()));
    assert_eq!(call(&app, &other, Some("other")).await, Ok(()));
    let taken = refused(keys(&app, &["new", "--workspace", "acme", "--kid", "one"]));
    assert!(taken.contains("--kid: workspace `acme` has a key of that name"), "{taken}");
    let audited = call_backend(&app, "/audit").await;
    let lines = audited["items"].as_array().unwrap().iter().rev();
    let lines: Vec<_> = lines.filter(|line| line["action"].as_str().unwrap().contains("key")).collect();
    let told =
        lines.iter().map(|line| (line["action"].as_str().unwrap(), line["detail"]["kid"].as_str().unwrap()));
    let (created, retired) = ("workspace.key_created", "workspace.key_retired");
    assert_eq!(
        told.collect::<Vec<_>>(),
        [(created, "one"), (created, "other"), (retired, "one"), (retired, "one")]
    );
    assert!(lines.iter().all(|line| line["actor"] == "operator"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_says_what_is_in_use_and_when_it_was_used() {
    let app = TestApp::new().await;
    let (used, _) = (made(&app, "used"), made(&app, "unused"));
    made(&app, "over");
    made(&app, "ending");
    done(keys(&app, &["retire", "--workspace", "acme", "over"]));
    done(keys(&app, &["retire", "--workspace", "acme", "ending", "--in", "3d"]));
    call(&app, &used, Some("used")).await.unwrap();

    app.engine.sweep().await.unwrap();

    let heads: Vec<_> = listed(&app)
        .lines()
        .next()
        .unwrap()
        .split("  ")
        .map(|head| head.trim().to_owned())
        .filter(|head| !head.is_empty())
        .collect();
    assert_eq!(heads, ["KID", "KIND", "MADE", "LAST USED", "STATE"]);
    let today = hitchpost::model::Timestamp::from_seconds(app.now()).rfc3339()[..10].to_owned();
    let (used, unused) = (line(&app, "used"), line(&app, "unused"));
    assert!(used.matches(&today[..8]).count() == 2 && used.ends_with("in use"), "made and used: {used}");
    assert!(unused.contains("never") && unused.contains("RSA") && unused.ends_with("in use"), "{unused}");
    assert!(line(&app, "over").contains("retired 2") && line(&app, "ending").contains("retires 2"));
    let secret = line(&app, "-");
    assert!(secret.contains("secret") && secret.ends_with("in use, from the configuration file"), "{secret}");
    assert!(!listed(&app).contains(SECRET));
    let ending = public_keys(&app).await.into_iter().find(|key| key["name"] == "ending").unwrap();
    assert!(ending["retiresAt"].as_str().unwrap().ends_with('Z'), "{ending}");
    assert!(ending["publicKey"].as_str().unwrap().starts_with("-----BEGIN PUBLIC KEY-----"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_refused_in_words() {
    let config = format!(
        "[[workspace]]\nkey = \"acme\"\nsecret = \"{SECRET}\"\npublic_keys = [{{ kid = \"filed\", pem = \"file:k.pem\" }}]\n"
    );
    let pem = include_str!("../protocol/testdata/rsa.pub.pem");
    let app = TestApp::with_files(&config, &[("k.pem", pem)]).await;
    let long = "k".repeat(65);

    for (arguments, expected) in [
        (&["list", "--workspace", "nobody"][..], "there is no workspace `nobody`"),
        (&["new", "--workspace", "nobody"], "there is no workspace `nobody`"),
        (&["new", "--workspace", "acme", "--kid", "filed"], "has a key of that name"),
        (&["new", "--workspace", "acme", "--kid", "a b"], "--kid: A kid has 1 to 64 letters"),
        (&["new", "--workspace", "acme", "--kid", ""], "--kid: A kid has 1 to 64 letters"),
        (&["new", "--workspace", "acme", "--kid", &long], "--kid: A kid has 1 to 64 letters"),
        (&["retire", "--workspace", "acme", "none"], "workspace `acme` has no key `none`; `list` shows them"),
        (&["retire", "--workspace", "acme", "filed"], "stands in the configuration file"),
        (&["retire", "--workspace", "acme", "filed", "--in", "soon"], "--in <DURATION>"),
    ] {
        let said = refused(keys(&app, arguments));
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    let help = done(keys(&app, &["retire", "--help"])).0;
    assert!(help.contains("30m, 24h or 7d") && help.contains("at most 8 hours"), "{help}");
    let help = done(keys(&app, &["new", "--help"])).0;
    assert!(help.contains("RSA, 2048 bits") && help.contains("standard output"), "{help}");
}

/// A file that brings no key leaves it to the command line, and applying it again takes none away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workspace_without_a_key_gets_its_first_from_the_command_line() {
    let config =
        "[[workspace]]\nkey = \"acme\"\n[[workspace.integration]]\nkey = \"stripe\"\nsandbox = true\n";
    let app = TestApp::with(config).await;
    let applied = || {
        let output = Command::new(env!("CARGO_BIN_EXE_hitchpost"))
            .current_dir(&app.folder)
            .args(["apply", "hitchpost.toml"])
            .env("HITCHPOST_DATABASE", format!("sqlite:{}", app.folder.join("test.db").display()))
            .env_remove("HITCHPOST_ENCRYPTION_KEYS")
            .output();
        done(output.unwrap()).0
    };

    let before = applied();
    let private = made(&app, "first");
    let after = applied();

    let hint = "acme: nobody can sign in until it has a key; `hitchpost workspace keys new --workspace acme` makes one";
    assert!(before.contains(hint), "{before}");
    assert!(!after.contains("nobody can sign in"), "{after}");
    assert_eq!(call(&app, &private, Some("first")).await, Ok(()));
    let (_, said) = done(keys(&app, &["retire", "--workspace", "acme", "first"]));
    assert!(said.contains("there is no other key: nobody can sign in"), "{said}");
    assert_eq!(call(&app, &private, Some("first")).await, Err("algorithm_not_allowed".to_owned()));
}

/// What a file brings stays the same row as long as it is the same key, so that its last use is known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn applying_a_file_again_forgets_no_use_of_its_keys() {
    let config = "[[workspace]]\nkey = \"acme\"\npublic_keys = [{ kid = \"filed\", pem = \"file:k.pem\" }]\n";
    let (public, private) =
        (include_str!("../protocol/testdata/rsa.pub.pem"), include_str!("../protocol/testdata/rsa.pem"));
    let app = TestApp::with_files(config, &[("k.pem", public)]).await;
    call(&app, private, Some("filed")).await.unwrap();
    app.engine.sweep().await.unwrap();
    let before = line(&app, "filed");

    let app = TestApp::start(app.stop().await).await;

    assert!(!before.contains("never"), "{before}");
    assert_eq!(line(&app, "filed"), before);
}
