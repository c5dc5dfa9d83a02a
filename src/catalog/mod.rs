//! The apps Hitchpost knows, as data: reads connector files and refuses what does not fit.
//!
//! Knows nothing of workspaces, customers, stores or sockets. What leaves this room is checked:
//! every template name is known, every address is https, and every host that may see a secret
//! is named.

use std::{
    collections::BTreeMap,
    num::NonZero,
    sync::{Arc, LazyLock, OnceLock},
    thread,
};

use rust_embed::RustEmbed;
use url::Url;

pub mod connector;
pub mod host;
pub mod input;
mod lint;
pub mod logo;
mod owners;
pub mod parameters;
pub mod parse;
pub mod reach;
pub mod schema;
pub mod search;
pub mod template;
pub mod values;

pub use connector::Connector;
pub use host::HostPattern;
pub use parse::ConnectorError;
pub use template::{Template, TemplateError, Values};
pub use values::Namespace;

use connector::{Api, AuthOption, Request, Target};

/// `connectors/`, one file per app, inside the binary.
#[derive(RustEmbed)]
#[folder = "connectors/"]
// A missing folder is no compile error; the tests of this room look for what must be there.
#[allow_missing = true]
struct Files;

/// All connectors of this process, by key.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    entries: BTreeMap<String, Entry>,
}

/// Connectors that are not worth a thread of their own.
const FEW: usize = 32;

/// A connector that was read, or waits to be asked for.
#[derive(Clone, Debug)]
struct Entry(OnceLock<Option<Arc<Connector>>>);

impl Catalog {
    /// The connectors that come with Hitchpost, all checked. They are read once, however often they are
    /// asked for.
    ///
    /// # Errors
    /// The first file that is refused; a test sees to it that none is.
    pub fn builtin() -> Result<Self, ConnectorError> {
        static BUILTIN: LazyLock<Result<Catalog, ConnectorError>> = LazyLock::new(Catalog::all_read);
        BUILTIN.clone()
    }

    /// Reads every file inside the binary.
    fn all_read() -> Result<Self, ConnectorError> {
        let mut catalog = Self::default();
        for key in keys() {
            let Some(read) = read(&key, parse::connector) else { continue };
            catalog.insert(read?);
        }
        Ok(catalog)
    }

    /// The same connectors, each read when it is first asked for: a server uses a few of hundreds. They are
    /// not checked again; the test that reads [`Catalog::builtin`] did that when the binary was made.
    pub fn on_demand() -> Self {
        Self { entries: keys().map(|key| (key, Entry(OnceLock::new()))).collect() }
    }

    /// The connector of this key.
    pub fn get(&self, key: &str) -> Option<&Arc<Connector>> {
        let (key, entry) = self.entries.get_key_value(key)?;
        entry.connector(key)
    }

    /// Reads the connectors of these keys on all cores, so that whoever asks for many of them next does
    /// not wait for one after the other.
    pub fn read_ahead<'k>(&self, keys: impl Iterator<Item = &'k str>) {
        let keys: Vec<&str> = keys.collect();
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        thread::scope(|scope| {
            for part in keys.chunks(keys.len().div_ceil(cores).max(FEW)) {
                scope.spawn(move || part.iter().filter_map(|key| self.get(key)).count());
            }
        });
    }

    /// All connectors, sorted by key; reads those that were never asked for.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Connector>> {
        self.entries.iter().filter_map(|(key, entry)| entry.connector(key))
    }

    /// All keys, sorted; reads nothing.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// With one more connector; one of the same key is replaced.
    #[must_use]
    pub fn with(mut self, connector: Connector) -> Self {
        self.insert(connector);
        self
    }

    /// Adds a connector; one of the same key is replaced.
    pub fn insert(&mut self, connector: Connector) {
        self.entries.insert(connector.key.clone(), Entry(OnceLock::from(Some(Arc::new(connector)))));
    }
}

impl Entry {
    fn connector(&self, key: &str) -> Option<&Arc<Connector>> {
        let read = || read(key, parse::checked_before).and_then(Result::ok).map(Arc::new);
        self.0.get_or_init(read).as_ref()
    }
}

fn keys() -> impl Iterator<Item = String> {
    Files::iter().filter_map(|name| name.strip_suffix(".toml").map(str::to_owned))
}

/// What `parse` makes of the file of `key`; `None` without such a file.
fn read(
    key: &str,
    parse: impl Fn(&str, &str, &str) -> Result<Connector, ConnectorError>,
) -> Option<Result<Connector, ConnectorError>> {
    let path = format!("connectors/{key}.toml");
    let file = Files::get(&format!("{key}.toml"))?;
    let text = std::str::from_utf8(&file.data).map_err(|_| ConnectorError {
        file: path.clone(),
        line: None,
        key: String::new(),
        reason: "is not UTF-8 text".to_owned(),
    });
    Some(text.and_then(|text| parse(key, &path, text)))
}

impl Connector {
    /// The auth option of this key; the first one without a key.
    pub fn option(&self, key: Option<&str>) -> Option<&AuthOption> {
        match key {
            Some(key) => self.auth.iter().find(|option| option.key == key),
            None => self.auth.first(),
        }
    }

    /// Whether any template of `option`, or of the API it calls, uses `{{name}}`.
    pub fn uses(&self, option: &AuthOption, name: &str) -> bool {
        let api = self.api_for(option).cloned().unwrap_or_default();
        lint::templates_of(option, &api).iter().any(|template| template.names().any(|known| known == name))
    }

    /// How the API is reached with `option`: its own table, or else the connector's.
    pub fn api_for<'c>(&'c self, option: &'c AuthOption) -> Option<&'c Api> {
        option.api.as_ref().or(self.api.as_ref())
    }
}

impl AuthOption {
    /// Whether the value of `{{name}}` is a private key: a text of many lines.
    pub fn signs_with(&self, name: &str) -> bool {
        let is_in = |template: &Template| template.names().any(|known| known == name);
        let secret = self.client.as_ref().and_then(|client| client.secret.as_ref());
        match &self.jwt {
            Some(jwt) => is_in(&jwt.key) && !jwt.algorithm.starts_with("HS"),
            // The client's own key, typed by the customer, proves who calls.
            None => self.client_auth == connector::ClientAuth::PrivateKeyJwt && secret.is_some_and(is_in),
        }
    }
}

impl Api {
    /// Whether a secret may go to `url`. Open hosts admit any https host that has a name.
    pub fn admits(&self, url: &Url) -> bool {
        let open = self.open_hosts && url.scheme() == "https" && url.domain().is_some();
        open || host::admits(&self.hosts, url)
    }
}

impl Request {
    /// Where the call goes: its own address, or its path behind `api.base`.
    pub fn address(&self, api: &Api) -> Template {
        match (&self.target, &api.base) {
            (Target::Url(url), _) => url.clone(),
            (Target::Path(path), Some(base)) => base.join(path),
            (Target::Path(path), None) => path.clone(),
        }
    }

    /// Every name its templates use, the address's too; some twice.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let (Target::Url(target) | Target::Path(target)) = &self.target;
        let basic = self.basic.iter().flat_map(|basic| [&basic.username, &basic.password]);
        let listed = self.params.iter().chain(&self.headers).map(|(_, template)| template);
        let texts = std::iter::once(target).chain(listed).chain(basic);
        let mut names: Vec<String> = texts.flat_map(Template::names).map(str::to_owned).collect();
        names.extend(self.body.iter().flat_map(template::json_names));
        names.into_iter()
    }
}

#[cfg(test)]
mod tests;
