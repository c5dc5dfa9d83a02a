//! The provider's answers, in the shape its connector file describes.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use crate::catalog::connector::{AccountFrom, ErrorField, Request, Target};

use super::{cast::Part, cast::admits, pattern::Pattern, person::Person};

/// Highest list index a dotted path may name.
const MOST_ITEMS: usize = 16;

/// An error of a token call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    /// RFC 6749 §5.2 code.
    pub(super) code: &'static str,
    /// What the developer can do about it.
    pub(super) why: &'static str,
}

/// Shorthand for [`Refusal`].
pub(super) const fn refusal(code: &'static str, why: &'static str) -> Refusal {
    Refusal { code, why }
}

/// A granted token, before the file gives it its shape.
pub(super) struct Granted {
    pub(super) access_token: String,
    pub(super) refresh_token: Option<String>,
    pub(super) expires_in: Option<u64>,
    pub(super) expires_at: Option<String>,
    pub(super) scope: String,
}

/// Puts `value` at the dotted `path`; a number in the path is a place in a list.
pub(super) fn put(root: &mut Value, path: &str, value: Value) {
    let mut at = root;
    for step in path.split('.') {
        at = match step.parse::<usize>() {
            Ok(index) if index < MOST_ITEMS => {
                if !at.is_array() {
                    *at = Value::Array(Vec::new());
                }
                let Value::Array(items) = at else { return };
                if items.len() <= index {
                    items.resize(index + 1, Value::Null);
                }
                &mut items[index]
            }
            _ => {
                if !at.is_object() {
                    *at = Value::Object(Map::new());
                }
                let Value::Object(map) = at else { return };
                map.entry(step).or_insert(Value::Null)
            }
        };
    }
    *at = value;
}

/// A plausible value for the name a connector keeps: an address or a host where the connector's
/// own templates use it as one.
pub(super) fn plausible(part: &Part, host: &str, name: &str, person: Person) -> String {
    let safe_host = if admits(part.api(), host) {
        host.to_owned()
    } else {
        literal_host(part).unwrap_or(host.to_owned())
    };
    match place_of(part, name) {
        Place::Base => format!("https://{safe_host}"),
        Place::Host => safe_host,
        Place::Label => "sandbox".to_owned(),
        Place::Elsewhere => person.said_at(name),
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Base,
    Host,
    Label,
    Elsewhere,
}

fn sources(part: &Part) -> Vec<&str> {
    let option = part.option();
    let api = part.api();
    let refresh = option.refresh.as_ref().and_then(|refresh| refresh.request.as_ref());
    let requests = [option.authorize.as_ref(), option.token.as_ref(), refresh, option.revoke.as_ref()];
    let discovers = option.discover.iter().map(|discover| &discover.request);
    let base = api.and_then(|api| api.base.as_ref()).map(|base| base.source());
    requests
        .into_iter()
        .flatten()
        .chain(discovers)
        .chain(api.and_then(|api| api.test.as_ref()))
        .map(|request| match &request.target {
            Target::Url(template) | Target::Path(template) => template.source(),
        })
        .chain(base)
        .collect()
}

fn place_of(part: &Part, name: &str) -> Place {
    for source in sources(part) {
        let hole = |text: &str| Pattern::of(text).names().any(|found| found == name);
        let Some((_, rest)) = source.split_once("://") else {
            if source.starts_with("{{") && hole(source.split('/').next().unwrap_or("")) {
                return Place::Base;
            }
            continue;
        };
        let host = rest.split('/').next().unwrap_or(rest);
        if hole(host) {
            let whole = host.starts_with("{{") && host.find("}}").is_some_and(|end| end + 2 == host.len());
            return if whole { Place::Host } else { Place::Label };
        }
    }
    Place::Elsewhere
}

/// A host that the file writes out and admits.
fn literal_host(part: &Part) -> Option<String> {
    sources(part).into_iter().find_map(|source| {
        let host = source.split_once("://")?.1.split(['/', '?']).next()?;
        (!host.contains("{{") && admits(part.api(), host)).then(|| host.to_owned())
    })
}

/// Puts into `reply` what the connector keeps of it and how it tells good from bad.
pub(super) fn furnish(reply: &mut Value, part: &Part, request: Option<&Request>, host: &str, person: Person) {
    let Some(request) = request else { return };
    for (name, path) in &request.keep {
        put(reply, path, json!(plausible(part, host, name, person)));
    }
    if let Some(ErrorField { field, ok: Some(ok), .. }) = &request.error {
        put(reply, field, ok.clone());
    }
}

/// Puts the account's identity into `reply` when this is the reply that names it.
pub(super) fn identify(reply: &mut Value, part: &Part, from: AccountFrom, person: Person) {
    let Some(account) =
        part.api().and_then(|api| api.account.as_ref()).filter(|account| account.from == from)
    else {
        return;
    };
    if let Some(label) = &account.label {
        put(reply, label, json!(person.said_at(label)));
    }
    put(reply, &account.id, json!(person.said_at(&account.id)));
}

/// The reply to a good token call.
pub(super) fn granted(part: &Part, host: &str, person: Person, granted: Granted) -> Response {
    let option = part.option();
    let mut reply = json!({});
    furnish(&mut reply, part, option.token.as_ref(), host, person);
    identify(&mut reply, part, AccountFrom::Token, person);
    let map = option.token.as_ref().map(|token| &token.map);
    let path = |name: &'static str| map.and_then(|map| map.get(name)).map_or(name, String::as_str);
    let mut say = |name: &'static str, value: Value| put(&mut reply, path(name), value);
    say("access_token", json!(granted.access_token));
    say("token_type", json!("Bearer"));
    if let Some(token) = granted.refresh_token {
        say("refresh_token", json!(token));
    }
    if let Some(seconds) = granted.expires_in {
        say("expires_in", json!(seconds));
    }
    if let Some(time) = granted.expires_at.filter(|_| map.is_some_and(|map| map.contains_key("expires_at"))) {
        say("expires_at", json!(time));
    }
    if option.scopes.supported && !granted.scope.is_empty() {
        say("scope", json!(granted.scope));
    }
    unstored((StatusCode::OK, Json(reply)).into_response())
}

/// The reply to a refused token call: RFC 6749 §5.2, or the provider's own way of saying no.
pub(super) fn refused(part: &Part, used_basic: bool, refusal: Refusal) -> Response {
    if let Some(error) = part.option().token.as_ref().and_then(|token| token.error.as_ref()) {
        return unstored((StatusCode::OK, Json(in_good_body(error, refusal.code))).into_response());
    }
    let body = Json(json!({ "error": refusal.code, "error_description": refusal.why }));
    if refusal.code == "invalid_client" && used_basic {
        let challenge = HeaderValue::from_static("Basic realm=\"sandbox\"");
        return unstored(
            (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)], body).into_response(),
        );
    }
    let status =
        if refusal.code == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
    unstored((status, body).into_response())
}

/// An error told inside a 2xx reply.
fn in_good_body(error: &ErrorField, code: &str) -> Value {
    let mut reply = json!({});
    let bad = match &error.ok {
        Some(Value::Bool(ok)) => json!(!ok),
        _ => json!(code),
    };
    put(&mut reply, &error.field, bad);
    if let Some(message) = error.message.as_ref().filter(|message| **message != error.field) {
        put(&mut reply, message, json!(code));
    }
    reply
}

/// A plain JSON error.
pub(super) fn problem(status: StatusCode, code: &str, message: &str) -> Response {
    unstored((status, Json(json!({ "error": code, "message": message }))).into_response())
}

/// No connector has this address.
pub(super) fn unknown() -> Response {
    problem(StatusCode::NOT_FOUND, "unknown_address", "No connector of the sandbox has this address.")
}

/// A connector has it, but its method is not played.
pub(super) fn unplayed(part: &Part) -> Response {
    let option = part.option();
    let message = format!(
        "The sandbox does not play the method of `{}` ({}) of {} yet.",
        option.key, option.title, part.connector.name
    );
    problem(StatusCode::NOT_IMPLEMENTED, "not_played_yet", &message)
}

/// Keeps the reply out of every cache.
pub(super) fn unstored(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_put_at_a_dotted_path() {
        let mut reply = json!({});

        put(&mut reply, "user.id", json!("a"));
        put(&mut reply, "items.1.name", json!("b"));
        put(&mut reply, "user.name", json!("c"));

        assert_eq!(reply, json!({"user": {"id": "a", "name": "c"}, "items": [null, {"name": "b"}]}));
    }

    #[test]
    fn an_error_in_a_good_body_is_the_opposite_of_ok() {
        let error = ErrorField { field: "ok".into(), ok: Some(json!(true)), message: Some("error".into()) };

        assert_eq!(in_good_body(&error, "invalid_grant"), json!({"ok": false, "error": "invalid_grant"}));
    }
}
