//! What the keys of a connector mean together: names that exist, hosts that are listed, options
//! that can work.
//!
//! Reads finished connectors only; every refusal names the key it is about.

use std::collections::BTreeSet;

use url::Url;

use self::{
    names::Names,
    templates::{Role, Used},
};
use super::{
    connector::{AccountFrom, Api, AuthOption, AuthType, Connector, Parameter},
    host::{HostPattern, admits},
    input,
    parse::{ConnectorError, reader::File, type_name},
    template::{HostShape, Slot, Template},
};

mod examples;
mod names;
mod templates;

/// Every template of an option and of the API it calls.
pub(super) fn templates_of(option: &AuthOption, api: &Api) -> Vec<Template> {
    let mut used = templates::of_api(api, "");
    used.extend(templates::of_option(option, "", api));
    used.into_iter().map(|used| used.template).collect()
}

/// Fills in what follows from the rest: the hosts of an `[api]` that names none.
pub(super) fn complete(connector: &mut Connector, file: &File) -> Result<(), ConnectorError> {
    for index in 0..connector.auth.len() {
        let option = &connector.auth[index];
        let Some(api) = &option.api else { continue };
        let found = hosts(api, &format!("auth[{index}].api"), &[(index, option)], file)?;
        if let Some(api) = &mut connector.auth[index].api {
            api.hosts = found;
        }
    }
    let Some(api) = &connector.api else { return Ok(()) };
    let plain: Vec<_> =
        connector.auth.iter().enumerate().filter(|(_, option)| option.api.is_none()).collect();
    let found = hosts(api, "api", &plain, file)?;
    if let Some(api) = &mut connector.api {
        api.hosts = found;
    }
    Ok(())
}

/// The hosts that `api` names, or else those its addresses and those of its options name.
fn hosts(
    api: &Api,
    key: &str,
    options: &[(usize, &AuthOption)],
    file: &File,
) -> Result<Vec<HostPattern>, ConnectorError> {
    if !api.hosts.is_empty() {
        return Ok(api.hosts.clone());
    }
    if file.has(&format!("{key}.hosts")) {
        return Err(file.refuse(&format!("{key}.hosts"), "must not be empty"));
    }
    let mut found = BTreeSet::new();
    for used in addresses(api, key, options) {
        match shape(&used, file)? {
            HostShape::Literal(host) => {
                found.insert(
                    HostPattern::parse(&host).map_err(|error| file.refuse(&used.key, error.to_string()))?,
                );
            }
            HostShape::Suffix(suffix) => {
                let pattern = HostPattern::parse(&format!("*.{suffix}"));
                found.insert(pattern.map_err(|error| file.refuse(&used.key, error.to_string()))?);
            }
            HostShape::Open if api.open_hosts => {}
            HostShape::Open => {
                let reason =
                    format!("takes its whole host from a value: list the hosts it may have in `{key}.hosts`");
                return Err(file.refuse(&used.key, reason));
            }
        }
    }
    Ok(found.into_iter().collect())
}

/// Every address that `api` and its options have.
fn addresses(api: &Api, key: &str, options: &[(usize, &AuthOption)]) -> Vec<Used> {
    let mut used = templates::of_api(api, key);
    for (index, option) in options {
        used.extend(templates::of_option(option, &format!("auth[{index}]"), api));
    }
    used.retain(|used| used.role == Role::Address);
    used
}

fn shape(used: &Used, file: &File) -> Result<HostShape, ConnectorError> {
    used.template.host_shape().map_err(|error| file.refuse(&used.key, error.to_string()))
}

/// Everything that can be said about a connector without calling anybody.
pub(super) fn check(connector: &Connector, file: &File) -> Result<(), ConnectorError> {
    if connector.auth.is_empty() {
        return Err(file.refuse("auth", "must have at least one option"));
    }
    let mut keys = BTreeSet::new();
    for (index, option) in connector.auth.iter().enumerate() {
        let prefix = format!("auth[{index}]");
        if !keys.insert(&option.key) {
            return Err(
                file.refuse(&format!("{prefix}.key"), format!("`{}` is the key of two options", option.key))
            );
        }
        check_option(connector, option, &prefix, file)?;
    }
    for (name, parameter) in &connector.parameters {
        check_parameter(name, parameter, file)?;
    }
    Ok(())
}

/// The same for the product's own API, where nothing is typed and no browser goes anywhere.
pub(super) fn check_your_app(connector: &Connector, file: &File) -> Result<(), ConnectorError> {
    for (index, option) in connector.auth.iter().enumerate() {
        let prefix = format!("auth[{index}]");
        let needed: &[&str] = match option.kind {
            AuthType::OAuth2 | AuthType::ClientCredentials | AuthType::TokenExchange => &["token"],
            AuthType::Jwt => &["jwt"],
            _ => &[],
        };
        check_needed(option, needed, &prefix, file)?;
        check_use(connector, option, &prefix, file)?;
    }
    Ok(())
}

fn check_option(
    connector: &Connector,
    option: &AuthOption,
    prefix: &str,
    file: &File,
) -> Result<(), ConnectorError> {
    check_fields(option, prefix, file)?;
    check_parts(option, prefix, file)?;
    check_use(connector, option, prefix, file)
}

/// What an option says about calls.
fn check_use(
    connector: &Connector,
    option: &AuthOption,
    prefix: &str,
    file: &File,
) -> Result<(), ConnectorError> {
    let Some(api) = option.api.as_ref().or(connector.api.as_ref()) else { return Ok(()) };
    let api_key = if option.api.is_some() { format!("{prefix}.api") } else { "api".to_owned() };
    let mut used = templates::of_api(api, &api_key);
    used.extend(templates::of_option(option, prefix, api));
    let known = names::of(connector, option, api, prefix, file)?;
    for one in &used {
        if let Role::NotATemplate(reason) = &one.role {
            return Err(file.refuse(&one.key, reason.clone()));
        }
        for name in one.template.names() {
            known.check(name, option).map_err(|reason| file.refuse(&one.key, reason))?;
            if one.browser && known.is_secret(name, option) {
                return Err(file.refuse(&one.key, format!("would show `{{{{{name}}}}}` to the browser")));
            }
        }
        if one.role == Role::Address {
            check_address(one, api, connector, file)?;
        }
    }
    check_open_hosts(connector, option, api, &api_key, file)?;
    examples::check(connector, option, api, &used, prefix, file)?;
    check_credential(option, prefix, &used, &known, file)?;
    check_signed_subject(option, prefix, file)?;
    if api.account.as_ref().is_some_and(|account| account.from == AccountFrom::Test) && api.test.is_none() {
        return Err(
            file.refuse(&format!("{api_key}.account"), "needs `test` beside it, or `from = \"token\"`")
        );
    }
    Ok(())
}

fn check_address(used: &Used, api: &Api, connector: &Connector, file: &File) -> Result<(), ConnectorError> {
    let refuse = |reason: String| Err(file.refuse(&used.key, reason));
    let slots = used.template.slots().map_err(|error| file.refuse(&used.key, error.to_string()))?;
    for (slot, name) in slots.iter().zip(used.template.names()) {
        let in_host = !matches!(slot, Slot::Segment | Slot::Query);
        let parameter = name.strip_prefix("param.").and_then(|name| connector.parameters.get(name));
        let free = |parameter: &Parameter| {
            !parameter.signed && !parameter.integration_only && parameter.schema.get("enum").is_none()
        };
        if in_host && parameter.is_some_and(free) {
            return refuse(format!(
                "lets a browser choose the host: make `{{{{{name}}}}}` signed, integration_only or an enum"
            ));
        }
    }
    let shape = shape(used, file)?;
    let example = match &shape {
        HostShape::Literal(host) => host.clone(),
        HostShape::Suffix(suffix) => format!("x.{suffix}"),
        HostShape::Open => return Ok(()),
    };
    let scheme = if used.template.source().starts_with("http://") { "http" } else { "https" };
    let Ok(url) = Url::parse(&format!("{scheme}://{example}/")) else {
        return refuse("has a host that is not one".to_owned());
    };
    if scheme == "http" && !super::template::is_loopback(&url) {
        return refuse("must begin with https://".to_owned());
    }
    if used.template.names().next().is_none()
        && let Err(error) = used.template.render_url(&())
    {
        return refuse(error.to_string());
    }
    if !api.open_hosts && !admits(&api.hosts, &url) {
        return refuse(format!("goes to {example}, which is not among the hosts"));
    }
    Ok(())
}

/// Where any host is possible, the integration's client secret must not go along.
fn check_open_hosts(
    connector: &Connector,
    option: &AuthOption,
    api: &Api,
    api_key: &str,
    file: &File,
) -> Result<(), ConnectorError> {
    let has_client = matches!(option.kind, AuthType::OAuth2 | AuthType::OAuth1 | AuthType::ClientCredentials);
    let own_client = option.client.as_ref().and_then(|client| client.secret.as_ref());
    if !api.open_hosts || !has_client || own_client.is_some_and(|secret| !uses(secret, "client.secret")) {
        return Ok(());
    }
    for request in [&option.request_token, &option.par, &option.token, &option.exchange, &option.revoke]
        .into_iter()
        .flatten()
    {
        let template = request.address(api);
        let slots = template.slots().unwrap_or_default();
        let fixed = slots.iter().zip(template.names()).all(|(slot, name)| {
            let parameter = name.strip_prefix("param.").and_then(|name| connector.parameters.get(name));
            matches!(slot, Slot::Segment | Slot::Query)
                || parameter.is_some_and(|found| found.integration_only)
        });
        if !fixed {
            let reason = "would send the integration's client secret to any host: take the client from fields, \
                          or the host from an integration_only parameter";
            return Err(file.refuse(&format!("{api_key}.open_hosts"), reason));
        }
    }
    Ok(())
}

fn uses(template: &Template, wanted: &str) -> bool {
    template.names().any(|name| name == wanted)
}

/// What each method cannot do without.
fn check_parts(option: &AuthOption, prefix: &str, file: &File) -> Result<(), ConnectorError> {
    let needed: &[&str] = match option.kind {
        AuthType::OAuth2 => &["authorize", "token"],
        AuthType::OAuth1 if option.token_static.is_some() => &[],
        AuthType::OAuth1 => &["request_token", "authorize", "token"],
        AuthType::ClientCredentials => &["token"],
        AuthType::TokenExchange => &["token", "field"],
        AuthType::ApiKey | AuthType::Basic | AuthType::Custom => &["field"],
        AuthType::Jwt => &["jwt"],
        AuthType::Proxy => &["url"],
        AuthType::MembraneToken => &[],
    };
    check_needed(option, needed, prefix, file)?;
    if option.refresh.is_some() && option.token.is_none() {
        return Err(file.refuse(&format!("{prefix}.refresh"), "needs `token` beside it"));
    }
    if option.par.is_some() && option.authorize.is_none() {
        return Err(file.refuse(&format!("{prefix}.par"), "needs `authorize` beside it"));
    }
    let asks = !option.scopes.default.is_empty() || !option.scopes.params.is_empty();
    if asks && !option.scopes.supported {
        return Err(file.refuse(&format!("{prefix}.scopes"), "has scopes although `supported` is false"));
    }
    Ok(())
}

fn check_needed(
    option: &AuthOption,
    needed: &[&str],
    prefix: &str,
    file: &File,
) -> Result<(), ConnectorError> {
    let has = |name: &str| match name {
        "authorize" => option.authorize.is_some(),
        "token" => option.token.is_some(),
        "request_token" => option.request_token.is_some(),
        "jwt" => option.jwt.is_some(),
        "url" => option.url.is_some(),
        _ => !option.fields.is_empty(),
    };
    let Some(name) = needed.iter().find(|name| !has(name)) else { return Ok(()) };
    let reason = format!("is missing; type {} cannot work without it", type_name(option.kind));
    Err(file.refuse(&format!("{prefix}.{name}"), reason))
}

/// With a key of the developer's, whoever is named in the assertion is acted for. So neither what a
/// customer types nor what a browser brings back may name it.
fn check_signed_subject(option: &AuthOption, prefix: &str, file: &File) -> Result<(), ConnectorError> {
    let Some(jwt) = option.jwt.as_ref().filter(|_| option.kind == AuthType::Jwt) else { return Ok(()) };
    let typed =
        |name: &str| option.fields.iter().any(|field| field.name == name || names::is_part(field, name));
    if jwt.key.names().any(typed) {
        return Ok(());
    }
    let chosen = |name: &str| typed(name) || option.callback.keep.contains_key(name);
    let said = jwt.claims.iter().chain(&jwt.header).flat_map(|(_, template)| template.names());
    let called = option.token.iter().flat_map(super::connector::Request::names);
    match said.map(str::to_owned).chain(called).find(|name| chosen(name)) {
        Some(name) => {
            let reason = format!(
                "lets the customer choose by `{{{{{name}}}}}` whose data the developer's key opens: take it from a \
                 `signed` parameter, or sign in with oauth2 and find it with `discover`"
            );
            Err(file.refuse(&format!("{prefix}.jwt"), reason))
        }
        None => Ok(()),
    }
}

/// A credential must reach the API somehow.
fn check_credential(
    option: &AuthOption,
    prefix: &str,
    used: &[Used],
    known: &Names,
    file: &File,
) -> Result<(), ConnectorError> {
    let carries =
        |one: &&Used| one.carries && one.template.names().any(|name| known.is_credential(name, option));
    if option.usage.sign || option.kind == AuthType::Proxy || used.iter().any(|one| carries(&one)) {
        return Ok(());
    }
    let reason = "puts no credential into a call; for example use = { headers = { Authorization = \"Bearer {{…}}\" } }";
    Err(file.refuse(&format!("{prefix}.use"), reason))
}

fn check_fields(option: &AuthOption, prefix: &str, file: &File) -> Result<(), ConnectorError> {
    for (index, field) in option.fields.iter().enumerate() {
        let refuse =
            |key: &str, reason: String| Err(file.refuse(&format!("{prefix}.field[{index}].{key}"), reason));
        if let Some(pattern) = &field.pattern
            && let Err(reason) = input::check_pattern(pattern)
        {
            return refuse("pattern", reason);
        }
        if let Some(derive) = &field.derive {
            match input::check_pattern(&derive.regex) {
                Err(reason) => return refuse("derive.regex", reason),
                Ok(0) => return refuse("derive.regex", "needs a group in parentheses".to_owned()),
                Ok(_) => {}
            }
            let known = |other: &super::connector::Field| {
                let parts = other.split.iter().flat_map(|split| &split.into);
                other.derive.is_none()
                    && std::iter::once(&other.name).chain(parts).any(|name| *name == derive.from)
            };
            if !option.fields.iter().any(known) {
                return refuse("derive.from", format!("there is no field `{}`", derive.from));
            }
        }
        for (key, value) in [("default", &field.default), ("example", &field.example)] {
            let Some(value) = value else { continue };
            if let Err(message) = input::check_value(field, value) {
                return refuse(key, format!("does not pass its own field: {message}"));
            }
        }
    }
    Ok(())
}

fn check_parameter(name: &str, parameter: &Parameter, file: &File) -> Result<(), ConnectorError> {
    let key = format!("parameters.{name}");
    if name == "scopes" && parameter.schema.get("type").is_none_or(|kind| kind != "array") {
        return Err(file.refuse(&key, "is a list of scopes in every connector: `type` must be \"array\""));
    }
    let built = jsonschema::options()
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(&parameter.schema);
    let schema = built.map_err(|_| file.refuse(&key, "is not a JSON Schema"))?;
    if let Some(default) = parameter.schema.get("default")
        && !schema.is_valid(default)
    {
        return Err(file.refuse(&format!("{key}.default"), "does not fit its own schema"));
    }
    let values = parameter.schema.get("enum").and_then(serde_json::Value::as_array);
    let first = parameter.sets.values().next();
    for (value, names) in &parameter.sets {
        let known =
            |values: &Vec<serde_json::Value>| values.iter().any(|known| known.as_str() == Some(value));
        if values.is_some_and(|values| !known(values)) {
            return Err(file.refuse(&format!("{key}.sets.{value}"), "is not one of the enum"));
        }
        if first.is_some_and(|first| !first.keys().eq(names.keys())) {
            return Err(
                file.refuse(&format!("{key}.sets.{value}"), "must set the same names as the other values")
            );
        }
    }
    let unset = values
        .into_iter()
        .flatten()
        .filter_map(serde_json::Value::as_str)
        .find(|value| !parameter.sets.contains_key(*value));
    match unset {
        Some(value) if !parameter.sets.is_empty() => {
            Err(file.refuse(&format!("{key}.sets"), format!("says nothing for `{value}`")))
        }
        _ => Ok(()),
    }
}
