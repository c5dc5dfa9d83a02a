//! A refusal on its way out: JSON for programs; the pages' door turns the same into a page.
//!
//! `{type, key?, message, data?}` as the public SDKs read it; the finer reason is in `data.reason`.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{
    engine::{EngineError, SessionRefusal},
    model::{Failure, FailureKey},
    store::StoreError,
};

/// Why a request was refused. Also travels as an extension of its response.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// HTTP status.
    pub status: StatusCode,
    /// `type` on the wire.
    pub kind: &'static str,
    /// `key` on the wire.
    pub key: &'static str,
    /// The finer reason.
    pub reason: &'static str,
    /// One sentence.
    pub message: String,
    /// More about it.
    pub data: Value,
}

impl Refusal {
    /// A request that makes no sense.
    pub fn bad_request(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "bad_request",
            key: "bad_request",
            reason,
            message: message.into(),
            data: json!({}),
        }
    }

    /// No such thing; also "not yours".
    pub fn not_found(what: &str) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            key: "not_found",
            ..Self::bad_request("not_found", format!("There is no such {what}."))
        }
    }

    /// Nobody we know.
    pub fn not_authenticated(refusal: &SessionRefusal) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            key: "not_authenticated",
            ..Self::bad_request(refusal.code(), sentence(&refusal.to_string()))
        }
    }

    /// What the framework refused before a handler saw it, in our words.
    pub fn of_status(status: StatusCode) -> Self {
        let (reason, message) = match status {
            StatusCode::NOT_FOUND => return Self::not_found("page"),
            StatusCode::PAYLOAD_TOO_LARGE => {
                ("payload_too_large", "The body of the request is larger than 64 KiB.")
            }
            StatusCode::METHOD_NOT_ALLOWED => {
                ("method_not_allowed", "This address does not take that method.")
            }
            status if status.is_server_error() => return Self { status, ..Self::internal() },
            _ => {
                ("invalid_query", "The address or the form has a part that cannot be read, or has it twice.")
            }
        };
        Self { status, ..Self::bad_request(reason, message) }
    }

    fn unavailable(reason: &'static str, message: &str) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            kind: "internal",
            key: "internal",
            ..Self::bad_request(reason, message)
        }
    }

    fn internal() -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            kind: "internal",
            key: "internal",
            ..Self::bad_request("internal", "Something went wrong on our side.")
        }
    }

    /// The body on the wire.
    pub fn body(&self) -> Value {
        let mut data = self.data.clone();
        data["reason"] = self.reason.into();
        json!({ "type": self.kind, "key": self.key, "message": self.message, "data": data })
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        let status = match failure.key {
            FailureKey::WrongBrowser | FailureKey::OriginNotAllowed => StatusCode::FORBIDDEN,
            FailureKey::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        let data = failure.error_data();
        Self {
            status,
            kind: "connection",
            key: failure.key.as_str(),
            data: data["data"].clone(),
            ..Self::bad_request(failure.key.as_str(), failure.message)
        }
    }
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::NotFound(what) => Self::not_found(what),
            EngineError::Ambiguous => Self {
                status: StatusCode::CONFLICT,
                ..Self::bad_request("ambiguous_selector", sentence(&error.to_string()))
            },
            EngineError::NotOpen => Self {
                status: StatusCode::GONE,
                ..Self::bad_request("not_open", "This page was answered already or took too long.")
            },
            EngineError::Failed(failure) => (*failure).into(),
            EngineError::Session(refusal) => Self::not_authenticated(&refusal),
            EngineError::Store(StoreError::Busy) => {
                Self::unavailable("storage_busy", "The server is busy. Try again in a moment.")
            }
            EngineError::Store(StoreError::Full) => {
                Self::unavailable("storage_full", "The server's disk is full. Its operator has to make room.")
            }
            EngineError::Store(_) | EngineError::Vault(_) => {
                tracing::error!(%error, "A request failed on our side");
                Self::internal()
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().map(|letter| letter.to_uppercase().collect()).unwrap_or_default();
    let stop = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{stop}", letters.as_str())
}
