//! Every route and every layer, on one page.

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderMap, StatusCode, Version},
    middleware::{from_fn, from_fn_with_state},
    response::IntoResponse as _,
    routing::get,
};
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::{
        CompressionLayer, CompressionLevel,
        predicate::{DefaultPredicate, NotForContentType, Predicate as _},
    },
};

use crate::{
    api, app, connect,
    http::{AppState, Refusal, assets, headers, limits, limits::AsItCame, metrics, observe, sdk},
    sandbox::{self, Sandbox},
};

/// Every route and every layer. Layers run from the last one here to the first.
pub(super) fn router(state: AppState, played: Option<Arc<Sandbox>>) -> Router {
    let mut router = Router::new()
        .merge(app::routes(&state))
        .merge(connect::routes())
        .merge(api::routes(&state))
        .route("/assets/{file}", get(assets::serve))
        .route("/sdk.js", get(sdk::module).layer(sdk::packed()))
        .route("/sdk.global.js", get(sdk::script).layer(sdk::packed()))
        .route("/sdk.d.ts", get(sdk::types).layer(sdk::packed()))
        .route("/healthz", get(metrics::alive))
        .route("/livez", get(metrics::alive))
        .route("/readyz", get(metrics::ready))
        .route("/metrics", get(metrics::numbers))
        // Browsers ask for it unasked; a workspace's own icon is linked by its pages.
        .route("/favicon.ico", get(async || StatusCode::NO_CONTENT))
        .fallback(async || Refusal::not_found("page"));
    if played.is_some() {
        router = router.route("/sandbox/embed", get(app::example::embed));
    }
    let mut router = router.with_state(state.clone());
    if let Some(played) = played {
        router = router.merge(sandbox::router(played));
    }
    layered(router, &state)
}

pub(super) fn layered(router: Router, state: &AppState) -> Router {
    let compressible = DefaultPredicate::new().and(NotForContentType::const_new("image/png")).and(is_ours);
    router
        // Bodies have the limits of the next layer, by kind of route.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(state.clone(), limits::layer))
        .layer(CatchPanicLayer::custom(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response()))
        .layer(from_fn_with_state(state.clone(), app::refused::layer))
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(compressible))
        .layer(from_fn(headers::defaults))
        .layer(from_fn_with_state(state.clone(), observe::layer))
}

/// What an app answered goes on as it came.
fn is_ours(_: StatusCode, _: Version, _: &HeaderMap, extensions: &axum::http::Extensions) -> bool {
    extensions.get::<AsItCame>().is_none()
}
