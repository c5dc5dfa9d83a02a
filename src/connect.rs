//! Where a flow begins from outside and where it ends: `/connect`, `/connection-popup`, callbacks and
//! the stream that tells a waiting page how it went.
//!
//! Owns no rule: reads the request in all its shapes, calls one verb, answers.

mod given;
mod told;

use std::time::Duration;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Query, RawQuery, Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{KeepAlive, Sse},
    },
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tower_http::cors::{Any, CorsLayer};
use tracing::Instrument as _;
use url::form_urlencoded;

use self::{
    given::{Given, bearer, wants_json},
    told::Wanted,
};
use crate::{
    engine::{
        Began, CallbackParams, ConnectRequest, Departure, EngineError, Next, Outcome, SessionRefusal,
        WorkspaceView, attempt_cookie,
    },
    http::{
        AppState, Refusal,
        headers::{onward, see_other},
        json,
        way::way,
    },
    model::{
        Access, Failure, FailureKey, Road, Session, Surface,
        redirect::{Origin, RedirectTarget},
    },
};

/// Shortest `requestId` that may be listened to without a token.
const REQUEST_ID_MIN: usize = 16;
/// Between two comments on a quiet event stream.
const HEARTBEAT: Duration = Duration::from_secs(15);

type Answer = Result<Response, Refusal>;

/// Scripts of every site may begin an attempt and read what became of it: no cookie counts in such a call,
/// and the token decides.
fn cors() -> CorsLayer {
    CorsLayer::new().allow_origin(Any).allow_methods([Method::POST]).allow_headers(Any).expose_headers(Any)
}

/// The routes.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/connect", get(begin).post(begin).layer(cors()))
        .route("/connection-popup", get(begin).post(begin))
        .route("/connect/continue/{ticket}", post(hand_over))
        .route("/oauth/callback/{integration}", get(callback).post(posted_callback))
        .route("/sse/connection-events/{request_id}", get(events))
}

/// `GET|POST /connect` and `/connection-popup`.
async fn begin(State(state): State<AppState>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let too_large = |_| Refusal::of_status(StatusCode::PAYLOAD_TOO_LARGE);
    // `http::limits` has cut it already.
    let body = axum::body::to_bytes(body, usize::MAX).await.map_err(too_large)?;
    let given = Given::read(parts.uri.query(), &parts.headers, &body)?;
    let token = given.text(&["token"]).or_else(|| bearer(&parts.headers));
    let missing = || Refusal::not_authenticated(&SessionRefusal::MissingToken);
    let session = state.engine.authenticate(&token.ok_or_else(missing)?, Surface::Page).await?;
    let workspace = state.engine.workspace(session.workspace).await?;
    let origin =
        parts.headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()).and_then(Origin::parse);
    let allowed = origin.filter(|origin| workspace.admits(origin) || *origin == state.origin);
    let is_program = wants_json(&parts.headers);
    // What a program starts goes on in a browser, on our own page: it gets an address, never a provider's.
    let goes_on = parts.method == Method::POST && allowed.is_some() && !is_program;
    let request = ConnectRequest {
        integration: given.text(&["integrationKey", "integrationId"]).unwrap_or_default(),
        option: given.text(&["authOptionKey"]),
        input: given.input()?,
        road: road(&given, &workspace, allowed)?,
        request_id: given.text(&["requestId"]),
        name: given.text(&["name"]),
        allow_multiple: given.flag("allowMultipleConnections"),
        connection: given.text(&["connectionId"]),
        custom_state: given.text(&["customState"]),
        connector_parameters: given.object(&["connectorParameters"])?,
        no_ui: given.flag("noUi"),
        began: if goes_on { Began::Allowed } else { Began::Elsewhere },
    };
    let next = state.engine.connect(&session, request).await?;
    if is_program { tell(&state, next, &session) } else { follow(&state, next) }
}

fn road(given: &Given, workspace: &WorkspaceView, origin: Option<Origin>) -> Result<Road, Refusal> {
    let Some(redirect) = given.text(&["redirectUri"]) else {
        return Ok(Road::Popup { origin: origin.map(|origin| origin.as_str().to_owned()) });
    };
    match RedirectTarget::parse(&redirect, &workspace.origins) {
        Ok(target) => Ok(Road::Redirect { url: target.as_str().to_owned() }),
        Err(refusal) => {
            let message = format!("`redirectUri` cannot be used: {refusal}.");
            Err(Failure::new(FailureKey::RedirectNotAllowed, message).into())
        }
    }
}

/// The answer for a program: the connection, or where to send the customer's browser.
fn tell(state: &AppState, next: Next, session: &Session) -> Answer {
    match next {
        Next::Done(outcome) => match (outcome.failure(), &outcome.connection) {
            (None, Some(connection)) => {
                let connection = state.connection_json(connection, &outcome.view, &Access::from(session))?;
                Ok(Json(json!({ "connection": connection })).into_response())
            }
            (Some(failure), _) => Err(failure.clone().into()),
            (None, None) => Err(EngineError::NotFound("connection").into()),
        },
        Next::Ask(ticket) => {
            let path = format!("/connect/continue/{}", ticket.expose());
            let address = state.engine.addresses().public_url.join(&path);
            let address = address.map_err(|_| Refusal::of_status(StatusCode::INTERNAL_SERVER_ERROR))?;
            Ok(Json(json!({ "redirectUrl": address })).into_response())
        }
        Next::Leave(_) | Next::Confirm(_) => Err(EngineError::NotOpen.into()),
    }
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
}

/// `GET /sse/connection-events/{requestId}`: one message, the outcome, as soon as there is one. With
/// `?events=all` the stream stays open and also tells when the import is done.
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
    let watch = state.engine.watch(&request_id, session.map(|session| session.scope()));
    let messages = told::messages(state, watch, Wanted::read(query.events.as_deref(), &headers));
    let keep_alive = KeepAlive::new().interval(HEARTBEAT).text("waiting");
    let mut response = Sse::new(messages).keep_alive(keep_alive).into_response();
    let any = header::HeaderValue::from_static("*");
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
    Ok(response)
}
