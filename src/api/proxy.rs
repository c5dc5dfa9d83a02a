//! `ANY /connections/{sel}/proxy/{*path}`

use axum::{
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};

use super::operation::Caller;
use crate::http::{
    AppState, Refusal,
    proxied::{NotRelayed, answer, relayed, segment},
};

/// Segments of the path before the app's own: `connections`, the selector, `proxy`.
const PREFIX: usize = 3;
/// Which of them is the selector.
const SELECTOR: usize = 1;

/// Passes a call on to the app. The path behind the prefix is taken as it came, since decoding it would
/// lose which slashes were encoded.
pub(super) async fn call(
    State(state): State<AppState>,
    Caller(access): Caller,
    request: Request,
) -> Response {
    let (parts, request) = relayed(request, PREFIX);
    let Some(selector) = segment(parts.uri.path(), SELECTOR) else {
        return NotRelayed::from(Refusal::not_found("connection")).into_response();
    };
    match state.engine.proxy(&access, &selector, request).await {
        Ok(found) => answer(found, &parts.headers),
        Err(error) => NotRelayed::from(error).into_response(),
    }
}
