//! `hitchpost doctor` against providers that really listen.

use std::process::Output;

use serde_json::{Value, json};

use super::{
    command_line::Folder,
    provider::{Provider, Seen},
};

const CLIENT: &str = "client_id = \"our-id\"\nclient_secret = \"our-secret\"\n";
/// A workspace whose integration `forge` is of the file beside it.
const WORKSPACE: &str = "[[workspace]]\nkey = \"acme\"\nsecret = \"0123456789abcdef0123456789abcdef\"\n";

/// A provider that knows one client, one callback (none is any), and two scopes.
async fn provider(callback: Option<&'static str>) -> Provider {
    Provider::new(move |seen: &Seen| {
        let param = |name: &str| seen.param(name).unwrap_or_default();
        let is_client = param("client_id") == "our-id";
        match seen.path.as_str() {
            "/authorize" if !is_client => (400, json!({ "error": "unknown client" })),
            "/authorize" if callback.is_some_and(|callback| !param("redirect_uri").ends_with(callback)) => {
                (400, json!({ "message": "redirect_uri is not registered" }))
            }
            "/authorize" => (200, json!("sign in here")),
            "/token" if !is_client || param("client_secret") != "our-secret" => {
                (401, json!({ "error": "invalid_client" }))
            }
            "/token" if param("grant_type") == "client_credentials" => {
                (200, json!({ "access_token": "t", "token_type": "bearer" }))
            }
            "/token" => (400, json!({ "error": "invalid_grant" })),
            "/broken" => (503, json!({})),
            _ => (404, json!({})),
        }
    })
    .await
}

/// A connector whose endpoints the provider at `address` plays.
fn forge(address: &str) -> String {
    format!(
        "name = \"Forge\"\nstatus = \"reviewed\"\n[api]\nbase = \"http://{address}/sandbox/forge/api\"\n\
         [[auth]]\ntype = \"oauth2\"\nauthorize = \"http://{address}/sandbox/forge/authorize\"\n\
         token = \"http://{address}/sandbox/forge/token\"\n\
         use = {{ headers = {{ Authorization = \"Bearer {{{{access_token}}}}\" }} }}\n\
         scopes = {{ default = [\"read\"], titles = {{ read = \"See\", write = \"Change\" }} }}\n"
    )
}

/// A folder with the connector and a configuration; `allowed` is what may be called.
fn folder(name: &str, connector: &str, allowed: &[&str], integration: &str) -> Folder {
    let folder = Folder::new(&format!("doctor-{name}"));
    let config = format!(
        "[server]\npublic_url = \"https://connect.acme.example\"\negress_allow = {allowed:?}\n{WORKSPACE}\
         [[workspace.integration]]\nkey = \"forge\"\nconnector = \"file:forge.toml\"\n{integration}"
    );
    std::fs::write(folder.0.join("forge.toml"), connector).unwrap();
    std::fs::write(folder.0.join("hitchpost.toml"), config).unwrap();
    folder
}

/// Runs a command beside the listeners of this test.
async fn run(folder: &Folder, arguments: &[&str]) -> Output {
    let mut command = folder.command(arguments);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// The exit code, and the findings as `level check: message`, those of the server left out.
async fn examined(folder: &Folder) -> (i32, Vec<String>) {
    let output = run(folder, &["doctor", "--json"]).await;
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = said["findings"].as_array().unwrap().iter();
    let of_integration = findings.filter(|finding| finding["integration"].is_string());
    let lines = of_integration.map(|finding| {
        format!("{} {}: {}", text(&finding["level"]), text(&finding["check"]), text(&finding["message"]))
    });
    (output.status.code().unwrap(), lines.collect())
}

#[track_caller]
fn has(lines: &[String], beginning: &str, words: &str) {
    let found = lines.iter().any(|line| line.starts_with(beginning) && line.contains(words));
    assert!(found, "no `{beginning}` with `{words}` in {lines:#?}");
}

#[tokio::test]
async fn an_integration_that_works_is_well_and_the_callback_is_told() {
    let provider = provider(None).await;
    let address = provider.address.to_string();
    let folder = folder("well", &forge(&address), &[&address], CLIENT);

    let (code, lines) = examined(&folder).await;
    let text = run(&folder, &["doctor"]).await;

    assert_eq!(code, 0, "{lines:#?}");
    has(&lines, "ok client", "are set");
    has(&lines, "ok callback", "register at the vendor: https://connect.acme.example/oauth/callback/");
    has(&lines, "ok authorize", "it is shown");
    has(&lines, "ok token", "it refuses a wrong code as it should (invalid_grant)");
    has(&lines, "ok api", "127.0.0.1 answers");
    assert!(lines.iter().all(|line| line.starts_with("ok ")), "{lines:#?}");
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("\nacme/forge\n  ok ") && text.ends_with("0 problems, 0 warnings\n"), "{text}");
    let sent = provider.calls().iter().map(Seen::text).collect::<String>();
    assert_eq!(sent.matches("our-secret").count(), 2, "once for each time, with the token call: {sent}");
    assert!(!folder.0.join("data").exists(), "no database was made");
}

#[tokio::test]
async fn a_wrong_client_a_wrong_callback_and_a_dead_endpoint_are_problems() {
    let known = provider(Some("/somewhere/else")).await;
    let address = known.address.to_string();
    let wrong = CLIENT.replace("our-secret", "not-the-secret");
    let forge = forge(&address);
    let callback = examined(&folder("callback", &forge, &[&address], CLIENT)).await;
    let secret = examined(&folder("secret", &forge, &[&address], &wrong)).await;
    let moved = forge.replace("/forge/token", "/forge/moved");
    let gone = examined(&folder("moved", &moved, &[&address], CLIENT)).await;
    let busy =
        examined(&folder("busy", &forge.replace("/forge/token", "/forge/broken"), &[&address], CLIENT)).await;
    drop(known);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = taken.local_addr().unwrap().to_string();
    drop(taken);
    let dead = examined(&folder("dead", &self::forge(&dead), &[&dead], CLIENT)).await;

    assert_eq!([callback.0, secret.0, gone.0, dead.0], [1; 4]);
    has(
        &callback.1,
        "problem authorize",
        "does not know the callback (HTTP 400 Bad Request): register the callback https://connect.acme.example/oauth/callback/",
    );
    has(&secret.1, "problem token", "does not accept the client (invalid_client)");
    has(&gone.1, "problem token", "nothing answers there (HTTP 404");
    has(&busy.1, "warning token", "in trouble (HTTP 503)");
    has(&dead.1, "problem authorize", "cannot be reached");
    has(&dead.1, "problem token", "cannot be reached");
    for (_, lines) in [callback, secret, gone, dead] {
        assert!(!lines.join("").contains("-secret\""), "{lines:#?}");
    }
}

#[tokio::test]
async fn what_is_missing_or_of_no_use_is_told_with_what_to_do() {
    let provider = provider(None).await;
    let address = provider.address.to_string();
    let forge = forge(&address);

    let nothing = examined(&folder("nothing", &forge, &[&address], "")).await;
    let half = examined(&folder("half", &forge, &[&address], "client_id = \"our-id\"\n")).await;
    let odd =
        examined(&folder("odd", &forge, &[&address], &format!("{CLIENT}scopes = [\"read\", \"raed\"]\n")))
            .await;
    let own = format!("{CLIENT}oauth_callback_uri = \"https://connect.acme.example/callback\"\n");
    let own = examined(&folder("own", &forge, &[&address], &own)).await;
    let inner = examined(&folder("inner", &forge, &[], CLIENT)).await;

    assert_eq!([nothing.0, half.0, odd.0, own.0, inner.0], [1, 1, 0, 1, 1]);
    has(&nothing.1, "problem client", "client_id is missing: register an OAuth client at the vendor");
    has(&half.1, "problem client", "client_secret is missing");
    has(&odd.1, "warning scopes", "does not know `raed`");
    has(
        &own.1,
        "problem callback",
        "this server listens for it at https://connect.acme.example/oauth/callback/",
    );
    has(&inner.1, "problem token", "127.0.0.1 is not called");
    has(&inner.1, "problem token", "egress_allow");
}

#[tokio::test]
async fn another_callback_address_has_to_lead_here() {
    let provider = provider(None).await;
    let address = provider.address.to_string();
    let own = format!("{CLIENT}oauth_callback_uri = \"http://{address}/sandbox/forge/elsewhere\"\n");

    let (code, lines) = examined(&folder("elsewhere", &forge(&address), &[&address], &own)).await;

    assert_eq!(code, 1);
    has(&lines, "problem callback", "answers HTTP 404, so it does not lead to Hitchpost");
}

/// An own file whose token endpoint is on a host that it does not list never gets the secret, since it is no
/// connector at all; one whose host a value opens is asked there and nowhere else.
#[tokio::test]
async fn a_secret_goes_to_the_connectors_hosts_only() {
    let own = provider(None).await;
    let other = Provider::new(|_| (200, json!({}))).await;
    let (address, elsewhere) = (own.address.to_string(), other.address.to_string());
    let listed = forge(&address).replace("[api]\n", &format!("[api]\nhosts = [\"{address}\"]\n"));
    let stray =
        listed.replace(&format!("token = \"http://{address}"), &format!("token = \"http://{elsewhere}"));
    let folder = folder("stray", &stray, &[&address, &elsewhere], CLIENT);

    let output = run(&folder, &["doctor"]).await;

    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("forge.toml:7: auth[0].token.url: goes to")
            || said.contains("which is not among the hosts"),
        "{said}"
    );
    assert!(other.calls().is_empty() && own.calls().is_empty());
}

#[tokio::test]
async fn the_server_itself_is_looked_at_first() {
    let folder = Folder::new("doctor-server");
    let write = |text: &str| std::fs::write(folder.0.join("hitchpost.toml"), text).unwrap();
    let found = async || {
        let output = run(&folder, &["doctor", "--json"]).await;
        let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        (output.status.code().unwrap(), said.to_string())
    };

    write("[server]\nprot = 1\n");
    let unread = found().await;
    write("[server]\ndatabase = \"sqlite:hitchpost.toml/x/h.db\"\n");
    let unwritable = found().await;
    write("[[workspace]]\nkey = \"acme\"\nintegration = [{ key = \"hubspot\", sandbox = true }]\n");
    let played = found().await;
    std::fs::write(folder.0.join("lost.db"), b"").unwrap();
    write("[server]\ndatabase = \"sqlite:lost.db\"\n");
    let lost = found().await;

    assert_eq!([unread.0, unwritable.0, played.0, lost.0], [1, 1, 0, 1]);
    assert!(unread.1.contains("hitchpost.toml:2: unknown field `prot`"), "{}", unread.1);
    assert!(unwritable.1.contains("nothing can be written into"), "{}", unwritable.1);
    for words in [
        "this machine only",
        "the built-in sandbox plays it",
        "nobody can sign in unless",
        "is made at the first start",
    ] {
        assert!(played.1.contains(words), "{words}: {}", played.1);
    }
    assert!(lost.1.contains("its key is missing"), "{}", lost.1);
}
