//! What the customer typed becomes a token (`token-exchange`), as the file writes the call.

use axum::response::Response;

use super::{Renewal, issue, own_token, told};
use crate::sandbox::{
    Sandbox,
    call::Call,
    cast::Part,
    client::{check_written, is_accepted},
    pattern::Captured,
    reply::{Refusal, refusal},
};

/// Trades typed values, which fit the file already, for a token.
pub(super) fn grant(
    sandbox: &Sandbox,
    call: &Call,
    part: &Part,
    typed: &Captured,
) -> Result<Response, Refusal> {
    if let Some((name, _)) = typed.iter().find(|(_, value)| !is_accepted(value)) {
        return Err(refusal("invalid_grant", format!("{name} is wrong.")));
    }
    let client = typed.get("client.id").cloned().unwrap_or_default();
    check_written(typed, &client)?;
    let words: Vec<&str> = typed.values().map(String::as_str).collect();
    let words = format!("{} {}", words.join(" "), told(part));
    let token = own_token(sandbox, part, client, String::new(), &words);
    Ok(issue(sandbox, part, part.option().token.as_ref(), &call.address.host, token, Renewal::Withheld))
}
