//! A token that the client signed becomes an access token: RFC 7523 §2.1, or wherever the file
//! places `{{jwt}}`, as for the installation of an app.

use axum::response::Response;

use super::{Renewal, check_installation, issue, own_token, presented::JWT_BEARER, told};
use crate::{
    catalog::connector::{ClientAuth, ScopeAt},
    sandbox::{
        Sandbox,
        assertion::Assertion,
        call::{Call, Params},
        cast::Part,
        reply::{Refusal, refusal},
        sent::Sent,
        stats::Count,
        written,
    },
};

/// Trades a signed token for an access token.
pub(super) fn grant(
    sandbox: &Sandbox,
    call: &Call,
    body: &Params,
    part: &Part,
    text: &str,
) -> Result<Response, Refusal> {
    let option = part.option();
    let (Some(request), Some(jwt)) = (&option.token, &option.jwt) else {
        return Err(refusal("invalid_request", "There is no token call."));
    };
    let places = written::places(request, &["jwt"]);
    let mut scope = String::new();
    if !places {
        let sent = Sent::read(sandbox, call, body, part, request)?;
        sent.check_grant(JWT_BEARER)?;
        if option.client_auth != ClientAuth::Body || option.client.is_some() {
            sent.prove()?;
        }
        if option.scopes.at == ScopeAt::Token {
            scope = sent.scope()?;
        }
    }
    let assertion = Assertion::read(text)
        .ok_or_else(|| refusal("invalid_grant", "The assertion is no signed token (JWT)."))?;
    let issuer = assertion.claim("iss").filter(|issuer| !issuer.is_empty());
    let issuer = issuer.ok_or_else(|| refusal("invalid_grant", "The signed token has no iss."))?;
    let found = assertion.check(option, jwt, sandbox.clock.now()).map_err(|why| {
        sandbox.stats.add(&part.connector.key, Count::SignatureRefused);
        refusal("invalid_grant", why)
    })?;
    // An app token is good for several calls; an assertion with an id is good for one (RFC 7523 §3).
    if let Some(id) = assertion.claim("jti").filter(|_| !places)
        && !sandbox.memory.is_new(&["grant", &part.connector.key, &issuer, &id])
    {
        sandbox.stats.add(&part.connector.key, Count::AssertionReplay);
        return Err(refusal("invalid_grant", "The assertion was used before (jti)."));
    }
    check_installation(part)?;
    if scope.is_empty() {
        scope = found.get("scopes").cloned().unwrap_or_default();
    }
    let words = format!("{} {}", assertion.words(), told(part));
    let token = own_token(sandbox, part, issuer, scope, &words);
    Ok(issue(sandbox, part, Some(request), &call.address.host, token, Renewal::Withheld))
}
