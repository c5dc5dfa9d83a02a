//! What opens the product's own API for its customers, and how that is called.
//!
//! A renewal works as for connections (see `lease`): whoever takes the lease has written down that the
//! refresh token is about to leave, and what it writes later counts only while nobody took it after.

use async_trait::async_trait;

use super::Result;
use crate::model::{
    Actor, AppCredential, CustomerId, DisconnectReason, Timestamp, WorkspaceId, YourAppSettings,
};

/// Credentials about to be kept.
pub struct NewAppCredential {
    /// Sealed for the customer's row.
    pub sealed: Vec<u8>,
    /// When the access token ends, where the credentials say so.
    pub expires_at: Option<Timestamp>,
}

/// What a process wants a lease for.
#[derive(Clone, Copy, Debug)]
pub struct AppLeaseRequest<'a> {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Whose credentials.
    pub customer: CustomerId,
    /// The version to renew.
    pub version: i64,
    /// The process.
    pub owner: &'a str,
    /// How often this version may have been sent without any word of what came of it; none for no limit.
    pub most_unreported: Option<u32>,
}

/// The right to renew one version, until somebody else gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppLease {
    /// Whose credentials.
    pub customer: CustomerId,
    /// The version to renew.
    pub version: i64,
    /// Grows with every lease; a write under an older one does not count.
    pub generation: i64,
    /// The version was sent before, and nobody knows what came of it.
    pub is_again: bool,
}

/// What became of asking for a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppLeasing {
    /// It is the caller's.
    Taken(AppLease),
    /// Somebody else renews.
    Held,
    /// The version moved on, or it no longer works.
    Moved,
    /// The version was sent as often as it may be.
    Spent,
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
    /// Takes the lease and writes ahead that the version is about to be sent, in one step.
    async fn take_app_lease(&self, request: &AppLeaseRequest<'_>, now: Timestamp) -> Result<AppLeasing>;
    /// Replaces the version that was leased. False when the lease no longer counts.
    async fn store_renewed_app(
        &self,
        lease: &AppLease,
        renewed: &NewAppCredential,
        now: Timestamp,
    ) -> Result<bool>;
    /// Notes a passing failure and lets go of the lease. `outcome_known` says that the refresh token was
    /// surely not taken, which lifts the written-ahead mark. False when the lease no longer counts.
    async fn note_app_failure(&self, lease: &AppLease, outcome_known: bool) -> Result<bool>;
    /// That version is dead. Whoever says so out of a renewal shows its lease. False when the version moved
    /// on or the lease no longer counts.
    async fn disconnect_app(
        &self,
        customer: CustomerId,
        version: i64,
        lease: Option<&AppLease>,
        reason: DisconnectReason,
        now: Timestamp,
    ) -> Result<bool>;
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
