//! A page of the product that waits for how a start went: it opened our window, or holds our frame, or
//! listens for its `requestId`.

use serde_json::{Value, json};

use super::{AppState, Refusal, headers::Framing};
use crate::{
    engine::{RefusedStart, Starter},
    model::HandleHash,
};

/// Whom a refused start is told. Travels as an extension of the refusal's response.
#[derive(Clone)]
pub struct Opener {
    /// The only origin that is told; the workspace lists it.
    pub origin: String,
    /// What the page calls its attempt.
    pub request_id: Option<String>,
    /// Who may frame the page that tells it.
    pub framing: Framing,
}

impl Opener {
    /// The message, in the form in which a failed attempt is told.
    pub fn message(&self, refusal: &Refusal) -> Value {
        refused_json(self.request_id.as_deref(), &refusal.message, &refusal.body())
    }
}

/// A start that was refused, in the form in which a failed attempt is told.
pub fn refused_json(request_id: Option<&str>, message: &str, data: &Value) -> Value {
    json!({
        "source": "integration.app",
        "requestId": request_id,
        "type": "newConnectionFailure",
        "error": message,
        "errorData": data,
    })
}

/// Who wanted to start, where only a token is known.
pub fn starter(token: Option<&str>) -> Starter {
    token.map_or(Starter::Unknown, |token| Starter::Bearer(HandleHash::of(token)))
}

impl AppState {
    /// Tells whoever listens for `request_id` that its start was refused.
    pub fn tell_refused(&self, request_id: Option<String>, starter: Starter, refusal: &Refusal) {
        let Some(request_id) = request_id else { return };
        let (message, data) = (refusal.message.clone(), refusal.body());
        self.engine.note_refused(starter, RefusedStart { request_id, message, data });
    }
}
