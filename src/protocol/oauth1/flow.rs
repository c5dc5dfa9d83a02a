//! From the temporary token over the provider's page to the final one. RFC 5849 §2.

use http::header;
use serde_json::Value;
use url::Url;

use crate::{
    catalog::connector::{AuthOption, Request, ScopeAt},
    model::{Secret, Timestamp},
    protocol::{
        call::Reply,
        endpoint::Endpoint,
        json::{at, scalar},
        params::{Binding, Params, assemble, put, scopes},
        token_reply::{TokenRefusal, TokenReply, expiry, http_date, judged, provider_code, refused, token},
    },
};

/// Ties the provider's answer to the attempt; a connector cannot set it.
const BINDING: [&str; 1] = ["oauth_token"];

/// Bytes a token secret may have.
const MAX_SECRET_BYTES: usize = 16 * 1024;

/// A token that is good for one visit to the provider.
pub struct TemporaryToken {
    /// Comes back with the callback.
    pub token: String,
    /// Signs the token call.
    pub secret: Secret<String>,
}

/// Scope parameters of the first call, where the option sends them there.
pub fn request_token_params(option: &AuthOption, asked: &[String]) -> Vec<(String, String)> {
    if option.scopes.at == ScopeAt::RequestToken { scopes(option, asked) } else { Vec::new() }
}

/// Reads the answer to the first call. §2.1.
///
/// Without `oauth_callback_confirmed=true` the provider may have ignored our callback address, and
/// then an attacker could finish the flow: such an answer is refused.
pub fn temporary_reply(reply: &Reply, now: Timestamp) -> Result<TemporaryToken, TokenRefusal> {
    let body = said(None, reply, now)?;
    let (found, secret) =
        pair(body.get("oauth_token"), body.get("oauth_token_secret")).map_err(TokenRefusal::Unreadable)?;
    let confirmed = body.get("oauth_callback_confirmed").and_then(scalar).unwrap_or_default();
    if !confirmed.eq_ignore_ascii_case("true") {
        return Err(refused("callback_not_confirmed"));
    }
    Ok(TemporaryToken { token: found.expose().clone(), secret })
}

/// Reads the answer to the token call. §2.3.
pub fn token_reply(request: &Request, reply: &Reply, now: Timestamp) -> Result<TokenReply, TokenRefusal> {
    let body = said(Some(request), reply, now)?;
    let member = |standard: &str, own: &str| match request.map.get(standard) {
        Some(path) => at(&body, path),
        None => body.get(own),
    };
    let (access_token, secret) =
        pair(member("access_token", "oauth_token"), member("token_secret", "oauth_token_secret"))
            .map_err(TokenRefusal::Unreadable)?;
    let expires_at = expiry(member("expires_in", "oauth_expires_in"), request, &body, now);
    Ok(TokenReply {
        access_token,
        refresh_token: None,
        token_secret: Some(secret),
        token_type: "oauth".to_owned(),
        expires_at,
        scopes: None,
        body,
    })
}

/// Where the browser goes to ask for consent. §2.2.
pub fn authorize_url(option: &AuthOption, endpoint: &Endpoint, token: &str, asked: &[String]) -> Url {
    let mut bound = Params::new();
    put(&mut bound, option, "oauth_token", token);
    let plain = if option.scopes.at == ScopeAt::Authorize { scopes(option, asked) } else { Params::new() };
    assemble(endpoint, option, plain, Binding { names: &BINDING, params: bound })
}

/// Seconds the provider's clock is ahead of ours, by its `Date` header. §3.3.
pub fn clock_offset(reply: &Reply, now: Timestamp) -> Option<i64> {
    let date = http_date(reply.headers.get(header::DATE)?.to_str().ok()?)?;
    Some(date.seconds().saturating_sub(now.seconds()))
}

/// The body when it is no refusal. Some providers name the problem in a header only.
fn said(request: Option<&Request>, reply: &Reply, now: Timestamp) -> Result<Value, TokenRefusal> {
    judged(request, reply, now).map_err(|refusal| match refusal {
        TokenRefusal::Refused { ref code, .. } if code == "unknown" => {
            problem_in_header(reply).map_or(refusal, |problem| refused(&problem))
        }
        other => other,
    })
}

/// `WWW-Authenticate: OAuth realm="…", oauth_problem="…"`.
fn problem_in_header(reply: &Reply) -> Option<String> {
    let challenges = reply.headers.get_all(header::WWW_AUTHENTICATE).iter();
    let parts = challenges
        .filter_map(|challenge| challenge.to_str().ok())
        .flat_map(|text| text.split([',', ' ']).filter_map(|part| part.trim().split_once('=')));
    let mut problems = parts.filter(|(name, _)| *name == "oauth_problem");
    problems.next().map(|(_, problem)| provider_code(problem.trim_matches('"')))
}

/// A token and its secret. The secret only signs, so it may have any characters and even be empty.
fn pair(
    found: Option<&Value>,
    secret: Option<&Value>,
) -> Result<(Secret<String>, Secret<String>), &'static str> {
    let found = token(found)?.ok_or("no token")?;
    match secret {
        Some(Value::String(secret)) if secret.len() <= MAX_SECRET_BYTES => {
            Ok((found, Secret::from(secret.as_str())))
        }
        Some(Value::String(_)) => Err("a token secret of more than 16 KiB"),
        Some(_) => Err("a token secret that is not a text"),
        None => Err("no token secret"),
    }
}
