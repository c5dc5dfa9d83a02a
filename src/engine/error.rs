//! Why a verb was refused.

use crate::{model::Failure, protocol::jwt::TokenError, store::StoreError, vault::VaultError};

/// Why a verb was refused. "Not found" also stands for "not yours".
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No such thing, or not in this caller's scope.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// The selector fits several.
    #[error("several connections fit; name one by its id")]
    Ambiguous,
    /// The page that asks is no longer waiting: expired, sent off, or answered.
    #[error("this request is no longer open")]
    NotOpen,
    /// The attempt ended before it began.
    #[error("{}", .0.message)]
    Failed(Box<Failure>),
    /// The session is missing or ended.
    #[error(transparent)]
    Session(#[from] SessionRefusal),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A sealed value did not open.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// Why somebody is not signed in.
#[derive(Debug, thiserror::Error)]
pub enum SessionRefusal {
    /// Nothing was shown.
    #[error("no token was sent")]
    MissingToken,
    /// The token names a workspace that is not here.
    #[error("the token's `iss` names no workspace of this server")]
    UnknownWorkspace,
    /// The token itself.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The token has no customer, and the page is for customers.
    #[error("the token has no customer `id`")]
    NoCustomer,
    /// The page session ended.
    #[error("the page session has ended")]
    Ended,
    /// The link ended or never was.
    #[error("the link has ended")]
    LinkEnded,
}

impl SessionRefusal {
    /// A distinct word for each, as on the wire (`data.reason`).
    pub fn code(&self) -> &'static str {
        match self {
            Self::MissingToken => "missing_token",
            Self::UnknownWorkspace => "unknown_workspace",
            Self::Token(error) => error.code(),
            Self::NoCustomer => "missing_customer",
            Self::Ended => "session_ended",
            Self::LinkEnded => "link_ended",
        }
    }
}

impl From<Failure> for EngineError {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}
