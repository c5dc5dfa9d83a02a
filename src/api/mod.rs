//! The JSON API: one file per resource. Thin: reads the request, calls one verb, shapes the answer.

mod connections;
mod integrations;

use axum::{
    Router,
    extract::FromRequestParts,
    http::{Method, header, request::Parts},
    routing::get,
};
use tower_http::cors::{Any, CorsLayer};

use crate::{
    engine::SessionRefusal,
    http::{AppState, Refusal},
    model::{Session, Surface},
};

/// The API's routes. Browsers of every origin may call it: the token alone decides.
pub fn routes() -> Router<AppState> {
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(Any)
        .max_age(std::time::Duration::from_secs(3600));
    Router::new()
        .route("/integrations", get(integrations::list))
        .route("/connections", get(connections::list))
        .layer(cors)
}

/// Whoever showed a good token in `Authorization`.
pub struct Caller(pub Session);

impl FromRequestParts<AppState> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Refusal> {
        let token = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim().to_owned());
        let token = token.ok_or_else(|| Refusal::not_authenticated(&SessionRefusal::MissingToken))?;
        Ok(Self(state.engine.authenticate(&token, Surface::Page).await?))
    }
}

/// How many a list gives when the caller does not say.
const LIMIT_DEFAULT: usize = 25;
/// The most it gives.
const LIMIT_MAX: usize = 1000;

/// Reads `limit`: 1 to 1000; anything else is refused with its name.
fn limit(given: Option<&str>) -> Result<usize, Refusal> {
    let Some(text) = given.filter(|text| !text.is_empty()) else { return Ok(LIMIT_DEFAULT) };
    text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit)).ok_or_else(|| {
        Refusal::bad_request("invalid_limit", format!("`limit` is a whole number from 1 to {LIMIT_MAX}."))
    })
}
