//! `hitchpost.toml`: its shape, its variables, the files it points to.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::Value;

use super::{ConfigError, Environment};
use crate::{
    catalog::parse,
    engine::{DesiredIntegration, DesiredKey, DesiredWorkspace, DesiredYourApp, check_theme},
    model::{
        IntegrationSettings, Scheme, Secret, Theme, WorkspaceId, WorkspaceSettings,
        workspace::DEFAULT_MAX_TOKEN_LIFETIME,
    },
};

/// Largest connector file, key or picture that is read.
const SIDE_FILE_MAX: u64 = 256 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    server: Server,
    #[serde(default)]
    workspace: Vec<Workspace>,
}

/// `[server]`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Server {
    pub(super) listen: Option<String>,
    pub(super) public_url: Option<String>,
    pub(super) database: Option<String>,
    pub(super) sandbox: Option<bool>,
    pub(super) sandbox_url: Option<String>,
    pub(super) egress_allow: Option<Vec<String>>,
    pub(super) trusted_proxies: Option<Vec<String>>,
    pub(super) forwarded_header: Option<String>,
    pub(super) metrics_token: Option<String>,
    pub(super) limits: super::limits::Section,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Workspace {
    key: String,
    id: Option<String>,
    name: Option<String>,
    secret: Option<String>,
    #[serde(default)]
    public_keys: Vec<PublicKey>,
    #[serde(default)]
    allowed_origins: Vec<String>,
    max_token_lifetime: Option<String>,
    #[serde(default)]
    allow_tokens_without_exp: bool,
    #[serde(default)]
    require_signed_parameters: bool,
    #[serde(default)]
    allow_credentials_read: bool,
    confirm_redirect: Option<String>,
    #[serde(default)]
    theme: ThemeSection,
    #[serde(default)]
    integration: Vec<Integration>,
    #[serde(default)]
    webhooks: Vec<super::webhooks::Webhook>,
    your_app: Option<super::your_app::YourApp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PublicKey {
    kid: Option<String>,
    pem: String,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ThemeSection {
    accent: Option<String>,
    radius: Option<u8>,
    logo: Option<String>,
    scheme: Scheme,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Integration {
    key: String,
    /// A key of the catalog, `file:PATH`, or the connector itself.
    connector: Option<toml::Value>,
    name: Option<String>,
    description: Option<String>,
    logo: Option<String>,
    featured: Option<bool>,
    client_id: Option<String>,
    client_secret: Option<String>,
    scopes: Option<Vec<String>>,
    #[serde(default)]
    connector_parameters: serde_json::Map<String, Value>,
    #[serde(default)]
    sandbox: bool,
    oauth_callback_uri: Option<String>,
}

/// Reads a file whole.
pub(super) fn read(
    path: &Path,
    environment: &Environment,
) -> Result<(Server, Vec<DesiredWorkspace>), ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|reason| ConfigError::Unreadable { path: path.to_owned(), reason })?;
    // Read once as written, because only then an error knows its line; then with its variables.
    toml::from_str::<File>(&text).map_err(|error| unfit(path, &text, &error))?;
    let mut table: toml::Value = toml::from_str(&text).map_err(|error| unfit(path, &text, &error))?;
    expand(&mut table, path, environment)?;
    let file = File::deserialize(table).map_err(|error| unfit(path, &text, &error))?;
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    let base = Base { file: path, text: &text, folder };
    let workspaces = file.workspace.into_iter().enumerate();
    let workspaces =
        workspaces.map(|(place, section)| base.workspace(place, section)).collect::<Result<_, _>>()?;
    Ok((file.server, workspaces))
}

fn unfit(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    ConfigError::File { path: path.to_owned(), line, reason: error.message().replace('\n', " ") }
}

/// Puts variables in place of `${VAR}`, in every string of the file.
fn expand(value: &mut toml::Value, path: &Path, environment: &Environment) -> Result<(), ConfigError> {
    match value {
        toml::Value::String(text) => *text = expanded(text, path, environment)?,
        toml::Value::Array(items) => {
            for item in items {
                expand(item, path, environment)?;
            }
        }
        toml::Value::Table(table) => {
            for (_, item) in table.iter_mut() {
                expand(item, path, environment)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn expanded(text: &str, path: &Path, environment: &Environment) -> Result<String, ConfigError> {
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else { break };
        let missing = || ConfigError::MissingVariable { path: path.to_owned(), name: name.to_owned() };
        done.push_str(before);
        done.push_str(environment.get(name).ok_or_else(missing)?);
        rest = behind;
    }
    done.push_str(rest);
    Ok(done)
}

/// The file and the folder its own paths are relative to.
struct Base<'p> {
    file: &'p Path,
    text: &'p str,
    folder: PathBuf,
}

impl Base<'_> {
    fn workspace(&self, number: usize, section: Workspace) -> Result<DesiredWorkspace, ConfigError> {
        let place = format!("workspace `{}`", section.key);
        let mut keys = Vec::new();
        keys.extend(section.secret.map(|secret| DesiredKey::Secret(Secret::new(secret))));
        let mut kids = HashSet::new();
        for key in section.public_keys {
            if !kids.insert(key.kid.clone()) {
                return Err(self.wrong(format!("{place}: two public_keys have the same kid")));
            }
            let pem = match key.pem.strip_prefix("file:") {
                Some(path) => self.side_text(path)?,
                None => key.pem,
            };
            keys.push(DesiredKey::Public { kid: key.kid, pem });
        }
        let id = match section.id {
            Some(id) => {
                let wrong = || self.wrong(format!("{place}: id: `{id}` is not a UUID"));
                Some(WorkspaceId::parse(&id).ok_or_else(wrong)?)
            }
            None => None,
        };
        let lifetime = match section.max_token_lifetime {
            Some(text) => {
                let given = humantime::parse_duration(&text).ok().filter(|given| given.as_secs() > 0);
                given.ok_or_else(|| {
                    self.wrong(format!("{place}: max_token_lifetime: `{text}` is not a duration such as 24h"))
                })?
            }
            None => DEFAULT_MAX_TOKEN_LIFETIME,
        };
        let settings = WorkspaceSettings {
            allowed_origins: section.allowed_origins,
            max_token_lifetime_seconds: lifetime.as_secs(),
            allow_tokens_without_exp: section.allow_tokens_without_exp,
            require_signed_parameters: section.require_signed_parameters,
            allow_credentials_read: section.allow_credentials_read,
            confirm_redirect: section.confirm_redirect.filter(|page| !page.is_empty()),
            theme: self.theme(&place, section.theme)?,
            ..WorkspaceSettings::default()
        };
        let integrations = section.integration.into_iter().enumerate();
        let integrations = integrations
            .map(|(place, one)| self.integration(&format!("workspace[{number}].integration[{place}]"), one))
            .collect::<Result<_, _>>()?;
        let webhooks = section.webhooks.into_iter().map(super::webhooks::desired).collect::<Result<_, _>>();
        let webhooks = webhooks.map_err(|reason| self.wrong(format!("{place}: {reason}")))?;
        let name = section.name.unwrap_or_else(|| section.key.clone());
        let your_app = section.your_app.map(|section| self.your_app(section)).transpose()?;
        Ok(DesiredWorkspace { id, key: section.key, name, settings, keys, integrations, webhooks, your_app })
    }

    fn theme(&self, place: &str, section: ThemeSection) -> Result<Theme, ConfigError> {
        let logo = section.logo.map(|path| self.picture(place, &path)).transpose()?;
        let theme = Theme { accent: section.accent, radius: section.radius, logo, scheme: section.scheme };
        check_theme(&theme).map_err(|error| self.wrong(format!("{place}: {error}")))?;
        Ok(theme)
    }

    fn integration(&self, table: &str, section: Integration) -> Result<DesiredIntegration, ConfigError> {
        let place = format!("integration `{}`", section.key);
        let (connector, connector_source) = match section.connector {
            None => (section.key.clone(), None),
            Some(toml::Value::String(named)) => match named.strip_prefix("file:") {
                Some(path) => (path.to_owned(), Some(self.side_text(path)?)),
                None => (named, None),
            },
            Some(toml::Value::Table(own)) => {
                (parse::INLINE.to_owned(), Some(self.definition(table, &section.key, &own)?))
            }
            Some(_) => {
                let reason =
                    "connector: write a key of the catalog, `file:PATH`, or the connector as a table";
                return Err(self.wrong(format!("{place}: {reason}")));
            }
        };
        let logo = section.logo.map(|path| self.picture(&place, &path)).transpose()?;
        let has_both = section.client_id.is_some() || section.client_secret.is_none();
        if !has_both {
            return Err(self.wrong(format!("{place}: there is a client_secret but no client_id")));
        }
        Ok(DesiredIntegration {
            settings: IntegrationSettings {
                name: section.name,
                description: section.description,
                logo,
                featured: section.featured,
                client_id: section.client_id.filter(|id| !id.is_empty()),
                scopes: section.scopes,
                connector_parameters: section
                    .connector_parameters
                    .into_iter()
                    .map(|(name, value)| Ok((name, self.parameter(value)?)))
                    .collect::<Result<_, ConfigError>>()?,
                sandbox: section.sandbox,
                oauth_callback_uri: section.oauth_callback_uri,
            },
            client_secret: section
                .client_secret
                .filter(|secret| !secret.is_empty())
                .map(|secret| self.text_or_file(secret).map(Secret::new))
                .transpose()?,
            connector,
            connector_source,
            key: section.key,
        })
    }

    /// A connector that stands in the configuration file itself, as the text of a file of its own. Checked
    /// here, where its lines are known.
    fn definition(&self, table: &str, key: &str, own: &toml::Table) -> Result<String, ConfigError> {
        let refused = |line, reason| ConfigError::File { path: self.file.to_owned(), line, reason };
        let source = toml::to_string(own).map_err(|error| {
            refused(parse::line_of(self.text, table), format!("integration `{key}`: connector: {error}"))
        })?;
        match parse::faults(key, parse::INLINE, &source).into_iter().next() {
            None => Ok(source),
            Some(fault) => {
                let inside = format!("connector.{}", fault.key);
                let inside = inside.trim_end_matches('.');
                let line = parse::line_of(self.text, &format!("{table}.{inside}"));
                Err(refused(line, format!("integration `{key}`: {inside}: {}", fault.reason)))
            }
        }
    }

    /// A picture as the store keeps it: no page of ours asks another host for one.
    fn picture(&self, place: &str, path: &str) -> Result<String, ConfigError> {
        let Some(path) = path.strip_prefix("file:") else {
            return Err(self.wrong(format!("{place}: logo: write `file:PATH` of an SVG or PNG file")));
        };
        let bytes = self.side_file(path)?;
        let media_type = if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            "image/png"
        } else if std::str::from_utf8(&bytes).is_ok_and(|text| text.contains("<svg")) {
            "image/svg+xml"
        } else {
            return Err(self.wrong(format!("{place}: logo: {path} is neither SVG nor PNG")));
        };
        Ok(format!("data:{media_type};base64,{}", STANDARD.encode(bytes)))
    }

    /// A parameter's value; `file:PATH` is the text of that file, for private keys.
    fn parameter(&self, value: Value) -> Result<Value, ConfigError> {
        match value {
            Value::String(text) => self.text_or_file(text).map(Value::String),
            other => Ok(other),
        }
    }

    fn your_app(&self, mut section: super::your_app::YourApp) -> Result<DesiredYourApp, ConfigError> {
        section.client_secret = section.client_secret.map(|text| self.text_or_file(text)).transpose()?;
        Ok(section.into())
    }

    fn text_or_file(&self, text: String) -> Result<String, ConfigError> {
        match text.strip_prefix("file:") {
            Some(path) => self.side_text(path),
            None => Ok(text),
        }
    }

    fn side_text(&self, path: &str) -> Result<String, ConfigError> {
        String::from_utf8(self.side_file(path)?).map_err(|_| self.wrong(format!("{path} is not text")))
    }

    fn side_file(&self, path: &str) -> Result<Vec<u8>, ConfigError> {
        let path = self.folder.join(path);
        let unreadable = |reason| self.wrong(format!("{}: cannot be read: {reason}", path.display()));
        if std::fs::metadata(&path).map_err(unreadable)?.len() > SIDE_FILE_MAX {
            return Err(self.wrong(format!("{} is larger than {SIDE_FILE_MAX} bytes", path.display())));
        }
        std::fs::read(&path).map_err(unreadable)
    }

    fn wrong(&self, reason: String) -> ConfigError {
        ConfigError::File { path: self.file.to_owned(), line: None, reason }
    }
}
