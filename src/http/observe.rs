//! What is said about a request: its id, its line in the log, its place in the numbers.
//!
//! The id is made here, always: one that a caller sent could name somebody else's request. A line carries
//! the route's template, since addresses hold handles and tokens.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue},
    response::Response,
};
use tracing::{Instrument as _, field::Empty};

use super::{AppState, limits::is_proxied};

/// Where a request's id is returned.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives a request its id and says how it went.
pub async fn observed<F>(state: &AppState, mut request: Request, next: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Response>,
{
    let id = state.engine.request_id().to_string();
    request.headers_mut().remove(REQUEST_ID);
    let began = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("-", MatchedPath::as_str);
    let span = tracing::info_span!(
        "request", request.id = %id, method = %request.method(), route,
        workspace.id = Empty, customer.id = Empty, connection.id = Empty,
    );
    let mut response = next(request).instrument(span.clone()).await;
    let status = response.status().as_u16();
    let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    span.in_scope(|| match status {
        500.. => tracing::warn!(status, duration_ms, "Answered {status}"),
        _ => tracing::debug!(status, duration_ms, "Answered {status}"),
    });
    state.engine.metrics().answered(route, status);
    if is_proxied(route) {
        let via = if route.starts_with("/self") { "your_app" } else { "connection" };
        state.engine.metrics().proxied(via, status, began.elapsed());
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}
