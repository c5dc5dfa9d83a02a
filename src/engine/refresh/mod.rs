//! Hands out a credential that is still good, and keeps the others from going stale.
//!
//! At most one renewal per connection runs in this process, and across processes the one that holds the
//! lease. That the refresh token is about to leave is written down before it does. A provider's
//! `invalid_grant` ends a connection; a timeout never does.

mod flight;
mod lease;
mod outcome;

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, future::join_all, stream};
use tokio::time::Instant;
use tracing::Instrument as _;

pub(super) use self::{
    flight::Flights,
    lease::{DEADLINE, LOOK_FIRST, LOOK_LAST, PATIENCE, most_unreported, reason_of_refusal},
    outcome::is_final,
};
use super::{Engine, EngineError, find::ConnectionView, provider::Provider, provider::Subject};
use crate::{
    model::{
        Access, Connection, ConnectionId, Credentials, Customer, DisconnectReason, IntegrationId, Scope,
        StoredCredential, Timestamp, WorkspaceId,
    },
    store::DueRefresh,
    vault::{Place, Sealed},
};

/// Life a token must have left to be worth sending upstream.
pub(super) const SKEW: Duration = Duration::from_secs(60);
/// Life that is enough for one call while somebody else renews.
pub(super) const LAST_CALL: Duration = Duration::from_secs(5);
/// A 401 renews nothing that was tried to be renewed so short a time ago.
pub(super) const REJECTED_EVERY: Duration = Duration::from_secs(60);
/// Nor does somebody who asks for it.
const ASKED_EVERY: Duration = Duration::from_secs(10);
/// Connections one background pass looks at: in all and of one integration, and how many of those at a time.
const PASS_SIZE: u32 = 2000;
const PASS_EACH: u32 = 400;
const PASS_WIDTH: usize = 8;
/// A pass begins nothing new after this: one provider that hangs does not hold up the next pass of all.
const PASS_TIME: Duration = Duration::from_secs(15);

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
    /// It was renewed, or tried, a moment ago; this long from now it may be asked for again.
    #[error("the credentials were renewed a moment ago")]
    TooSoon(Duration),
    /// There is nothing to renew these credentials with.
    #[error("these credentials cannot be renewed")]
    NotRenewable,
    /// Our side.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// A connection that is ready to be called through, with its credentials in the clear. Made per call, never
/// held.
pub(super) struct Fresh {
    pub(super) connection: Arc<Connection>,
    pub(super) customer: Arc<Customer>,
    pub(super) credentials: Credentials,
    /// The version of the credentials, for [`Engine::renew_rejected`].
    pub(super) version: i64,
    /// `Hot::ends` when it was made ready. Another number right before a call leaves says: look again.
    pub(super) ends: u64,
}

/// A connection that is ready, sealed as it is stored.
#[derive(Clone)]
pub(super) struct Live {
    pub(super) connection: Arc<Connection>,
    pub(super) customer: Arc<Customer>,
    pub(super) stored: Arc<StoredCredential>,
    pub(super) leased_until: Option<Timestamp>,
    pub(super) tried_at: Option<Timestamp>,
    /// `Hot::ends` when it was made ready. Another number right before a call leaves says: look again.
    pub(super) ends: u64,
}

impl Live {
    pub(super) fn scope(&self) -> Scope {
        Scope { workspace: self.connection.workspace, customer: Some(self.connection.customer) }
    }

    fn with(&self, credentials: Credentials, version: i64) -> Fresh {
        let (connection, customer) = (self.connection.clone(), self.customer.clone());
        Fresh { connection, customer, credentials, version, ends: self.ends }
    }

    fn has_ended(&self, now: Timestamp) -> bool {
        self.stored.expires_at.is_some_and(|end| end <= now)
    }

    /// Whether the token is good for one more call.
    fn has_life(&self, now: Timestamp) -> bool {
        self.stored.expires_at.is_none_or(|end| end > now.plus(LAST_CALL))
    }

    /// Whether the last try failed and the next one has to wait.
    fn is_backing_off(&self, now: Timestamp) -> bool {
        self.connection.retry_attempts > 0 && self.connection.refresh_at.is_some_and(|at| at > now)
    }

    /// What is left of `pause` since the last try.
    fn rest_of(&self, pause: Duration, now: Timestamp) -> Duration {
        let tried = self.tried_at.filter(|tried| *tried <= now);
        tried.map_or(Duration::ZERO, |tried| pause.saturating_sub(now.since(tried)))
    }

    /// Whether these credentials came out of a renewal a moment ago.
    pub(super) fn was_just_renewed(&self, now: Timestamp) -> bool {
        let is_settled = self.connection.retry_attempts == 0
            && self.stored.refresh_sent_version != Some(self.stored.version);
        is_settled && !self.rest_of(REJECTED_EVERY, now).is_zero()
    }
}

/// How eager a caller is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// Only if the token has nearly ended.
    Stale,
    /// Also if the background's time for it has come.
    Due,
    /// The provider rejected this version.
    Rejected(i64),
    /// Somebody wants this version renewed.
    Asked(i64),
}

impl Engine {
    /// Credentials of a connection, renewed first if their end is near.
    pub async fn fresh(&self, scope: Scope, id: ConnectionId) -> Result<Credentials, RefreshError> {
        Ok(self.fresh_for_call(scope, id).await?.credentials)
    }

    /// What a call through a connection needs, renewed first if its end is near.
    pub(super) async fn fresh_for_call(&self, scope: Scope, id: ConnectionId) -> Result<Fresh, RefreshError> {
        let live = self.live(scope, id).await?;
        self.renewed(live, When::Stale).await
    }

    /// The answer to a 401 for credentials of `version`: renewed once, unless they were already. What comes
    /// back has the same version where nothing could be renewed, or was a moment ago; the 401 then stands.
    pub(super) async fn renew_rejected(
        &self,
        scope: Scope,
        id: ConnectionId,
        version: i64,
    ) -> Result<Fresh, RefreshError> {
        let live = self.live(scope, id).await?;
        self.renewed(live, When::Rejected(version)).await
    }

    /// Renews the credentials of a connection because somebody asks for it.
    pub async fn refresh_credentials(
        &self,
        access: &Access,
        selector: &str,
    ) -> Result<ConnectionView, RefreshError> {
        let ConnectionView { connection, view } = self.connection_view(access, selector).await?;
        let live = self.live_now(access.scope(), connection.id).await?;
        let rest = live.rest_of(ASKED_EVERY, self.now());
        if !rest.is_zero() {
            return Err(RefreshError::TooSoon(rest));
        }
        let version = live.stored.version;
        self.renewed(live, When::Asked(version)).await?;
        let connection = self.store().connection(access.scope(), connection.id).await;
        let connection = connection.map_err(EngineError::from)?.ok_or(RefreshError::NotFound)?;
        Ok(ConnectionView { connection, view })
    }

    /// Renews what is close to its end. Returns how many connections it looked at.
    pub async fn refresh_due(&self) -> Result<usize, EngineError> {
        let due = self.store().due_refreshes(self.now(), PASS_SIZE, PASS_EACH).await?;
        let count = due.len();
        let mut by_integration: HashMap<IntegrationId, Vec<DueRefresh>> = HashMap::new();
        for item in due {
            by_integration.entry(item.integration).or_default().push(item);
        }
        // Side by side: a provider that hangs keeps nobody else's connections waiting.
        let since = Instant::now();
        let passes = by_integration.into_values().map(async |due| {
            let one = async |item| {
                if since.elapsed() < PASS_TIME {
                    self.refresh_one(item).await;
                }
            };
            stream::iter(due).for_each_concurrent(PASS_WIDTH, one).await;
        });
        join_all(passes).await;
        Ok(count)
    }

    async fn refresh_one(&self, item: DueRefresh) {
        let outcome = match self.live_now(item.scope, item.connection).await {
            Ok(live) => self.renewed(live, When::Due).await.map(|_| ()),
            Err(error) => Err(error),
        };
        if let Err(RefreshError::Engine(error)) = outcome {
            tracing::error!(
                connection.id = %item.connection, %error,
                "Could not renew the credential of {}", item.connection,
            );
        }
    }

    /// Credentials that are renewed first if `when` says so.
    async fn renewed(&self, live: Live, when: When) -> Result<Fresh, RefreshError> {
        if !self.is_wanted(&live, when) {
            return self.as_it_is(&live).await;
        }
        let (scope, id) = (live.scope(), live.connection.id);
        let flight = self.inner.flights.of(id);
        let turn = match flight.clone().try_lock_owned() {
            Ok(turn) => turn,
            // Somebody renews it already, and what there is works until then.
            Err(_) if when == When::Stale && live.has_life(self.now()) => return self.as_it_is(&live).await,
            Err(_) => flight.lock_owned().await,
        };
        // Whoever had the turn before may have renewed it.
        let live = self.live(scope, id).await?;
        if !self.is_wanted(&live, when) {
            return self.as_it_is(&live).await;
        }
        // A caller that hangs up must not take the provider's answer with it.
        let (engine, flying) = (self.clone(), self.inner.flights.take_off());
        let renewing = async move {
            let _until_done = (turn, flying);
            engine.renew_under_lease(live, when).await
        };
        tokio::spawn(renewing.in_current_span()).await.unwrap_or(Err(RefreshError::Transient))
    }

    fn is_wanted(&self, live: &Live, when: When) -> bool {
        let now = self.now();
        let is_stale = live.stored.expires_at.is_some_and(|end| end <= now.plus(SKEW));
        let is_due = live.connection.refresh_at.is_some_and(|at| at <= now);
        match when {
            When::Asked(version) => live.stored.version == version,
            _ if live.is_backing_off(now) => false,
            When::Rejected(version) => {
                live.stored.version == version && live.rest_of(REJECTED_EVERY, now).is_zero()
            }
            When::Stale => is_stale,
            When::Due => is_stale || is_due,
        }
    }

    /// The credentials without renewing them.
    async fn as_it_is(&self, live: &Live) -> Result<Fresh, RefreshError> {
        if live.has_ended(self.now()) {
            return Err(RefreshError::Transient);
        }
        match self.credentials_of(live) {
            Some(credentials) => Ok(live.with(credentials, live.stored.version)),
            None => Err(self.end(live, None, DisconnectReason::CredentialsUnreadable).await?),
        }
    }

    fn credentials_of(&self, live: &Live) -> Option<Credentials> {
        let row = live.connection.id.to_string();
        let place = credential_place(live.connection.workspace, &row);
        let bytes = self.vault().open(place, &Sealed(live.stored.sealed.clone())).ok()?;
        Credentials::from_bytes(bytes.expose()).ok()
    }

    /// The provider of a connection, with its credentials at hand.
    pub(super) async fn provider_of(
        &self,
        connection: &Connection,
        credentials: &Credentials,
    ) -> Result<Provider<'_>, EngineError> {
        let customer = self.store().customer(connection.workspace, connection.customer).await?;
        let customer = customer.ok_or(EngineError::NotFound("customer"))?;
        self.provider_for(connection, &customer, credentials).await
    }

    /// The same where the customer is at hand too.
    pub(super) async fn provider_for(
        &self,
        connection: &Connection,
        customer: &Customer,
        credentials: &Credentials,
    ) -> Result<Provider<'_>, EngineError> {
        let workspace = self.workspace(connection.workspace).await?;
        let view = workspace.by_id(connection.integration).ok_or(EngineError::NotFound("integration"))?;
        let option = view.connector.auth.iter().find(|option| option.key == connection.auth_option);
        let option = option.ok_or(EngineError::NotFound("auth option"))?;
        let parameters = self.parameters_of_connection(connection)?;
        let subject = Subject { customer, input: &connection.input, parameters: &parameters, credentials };
        Provider::new(self, &workspace, view, option, &subject)
    }
}

pub(super) fn credential_place(workspace: WorkspaceId, row: &str) -> Place<'_> {
    Place { table: "connection", row, column: "sealed_credentials", workspace: Some(workspace) }
}
