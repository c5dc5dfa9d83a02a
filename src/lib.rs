//! Hitchpost: the integrations page a SaaS product gives its customers, and the connection engine
//! behind it.
//!
//! The house has five floors. A module imports only from its own room and from floors below; a test
//! reads every `use crate::…` and fails on an arrow that runs up or sideways.
//!
//! ```text
//! roof       main  cli  server  config  telemetry            composition only
//! 3 doors    api/   app/   connect.rs   sandbox/  ← http/    speak HTTP and HTML; own no rules
//! 2 engine   engine/                                         the verbs; the only place where ports meet
//! 1 ports    store/   vault.rs   outbound/   clock.rs        I/O, one small trait each
//! 0 ground   model/   catalog/   protocol/                   pure: no async, no I/O
//! ```

// Leptos views are deeply nested types.
#![recursion_limit = "256"]

pub mod model;

pub mod catalog;
pub mod protocol;

pub mod clock;
pub mod outbound;
pub mod store;
pub mod vault;

pub mod engine;

pub mod http;

pub mod api;
pub mod app;
pub mod connect;
pub mod sandbox;

pub mod cli;
pub mod config;
pub mod server;
pub mod telemetry;

/// Runs the command line to its end.
pub fn start() -> std::process::ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(cli::run()),
        Err(_) => std::process::ExitCode::FAILURE,
    }
}
