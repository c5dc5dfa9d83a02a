//! `GET /openapi.json`

use axum::{http::HeaderMap, response::Response};

use crate::http::openapi;

/// The document.
pub(super) async fn find(headers: HeaderMap) -> Response {
    openapi::answer(&headers)
}
