//! A token is renewed: the standard way (RFC 6749 §6), or as the file writes it out.

use axum::response::Response;

use super::{Renewal, issue};
use crate::{
    catalog::connector::{Refresh, Request},
    sandbox::{
        Sandbox,
        call::{Call, Params},
        cast::Part,
        client::check_written,
        reply::{Refusal, refusal},
        sent::Sent,
        signed::{Purpose, Token},
        stats::Count,
        written,
    },
};

/// Trades a refresh token, or where the file says so an access token, for a new access token.
pub(super) fn renew(
    sandbox: &Sandbox,
    call: &Call,
    body: &Params,
    part: &Part,
    text: &str,
) -> Result<Response, Refusal> {
    let option = part.option();
    let refresh = option.refresh.as_ref().ok_or_else(|| {
        refusal("unsupported_grant_type", "This connector's file says that nothing is refreshed.")
    })?;
    let request = refresh.request.as_ref().or(option.token.as_ref());
    let request = request.ok_or_else(|| refusal("invalid_request", "There is no refresh call."))?;
    let token = presented(sandbox, part, refresh, request, text)?;
    if refresh.template {
        let bad = |why: String| refusal("invalid_request", why);
        let found = written::capture(request, option, call, body).map_err(bad)?;
        check_written(&found, &token.client)?;
    } else {
        let sent = Sent::read(sandbox, call, body, part, request)?;
        sent.check_grant("refresh_token")?;
        if sent.prove()?.is_some_and(|client| client != token.client) {
            return Err(refusal("invalid_grant", "The refresh token belongs to another client."));
        }
    }
    if sandbox.memory.is_revoked(&token.grant) {
        return Err(refusal("invalid_grant", "The grant was revoked."));
    }
    if token.has_expired(sandbox.clock.now()) {
        return Err(refusal("invalid_grant", "The refresh token has expired."));
    }
    let host = &call.address.host;
    let token = Token { raw: false, ..token };
    if refresh.rotates != Some(true) {
        return Ok(issue(sandbox, part, Some(request), host, token, Renewal::Withheld));
    }
    let Ok(generation) = sandbox.memory.rotate(&token.grant, token.generation) else {
        sandbox.stats.add(&part.connector.key, Count::ReuseDetected);
        return Err(refusal("invalid_grant", "The refresh token was used before; its grant is revoked now."));
    };
    Ok(issue(sandbox, part, Some(request), host, Token { generation, ..token }, Renewal::Given))
}

/// The token, of the kind that the file renews with.
fn presented(
    sandbox: &Sandbox,
    part: &Part,
    refresh: &Refresh,
    request: &Request,
    text: &str,
) -> Result<Token, Refusal> {
    let by_access = refresh.template
        && written::places(request, &["access_token"])
        && !written::places(request, &["refresh_token"]);
    let purpose = if by_access { Purpose::Access } else { Purpose::Refresh };
    sandbox
        .signer
        .open(purpose, text)
        .filter(|token: &Token| part.takes(&token.connector, &token.option))
        .ok_or_else(|| refusal("invalid_grant", "The refresh token is unknown here."))
}
