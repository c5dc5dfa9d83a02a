//! What a waiting page is told: the outcome and, when it asked for all events, that the import is done.
//!
//! The public SDKs end their listening at the first message of a type they do not know, so only a page
//! that asks is told more than the outcome. Such a page can come back at any time: each message carries a
//! bookmark, which opens the stream behind it long after the attempt is forgotten.

use std::convert::Infallible;

use axum::{http::HeaderMap, response::sse::Event};
use futures_util::{Stream, stream};
use serde_json::{Value, json};

use crate::{
    engine::{ImportWatch, Told, Watch},
    http::{AppState, opener::refused_json, wire::connection_json},
};

/// How much a page is told.
pub(super) enum Wanted {
    /// The outcome; then the stream ends.
    Outcome,
    /// Everything, where it was before going on behind this bookmark.
    All(Option<String>),
}

impl Wanted {
    /// `?events=all`; a page that comes back names the last message it saw: the browser by itself, in a
    /// header, and an SDK that had to ask anew in `last`.
    pub(super) fn read(events: Option<&str>, last: Option<String>, headers: &HeaderMap) -> Self {
        if events != Some("all") {
            return Self::Outcome;
        }
        let header = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
        Self::All(header.or(last).filter(|bookmark| !bookmark.is_empty()))
    }
}

/// What is waited for next.
enum Waiting {
    Outcome(Watch, Wanted),
    Import(Box<ImportWatch>),
    Nothing,
}

/// The messages as they come. An error on our side ends the stream, and the browser asks again.
pub(super) async fn messages(
    state: AppState,
    watch: Watch,
    wanted: Wanted,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let resumed = match &wanted {
        Wanted::All(Some(bookmark)) => state.engine.resume_import(watch.request_id(), bookmark).await,
        _ => None,
    };
    let waiting = resumed.map_or(Waiting::Outcome(watch, wanted), |watch| Waiting::Import(Box::new(watch)));
    stream::unfold((state, waiting), async |(state, waiting)| {
        let (event, waiting) = tokio::select! {
            next = next(&state, waiting) => next?,
            () = state.engine.closing() => return None,
        };
        Some((Ok(event), (state, waiting)))
    })
}

async fn next(state: &AppState, waiting: Waiting) -> Option<(Event, Waiting)> {
    match waiting {
        Waiting::Outcome(mut watch, wanted) => match watch.told().await.ok()? {
            Told::Refused(refused) => {
                let message = refused_json(Some(&refused.request_id), &refused.message, &refused.data);
                Some((Event::default().data(message.to_string()), Waiting::Nothing))
            }
            Told::Ended(outcome) => {
                let event = Event::default().data(state.outcome_json(&outcome).to_string());
                let import = match wanted {
                    Wanted::Outcome => None,
                    Wanted::All(_) => state.engine.watch_import(&outcome),
                };
                Some(match import {
                    Some(import) => (event.id(import.bookmark()), Waiting::Import(Box::new(import))),
                    None => (event, Waiting::Nothing),
                })
            }
        },
        Waiting::Import(mut watch) => {
            let connection = watch.next().await.ok()?;
            let message: Value = json!({
                "source": "integration.app",
                "requestId": watch.request_id(),
                "type": "IMPORT_DONE",
                "connection": connection_json(&connection, watch.view()),
            });
            let event = Event::default().id(watch.bookmark()).data(message.to_string());
            Some((event, Waiting::Import(watch)))
        }
        Waiting::Nothing => None,
    }
}
