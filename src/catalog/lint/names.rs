//! Which names the templates of an auth option may use, and where each comes from.

use std::collections::BTreeMap;

use crate::catalog::{
    connector::{Api, AuthOption, AuthType, Connector},
    parse::{ConnectorError, reader::File, type_name},
};

/// Names of Hitchpost's own that no field or kept value may take.
const RESERVED: &[&str] = &["access_token", "refresh_token", "jwt", "scopes"];

/// The names of one option.
pub(super) struct Names {
    flat: BTreeMap<String, String>,
    /// Name of each parameter, and whether its value is secret.
    parameters: BTreeMap<String, bool>,
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
    let parameters = connector.parameters.iter().map(|(name, found)| (name.clone(), found.secret)).collect();
    Ok(Names { flat, parameters })
}

impl Names {
    /// Whether a template of `option` may use `name`; else why not.
    pub(super) fn check(&self, name: &str, option: &AuthOption) -> Result<(), String> {
        let (room, rest) = name.split_once('.').unwrap_or(("", name));
        let known = match (room, rest) {
            ("", "access_token" | "refresh_token") => return has_token(option, name),
            ("", "jwt") => option.jwt.is_some() || option.kind == AuthType::MembraneToken,
            ("", "scopes") => option.scopes.supported,
            ("", name) => self.flat.contains_key(name),
            ("param", name) => self.parameters.contains_key(name),
            ("client", "id" | "secret") | ("customer", "id" | "name") | ("workspace", "name" | "key") => true,
            ("customer", field) => field.strip_prefix("fields.").is_some_and(|field| !field.is_empty()),
            ("credentials", _) => option.kind == AuthType::Proxy || self.flat.contains_key(name),
            _ => false,
        };
        if known {
            Ok(())
        } else {
            Err(format!("nothing is known under `{{{{{name}}}}}` in option `{}`", option.key))
        }
    }

    /// Whether the value of `name` must stay out of a browser.
    pub(super) fn is_secret(&self, name: &str, option: &AuthOption) -> bool {
        let parameter = name.strip_prefix("param.").and_then(|name| self.parameters.get(name));
        parameter.is_some_and(|secret| *secret) || is_secret(name, option)
    }

    /// Whether `name` stands for something that lets a call in.
    pub(super) fn is_credential(&self, name: &str, option: &AuthOption) -> bool {
        self.is_secret(name, option) && name != "refresh_token"
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

/// Whether `name` is a token, the client's secret or something secret the customer types.
fn is_secret(name: &str, option: &AuthOption) -> bool {
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

/// Whether `name` is a part of the field's value.
pub(super) fn is_part(field: &crate::catalog::connector::Field, name: &str) -> bool {
    field.split.iter().flat_map(|split| &split.into).any(|part| part == name)
}
