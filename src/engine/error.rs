//! Why a verb was refused.

use crate::{model::Failure, protocol::jwt::TokenError, store::StoreError, vault::VaultError};

/// Why a verb was refused. "Not found" also stands for "not yours".
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No such thing, or not in this caller's scope.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// The selector fits several.
    #[error("several fit; name one by its id")]
    Ambiguous,
    /// The page that asks is no longer waiting: expired, sent off, or answered.
    #[error("this request is no longer open")]
    NotOpen,
    /// Only the product's backend may do this (`isAdmin`).
    #[error("this needs a token of your backend, with `isAdmin: true`")]
    AccessDenied,
    /// Something of this name is there already.
    #[error("{0} is there already")]
    AlreadyExists(&'static str),
    /// What was sent does not fit: the path of each part and what is wrong with it.
    #[error("some of what was sent does not fit")]
    Invalid(Vec<(String, String)>),
    /// The configuration file owns it and would put its own values back.
    #[error("this {0} stands in the configuration file: change it there and apply the file")]
    OwnedByFile(&'static str),
    /// The workspace does not let credentials be read.
    #[error("this workspace does not let credentials be read: set `allow_credentials_read = true` for it")]
    CredentialsNotReadable,
    /// Somebody else changed the same thing at the same time, several times over.
    #[error("this was changed by somebody else at the same time; try again")]
    Contended,
    /// More than a limit lets pass.
    #[error("too many requests (`{limit}`)")]
    TooMany {
        /// Its name in the configuration.
        limit: &'static str,
        /// When there is room again.
        retry_after: std::time::Duration,
    },
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
    /// The backend archived this customer.
    #[error("this customer is archived, and the product's backend has to restore them first")]
    CustomerArchived,
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
            Self::CustomerArchived => "customer_archived",
            Self::LinkEnded => "link_ended",
        }
    }
}

impl EngineError {
    /// One part of what was sent does not fit.
    pub fn invalid(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![(path.into(), message.into())])
    }
}

impl From<Failure> for EngineError {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}
