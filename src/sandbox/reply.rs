//! The provider's answers, in the shape its connector file describes.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use crate::catalog::connector::{AccountFrom, ErrorField, Request};

use super::{cast::Part, kept::plausible, person::Person};

/// Highest list index a dotted path may name.
const MOST_ITEMS: usize = 16;

/// An error of a token call.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    /// RFC 6749 §5.2 code.
    pub(super) code: &'static str,
    /// What the developer can do about it.
    pub(super) why: String,
}

/// Shorthand for [`Refusal`].
pub(super) fn refusal(code: &'static str, why: impl Into<String>) -> Refusal {
    Refusal { code, why: why.into() }
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

/// Puts into `reply` what the connector keeps of it and how it tells good from bad.
pub(super) fn furnish(reply: &mut Value, part: &Part, request: Option<&Request>, host: &str, person: Person) {
    let Some(request) = request else { return };
    for (name, path) in &request.keep {
        put(reply, path, json!(plausible(part, host, name, person)));
    }
    approve(reply, Some(request));
}

/// Puts into `reply` what makes it a good one.
pub(super) fn approve(reply: &mut Value, request: Option<&Request>) {
    if let Some(ErrorField { field, ok: Some(ok), .. }) = request.and_then(|request| request.error.as_ref()) {
        put(reply, field, ok.clone());
    }
}

/// Puts the account's identity into `reply` when this is the reply that names it.
pub(super) fn identify(reply: &mut Value, part: &Part, from: AccountFrom, person: Person) {
    let Some(account) = part.api().and_then(|api| api.account.as_ref()) else { return };
    // Of an account whose id is kept, the test call may still say the name.
    let is_kept = account.from == AccountFrom::Kept && from == AccountFrom::Test;
    if account.from != from && !is_kept {
        return;
    }
    if let Some(label) = &account.label {
        put(reply, label, json!(person.said_at(label)));
    }
    if !is_kept {
        put(reply, &account.id, json!(person.said_at(&account.id)));
    }
}

/// Claims that name the account, for a connector that reads it there. Signed with a key that nobody
/// asks for: the reply came straight from its provider.
fn id_token(part: &Part, person: Person) -> Option<String> {
    let account = part.api().and_then(|api| api.account.as_ref())?;
    if account.from != AccountFrom::IdToken {
        return None;
    }
    let mut claims = json!({ "iss": part.connector.key, "sub": person.said_at("sub") });
    for path in account.label.iter().chain([&account.id]) {
        put(&mut claims, path, json!(person.said_at(path)));
    }
    let encoded = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encoded(json!({ "alg": "HS256", "typ": "JWT" })), encoded(claims));
    let tag = sign(&Key::new(HMAC_SHA256, b"sandbox"), message.as_bytes());
    Some(format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag)))
}

/// The reply to a good token call; `request` is the one that was made.
pub(super) fn granted(
    part: &Part,
    request: Option<&Request>,
    host: &str,
    person: Person,
    granted: Granted,
) -> Response {
    let option = part.option();
    let mut reply = json!({});
    furnish(&mut reply, part, request, host, person);
    identify(&mut reply, part, AccountFrom::Token, person);
    let map = request.map(|request| &request.map);
    let is_mapped = |name: &str| map.is_some_and(|map| map.contains_key(name));
    let path = |name: &'static str| map.and_then(|map| map.get(name)).map_or(name, String::as_str);
    let mut say = |name: &'static str, value: Value| put(&mut reply, path(name), value);
    say("access_token", json!(granted.access_token));
    say("token_type", json!("Bearer"));
    if let Some(token) = granted.refresh_token {
        say("refresh_token", json!(token));
    }
    // A provider that says when does not say how long as well.
    let says_when = is_mapped("expires_at") && !is_mapped("expires_in");
    if let Some(seconds) = granted.expires_in.filter(|_| !says_when) {
        say("expires_in", json!(seconds));
    }
    if let Some(time) = granted.expires_at.filter(|_| is_mapped("expires_at")) {
        say("expires_at", json!(time));
    }
    if let Some(token) = id_token(part, person) {
        say("id_token", json!(token));
    }
    if option.scopes.supported && !granted.scope.is_empty() {
        say("scope", json!(granted.scope));
    }
    unstored((StatusCode::OK, Json(reply)).into_response())
}

/// The reply to a refused token call: RFC 6749 §5.2, or the provider's own way of saying no.
pub(super) fn refused(request: Option<&Request>, used_basic: bool, refusal: &Refusal) -> Response {
    if let Some(error) = request.and_then(|request| request.error.as_ref()) {
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
pub(super) fn in_good_body(error: &ErrorField, code: &str) -> Value {
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

/// A connector has it, but its file does not say enough to play it.
pub(super) fn unplayed(part: &Part) -> Response {
    let option = part.option();
    let message = format!(
        "The file of {2} does not say enough to play `{0}` ({1}).",
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
