//! The nouns. Pure: no I/O, no clock, no randomness of their own.

pub mod attempt;
pub mod connection;
pub mod credential;
pub mod id;
pub mod integration;
pub mod redirect;
pub mod secret;
pub mod time;
pub mod workspace;

pub use attempt::{Attempt, AttemptRequest, AttemptState, Failure, FailureKey, ProviderAnswer, Road};
pub use connection::{Account, Connection, ConnectionState, DisconnectReason, StoredCredential};
pub use credential::Credentials;
pub use id::{AttemptId, ConnectionId, CustomerId, IntegrationId, WorkspaceId};
pub use integration::{Integration, IntegrationSettings};
pub use secret::{Handle, HandleHash, Secret};
pub use time::Timestamp;
pub use workspace::{Customer, Scheme, Scope, Session, Surface, Theme, Workspace, WorkspaceSettings};
