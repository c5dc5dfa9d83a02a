//! The command line.

mod connector;
mod doctor;
mod keys;
mod table;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use url::Url;

use crate::{
    config::{Config, ConfigError, Environment},
    engine::{Addresses, Engine, EngineError},
    http::openapi,
    server::{self, Server, StartError, Surroundings},
    telemetry,
};

/// Exit code of everything that the person who started us can mend.
const USAGE: u8 = 2;
/// Longest id of a customer, in bytes.
const CUSTOMER_MAX: usize = 256;

/// The integrations page a SaaS product gives its customers.
///
/// Without a configuration file it starts a demo: a catalog of apps played by a built-in sandbox.
#[derive(Parser)]
#[command(name = "hitchpost", version, after_help = AFTER_HELP)]
struct Cli {
    /// Configuration file [default: ./hitchpost.toml if it is there; HITCHPOST_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Option<Command>,
}

const AFTER_HELP: &str = "\
Environment (each wins over the file):
  HITCHPOST_CONFIG           configuration file
  HITCHPOST_LISTEN           address and port [default: 127.0.0.1:7080]
  HITCHPOST_PUBLIC_URL       what browsers call this server [default: http://localhost:PORT]
  HITCHPOST_DATABASE         sqlite:PATH [default: sqlite:data/hitchpost.db]
  HITCHPOST_ENCRYPTION_KEYS  kid:base64,kid:base64, 32 bytes each; the first encrypts
                             [default: the file DATABASE.key, made at the first start]
  HITCHPOST_SANDBOX          true or false [default: true for a loopback public URL]
  HITCHPOST_SANDBOX_URL      another address for the sandbox's pages
  HITCHPOST_EGRESS_ALLOW     host:port,host:port that may be called although not public
  HITCHPOST_TRUSTED_PROXIES  address or network,… of proxies whose header names the client
  HITCHPOST_FORWARDED_HEADER which header they write: x-forwarded-for or forwarded
                             [default: x-forwarded-for]
  HITCHPOST_METRICS_TOKEN    what opens /metrics, at least 16 characters
                             [default: open to this machine]
  HITCHPOST_LIMITS_<NAME>    a limit of [server.limits], such as HITCHPOST_LIMITS_API_BODY_MAX=1MiB;
                             docs/configuration.md has them all
  HITCHPOST_LOG              log filter such as debug [default: info]
  HITCHPOST_LOG_FORMAT       text or json [default: text]";

#[derive(Subcommand)]
enum Command {
    /// Start the server (the default)
    Serve,
    /// Apply a configuration file to the database, print callback addresses, and end
    ///
    /// Doing it again changes nothing. An integration that is gone from the file is hidden; its
    /// connections stay. A running server sees the change within a second.
    Apply {
        /// The file
        file: PathBuf,
        /// Key of an integration whose connections may send their credentials to hosts that its connector did
        /// not name when they were made; can be repeated
        ///
        /// Without it, a file that would do that is refused.
        #[arg(long, value_name = "INTEGRATION")]
        allow_new_hosts: Vec<String>,
    },
    /// Print the OpenAPI document of the API, and nothing else
    Openapi,
    /// Print a test token for a customer or for the backend, and nothing else
    Token {
        /// Key of the workspace; it needs a `secret`
        #[arg(long)]
        workspace: String,
        /// The product's own id of the customer, 1 to 256 bytes
        #[arg(long, required_unless_present = "admin")]
        customer: Option<String>,
        /// A token for the workspace's backend (`isAdmin`); without a customer for the whole workspace
        #[arg(long)]
        admin: bool,
        /// How long it is good, such as 30m or 1h; at most the workspace's max_token_lifetime
        #[arg(long, default_value = "1h", value_parser = humantime::parse_duration)]
        expires: Duration,
    },
    /// What belongs to one workspace
    #[command(subcommand)]
    Workspace(keys::Workspace),
    /// Look whether a configuration can work, by asking the real providers; exit code 1 when it cannot
    ///
    /// For each integration: are client and parameters set, is the callback address the one to register, are
    /// the scopes known, do the provider's page and endpoints answer, and do they know the client. A token
    /// endpoint is asked with a code that cannot be right. Nothing is changed, here or there; client secrets go
    /// to the hosts of the connector only.
    Doctor(doctor::Asked),
    /// The apps that Hitchpost knows, and files of your own
    #[command(subcommand)]
    Connector(connector::Verb),
}

/// Runs the command that was given. Errors are one sentence on standard error.
pub async fn run() -> ExitCode {
    let cli = Cli::parse();
    let environment = Environment::read();
    match obey(cli, &environment).await {
        Ok(code) => code,
        Err(error) => {
            say(&mut std::io::stderr(), &format!("hitchpost: {error}"));
            ExitCode::from(USAGE)
        }
    }
}

async fn obey(cli: Cli, environment: &Environment) -> Result<ExitCode, StartError> {
    let json = match environment.get("HITCHPOST_LOG_FORMAT") {
        None | Some("text") => false,
        Some("json") => true,
        Some(other) => {
            return Err(refused("HITCHPOST_LOG_FORMAT", format!("`{other}` is neither text nor json")));
        }
    };
    telemetry::start(environment.get("HITCHPOST_LOG"), json)?;
    telemetry::guard_crashes();
    match cli.command {
        None | Some(Command::Serve) => serve(cli.config, environment).await?,
        Some(Command::Apply { file, allow_new_hosts }) => apply(file, &allow_new_hosts, environment).await?,
        Some(Command::Openapi) => say(&mut std::io::stdout(), openapi::document().trim_end()),
        Some(Command::Token { workspace, customer, admin, expires }) => {
            token(cli.config, environment, &workspace, customer.as_deref(), admin, expires).await?;
        }
        Some(Command::Workspace(keys::Workspace::Keys(verb))) => {
            let engine = opened(cli.config, environment).await?;
            let done = verb.obey(&engine).await;
            engine.close().await;
            done?;
        }
        Some(Command::Doctor(asked)) => {
            return doctor::doctor(&asked, cli.config.as_deref(), environment).await;
        }
        Some(Command::Connector(verb)) => return verb.obey(cli.config.as_deref(), environment),
    }
    Ok(ExitCode::SUCCESS)
}

async fn serve(file: Option<PathBuf>, environment: &Environment) -> Result<(), StartError> {
    let config = Config::load(file.as_deref(), environment)?;
    let server = Server::bind(config, environment, Surroundings::default()).await?;
    tracing::info!(address = %server.address, "Hitchpost {} listens at {}", env!("CARGO_PKG_VERSION"), server.public_url);
    if let Some(link) = server.demo_link().await? {
        let mut out = std::io::stdout();
        say(&mut out, "");
        say(&mut out, "  This is a demo: its apps are played by the built-in sandbox.");
        say(&mut out, "  Open this link to be its test customer:");
        say(&mut out, "");
        say(&mut out, &format!("    {link}"));
        say(&mut out, "");
        let mut embed = server.public_url.clone();
        embed.set_path("/sandbox/embed");
        say(&mut out, &format!("  The same page inside another site: {embed}"));
        say(&mut out, "");
    }
    server.run(server::asked_to_end()).await
}

async fn apply(file: PathBuf, moving: &[String], environment: &Environment) -> Result<(), StartError> {
    let config = Config::load(Some(&file), environment)?;
    let addresses = addresses(&config);
    let engine = server::engine(&config.server, environment, addresses, Surroundings::default()).await?;
    let report = engine
        .configure_moving(config.workspaces, moving)
        .await
        .map_err(|error| StartError::Configure { file: format!("{}: ", file.display()), error })?;
    let mut out = std::io::stdout();
    for key in &report.integrations_hidden {
        say(&mut out, &format!("hidden: {key} (no longer in the file; its connections stay)"));
    }
    let mut views = engine.workspaces().await?;
    views.sort_by(|one, other| one.workspace.key.cmp(&other.workspace.key));
    for workspace in &views {
        for view in workspace.integrations.iter().filter(|view| !view.integration.hidden) {
            let callback = engine.callback_uri(view);
            say(
                &mut out,
                &format!("{}/{}: callback {callback}", workspace.workspace.key, view.integration.key),
            );
        }
    }
    for key in engine.keyless_workspaces().await? {
        say(&mut out, &format!("{key}: {}", server::no_key(&key)));
    }
    let created = (report.workspaces_created, report.integrations_created);
    say(&mut out, &format!("applied: {} new workspaces, {} new integrations", created.0, created.1));
    engine.close().await;
    Ok(())
}

async fn token(
    file: Option<PathBuf>,
    environment: &Environment,
    workspace: &str,
    customer: Option<&str>,
    admin: bool,
    expires: Duration,
) -> Result<(), StartError> {
    let fits = |id: &str| (1..=CUSTOMER_MAX).contains(&id.len()) && !id.chars().any(char::is_control);
    if !customer.is_none_or(fits) {
        return Err(refused(
            "--customer",
            format!("an id has 1 to {CUSTOMER_MAX} bytes and no control characters"),
        ));
    }
    let engine = opened(file, environment).await?;
    let token =
        engine.test_token(workspace, customer, admin, expires).await.map_err(|error| match error {
            EngineError::NotFound("workspace") => no_workspace(workspace),
            EngineError::NotFound(_) => {
                refused("--workspace", format!("`{workspace}` has no secret to sign with"))
            }
            EngineError::Session(refusal) => refused("--expires", refusal.to_string()),
            other => other.into(),
        })?;
    say(&mut std::io::stdout(), token.expose());
    engine.close().await;
    Ok(())
}

/// The engine of a database that is there.
async fn opened(file: Option<PathBuf>, environment: &Environment) -> Result<Engine, StartError> {
    let config = Config::load(file.as_deref(), environment)?;
    let database = &config.server.database.path;
    if !database.exists() {
        let reason = "there is no database yet; start the server once, or run `hitchpost apply`";
        return Err(refused(&database.display().to_string(), reason.to_owned()));
    }
    server::engine(&config.server, environment, addresses(&config), Surroundings::default()).await
}

fn no_workspace(workspace: &str) -> StartError {
    let reason = format!(
        "there is no workspace `{workspace}` in the database; `hitchpost apply` makes those of a file"
    );
    refused("--workspace", reason)
}

fn addresses(config: &Config) -> Addresses {
    let localhost = format!("http://localhost:{}", config.server.listen.port());
    let public_url = config.server.public_url.clone();
    Addresses {
        public_url: public_url.unwrap_or_else(|| Url::parse(&localhost).expect("a port makes an address")),
        sandbox_url: config.server.sandbox_url.clone(),
        sandbox_bound: None,
    }
}

fn refused(source_name: &str, reason: String) -> StartError {
    ConfigError::Setting { source_name: source_name.to_owned(), reason }.into()
}

/// Writes a line; a reader that went away is no reason to panic.
fn say(out: &mut impl std::io::Write, line: &str) {
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}
