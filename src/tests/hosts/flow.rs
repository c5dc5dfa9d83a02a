//! One way to connect one app, with one value of it in strange hands.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use hitchpost::catalog::{
    Connector, Template,
    connector::{AuthOption, AuthType, Field, Request, Target},
};
use serde_json::{Value, json};

/// Where a value comes from that stands in an address.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Source {
    /// The customer types it, or what it is computed from.
    Typed(String),
    /// The provider says it in a reply.
    Replied(String),
    /// The browser brings it in the callback.
    CalledBack(String),
    /// A connector parameter, from the token or from the page.
    Given(String),
}

/// A value in strange hands.
#[derive(Clone)]
pub struct Poison {
    pub source: Source,
    pub value: String,
}

/// The sources of every value that stands in an address of `option`.
pub fn sources(connector: &Connector, option: &AuthOption) -> BTreeSet<Source> {
    let mut found = BTreeSet::new();
    for name in names(connector, option) {
        let is_part =
            |field: &&Field| field.name == name || field.split.iter().any(|split| split.into.contains(&name));
        if let Some(field) = option.fields.iter().find(is_part) {
            let typed = field.derive.as_ref().map_or(&field.name, |derive| &derive.from);
            found.insert(Source::Typed(typed.clone()));
        }
        if let Some(param) = option.callback.keep.get(&name) {
            found.insert(Source::CalledBack(param.clone()));
        }
        if name == "access_token" || requests(option).iter().any(|request| request.keep.contains_key(&name)) {
            found.insert(Source::Replied(name.clone()));
        }
        for (parameter, declared) in
            connector.parameters.iter().filter(|(_, declared)| !declared.integration_only)
        {
            let sets = declared.sets.values().any(|names| names.contains_key(&name));
            if sets || name == format!("param.{parameter}") {
                found.insert(Source::Given(parameter.clone()));
            }
        }
    }
    found
}

fn requests(option: &AuthOption) -> Vec<&Request> {
    let refresh = option.refresh.as_ref().and_then(|refresh| refresh.request.as_ref());
    [&option.authorize, &option.par, &option.request_token, &option.token, &option.exchange, &option.revoke]
        .into_iter()
        .flatten()
        .chain(refresh)
        .chain(option.discover.iter().map(|discover| &discover.request))
        .collect()
}

/// Names in the addresses of an option and of the API it calls.
fn names(connector: &Connector, option: &AuthOption) -> BTreeSet<String> {
    let api = connector.api_for(option);
    let base = api.and_then(|api| api.base.as_ref());
    let test = api.and_then(|api| api.test.as_ref());
    let address = |request: &&Request| match &request.target {
        Target::Url(template) | Target::Path(template) => template.clone(),
    };
    let all: Vec<Template> =
        requests(option).iter().map(address).chain(test.iter().map(address)).chain(base.cloned()).collect();
    all.iter().flat_map(Template::names).map(str::to_owned).collect()
}

/// A value that an honest provider would give.
fn good(name: &str, host: &str) -> String {
    match name {
        "instance_url" | "base_uri" | "home" => format!("https://{host}"),
        "accounts" | "accounts-server" => "https://accounts.zoho.eu".to_owned(),
        "api_domain" => "https://www.zohoapis.eu".to_owned(),
        "dc" => "us6".to_owned(),
        "access_token" => "an-access-token".to_owned(),
        _ => "42".to_owned(),
    }
}

/// What a field gets that nobody tampers with. Secret ones are canaries.
fn typed(field: &Field) -> String {
    let pattern = field.pattern.as_deref().unwrap_or_default();
    let canary = match () {
        () if pattern.contains("SG") => "SG.canary-typed",
        () if pattern.contains("shp") => "shpat_canary-typed",
        () if pattern.contains("[a-z]{2,3}") => "canary-typed-us6",
        () => "canary-typed",
    };
    let offered = field.options.first().map(|(value, _)| value.clone());
    match (field.secret, field.default.clone().or(offered).or(field.example.clone())) {
        (true, _) => canary.to_owned(),
        (false, Some(value)) => value,
        (false, None) => "good".to_owned(),
    }
}

/// What the customer types.
pub fn input(option: &AuthOption, poison: Option<&Poison>) -> BTreeMap<String, String> {
    let fields = option.fields.iter().filter(|field| field.derive.is_none());
    fields
        .map(|field| {
            let honest = typed(field);
            let value = match poison {
                Some(Poison { source: Source::Typed(name), value }) if *name == field.name => {
                    let computed = option
                        .fields
                        .iter()
                        .any(|other| other.derive.as_ref().is_some_and(|derive| derive.from == field.name));
                    // What is computed from it is what the address holds.
                    if computed { format!("canary-typed-{value}") } else { value.clone() }
                }
                _ => honest,
            };
            (field.name.clone(), value)
        })
        .collect()
}

/// The one reply to every call: a token, and wherever something is kept, that.
pub fn reply(connector: &Connector, option: &AuthOption, host: &str, poison: Option<&Poison>) -> Value {
    let said = |name: &str| match poison {
        Some(Poison { source: Source::Replied(poisoned), value }) if poisoned == name => value.clone(),
        _ => good(name, host),
    };
    let mut body = json!({
        "access_token": said("access_token"), "refresh_token": "a-refresh-token", "token_type": "bearer",
        "expires_in": 3600, "oauth_token": said("access_token"), "oauth_token_secret": "a-token-secret",
        "oauth_callback_confirmed": "true",
    });
    for discover in &option.discover {
        let mut item = json!({});
        for (path, value) in &discover.filter {
            put(&mut item, path, value.clone());
        }
        for path in discover.pick.iter().flat_map(|pick| [&pick.id, &pick.label]) {
            put(&mut item, path, json!("7"));
        }
        for (name, path) in &discover.request.keep {
            put(&mut item, path, json!(said(name)));
        }
        match &discover.items {
            Some(path) => put(&mut body, path, json!([item])),
            None => body.as_object_mut().unwrap().extend(item.as_object().unwrap().clone()),
        }
    }
    let discovered: BTreeSet<_> = option.discover.iter().flat_map(|one| one.request.keep.keys()).collect();
    for request in requests(option) {
        for (name, path) in request.keep.iter().filter(|(name, _)| !discovered.contains(name)) {
            put(&mut body, path, json!(said(name)));
        }
        for (standard, path) in &request.map {
            let value = body[standard].clone();
            put(&mut body, path, value);
        }
    }
    let test = connector.api_for(option).and_then(|api| api.test.as_ref());
    for error in requests(option).into_iter().chain(test).filter_map(|request| request.error.as_ref()) {
        if let Some(ok) = &error.ok {
            put(&mut body, &error.field, ok.clone());
        }
    }
    body
}

fn put(body: &mut Value, path: &str, value: Value) {
    let mut place = body;
    for step in path.split('.') {
        if !place.is_object() {
            *place = json!({});
        }
        place = place.as_object_mut().unwrap().entry(step).or_insert(Value::Null);
    }
    *place = value;
}

/// What the browser comes back with, after it left for `left`.
pub fn callback(
    option: &AuthOption,
    left: &url::Url,
    secret: &str,
    poison: Option<&Poison>,
) -> Vec<(String, String)> {
    let typed = input(option, poison);
    let mut pairs = Vec::new();
    if option.kind == AuthType::OAuth1 {
        pairs.push(("oauth_token".to_owned(), "an-access-token".to_owned()));
        pairs.push(("oauth_verifier".to_owned(), "a-verifier".to_owned()));
    } else {
        let state = left.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
        pairs.push(("state".to_owned(), state));
        pairs.push((option.callback.code.clone(), "a-code".to_owned()));
    }
    for param in option.callback.keep.values() {
        let value = match poison {
            Some(Poison { source: Source::CalledBack(poisoned), value }) if poisoned == param => {
                value.clone()
            }
            _ => good(param, ""),
        };
        pairs.push((param.clone(), value));
    }
    for (param, template) in &option.callback.matching {
        let mut value = template.source().to_owned();
        for (name, typed) in &typed {
            value = value.replace(&format!("{{{{{name}}}}}"), typed);
        }
        pairs.push((param.clone(), value));
    }
    if let Some(signature) = &option.callback.signature {
        pairs.sort();
        let text: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let tag = sign(&Key::new(HMAC_SHA256, secret.as_bytes()), text.join("&").as_bytes());
        let hex = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        pairs.push((signature.param.clone(), hex));
    }
    pairs
}
