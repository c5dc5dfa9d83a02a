//! OAuth 1.0a, the provider's side: every signed call is verified (RFC 5849).
//!
//! The address that was signed is the one before it was rewritten. Clients named `sandbox-X` have the
//! secret `sandbox-secret-X`; the secrets that customers type elsewhere are not known here, so of
//! those calls the shape of the signature is checked.

mod problem;
mod steps;
mod verify;

pub(super) use problem::{Problem, tell_time};
pub(super) use steps::{access_token, request_token, waiting};
pub(super) use verify::{Signed, api};
