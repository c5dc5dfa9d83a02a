//! Where a flow begins from outside and where it ends: `/connect`, `/connection-popup`, callbacks and
//! the stream that tells a waiting page how it went.
//!
//! Owns no rule: reads the request in all its shapes, calls one verb, answers.

mod given;
mod start;
mod told;

use std::time::Duration;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Query, RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{KeepAlive, Sse},
    },
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tracing::Instrument as _;
use url::form_urlencoded;

use self::{given::bearer, told::Wanted};
use crate::{
    engine::{CallbackParams, Departure, EngineError, Next, Outcome, SessionRefusal, attempt_cookie},
    http::{
        AppState, Refusal,
        headers::{onward, see_other},
        json,
        way::way,
    },
    model::{Session, Surface},
};

/// Shortest `requestId` that may be listened to without a token.
const REQUEST_ID_MIN: usize = 16;
/// Between two comments on a quiet event stream.
const HEARTBEAT: Duration = Duration::from_secs(15);

type Answer = Result<Response, Refusal>;

/// The routes.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/connect", get(start::begin).post(start::begin))
        .route("/connection-popup", get(start::begin).post(start::begin))
        .route("/connect/continue/{ticket}", post(hand_over))
        .route("/oauth/callback/{integration}", get(callback).post(posted_callback))
        .route("/sse/connection-events/{request_id}", get(events))
}

fn follow(state: &AppState, next: Next) -> Answer {
    match next {
        Next::Leave(departure) => Ok(leave(state, &departure)),
        Next::Ask(ticket) => Ok(see_other(&format!("/connect/continue/{}", ticket.expose()))),
        Next::Confirm(address) => Ok(see_other(&address)),
        Next::Done(outcome) => arrive(&outcome),
    }
}

/// The response that leaves for a provider is the one that binds this browser to the attempt.
fn leave(state: &AppState, departure: &Departure) -> Response {
    let mut response = see_other(departure.url.as_str());
    response.headers_mut().append(header::SET_COOKIE, state.binding_cookie(departure));
    response
}

fn arrive(outcome: &Outcome) -> Answer {
    way(outcome).map(|way| see_other(&way)).ok_or_else(|| EngineError::NotOpen.into())
}

/// `GET /oauth/callback/{integration}`
async fn callback(
    State(state): State<AppState>,
    Path(integration): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect();
    let params = CallbackParams::new(pairs);
    let awaited = params.awaited(&integration);
    // A provider's answer is good for once. So it is used to the end, also when the customer closes the
    // window meanwhile: whoever waits learns of it from the store.
    let taking = {
        let (state, headers) = (state.clone(), headers.clone());
        async move {
            let cookie = |name: &str| state.cookie_value(&headers, name);
            state.engine.callback(&integration, &params, cookie).await
        }
    };
    let answer = match tokio::spawn(taking.in_current_span()).await {
        Ok(next) => next.map_err(Refusal::from).and_then(|next| follow(&state, next)),
        Err(_) => Err(Refusal::of_status(StatusCode::INTERNAL_SERVER_ERROR)),
    };
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    if let Some(awaited) = awaited {
        let name = attempt_cookie(&awaited);
        if state.cookie_value(&headers, &name).is_some() {
            response.headers_mut().append(header::SET_COOKIE, state.spent_cookie(&name));
        }
    }
    response
}

/// `POST /oauth/callback/{integration}`: a provider's page posts its answer from its own site, where the
/// browser sends no cookie of ours along. It is kept until the same browser fetches our own address.
async fn posted_callback(
    State(state): State<AppState>,
    Path(integration): Path<String>,
    body: Bytes,
) -> Answer {
    let pairs = form_urlencoded::parse(&body).into_owned().collect();
    let path = state.engine.park(&integration, &CallbackParams::new(pairs)).await?;
    Ok(onward(&path))
}

/// What a developer's page collected, and for whom.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HandedOver {
    credentials: Map<String, Value>,
    customer_id: Option<String>,
}

/// `POST /connect/continue/{ticket}`: the backend behind a developer's own page hands credentials over.
async fn hand_over(
    State(state): State<AppState>,
    Path(ticket): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let missing = || Refusal::not_authenticated(&SessionRefusal::MissingToken);
    let backend = state.engine.authenticate_backend(&bearer(&headers).ok_or_else(missing)?).await?;
    let wrong = |_| {
        let message =
            "The body has to be JSON: {\"credentials\": {…}, \"customerId\": \"…\"}, the second if you like.";
        Refusal::bad_request("malformed_input", message)
    };
    let given = json::object(&body).and_then(|given| serde_json::from_value(Value::Object(given)));
    let given: HandedOver = given.map_err(wrong)?;
    let credentials = given::singles(given.credentials);
    let customer = given.customer_id.as_deref();
    let address = state.engine.hand_over(&backend, &ticket, credentials, customer).await?;
    Ok(Json(json!({ "redirectUrl": address })).into_response())
}

#[derive(Deserialize)]
struct EventsQuery {
    token: Option<String>,
    events: Option<String>,
    last: Option<String>,
}

/// `GET /sse/connection-events/{requestId}`: one message, the outcome, as soon as there is one. With
/// `?events=all` the stream stays open and also tells when the import is done; `last` is the id of the last
/// message that was seen.
async fn events(
    State(state): State<AppState>,
    Path(request_id): Path<String>,
    Query(query): Query<EventsQuery>,
    headers: HeaderMap,
) -> Answer {
    let session: Option<Session> = match &query.token {
        Some(token) => Some(state.engine.authenticate(token, Surface::Page).await?),
        None if request_id.len() >= REQUEST_ID_MIN => None,
        None => {
            let message =
                format!("Send a token, or use a `requestId` of at least {REQUEST_ID_MIN} characters.");
            return Err(Refusal::bad_request("short_request_id", message));
        }
    };
    let mut watch = state.engine.watch(&request_id, session.map(|session| session.scope()));
    if let Some(token) = &query.token {
        watch = watch.of_bearer(token);
    }
    let wanted = Wanted::read(query.events.as_deref(), query.last, &headers);
    let messages = told::messages(state, watch, wanted).await;
    let keep_alive = KeepAlive::new().interval(HEARTBEAT).text("waiting");
    Ok(Sse::new(messages).keep_alive(keep_alive).into_response())
}
