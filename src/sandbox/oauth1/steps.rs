//! The temporary token and the final one (RFC 5849 §2.1, §2.3).

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    problem::{Problem, problem},
    verify::{Secret, Signed, verify},
};
use crate::{
    catalog::connector::{AccountFrom, Request, ScopeAt},
    model::HandleHash,
    sandbox::{
        Sandbox,
        call::{Call, Params},
        cast::Part,
        grant::SLOW,
        kept::plausible,
        memory::Temporary,
        person::Person,
        reply,
        scenario::Scenario,
        signed::{Purpose, Token},
        stats::Count,
        written,
    },
};

/// How long a temporary token waits for the customer and the verifier.
const LIFE: Duration = Duration::from_secs(600);

type Pairs = Vec<(String, String)>;

/// Answers the first call.
pub(in crate::sandbox) async fn request_token(
    sandbox: &Sandbox,
    call: Call,
    body: Body,
    parts: &[Part],
) -> Response {
    let body = call.params(body).await.unwrap_or_default();
    let client = Signed::read(&call).and_then(|signed| signed.get("oauth_consumer_key").map(str::to_owned));
    let named = |part: &&Part| {
        let rest = client.as_deref().and_then(|client| client.strip_prefix("sandbox-"));
        rest == Some(part.connector.key.as_str())
    };
    let part = parts.iter().find(named).unwrap_or(&parts[0]);
    sandbox.stats.add(&part.connector.key, Count::RequestToken);
    let answer = begin(sandbox, &call, &body, part);
    if answer.is_err() {
        sandbox.stats.add(&part.connector.key, Count::TokenRefused);
    }
    told(sandbox, answer)
}

fn begin(sandbox: &Sandbox, call: &Call, body: &Params, part: &Part) -> Result<Pairs, Problem> {
    let option = part.option();
    check_way(call, body, part, option.request_token.as_ref())?;
    let signed = Signed::read(call).ok_or(UNSIGNED)?;
    let client = verify(sandbox, call, body, part, &signed, &Secret::Token(String::new()))?;
    let callback = signed.get("oauth_callback");
    let callback = callback.ok_or(problem("parameter_absent", "oauth_callback is missing."))?;
    if !sandbox.origins.admit(callback) {
        return Err(problem("parameter_rejected", "The sandbox sends no browser to this oauth_callback."));
    }
    let scopes = &option.scopes;
    let asked = body.get(&scopes.param).or_else(|| call.query.get(&scopes.param));
    let token = sandbox.entropy.handle();
    let secret = sandbox.entropy.handle();
    let temporary = Temporary {
        part: part.clone(),
        client,
        secret: secret.expose().to_owned(),
        callback: callback.to_owned(),
        scope: asked.filter(|_| scopes.at == ScopeAt::RequestToken).unwrap_or("").to_owned(),
        until: sandbox.clock.now().plus(LIFE),
        approved: None,
        used: false,
    };
    sandbox.memory.wait(token.hash(), temporary);
    Ok(vec![
        ("oauth_token".to_owned(), token.expose().to_owned()),
        ("oauth_token_secret".to_owned(), secret.expose().to_owned()),
        ("oauth_callback_confirmed".to_owned(), "true".to_owned()),
    ])
}

/// Answers the call that trades a temporary token and its verifier.
pub(in crate::sandbox) async fn access_token(
    sandbox: &Sandbox,
    call: &Call,
    body: &Params,
    part: &Part,
) -> Response {
    let key = part.connector.key.clone();
    sandbox.stats.add(&key, Count::OAuth1Token);
    let scenario = approved(sandbox, call);
    match scenario {
        Some(Scenario::Token500) => {
            sandbox.stats.add(&key, Count::TokenRefused);
            let why = "Chosen on the consent page.";
            return reply::problem(StatusCode::INTERNAL_SERVER_ERROR, "server_error", why);
        }
        Some(Scenario::Token429) => {
            sandbox.stats.add(&key, Count::TokenRefused);
            let why = "Chosen on the consent page.";
            return reply::problem(StatusCode::TOO_MANY_REQUESTS, "rate_limited", why);
        }
        Some(Scenario::Slow) => tokio::time::sleep(SLOW).await,
        _ => {}
    }
    let answer = trade(sandbox, call, body, part);
    if answer.is_err() {
        sandbox.stats.add(&key, Count::TokenRefused);
    }
    told(sandbox, answer)
}

/// The option whose temporary token a call carries.
pub(in crate::sandbox) fn waiting(sandbox: &Sandbox, call: &Call) -> Option<Part> {
    let signed = Signed::read(call)?;
    Some(sandbox.memory.temporary(HandleHash::of(signed.get("oauth_token")?))?.part)
}

fn approved(sandbox: &Sandbox, call: &Call) -> Option<Scenario> {
    let signed = Signed::read(call)?;
    let temporary = sandbox.memory.temporary(HandleHash::of(signed.get("oauth_token")?))?;
    temporary.approved.map(|approved| approved.scenario)
}

fn trade(sandbox: &Sandbox, call: &Call, body: &Params, part: &Part) -> Result<Pairs, Problem> {
    let option = part.option();
    check_way(call, body, part, option.token.as_ref())?;
    let signed = Signed::read(call).ok_or(UNSIGNED)?;
    let text = signed.get("oauth_token").ok_or(problem("parameter_absent", "oauth_token is missing."))?;
    let hash = HandleHash::of(text);
    let temporary = sandbox
        .memory
        .temporary(hash)
        .filter(|temporary| part.is(&temporary.part.connector.key, &temporary.part.option().key))
        .ok_or(problem("token_rejected", "The temporary token is unknown here."))?;
    let secret = Secret::Token(temporary.secret.clone());
    let client = verify(sandbox, call, body, part, &signed, &secret)?;
    if client != temporary.client {
        return Err(problem("token_rejected", "The temporary token belongs to another client."));
    }
    if temporary.until <= sandbox.clock.now() {
        return Err(problem("token_expired", "The temporary token is too old."));
    }
    let approved =
        temporary.approved.ok_or(problem("permission_unknown", "The customer did not decide yet."))?;
    if signed.get("oauth_verifier") != Some(&approved.verifier) {
        return Err(problem("verifier_invalid", "oauth_verifier is missing or not the callback's."));
    }
    if sandbox.memory.trade(hash).is_err() {
        sandbox.stats.add(&part.connector.key, Count::ReuseDetected);
        return Err(problem("token_used", "The temporary token was used before."));
    }
    let lives = option.token.as_ref().and_then(|token| token.expires_in);
    let now = sandbox.clock.now();
    let token = Token {
        grant: sandbox.entropy.uuid(now).to_string(),
        generation: 0,
        connector: part.connector.key.clone(),
        option: option.key.clone(),
        person: approved.person,
        client,
        scope: temporary.scope,
        lives,
        items: approved.scenario.items(),
        raw: false,
        until: lives.map(|seconds| now.plus(Duration::from_secs(seconds)).millis()),
    };
    let access = sandbox.signer.seal(Purpose::Access, &token);
    let secret = sandbox.signer.secret_of(&access);
    let map = option.token.as_ref().map(|token| &token.map);
    let name =
        |standard: &str| map.and_then(|map| map.get(standard)).map_or(standard, String::as_str).to_owned();
    let mut pairs = vec![(name("oauth_token"), access), (name("oauth_token_secret"), secret)];
    pairs.extend(lives.map(|seconds| ("oauth_expires_in".to_owned(), seconds.to_string())));
    pairs.extend(told_too(part, option.token.as_ref(), &call.address.host, approved.person));
    Ok(pairs)
}

/// What the connector keeps of the reply, and whose account it is.
fn told_too(part: &Part, request: Option<&Request>, host: &str, person: Person) -> Pairs {
    let kept = request.into_iter().flat_map(|request| &request.keep);
    let mut pairs: Pairs =
        kept.map(|(name, path)| (path.clone(), plausible(part, host, name, person))).collect();
    let account = part.api().and_then(|api| api.account.as_ref());
    if let Some(account) = account.filter(|account| account.from == AccountFrom::Token) {
        let paths = std::iter::once(&account.id).chain(&account.label);
        pairs.extend(paths.map(|path| (path.clone(), person.said_at(path))));
    }
    pairs
}

const UNSIGNED: Problem =
    problem("parameter_absent", "The call is not signed in its Authorization header (OAuth …).");

/// Method and own parameters are the file's.
fn check_way(call: &Call, body: &Params, part: &Part, request: Option<&Request>) -> Result<(), Problem> {
    let Some(request) = request else { return Ok(()) };
    let wrong = problem("parameter_rejected", "Method or parameters are not what this provider wants.");
    written::right_way(request, call, body, !request.params.is_empty()).map_err(|_| wrong)?;
    let params = written::params_of(request, call, body);
    written::check_params(request, part.option(), params).map_err(|_| wrong)
}

fn told(sandbox: &Sandbox, answer: Result<Pairs, Problem>) -> Response {
    let pairs = match answer {
        Ok(pairs) => pairs,
        Err(problem) => return problem.answer(sandbox.clock.now()),
    };
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    reply::unstored((StatusCode::OK, [(header::CONTENT_TYPE, kind)], body).into_response())
}
