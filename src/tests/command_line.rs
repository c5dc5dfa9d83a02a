//! The binary as somebody types it.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// A folder of its own, gone afterwards.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("hitchpost-cli-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Text of a file in it; empty when there is none.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap_or_default()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hitchpost"));
        command.current_dir(&self.0).args(arguments).env("HITCHPOST_LISTEN", "127.0.0.1:0");
        for variable in
            ["HITCHPOST_CONFIG", "HITCHPOST_DATABASE", "HITCHPOST_ENCRYPTION_KEYS", "HITCHPOST_PUBLIC_URL"]
        {
            command.env_remove(variable);
        }
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    #[track_caller]
    fn refused(&self, command: &mut Command) -> String {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        let last = said.lines().last().unwrap_or_default().to_owned();
        assert!(last.starts_with("hitchpost: "), "{said}");
        last
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A started server, ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn a_newcomer_gets_a_demo_and_a_link() {
    let folder = Folder::new("demo");
    let mut child = folder.command(&[]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let running = Running(child);

    let lines: Vec<_> = out.lines().map(Result::unwrap).take(7).collect();

    let said = lines.join("\n");
    assert!(said.contains("This is a demo"), "{said}");
    assert!(said.contains("/link/"), "{said}");
    assert!(folder.0.join("data/hitchpost.db.key").exists());
    let token = folder.run(&["token", "--workspace", "demo", "--customer", "c1"]);
    assert!(token.status.success());
    let token = String::from_utf8(token.stdout).unwrap();
    assert_eq!((token.lines().count(), token.matches('.').count()), (1, 2), "a token and nothing else");
    drop(running);
}

#[test]
fn a_taken_port_is_named() {
    let folder = Folder::new("port");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();

    let said = folder.refused(folder.command(&[]).env("HITCHPOST_LISTEN", &address));

    assert!(said.contains(&address) && said.contains("something else listens there"), "{said}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let folder = Folder::new("nofile");

    let said = folder.refused(&mut folder.command(&["--config", "nowhere.toml"]));

    assert!(said.contains("nowhere.toml: cannot be read"), "{said}");
}

#[test]
fn a_key_nobody_knows_is_named_with_its_line() {
    let folder = Folder::new("unknown");
    std::fs::write(folder.0.join("hitchpost.toml"), "[server]\nlisten = \"127.0.0.1:0\"\nprot = 1\n")
        .unwrap();

    let said = folder.refused(&mut folder.command(&[]));

    assert!(said.contains("hitchpost.toml:3: unknown field `prot`"), "{said}");
}

#[test]
fn a_variable_that_is_not_set_is_named() {
    let folder = Folder::new("variable");
    std::fs::write(
        folder.0.join("hitchpost.toml"),
        "[[workspace]]\nkey = \"a\"\nsecret = \"${NOT_SET_HERE}\"\n",
    )
    .unwrap();

    let said = folder.refused(&mut folder.command(&["apply", "hitchpost.toml"]));

    assert!(said.contains("the variable NOT_SET_HERE is not set"), "{said}");
}

#[test]
fn postgresql_is_refused_until_it_is_built() {
    let folder = Folder::new("postgres");

    let said = folder.refused(folder.command(&[]).env("HITCHPOST_DATABASE", "postgres://localhost/x"));

    assert!(said.contains("HITCHPOST_DATABASE: PostgreSQL is not built in yet"), "{said}");
}

#[test]
fn data_without_its_key_and_with_another_key_is_refused() {
    let folder = Folder::new("key");
    let config = format!("[[workspace]]\nkey = \"acme\"\nsecret = \"{SECRET}\"\n");
    std::fs::write(folder.0.join("hitchpost.toml"), config).unwrap();
    assert!(folder.run(&["apply", "hitchpost.toml"]).status.success());
    let key = folder.0.join("data/hitchpost.db.key");
    let kept = std::fs::read(&key).unwrap();

    std::fs::remove_file(&key).unwrap();
    let without = folder.refused(&mut folder.command(&["serve"]));
    std::fs::write(&key, "1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n").unwrap();
    let other = folder.refused(&mut folder.command(&["serve"]));
    std::fs::write(&key, kept).unwrap();

    assert!(without.contains("its key is missing") && without.contains("hitchpost.db.key"), "{without}");
    assert!(other.contains("was encrypted with another key"), "{other}");
    assert!(folder.run(&["apply", "hitchpost.toml"]).status.success(), "nothing was changed");
}

#[test]
fn applying_prints_callbacks_and_doing_it_again_changes_nothing() {
    let folder = Folder::new("apply");
    let config = format!(
        "[[workspace]]\nkey = \"acme\"\nsecret = \"{SECRET}\"\n[[workspace.integration]]\nkey = \"hubspot\"\nclient_id = \"x\"\n"
    );
    std::fs::write(folder.0.join("hitchpost.toml"), config).unwrap();

    let first = String::from_utf8(folder.run(&["apply", "hitchpost.toml"]).stdout).unwrap();
    let again = String::from_utf8(folder.run(&["apply", "hitchpost.toml"]).stdout).unwrap();

    let callback = first.lines().find(|line| line.starts_with("acme/hubspot: callback http")).unwrap();
    assert!(again.contains(callback));
    assert!(first.contains("applied: 1 new workspaces, 1 new integrations"));
    assert!(again.contains("applied: 0 new workspaces, 0 new integrations"));
}

#[test]
fn a_workspace_that_cannot_be_is_refused_with_its_place() {
    let folder = Folder::new("wrong");
    let workspace = format!("[[workspace]]\nkey = \"acme\"\nsecret = \"{SECRET}\"\n");
    for (text, expected) in [
        ("[[workspace]]\nkey = \"acme\"\nsecret = \"short\"\n".to_owned(), "workspace `acme`: secret:"),
        (format!("{workspace}allowed_origins = [\"*\"]\n"), "workspace `acme`: allowed_origins:"),
        (
            format!("{workspace}integration = [{{ key = \"hubspt\" }}]\n"),
            "there is no connector `hubspt` in the catalog (did you mean `hubspot`?)",
        ),
        (format!("{workspace}integration = [{{ key = \"Hub Spot\" }}]\n"), "`Hub Spot` is not a key"),
        (
            format!("{workspace}integration = [{{ key = \"github\" }}, {{ key = \"github\" }}]\n"),
            "`github` stands there twice",
        ),
        (
            format!("{workspace}integration = [{{ key = \"confirm\", connector = \"github\" }}]\n"),
            "the key `confirm` is taken",
        ),
        (
            format!("{workspace}integration = [{{ key = \"mine\", connector = \"file:mine.toml\" }}]\n"),
            "mine.toml: cannot be read",
        ),
    ] {
        std::fs::write(folder.0.join("hitchpost.toml"), text).unwrap();
        let said = folder.refused(&mut folder.command(&["apply", "hitchpost.toml"]));
        assert!(said.contains("hitchpost.toml") && said.contains(expected), "{said}");
    }
}

#[test]
fn help_tells_units_and_defaults() {
    let folder = Folder::new("help");

    let help = String::from_utf8(folder.run(&["--help"]).stdout).unwrap();
    let token = String::from_utf8(folder.run(&["token", "--help"]).stdout).unwrap();

    for said in ["serve", "apply", "token", "HITCHPOST_LISTEN", "127.0.0.1:7080", "kid:base64"] {
        assert!(help.contains(said), "{said}: {help}");
    }
    assert!(token.contains("30m or 1h") && token.contains("[default: 1h]"), "{token}");
}

#[test]
fn a_token_that_could_not_be_used_is_refused() {
    let folder = Folder::new("token");
    let config = format!("[[workspace]]\nkey = \"acme\"\nsecret = \"{SECRET}\"\n");
    std::fs::write(folder.0.join("hitchpost.toml"), config).unwrap();
    let early = folder.refused(&mut folder.command(&["token", "--workspace", "acme", "--customer", "c"]));
    assert!(early.contains("there is no database yet"), "{early}");
    assert!(folder.run(&["apply", "hitchpost.toml"]).status.success());

    let long = "x".repeat(257);
    for (arguments, expected) in [
        (["--workspace", "acme", "--customer", "", "--expires", "1h"], "1 to 256 bytes"),
        (["--workspace", "acme", "--customer", "a\tb", "--expires", "1h"], "no control characters"),
        (["--workspace", "acme", "--customer", &long, "--expires", "1h"], "1 to 256 bytes"),
        (["--workspace", "nobody", "--customer", "c", "--expires", "1h"], "no workspace `nobody`"),
        (["--workspace", "acme", "--customer", "c", "--expires", "48h"], "max_token_lifetime"),
    ] {
        let mut all = vec!["token"];
        all.extend(arguments);
        let said = folder.refused(&mut folder.command(&all));
        assert!(said.contains(expected), "{said}");
    }
}

/// Design §3.4: the backend's own token names nobody, so that it sees the whole workspace.
#[test]
fn a_backends_token_needs_no_customer_and_a_customers_does() {
    let folder = Folder::new("admin");
    let config = format!("[[workspace]]\nkey = \"acme\"\nsecret = \"{SECRET}\"\n");
    std::fs::write(folder.0.join("hitchpost.toml"), config).unwrap();
    assert!(folder.run(&["apply", "hitchpost.toml"]).status.success());
    let claims = |arguments: &[&str]| -> serde_json::Value {
        let printed = folder.run(arguments);
        assert!(printed.status.success());
        let token = String::from_utf8(printed.stdout).unwrap();
        let middle = token.trim().split('.').nth(1).unwrap().to_owned();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(middle).unwrap()).unwrap()
    };

    let whole = claims(&["token", "--workspace", "acme", "--admin"]);
    let named = claims(&["token", "--workspace", "acme", "--admin", "--customer", "c1"]);
    let nobody = folder.run(&["token", "--workspace", "acme"]);

    assert_eq!((whole.get("id"), &whole["isAdmin"]), (None, &true.into()));
    assert_eq!((&named["id"], &named["isAdmin"]), (&"c1".into(), &true.into()));
    assert_eq!((nobody.status.code(), nobody.stdout.len()), (Some(2), 0));
    assert!(String::from_utf8(nobody.stderr).unwrap().contains("--customer"));
}

#[test]
fn a_log_setting_that_is_none_is_named() {
    let folder = Folder::new("log");

    let filter = folder.refused(folder.command(&[]).env("HITCHPOST_LOG", "=="));
    let format = folder.refused(folder.command(&[]).env("HITCHPOST_LOG_FORMAT", "xml"));

    assert!(filter.contains("HITCHPOST_LOG: `==`"), "{filter}");
    assert!(format.contains("HITCHPOST_LOG_FORMAT: `xml`"), "{format}");
}

#[test]
fn a_played_integration_without_the_sandbox_is_refused() {
    let folder = Folder::new("sandbox");
    let config = format!(
        "[server]\nsandbox = false\n[[workspace]]\nkey = \"acme\"\nsecret = \"{SECRET}\"\n\
         integration = [{{ key = \"hubspot\", sandbox = true }}]\n"
    );
    std::fs::write(folder.0.join("hitchpost.toml"), config).unwrap();

    let said = folder.refused(&mut folder.command(&[]));

    assert!(
        said.contains("integration `hubspot` of workspace `acme`") && said.contains("the sandbox is off"),
        "{said}"
    );
}
