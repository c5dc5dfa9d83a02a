//! Requests: the one shape that every call of a connector is written in.

use std::collections::BTreeMap;

use http::Method;
use serde_json::Value;

use super::{
    ConnectorError,
    reader::{Item, Table},
};
use crate::catalog::{
    connector::{Basic, Discover, ErrorField, Format, Pick, Refresh, Request, Target, Templates},
    template::Template,
};

const METHODS: &[(&str, &Method)] = &[
    ("GET", &Method::GET),
    ("HEAD", &Method::HEAD),
    ("POST", &Method::POST),
    ("PUT", &Method::PUT),
    ("PATCH", &Method::PATCH),
    ("DELETE", &Method::DELETE),
];

const FORMATS: &[(&str, Format)] =
    &[("form", Format::Form), ("json", Format::Json), ("query", Format::Query)];

/// The keys of a request as the file has them, before defaults.
#[derive(Default)]
struct Keys {
    target: Option<Target>,
    method: Option<Method>,
    format: Option<Format>,
    params: Option<Templates>,
    body: Option<Value>,
    headers: Option<Templates>,
    basic: Option<Basic>,
    map: Option<BTreeMap<String, String>>,
    keep: Option<BTreeMap<String, String>>,
    error: Option<ErrorField>,
    expires_in: Option<u64>,
}

/// Members of a token reply that the engine reads.
const REPLY_MEMBERS: &[&str] =
    &["access_token", "refresh_token", "token_type", "expires_in", "expires_at", "scope", "token_secret"];

fn reply_map(item: &Item<'_>) -> Result<BTreeMap<String, String>, ConnectorError> {
    let map = item.map()?;
    match map.keys().find(|name| !REPLY_MEMBERS.contains(&name.as_str())) {
        Some(name) => {
            let known = REPLY_MEMBERS.join(", ");
            Err(item.refuse(format!("`{name}` is no member of a token reply; there are {known}")))
        }
        None => Ok(map),
    }
}

/// A request whose method is `method` unless the file says otherwise.
pub(super) fn request(item: &Item<'_>, method: &Method) -> Result<Request, ConnectorError> {
    if item.is_text() {
        let keys = Keys { target: Some(target(item)?), ..Keys::default() };
        return keys.build(method).ok_or_else(|| item.refuse("is missing"));
    }
    let table = item.table()?;
    let request = Keys::read(&table)?.build(method).ok_or_else(|| table.refuse("url", "is missing"))?;
    table.finish()?;
    Ok(request)
}

impl Keys {
    fn read(table: &Table<'_>) -> Result<Self, ConnectorError> {
        let target = match (table.get("url"), table.get("path")) {
            (Some(_), Some(path)) => return Err(path.refuse("cannot stand beside `url`")),
            (Some(url), None) => Some(Target::Url(url.template()?)),
            (None, Some(path)) => Some(Target::Path(path_template(&path)?)),
            (None, None) => None,
        };
        Ok(Self {
            target,
            method: table.read("method", |item| item.one_of(METHODS))?.cloned(),
            format: table.read("format", |item| item.one_of(FORMATS))?,
            params: table.read("params", Item::templates)?,
            body: table.read("body", Item::json)?,
            headers: table.read("headers", Item::templates)?,
            basic: table.read("basic", basic)?,
            map: table.read("map", reply_map)?,
            keep: table.read("keep", Item::names)?,
            error: table.read("error", error_field)?,
            expires_in: table.read("expires_in", Item::number)?,
        })
    }

    fn is_empty(&self) -> bool {
        let Self { target, method, format, params, body, headers, basic, map, keep, error, expires_in } =
            self;
        target.is_none()
            && method.is_none()
            && format.is_none()
            && params.is_none()
            && body.is_none()
            && headers.is_none()
            && basic.is_none()
            && map.is_none()
            && keep.is_none()
            && error.is_none()
            && expires_in.is_none()
    }

    /// Puts the defaults in; `None` without an address.
    fn build(self, method: &Method) -> Option<Request> {
        let method = self.method.unwrap_or_else(|| method.clone());
        let usual = match (&method, &self.body) {
            (_, Some(_)) => Format::Json,
            (&Method::GET | &Method::HEAD, None) => Format::Query,
            _ => Format::Form,
        };
        Some(Request {
            target: self.target?,
            method,
            format: self.format.unwrap_or(usual),
            params: self.params.unwrap_or_default(),
            body: self.body,
            headers: self.headers.unwrap_or_default(),
            basic: self.basic,
            map: self.map.unwrap_or_default(),
            keep: self.keep.unwrap_or_default(),
            error: self.error,
            expires_in: self.expires_in,
        })
    }

    /// What is not said is as in `token`, except for its extra parameters and its body.
    fn or_as(self, token: &Request) -> Self {
        Self {
            target: self.target.or_else(|| Some(token.target.clone())),
            method: self.method.or_else(|| Some(token.method.clone())),
            format: self.format.or_else(|| self.body.is_none().then_some(token.format)),
            headers: self.headers.or_else(|| Some(token.headers.clone())),
            basic: self.basic.or_else(|| token.basic.clone()),
            map: self.map.or_else(|| Some(token.map.clone())),
            keep: self.keep.or_else(|| Some(token.keep.clone())),
            error: self.error.or_else(|| token.error.clone()),
            expires_in: self.expires_in.or(token.expires_in),
            params: self.params,
            body: self.body,
        }
    }
}

/// A request written as plain text: a path when it begins with a slash, else an address.
fn target(item: &Item<'_>) -> Result<Target, ConnectorError> {
    if item.text()?.starts_with('/') {
        Ok(Target::Path(path_template(item)?))
    } else {
        Ok(Target::Url(item.template()?))
    }
}

fn path_template(item: &Item<'_>) -> Result<Template, ConnectorError> {
    if !item.any_text()?.starts_with('/') {
        return Err(item.refuse("must begin with a slash"));
    }
    item.template()
}

/// `refresh`: how it differs from the standard refresh at `token.url`.
pub(super) fn refresh(item: &Item<'_>, token: Option<&Request>) -> Result<Refresh, ConnectorError> {
    let table = item.table()?;
    let mut keys = Keys::read(&table)?;
    // Here the key speaks of the refresh token; an access token lives as `token` says.
    let expires_in = keys.expires_in.take();
    let request = if keys.is_empty() {
        None
    } else {
        let keys = token.map_or_else(
            || Err(table.refuse("", "needs `token` beside it")),
            |token| Ok(keys.or_as(token)),
        )?;
        keys.build(&Method::POST)
    };
    let refresh = Refresh {
        request,
        rotates: table.read("rotates", Item::bool)?,
        expires_in,
        template: table.or_default("template", Item::bool)?,
    };
    table.finish()?;
    Ok(refresh)
}

/// One call of `discover`.
pub(super) fn discover(item: &Item<'_>) -> Result<Discover, ConnectorError> {
    let table = item.table()?;
    let request = Keys::read(&table)?.build(&Method::GET).ok_or_else(|| table.refuse("url", "is missing"))?;
    let filter = |item: &Item<'_>| {
        item.members()?
            .into_iter()
            .map(|(name, value)| Ok((name, value.json()?)))
            .collect::<Result<_, ConnectorError>>()
    };
    let discover = Discover {
        request,
        items: table.read("items", Item::text)?,
        filter: table.or_default("where", filter)?,
        pick: table.read("pick", pick)?,
    };
    table.finish()?;
    Ok(discover)
}

fn pick(item: &Item<'_>) -> Result<Pick, ConnectorError> {
    let table = item.table()?;
    let pick = Pick { id: table.need("id", Item::text)?, label: table.need("label", Item::text)? };
    table.finish()?;
    Ok(pick)
}

pub(super) fn basic(item: &Item<'_>) -> Result<Basic, ConnectorError> {
    let table = item.table()?;
    let basic = Basic {
        username: table.need("username", Item::template)?,
        password: table.need("password", Item::template)?,
    };
    table.finish()?;
    Ok(basic)
}

fn error_field(item: &Item<'_>) -> Result<ErrorField, ConnectorError> {
    let table = item.table()?;
    let error = ErrorField {
        field: table.need("field", Item::text)?,
        ok: table.read("ok", Item::json)?,
        message: table.read("message", Item::text)?,
    };
    table.finish()?;
    Ok(error)
}
