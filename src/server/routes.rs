//! Every route and every layer, on one page.

use std::{panic::AssertUnwindSafe, sync::Arc};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, StatusCode, Version},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::FutureExt as _;
use tower::ServiceBuilder;
use tower_http::compression::{
    CompressionLayer, CompressionLevel,
    predicate::{DefaultPredicate, NotForContentType, Predicate as _},
};

use crate::{
    api, app, connect,
    http::{AppState, assets, headers, limits, limits::AsItCame, metrics, observe, sdk},
    sandbox::{self, Sandbox},
};

/// Every route and every layer.
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
        .fallback(api::absent);
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
    // The router copies each of its own layers for every request; this is one to it.
    router.layer(
        ServiceBuilder::new()
            .layer(from_fn_with_state(state.clone(), outside))
            .layer(CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(compressible))
            .layer(from_fn_with_state(state.clone(), inside))
            // Bodies have the limits of `inside`, by kind of route.
            .layer(DefaultBodyLimit::disable()),
    )
}

/// Around the answer as it leaves.
async fn outside(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let answered = async |request| headers::with_defaults(api::cors::layer(request, next).await);
    observe::observed(&state, request, answered).await
}

/// Around the handler: a panic costs one request, and a refusal is shown as its reader expects it.
async fn inside(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let answered = async |request| {
        let answer = AssertUnwindSafe(limits::held(&state, request, next)).catch_unwind().await;
        answer.map_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response(), IntoResponse::into_response)
    };
    app::refused::shown(&state, request, answered).await
}

/// What an app answered goes on as it came.
fn is_ours(_: StatusCode, _: Version, _: &HeaderMap, extensions: &axum::http::Extensions) -> bool {
    extensions.get::<AsItCame>().is_none()
}
