//! A page of the product that waits for how a start went: it opened our window, or holds our frame.

use serde_json::{Value, json};

use super::{Refusal, headers::Framing};

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
        json!({
            "source": "integration.app",
            "requestId": self.request_id,
            "type": "newConnectionFailure",
            "error": refusal.message,
            "errorData": refusal.body(),
        })
    }
}
