//! A connector file becomes a [`Connector`], or an error that says where and why.
//!
//! Reading is strict: a key the format does not have is an error. What the keys mean together is
//! looked at afterwards, in `lint`.

use std::{collections::BTreeMap, fmt};

use serde_json::{Value, json};
use toml::de::DeTable;
use url::Url;

use self::reader::{File, Item, Table};
use super::{
    connector::{Account, AccountFrom, Api, Connector, Expired, Parameter, Status},
    host::HostPattern,
    lint,
};

mod auth;
mod field;
pub(super) mod reader;
mod request;
mod your_app;

pub use auth::type_name;
pub use your_app::{YOUR_APP, your_app};

/// Categories a connector can be in.
pub const CATEGORIES: &[&str] = &[
    "accounting",
    "ai",
    "analytics",
    "auth-social",
    "banking",
    "calendar",
    "cms",
    "communication",
    "crm",
    "design",
    "dev-tools",
    "e-commerce",
    "education",
    "email",
    "erp",
    "gaming",
    "health-fitness",
    "hr",
    "identity",
    "it-ops",
    "knowledge-base",
    "legal",
    "marketing",
    "media",
    "other",
    "payments",
    "payroll",
    "productivity",
    "project-management",
    "recruiting",
    "sales",
    "security",
    "social",
    "storage",
    "support",
    "surveys",
    "video",
];

/// How a connector is named that stands in a configuration or a call, and not in a file of its own.
pub const INLINE: &str = "inline";

/// Why a connector file was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectorError {
    /// The file, as it was named.
    pub file: String,
    /// 1-based line, where one can be told.
    pub line: Option<usize>,
    /// Dotted path of the key: `auth[0].token.url`; empty for the file as a whole.
    pub key: String,
    /// What is wrong, to follow the key.
    pub reason: String,
}

impl fmt::Display for ConnectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl std::error::Error for ConnectorError {}

/// Reads and checks the connector `key` from `text`, the content of `file`.
///
/// # Errors
/// The first thing that is wrong.
pub fn connector(key: &str, file: &str, text: &str) -> Result<Connector, ConnectorError> {
    read(key, file, text, lint::faults).map_err(|mut faults| faults.swap_remove(0))
}

/// Everything that is wrong with a file, in its own order as far as it can be told: what a key means with
/// others is looked at when each one alone is good. Empty for a good file.
pub fn faults(key: &str, file: &str, text: &str) -> Vec<ConnectorError> {
    read(key, file, text, lint::faults).err().unwrap_or_default()
}

/// The line of a dotted key in a TOML text, or of the nearest table around it.
pub fn line_of(text: &str, key: &str) -> Option<usize> {
    let root = DeTable::parse(text).ok()?;
    File::new("", text, root.get_ref()).line(key)
}

/// The text of a file that says what a JSON object says.
///
/// # Errors
/// Where the object has a null, which TOML does not know.
pub fn text_of(definition: &serde_json::Map<String, Value>) -> Result<String, &'static str> {
    let mut text = String::new();
    for (name, value) in definition {
        text.push_str(&your_app::quoted(name));
        text.push_str(" = ");
        your_app::literal(value, &mut text)?;
        text.push('\n');
    }
    Ok(text)
}

/// The same as [`connector`] for a file that was checked before, so that only its keys are read: what they
/// mean together takes most of the time.
///
/// # Errors
/// The first thing that cannot be read.
pub(super) fn checked_before(key: &str, file: &str, text: &str) -> Result<Connector, ConnectorError> {
    read(key, file, text, |_, _| Vec::new()).map_err(|mut faults| faults.swap_remove(0))
}

/// The connector, or at least one fault. `check` says what its keys mean together.
fn read(
    key: &str,
    file: &str,
    text: &str,
    check: impl FnOnce(&Connector, &File) -> Vec<ConnectorError>,
) -> Result<Connector, Vec<ConnectorError>> {
    let refuse = |line, reason: &str| {
        let (file, key, reason) = (file.to_owned(), String::new(), reason.to_owned());
        vec![ConnectorError { file, line, key, reason }]
    };
    if !is_slug(key) {
        return Err(refuse(None, "its name must be lower-case words joined by hyphens, then `.toml`"));
    }
    let root = DeTable::parse(text).map_err(|error| {
        let line = error.span().map(|span| reader::line_at(text, span.start));
        refuse(line, error.message())
    })?;
    let file = File::new(file, text, root.get_ref());
    let mut connector = whole(key, &file, root.get_ref())?;
    lint::complete(&mut connector, &file).map_err(|fault| vec![fault])?;
    let faults = check(&connector, &file);
    if faults.is_empty() { Ok(connector) } else { Err(faults) }
}

/// The tables of a file, when each key alone is good.
fn whole(key: &str, file: &File, root: &DeTable<'_>) -> Result<Connector, Vec<ConnectorError>> {
    let read = root_table(key, &Table::new(file, "", root));
    if let Err(fault) = &read {
        file.note_fault(fault.clone());
    }
    match (read, file.faults()) {
        (Ok(connector), faults) if faults.is_empty() => Ok(connector),
        (_, faults) => Err(faults),
    }
}

fn root_table(key: &str, table: &Table<'_>) -> Result<Connector, ConnectorError> {
    let name = table.need("name", Item::text)?;
    let options = |item: &Item<'_>| item.each(|item| auth::option(item, &name));
    let connector = Connector {
        key: key.to_owned(),
        description: table.read("description", Item::text)?,
        website: table.read("website", page)?,
        docs: table.read("docs", page)?,
        color: table.read("color", color)?,
        aliases: table.or_default("aliases", Item::texts)?,
        categories: table.read("categories", categories)?.unwrap_or_else(|| vec!["other".to_owned()]),
        status: table.read("status", |item| item.one_of(STATUSES))?.unwrap_or(Status::Listed),
        family: table.read("family", Item::text)?,
        sources: table.or_default("sources", Item::texts)?,
        logo: table.read("logo", logo)?,
        featured: table.or_default("featured", Item::bool)?,
        api: Some(table.or_default("api", api)?),
        parameters: table.read("parameters", parameters)?.unwrap_or_else(with_scopes),
        auth: table.or_default("auth", options)?,
        name,
    };
    table.finish()?;
    if table.has("auth") { Ok(connector) } else { Err(table.refuse("auth", "is missing")) }
}

const STATUSES: &[(&str, Status)] =
    &[("reviewed", Status::Reviewed), ("listed", Status::Listed), ("closed", Status::Closed)];

/// Lower-case words joined by single hyphens.
pub(super) fn is_slug(text: &str) -> bool {
    text.len() <= 64
        && text.split('-').all(|word| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
}

/// The address of a page for people.
fn page(item: &Item<'_>) -> Result<String, ConnectorError> {
    let text = item.text()?;
    let good = Url::parse(&text).is_ok_and(|url| url.scheme() == "https" && url.username().is_empty());
    if good { Ok(text) } else { Err(item.refuse("must be an https:// address")) }
}

fn color(item: &Item<'_>) -> Result<String, ConnectorError> {
    let text = item.text()?;
    let digits = text.strip_prefix('#').unwrap_or_default();
    let good = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if good { Ok(text) } else { Err(item.refuse("must be a colour like #FF7A59")) }
}

fn logo(item: &Item<'_>) -> Result<String, ConnectorError> {
    let slug = item.text()?;
    let good = slug.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if good {
        Ok(slug)
    } else {
        Err(item.refuse("must be a simple-icons slug: lower-case letters and digits"))
    }
}

fn categories(item: &Item<'_>) -> Result<Vec<String>, ConnectorError> {
    let words = item.list()?;
    if words.is_empty() {
        return Err(item.refuse("must name at least one category"));
    }
    let choices: Vec<_> = CATEGORIES.iter().map(|word| (*word, *word)).collect();
    words.iter().map(|word| word.one_of(&choices).map(str::to_owned)).collect()
}

/// `[api]`, of the connector or of one option.
fn api(item: &Item<'_>) -> Result<Api, ConnectorError> {
    let table = item.table()?;
    let host = |item: &Item<'_>| {
        HostPattern::parse(&item.text()?).map_err(|error| item.refuse(format!("is {error}")))
    };
    let api = Api {
        base: table.read("base", Item::template)?,
        hosts: table.or_default("hosts", |item| item.list()?.iter().map(host).collect())?,
        open_hosts: table.or_default("open_hosts", Item::bool)?,
        headers: table.or_default("headers", Item::templates)?,
        test: table.read("test", |item| request::request(item, &http::Method::GET))?,
        account: table.read("account", account)?,
        expired: table.or_default("expired", expired)?,
    };
    table.finish()?;
    Ok(api)
}

fn account(item: &Item<'_>) -> Result<Account, ConnectorError> {
    let table = item.table()?;
    let sources = &[
        ("test", AccountFrom::Test),
        ("token", AccountFrom::Token),
        ("id_token", AccountFrom::IdToken),
        ("kept", AccountFrom::Kept),
    ];
    let account = Account {
        id: table.need("id", Item::text)?,
        label: table.read("label", Item::text)?,
        from: table.or_default("from", |item| item.one_of(sources))?,
    };
    table.finish()?;
    Ok(account)
}

fn expired(item: &Item<'_>) -> Result<Expired, ConnectorError> {
    let table = item.table()?;
    let statuses = |item: &Item<'_>| item.list()?.iter().map(Item::number).collect::<Result<Vec<u16>, _>>();
    let expired = Expired {
        status: table.read("status", statuses)?.unwrap_or_else(|| Expired::default().status),
        field: table.read("field", Item::text)?,
        equals: table.read("equals", Item::json)?,
    };
    if expired.equals.is_some() && expired.field.is_none() {
        return Err(table.refuse("field", "is missing"));
    }
    table.finish()?;
    Ok(expired)
}

/// `[parameters.NAME]`: Hitchpost's own keys are taken out, the rest is JSON Schema.
fn parameters(item: &Item<'_>) -> Result<BTreeMap<String, Parameter>, ConnectorError> {
    let mut all = with_scopes();
    for (name, item) in item.members()? {
        if !super::template::is_name(&name) || name.contains('.') {
            return Err(item.refuse("must be a name of letters, digits and `_`"));
        }
        let mut parameter = Parameter {
            schema: json!({}),
            sets: BTreeMap::new(),
            signed: false,
            integration_only: false,
            secret: false,
        };
        let mut schema = serde_json::Map::new();
        for (key, value) in item.members()? {
            match key.as_str() {
                "sets" => {
                    let names = |(value, names): (String, Item<'_>)| Ok((value, names.names()?));
                    parameter.sets =
                        value.members()?.into_iter().map(names).collect::<Result<_, ConnectorError>>()?;
                }
                "signed" => parameter.signed = value.bool()?,
                "integration_only" => parameter.integration_only = value.bool()?,
                "secret" => parameter.secret = value.bool()?,
                _ => {
                    schema.insert(key, value.json()?);
                }
            }
        }
        parameter.schema = Value::Object(schema);
        all.insert(name, parameter);
    }
    Ok(all)
}

/// `scopes` needs no declaration: every integration may name its own.
fn with_scopes() -> BTreeMap<String, Parameter> {
    let scopes = Parameter {
        schema: json!({ "type": "array", "items": { "type": "string" } }),
        sets: BTreeMap::new(),
        signed: false,
        integration_only: false,
        secret: false,
    };
    BTreeMap::from([("scopes".to_owned(), scopes)])
}

#[cfg(test)]
#[path = "parse/schema_tests.rs"]
mod schema_tests;
#[cfg(test)]
#[path = "parse/tests.rs"]
mod tests;
