//! The door frame: what every door shares when it speaks HTTP.
//!
//! Session cookies, headers, refusals, assets and the JSON shapes of the wire. Owns no rule of the
//! product: those are the engine's.

pub mod assets;
pub mod headers;
pub mod refusal;
pub mod session;
pub mod state;
pub mod wire;

pub use assets::Assets;
pub use refusal::Refusal;
pub use state::AppState;
