//! Every route and every layer, on one page.

use std::{panic::AssertUnwindSafe, sync::Arc};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::StatusCode,
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
    http::{AppState, assets, headers, limits, metrics, observe, sdk},
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
    // What an app answered is not packed on its way.
    let relays = api::relays(&state).with_state(state.clone());
    layered(router, &state).merge(relays.layer(from_fn_with_state(state, around)))
}

pub(super) fn layered(router: Router, state: &AppState) -> Router {
    let compressible = DefaultPredicate::new().and(NotForContentType::const_new("image/png"));
    // The router copies each of its own layers for every request; this is one to it.
    router.layer(
        ServiceBuilder::new()
            .layer(from_fn_with_state(state.clone(), outermost))
            .layer(CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(compressible))
            .layer(from_fn_with_state(state.clone(), innermost))
            // Bodies have the limits of `inside`, by kind of route.
            .layer(DefaultBodyLimit::disable()),
    )
}

async fn outermost(State(state): State<AppState>, request: Request, next: Next) -> Response {
    outside(&state, request, async |request| next.run(request).await).await
}

async fn innermost(State(state): State<AppState>, request: Request, next: Next) -> Response {
    inside(&state, request, next).await
}

async fn around(State(state): State<AppState>, request: Request, next: Next) -> Response {
    outside(&state, request, async |request| inside(&state, request, next).await).await
}

/// Around the answer as it leaves.
async fn outside<F>(state: &AppState, request: Request, next: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Response>,
{
    let answered = async |request| headers::with_defaults(api::cors::layer(request, next).await);
    observe::observed(state, request, answered).await
}

/// Around the handler: a panic costs one request, and a refusal is shown as its reader expects it.
async fn inside(state: &AppState, request: Request, next: Next) -> Response {
    let answered = async |request| {
        let answer = AssertUnwindSafe(limits::held(state, request, next)).catch_unwind().await;
        answer.map_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response(), IntoResponse::into_response)
    };
    app::refused::shown(state, request, answered).await
}
