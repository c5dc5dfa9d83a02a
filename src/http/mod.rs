//! The door frame: what every door shares when it speaks HTTP.
//!
//! Session cookies, headers, refusals, assets and the JSON shapes of the wire. Owns no rule of the
//! product: those are the engine's.

pub mod assets;
pub mod auth_options;
pub mod client_address;
pub mod headers;
pub mod json;
pub mod limits;
pub mod metrics;
mod named_start;
pub mod observe;
pub mod openapi;
pub mod opener;
pub mod proxied;
pub mod refusal;
pub mod sdk;
pub mod session;
pub mod state;
mod tagged;
pub mod way;
pub mod wire;

pub use assets::Assets;
pub use client_address::{ClientAddress, ForwardedHeader, Peer, TrustedProxies};
pub use limits::Limits;
pub use refusal::Refusal;
pub use state::{AppState, FragmentKey, Operating};
