//! `hitchpost doctor`: looks whether a configuration can work, and says what to do.
//!
//! The configuration is tried in a database of its own that is thrown away, so that nothing of a running
//! installation is touched or migrated.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use serde_json::json;

use super::{addresses, say, table::counted};
use crate::{
    clock::{Entropy as _, SystemEntropy},
    config::{Config, Database, Environment, ServerConfig, encryption_keys, is_loopback, key_path},
    engine::{Finding, Level},
    server::{self, StartError, Surroundings},
    vault::Vault,
};

/// Exit code of a configuration with a problem.
const PROBLEM: u8 = 1;

/// How it is to be looked at.
#[derive(Args)]
pub(super) struct Asked {
    /// How long it may take at most, such as 30s or 2m
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Looks at everything and prints what was found.
pub(super) async fn doctor(
    asked: &Asked,
    file: Option<&Path>,
    environment: &Environment,
) -> Result<ExitCode, StartError> {
    let found = match Config::load(file, environment) {
        Ok(config) => look(config, environment, asked.timeout).await?,
        Err(error) => vec![Finding::of_server(Level::Problem, "configuration", error.to_string())],
    };
    let worst = found.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok);
    let text = if asked.json { as_json(&found, worst) } else { as_text(&found) };
    say(&mut std::io::stdout(), &text);
    Ok(if worst == Level::Problem { ExitCode::from(PROBLEM) } else { ExitCode::SUCCESS })
}

async fn look(
    config: Config,
    environment: &Environment,
    budget: Duration,
) -> Result<Vec<Finding>, StartError> {
    let mut found = of_file(&config);
    found.extend(of_server(&config, environment));
    let scratch = Scratch::new()?;
    let server =
        ServerConfig { database: Database { path: scratch.0.join("doctor.db") }, ..config.server.clone() };
    let public_url = addresses(&config).public_url;
    let plays = server.sandbox.unwrap_or_else(|| is_loopback(&public_url));
    let mut addresses = addresses(&config);
    addresses.sandbox_bound = plays.then_some(server.listen);
    // A key of its own: the real one is for the real database.
    let keys = Vault::generate("doctor", &SystemEntropy::default());
    let own = environment.with("HITCHPOST_ENCRYPTION_KEYS", keys);
    let engine = server::engine(&server, &own, addresses, Surroundings::default()).await?;
    match engine.configure(config.workspaces).await {
        Ok(_) => found.extend(engine.examine(budget).await?),
        Err(error) => {
            let message = format!("{error}; the integrations are looked at once this is mended");
            found.push(Finding::of_server(Level::Problem, "configuration", message));
        }
    }
    engine.close().await;
    Ok(found)
}

/// What the file says as a whole.
fn of_file(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |level, message: String| found.push(Finding::of_server(level, "configuration", message));
    match &config.file {
        Some(path) => add(Level::Ok, format!("{} can be read", path.display())),
        None => add(
            Level::Warning,
            "there is no file; without one the server starts a demo. Name one by --config".to_owned(),
        ),
    }
    for workspace in config.workspaces.iter().filter(|workspace| workspace.keys.is_empty()) {
        let key = &workspace.key;
        let message = format!(
            "workspace `{key}` has no secret and no public_keys: nobody can sign in unless \
             `hitchpost workspace keys new --workspace {key}` made a key"
        );
        add(Level::Warning, message);
    }
    found
}

/// The server's own settings and what it stands on.
fn of_server(config: &Config, environment: &Environment) -> Vec<Finding> {
    let url = addresses(config).public_url;
    let public = match is_loopback(&url) {
        true => Finding::of_server(
            Level::Warning,
            "public_url",
            format!("{url} is this machine only; set the https address that your customers' browsers use"),
        ),
        false => Finding::of_server(Level::Ok, "public_url", url.to_string()),
    };
    let mut found = vec![public];
    if config.server.sandbox == Some(true) && !is_loopback(&url) {
        let message = "the sandbox is on for the whole world; that is meant for trying things out only";
        found.push(Finding::of_server(Level::Warning, "sandbox", message));
    }
    found.push(database(&config.server.database.path));
    found.push(encryption_key(&config.server.database.path, environment));
    found
}

/// Whether the database, or the folder it will be made in, can be written.
fn database(path: &Path) -> Finding {
    let name = path.display();
    let refused = |what: String| Finding::of_server(Level::Problem, "database", what);
    if path.exists()
        && let Err(error) = std::fs::OpenOptions::new().append(true).open(path)
    {
        return refused(format!(
            "{name} cannot be written: {error}; give it to the user that runs the server"
        ));
    }
    // SQLite makes files beside the database, too.
    let folder = path.ancestors().skip(1).find(|folder| folder.as_os_str().is_empty() || folder.exists());
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let probe = folder.join(format!(".hitchpost-doctor-{}", std::process::id()));
    match std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe)) {
        Ok(()) if path.exists() => {
            Finding::of_server(Level::Ok, "database", format!("{name} can be written"))
        }
        Ok(()) => Finding::of_server(Level::Ok, "database", format!("{name} is made at the first start")),
        Err(error) => refused(format!("nothing can be written into {}: {error}", folder.display())),
    }
}

/// Whether there is a key, and one that is a key. None is made here.
fn encryption_key(database: &Path, environment: &Environment) -> Finding {
    let place = match environment.get("HITCHPOST_ENCRYPTION_KEYS") {
        Some(_) => "HITCHPOST_ENCRYPTION_KEYS".to_owned(),
        None => key_path(database).display().to_string(),
    };
    let finding = |level, message| Finding::of_server(level, "encryption_key", message);
    if !database.exists() && !key_path(database).exists() && place != "HITCHPOST_ENCRYPTION_KEYS" {
        return finding(Level::Ok, format!("{place} is made at the first start; back it up then"));
    }
    let entropy = SystemEntropy::default();
    let keys = match encryption_keys(database, false, environment, &entropy) {
        Ok(keys) => keys,
        Err(error) => return finding(Level::Problem, error.to_string()),
    };
    match Vault::parse(keys.expose(), std::sync::Arc::new(entropy)) {
        Ok(_) => finding(Level::Ok, format!("{place} holds a key")),
        Err(error) => finding(Level::Problem, format!("{place}: {error}")),
    }
}

fn as_text(found: &[Finding]) -> String {
    let mut lines = Vec::new();
    let mut about = None;
    for finding in found {
        let subject = match (&finding.workspace, &finding.integration) {
            (Some(workspace), Some(integration)) => format!("{workspace}/{integration}"),
            _ => "server".to_owned(),
        };
        if about.as_ref() != Some(&subject) {
            lines.extend(about.is_some().then(String::new));
            lines.push(subject.clone());
            about = Some(subject);
        }
        let level = word(finding.level);
        lines.push(format!("  {level:<8} {:<14} {}", finding.check, finding.message));
    }
    let count = |level| found.iter().filter(|finding| finding.level == level).count();
    lines.push(String::new());
    lines.push(format!(
        "{}, {}",
        counted(count(Level::Problem), "problem"),
        counted(count(Level::Warning), "warning")
    ));
    lines.join("\n")
}

fn as_json(found: &[Finding], worst: Level) -> String {
    let all = found.iter().map(|finding| {
        json!({
            "level": word(finding.level),
            "workspace": finding.workspace,
            "integration": finding.integration,
            "check": finding.check,
            "message": finding.message,
        })
    });
    format!("{:#}", json!({ "level": word(worst), "findings": all.collect::<Vec<_>>() }))
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Ok => "ok",
        Level::Warning => "warning",
        Level::Problem => "problem",
    }
}

/// A folder for the database that is thrown away, and gone with this.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, StartError> {
        let name = SystemEntropy::default().handle();
        let path = std::env::temp_dir().join(format!("hitchpost-doctor-{}", name.expose()));
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left behind is sealed by a key that nobody has any more.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
