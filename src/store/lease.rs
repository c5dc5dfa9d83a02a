//! The life of a credential: who may renew it right now, and what came of that. One and the same for
//! connections and for what opens the product's own API.
//!
//! A lease belongs to one process for as long as a renewal can take. Taking it also writes down that the
//! refresh token is about to leave; whatever its holder writes later counts only while nobody took the
//! lease after it.

use std::time::Duration;

use async_trait::async_trait;

use super::Result;
use crate::model::{
    Connection, ConnectionId, Customer, CustomerId, DisconnectReason, IntegrationId, Scope, StoredCredential,
    Timestamp,
};

/// How long a lease holds: longer than a whole renewal can take.
pub const LEASE: Duration = Duration::from_secs(30);
/// A lease that ends later than this was taken before the clock was set back.
const LEASE_FARTHEST: Duration = Duration::from_secs(60);

/// Whether a lease until then still holds.
pub fn is_held(until: Option<Timestamp>, now: Timestamp) -> bool {
    until.is_some_and(|until| until > now && until <= now.plus(LEASE_FARTHEST))
}

/// A connection with all that a call through it needs.
#[derive(Clone, Debug)]
pub struct LiveConnection {
    /// The connection; never an archived one.
    pub connection: Connection,
    /// Whose it is.
    pub customer: Customer,
    /// Its sealed credentials.
    pub stored: StoredCredential,
    /// Until when somebody renews them; none when nobody does.
    pub leased_until: Option<Timestamp>,
    /// When these credentials were last tried to be renewed.
    pub tried_at: Option<Timestamp>,
}

/// Whose credential is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewable {
    /// A connection's.
    Connection(ConnectionId),
    /// What opens the product's own API for a customer.
    YourApp(CustomerId),
}

/// What a process wants a lease for.
#[derive(Clone, Copy, Debug)]
pub struct LeaseRequest<'a> {
    /// What the caller may see.
    pub scope: Scope,
    /// Whose credential.
    pub of: Renewable,
    /// The version to renew.
    pub version: i64,
    /// The process.
    pub owner: &'a str,
    /// How often this version may have been sent without any word of what came of it; none for no limit.
    pub most_unreported: Option<u32>,
}

/// The right to renew one version, until somebody else gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Whose credential.
    pub of: Renewable,
    /// The version to renew.
    pub version: i64,
    /// Grows with every lease of the credential; a write under an older one does not count.
    pub generation: i64,
    /// The version was sent before, and nobody knows what the provider made of it.
    pub is_again: bool,
}

/// What became of asking for a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leasing {
    /// It is the caller's.
    Taken(Lease),
    /// Somebody else renews.
    Held,
    /// The version moved on, or the credential does not work any more.
    Moved,
    /// The version was sent as often as it may be. A connection is looked at again when its access token
    /// ends.
    Spent,
}

/// A connection whose token should be renewed.
#[derive(Clone, Debug)]
pub struct DueRefresh {
    /// Whose it is.
    pub scope: Scope,
    /// Which.
    pub connection: ConnectionId,
    /// What it ties to.
    pub integration: IntegrationId,
}

/// A renewed credential.
pub struct RefreshedCredential {
    /// Sealed bytes.
    pub sealed: Vec<u8>,
    /// When the access token ends.
    pub expires_at: Option<Timestamp>,
    /// When to renew a connection's ahead of that; what opens the product's API is renewed when it is used.
    pub refresh_at: Option<Timestamp>,
}

/// What is remembered of a credential's life.
#[async_trait]
pub trait LeaseStore {
    /// What a call through a connection needs; none when it is archived or out of scope.
    async fn live(&self, scope: Scope, id: ConnectionId) -> Result<Option<LiveConnection>>;
    /// Connections whose token should be renewed by `now`, soonest first: at most `limit`, and of one
    /// integration at most `each`, so that one in trouble does not keep the others waiting.
    async fn due_refreshes(&self, now: Timestamp, limit: u32, each: u32) -> Result<Vec<DueRefresh>>;
    /// Takes the lease and writes ahead that the version is about to be sent, in one step.
    async fn take_lease(&self, request: &LeaseRequest<'_>, now: Timestamp) -> Result<Leasing>;
    /// Replaces the version that was leased. False when the lease no longer counts.
    async fn store_refreshed(
        &self,
        lease: &Lease,
        renewed: &RefreshedCredential,
        now: Timestamp,
    ) -> Result<bool>;
    /// Notes a passing failure and lets go of the lease: a connection is due again at `retry_at`.
    /// `outcome_known` says that the provider surely did not take the token, which lifts the written-ahead
    /// mark. False when the lease no longer counts.
    async fn note_refresh_failure(
        &self,
        lease: &Lease,
        retry_at: Option<Timestamp>,
        outcome_known: bool,
    ) -> Result<bool>;
    /// That version is dead. Whoever says so out of a renewal shows the lease's generation. False when the
    /// version moved on or the lease no longer counts.
    async fn disconnect(
        &self,
        scope: Scope,
        of: Renewable,
        version: i64,
        generation: Option<i64>,
        reason: DisconnectReason,
        now: Timestamp,
    ) -> Result<bool>;
}
