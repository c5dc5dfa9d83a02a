//! What opens the product's own API for its customers, and how that is called.
//!
//! It is renewed as a connection's credential is: see `lease`.

use async_trait::async_trait;

use super::Result;
use crate::model::{Actor, AppCredential, CustomerId, Timestamp, WorkspaceId, YourAppSettings};

/// Credentials about to be kept.
pub struct NewAppCredential {
    /// Sealed for the customer's row.
    pub sealed: Vec<u8>,
    /// When the access token ends, where the credentials say so.
    pub expires_at: Option<Timestamp>,
}

/// What opens the product's own API.
#[async_trait]
pub trait AppCredentialStore {
    /// What there is for a customer.
    async fn app_credential(
        &self,
        workspace: WorkspaceId,
        customer: CustomerId,
    ) -> Result<Option<AppCredential>>;
    /// Replaces what there is, or erases it. False when there is no such customer in the workspace.
    async fn set_app_credential(
        &self,
        workspace: WorkspaceId,
        customer: CustomerId,
        new: Option<&NewAppCredential>,
        by: Actor,
        now: Timestamp,
    ) -> Result<bool>;
    /// Makes a place for tokens that need nothing of the customer's, unless there is one.
    async fn begin_app_credential(
        &self,
        workspace: WorkspaceId,
        customer: CustomerId,
        sealed: &[u8],
        now: Timestamp,
    ) -> Result<()>;
    /// Sets how the product's API is called, with the half that is sealed, or takes it away. False when
    /// there is no such workspace.
    async fn set_your_app(
        &self,
        workspace: WorkspaceId,
        settings: Option<(&YourAppSettings, &[u8])>,
        by: Actor,
        now: Timestamp,
    ) -> Result<bool>;
}
