//! The second call of an option that swaps its fresh token for a longer-lived one.

use axum::response::Response;

use super::{Renewal, check_installation, issue, own_token, request_of, told};
use crate::sandbox::{
    Sandbox,
    assertion::Assertion,
    call::Call,
    cast::Part,
    client::{check_written, is_accepted},
    pattern::Captured,
    reply::{Refusal, refusal},
    signed::{Purpose, Token},
    stats::Count,
};

/// Seconds a swapped token lives when the file does not say.
const LONG_LIFE: u64 = 60 * 24 * 3600;

/// Swaps the token that the call carries; `found` is what the file's request has in it.
pub(super) fn swap(
    sandbox: &Sandbox,
    call: &Call,
    part: &Part,
    found: &Captured,
) -> Result<Response, Refusal> {
    let text = found.get("access_token").map_or("", String::as_str);
    let token: Token = sandbox
        .signer
        .open(Purpose::Access, text)
        .filter(|token: &Token| part.takes(&token.connector, &token.option))
        .ok_or_else(|| refusal("invalid_grant", "The access token is unknown here."))?;
    check_written(found, &token.client)?;
    if sandbox.memory.is_revoked(&token.grant) {
        return Err(refusal("invalid_grant", "The grant was revoked."));
    }
    if token.has_expired(sandbox.clock.now()) {
        return Err(refusal("invalid_grant", "The access token has expired."));
    }
    let request = part.option().exchange.as_ref();
    let lives = request.and_then(|request| request.expires_in).unwrap_or(LONG_LIFE);
    let token = Token { raw: false, lives: Some(lives), ..token };
    Ok(issue(sandbox, part, request, &call.address.host, token, Renewal::Withheld))
}

/// Gives a token for what the call carries instead of one: a token signed for it, typed values, the
/// installation that its address names.
pub(super) fn anew(
    sandbox: &Sandbox,
    call: &Call,
    part: &Part,
    found: &Captured,
) -> Result<Response, Refusal> {
    let option = part.option();
    let mut words = told(part);
    let mut client = found.get("client.id").cloned().unwrap_or_default();
    if let Some((text, jwt)) = found.get("jwt").zip(option.jwt.as_ref()) {
        let assertion = Assertion::read(text)
            .ok_or_else(|| refusal("invalid_grant", "What is signed is no token (JWT)."))?;
        assertion.check(option, jwt, sandbox.clock.now()).map_err(|why| {
            sandbox.stats.add(&part.connector.key, Count::SignatureRefused);
            refusal("invalid_grant", why)
        })?;
        words.push_str(&assertion.words());
        client = assertion.claim("iss").unwrap_or(client);
    } else if found.is_empty() || !found.values().all(|value| is_accepted(value)) {
        return Err(refusal("invalid_grant", "Nothing that could be traded came."));
    }
    check_installation(part)?;
    let token = own_token(sandbox, part, client, String::new(), &words);
    Ok(issue(sandbox, part, request_of(part), &call.address.host, token, Renewal::Withheld))
}
