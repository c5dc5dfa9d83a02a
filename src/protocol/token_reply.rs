//! Reads what a token endpoint answered, and tells *they said no* from *the wire broke* from
//! *we cannot read it*.
//!
//! Whatever is the provider's passing trouble (5xx, 429, 408) is decided before anything is parsed,
//! or an outage would look like a revoked grant. Tokens and texts of the provider never get into an
//! error's words.

mod members;

use std::{fmt, time::Duration};

use http::{HeaderMap, StatusCode, header};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc2822};
use url::form_urlencoded;

pub(super) use self::members::{expiry, token};
use self::members::{scopes, token_type};
use super::{
    call::Reply,
    json::{at, is_same, is_shallow, scalar},
};
use crate::{
    catalog::connector::Request,
    model::{Secret, Timestamp},
};

/// Bytes a reply may have.
pub const MAX_REPLY_BYTES: usize = 256 * 1024;

/// Levels of JSON a reply may have.
const MAX_DEPTH: usize = 32;

/// The longest wait a provider can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Characters of the provider's own words that are kept.
const MAX_WORDS: usize = 300;

/// Codes by which providers say `invalid_grant` (GitHub, HubSpot, Slack, RFC 6749 §5.2).
const REVOKED: [&str; 4] = ["invalid_grant", "bad_refresh_token", "invalid_refresh_token", "token_revoked"];

/// Codes that blame the client's registration, of OAuth 2 and of OAuth 1.
const CLIENT_FAULTS: [&str; 7] = [
    "invalid_client",
    "unauthorized_client",
    "consumer_key_unknown",
    "consumer_key_rejected",
    "consumer_key_refused",
    "signature_invalid",
    "signature_method_rejected",
];

/// Codes that mean the provider's own trouble although the status says otherwise.
const PASSING: [&str; 6] =
    ["temporarily_unavailable", "server_error", "slow_down", "ratelimited", "rate_limited", "internal_error"];

/// Tokens, as the provider gave them.
pub struct TokenReply {
    /// Visible ASCII.
    pub access_token: Secret<String>,
    /// Absent keeps the old one (RFC 6749 §6).
    pub refresh_token: Option<Secret<String>>,
    /// What OAuth 1 signs with beside the client's secret; none for OAuth 2. May be empty.
    pub token_secret: Option<Secret<String>>,
    /// Lower case; `bearer` when the reply does not say.
    pub token_type: String,
    /// `None` is unknown, not for ever.
    pub expires_at: Option<Timestamp>,
    /// What was granted, when the reply says so.
    pub scopes: Option<Vec<String>>,
    /// The whole reply, for `keep` and the account. As secret as the tokens in it.
    pub body: Value,
}

/// Why there are no tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    /// The provider said no.
    #[error("the provider refused: {code}")]
    Refused {
        /// The provider's code, or `unknown`: 1 to 64 of `a-z 0-9 _ . -`.
        code: String,
        /// The provider's words, for `errorData` only.
        description: Option<Description>,
        /// The client registration is at fault, not the customer.
        client_fault: bool,
    },
    /// Passing trouble of the provider.
    #[error("the provider is in trouble (HTTP {status})")]
    Transient {
        /// HTTP status.
        status: u16,
        /// How long it asks to wait, at most a day.
        retry_after: Option<Duration>,
    },
    /// Neither a token nor a refusal that we understand.
    #[error("the provider's answer cannot be read: {0}")]
    Unreadable(&'static str),
}

impl TokenRefusal {
    /// Whether the grant is gone and the customer has to connect again.
    pub fn is_revoked(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if REVOKED.contains(&code.as_str()))
    }
}

/// Text of the provider: at most 300 printable characters. Not shown by `Debug`, as it may quote a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Description(String);

impl Description {
    /// Keeps what can be shown; `None` when nothing is left.
    pub fn of(text: &str) -> Option<Self> {
        let printable: String = text.chars().filter(|c| is_printable(*c)).take(MAX_WORDS).collect();
        let trimmed = printable.trim();
        (!trimmed.is_empty()).then(|| Self(trimmed.to_owned()))
    }

    /// The text; escape it where it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, to be kept.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Debug for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Description({} characters)", self.0.chars().count())
    }
}

/// A code of the provider in a form that may go anywhere: `unknown` when it is no such code.
pub fn provider_code(text: &str) -> String {
    let code = text.trim().to_ascii_lowercase();
    let fits = (1..=64).contains(&code.len())
        && code.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if fits { code } else { "unknown".to_owned() }
}

/// Reads a reply to `request`.
pub fn token_reply(request: &Request, reply: &Reply, now: Timestamp) -> Result<TokenReply, TokenRefusal> {
    let body = judged(Some(request), reply, now)?;
    read(request, body, now).map_err(TokenRefusal::Unreadable)
}

/// The body of a reply that is neither passing trouble nor a refusal. `request` says how errors hide.
pub(super) fn judged(
    request: Option<&Request>,
    reply: &Reply,
    now: Timestamp,
) -> Result<Value, TokenRefusal> {
    if is_passing(reply.status) {
        return Err(transient(reply, now));
    }
    if reply.status.is_redirection() || reply.status.is_informational() {
        return Err(TokenRefusal::Unreadable("a redirect"));
    }
    let parsed = parse(&reply.body);
    if !reply.status.is_success() {
        let body = parsed.unwrap_or_default();
        return Err(refusal(request, &body, reply, now).unwrap_or_else(|| refused("unknown")));
    }
    let body = parsed.map_err(TokenRefusal::Unreadable)?;
    match refusal(request, &body, reply, now) {
        Some(refusal) => Err(refusal),
        None => Ok(body),
    }
}

fn is_passing(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY
        )
}

fn transient(reply: &Reply, now: Timestamp) -> TokenRefusal {
    TokenRefusal::Transient { status: reply.status.as_u16(), retry_after: retry_after(&reply.headers, now) }
}

/// A refusal of which nothing but the code is known.
pub(super) fn refused(code: &str) -> TokenRefusal {
    TokenRefusal::Refused {
        code: code.to_owned(),
        description: None,
        client_fault: CLIENT_FAULTS.contains(&code),
    }
}

/// `Retry-After` in seconds or as an HTTP date. RFC 9110 §10.2.3.
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => http_date(text)?.since(now),
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

/// A date as HTTP has it today; the two forms of before 1994 are not read.
pub fn http_date(text: &str) -> Option<Timestamp> {
    let date = OffsetDateTime::parse(text.trim(), &Rfc2822).ok()?;
    Some(Timestamp::from_seconds(date.unix_timestamp()))
}

/// JSON whatever its label, or form-encoded pairs.
fn parse(body: &[u8]) -> Result<Value, &'static str> {
    if body.len() > MAX_REPLY_BYTES {
        return Err("too large");
    }
    let text = std::str::from_utf8(body).map_err(|_| "not UTF-8")?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
    if text.is_empty() {
        return Err("empty");
    }
    if text.starts_with(['{', '[']) {
        if !is_shallow(text.as_bytes(), MAX_DEPTH) {
            return Err("too deeply nested");
        }
        return serde_json::from_str(text).map_err(|_| "broken JSON");
    }
    if text.contains('=') && !text.contains(['<', '\n', '"']) {
        let pairs = form_urlencoded::parse(text.as_bytes());
        return Ok(Value::Object(pairs.map(|(name, value)| (name.into_owned(), value.into())).collect()));
    }
    Err("neither JSON nor form-encoded")
}

/// What the body says against us; `None` when it says nothing of the kind.
fn refusal(request: Option<&Request>, body: &Value, reply: &Reply, now: Timestamp) -> Option<TokenRefusal> {
    let (code, words) = match hidden_error(request, body) {
        Some(found) => found,
        None => plain_error(body, reply.status)?,
    };
    let code = provider_code(&code);
    if PASSING.contains(&code.as_str()) {
        return Some(transient(reply, now));
    }
    Some(TokenRefusal::Refused {
        client_fault: CLIENT_FAULTS.contains(&code.as_str()),
        description: words.as_deref().and_then(Description::of),
        code,
    })
}

/// The error the connector told us to look for (`request.error`).
fn hidden_error(request: Option<&Request>, body: &Value) -> Option<(String, Option<String>)> {
    let rule = request?.error.as_ref()?;
    let found = at(body, &rule.field);
    let is_error = match &rule.ok {
        Some(ok) => found.is_some_and(|found| !is_same(found, ok)),
        None => found.is_some_and(is_said),
    };
    if !is_error {
        return None;
    }
    let words = rule.message.as_ref().and_then(|path| scalar(at(body, path)?));
    // Slack says `ok: false, error: "invalid_code"`: a message that is a code is the better code.
    let code = match (&words, plain_code(body)) {
        (_, Some(code)) => code,
        (Some(words), None) if provider_code(words) != "unknown" => words.clone(),
        _ => found.filter(|_| rule.ok.is_none()).and_then(scalar).unwrap_or_default(),
    };
    Some((code, words))
}

/// An error where RFC 6749 §5.2 has it, or where others put it.
fn plain_error(body: &Value, status: StatusCode) -> Option<(String, Option<String>)> {
    let code = plain_code(body).or_else(|| {
        // Only a reply that is an error anyway may be read this freely.
        let loose = ["error_code", "errorCode", "code", "status", "type"];
        if status.is_success() { None } else { loose.iter().find_map(|name| scalar(body.get(name)?)) }
    })?;
    let words = [
        "error_description",
        "error_message",
        "message",
        "error.message",
        "error.error_description",
        "oauth_problem_advice",
    ]
    .iter()
    .find_map(|path| scalar(at(body, path)?));
    Some((code, words))
}

/// The code in `error`: a text, or an object with one. OAuth 1 says `oauth_problem`.
fn plain_code(body: &Value) -> Option<String> {
    match body.get("error") {
        Some(Value::String(code)) if !code.is_empty() => Some(code.clone()),
        Some(Value::Object(error)) => {
            let code = ["error", "code", "type", "status"].iter().find_map(|name| scalar(error.get(*name)?));
            Some(code.unwrap_or_default())
        }
        _ => scalar(body.get("oauth_problem")?).filter(|code| !code.is_empty()),
    }
}

fn is_said(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false)) && value.as_str() != Some("")
}

fn read(request: &Request, body: Value, now: Timestamp) -> Result<TokenReply, &'static str> {
    if !body.is_object() && request.map.is_empty() {
        return Err("not an object");
    }
    let member = |standard: &str| match request.map.get(standard) {
        Some(path) => at(&body, path),
        None => body.get(standard),
    };
    let access_token = token(member("access_token"))?.ok_or("no access token")?;
    let refresh_token = token(member("refresh_token"))?;
    let token_type = token_type(member("token_type"))?;
    let expires_at = expiry(member("expires_in"), request, &body, now);
    let scopes = member("scope").and_then(scopes);
    Ok(TokenReply { access_token, refresh_token, token_secret: None, token_type, expires_at, scopes, body })
}

/// Whether a character can be shown without turning the writing around.
pub(super) fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
#[path = "token_reply_tests.rs"]
mod tests;
