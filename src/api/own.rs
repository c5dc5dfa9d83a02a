//! `GET` and `PATCH /self`: the customer that the caller's token names. `ANY /self/proxy/{*path}`: the
//! product's own API as that customer.

use std::time::Instant;

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};

use super::{body::Body, customers::customer_json, operation::Caller};
use crate::{
    engine::{AppCallError, Own},
    http::{
        AppState, Refusal,
        proxied::{NotRelayed, answer, relayed},
    },
};

type Answer = Result<Json<Value>, Refusal>;

/// Members that only a token or the product's backend sets.
const OF_THE_TOKEN: [&str; 4] = ["internalId", "name", "fields", "meta"];

/// The caller as they are kept. What opens the product's API is never among it.
pub(super) async fn find(State(state): State<AppState>, Caller(access): Caller) -> Answer {
    Ok(Json(own_json(&state.engine.own(&access).await?)))
}

/// Sets what opens the product's API for the caller, or erases it (`credentials: null`).
pub(super) async fn patch(State(state): State<AppState>, Caller(access): Caller, body: Body) -> Answer {
    let kept = own_json(&state.engine.own(&access).await?);
    let differs =
        |name: &&str| body.value(name).is_some_and(|given| given.unwrap_or_default() != kept[*name]);
    let message = "This comes from the token; the product's backend changes it with `PATCH /customers/{id}`.";
    let refused: Vec<_> = OF_THE_TOKEN.into_iter().filter(differs).collect();
    if !refused.is_empty() {
        let faults = refused.into_iter().map(|name| (name.to_owned(), message.to_owned()));
        return Err(Refusal::invalid(faults.collect()));
    }
    let Some(credentials) = body.value("credentials") else { return Ok(Json(kept)) };
    state.engine.set_own_credentials(&access, &credentials.unwrap_or_default()).await?;
    Ok(Json(own_json(&state.engine.own(&access).await?)))
}

fn own_json(own: &Own) -> Value {
    let mut json = customer_json(&own.record);
    json["workspaceKey"] = own.workspace_key.as_str().into();
    json["hasCredentials"] = own.credentials_at.is_some().into();
    if let Some(at) = own.credentials_at {
        json["credentialsUpdatedAt"] = json!(at);
    }
    if let Some(reason) = own.ended {
        json["credentialsError"] = json!({
            "type": "connection",
            "key": "connection_is_defunct",
            "message": "The product's API no longer takes these credentials. They have to be given anew.",
            "data": { "reason": reason },
        });
    }
    json
}

/// Segments of the path before the API's own: `self`, `proxy`.
const PREFIX: usize = 2;

/// `ANY /self/proxy/{*path}`: passes a call on to the product's own API, as the customer that the backend's
/// token names.
pub(super) async fn call(
    State(state): State<AppState>,
    Caller(access): Caller,
    request: Request,
) -> Response {
    let began = Instant::now();
    let (parts, request) = relayed(request, PREFIX);
    let response = match state.engine.self_proxy(&access, request).await {
        Ok(found) => answer(found, &parts.headers),
        Err(error) => refused(error).into_response(),
    };
    state.engine.metrics().proxied("your_app", response.status().as_u16(), began.elapsed());
    response
}

fn refused(error: AppCallError) -> NotRelayed {
    let because = |kind: &'static str, reason: &'static str, message: &str| Refusal {
        status: StatusCode::CONFLICT,
        kind,
        key: reason,
        ..Refusal::bad_request(reason, message)
    };
    let refusal = match error {
        AppCallError::NotConfigured => because(
            "configuration",
            "no_your_app",
            "This workspace is not connected to its own API: set `your_app`.",
        ),
        AppCallError::NoCustomer => {
            Refusal::bad_request("missing_customer", "The token has to name a customer (`id`).")
        }
        AppCallError::NoCredentials => because(
            "connection",
            "no_credentials",
            "This customer has no credentials for the product's API: set them with `PATCH /self`.",
        ),
        AppCallError::Relay(error) => return error.into(),
    };
    refusal.into()
}
