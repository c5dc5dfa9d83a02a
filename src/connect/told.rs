//! What a waiting page is told: the outcome and, when it asked for all events, that the import is done.
//!
//! The public SDKs end their listening at the first message of a type they do not know, so only a page
//! that asks is told more than the outcome.

use std::convert::Infallible;

use axum::{http::HeaderMap, response::sse::Event};
use futures_util::{Stream, stream};
use serde_json::{Value, json};

use crate::{
    engine::{ImportWatch, Outcome, Watch},
    http::{AppState, wire::connection_json},
    model::EventId,
};

/// How much a page is told.
pub(super) enum Wanted {
    /// The outcome; then the stream ends.
    Outcome,
    /// Everything, where it was before going on behind this event.
    All(Option<EventId>),
}

impl Wanted {
    /// `?events=all`; a browser that comes back names the last event it saw.
    pub(super) fn read(events: Option<&str>, headers: &HeaderMap) -> Self {
        let last = headers.get("last-event-id").and_then(|id| EventId::parse(id.to_str().ok()?));
        if events == Some("all") { Self::All(last) } else { Self::Outcome }
    }
}

/// What is waited for next.
enum Waiting {
    Outcome(Watch, Wanted),
    Import(ImportWatch, Box<Outcome>),
    Nothing,
}

/// The messages as they come. An error on our side ends the stream, and the browser asks again.
pub(super) fn messages(
    state: AppState,
    watch: Watch,
    wanted: Wanted,
) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold((state, Waiting::Outcome(watch, wanted)), async |(state, waiting)| {
        let (event, waiting) = tokio::select! {
            next = next(&state, waiting) => next?,
            () = state.engine.closing() => return None,
        };
        Some((Ok(event), (state, waiting)))
    })
}

async fn next(state: &AppState, waiting: Waiting) -> Option<(Event, Waiting)> {
    match waiting {
        Waiting::Outcome(mut watch, wanted) => {
            let outcome = watch.outcome().await.ok()?;
            let event = Event::default().data(state.outcome_json(&outcome).to_string());
            Some((event, after(state, outcome, wanted)))
        }
        Waiting::Import(mut watch, outcome) => {
            let (id, connection) = watch.next().await.ok()?;
            let message: Value = json!({
                "source": "integration.app",
                "requestId": outcome.attempt.request_id,
                "type": "IMPORT_DONE",
                "connection": connection_json(&connection, &outcome.view),
            });
            let event = Event::default().id(id.to_string()).data(message.to_string());
            Some((event, Waiting::Import(watch, outcome)))
        }
        Waiting::Nothing => None,
    }
}

fn after(state: &AppState, outcome: Outcome, wanted: Wanted) -> Waiting {
    let Wanted::All(last) = wanted else { return Waiting::Nothing };
    match state.engine.watch_import(&outcome, last) {
        Some(watch) => Waiting::Import(watch, Box::new(outcome)),
        None => Waiting::Nothing,
    }
}
