//! The nouns. Pure: no I/O, no clock, no randomness of their own.

pub mod access;
pub mod attempt;
pub mod audit;
pub mod connection;
pub mod credential;
pub mod event;
pub mod id;
pub mod integration;
pub mod opening;
pub mod parameters;
pub mod progress;
pub mod redirect;
pub mod secret;
pub mod time;
pub mod workspace;
pub mod your_app;

pub use access::{Access, Actor};
pub use attempt::{Attempt, AttemptRequest, AttemptState, Choice, Failure, FailureKey, ProviderAnswer, Road};
pub use audit::Action;
pub use connection::{Account, Connection, ConnectionState, DisconnectReason, StoredCredential};
pub use credential::Credentials;
pub use event::{AuditEntry, Delivery, DeliveryError, DeliveryState, Event, Target, Webhook};
pub use id::{
    AttemptId, ConnectionId, CustomerId, DeliveryId, EventId, IntegrationId, WebhookId, WorkspaceId,
};
pub use integration::{Integration, IntegrationRecord, IntegrationSettings};
pub use opening::{Opening, Purpose};
pub use parameters::Parameters;
pub use progress::{AttemptSecrets, Parked, Progress};
pub use secret::{Handle, HandleHash, Secret};
pub use time::Timestamp;
pub use workspace::{Aim, Customer, Scheme, Scope, Session, Surface, Theme, Workspace, WorkspaceSettings};
pub use your_app::{AppCredential, YourAppSecrets, YourAppSettings};
