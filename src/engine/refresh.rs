//! Hands out a credential that is still good, and keeps the others from going stale.
//!
//! At most one refresh per connection runs in this process; across processes the store's
//! compare-and-swap decides. That the refresh token is about to leave is written down before it does.
//! A provider's `invalid_grant` ends a connection; a timeout never does.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use tokio::sync::Mutex as FlightMutex;

use super::{
    Engine, EngineError,
    oauth::{TokenError, take_in},
    provider::Provider,
};
use crate::{
    catalog::connector::AuthOption,
    clock::Entropy,
    model::{
        Connection, ConnectionId, ConnectionState, Credentials, DisconnectReason, Scope, StoredCredential,
        Timestamp, WorkspaceId,
    },
    protocol::token_reply::TokenRefusal,
    store::RefreshedCredential,
    vault::{Place, Sealed},
};

/// Life a token must have left to be worth sending upstream.
const SKEW: Duration = Duration::from_secs(60);
/// The background renews this much of a token's life ahead of its end: a fifth, at most an hour.
const AHEAD_PART: u32 = 5;
const AHEAD_MAX: Duration = Duration::from_secs(60 * 60);
/// First wait after a passing failure; doubles up to the longest.
const RETRY_FIRST: Duration = Duration::from_secs(30);
const RETRY_LONGEST: Duration = Duration::from_secs(60 * 60);
/// Connections one background pass looks at, and how many of them at a time.
const PASS_SIZE: u32 = 100;
const PASS_WIDTH: usize = 4;

/// Why there is no fresh credential.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// No such connection in scope, or it was deleted.
    #[error("connection not found")]
    NotFound,
    /// The provider said that it is over; the customer has to reconnect.
    #[error("the connection is disconnected: {}", .0.as_str())]
    Disconnected(DisconnectReason),
    /// The provider is in trouble and the token at hand has ended; later it may work again.
    #[error("the provider cannot renew the token right now")]
    Transient,
    /// Our side.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// One lock per connection that is being renewed; gone when nobody waits.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<ConnectionId, Weak<FlightMutex<()>>>>);

impl Flights {
    fn of(&self, id: ConnectionId) -> Arc<FlightMutex<()>> {
        let mut flights = self.0.lock().expect("nothing panics while holding it");
        if let Some(flight) = flights.get(&id).and_then(Weak::upgrade) {
            return flight;
        }
        flights.retain(|_, flight| flight.strong_count() > 0);
        let flight = Arc::new(FlightMutex::new(()));
        flights.insert(id, Arc::downgrade(&flight));
        flight
    }
}

/// How eager a caller is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// Only if the token has nearly ended.
    Stale,
    /// Also if the background's time for it has come.
    Due,
}

impl Engine {
    /// Credentials of a connection, renewed first if their end is near.
    pub async fn fresh(&self, scope: Scope, id: ConnectionId) -> Result<Credentials, RefreshError> {
        self.credentials(scope, id, When::Stale).await
    }

    /// Renews what is close to its end. Returns how many connections it looked at.
    pub async fn refresh_due(&self) -> Result<usize, EngineError> {
        let due = self.store().due_refreshes(self.now(), PASS_SIZE).await?;
        let count = due.len();
        stream::iter(due)
            .for_each_concurrent(PASS_WIDTH, async |item| {
                let outcome = self.credentials(item.scope, item.connection, When::Due).await;
                if let Err(RefreshError::Engine(error)) = outcome {
                    tracing::error!(
                        connection.id = %item.connection, %error,
                        "Could not renew the credential of {}", item.connection,
                    );
                }
            })
            .await;
        Ok(count)
    }

    async fn credentials(
        &self,
        scope: Scope,
        id: ConnectionId,
        when: When,
    ) -> Result<Credentials, RefreshError> {
        let (connection, stored) = self.stored(scope, id).await?;
        if !self.is_wanted(&connection, &stored, when) {
            return self.open_credentials(&connection, &stored).await;
        }
        let flight = self.inner.flights.of(id);
        let _in_flight = flight.lock().await;
        // Whoever held the lock before may have renewed it.
        let (connection, stored) = self.stored(scope, id).await?;
        let credentials = self.open_credentials(&connection, &stored).await?;
        if !self.is_wanted(&connection, &stored, when) {
            return Ok(credentials);
        }
        self.renew(scope, connection, stored, credentials).await
    }

    async fn stored(
        &self,
        scope: Scope,
        id: ConnectionId,
    ) -> Result<(Connection, StoredCredential), RefreshError> {
        let connection = self.store().connection(scope, id).await.map_err(EngineError::from)?;
        let connection = connection.ok_or(RefreshError::NotFound)?;
        match connection.state {
            ConnectionState::Ready => {}
            ConnectionState::Disconnected(reason) => return Err(RefreshError::Disconnected(reason)),
            ConnectionState::Archived(_) => return Err(RefreshError::NotFound),
        }
        let stored = self.store().credential(scope, id).await.map_err(EngineError::from)?;
        Ok((connection, stored.ok_or(RefreshError::NotFound)?))
    }

    fn is_wanted(&self, connection: &Connection, stored: &StoredCredential, when: When) -> bool {
        let now = self.now();
        let is_stale = stored.expires_at.is_some_and(|end| end <= now.plus(SKEW));
        let is_due = connection.refresh_at.is_some_and(|at| at <= now);
        is_stale || (when == When::Due && is_due)
    }

    async fn open_credentials(
        &self,
        connection: &Connection,
        stored: &StoredCredential,
    ) -> Result<Credentials, RefreshError> {
        let row = connection.id.to_string();
        let opened =
            self.vault().open(credential_place(connection.workspace, &row), &Sealed(stored.sealed.clone()));
        let read = opened.ok().and_then(|bytes| Credentials::from_bytes(bytes.expose()).ok());
        match read {
            Some(credentials) => Ok(credentials),
            None => Err(self.end(connection, stored, DisconnectReason::CredentialsUnreadable).await?),
        }
    }

    async fn renew(
        &self,
        scope: Scope,
        connection: Connection,
        stored: StoredCredential,
        credentials: Credentials,
    ) -> Result<Credentials, RefreshError> {
        let now = self.now();
        let provider = self.provider_of(&connection, &credentials).await?;
        let Some(refresh_token) =
            credentials.refresh_token.clone().filter(|_| provider.option.refresh.is_some())
        else {
            let is_over = stored.expires_at.is_some_and(|end| end <= now);
            return if is_over {
                Err(self.end(&connection, &stored, DisconnectReason::NotRenewable).await?)
            } else {
                Ok(credentials)
            };
        };
        let was_sent_before = stored.refresh_sent_version == Some(stored.version);
        if !self
            .store()
            .mark_refresh_sent(scope, connection.id, stored.version)
            .await
            .map_err(EngineError::from)?
        {
            // Another process renewed, reconnected or archived it meanwhile.
            let (connection, stored) = self.stored(scope, connection.id).await?;
            return self.open_credentials(&connection, &stored).await;
        }
        let granted =
            credentials.scopes.clone().unwrap_or_else(|| provider.view.scopes(&provider.option).to_vec());
        match provider.renew(&refresh_token, &granted, now).await {
            Ok(reply) => {
                let request = refresh_request(&provider.option);
                let mut renewed = credentials;
                if let Some(request) = request {
                    take_in(&mut renewed, request, &reply);
                }
                self.keep(scope, &connection, &stored, &provider, renewed, reply.expires_at).await
            }
            Err(TokenError::Refused(refusal)) if refusal.is_revoked() => {
                let reason = if was_sent_before {
                    DisconnectReason::RefreshOutcomeUnknown
                } else {
                    DisconnectReason::GrantRevoked
                };
                Err(self.end(&connection, &stored, reason).await?)
            }
            Err(error) => self.wait(scope, connection, stored, credentials, &error).await,
        }
    }

    async fn keep(
        &self,
        scope: Scope,
        connection: &Connection,
        stored: &StoredCredential,
        provider: &Provider<'_>,
        renewed: Credentials,
        expires_at: Option<Timestamp>,
    ) -> Result<Credentials, RefreshError> {
        let now = self.now();
        let row = connection.id.to_string();
        let sealed = self.vault().seal(credential_place(connection.workspace, &row), &renewed.to_bytes());
        let record = RefreshedCredential {
            sealed: sealed.0,
            expires_at,
            refresh_at: refresh_time(&provider.option, &renewed, expires_at, now, self.entropy()),
        };
        let kept = self.store().store_refreshed(scope, connection.id, stored.version, &record, now).await;
        self.inner.lists.forget(connection.workspace, connection.customer);
        if kept.map_err(EngineError::from)? {
            tracing::info!(connection.id = %connection.id, "Renewed the credential of {}", connection.id);
            return Ok(renewed);
        }
        match self.stored(scope, connection.id).await {
            // Reconnected meanwhile: the newer credential counts.
            Ok((connection, stored)) => self.open_credentials(&connection, &stored).await,
            // Deleted meanwhile: what just came must not stay alive at the provider.
            Err(error) => {
                provider.revoke(&renewed).await;
                Err(error)
            }
        }
    }

    /// A passing failure: the old token is used while it lasts, and the next try comes later.
    async fn wait(
        &self,
        scope: Scope,
        connection: Connection,
        stored: StoredCredential,
        credentials: Credentials,
        error: &TokenError,
    ) -> Result<Credentials, RefreshError> {
        let now = self.now();
        let asked = match error {
            TokenError::Refused(TokenRefusal::Transient { retry_after, .. }) => *retry_after,
            _ => None,
        };
        let backoff = RETRY_FIRST.saturating_mul(1 << connection.retry_attempts.min(10)).min(RETRY_LONGEST);
        let retry_at = now.plus(jittered(asked.unwrap_or_default().max(backoff), self.entropy()));
        tracing::warn!(
            connection.id = %connection.id, %error,
            retry_seconds = retry_at.since(now).as_secs(),
            "Could not renew the credential of {} yet", connection.id,
        );
        self.store()
            .note_refresh_failure(scope, connection.id, stored.version, retry_at, error.outcome_is_known())
            .await
            .map_err(EngineError::from)?;
        self.inner.lists.forget(connection.workspace, connection.customer);
        match stored.expires_at {
            Some(end) if end <= now => Err(RefreshError::Transient),
            _ => Ok(credentials),
        }
    }

    async fn end(
        &self,
        connection: &Connection,
        stored: &StoredCredential,
        reason: DisconnectReason,
    ) -> Result<RefreshError, EngineError> {
        let scope = Scope { workspace: connection.workspace, customer: Some(connection.customer) };
        let now = self.now();
        if self.store().disconnect(scope, connection.id, stored.version, reason, now).await? {
            tracing::warn!(
                connection.id = %connection.id, reason = reason.as_str(),
                "Connection {} is disconnected", connection.id,
            );
        }
        self.inner.lists.forget(connection.workspace, connection.customer);
        Ok(RefreshError::Disconnected(reason))
    }

    /// The provider of a connection, with its credentials at hand.
    pub(super) async fn provider_of(
        &self,
        connection: &Connection,
        credentials: &Credentials,
    ) -> Result<Provider<'_>, EngineError> {
        let workspace = self.workspace(connection.workspace).await?;
        let view = workspace.by_id(connection.integration).ok_or(EngineError::NotFound("integration"))?;
        let option = view.connector.auth.iter().find(|option| option.key == connection.auth_option);
        let option = option.ok_or(EngineError::NotFound("auth option"))?;
        let customer = self.store().customer(connection.workspace, connection.customer).await?;
        let customer = customer.ok_or(EngineError::NotFound("customer"))?;
        Provider::new(self, &workspace, view, option, &customer, &connection.input, credentials)
    }
}

fn refresh_request(option: &AuthOption) -> Option<&crate::catalog::connector::Request> {
    option.refresh.as_ref().and_then(|refresh| refresh.request.as_ref()).or(option.token.as_ref())
}

pub(super) fn credential_place(workspace: WorkspaceId, row: &str) -> Place<'_> {
    Place { table: "connection", row, column: "sealed_credentials", workspace: Some(workspace) }
}

/// When the background renews a credential: ahead of its end, spread so that connections made together
/// are not renewed together. One that cannot be renewed is looked at when it ends.
pub(super) fn refresh_time(
    option: &AuthOption,
    credentials: &Credentials,
    expires_at: Option<Timestamp>,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Option<Timestamp> {
    let end = expires_at?;
    if option.refresh.is_none() || credentials.refresh_token.is_none() {
        return Some(end);
    }
    let ahead = (end.since(now) / AHEAD_PART).min(AHEAD_MAX);
    Some(end.minus(jittered(ahead, entropy)))
}

/// `duration`, up to a quarter shorter.
fn jittered(duration: Duration, entropy: &dyn Entropy) -> Duration {
    let mut byte = [0];
    entropy.fill(&mut byte);
    duration - duration / 4 * u32::from(byte[0]) / 255
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemEntropy;

    #[test]
    fn jitter_takes_at_most_a_quarter() {
        let whole = Duration::from_secs(400);

        for _ in 0..1000 {
            let part = jittered(whole, &SystemEntropy::default());
            assert!(part <= whole && part >= Duration::from_secs(300), "{part:?}");
        }
    }
}
