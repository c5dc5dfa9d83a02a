//! The server functions that the pages' own forms post to.
//!
//! Each opens its door, calls one engine verb and answers with a 303, also when it refuses: leptos
//! would otherwise go back to the Referer, even a foreign one, and put an `Err` into the address.

#![expect(
    missing_docs,
    reason = "the server macro makes a struct of the arguments and gives it no doc comments"
)]

use std::collections::BTreeMap;

use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use leptos::prelude::*;
use leptos_axum::ResponseOptions;
use tower_http::csrf::CsrfLayer;

use super::{refused, viewer::Viewer};
use crate::{
    engine::{AskSubmission, Began, ConnectRequest, Destination, EngineError, Next, Outcome, Starter},
    http::{AppState, Refusal},
    model::{Access, Road},
};

/// Refuses posts that other sites make: our forms are the confirm page, so only they may press it.
pub fn csrf(state: &AppState) -> CsrfLayer<fn(tower_http::csrf::ProtectionError) -> Response> {
    let refuse: fn(tower_http::csrf::ProtectionError) -> Response = |_| {
        let message = "This form was sent by another site, so nothing was done.";
        Refusal { status: StatusCode::FORBIDDEN, ..Refusal::bad_request("cross_site", message) }
            .into_response()
    };
    CsrfLayer::new()
        .add_trusted_origin(state.origin.as_str())
        .expect("the public address has an origin")
        .with_rejection_response(refuse)
}

/// Hands a post to its server function.
///
/// leptos sends a browser back to the Referer, even a foreign one, when it cannot read the arguments. It
/// gets none, and whatever is not the 303 of one of our functions was not readable.
pub async fn handle(State(state): State<AppState>, mut request: Request) -> Response {
    request.headers_mut().remove(header::REFERER);
    let context = state.clone();
    let answer =
        leptos_axum::handle_server_fns_with_context(move || provide_context(context.clone()), request);
    let response = answer.await.into_response();
    if response.status() == StatusCode::SEE_OTHER && response.headers().contains_key(header::LOCATION) {
        return response;
    }
    Refusal::bad_request("invalid_input", "This form could not be read.").into_response()
}

/// What a connect or reconnect form said.
struct Started {
    integration: String,
    option: String,
    request_id: String,
    popup: String,
    input: BTreeMap<String, String>,
    connection: Option<String>,
}

/// What a server function has at hand.
struct Door {
    state: AppState,
    answer: ResponseOptions,
}

impl Door {
    fn open() -> Self {
        Self { state: expect_context(), answer: expect_context() }
    }

    async fn viewer(&self, handle: &str) -> Result<Viewer, EngineError> {
        Viewer::of_form(&self.state, handle.to_owned()).await
    }

    async fn start(&self, handle: &str, started: Started) {
        let name = started.request_id.clone();
        let viewer = match self.viewer(handle).await {
            Ok(viewer) => viewer,
            Err(error) => return self.refuse_start(name, Starter::Unknown, error, None),
        };
        let opening = &viewer.opened.opening;
        let request = ConnectRequest {
            integration: started.integration,
            option: Some(started.option).filter(|option| !option.is_empty()),
            input: started.input,
            road: self.road(&viewer, &started.popup),
            request_id: Some(started.request_id),
            name: opening.name.clone(),
            allow_multiple: opening.allow_multiple,
            connection: started.connection,
            custom_state: opening.custom_state.clone(),
            connector_parameters: opening.connector_parameters.clone(),
            no_ui: false,
            began: Began::OwnForm,
        };
        match self.state.engine.connect(&viewer.session, request).await {
            Ok(next) => self.follow(Ok(next), Some(&viewer)),
            Err(error) => {
                let starter = Starter::Customer(viewer.session.scope());
                self.refuse_start(name, starter, error, Some(&viewer));
            }
        }
    }

    /// The window that shows why may be a popup: the page that opened it is told as well.
    fn refuse_start(&self, name: String, starter: Starter, error: EngineError, viewer: Option<&Viewer>) {
        let refusal = Refusal::from(error);
        let told = Refusal { message: refused::sentence(&refusal), ..refusal.clone() };
        self.state.tell_refused(Some(name), starter, &told);
        self.refuse(refusal, viewer);
    }

    fn see_other(&self, location: &str) {
        self.answer.set_status(StatusCode::SEE_OTHER);
        if let Ok(location) = HeaderValue::from_str(location) {
            self.answer.insert_header(header::LOCATION, location);
        } else {
            self.answer.insert_header(header::LOCATION, HeaderValue::from_static("/refused/internal"));
        }
    }

    fn follow(&self, next: Result<Next, EngineError>, viewer: Option<&Viewer>) {
        match next {
            Ok(Next::Leave(departure)) => {
                self.answer.append_header(header::SET_COOKIE, self.state.binding_cookie(&departure));
                self.see_other(departure.url.as_str());
            }
            Ok(Next::Ask(ticket)) => {
                self.see_other(&within(&format!("/connect/continue/{}", ticket.expose()), viewer));
            }
            Ok(Next::Confirm(address)) => self.see_other(&address),
            Ok(Next::Done(outcome)) => self.arrive(&outcome, viewer),
            Err(error) => self.refuse(error, viewer),
        }
    }

    fn arrive(&self, outcome: &Outcome, viewer: Option<&Viewer>) {
        match outcome.destination() {
            Some(Destination::Catalog) => {
                let renewed = outcome.attempt.request.target.is_some();
                let notice = if renewed { "reconnected" } else { "connected" };
                match (viewer.filter(|viewer| viewer.connects()), &outcome.connection) {
                    (Some(viewer), Some(made)) => {
                        let (handle, id) = (&viewer.handle, made.id);
                        self.see_other(&format!("/embed/connected?session={handle}&connection={id}"));
                    }
                    _ => self.back(notice, &outcome.view.integration.key, viewer),
                }
            }
            Some(Destination::Result(handle)) => {
                self.see_other(&within(&format!("/connect/result/{}", handle.expose()), viewer));
            }
            Some(Destination::Away(address)) => self.see_other(&address),
            None => self.see_other("/refused/not_open"),
        }
    }

    /// Back to the catalog, or to what the embed was opened with.
    fn back(&self, notice: &str, app: &str, viewer: Option<&Viewer>) {
        let shell = viewer.map(Viewer::ways).unwrap_or_default();
        self.see_other(&shell.home(&[("notice", notice), ("app", app)]));
    }

    fn refuse(&self, error: impl Into<Refusal>, viewer: Option<&Viewer>) {
        let refusal = error.into();
        self.see_other(&within(&format!("/refused/{}", refused::code_of(&refusal)), viewer));
    }

    /// How the outcome of a form leaves. A frame never shows a provider's page, so there it is always a
    /// window of its own, which tells the page that opened it.
    fn road(&self, viewer: &Viewer, popup: &str) -> Road {
        if viewer.is_framed() || popup == "1" {
            Road::Popup { origin: Some(self.state.origin.as_str().to_owned()) }
        } else {
            Road::Page
        }
    }
}

/// An address of ours that a frame's session travels with.
fn within(path: &str, viewer: Option<&Viewer>) -> String {
    match viewer.filter(|viewer| viewer.is_framed()) {
        Some(viewer) => format!("{path}?session={}", viewer.handle),
        None => path.to_owned(),
    }
}

/// Starts a connection and sends the browser wherever the integration needs it.
#[server(prefix = "/_actions", endpoint = "connect")]
pub async fn connect(
    #[server(default)] session: String,
    #[server(default)] integration: String,
    #[server(default)] option: String,
    #[server(default)] request_id: String,
    #[server(default)] popup: String,
    #[server(default)] input: BTreeMap<String, String>,
) -> Result<(), ServerFnError> {
    Door::open()
        .start(&session, Started { integration, option, request_id, popup, input, connection: None })
        .await;
    Ok(())
}

/// Renews a connection: the same id, new credentials.
#[server(prefix = "/_actions", endpoint = "reconnect")]
pub async fn reconnect(
    #[server(default)] session: String,
    #[server(default)] connection: String,
    #[server(default)] option: String,
    #[server(default)] request_id: String,
    #[server(default)] popup: String,
    #[server(default)] input: BTreeMap<String, String>,
) -> Result<(), ServerFnError> {
    let connection = Some(connection);
    let started = Started { integration: String::new(), option, request_id, popup, input, connection };
    Door::open().start(&session, started).await;
    Ok(())
}

/// Deletes a connection. Doing it twice is no error.
#[server(prefix = "/_actions", endpoint = "delete")]
pub async fn delete(
    #[server(default)] session: String,
    #[server(default)] connection: String,
) -> Result<(), ServerFnError> {
    let door = Door::open();
    let viewer = match door.viewer(&session).await {
        Ok(viewer) => viewer,
        Err(error) => {
            door.refuse(error, None);
            return Ok(());
        }
    };
    match door.state.engine.archive(&Access::from(&viewer.session), &connection).await {
        Ok(archived) => {
            let key = &archived.view.integration.key;
            let ways = viewer.ways();
            // The page of a connection that is gone would only say so.
            if ways.opened_at.starts_with("/embed/connections/") {
                door.see_other(&ways.app(key, &[("notice", "deleted")]));
            } else {
                door.back("deleted", key, Some(&viewer));
            }
        }
        Err(error) => door.refuse(error, Some(&viewer)),
    }
    Ok(())
}

/// Gives up on what the page waits for. Nothing comes of it any more, whatever the provider answers.
#[server(prefix = "/_actions", endpoint = "cancel")]
pub async fn cancel(
    #[server(default)] session: String,
    #[server(default)] request_id: String,
) -> Result<(), ServerFnError> {
    let door = Door::open();
    match door.viewer(&session).await {
        Ok(viewer) => match door.state.engine.cancel(viewer.session.scope(), &request_id).await {
            Ok(()) => door.see_other(&viewer.ways().home(&[("notice", "cancelled")])),
            Err(error) => door.refuse(error, Some(&viewer)),
        },
        Err(error) => door.refuse(error, None),
    }
    Ok(())
}

/// Answers what an attempt asked.
#[server(prefix = "/_actions", endpoint = "submit_input")]
pub async fn submit_input(
    #[server(default)] session: String,
    #[server(default)] ticket: String,
    #[server(default)] option: String,
    #[server(default)] input: BTreeMap<String, String>,
) -> Result<(), ServerFnError> {
    let door = Door::open();
    // The ticket alone says what is answered; a session only says where a frame goes on.
    let viewer = door.viewer(&session).await.ok();
    let submission =
        AskSubmission { ticket, option: Some(option).filter(|option| !option.is_empty()), input };
    let next = door.state.engine.submit_input(submission).await;
    door.follow(next, viewer.as_ref());
    Ok(())
}

/// Says which of several things a connection is for.
#[server(prefix = "/_actions", endpoint = "choose")]
pub async fn choose(
    #[server(default)] session: String,
    #[server(default)] ticket: String,
    #[server(default)] item: String,
    #[server(default)] cancel: String,
) -> Result<(), ServerFnError> {
    let door = Door::open();
    let viewer = door.viewer(&session).await.ok();
    let next = if cancel.is_empty() {
        door.state.engine.choose(&ticket, &item).await
    } else {
        door.state.engine.decline(&ticket).await
    };
    door.follow(next, viewer.as_ref());
    Ok(())
}
