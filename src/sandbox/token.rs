//! The token endpoint: codes and refresh tokens become access tokens; and the revoke endpoint.

use std::time::Duration;

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
};
use axum::{
    Json,
    body::Body,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use crate::{
    catalog::connector::{AuthOption, ClientAuth, Format, Request},
    model::HandleHash,
};

use super::{
    Sandbox,
    call::{Call, Params, decode_form, format_of},
    cast::Part,
    consent::wire,
    grants::Code,
    reply::{self, Granted, Refusal, refusal},
    scenario::Scenario,
    signed::{Purpose, Token, is_token},
    stats::Count,
};

/// How long a token call takes in [`Scenario::Slow`].
const SLOW: Duration = Duration::from_secs(3);
/// `Retry-After` of [`Scenario::Token429`], seconds.
const RETRY_AFTER: &str = "2";

/// What a token call presents.
enum Presented {
    Code(String),
    Refresh(String),
}

/// How a token call ends before it can be granted.
enum Ending {
    Refused(Refusal),
    Broken,
    Limited,
}

impl From<Refusal> for Ending {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Answers a token call.
pub(super) async fn answer(sandbox: &Sandbox, call: Call, body: Body, parts: Vec<Part>) -> Response {
    let used_basic = call.basic().is_some();
    let Some(body) = call.params(body).await else {
        sandbox.stats.add(&parts[0].connector.key, Count::TokenRefused);
        return reply::refused(&parts[0], used_basic, refusal("invalid_request", "The body cannot be read."));
    };
    let (part, presented) = presented(sandbox, &call, &body, &parts);
    let key = part.connector.key.clone();
    let result = match presented {
        Ok(Presented::Code(code)) => {
            sandbox.stats.add(&key, Count::TokenCode);
            redeem(sandbox, &call, &body, &part, &code).await
        }
        Ok(Presented::Refresh(token)) => {
            sandbox.stats.add(&key, Count::TokenRefresh);
            renew(sandbox, &call, &body, &part, &token).map_err(Ending::Refused)
        }
        Err(refusal) => Err(Ending::Refused(refusal)),
    };
    if result.is_err() {
        sandbox.stats.add(&key, Count::TokenRefused);
    }
    match result {
        Ok(response) => response,
        Err(Ending::Refused(refusal)) => reply::refused(&part, used_basic, refusal),
        Err(Ending::Broken) => {
            reply::problem(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "Chosen on the consent page.")
        }
        Err(Ending::Limited) => {
            let response =
                reply::problem(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Chosen on the consent page.");
            ([(header::RETRY_AFTER, RETRY_AFTER)], response).into_response()
        }
    }
}

/// What is presented, and the part it belongs to: several connectors may share one address.
fn presented(
    sandbox: &Sandbox,
    call: &Call,
    body: &Params,
    parts: &[Part],
) -> (Part, Result<Presented, Refusal>) {
    let find = |part: &Part, standard: &str| -> Option<String> {
        let name = wire(part.option(), standard)?;
        body.get(name).or_else(|| call.query.get(name)).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    for part in parts {
        // Some providers call the code in the token call as they do in the callback.
        let other_name = part.option().callback.code.as_str();
        let other = || body.get(other_name).filter(|text| !text.is_empty()).map(str::to_owned);
        if let Some(code) = find(part, "code").or_else(other) {
            let owner = sandbox.grants.code(HandleHash::of(&code)).map(|code| code.part);
            let owner = owner.and_then(|owner| same(parts, &owner.connector.key, &owner.option().key));
            return (owner.unwrap_or_else(|| part.clone()), Ok(Presented::Code(code)));
        }
        // A refresh written out in the file may carry the token under any name.
        let any = || body.values().chain(call.query.values()).find(|text| is_token(text)).map(str::to_owned);
        if let Some(token) = find(part, "refresh_token").or_else(any) {
            let owner = sandbox.signer.open_any(&token);
            let owner = owner.and_then(|owner| same(parts, &owner.connector, &owner.option));
            return (owner.unwrap_or_else(|| part.clone()), Ok(Presented::Refresh(token)));
        }
    }
    let grant = find(&parts[0], "grant_type");
    let refusal = match grant.as_deref() {
        Some("authorization_code" | "refresh_token") => {
            refusal("invalid_request", "The code or refresh token is missing.")
        }
        Some(_) => refusal("unsupported_grant_type", "Only authorization_code and refresh_token are played."),
        None => refusal("invalid_request", "grant_type is missing."),
    };
    (parts[0].clone(), Err(refusal))
}

fn same(parts: &[Part], connector: &str, option: &str) -> Option<Part> {
    parts.iter().find(|part| part.is(connector, option)).cloned()
}

/// Trades a code for tokens.
async fn redeem(
    sandbox: &Sandbox,
    call: &Call,
    body: &Params,
    part: &Part,
    code: &str,
) -> Result<Response, Ending> {
    let option = part.option();
    let params = Sent::read(call, body, option.token.as_ref(), option)?;
    params.check_grant("authorization_code")?;
    let client = params.client()?;
    let hash = HandleHash::of(code);
    let code =
        sandbox.grants.code(hash).filter(|code| part.is(&code.part.connector.key, &code.part.option().key));
    let code = code.ok_or(refusal("invalid_grant", "The code is unknown here."))?;
    params.check_code(&code, client.as_deref())?;
    match code.scenario {
        Scenario::Token500 => return Err(Ending::Broken),
        Scenario::Token429 => return Err(Ending::Limited),
        _ => {}
    }
    if code.has_expired(sandbox.clock.now()) && !code.used {
        return Err(refusal("invalid_grant", "The code has expired.").into());
    }
    if sandbox.grants.spend(hash).is_err() {
        sandbox.stats.add(&part.connector.key, Count::ReuseDetected);
        return Err(refusal("invalid_grant", "The code was used before; its tokens are revoked now.").into());
    }
    if code.scenario == Scenario::Slow {
        tokio::time::sleep(SLOW).await;
    }
    let keeps_alive = option.refresh.is_some() && code.scenario != Scenario::NoRefresh;
    let token = Token {
        grant: code.grant,
        generation: 0,
        connector: part.connector.key.clone(),
        option: option.key.clone(),
        person: code.person,
        client: code.client,
        scope: code.scope,
        lives: code.lives,
        until: None,
    };
    let refresh = if keeps_alive { Fresh::Yes } else { Fresh::No };
    Ok(issue(sandbox, part, &call.address.host, token, refresh))
}

/// Trades a refresh token for a new access token.
fn renew(
    sandbox: &Sandbox,
    call: &Call,
    body: &Params,
    part: &Part,
    text: &str,
) -> Result<Response, Refusal> {
    let option = part.option();
    let Some(refresh) = &option.refresh else {
        return Err(refusal(
            "unsupported_grant_type",
            "This connector's file says that nothing is refreshed.",
        ));
    };
    let request = refresh.request.as_ref().or(option.token.as_ref());
    if !refresh.template {
        let params = Sent::read(call, body, request, option)?;
        params.check_grant("refresh_token")?;
        let client = params.client()?;
        let token: Option<Token> = sandbox.signer.open(Purpose::Refresh, text);
        if token.is_some_and(|token| client.is_some_and(|client| client != token.client)) {
            return Err(refusal("invalid_grant", "The refresh token belongs to another client."));
        }
    }
    let token: Token = sandbox
        .signer
        .open(Purpose::Refresh, text)
        .filter(|token: &Token| part.is(&token.connector, &token.option))
        .ok_or(refusal("invalid_grant", "The refresh token is unknown here."))?;
    if sandbox.grants.is_revoked(&token.grant) {
        return Err(refusal("invalid_grant", "The grant was revoked."));
    }
    if token.has_expired(sandbox.clock.now()) {
        return Err(refusal("invalid_grant", "The refresh token has expired."));
    }
    if refresh.rotates != Some(true) {
        return Ok(issue(sandbox, part, &call.address.host, token, Fresh::No));
    }
    let Ok(generation) = sandbox.grants.rotate(&token.grant, token.generation) else {
        sandbox.stats.add(&part.connector.key, Count::ReuseDetected);
        return Err(refusal("invalid_grant", "The refresh token was used before; its grant is revoked now."));
    };
    Ok(issue(sandbox, part, &call.address.host, Token { generation, ..token }, Fresh::Yes))
}

/// Whether a new refresh token goes out with the access token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fresh {
    Yes,
    No,
}

fn issue(sandbox: &Sandbox, part: &Part, host: &str, token: Token, refresh: Fresh) -> Response {
    let now = sandbox.clock.now();
    let ends = token.lives.map(|seconds| now.plus(Duration::from_secs(seconds)));
    let refresh_lives = part.option().refresh.as_ref().and_then(|refresh| refresh.expires_in);
    let refresh_ends = refresh_lives.map(|seconds| now.plus(Duration::from_secs(seconds)).millis());
    let access = Token { until: ends.map(|time| time.millis()), ..token.clone() };
    let renewing = Token { until: refresh_ends, ..token.clone() };
    let granted = Granted {
        access_token: sandbox.signer.seal(Purpose::Access, &access),
        refresh_token: (refresh == Fresh::Yes).then(|| sandbox.signer.seal(Purpose::Refresh, &renewing)),
        expires_in: token.lives,
        expires_at: ends.map(|time| time.rfc3339()),
        scope: token.scope,
    };
    reply::granted(part, host, token.person, granted)
}

/// Ends the grant of whatever token the call carries, wherever it carries it (RFC 7009).
pub(super) async fn revoke(sandbox: &Sandbox, call: Call, body: Body, parts: &[Part]) -> Response {
    sandbox.stats.add(&parts[0].connector.key, Count::Revoke);
    let Some(body) = call.params(body).await else {
        return reply::problem(StatusCode::BAD_REQUEST, "invalid_request", "The body cannot be read.");
    };
    let path = super::call::decode(&call.address.path);
    let headers =
        call.headers.values().filter_map(|value| value.to_str().ok()).flat_map(str::split_whitespace);
    let basic = call.basic().map(|(name, password)| [name, password]).unwrap_or_default();
    let texts = body.values().chain(call.query.values()).chain(path.split('/')).chain(headers);
    for text in texts.chain(basic.iter().map(String::as_str)) {
        if let Some(token) = sandbox.signer.open_any(text) {
            sandbox.grants.revoke(&token.grant);
        }
    }
    reply::unstored((StatusCode::OK, Json(json!({}))).into_response())
}

/// The parameters of a token call, read the way the connector's file says they travel.
struct Sent<'a> {
    call: &'a Call,
    params: &'a Params,
    option: &'a AuthOption,
}

impl<'a> Sent<'a> {
    fn read(
        call: &'a Call,
        body: &'a Params,
        request: Option<&Request>,
        option: &'a AuthOption,
    ) -> Result<Self, Refusal> {
        let Some(request) = request else { return Ok(Self { call, params: body, option }) };
        if call.method != request.method {
            return Err(refusal("invalid_request", "This provider wants another HTTP method here."));
        }
        let format = format_of(request);
        let params = if format == Format::Query { &call.query } else { body };
        if params.format != Some(format) {
            return Err(refusal("invalid_request", "This provider wants its parameters in another format."));
        }
        Ok(Self { call, params, option })
    }

    fn get(&self, standard: &str) -> Option<&str> {
        self.params.get(wire(self.option, standard)?)
    }

    /// The parameter has this value, unless the provider knows no such parameter.
    fn check_grant(&self, grant: &str) -> Result<(), Refusal> {
        let unknown = wire(self.option, "grant_type").is_none();
        if unknown || self.get("grant_type") == Some(grant) {
            return Ok(());
        }
        Err(refusal("unsupported_grant_type", "grant_type does not fit what is presented."))
    }

    /// The client that proved itself; none where the provider wants no client id.
    fn client(&self) -> Result<Option<String>, Refusal> {
        let bad = refusal("invalid_client", "The client did not prove itself the way this provider wants.");
        let raw = self.call.basic();
        let (id, secret) = match self.option.client_auth {
            ClientAuth::Basic => {
                raw.map(|(id, secret)| (decode_form(&id), decode_form(&secret))).ok_or(bad)?
            }
            ClientAuth::BasicRaw => raw.ok_or(bad)?,
            ClientAuth::None => return Ok(self.get("client_id").map(str::to_owned)),
            ClientAuth::Body | ClientAuth::PrivateKeyJwt => {
                if raw.is_some() {
                    return Err(bad);
                }
                let sent = |name| match wire(self.option, name) {
                    None => Some(String::new()),
                    Some(_) => self.get(name).filter(|text| !text.is_empty()).map(str::to_owned),
                };
                (sent("client_id").ok_or(bad)?, sent("client_secret").ok_or(bad)?)
            }
        };
        let wants_secret = wire(self.option, "client_secret").is_some();
        if wants_secret && !proves(&id, &secret) {
            return Err(bad);
        }
        Ok(wire(self.option, "client_id").map(|_| id))
    }

    /// The code was made for this client, this redirect address and this verifier.
    fn check_code(&self, code: &Code, client: Option<&str>) -> Result<(), Refusal> {
        if client.is_some_and(|client| client != code.client) {
            return Err(refusal("invalid_grant", "The code belongs to another client."));
        }
        let repeats = wire(self.option, "redirect_uri").is_some();
        if repeats && self.get("redirect_uri") != Some(code.redirect_uri.as_str()) {
            return Err(refusal("invalid_grant", "redirect_uri is not the one of the authorize address."));
        }
        let Some(challenge) = &code.challenge else { return Ok(()) };
        let verifier = self.get("code_verifier").filter(|verifier| (43..=128).contains(&verifier.len()));
        let computed = verifier.map(|verifier| URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes())));
        if computed.as_ref() != Some(challenge) {
            return Err(refusal("invalid_grant", "code_verifier does not fit code_challenge (RFC 7636)."));
        }
        Ok(())
    }
}

/// `sandbox-X` has the secret `sandbox-secret-X`; any other client has any secret but none.
fn proves(id: &str, secret: &str) -> bool {
    match id.strip_prefix("sandbox-") {
        Some(rest) => {
            verify_slices_are_equal(format!("sandbox-secret-{rest}").as_bytes(), secret.as_bytes()).is_ok()
        }
        None => !secret.is_empty(),
    }
}
