//! Which names the templates of an auth option may use, and where each comes from.

use std::collections::BTreeMap;

use crate::catalog::{
    connector::{Api, AuthOption, AuthType, Connector},
    parse::{ConnectorError, reader::File, type_name},
};

/// Names of Hitchpost's own that no field or kept value may take.
const RESERVED: &[&str] = &["access_token", "refresh_token", "jwt"];

/// The names of one option.
pub(super) struct Names {
    flat: BTreeMap<String, String>,
    parameters: Vec<String>,
}

/// Collects the names of `option`; one that has two owners is refused.
pub(super) fn of(
    connector: &Connector,
    option: &AuthOption,
    api: &Api,
    prefix: &str,
    file: &File,
) -> Result<Names, ConnectorError> {
    let mut flat = BTreeMap::new();
    let mut add = |name: &str, owner: String| {
        if RESERVED.contains(&name) {
            return Err(file.refuse(&owner, format!("`{name}` is a name of Hitchpost's own")));
        }
        match flat.insert(name.to_owned(), owner.clone()) {
            Some(other) if other != owner => {
                Err(file.refuse(&owner, format!("`{name}` already comes from {other}")))
            }
            _ => Ok(()),
        }
    };
    for (index, field) in option.fields.iter().enumerate() {
        add(&field.name, format!("{prefix}.field[{index}].name"))?;
        for name in field.split.iter().flat_map(|split| &split.into) {
            add(name, format!("{prefix}.field[{index}].split.into"))?;
        }
    }
    for name in option.callback.keep.keys() {
        add(name, format!("{prefix}.callback.keep"))?;
    }
    let refresh = option.refresh.as_ref().and_then(|refresh| refresh.request.as_ref());
    // Later replies renew what an earlier one gave: together they are one owner.
    for request in
        [&option.request_token, &option.token, &option.exchange].into_iter().flatten().chain(refresh)
    {
        for name in request.keep.keys() {
            add(name, format!("{prefix}.token.keep"))?;
        }
    }
    for (index, discover) in option.discover.iter().enumerate() {
        for name in discover.request.keep.keys() {
            add(name, format!("{prefix}.discover[{index}].keep"))?;
        }
    }
    for name in api.test.iter().flat_map(|test| test.keep.keys()) {
        add(name, "api.test.keep".to_owned())?;
    }
    for (parameter, found) in &connector.parameters {
        for name in found.sets.values().flat_map(BTreeMap::keys) {
            add(name, format!("parameters.{parameter}.sets"))?;
        }
    }
    Ok(Names { flat, parameters: connector.parameters.keys().cloned().collect() })
}

impl Names {
    /// Whether a template of `option` may use `name`; else why not.
    pub(super) fn check(&self, name: &str, option: &AuthOption) -> Result<(), String> {
        let (room, rest) = name.split_once('.').unwrap_or(("", name));
        let known = match (room, rest) {
            ("", "access_token" | "refresh_token") => return has_token(option, name),
            ("", "jwt") => option.jwt.is_some(),
            ("", name) => self.flat.contains_key(name),
            ("param", name) => self.parameters.iter().any(|known| known == name),
            ("client", "id" | "secret") | ("customer", "id" | "name") | ("workspace", "name" | "key") => true,
            ("customer", field) => field.strip_prefix("fields.").is_some_and(|field| !field.is_empty()),
            ("credentials", _) => option.kind == AuthType::Proxy,
            _ => false,
        };
        if known {
            Ok(())
        } else {
            Err(format!("nothing is known under `{{{{{name}}}}}` in option `{}`", option.key))
        }
    }
}

fn has_token(option: &AuthOption, name: &str) -> Result<(), String> {
    match option.kind {
        AuthType::ApiKey | AuthType::Basic | AuthType::Custom => {
            Err(format!("type {} has no `{{{{{name}}}}}`", type_name(option.kind)))
        }
        _ => Ok(()),
    }
}

/// Whether the value of `name` must stay out of a browser.
pub(super) fn is_secret(name: &str, option: &AuthOption) -> bool {
    let typed = option
        .fields
        .iter()
        .filter(|field| field.secret)
        .any(|field| field.name == name || is_part(field, name));
    let computed = option.fields.iter().filter(|field| field.name == name).any(|field| {
        field.derive.as_ref().is_some_and(|derive| derive.from != name && is_secret(&derive.from, option))
    });
    typed
        || computed
        || matches!(name, "client.secret" | "access_token" | "refresh_token" | "jwt")
        || name.starts_with("credentials.")
}

/// Whether `name` stands for something that lets a call in.
pub(super) fn is_credential(name: &str, option: &AuthOption) -> bool {
    is_secret(name, option) && name != "refresh_token"
}

fn is_part(field: &crate::catalog::connector::Field, name: &str) -> bool {
    field.split.iter().flat_map(|split| &split.into).any(|part| part == name)
}
