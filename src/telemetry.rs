//! Logs: readable lines by default, JSON for machines. No secret reaches them: spans carry the route's
//! template, never the address, and libraries that log what they send are held at info.

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// Libraries that may write bytes of requests below info.
const CAPPED: &str = "h2=info,hyper=info,hyper_util=info,rustls=info,reqwest=info";

/// Keeps secrets out of what a crash leaves behind: a panic is logged by its place, without its message,
/// and no core is dumped.
pub fn guard_crashes() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "A task panicked");
    }));
    if let Err(error) = rlimit::setrlimit(rlimit::Resource::CORE, 0, 0) {
        tracing::warn!(%error, "Core dumps could not be turned off");
    }
}

/// The log filter cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("HITCHPOST_LOG: `{0}` is not a log filter such as debug")]
pub struct BadFilter(String);

/// What is logged: `wanted`, such as `debug`, with the libraries held back that could write out what they send.
pub fn filter(wanted: &str) -> Result<EnvFilter, BadFilter> {
    EnvFilter::try_new(format!("{wanted},{CAPPED}")).map_err(|_| BadFilter(wanted.to_owned()))
}

/// Starts logging to standard error. `wanted` is what `HITCHPOST_LOG` says.
pub fn start(wanted: Option<&str>, json: bool) -> Result<(), BadFilter> {
    let registry = tracing_subscriber::registry().with(filter(wanted.unwrap_or("info,sqlx=warn"))?);
    // A second start in one process keeps the first.
    let _ = if json {
        registry.with(fmt::layer().json().with_writer(std::io::stderr)).try_init()
    } else {
        let colours = std::io::stderr().is_terminal();
        registry
            .with(fmt::layer().with_target(false).with_ansi(colours).with_writer(std::io::stderr))
            .try_init()
    };
    Ok(())
}
