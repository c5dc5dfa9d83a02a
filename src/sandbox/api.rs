//! The protected side: a small answer for everyone whose credentials are good.

use axum::{
    Json,
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::catalog::connector::{AccountFrom, AuthOption, AuthType, Basic, Request, Usage};

use super::{
    Sandbox,
    assertion::{Assertion, DAY},
    call::{Call, Params},
    cast::{Part, Role},
    client::check_written,
    discover,
    oauth1::{self, Problem},
    pattern::{Captured, Pattern},
    person::Person,
    reply,
    signed::{Purpose, Token, is_token},
    stats::Count,
    written,
};

/// The word a key must contain to be accepted.
const KEY_WORD: &str = "sandbox";

/// Why credentials are not good; the last is the most particular.
enum Refused {
    Missing,
    Unknown,
    Doubted(String),
    Unsigned(Problem),
    Unswapped,
    Expired,
    Revoked,
}

impl Refused {
    fn rank(&self) -> u8 {
        match self {
            // Signed for another option at this address.
            Self::Unsigned(Problem { code: "signature_method_rejected" | "token_rejected", .. }) => 1,
            Self::Missing => 0,
            Self::Unknown => 1,
            Self::Doubted(_) => 2,
            Self::Unsigned(_) => 3,
            Self::Unswapped => 4,
            Self::Expired => 5,
            Self::Revoked => 6,
        }
    }

    fn why(&self) -> &str {
        match self {
            Self::Missing => "No credentials came where this provider expects them.",
            Self::Unknown => "The credentials are not known here. A key must contain the word sandbox.",
            Self::Doubted(why) => why,
            Self::Unsigned(problem) => problem.why,
            Self::Unswapped => "The fresh token opens nothing before it was swapped (exchange).",
            Self::Expired => "The access token has expired.",
            Self::Revoked => "The access was revoked.",
        }
    }
}

/// Whose credentials came.
#[derive(Clone, Copy)]
struct Owner {
    person: Person,
    /// How many workspaces the account has.
    items: u8,
}

impl Owner {
    fn of_key(words: &str) -> Self {
        Self { person: Person::of_key(words), items: Person::items_of_key(words) }
    }
}

/// Answers an API call.
pub(super) async fn answer(sandbox: &Sandbox, call: Call, body: Body, parts: &[Part]) -> Response {
    let signs = parts.iter().any(|part| part.option().usage.sign) && call.has_form();
    let writes = parts.iter().any(|part| request_of(part).is_some());
    let body = if signs || writes { call.params(body).await } else { None }.unwrap_or_default();
    let judged = first_good(sandbox, &call, &body, parts);
    let part = judged.as_ref().map_or(&parts[0], |(part, _)| part);
    let key = &part.connector.key;
    sandbox.stats.add(key, Count::Api);
    let roles = parts.iter().filter(|one| one.is(key, &part.option().key)).map(|one| one.role);
    let roles: Vec<Role> = roles.collect();
    if roles.iter().any(|role| matches!(role, Role::Discover(_))) {
        sandbox.stats.add(key, Count::Discover);
    }
    let refused = match judged {
        Ok((part, owner)) => return account(&call, part, &roles, owner),
        Err(refused) => refused,
    };
    sandbox.stats.add(key, Count::ApiRefused);
    // The most particular reason is the helpful one.
    let worst = refused.into_iter().max_by_key(|(why, _)| why.rank());
    let (why, part) = worst.unwrap_or((Refused::Missing, part));
    let mut response = unauthorized(part, &why);
    if matches!(why, Refused::Unsigned(_)) {
        oauth1::tell_time(&mut response, sandbox.clock.now());
    }
    response
}

/// The first part whose credentials are good, and why those before it are not. Nothing is judged after
/// it: a nonce is good once.
fn first_good<'a>(
    sandbox: &Sandbox,
    call: &Call,
    body: &Params,
    parts: &'a [Part],
) -> Result<(&'a Part, Owner), Vec<(Refused, &'a Part)>> {
    let mut refused: Vec<(Refused, &Part)> = Vec::new();
    for part in parts {
        let is_judged = refused.iter().any(|(_, other)| part.is(&other.connector.key, &other.option().key));
        if is_judged && part.role == Role::Api {
            continue;
        }
        match judge(sandbox, call, body, part) {
            Ok(owner) => return Ok((part, owner)),
            Err(why) => refused.push((why, part)),
        }
    }
    Err(refused)
}

fn judge(sandbox: &Sandbox, call: &Call, body: &Params, part: &Part) -> Result<Owner, Refused> {
    let option = part.option();
    if option.usage.sign {
        let signed = oauth1::Signed::read(call).ok_or(Refused::Missing)?;
        let (person, items) = oauth1::api(sandbox, call, body, part, &signed).map_err(Refused::Unsigned)?;
        return Ok(Owner { person, items });
    }
    let presented = presented(part, call, body).ok_or(Refused::Missing)?;
    if let Some(text) = presented.get("access_token") {
        return judge_token(sandbox, part, &presented, text);
    }
    if let Some(text) = presented.get("jwt") {
        return judge_jwt(sandbox, option, text);
    }
    let secret = |name: &str| option.fields.iter().any(|field| field.secret && field.name == name);
    let some_secret = presented.keys().any(|name| secret(name));
    let mut keys = presented.iter().filter(|(name, _)| secret(name) || !some_secret).map(|(_, value)| value);
    let is_key = |key: &String| key.to_ascii_lowercase().contains(KEY_WORD) && !is_token(key);
    if presented.is_empty() || !keys.all(is_key) {
        return Err(Refused::Unknown);
    }
    let all: Vec<&str> = presented.values().map(String::as_str).collect();
    Ok(Owner::of_key(&all.join(" ")))
}

fn judge_token(sandbox: &Sandbox, part: &Part, presented: &Captured, text: &str) -> Result<Owner, Refused> {
    let token: Token = sandbox.signer.open(Purpose::Access, text).ok_or(Refused::Unknown)?;
    if !part.takes(&token.connector, &token.option) {
        return Err(Refused::Unknown);
    }
    let by_client = matches!(part.option().kind, AuthType::OAuth2 | AuthType::ClientCredentials);
    if by_client && !token.client.is_empty() && check_written(presented, &token.client).is_err() {
        return Err(Refused::Doubted("The call names another client than the token's.".to_owned()));
    }
    match token {
        token if sandbox.memory.is_revoked(&token.grant) => Err(Refused::Revoked),
        token if token.has_expired(sandbox.clock.now()) => Err(Refused::Expired),
        token if token.raw && !is_before_swap(part) => Err(Refused::Unswapped),
        token => Ok(Owner { person: token.person, items: token.items }),
    }
}

/// The swap needs what this call finds out, so it comes first.
fn is_before_swap(part: &Part) -> bool {
    let option = part.option();
    let found = |name: &str| option.discover.iter().any(|discover| discover.request.keep.contains_key(name));
    let swap = option.exchange.as_ref();
    matches!(part.role, Role::Discover(_))
        && swap.is_some_and(|swap| written::names(swap).any(|name| found(&name)))
}

/// A call that carries a token signed for it, without a token call before.
fn judge_jwt(sandbox: &Sandbox, option: &AuthOption, text: &str) -> Result<Owner, Refused> {
    let assertion = Assertion::read(text).ok_or(Refused::Unknown)?;
    let now = sandbox.clock.now();
    match &option.jwt {
        Some(jwt) => drop(assertion.check(option, jwt, now).map_err(Refused::Doubted)?),
        None => {
            assertion.check_time(now, DAY).map_err(Refused::Doubted)?;
            if assertion.claim("iss").is_none_or(|issuer| issuer.is_empty()) {
                return Err(Refused::Doubted("The signed token has no iss.".to_owned()));
            }
        }
    }
    Ok(Owner::of_key(&assertion.words()))
}

/// The file's own request, when this call is one and it says itself where the token goes.
fn request_of(part: &Part) -> Option<&Request> {
    let request = match part.role {
        Role::Test => part.api().and_then(|api| api.test.as_ref()),
        Role::Discover(at) => part.option().discover.get(at).map(|discover| &discover.request),
        _ => None,
    };
    request.filter(|request| written::places(request, &["access_token", "jwt"]))
}

/// The credentials found where the connector's file puts them; none when a part is missing.
fn presented(part: &Part, call: &Call, body: &Params) -> Option<Captured> {
    let option = part.option();
    if let Some(request) = request_of(part) {
        return written::capture(request, option, call, body).ok();
    }
    let Usage { headers, query, basic, .. } = &option.usage;
    let mut found = Captured::new();
    let sent_headers = headers.iter().map(|(name, template)| (template, call.header(name)));
    let sent_query = query.iter().map(|(name, template)| (template, call.query.get(name)));
    for (template, value) in sent_headers.chain(sent_query) {
        let pattern = Pattern::of(template.source());
        match value {
            Some(value) if pattern.names().next().is_some() => found.extend(pattern.capture(value)?),
            None if !may_be_absent(part, &pattern) => return None,
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

/// A fixed header is no credential, one of optional fields may be left out, and what is still to be
/// discovered cannot be there.
fn may_be_absent(part: &Part, pattern: &Pattern) -> bool {
    let option = part.option();
    let optional = |name: &str| option.fields.iter().any(|field| field.name == name && !field.required);
    let discovers = matches!(part.role, Role::Discover(_));
    let to_come = |name: &str| {
        discovers && option.discover.iter().any(|discover| discover.request.keep.contains_key(name))
    };
    pattern.names().all(|name| optional(name) || to_come(name))
}

/// Where credentials are when the file does not say.
fn usual(option: &AuthOption, call: &Call) -> Option<Captured> {
    let one = |name: &str, value: &str| Captured::from([(name.to_owned(), value.to_owned())]);
    let has_token = option.token.is_some();
    match option.kind {
        AuthType::Basic => call.basic().map(|(_, password)| one("password", &password)),
        AuthType::MembraneToken => call.bearer().map(|token| one("jwt", token)),
        AuthType::Jwt if !has_token => call.bearer().map(|token| one("jwt", token)),
        AuthType::Proxy => call.bearer().map(|token| one("credentials", token)),
        _ if has_token => call.bearer().map(|token| one("access_token", token)),
        _ => None,
    }
}

/// The answer to good credentials: of every role the address has for the option.
fn account(call: &Call, part: &Part, roles: &[Role], owner: Owner) -> Response {
    let host = &call.address.host;
    let mut body = json!({});
    for role in roles {
        if let Role::Discover(at) = role {
            body = discover::found(part, *at, host, owner.person, owner.items);
            let request = part.option().discover.get(*at).map(|discover| &discover.request);
            if body.is_object() {
                reply::approve(&mut body, request);
            }
        }
    }
    if roles.contains(&Role::Test) {
        let test = part.api().and_then(|api| api.test.as_ref());
        if body.is_object() {
            reply::furnish(&mut body, part, test, host, owner.person);
        }
        reply::identify(&mut body, part, AccountFrom::Test, owner.person);
    } else if roles.iter().all(|role| *role == Role::Api) {
        body = json!({
            "sandbox": true,
            "connector": part.connector.key,
            "account": owner.person.key(),
            "method": call.method.as_str(),
            "path": call.address.path,
        });
    }
    reply::unstored((StatusCode::OK, Json(body)).into_response())
}

/// The answer to bad ones, as the connector's file recognises it.
fn unauthorized(part: &Part, why: &Refused) -> Response {
    let is_missing = matches!(why, Refused::Missing);
    let code = if is_missing { "missing_credentials" } else { "invalid_token" };
    let mut body = json!({ "error": code, "message": why.why() });
    let test = part.api().and_then(|api| api.test.as_ref()).filter(|_| part.role == Role::Test);
    if let Some(error) = test.and_then(|test| test.error.as_ref()) {
        body = reply::in_good_body(error, code);
    }
    let expired = part.api().map(|api| &api.expired);
    if let Some((field, value)) =
        expired.and_then(|expired| expired.field.as_ref().zip(expired.equals.as_ref()))
    {
        reply::put(&mut body, field, value.clone());
    }
    let status =
        expired.and_then(|expired| expired.status.first()).and_then(|code| StatusCode::from_u16(*code).ok());
    let challenge = match why {
        Refused::Unsigned(problem) => problem.challenge(),
        _ if part.option().usage.sign => HeaderValue::from_static("OAuth realm=\"sandbox\""),
        _ if part.option().usage.basic.is_some() => HeaderValue::from_static("Basic realm=\"sandbox\""),
        Refused::Missing => HeaderValue::from_static("Bearer realm=\"sandbox\""),
        _ => HeaderValue::from_static("Bearer realm=\"sandbox\", error=\"invalid_token\""),
    };
    let mut response = (status.unwrap_or(StatusCode::UNAUTHORIZED), Json(body)).into_response();
    let name: HeaderName = header::WWW_AUTHENTICATE;
    response.headers_mut().insert(name, challenge);
    reply::unstored(response)
}
