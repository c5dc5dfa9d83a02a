//! Compares a call with the request a connector file writes out, and reads back what was filled in.
//!
//! The engine renders a request; this room does the opposite, so a parameter, header or body that
//! differs from the file is noticed.

use http::Method;
use serde_json::Value;

use crate::catalog::{
    Template,
    connector::{AuthOption, Basic, Request, Target},
};

use super::{
    call::{Call, Params, decode, format_of},
    pattern::{Captured, Pattern},
};
use crate::catalog::connector::Format;

/// Whether the request's own words place one of these names.
pub(super) fn places(request: &Request, names: &[&str]) -> bool {
    self::names(request).any(|name| names.contains(&name.as_str()))
}

/// Every name in the request's own words.
pub(super) fn names(request: &Request) -> impl Iterator<Item = String> {
    let (Target::Url(target) | Target::Path(target)) = &request.target;
    let body = request.body.as_ref().map(Value::to_string).unwrap_or_default();
    let basic = request.basic.iter().flat_map(|basic| [&basic.username, &basic.password]);
    let templates = request.params.iter().chain(&request.headers).map(|(_, template)| template);
    let sources = templates.chain(basic).map(Template::source).chain([target.source(), body.as_str()]);
    let names: Vec<String> = sources
        .flat_map(|source| Pattern::of(source).names().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    names.into_iter()
}

/// What stood in the places of the request's templates, or what is wrong with the call.
pub(super) fn capture(
    request: &Request,
    option: &AuthOption,
    call: &Call,
    sent: &Params,
) -> Result<Captured, String> {
    let mut reading = Reading { option, captured: Captured::new() };
    right_way(request, call, sent, !request.params.is_empty() || request.body.is_some())?;
    let params = params_of(request, call, sent);
    for (name, template) in &request.params {
        reading.fit("parameter", name, template.source(), params.get(name))?;
    }
    let (Target::Url(target) | Target::Path(target)) = &request.target;
    for (name, source) in own_query(target) {
        reading.fit("parameter", &name, &source, call.query.get(&name))?;
    }
    for (name, template) in &request.headers {
        reading.fit("header", name, template.source(), call.header(name))?;
    }
    if let Some(Basic { username, password }) = &request.basic {
        let (name, word) = call.basic().ok_or("HTTP Basic is missing.")?;
        reading.fit("HTTP Basic", "user name", username.source(), Some(&name))?;
        reading.fit("HTTP Basic", "password", password.source(), Some(&word))?;
    }
    if let Some(body) = &request.body {
        reading.fit_json("body", body, sent.json.as_ref())?;
    }
    Ok(reading.captured)
}

/// The file's own words of a request whose standard parameters are checked elsewhere: they must be
/// there, and written out ones must be exactly that.
pub(super) fn check_params(request: &Request, option: &AuthOption, params: &Params) -> Result<(), String> {
    let mut reading = Reading { option, captured: Captured::new() };
    request
        .params
        .iter()
        .try_for_each(|(name, template)| reading.fit("parameter", name, template.source(), params.get(name)))
}

/// The method is the file's, and parameters travel as it says; without any nothing travels.
pub(super) fn right_way(
    request: &Request,
    call: &Call,
    sent: &Params,
    has_params: bool,
) -> Result<(), String> {
    if call.method != request.method {
        return Err(format!("This provider wants {} here, not {}.", request.method, call.method));
    }
    if has_params && params_of(request, call, sent).format != Some(format_of(request)) {
        return Err("This provider wants its parameters in another format.".to_owned());
    }
    Ok(())
}

/// The parameters where the request puts them.
pub(super) fn params_of<'a>(request: &Request, call: &'a Call, sent: &'a Params) -> &'a Params {
    let in_address = request.body.is_none()
        && (request.format == Format::Query || matches!(request.method, Method::GET | Method::HEAD));
    if in_address { &call.query } else { sent }
}

fn own_query(target: &Template) -> Vec<(String, String)> {
    let query = target.source().split_once('?').map_or("", |(_, query)| query);
    let query = query.split('#').next().unwrap_or("");
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| {
            (decode(name), if value.contains("{{") { value.to_owned() } else { decode(value) })
        })
        .collect()
}

struct Reading<'a> {
    option: &'a AuthOption,
    captured: Captured,
}

impl Reading<'_> {
    /// The names may stand for nothing: fields that were left empty, no scopes at all.
    fn may_be_empty(&self, pattern: &Pattern) -> bool {
        let optional = |name: &str| {
            name == "scopes"
                || name.starts_with("param.")
                || name.starts_with("customer.")
                || self.option.fields.iter().any(|field| field.name == name && !field.required)
        };
        let mut names = pattern.names().peekable();
        names.peek().is_some() && names.all(optional)
    }

    fn fit(&mut self, kind: &str, name: &str, source: &str, value: Option<&str>) -> Result<(), String> {
        let pattern = Pattern::of(source);
        let value = value.unwrap_or("");
        if value.is_empty() && (source.is_empty() || self.may_be_empty(&pattern)) {
            return Ok(());
        }
        if value.is_empty() {
            return Err(format!("The {kind} {name} is missing."));
        }
        let found = pattern
            .capture(value)
            .ok_or_else(|| format!("The {kind} {name} is not what this provider wants."))?;
        for (hole, value) in found {
            if self.captured.get(&hole).is_some_and(|known| *known != value) {
                return Err(format!("The {kind} {name} contradicts the rest of the call."));
            }
            self.captured.insert(hole, value);
        }
        Ok(())
    }

    fn fit_json(&mut self, path: &str, written: &Value, sent: Option<&Value>) -> Result<(), String> {
        let sent = sent.ok_or_else(|| format!("The {path} is missing."))?;
        match written {
            Value::String(source) => self.fit("member", path, source, sent.as_str()),
            Value::Object(members) => members.iter().try_for_each(|(name, written)| {
                self.fit_json(&format!("{path}.{name}"), written, sent.get(name))
            }),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .try_for_each(|(at, written)| self.fit_json(&format!("{path}.{at}"), written, sent.get(at))),
            other if other == sent => Ok(()),
            _ => Err(format!("The member {path} is not what this provider wants.")),
        }
    }
}
