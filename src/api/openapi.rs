//! `GET /openapi.json`

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::http::openapi;

/// As long as it may be behind a server that was just renewed.
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// The document. Who shows its tag is told that it is the same.
pub(super) async fn find(headers: HeaderMap) -> Response {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
    // Compression makes a tag weak on its way out.
    let mut tags = known.flat_map(|tags| tags.split(',')).map(|tag| tag.trim().trim_start_matches("W/"));
    let kept = [(header::CACHE_CONTROL, KEPT), (header::ETAG, HeaderValue::from_static(openapi::tag()))];
    if tags.any(|tag| tag == "*" || tag == openapi::tag()) {
        return (StatusCode::NOT_MODIFIED, kept).into_response();
    }
    let media_type = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (kept, media_type, openapi::document()).into_response()
}
