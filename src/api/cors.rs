//! Browsers of every origin may call the API: the token alone decides, and no cookie counts here.
//!
//! Stands before everything that may refuse, so that a page can read a refusal too: without these headers
//! it would be told of a network error and no more.

use std::{collections::HashSet, sync::LazyLock};

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{absent, operations};

/// What a preflight is told when it does not say which headers are meant.
const HEADERS: &str = "authorization, content-type, membrane-api-version";
const METHODS: &str = "GET, POST, PUT, PATCH, DELETE";
/// How long a browser may keep the answer to a preflight, seconds.
const MAX_AGE: &str = "3600";

/// Scripts may start an attempt and give it up, too; the pages in between are nobody else's.
const STARTS: [&str; 2] = ["/connect", "/connect/cancel"];

/// First parts of the paths that the API has to itself.
static PARTS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let own = operations().into_iter().map(|operation| operation.path).filter(|path| !STARTS.contains(path));
    own.map(first_part).chain(["sse"]).collect()
});

/// Answers preflights, and lets every page read what the API answers.
pub async fn layer<F>(request: Request, next: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Response>,
{
    let path = request.uri().path();
    let is_open = STARTS.contains(&path) || PARTS.contains(first_part(path)) || absent::what(path).is_some();
    if !is_open {
        return next(request).await;
    }
    if is_preflight(&request) {
        return preflight(request.headers());
    }
    let mut response = next(request).await;
    let any = HeaderValue::from_static("*");
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any.clone());
    response.headers_mut().insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, any);
    response
}

fn first_part(path: &str) -> &str {
    path.trim_start_matches('/').split('/').next().unwrap_or_default()
}

fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The headers that were asked for are named one by one: `*` does not stand for `Authorization`.
fn preflight(asked: &HeaderMap) -> Response {
    let headers = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let told: [(HeaderName, HeaderValue); 5] = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
        (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS)),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, headers.unwrap_or(HeaderValue::from_static(HEADERS))),
        (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE)),
        (header::VARY, HeaderValue::from_static("access-control-request-headers")),
    ];
    (StatusCode::OK, told).into_response()
}
