//! The protected side: a small answer for everyone whose credentials are good.

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::catalog::connector::{AccountFrom, AuthOption, AuthType, Basic, Usage};

use super::{
    Sandbox,
    call::Call,
    cast::{Part, Role, is_played},
    pattern::{Captured, Pattern},
    person::Person,
    reply,
    signed::{Purpose, Token, is_token},
    stats::Count,
};

/// The word a key must contain to be accepted.
const KEY_WORD: &str = "sandbox";

/// Why credentials are not good.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Refused {
    Missing,
    Unknown,
    Expired,
    Revoked,
}

impl Refused {
    const fn why(self) -> &'static str {
        match self {
            Self::Missing => "No credentials came where this provider expects them.",
            Self::Unknown => "The credentials are not known here. A key must contain the word sandbox.",
            Self::Expired => "The access token has expired.",
            Self::Revoked => "The access was revoked.",
        }
    }
}

/// Answers an API call.
pub(super) fn answer(sandbox: &Sandbox, call: &Call, parts: &[Part]) -> Response {
    let played: Vec<&Part> = parts.iter().filter(|part| is_played(part.option())).collect();
    let Some(first) = played.first() else { return reply::unplayed(&parts[0]) };
    let judged: Vec<_> = played.iter().map(|part| (part, judge(sandbox, call, part))).collect();
    let good = judged.iter().find_map(|(part, verdict)| verdict.as_ref().ok().map(|person| (*part, *person)));
    let part = good.map_or(first, |(part, _)| part);
    sandbox.stats.add(&part.connector.key, Count::Api);
    if let Some((part, person)) = good {
        return account(call, part, person);
    }
    sandbox.stats.add(&part.connector.key, Count::ApiRefused);
    // The most particular reason is the helpful one.
    let worst = judged
        .into_iter()
        .filter_map(|(part, verdict)| verdict.err().map(|why| (why, *part)))
        .max_by_key(|(why, _)| *why);
    let (why, part) = worst.unwrap_or((Refused::Missing, first));
    unauthorized(part, why)
}

fn judge(sandbox: &Sandbox, call: &Call, part: &Part) -> Result<Person, Refused> {
    let option = part.option();
    let presented = presented(option, call).ok_or(Refused::Missing)?;
    if option.kind == AuthType::OAuth2 {
        let text = presented.get("access_token").ok_or(Refused::Missing)?;
        let token: Token = sandbox.signer.open(Purpose::Access, text).ok_or(Refused::Unknown)?;
        return match token {
            token if !part.is(&token.connector, &token.option) => Err(Refused::Unknown),
            token if sandbox.grants.is_revoked(&token.grant) => Err(Refused::Revoked),
            token if token.has_expired(sandbox.clock.now()) => Err(Refused::Expired),
            token => Ok(token.person),
        };
    }
    let secret = |name: &str| option.fields.iter().any(|field| field.secret && field.name == name);
    let some_secret = presented.keys().any(|name| secret(name));
    let mut keys = presented.iter().filter(|(name, _)| secret(name) || !some_secret).map(|(_, value)| value);
    let is_key = |key: &String| key.to_ascii_lowercase().contains(KEY_WORD) && !is_token(key);
    if presented.is_empty() || !keys.all(is_key) {
        return Err(Refused::Unknown);
    }
    let all: Vec<&str> = presented.values().map(String::as_str).collect();
    Ok(Person::of_key(&all.join(" ")))
}

/// The credentials found where the connector's file puts them; none when a part is missing.
fn presented(option: &AuthOption, call: &Call) -> Option<Captured> {
    let Usage { headers, query, basic, .. } = &option.usage;
    let mut found = Captured::new();
    for (name, template) in headers {
        let pattern = Pattern::of(template.source());
        match call.header(name) {
            Some(value) if pattern.names().next().is_some() => found.extend(pattern.capture(value)?),
            None if !may_be_absent(option, &pattern) => return None,
            _ => {}
        }
    }
    for (name, template) in query {
        let pattern = Pattern::of(template.source());
        match call.query.get(name) {
            Some(value) if pattern.names().next().is_some() => found.extend(pattern.capture(value)?),
            None if !may_be_absent(option, &pattern) => return None,
            _ => {}
        }
    }
    if let Some(Basic { username, password }) = basic {
        let (name, word) = call.basic()?;
        found.extend(side(username.source(), &name)?);
        found.extend(side(password.source(), &word)?);
    }
    if found.is_empty() { usual(option, call) } else { Some(found) }
}

/// One side of HTTP Basic; a fixed or an empty one has to be exactly that.
fn side(source: &str, value: &str) -> Option<Captured> {
    Pattern::of(source).capture(value)
}

/// A fixed header is no credential, and one of optional fields may be left out.
fn may_be_absent(option: &AuthOption, pattern: &Pattern) -> bool {
    pattern.names().all(|name| option.fields.iter().any(|field| field.name == name && !field.required))
}

/// Where credentials are when the file does not say.
fn usual(option: &AuthOption, call: &Call) -> Option<Captured> {
    match option.kind {
        AuthType::OAuth2 => {
            call.bearer().map(|token| Captured::from([("access_token".to_owned(), token.to_owned())]))
        }
        AuthType::Basic => {
            call.basic().map(|(_, password)| Captured::from([("password".to_owned(), password)]))
        }
        _ => None,
    }
}

/// The answer to good credentials.
fn account(call: &Call, part: &Part, person: Person) -> Response {
    let host = &call.address.host;
    let mut body = json!({});
    match part.role {
        Role::Test => {
            let test = part.api().and_then(|api| api.test.as_ref());
            reply::furnish(&mut body, part, test, host, person);
            reply::identify(&mut body, part, AccountFrom::Test, person);
        }
        Role::Discover(at) => body = discovered(part, at, host, person),
        _ => {
            body = json!({
                "sandbox": true,
                "connector": part.connector.key,
                "account": person.key(),
                "method": call.method.as_str(),
                "path": call.address.path,
            });
        }
    }
    reply::unstored((StatusCode::OK, Json(body)).into_response())
}

/// A list of one thing, as the connector's file looks for it.
fn discovered(part: &Part, at: usize, host: &str, person: Person) -> Value {
    let Some(discover) = part.option().discover.get(at) else { return json!([]) };
    let mut item = json!({});
    for (name, path) in &discover.request.keep {
        reply::put(&mut item, path, json!(reply::plausible(part, host, name, person)));
    }
    if let Some(pick) = &discover.pick {
        reply::put(&mut item, &pick.label, json!(person.name()));
        reply::put(&mut item, &pick.id, json!(person.said_at("id")));
    }
    for (path, value) in &discover.filter {
        reply::put(&mut item, path, value.clone());
    }
    match &discover.items {
        Some(items) => {
            let mut body = json!({});
            reply::put(&mut body, items, json!([item]));
            body
        }
        None => json!([item]),
    }
}

/// The answer to bad ones, as the connector's file recognises it.
fn unauthorized(part: &Part, why: Refused) -> Response {
    let code = if why == Refused::Missing { "missing_credentials" } else { "invalid_token" };
    let mut body = json!({ "error": code, "message": why.why() });
    let expired = part.api().map(|api| &api.expired);
    if let Some((field, value)) =
        expired.and_then(|expired| expired.field.as_ref().zip(expired.equals.as_ref()))
    {
        reply::put(&mut body, field, value.clone());
    }
    let status =
        expired.and_then(|expired| expired.status.first()).and_then(|code| StatusCode::from_u16(*code).ok());
    let challenge = if part.option().usage.basic.is_some() {
        "Basic realm=\"sandbox\""
    } else if why == Refused::Missing {
        "Bearer realm=\"sandbox\""
    } else {
        "Bearer realm=\"sandbox\", error=\"invalid_token\""
    };
    let mut response = (status.unwrap_or(StatusCode::UNAUTHORIZED), Json(body)).into_response();
    let name: HeaderName = header::WWW_AUTHENTICATE;
    response.headers_mut().insert(name, HeaderValue::from_static(challenge));
    reply::unstored(response)
}
