//! `/connect` and `/connection-popup`: reads what is asked for and from where, starts it, answers.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    http::{Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{
    Answer, follow,
    given::{Given, bearer, wants_json},
};
use crate::{
    engine::{
        Began, CUSTOM_STATE_MAX, ConnectRequest, EngineError, Next, SessionRefusal, Starter, WorkspaceView,
    },
    http::{
        AppState, Refusal,
        headers::{Framing, is_framed, see_other},
        opener::{Opener, starter},
    },
    model::{
        Access, Failure, FailureKey, Road, Session, Surface,
        redirect::{Origin, RedirectTarget},
    },
};

/// `GET|POST /connect` and `/connection-popup`.
pub(super) async fn begin(State(state): State<AppState>, request: Request) -> Answer {
    let asked = Asked::read(&state, request).await?;
    match asked.start(&state).await {
        Ok(next) if asked.is_program => tell(&state, next, &asked.session),
        Ok(next) => follow(&state, next),
        Err(refusal) => {
            let name = asked.given.text(&["requestId"]);
            state.tell_refused(name, Starter::Customer(asked.session.scope()), &refusal);
            Ok(asked.refuse(refusal))
        }
    }
}

/// What is asked for, by whom, and from where.
struct Asked {
    given: Given,
    session: Session,
    workspace: Arc<WorkspaceView>,
    /// Origin of the page that posted it, where the workspace lists it.
    origin: Option<Origin>,
    began: Began,
    is_program: bool,
}

impl Asked {
    async fn read(state: &AppState, request: Request) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let too_large = |_| Refusal::of_status(StatusCode::PAYLOAD_TOO_LARGE);
        // `http::limits` has cut it already.
        let body = axum::body::to_bytes(body, usize::MAX).await.map_err(too_large)?;
        let given = Given::read(parts.uri.query(), &parts.headers, &body)?;
        let token = given.text(&["token"]).or_else(|| bearer(&parts.headers));
        let session = match sign_in(state, token.as_deref()).await {
            Ok(session) => session,
            Err(refusal) => {
                state.tell_refused(given.text(&["requestId"]), starter(token.as_deref()), &refusal);
                return Err(refusal);
            }
        };
        let workspace = state.engine.workspace(session.workspace).await?;
        let named = parts.headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
        let origin = named.and_then(Origin::parse);
        let origin = origin.filter(|origin| workspace.admits(origin) || *origin == state.origin);
        let is_program = wants_json(&parts.headers);
        let began = began(&parts, origin.is_some() && !is_program);
        Ok(Self { given, session, workspace, origin, began, is_program })
    }

    async fn start(&self, state: &AppState) -> Result<Next, Refusal> {
        let given = &self.given;
        let request = ConnectRequest {
            integration: self.integration()?,
            option: given.text(&["authOptionKey"]),
            input: given.input()?,
            road: self.road()?,
            request_id: given.text(&["requestId"]),
            name: given.text(&["name"]),
            allow_multiple: given.flag("allowMultipleConnections"),
            connection: given.text(&["connectionId", "connectionKey"]),
            custom_state: given.text(&["customState"]),
            connector_parameters: given.object(&["connectorParameters"])?,
            no_ui: given.flag("noUi"),
            began: self.began,
        };
        Ok(state.engine.connect(&self.session, request).await?)
    }

    /// Id or key of the integration; empty where none is named, as beside a connection.
    fn integration(&self) -> Result<String, Refusal> {
        if let Some(named) = self.given.text(&["integrationKey", "integrationId"]) {
            return Ok(named);
        }
        let Some(connector) = self.given.text(&["connectorKey", "connectorId"]) else {
            return Ok(String::new());
        };
        let view = self.workspace.of_connector(&connector, |key| self.session.sees(key))?;
        Ok(view.integration.key.clone())
    }

    fn road(&self) -> Result<Road, Refusal> {
        let Some(redirect) = self.given.text(&["redirectUri"]) else {
            return Ok(Road::Popup { origin: self.origin.as_ref().map(|origin| origin.as_str().to_owned()) });
        };
        match RedirectTarget::parse(&redirect, &self.workspace.origins) {
            Ok(target) => Ok(Road::Redirect { url: target.as_str().to_owned() }),
            Err(refusal) => {
                let message = format!("`redirectUri` cannot be used: {refusal}.");
                Err(Failure::new(FailureKey::RedirectNotAllowed, message).into())
            }
        }
    }

    /// What could not begin leaves by the road that a failure would take: to the caller's address, or to a
    /// listed page that waits for it.
    fn refuse(&self, refusal: Refusal) -> Response {
        if self.is_program {
            return refusal.into_response();
        }
        if let Some(redirect) = self.given.text(&["redirectUri"]) {
            let target = RedirectTarget::parse(&redirect, &self.workspace.origins);
            return target.map_or_else(
                |_| refusal.clone().into_response(),
                |target| self.send_back(&target, &refusal),
            );
        }
        let opener = self.origin.as_ref().map(|origin| Opener {
            origin: origin.as_str().to_owned(),
            request_id: self.given.text(&["requestId"]),
            framing: Framing::of(&self.workspace),
        });
        let mut response = refusal.into_response();
        if let Some(opener) = opener {
            response.extensions_mut().insert(opener);
        }
        response
    }

    fn send_back(&self, target: &RedirectTarget, refusal: &Refusal) -> Response {
        let data = refusal.body().to_string();
        let state = self.given.text(&["customState"]).filter(|state| state.len() <= CUSTOM_STATE_MAX);
        let mut params = vec![("error", refusal.message.as_str()), ("errorData", data.as_str())];
        params.extend(state.as_deref().map(|state| ("customState", state)));
        see_other(&target.with(&params))
    }
}

async fn sign_in(state: &AppState, token: Option<&str>) -> Result<Session, Refusal> {
    let missing = || Refusal::not_authenticated(&SessionRefusal::MissingToken);
    Ok(state.engine.authenticate(token.ok_or_else(missing)?, Surface::Page).await?)
}

/// What a program starts goes on in a browser, on our own page: it gets an address, never a provider's.
fn began(parts: &Parts, is_listed: bool) -> Began {
    if is_framed(&parts.headers) {
        Began::Hidden
    } else if parts.method == Method::POST && is_listed {
        Began::Allowed
    } else {
        Began::Elsewhere
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
