//! Protocols without I/O: bytes and values in, bytes and verdicts out.
//!
//! These rooms know RFCs and what providers make of them. They never open a socket, read a
//! clock or draw a random number; whoever calls them brings the reply, the time and the bytes.

pub mod call;
pub mod callback_signature;
pub mod discover;
pub mod endpoint;
pub mod hop;
pub mod inject;
pub mod join;
pub mod json;
pub mod jwt;
pub mod oauth1;
pub mod oauth2;
mod params;
pub mod token_reply;
pub mod webhook;

#[cfg(test)]
mod samples;

pub use call::{Call, CallError, Reply};
pub use endpoint::Endpoint;
