//! Where a flow begins from outside and where it ends: `/connect`, `/connection-popup`, callbacks and
//! the stream that tells a waiting page how it went.
//!
//! Owns no rule: reads the request in all its shapes, calls one verb, answers.

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use axum::{
    Router,
    extract::{Path, Query, RawQuery, Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::get,
};
use futures_util::stream;
use serde::Deserialize;
use url::form_urlencoded;

use crate::{
    engine::{
        Began, CallbackParams, ConnectRequest, Departure, Destination, EngineError, Next, Outcome,
        WorkspaceView, attempt_cookie,
    },
    http::{AppState, Refusal, headers::see_other},
    model::{
        Failure, FailureKey, Handle, Road, Session, Surface,
        redirect::{Origin, RedirectTarget},
    },
};

/// Shortest `requestId` that may be listened to without a token.
const REQUEST_ID_MIN: usize = 16;
/// Between two comments on a quiet event stream.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Largest body of `/connect`.
const BODY_MAX: usize = 64 * 1024;

type Answer = Result<Response, Refusal>;

/// The routes.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/connect", get(begin).post(begin))
        .route("/connection-popup", get(begin).post(begin))
        .route("/oauth/callback/{integration}", get(callback))
        .route("/sse/connection-events/{request_id}", get(events))
}

/// The parameters of a start, from the query and the form together; the form wins.
struct Given(BTreeMap<String, String>);

impl Given {
    fn read(query: Option<&str>, body: &[u8]) -> Self {
        let query = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned();
        Self(query.chain(form_urlencoded::parse(body).into_owned()).collect())
    }

    fn text(&self, names: &[&str]) -> Option<String> {
        names.iter().filter_map(|name| self.0.get(*name)).find(|value| !value.is_empty()).cloned()
    }

    fn flag(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| value == "1" || value == "true")
    }

    /// `input`, or one of its older names, as a JSON object of single values.
    fn input(&self) -> Result<BTreeMap<String, String>, Refusal> {
        let Some(text) = self.text(&["input", "connectionParameters", "parameters"]) else {
            return Ok(BTreeMap::new());
        };
        let wrong = || Refusal::bad_request("malformed_input", "`input` has to be a JSON object.");
        let values: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&text).map_err(|_| wrong())?;
        let text = |value: serde_json::Value| match value {
            serde_json::Value::String(text) => Some(text),
            serde_json::Value::Number(number) => Some(number.to_string()),
            serde_json::Value::Bool(on) => Some(on.to_string()),
            _ => None,
        };
        Ok(values.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect())
    }
}

/// `GET|POST /connect` and `/connection-popup`, by query and form.
async fn begin(State(state): State<AppState>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let too_large = |_| Refusal::of_status(StatusCode::PAYLOAD_TOO_LARGE);
    let body = axum::body::to_bytes(body, BODY_MAX).await.map_err(too_large)?;
    let given = Given::read(parts.uri.query(), &body);
    let token = given.text(&["token"]).or_else(|| bearer(&parts.headers));
    let missing = || Refusal::not_authenticated(&crate::engine::SessionRefusal::MissingToken);
    let session = state.engine.authenticate(&token.ok_or_else(missing)?, Surface::Page).await?;
    let workspace = state.engine.workspace(session.workspace).await?;
    let origin =
        parts.headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()).and_then(Origin::parse);
    let allowed = origin.filter(|origin| workspace.admits(origin) || *origin == state.origin);
    let began =
        if parts.method == Method::POST && allowed.is_some() { Began::Allowed } else { Began::Elsewhere };
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
        began,
    };
    let next = state.engine.connect(&session, request).await?;
    follow(&state, next)
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

fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

fn follow(state: &AppState, next: Next) -> Answer {
    match next {
        Next::Leave(departure) => Ok(leave(state, &departure)),
        Next::Ask(ticket) => Ok(see_other(&format!("/connect/continue/{}", ticket.expose()))),
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
    match outcome.destination() {
        Some(Destination::Catalog) => {
            let key = &outcome.view.integration.key;
            Ok(see_other(&format!("/?notice=connected&app={key}")))
        }
        Some(Destination::Result(handle)) => Ok(see_other(&format!("/connect/result/{}", handle.expose()))),
        Some(Destination::Away(address)) => Ok(see_other(&address)),
        None => Err(EngineError::NotOpen.into()),
    }
}

/// `GET /oauth/callback/{integration}`
async fn callback(
    State(state): State<AppState>,
    Path(integration): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let pairs: Vec<_> = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect();
    let shown = pairs.iter().find(|(name, _)| name == "state").and_then(|(_, value)| Handle::parse(value));
    let params = CallbackParams::new(pairs);
    let cookie = |name: &str| state.cookie_value(&headers, name);
    let outcome = state.engine.callback(&integration, &params, cookie).await;
    let answer = outcome.map_err(Refusal::from).and_then(|outcome| arrive(&outcome));
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    if let Some(shown) = shown {
        let name = attempt_cookie(&shown.hash());
        if state.cookie_value(&headers, &name).is_some() {
            response.headers_mut().append(header::SET_COOKIE, state.spent_cookie(&name));
        }
    }
    response
}

#[derive(Deserialize)]
struct EventsQuery {
    token: Option<String>,
}

/// `GET /sse/connection-events/{requestId}`: one message, the outcome, as soon as there is one.
async fn events(
    State(state): State<AppState>,
    Path(request_id): Path<String>,
    Query(query): Query<EventsQuery>,
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
    let outcome = stream::unfold(Some((state, watch)), async |waiting| {
        let (state, mut watch) = waiting?;
        // The stream ends after the one message; an error on our side lets the browser ask again.
        let outcome = tokio::select! {
            outcome = watch.outcome() => outcome.ok()?,
            () = state.engine.closing() => return None,
        };
        let event = Event::default().data(state.outcome_json(&outcome).to_string());
        Some((Ok::<_, Infallible>(event), None))
    });
    let keep_alive = KeepAlive::new().interval(HEARTBEAT).text("waiting");
    let mut response = Sse::new(outcome).keep_alive(keep_alive).into_response();
    let any = header::HeaderValue::from_static("*");
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
    Ok(response)
}
