//! A client that proves itself gets a token (RFC 6749 §4.4).

use axum::response::Response;

use super::{Renewal, issue, own_token, told};
use crate::sandbox::{
    Sandbox,
    call::{Call, Params},
    cast::Part,
    reply::{Refusal, refusal},
    sent::Sent,
};

/// Grants a token to the client itself.
pub(super) fn grant(sandbox: &Sandbox, call: &Call, body: &Params, part: &Part) -> Result<Response, Refusal> {
    let request = part.option().token.as_ref();
    let request = request.ok_or_else(|| refusal("invalid_request", "There is no token call."))?;
    let sent = Sent::read(sandbox, call, body, part, request)?;
    sent.check_grant("client_credentials")?;
    let client = sent.prove()?.unwrap_or_default();
    let scope = sent.scope()?;
    let words = format!("{client} {}", told(part));
    let token = own_token(sandbox, part, client, scope, &words);
    Ok(issue(sandbox, part, Some(request), &call.address.host, token, Renewal::Withheld))
}
