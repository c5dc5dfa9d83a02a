//! The configuration: one file, `${VAR}` from the environment, and `HITCHPOST_*` over both.
//!
//! The only reader of the environment. Whatever is wrong ends in one sentence that names the file,
//! the line or the variable.

mod file;
mod keys;
mod limits;
mod webhooks;
mod your_app;

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use ipnet::IpNet;
use url::Url;

pub use keys::{encryption_keys, key_path};
pub use limits::Limits;

use crate::{
    engine::DesiredWorkspace,
    http::{ForwardedHeader, TrustedProxies},
    model::Secret,
};

/// Where the server listens unless told otherwise.
const LISTEN: &str = "127.0.0.1:7080";
/// The database unless told otherwise.
const DATABASE: &str = "sqlite:data/hitchpost.db";
/// The file that is read when it is there and none was named.
const FILE: &str = "hitchpost.toml";
/// Shortest `metrics_token`, characters.
const METRICS_TOKEN_MIN: usize = 16;

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {reason}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        reason: std::io::Error,
    },
    /// A file or folder cannot be made.
    #[error("{}: cannot be written: {reason}", .path.display())]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// The system's words.
        reason: std::io::Error,
    },
    /// Something in it does not fit.
    #[error("{}{}: {reason}", .path.display(), .line.map(|line| format!(":{line}")).unwrap_or_default())]
    File {
        /// The file.
        path: PathBuf,
        /// The line.
        line: Option<usize>,
        /// What is wrong.
        reason: String,
    },
    /// `${VAR}` that is not set.
    #[error("{}: `${{{name}}}` is used, but the variable {name} is not set", .path.display())]
    MissingVariable {
        /// The file.
        path: PathBuf,
        /// The variable.
        name: String,
    },
    /// A setting that does not fit, from the file or a variable.
    #[error("{source_name}: {reason}")]
    Setting {
        /// `[server] listen`, `HITCHPOST_LISTEN`.
        source_name: String,
        /// What is wrong.
        reason: String,
    },
    /// There is data, but not the key it was encrypted with.
    #[error(
        "{database} holds encrypted data, but its key is missing: set HITCHPOST_ENCRYPTION_KEYS or bring back {}",
        .key_file.display()
    )]
    MissingKey {
        /// The database.
        database: String,
        /// Where the key file should be.
        key_file: PathBuf,
    },
    /// The key at hand is not the one the data was encrypted with.
    #[error("{database} was encrypted with another key than the one given; nothing was changed")]
    WrongKey {
        /// The database.
        database: String,
    },
}

/// Everything the process was told.
pub struct Config {
    /// The server's own settings.
    pub server: ServerConfig,
    /// Workspaces of the file; none without a file.
    pub workspaces: Vec<DesiredWorkspace>,
    /// The file that was read.
    pub file: Option<PathBuf>,
}

/// `[server]`. Each can be set as `HITCHPOST_<KEY>`, which wins over the file.
#[derive(Clone)]
pub struct ServerConfig {
    /// `listen`: address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// `public_url`: what browsers call it; none follows the port on localhost.
    pub public_url: Option<Url>,
    /// `database`: where everything is kept.
    pub database: Database,
    /// `sandbox`: the built-in provider; none means on for a loopback `public_url`.
    pub sandbox: Option<bool>,
    /// `sandbox_url`: another address for the sandbox's pages.
    pub sandbox_url: Option<Url>,
    /// `egress_allow`: `host:port` that may be called although it is not public.
    pub egress_allow: Vec<String>,
    /// `metrics_token`: what opens `/metrics`; none opens it to this machine.
    pub metrics_token: Option<Secret<String>>,
    /// `[server.limits]`, `trusted_proxies` and `forwarded_header`.
    pub limits: Limits,
}

/// Where everything is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// The SQLite file.
    pub path: PathBuf,
}

/// What the environment said. The only reading of it.
#[derive(Clone, Default)]
pub struct Environment(std::collections::HashMap<String, Secret<String>>);

impl Environment {
    /// Reads the process's environment.
    pub fn read() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the one reader")]
        let variables = std::env::vars_os();
        // What is not UTF-8 cannot be meant for us; it is left out like the variables of others.
        let texts =
            variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self(texts.map(|(name, value)| (name, Secret::new(value))).collect())
    }

    /// One made up, for tests.
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(name, value)| ((*name).to_owned(), Secret::from(*value))).collect())
    }

    /// The same with another value of one variable.
    #[must_use]
    pub fn with(&self, name: &str, value: Secret<String>) -> Self {
        let mut all = self.0.clone();
        all.insert(name.to_owned(), value);
        Self(all)
    }

    /// Names of variables that begin like this and are set.
    fn names_with(&self, prefix: &str) -> Vec<&str> {
        let mut names: Vec<_> =
            self.0.keys().map(String::as_str).filter(|name| name.starts_with(prefix)).collect();
        names.retain(|name| self.get(name).is_some());
        names.sort_unstable();
        names
    }

    /// The value of a variable; empty counts as not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.expose().as_str()).filter(|value| !value.is_empty())
    }
}

impl Config {
    /// Reads the file named by `--config`, `HITCHPOST_CONFIG`, or `./hitchpost.toml` if it is there.
    pub fn load(named: Option<&Path>, environment: &Environment) -> Result<Self, ConfigError> {
        let named =
            named.map(Path::to_owned).or_else(|| environment.get("HITCHPOST_CONFIG").map(PathBuf::from));
        let path = named.or_else(|| Path::new(FILE).exists().then(|| PathBuf::from(FILE)));
        let (section, workspaces) = match &path {
            Some(path) => file::read(path, environment)?,
            None => (file::Server::default(), Vec::new()),
        };
        Ok(Self { server: ServerConfig::read(section, environment)?, workspaces, file: path })
    }
}

impl ServerConfig {
    fn read(section: file::Server, environment: &Environment) -> Result<Self, ConfigError> {
        let pick = |key: &str, from_file: Option<String>| {
            let variable = format!("HITCHPOST_{}", key.to_ascii_uppercase());
            match environment.get(&variable) {
                Some(value) => (variable, Some(value.to_owned())),
                None => (format!("[server] {key}"), from_file),
            }
        };
        let (name, listen) = pick("listen", section.listen);
        let listen = listen.unwrap_or_else(|| LISTEN.to_owned());
        let listen = listen
            .parse()
            .map_err(|_| setting(&name, format!("`{listen}` is not an address and port such as {LISTEN}")))?;
        let (name, database) = pick("database", section.database);
        let database = Database::parse(&name, &database.unwrap_or_else(|| DATABASE.to_owned()))?;
        let (name, sandbox) = pick("sandbox", section.sandbox.map(|on| on.to_string()));
        let sandbox = sandbox
            .map(|text| {
                text.parse().map_err(|_| setting(&name, format!("`{text}` is neither true nor false")))
            })
            .transpose()?;
        let (name, allow) = pick("egress_allow", section.egress_allow.map(|entries| entries.join(",")));
        let egress_allow: Vec<String> = listed(allow.as_deref()).map(str::to_owned).collect();
        if let Some(bad) = egress_allow.iter().find(|entry| !is_host_and_port(entry)) {
            return Err(setting(&name, format!("`{bad}` is not a host and port such as 127.0.0.1:9000")));
        }
        let (name, public_url) = pick("public_url", section.public_url);
        let public_url = public_url.map(|text| base_url(&name, &text)).transpose()?;
        let (name, sandbox_url) = pick("sandbox_url", section.sandbox_url);
        let sandbox_url = sandbox_url.map(|text| base_url(&name, &text)).transpose()?;
        let (name, header) = pick("forwarded_header", section.forwarded_header);
        let header = forwarded_header(&name, header.as_deref())?;
        let (name, proxies) = pick("trusted_proxies", section.trusted_proxies.map(|all| all.join(",")));
        let networks =
            listed(proxies.as_deref()).map(|entry| network(&name, entry)).collect::<Result<_, _>>()?;
        let (name, token) = pick("metrics_token", section.metrics_token);
        if token.as_ref().is_some_and(|token| token.len() < METRICS_TOKEN_MIN) {
            return Err(setting(&name, format!("it needs at least {METRICS_TOKEN_MIN} characters")));
        }
        let limits = Limits::read(section.limits, environment, TrustedProxies { networks, header })?;
        let metrics_token = token.map(Secret::new);
        Ok(Self { listen, public_url, database, sandbox, sandbox_url, egress_allow, metrics_token, limits })
    }
}

/// The entries of a list that is written with commas.
fn listed(text: Option<&str>) -> impl Iterator<Item = &str> {
    text.unwrap_or_default().split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

/// `10.0.0.0/8`, or one address.
fn network(name: &str, entry: &str) -> Result<IpNet, ConfigError> {
    let one = || entry.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
    entry.parse().or_else(|_| one()).map_err(|_| {
        setting(name, format!("`{entry}` is neither an address nor a network such as 10.0.0.0/8"))
    })
}

fn forwarded_header(name: &str, text: Option<&str>) -> Result<ForwardedHeader, ConfigError> {
    match text.map(str::to_ascii_lowercase).as_deref() {
        None | Some("x-forwarded-for") => Ok(ForwardedHeader::XForwardedFor),
        Some("forwarded") => Ok(ForwardedHeader::Forwarded),
        Some(other) => Err(setting(name, format!("`{other}` is neither x-forwarded-for nor forwarded"))),
    }
}

impl Database {
    fn parse(name: &str, text: &str) -> Result<Self, ConfigError> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            let reason = "PostgreSQL is not built in yet; use `sqlite:PATH`".to_owned();
            return Err(setting(name, reason));
        }
        let path = text.strip_prefix("sqlite:").map(|path| path.trim_start_matches("//"));
        match path.filter(|path| !path.is_empty() && *path != ":memory:") {
            Some(path) => Ok(Self { path: PathBuf::from(path) }),
            None => Err(setting(name, format!("`{text}` is not `sqlite:PATH`"))),
        }
    }
}

fn base_url(name: &str, text: &str) -> Result<Url, ConfigError> {
    let wrong = || setting(name, format!("`{text}` is not an address such as https://integrations.acme.com"));
    let url = Url::parse(text).map_err(|_| wrong())?;
    let is_bare =
        url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !is_bare {
        return Err(wrong());
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err(setting(name, format!("`{text}` has to be https: only a loopback address may be http")));
    }
    Ok(url)
}

/// Whether an address means this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

fn is_host_and_port(entry: &str) -> bool {
    entry.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

fn setting(name: &str, reason: String) -> ConfigError {
    ConfigError::Setting { source_name: name.to_owned(), reason }
}

#[cfg(test)]
mod tests;
