//! Tokens are given back (RFC 7009, and every other way a file writes).

use axum::{
    Json,
    body::Body,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{
    Sandbox,
    call::{Call, decode},
    cast::Part,
    oauth1, reply,
    stats::Count,
};

/// Ends the grant of whatever token the call carries, wherever it carries it.
pub(super) async fn answer(sandbox: &Sandbox, call: Call, body: Body, parts: &[Part]) -> Response {
    let Some(body) = call.params(body).await else {
        sandbox.stats.add(&parts[0].connector.key, Count::Revoke);
        return reply::problem(StatusCode::BAD_REQUEST, "invalid_request", "The body cannot be read.");
    };
    let path = decode(&call.address.path);
    let headers =
        call.headers.values().filter_map(|value| value.to_str().ok()).flat_map(str::split_whitespace);
    let basic = call.basic().map(|(name, password)| [name, password]).unwrap_or_default();
    let signed = oauth1::Signed::read(&call);
    let texts = body.values().chain(call.query.values()).chain(path.split('/')).chain(headers);
    let texts = texts.chain(basic.iter().map(String::as_str));
    let mut owner = None;
    for text in texts.chain(signed.as_ref().and_then(|signed| signed.get("oauth_token"))) {
        if let Some(token) = sandbox.signer.open_any(text) {
            sandbox.memory.revoke(&token.grant);
            owner = Some(token.connector);
        }
    }
    let key = owner.filter(|owner| parts.iter().any(|part| part.connector.key == *owner));
    sandbox.stats.add(key.as_deref().unwrap_or(&parts[0].connector.key), Count::Revoke);
    reply::unstored((StatusCode::OK, Json(json!({}))).into_response())
}
