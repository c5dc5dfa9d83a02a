//! For whoever runs the server: is it alive, is it ready, what did it do.

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{
    AppState, Refusal,
    client_address::{Peer, X_FORWARDED_FOR},
    limits::AsItCame,
};
use crate::model::HandleHash;

/// The text format of Prometheus.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /healthz` and `/livez`: the process answers.
pub async fn alive() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: whether this server should get requests.
pub async fn ready(State(state): State<AppState>) -> Response {
    let reasons = state.engine.unready().await;
    if reasons.is_empty() {
        return Json(json!({ "status": "ready" })).into_response();
    }
    let said = Json(json!({ "status": "unready", "reasons": reasons }));
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, said).into_response();
    // Whoever asks is a program, and the reasons are what it came for.
    response.extensions_mut().insert(AsItCame);
    response
}

/// `GET /metrics`. To whoever may not see it, there is no such page.
pub async fn numbers(
    State(state): State<AppState>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
) -> Response {
    let may_see = match &state.metrics_token {
        Some(token) => shown(&headers).is_some_and(|shown| HandleHash::of(shown) == *token),
        None => peer.is_some_and(|Extension(peer)| is_this_machine(peer, &headers)),
    };
    if !may_see {
        return Refusal::not_found("page").into_response();
    }
    ([(header::CONTENT_TYPE, PROMETHEUS)], state.engine.metrics_text().await).into_response()
}

/// A proxy on this machine brings the requests of others; most of them say so.
fn is_this_machine(peer: Peer, headers: &HeaderMap) -> bool {
    let is_brought = headers.contains_key(X_FORWARDED_FOR)
        || headers.contains_key(header::FORWARDED)
        || headers.contains_key("x-real-ip")
        || headers.contains_key(header::VIA);
    peer.0.is_loopback() && !is_brought
}

fn shown(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}
