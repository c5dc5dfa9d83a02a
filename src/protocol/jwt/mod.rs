//! Session tokens that a product's backend signs for its customers, and tokens we sign for providers.
//!
//! The key on file decides which algorithms count, the token never does. What a token says is
//! believed only after its signature was checked; [`issuer`] alone looks before, to find the keys.
//! This room knows no store and no clock: keys, rules and the time are arguments.

mod claims;
mod keys;
pub mod mint;
mod pair;
mod private_key;
mod sign;
mod verify;
mod wire;

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod positive;

pub use claims::Claims;
pub use keys::{KeyError, Keys, MIN_SECRET_BYTES, PublicKey, check_secret};
pub use mint::{MintError, Minting, algorithm_of, client_assertion, mint};
pub use pair::{Pair, pair};
pub use sign::sign_hs256;
pub use verify::{Issuer, Rules, issuer, verify};

/// Bytes a token may have.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Why a token is not accepted, in words for the developer who made it.
///
/// No variant carries anything out of the token: names of claims and headers are our own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TokenError {
    /// Not three base64url parts with JSON objects inside.
    #[error(
        "the token is not a JWT: send the three base64url parts, joined by dots and without padding, as your JWT library returned them"
    )]
    Malformed,
    /// More than 8 KiB.
    #[error("the token is larger than 8 KiB: leave data out that the page does not need")]
    TooLarge,
    /// JSON with more than 16 levels.
    #[error("the token's JSON nests more than 16 levels deep: flatten `fields`")]
    TooDeep,
    /// The same member twice.
    #[error("the token's JSON has the same member twice: remove one")]
    DuplicateMember,
    /// `crit` or `b64`.
    #[error("the token's header has `{0}`, which is not supported: remove it")]
    CriticalHeader(&'static str),
    /// A header that brings its own key, or encryption.
    #[error("the token's header has `{0}`: keys come from the workspace's configuration only, remove it")]
    ForbiddenHeader(&'static str),
    /// `typ`, `kid` or `alg` of the wrong kind.
    #[error("the token's header `{0}` is not acceptable: `typ` is JWT, `kid` and `alg` are short strings")]
    InvalidHeader(&'static str),
    /// `none`, missing or unknown.
    #[error(
        "the token's algorithm is not supported: use HS256, RS256, PS256, ES256 or EdDSA (or their 384/512 forms, where they exist)"
    )]
    UnsupportedAlgorithm,
    /// No key on file can check this algorithm.
    #[error(
        "the workspace has no key for {0} tokens: HS* needs the workspace's secret; RS*, PS*, ES* and EdDSA need a registered public key of that kind"
    )]
    AlgorithmNotAllowed(&'static str),
    /// `kid` names no key of the workspace.
    #[error(
        "no key of the workspace has the token's `kid`: register it, or leave `kid` out (tokens signed with the workspace's secret have none)"
    )]
    UnknownKey,
    /// The signature does not fit any key on file.
    #[error(
        "the token's signature does not match: sign it with the secret or private key of the workspace named in `iss`"
    )]
    BadSignature,
    /// Neither `iss`, `workspaceKey` nor `workspace_id`.
    #[error("the token names no workspace: set `iss` to the workspace key")]
    MissingIssuer,
    /// Past `exp`, or an old token without one.
    #[error("the token has expired: make a new one for each page view")]
    Expired,
    /// `nbf` or `iat` in the future.
    #[error("the token is not valid yet: check `nbf`, `iat` and your server's clock")]
    NotYetValid,
    /// No `exp`.
    #[error(
        "the token has no `exp`: set one, in seconds since 1970, or turn on `allow_tokens_without_exp` for the workspace"
    )]
    MissingExpiry,
    /// `exp` too far ahead.
    #[error("the token lives too long: set an earlier `exp`, or raise the workspace's `max_token_lifetime`")]
    LifetimeTooLong,
    /// No customer in a token that needs one.
    #[error("the token names no customer: set `id` to your customer's id, a string")]
    MissingCustomer,
    /// A claim of the wrong type or shape.
    #[error("the token's claim `{0}` has the wrong type or shape: see the documentation of session tokens")]
    InvalidClaim(&'static str),
    /// Claims that name different customers or workspaces.
    #[error("the token names two different values for one thing: see the documentation of `{0}`")]
    Conflict(&'static str),
}

impl TokenError {
    /// A stable name for the cause, for `data.reason`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "malformed_token",
            Self::TooLarge => "token_too_large",
            Self::TooDeep => "token_too_deep",
            Self::DuplicateMember => "duplicate_member",
            Self::CriticalHeader(_) => "critical_header",
            Self::ForbiddenHeader(_) => "forbidden_header",
            Self::InvalidHeader(_) => "invalid_header",
            Self::UnsupportedAlgorithm => "unsupported_algorithm",
            Self::AlgorithmNotAllowed(_) => "algorithm_not_allowed",
            Self::UnknownKey => "unknown_key",
            Self::BadSignature => "bad_signature",
            Self::MissingIssuer => "missing_issuer",
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::MissingExpiry => "missing_expiry",
            Self::LifetimeTooLong => "lifetime_too_long",
            Self::MissingCustomer => "missing_customer",
            Self::InvalidClaim(_) => "invalid_claim",
            Self::Conflict(_) => "conflicting_claims",
        }
    }
}
