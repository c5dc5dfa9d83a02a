//! The members of a token reply, as strictly as can be and as tolerantly as providers need it.

use std::time::Duration;

use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    catalog::connector::Request,
    model::{Secret, Timestamp},
    protocol::json::at,
};

/// Bytes a token may have: headers that carry more are refused by many servers.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Ten years, in seconds: a longer life is cut to this.
const MAX_LIFE: f64 = 10.0 * 365.0 * 24.0 * 3600.0;

/// Token types that are sent like a bearer token; the connector says in which header.
const BEARER_LIKE: [&str; 7] = ["bearer", "bearertoken", "bot", "user", "token", "jwt", "access_token"];

/// Seconds since 1970 that a date may have: some providers count milliseconds.
const MAX_SECONDS: f64 = 100_000_000_000.0;

/// When a token ends: as the reply says, or else as the connector knows.
pub(in crate::protocol) fn expiry(
    value: Option<&Value>,
    request: &Request,
    body: &Value,
    now: Timestamp,
) -> Option<Timestamp> {
    let date = request.map.get("expires_at").and_then(|path| date(at(body, path)?));
    let until = date.map(|date| (date.millis() - now.millis()) as f64 / 1000.0);
    let life = value.and_then(seconds).or(until).or(request.expires_in.map(|seconds| seconds as f64));
    life.map(|life| now.plus(Duration::from_secs_f64(life.clamp(0.0, MAX_LIFE))))
}

/// A date: RFC 3339, or seconds since 1970.
fn date(value: &Value) -> Option<Timestamp> {
    if let Some(seconds) = seconds(value) {
        return (seconds.abs() < MAX_SECONDS).then(|| Timestamp::from_seconds(seconds as i64));
    }
    let date = OffsetDateTime::parse(value.as_str()?, &Rfc3339).ok()?;
    Some(Timestamp::from_seconds(date.unix_timestamp()))
}

/// A token; null and "" are none.
pub(in crate::protocol) fn token(value: Option<&Value>) -> Result<Option<Secret<String>>, &'static str> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) if text.len() > MAX_TOKEN_BYTES => Err("a token of more than 16 KiB"),
        Some(Value::String(text)) if text.bytes().all(|b| b.is_ascii_graphic()) => {
            Ok(Some(Secret::from(text.as_str())))
        }
        Some(Value::String(_)) => Err("a token with characters that no header can carry"),
        Some(_) => Err("a token that is not a text"),
    }
}

/// RFC 6749 §7.1: a client must not use a type it does not know.
pub(super) fn token_type(value: Option<&Value>) -> Result<String, &'static str> {
    match value {
        None | Some(Value::Null) => Ok("bearer".to_owned()),
        Some(Value::String(text)) if text.trim().is_empty() => Ok("bearer".to_owned()),
        Some(Value::String(text)) => {
            let token_type = text.trim().to_ascii_lowercase().replace(' ', "");
            let is_known = BEARER_LIKE.contains(&token_type.as_str());
            if is_known { Ok(token_type) } else { Err("a token type that is not bearer") }
        }
        Some(_) => Err("a token type that is not a text"),
    }
}

/// A number of seconds, also as a text; words such as "never" are no number.
fn seconds(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|seconds| seconds.is_finite())
}

/// A list, or a text with spaces or commas; an empty one says nothing.
pub(super) fn scopes(value: &Value) -> Option<Vec<String>> {
    let scopes: Vec<String> = match value {
        Value::String(text) => words(text).collect(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).flat_map(words).collect(),
        _ => Vec::new(),
    };
    (!scopes.is_empty()).then_some(scopes)
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split([' ', ',', '\t', '\n']).filter(|scope| !scope.is_empty()).map(str::to_owned)
}
