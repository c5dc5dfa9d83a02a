use std::{fs, path::PathBuf};

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("hitchpost-config-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, text: &str) -> PathBuf {
        let path = self.0.join("hitchpost.toml");
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn refused(name: &str, text: &str, environment: &Environment) -> String {
    let folder = Folder::new(name);
    let path = folder.file(text);
    let error = Config::load(Some(&path), environment).err().expect("this must be refused");
    error.to_string().replace(&path.display().to_string(), "hitchpost.toml")
}

#[test]
fn without_a_file_the_defaults_hold() {
    let config = ServerConfig::read(file::Server::default(), &Environment::default()).unwrap();

    assert_eq!(config.listen.to_string(), "127.0.0.1:7080");
    assert_eq!(config.database.path, PathBuf::from("data/hitchpost.db"));
    assert_eq!(config.sandbox, None);
}

#[test]
fn the_environment_wins_over_the_file() {
    let folder = Folder::new("environment");
    let path = folder.file("[server]\nlisten = \"127.0.0.1:1\"\nsandbox = true\n");
    let environment = Environment::of(&[("HITCHPOST_LISTEN", "127.0.0.1:2"), ("HITCHPOST_SANDBOX", "false")]);

    let config = Config::load(Some(&path), &environment).unwrap().server;

    assert_eq!((config.listen.port(), config.sandbox), (2, Some(false)));
}

#[test]
fn a_whole_workspace_is_read() {
    let folder = Folder::new("whole");
    let path = folder.file(
        r##"
[[workspace]]
key = "acme"
name = "Acme"
secret = "${ACME_SECRET}"
allowed_origins = ["https://app.acme.com", "http://localhost:*"]
max_token_lifetime = "2h"
[workspace.theme]
accent = "#3366ff"
radius = 6
scheme = "dark"
[[workspace.integration]]
key = "hubspot"
client_id = "${ID}"
client_secret = "x"
scopes = ["a"]
"##,
    );
    let environment = Environment::of(&[("ACME_SECRET", SECRET), ("ID", "client")]);

    let config = Config::load(Some(&path), &environment).unwrap();

    let workspace = &config.workspaces[0];
    assert_eq!(workspace.settings.max_token_lifetime_seconds, 7200);
    assert_eq!(workspace.settings.theme.accent.as_deref(), Some("#3366ff"));
    assert_eq!(workspace.integrations[0].connector, "hubspot");
    assert_eq!(workspace.integrations[0].settings.client_id.as_deref(), Some("client"));
    assert!(
        matches!(&workspace.keys[0], crate::engine::DesiredKey::Secret(secret) if secret.expose() == SECRET)
    );
}

#[test]
fn whatever_is_wrong_names_its_place() {
    let none = Environment::default();
    let workspace = |rest: &str| format!("[[workspace]]\nkey = \"acme\"\nsecret = \"{SECRET}\"\n{rest}");
    let cases = [
        (
            "unknown",
            "[server]\nlisten = \"127.0.0.1:1\"\nport = 3\n".to_owned(),
            "hitchpost.toml:3: unknown field `port`",
        ),
        ("type", "[server]\nsandbox = \"yes\"\n".to_owned(), "hitchpost.toml:2: invalid type"),
        ("syntax", "[server\n".to_owned(), "hitchpost.toml:1: "),
        (
            "variable",
            workspace("name = \"${NOPE}\""),
            "hitchpost.toml: `${NOPE}` is used, but the variable NOPE is not set",
        ),
        ("id", workspace("id = \"x\""), "hitchpost.toml: workspace `acme`: id: `x` is not a UUID"),
        ("life", workspace("max_token_lifetime = \"soon\""), "max_token_lifetime: `soon` is not a duration"),
        ("accent", workspace("theme = { accent = \"red\" }"), "theme.accent: `red` is not a colour"),
        (
            "listen",
            "[server]\nlisten = \"here\"\n".to_owned(),
            "[server] listen: `here` is not an address and port",
        ),
        (
            "postgres",
            "[server]\ndatabase = \"postgres://x/y\"\n".to_owned(),
            "PostgreSQL is not built in yet",
        ),
        ("public", "[server]\npublic_url = \"http://acme.com\"\n".to_owned(), "has to be https"),
        ("egress", "[server]\negress_allow = [\"there\"]\n".to_owned(), "`there` is not a host and port"),
    ];

    for (name, text, expected) in cases {
        let said = refused(name, &text, &none);
        assert!(said.contains(expected), "{name}: {said}");
        assert!(!said.contains('\n'), "{name} is more than one line: {said}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Some(Path::new("no/such.toml")), &Environment::default()).err().unwrap();

    assert!(error.to_string().starts_with("no/such.toml: cannot be read: "));
}

#[test]
fn the_key_file_is_made_once_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = Folder::new("key");
    let database = folder.0.join("h.db");
    let entropy = crate::clock::SystemEntropy::default();
    let none = Environment::default();

    let made = encryption_keys(&database, true, &none, &entropy).unwrap();
    let again = encryption_keys(&database, false, &none, &entropy).unwrap();

    assert_eq!(made.expose(), again.expose());
    let mode = fs::metadata(key_path(&database)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn data_without_its_key_is_refused() {
    let folder = Folder::new("lost");
    let database = folder.0.join("h.db");

    let error =
        encryption_keys(&database, false, &Environment::default(), &crate::clock::SystemEntropy::default());

    let said = error.err().unwrap().to_string();
    assert!(said.contains("its key is missing") && said.contains("h.db.key"), "{said}");
}
