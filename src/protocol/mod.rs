//! Protocols without I/O: bytes and values in, bytes and verdicts out.
//!
//! These rooms know RFCs and what providers make of them. They never open a socket, read a
//! clock or draw a random number; whoever calls them brings the reply, the time and the bytes.

pub mod call;
pub mod endpoint;
pub mod inject;
pub mod json;
pub mod jwt;
pub mod oauth2;
pub mod token_reply;

#[cfg(test)]
mod samples;

pub use call::{Call, CallError, Reply};
pub use endpoint::Endpoint;
