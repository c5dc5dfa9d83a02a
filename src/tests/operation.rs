//! What whoever runs the server sees of it.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    app::{Browser, SECRET, TestApp},
    command_line::Folder,
};

/// A started server of its own, ended with the test.
pub struct Started {
    pub child: Child,
    pub base: url::Url,
    pub log: std::sync::mpsc::Receiver<String>,
}

impl Started {
    /// Runs the binary as `command` has it and waits until it listens. Its log is JSON.
    pub fn new(command: &mut Command, folder: &Folder) -> Self {
        command
            .current_dir(&folder.0)
            .env("HITCHPOST_LISTEN", "127.0.0.1:0")
            .env("HITCHPOST_LOG_FORMAT", "json")
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        for variable in ["HITCHPOST_CONFIG", "HITCHPOST_DATABASE", "HITCHPOST_ENCRYPTION_KEYS"] {
            command.env_remove(variable);
        }
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, log) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if sender.send(line).is_err() {
                    // Read on, so that the server can write.
                }
            }
        });
        let base = loop {
            let line = log.recv_timeout(Duration::from_secs(30)).expect("it says where it listens");
            let said: Value = serde_json::from_str(&line).expect(&line);
            if let Some(address) = said["fields"]["address"].as_str() {
                break url::Url::parse(&format!("http://{address}")).unwrap();
            }
        };
        Self { child, base, log }
    }

    pub fn port(&self) -> u16 {
        self.base.port().unwrap()
    }

    /// Sends a signal by the name of `kill`.
    pub fn signal(&self, name: &str) {
        let done = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(done.success());
    }

    /// Its exit code, if it ends in time.
    pub fn ended(&mut self, within: Duration) -> Option<i32> {
        let until = std::time::Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            if std::time::Instant::now() > until {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn binary() -> Command {
    Command::new(env!("CARGO_BIN_EXE_hitchpost"))
}

/// A folder with a workspace `acme`.
pub fn furnished(name: &str) -> Folder {
    let folder = Folder::new(name);
    let config = format!(
        "[[workspace]]\nkey = \"acme\"\nsecret = \"{SECRET}\"\n\
         integration = [{{ key = \"hubspot\", sandbox = true }}]\n"
    );
    std::fs::write(folder.0.join("hitchpost.toml"), config).unwrap();
    folder
}

pub fn token(folder: &Folder, customer: &str) -> String {
    let mut command = binary();
    command.args(["token", "--workspace", "acme", "--customer", customer]).current_dir(&folder.0);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Reads the text format of Prometheus, strictly: every sample has a described family before it, no sample
/// stands there twice, and histograms add up.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let (mut kinds, mut samples) = (BTreeMap::new(), BTreeMap::new());
    for line in text.lines() {
        if let Some(described) = line.strip_prefix("# TYPE ") {
            let (name, kind) = described.split_once(' ').unwrap();
            assert!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} is described twice");
            continue;
        }
        if line.starts_with("# HELP ") {
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap();
        let name = sample.split('{').next().unwrap();
        assert!(name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_'), "{line}");
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| {
            let family = name.strip_suffix(end)?;
            (kinds.get(family).map(String::as_str) == Some("histogram")).then_some(family)
        });
        assert!(kinds.contains_key(family.unwrap_or(name)), "{line} belongs to nothing");
        let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
        assert!(samples.insert(sample.to_owned(), value).is_none(), "twice: {line}");
    }
    samples
}

#[tokio::test]
async fn the_numbers_are_read_by_their_format_and_count_what_was_done() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("c1").await;
    browser.connect("hubspot", &[]).await.assert_status(StatusCode::SEE_OTHER);
    browser.connect("github", &[("decision", "deny")]).await;
    let connection = app.connections("c1").await[0]["id"].as_str().unwrap().to_owned();
    let mut api = app.browser();
    api.api(Method::GET, "/connections/no-such", &app.token("c1")).await;
    let proxied = api.api(Method::GET, &format!("/connections/{connection}/proxy/x"), &app.token("c1")).await;

    let page = app.browser().get("/metrics").await;

    page.assert_status(StatusCode::OK);
    assert_eq!(page.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let samples = samples(&page.body);
    assert_eq!(samples["hitchpost_attempts_total{outcome=\"connected\"}"], 1.0);
    assert_eq!(samples["hitchpost_attempts_total{outcome=\"access_denied_by_provider\"}"], 1.0);
    assert_eq!(samples["hitchpost_requests_total{route=\"/connections\",status=\"2xx\"}"], 1.0);
    assert_eq!(samples["hitchpost_requests_total{route=\"/connections/{sel}\",status=\"4xx\"}"], 1.0);
    let class = proxied.status.as_u16() / 100;
    let called = format!("hitchpost_proxy_requests_total{{via=\"connection\",status=\"{class}xx\"}}");
    assert_eq!(samples[&called], 1.0);
    assert_eq!(samples["hitchpost_proxy_duration_seconds_count"], 1.0);
    assert_eq!(samples["hitchpost_proxy_duration_seconds_bucket{le=\"+Inf\"}"], 1.0);
    assert!(samples["hitchpost_connections_open"] >= 1.0);
    assert!(samples["hitchpost_database_bytes"] > 100_000.0);
    assert_eq!(samples["hitchpost_outbox_pending"], 0.0);
    let version = format!("hitchpost_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(samples[&version], 1.0);
}

#[tokio::test]
async fn the_numbers_are_for_this_machine_or_for_whoever_has_the_token() {
    let open = TestApp::new().await;
    let closed = TestApp::with("[server]\nsandbox = true\nmetrics_token = \"0123456789abcdef\"\n").await;
    let ask = async |app: &TestApp, headers: &[(&str, &str)]| {
        app.browser().send(Method::GET, "/metrics", headers, None).await.status.as_u16()
    };

    for (name, value) in [
        ("x-forwarded-for", "203.0.113.1"),
        ("forwarded", "for=203.0.113.1"),
        ("x-real-ip", "203.0.113.1"),
        ("via", "1.1 proxy"),
    ] {
        assert_eq!(ask(&open, &[(name, value)]).await, 404, "{name}");
    }
    assert_eq!(ask(&open, &[]).await, 200);
    assert_eq!(ask(&closed, &[]).await, 404);
    assert_eq!(ask(&closed, &[("authorization", "Bearer 0123456789abcdee")]).await, 404);
    let shown = [("authorization", "Bearer 0123456789abcdef"), ("x-forwarded-for", "203.0.113.1")];
    assert_eq!(ask(&closed, &shown).await, 200);
}

#[tokio::test]
async fn a_server_says_that_it_is_alive_and_ready() {
    let app = TestApp::new().await;
    let mut browser = app.browser();

    for address in ["/healthz", "/livez"] {
        let alive = browser.get(address).await;
        alive.assert_status(StatusCode::OK);
        assert_eq!(alive.body, "ok\n");
    }
    let ready = browser.get("/readyz").await;

    ready.assert_status(StatusCode::OK);
    assert_eq!(ready.json(), json!({ "status": "ready" }));
}

#[tokio::test]
async fn every_answer_has_an_id_that_is_ours() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let mut seen = Vec::new();

    for address in ["/healthz", "/nowhere", "/connections", "/"] {
        let page = browser.send(Method::GET, address, &[("x-request-id", "mine")], None).await;
        let id = page.header("x-request-id").to_owned();
        assert_eq!(id.len(), 36, "{address}: {id}");
        assert_eq!(page.headers.get_all("x-request-id").iter().count(), 1);
        seen.push(id);
    }

    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 4);
}

/// Security S1.
#[tokio::test]
async fn a_line_of_the_log_says_for_whom_it_is_and_no_secret() {
    let folder = furnished("log-lines");
    let server = Started::new(binary().env("HITCHPOST_LOG", "debug"), &folder);
    let token = token(&folder, "c1");
    let mut browser = Browser::new(server.base.clone());

    let page = browser.api(Method::GET, "/connections?search=hidden-words", &token).await;

    page.assert_status(StatusCode::OK);
    let id = page.header("x-request-id").to_owned();
    let mut lines = Vec::new();
    let line = loop {
        let line = server.log.recv_timeout(Duration::from_secs(10)).expect("there is such a line");
        lines.push(line.clone());
        let said: Value = serde_json::from_str(&line).unwrap();
        if said["span"]["request.id"] == id.as_str() && said["fields"]["status"] == 200 {
            break said;
        }
    };
    let span = &line["span"];
    assert_eq!((&span["method"], &span["route"]), (&json!("GET"), &json!("/connections")));
    assert!(line["fields"]["duration_ms"].is_u64(), "{line}");
    for name in ["workspace.id", "customer.id"] {
        assert_eq!(span[name].as_str().map(str::len), Some(36), "{name}: {line}");
    }
    for secret in [token.as_str(), "hidden-words", SECRET] {
        assert!(lines.iter().all(|line| !line.contains(secret)), "a secret is in the log");
    }
}

/// Security F9: a file may grow no further, as when a disk is full.
#[tokio::test]
async fn when_nothing_can_be_written_reading_goes_on() {
    let folder = furnished("full");
    let mut first = Started::new(&mut binary(), &folder);
    let token_of_old = token(&folder, "old");
    Browser::new(first.base.clone()).api(Method::GET, "/connections", &token_of_old).await;
    first.signal("TERM");
    assert_eq!(first.ended(Duration::from_secs(20)), Some(0));
    let size_of = |name: &str| std::fs::metadata(folder.0.join(name)).map_or(0, |file| file.len());
    let size = size_of("data/hitchpost.db") + size_of("data/hitchpost.db-wal");
    // In blocks of 512 bytes, a little above what is there.
    let most = size / 512 + 256;
    let limited = format!("trap '' XFSZ; ulimit -f {most}; exec \"$0\"");
    let mut command = Command::new("sh");
    command.args(["-c", &limited, env!("CARGO_BIN_EXE_hitchpost")]);
    let server = Started::new(&mut command, &folder);
    let mut browser = Browser::new(server.base.clone());

    let mut refused = None;
    for number in 0..3000 {
        let page = browser.api(Method::GET, "/connections", &new_token(number)).await;
        if page.status != StatusCode::OK {
            refused = Some(page);
            break;
        }
    }

    let refused = refused.expect("the limit is met");
    refused.assert_error(StatusCode::SERVICE_UNAVAILABLE, "storage_full");
    assert_eq!(refused.header("retry-after"), "2");
    browser.api(Method::GET, "/connections", &token_of_old).await.assert_status(StatusCode::OK);
    browser.get("/livez").await.assert_status(StatusCode::OK);
    let unready = browser.get("/readyz").await;
    unready.assert_status(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(unready.json()["reasons"], json!(["the disk that holds the database is full"]));
}

/// A token of a customer that was never seen.
fn new_token(number: u32) -> String {
    use hitchpost::{clock::Clock as _, model::Secret, protocol::jwt};

    let now = hitchpost::clock::SystemClock.now().seconds();
    let name = "x".repeat(200);
    let claims = json!({ "iss": "acme", "id": format!("new-{number}"), "name": name, "exp": now + 600 });
    jwt::sign_hs256(&Secret::new(SECRET.as_bytes().to_vec()), &claims).expose().clone()
}
