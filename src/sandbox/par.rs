//! Authorization requests that are handed over beforehand (RFC 9126).

use std::time::Duration;

use axum::{
    Json,
    body::Body,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::model::HandleHash;

use super::{
    Sandbox,
    call::{Call, Params},
    cast::Part,
    consent::check,
    memory::Pushed,
    reply::{self, Refusal, refusal},
    sent::Sent,
    stats::Count,
};

/// How long a pushed request waits for the browser.
const LIFE: Duration = Duration::from_secs(60);
/// How a reference begins (RFC 9126 §2.2).
const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// Takes a request and answers with a reference for one use.
pub(super) async fn answer(sandbox: &Sandbox, call: Call, body: Body, parts: &[Part]) -> Response {
    let body = call.params(body).await.unwrap_or_default();
    let named = |part: &&Part| {
        let id = body.get("client_id").map(str::to_owned).or(call.basic().map(|(name, _)| name));
        id.is_some_and(|id| id.strip_prefix("sandbox-") == Some(part.connector.key.as_str()))
    };
    let part = parts.iter().find(named).unwrap_or(&parts[0]);
    sandbox.stats.add(&part.connector.key, Count::Par);
    match push(sandbox, &call, &body, part) {
        Ok(uri) => {
            let body = json!({ "request_uri": uri, "expires_in": LIFE.as_secs() });
            reply::unstored((StatusCode::CREATED, Json(body)).into_response())
        }
        Err(refusal) => reply::refused(part.option().par.as_ref(), call.basic().is_some(), &refusal),
    }
}

fn push(sandbox: &Sandbox, call: &Call, body: &Params, part: &Part) -> Result<String, Refusal> {
    let request = part.option().par.as_ref();
    let request = request.ok_or_else(|| refusal("invalid_request", "Nothing can be pushed here."))?;
    let sent = Sent::read(sandbox, call, body, part, request)?;
    let client = sent.prove()?;
    let client = client.or_else(|| sent.get("client_id").map(str::to_owned)).unwrap_or_default();
    if sent.params.get("request_uri").is_some() {
        return Err(refusal("invalid_request", "A pushed request cannot hold a request_uri (§2.1)."));
    }
    if sent.get("client_id").is_some_and(|named| named != client) {
        return Err(refusal("invalid_request", "client_id is another client's."));
    }
    check(part, sent.params).map_err(|(code, why)| refusal(code, why))?;
    let redirects = sent
        .get("redirect_uri")
        .is_none_or(|uri| part.option().redirect_uri.is_some() || sandbox.origins.admit(uri));
    if !redirects {
        return Err(refusal("invalid_request", "The sandbox sends no browser to this redirect_uri."));
    }
    let uri = format!("{PREFIX}{}", sandbox.entropy.handle().expose());
    let pushed = Pushed {
        part: part.clone(),
        client,
        params: sent.params.clone(),
        until: sandbox.clock.now().plus(LIFE),
    };
    sandbox.memory.push(HandleHash::of(&uri), pushed);
    Ok(uri)
}
