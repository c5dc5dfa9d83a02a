//! A code becomes tokens (RFC 6749 §4.1.3, RFC 7636).

use aws_lc_rs::digest::{SHA256, digest};
use axum::response::Response;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{Ending, Renewal, SLOW, issue};
use crate::{
    model::HandleHash,
    sandbox::{
        Sandbox,
        call::{Call, Params},
        cast::Part,
        consent::wire,
        memory::Code,
        reply::{Refusal, refusal},
        scenario::Scenario,
        sent::Sent,
        signed::Token,
        stats::Count,
    },
};

/// Trades a code for tokens.
pub(super) async fn redeem(
    sandbox: &Sandbox,
    call: &Call,
    body: &Params,
    part: &Part,
    code: &str,
) -> Result<Response, Ending> {
    let option = part.option();
    let request =
        option.token.as_ref().ok_or_else(|| refusal("invalid_request", "There is no token call."))?;
    let sent = Sent::read(sandbox, call, body, part, request)?;
    sent.check_grant("authorization_code")?;
    let client = sent.prove()?;
    let hash = HandleHash::of(code);
    let code =
        sandbox.memory.code(hash).filter(|code| part.is(&code.part.connector.key, &code.part.option().key));
    let code = code.ok_or_else(|| refusal("invalid_grant", "The code is unknown here."))?;
    check(&sent, &code, client.as_deref())?;
    if let Some(failure) = Ending::chosen(code.scenario) {
        return Err(failure);
    }
    if code.has_expired(sandbox.clock.now()) && !code.used {
        return Err(refusal("invalid_grant", "The code has expired.").into());
    }
    if sandbox.memory.spend(hash).is_err() {
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
        items: code.scenario.items(),
        raw: option.exchange.is_some(),
        until: None,
    };
    let part = &part.at(&code.part.captured.into_iter().chain(part.captured.clone()).collect());
    let renewal = if keeps_alive { Renewal::Given } else { Renewal::Withheld };
    Ok(issue(sandbox, part, Some(request), &call.address.host, token, renewal))
}

/// The code was made for this client, this redirect address and this verifier, and what the
/// callback carried comes along where the file says so.
fn check(sent: &Sent<'_>, code: &Code, client: Option<&str>) -> Result<(), Refusal> {
    if client.is_some_and(|client| client != code.client) {
        return Err(refusal("invalid_grant", "The code belongs to another client."));
    }
    let repeats = wire(sent.option(), "redirect_uri").is_some() && !code.redirect_uri.is_empty();
    if repeats && sent.get("redirect_uri") != Some(code.redirect_uri.as_str()) {
        return Err(refusal("invalid_grant", "redirect_uri is not the one of the authorize address."));
    }
    for (name, value) in &code.echoed {
        if sent.params.get(name) != Some(value) {
            return Err(refusal("invalid_request", format!("{name} of the callback is not repeated.")));
        }
    }
    let Some(challenge) = &code.challenge else { return Ok(()) };
    let verifier = sent.get("code_verifier").filter(|verifier| (43..=128).contains(&verifier.len()));
    let computed = verifier.map(|verifier| URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes())));
    if computed.as_ref() != Some(challenge) {
        return Err(refusal("invalid_grant", "code_verifier does not fit code_challenge (RFC 7636)."));
    }
    Ok(())
}
