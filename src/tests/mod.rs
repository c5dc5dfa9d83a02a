//! Black-box tests: a real server on a free port, a browser's worth of HTTP, the built-in sandbox as
//! the provider. Nothing here reaches into a module that a caller could not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops with the place and the cause")]

mod api;
mod app;
mod attacks;
mod canary;
mod command_line;
mod connect;
mod floors;
mod headers;
mod input;
mod readme;
mod refresh;
mod session;
