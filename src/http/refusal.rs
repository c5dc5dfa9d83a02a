//! A refusal on its way out: JSON for programs; the pages' door turns the same into a page.
//!
//! `{type, key?, message, data?}` as the public SDKs read it; the finer reason is in `data.reason`.

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{
    engine::{EngineError, RefreshError, SessionRefusal},
    model::{DisconnectReason, Failure, FailureKey},
    store::StoreError,
};

/// Seconds after which our own trouble may be over.
const SOON: u32 = 2;
/// Seconds after which a provider's may be.
const LATER: u32 = 30;

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
    /// Seconds to wait before asking again.
    pub retry_after: Option<u32>,
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
            retry_after: None,
        }
    }

    /// Parts of what was sent that do not fit, each with its path.
    pub fn invalid(fields: Vec<(String, String)>) -> Self {
        let message = match fields.as_slice() {
            [(path, message)] => format!("`{path}`: {message}"),
            _ => "Some of what was sent does not fit.".to_owned(),
        };
        let fields: std::collections::BTreeMap<_, _> = fields.into_iter().collect();
        Self { data: json!({ "fields": fields }), ..Self::bad_request("invalid_input", message) }
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

    /// More than a limit lets pass; `limit` is its name in the configuration.
    pub fn too_many(limit: &'static str, wait: Duration) -> Self {
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            key: "rate_limit_exceeded",
            data: json!({ "limit": limit }),
            retry_after: u32::try_from(wait.as_millis().div_ceil(1000).max(1)).ok(),
            ..Self::bad_request(
                "rate_limit_exceeded",
                format!("Too many requests (`{limit}`). Try again later."),
            )
        }
    }

    /// No room for another connection.
    pub fn busy() -> Self {
        Self::unavailable("too_many_connections", "The server has no room for another connection.")
    }

    /// A body that is larger than this address takes.
    pub fn too_large(most: u64) -> Self {
        let message = format!("The body of the request is larger than {}.", human(most));
        Self { status: StatusCode::PAYLOAD_TOO_LARGE, ..Self::bad_request("payload_too_large", message) }
    }

    /// A body that did not arrive in time.
    pub fn too_slow() -> Self {
        let message = "The body of the request did not arrive in time.";
        Self { status: StatusCode::REQUEST_TIMEOUT, ..Self::bad_request("body_timeout", message) }
    }

    /// What the framework refused before a handler saw it, in our words.
    pub fn of_status(status: StatusCode) -> Self {
        let (reason, message) = match status {
            StatusCode::NOT_FOUND => return Self::not_found("page"),
            StatusCode::PAYLOAD_TOO_LARGE => {
                ("payload_too_large", "The body of the request is larger than this address takes.")
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
            retry_after: Some(SOON),
            ..Self::bad_request(reason, message)
        }
    }

    /// The connection has ended; `app` is what its provider is called.
    pub fn disconnected(reason: DisconnectReason, app: &str) -> Self {
        Self {
            status: StatusCode::CONFLICT,
            kind: "connection",
            key: "connection_is_defunct",
            data: json!({ "nextStep": reason.next_step(app) }),
            ..Self::bad_request(reason.as_str(), reason.why(app))
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
            FailureKey::WrongBrowser | FailureKey::WrongCustomer | FailureKey::OriginNotAllowed => {
                StatusCode::FORBIDDEN
            }
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
            EngineError::AccessDenied => Self {
                status: StatusCode::FORBIDDEN,
                key: "access_denied",
                ..Self::bad_request("access_denied", sentence(&error.to_string()))
            },
            EngineError::AlreadyExists(_) => Self {
                status: StatusCode::CONFLICT,
                key: "already_exists",
                ..Self::bad_request("already_exists", sentence(&error.to_string()))
            },
            EngineError::OwnedByFile(_) => Self {
                status: StatusCode::CONFLICT,
                ..Self::bad_request("owned_by_file", sentence(&error.to_string()))
            },
            EngineError::CredentialsNotReadable => Self {
                status: StatusCode::FORBIDDEN,
                key: "access_denied",
                ..Self::bad_request("credentials_not_readable", sentence(&error.to_string()))
            },
            EngineError::Contended => Self {
                status: StatusCode::CONFLICT,
                kind: "concurrency",
                key: "lock_timeout",
                ..Self::bad_request("contended", sentence(&error.to_string()))
            },
            EngineError::Invalid(fields) => Self::invalid(fields),
            EngineError::TooMany { limit, retry_after } => Self::too_many(limit, retry_after),
            EngineError::Failed(failure) => (*failure).into(),
            EngineError::Session(refusal) => Self::not_authenticated(&refusal),
            EngineError::Store(StoreError::Busy) => {
                Self::unavailable("storage_busy", "The server is busy. Try again in a moment.")
            }
            EngineError::Store(StoreError::Full) => {
                Self::unavailable("storage_full", "The server's disk is full. Its operator has to make room.")
            }
            EngineError::Store(StoreError::ReadOnly) => Self::unavailable(
                "storage_read_only",
                "The server cannot write to its database. Reading goes on; its operator has to look.",
            ),
            EngineError::Store(_) | EngineError::Vault(_) => {
                tracing::error!(%error, "A request failed on our side");
                Self::internal()
            }
        }
    }
}

impl From<RefreshError> for Refusal {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::NotFound => Self::not_found("connection"),
            RefreshError::Disconnected(reason) => Self::disconnected(reason, "the app"),
            RefreshError::Transient => Self {
                status: StatusCode::SERVICE_UNAVAILABLE,
                kind: "dependency_error",
                key: "provider_unreachable",
                retry_after: Some(LATER),
                ..Self::bad_request(
                    "provider_unreachable",
                    "The provider does not renew the credentials right now. Nothing is lost; try again later.",
                )
            },
            RefreshError::TooSoon(wait) => Self {
                status: StatusCode::TOO_MANY_REQUESTS,
                key: "rate_limit_exceeded",
                retry_after: u32::try_from(wait.as_millis().div_ceil(1000)).ok(),
                ..Self::bad_request("too_soon", "The credentials were renewed, or tried, a moment ago.")
            },
            RefreshError::NotRenewable => Self::bad_request(
                "not_renewable",
                "There is nothing to renew these credentials with. They are used until they end.",
            ),
            RefreshError::Engine(error) => error.into(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// A size as people write it.
fn human(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    match bytes {
        bytes if bytes >= MIB && bytes.is_multiple_of(MIB) => format!("{} MiB", bytes / MIB),
        bytes if bytes >= 1024 && bytes.is_multiple_of(1024) => format!("{} KiB", bytes / 1024),
        bytes => format!("{bytes} bytes"),
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().map(|letter| letter.to_uppercase().collect()).unwrap_or_default();
    let stop = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{stop}", letters.as_str())
}
