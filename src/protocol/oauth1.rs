//! OAuth 1.0a (RFC 5849): signed requests, the temporary and the final token, the address between.
//!
//! Everything a signature needs is an argument: the nonce, the time, the secrets. This room does not
//! know which nonces were used before.

mod base;
mod flow;
mod sign;

#[cfg(test)]
mod reply_tests;
#[cfg(test)]
mod rfc_tests;

pub use base::{SignatureMethod, base_string, percent_encode, signature};
pub use flow::{
    TemporaryToken, authorize_url, clock_offset, request_token_params, temporary_reply, token_reply,
};
pub use sign::{Signing, Token, sign};
