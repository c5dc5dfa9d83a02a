//! The product's own API as a connector: one auth option and the address paths stand behind.
//!
//! Nothing is typed on a page here. What a customer has is given as `credentials`, so every
//! `{{credentials.x}}` that the option uses becomes one of its fields, and a name nobody could fill is
//! refused like in a connector file.

use std::collections::BTreeSet;

use serde_json::Value;
use toml::de::DeTable;

use super::{ConnectorError, lint, reader, whole};
use crate::catalog::{
    Connector, Template,
    connector::{Api, AuthOption, AuthType, Basic, Field, Refresh, Usage},
};

/// Key of the connector that is made here.
pub const YOUR_APP: &str = "your-app";
/// How errors name it.
const FILE: &str = "your_app";

/// The only types that work without a page of somebody else's.
const TYPES: [AuthType; 8] = [
    AuthType::ApiKey,
    AuthType::Basic,
    AuthType::Custom,
    AuthType::OAuth2,
    AuthType::ClientCredentials,
    AuthType::Jwt,
    AuthType::TokenExchange,
    AuthType::MembraneToken,
];

/// Keys of an auth option that say how a customer connects on a page.
const OF_PAGES: [&str; 12] = [
    "authorize",
    "callback",
    "discover",
    "environment",
    "field",
    "help_url",
    "par",
    "redirect_uri",
    "request_token",
    "signature",
    "token_static",
    "url",
];

/// Reads `auth`, a table in the shape of a connector's `[[auth]]`, for the API at `base_uri`. `name` is
/// the product's.
///
/// # Errors
/// The first thing that is wrong; its key begins with `base_uri` or `auth`.
pub fn your_app(name: &str, base_uri: &str, auth: &Value) -> Result<Connector, ConnectorError> {
    read(name, base_uri, auth).map_err(|error| ConnectorError {
        // It is not a file, and its lines are not the writer's.
        line: None,
        key: match error.key.strip_prefix("auth[0]") {
            Some(rest) => format!("auth{rest}"),
            None if error.key == "api.base" => "base_uri".to_owned(),
            None => error.key,
        },
        ..error
    })
}

fn read(name: &str, base_uri: &str, auth: &Value) -> Result<Connector, ConnectorError> {
    let refuse = |key: &str, reason: &str| ConnectorError {
        file: FILE.to_owned(),
        line: None,
        key: key.to_owned(),
        reason: reason.to_owned(),
    };
    if base_uri.contains(['?', '#']) {
        return Err(refuse("base_uri", "must end with the path: no query and no fragment"));
    }
    if !auth.is_object() {
        return Err(refuse("auth", "must be a table in the shape of a connector's [[auth]]"));
    }
    if let Some(key) = OF_PAGES.iter().find(|key| auth.get(key).is_some()) {
        let reason =
            "has no meaning here: nobody connects on a page; the credentials are given by `PATCH /self`";
        return Err(refuse(&format!("auth.{key}"), reason));
    }
    let mut text = format!("name = {}\napi = {{ base = {} }}\nauth = [", quoted(name), quoted(base_uri));
    literal(auth, &mut text).map_err(|reason| refuse("auth", reason))?;
    text.push_str("]\n");
    let root = DeTable::parse(&text).map_err(|error| refuse("auth", error.message()))?;
    let file = reader::File::new(FILE, &text, root.get_ref());
    let mut connector = whole(YOUR_APP, &file, root.get_ref()).map_err(|mut faults| faults.swap_remove(0))?;
    for option in &mut connector.auth {
        if !TYPES.contains(&option.kind) {
            let reason = format!("`{}` needs a page; use one of the others", super::type_name(option.kind));
            return Err(refuse("auth.type", &reason));
        }
        complete(option);
    }
    add_fields(&mut connector);
    lint::complete(&mut connector, &file)?;
    lint::check_your_app(&connector, &file)?;
    Ok(connector)
}

/// What everybody would write: where a token goes, and that one is renewed by RFC 6749 §6.
fn complete(option: &mut AuthOption) {
    let template = |text: &str| Template::parse(text).expect("a template");
    let says_nothing =
        option.usage.headers.is_empty() && option.usage.query.is_empty() && option.usage.basic.is_none();
    match option.kind {
        AuthType::OAuth2 | AuthType::ClientCredentials | AuthType::TokenExchange if says_nothing => {
            let bearer = ("Authorization".to_owned(), template("Bearer {{access_token}}"));
            option.usage.headers.push(bearer);
        }
        AuthType::Basic if says_nothing => {
            let username = template("{{credentials.username}}");
            let password = template("{{credentials.password}}");
            option.usage = Usage { basic: Some(Basic { username, password }), ..Usage::default() };
        }
        _ => {}
    }
    if option.kind == AuthType::OAuth2 && option.token.is_some() && option.refresh.is_none() {
        option.refresh = Some(Refresh { request: None, rotates: None, expires_in: None, template: false });
    }
}

/// A field for each of the customer's credentials that a template uses.
fn add_fields(connector: &mut Connector) {
    let names: Vec<BTreeSet<String>> =
        connector.auth.iter().map(|option| credentials_of(connector.api.as_ref(), option)).collect();
    for (option, names) in connector.auth.iter_mut().zip(names) {
        option.fields = names.into_iter().map(field).collect();
    }
}

fn credentials_of(api: Option<&Api>, option: &AuthOption) -> BTreeSet<String> {
    let api = option.api.as_ref().or(api).cloned().unwrap_or_default();
    let is_credential = |name: &str| name == "credentials" || name.starts_with("credentials.");
    lint::templates_of(option, &api)
        .iter()
        .flat_map(|template| template.names().map(str::to_owned).collect::<Vec<_>>())
        .filter(|name| is_credential(name))
        .collect()
}

fn field(name: String) -> Field {
    Field {
        title: name.clone(),
        name,
        help: None,
        secret: true,
        required: true,
        kind: "string".to_owned(),
        pattern: None,
        example: None,
        default: None,
        options: Vec::new(),
        suggestions: Vec::new(),
        suffix: None,
        derive: None,
        split: None,
    }
}

/// A JSON value as it is written in TOML.
pub(super) fn literal(value: &Value, text: &mut String) -> Result<(), &'static str> {
    match value {
        Value::Null => return Err("has a null; leave the key out instead"),
        Value::Bool(truth) => text.push_str(&truth.to_string()),
        Value::Number(number) => text.push_str(&number.to_string()),
        Value::String(string) => text.push_str(&quoted(string)),
        Value::Array(items) => {
            text.push('[');
            for item in items {
                literal(item, text)?;
                text.push(',');
            }
            text.push(']');
        }
        Value::Object(members) => {
            text.push('{');
            for (place, (name, member)) in members.iter().enumerate() {
                text.push_str(if place == 0 { "" } else { "," });
                text.push_str(&quoted(name));
                text.push('=');
                literal(member, text)?;
            }
            text.push('}');
        }
    }
    Ok(())
}

/// A TOML basic string.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(letter))),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
#[path = "your_app_tests.rs"]
mod tests;
