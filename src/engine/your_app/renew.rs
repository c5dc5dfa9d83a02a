//! Credentials for the product's own API that are still good: renewed ahead of their end, and once when
//! the API says 401.
//!
//! The rules are those of connections: one renewal at a time in this process, the holder of the lease
//! across processes, the mark written before the token leaves, and only a refusal ends them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Weak, atomic::AtomicU64},
    time::Duration,
};

use tokio::{
    sync::Mutex as FlightMutex,
    time::{Instant, sleep, timeout},
};

use super::{AppCallError, YourApp, credentials::rename};
use crate::{
    engine::{
        Engine, EngineError, WorkspaceView,
        oauth::{Renewal, TokenError},
        provider::{Provider, Subject},
        refresh::{
            DEADLINE, LAST_CALL, LOOK_FIRST, LOOK_LAST, PATIENCE, REJECTED_EVERY, SKEW, is_final,
            most_unreported, reason_of_refusal,
        },
        schedule::jittered,
    },
    model::{
        AppCredential, Credentials, Customer, CustomerId, DisconnectReason, Parameters, Progress, Scope,
        Timestamp,
    },
    store::{Lease, LeaseRequest, Leasing, RefreshedCredential, Renewable, is_held},
};

/// First wait after a passing failure; doubles up to the longest.
const RETRY_FIRST: Duration = Duration::from_secs(5);
const RETRY_LONGEST: Duration = Duration::from_secs(2 * 60);

/// One lock per customer whose credentials are being renewed; gone when nobody waits.
#[derive(Default)]
pub(in crate::engine) struct AppFlights {
    locks: Mutex<HashMap<CustomerId, Weak<FlightMutex<()>>>>,
    /// How often this process set or erased somebody's credentials.
    pub(super) set: AtomicU64,
}

impl AppFlights {
    fn of(&self, id: CustomerId) -> Arc<FlightMutex<()>> {
        let mut flights = self.locks.lock().expect("nothing panics while holding it");
        if let Some(flight) = flights.get(&id).and_then(Weak::upgrade) {
            return flight;
        }
        flights.retain(|_, flight| flight.strong_count() > 0);
        let flight = Arc::new(FlightMutex::new(()));
        flights.insert(id, Arc::downgrade(&flight));
        flight
    }
}

/// Whose call it is.
pub(super) struct Called {
    pub(super) workspace: Arc<WorkspaceView>,
    pub(super) app: Arc<YourApp>,
    pub(super) customer: Arc<Customer>,
}

/// What a call goes out with. Made per call, never held.
pub(super) struct Opened {
    pub(super) credentials: Credentials,
    kept: Option<AppCredential>,
}

impl Opened {
    /// The version of the credentials, to say which the API rejected; zero where nothing is kept.
    pub(super) fn version(&self) -> i64 {
        self.kept.as_ref().map_or(0, |kept| kept.version)
    }

    /// Whether there is a token that is still good then.
    fn has_life(&self, then: Timestamp) -> bool {
        let is_good = |kept: &AppCredential| kept.expires_at.is_none_or(|end| end > then);
        self.credentials.access_token.is_some() && self.kept.as_ref().is_some_and(is_good)
    }
}

/// How eager a caller is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Only if the token has nearly ended.
    Stale,
    /// The API did not take this version.
    Rejected(i64),
}

impl Engine {
    /// Credentials to call with, renewed first where `when` says so. After a rejection the same version
    /// comes back where nothing could be renewed; the API's answer then stands.
    pub(super) async fn open_app(&self, called: &Called, when: When) -> Result<Opened, AppCallError> {
        let opened = self.kept_app(called).await?;
        if !self.app_is_wanted(called, &opened, when) {
            return self.usable_app(called, opened, when);
        }
        let flight = self.inner.app_flights.of(called.customer.id);
        let _in_flight = flight.lock().await;
        let (since, mut pause) = (Instant::now(), LOOK_FIRST);
        loop {
            // Whoever was at it before may have renewed it.
            let opened = self.kept_app(called).await?;
            if !self.app_is_wanted(called, &opened, when) {
                return self.usable_app(called, opened, when);
            }
            if self.try_to_renew_app(called, opened, when).await? {
                return self.kept_app(called).await;
            }
            let kept = self.kept_app(called).await?;
            if when == When::Stale && kept.has_life(self.now().plus(LAST_CALL)) {
                return Ok(kept);
            }
            if since.elapsed() > PATIENCE {
                return Err(AppCallError::later());
            }
            sleep(jittered(pause, self.entropy())).await;
            pause = (pause * 3 / 2).min(LOOK_LAST);
        }
    }

    /// A token that has ended is not sent while the next try to renew it has to wait.
    fn usable_app(&self, called: &Called, opened: Opened, when: When) -> Result<Opened, AppCallError> {
        let is_over = opened.kept.as_ref().is_some_and(|kept| !has_life(kept, self.now()));
        let can_renew = Renewal::of(called.app.option(), &opened.credentials) != Renewal::Never;
        if when == When::Stale && is_over && can_renew { Err(AppCallError::later()) } else { Ok(opened) }
    }

    /// The API's provider with credentials filled in.
    pub(super) fn app_provider(
        &self,
        called: &Called,
        credentials: &Credentials,
    ) -> Result<Provider<'_>, EngineError> {
        let parameters = Parameters::default();
        let input = std::collections::BTreeMap::new();
        let subject =
            Subject { customer: &called.customer, input: &input, parameters: &parameters, credentials };
        Provider::new(self, &called.workspace, &called.app.view, called.app.option(), &subject)
    }

    async fn kept_app(&self, called: &Called) -> Result<Opened, AppCallError> {
        let (workspace, customer) = (called.workspace.workspace.id, called.customer.id);
        let Some(kept) = self.store().app_credential(workspace, customer).await.map_err(EngineError::from)?
        else {
            if called.app.needs_credentials() {
                return Err(AppCallError::NoCredentials);
            }
            return Ok(Opened { credentials: Credentials::default(), kept: None });
        };
        if let Some(reason) = kept.ended {
            return Err(AppCallError::over(reason));
        }
        match self.opened_app(&kept) {
            Some(credentials) => Ok(Opened { credentials, kept: Some(kept) }),
            None => {
                let reason = DisconnectReason::CredentialsUnreadable;
                self.end_app(&kept, None, reason).await?;
                Err(AppCallError::over(reason))
            }
        }
    }

    fn app_is_wanted(&self, called: &Called, opened: &Opened, when: When) -> bool {
        let now = self.now();
        let renewal = Renewal::of(called.app.option(), &opened.credentials);
        let Some(kept) = opened.kept.as_ref().filter(|_| renewal != Renewal::Never) else {
            return renewal == Renewal::Again;
        };
        let since = |pause: Duration| {
            let tried = kept.tried_at.filter(|tried| *tried <= now);
            tried.is_none_or(|tried| now.since(tried) >= pause)
        };
        let backoff = match kept.retry_attempts {
            0 => Duration::ZERO,
            tries => RETRY_FIRST.saturating_mul(1 << (tries - 1).min(10)).min(RETRY_LONGEST),
        };
        match when {
            When::Stale => {
                let has_none = opened.credentials.access_token.is_none();
                let is_stale = kept.expires_at.is_some_and(|end| end <= now.plus(SKEW));
                (has_none || is_stale) && since(backoff)
            }
            // What somebody is renewing right now is waited for.
            When::Rejected(version) => {
                kept.version == version
                    && (is_held(kept.leased_until, now) || since(REJECTED_EVERY.max(backoff)))
            }
        }
    }

    /// Renews if the lease is to be had. False when somebody else is at it, or was faster.
    async fn try_to_renew_app(
        &self,
        called: &Called,
        opened: Opened,
        when: When,
    ) -> Result<bool, AppCallError> {
        let (workspace, customer) = (called.workspace.workspace.id, called.customer.id);
        let Some(kept) = opened.kept else {
            let nothing = self.seal_app(workspace, customer, &opened.credentials);
            let made = self.store().begin_app_credential(workspace, customer, &nothing, self.now()).await;
            made.map_err(EngineError::from)?;
            return Ok(false);
        };
        let provider = self.app_provider(called, &opened.credentials)?;
        let renewal = Renewal::of(&provider.option, &opened.credentials);
        let request = LeaseRequest {
            scope: scope_of(&kept),
            of: Renewable::YourApp(customer),
            version: kept.version,
            owner: &self.inner.flights.owner,
            most_unreported: most_unreported(&provider, renewal),
        };
        match self.store().take_lease(&request, self.now()).await.map_err(EngineError::from)? {
            Leasing::Taken(lease) => {
                self.send_renewal(&kept, lease, provider, opened.credentials, renewal).await
            }
            Leasing::Held | Leasing::Moved => Ok(false),
            Leasing::Spent if when == When::Stale && has_life(&kept, self.now()) => Ok(true),
            Leasing::Spent => {
                let reason = DisconnectReason::RefreshOutcomeUnknown;
                self.end_app(&kept, None, reason).await?;
                Err(AppCallError::over(reason))
            }
        }
    }

    async fn send_renewal(
        &self,
        kept: &AppCredential,
        lease: Lease,
        mut provider: Provider<'_>,
        credentials: Credentials,
        renewal: Renewal,
    ) -> Result<bool, AppCallError> {
        let _flying = self.inner.flights.take_off();
        let mut progress = Progress { credentials, ..Progress::default() };
        let sent = timeout(DEADLINE, provider.renew(&mut progress, renewal, self.now())).await;
        match sent {
            Ok(Ok(())) => self.keep_app(kept, &lease, progress).await,
            Ok(Err(TokenError::Refused(refusal))) if is_final(&refusal, renewal, &provider.option) => {
                let reason = reason_of_refusal(&lease, renewal);
                self.end_app(kept, Some(&lease), reason).await?;
                Err(AppCallError::over(reason))
            }
            Ok(Err(error)) => self.put_off(kept, &lease, error.outcome_is_known(), &error.to_string()).await,
            Err(_) => self.put_off(kept, &lease, false, "no answer in time").await,
        }
    }

    async fn keep_app(
        &self,
        kept: &AppCredential,
        lease: &Lease,
        progress: Progress,
    ) -> Result<bool, AppCallError> {
        let mut credentials = progress.credentials;
        rename(&mut credentials);
        let sealed = self.seal_app(kept.workspace, kept.customer, &credentials);
        let renewed = RefreshedCredential { sealed, expires_at: progress.expires_at, refresh_at: None };
        // Set anew or erased meanwhile: what there is now counts.
        if self.write_down(lease, &renewed).await? {
            tracing::info!(customer.id = %kept.customer, "Renewed credentials for the product's API");
        }
        Ok(true)
    }

    /// A passing failure: the token at hand is used while it lasts.
    async fn put_off(
        &self,
        kept: &AppCredential,
        lease: &Lease,
        is_known: bool,
        reason: &str,
    ) -> Result<bool, AppCallError> {
        tracing::warn!(
            customer.id = %kept.customer, reason,
            "Could not renew the credentials for the product's API yet",
        );
        self.store().note_refresh_failure(lease, None, is_known).await.map_err(EngineError::from)?;
        if has_life(kept, self.now()) { Ok(true) } else { Err(AppCallError::later()) }
    }

    /// Ends the credentials and says so, unless somebody did something newer.
    async fn end_app(
        &self,
        kept: &AppCredential,
        lease: Option<&Lease>,
        reason: DisconnectReason,
    ) -> Result<(), EngineError> {
        let of = Renewable::YourApp(kept.customer);
        let generation = lease.map(|lease| lease.generation);
        let scope = scope_of(kept);
        if self.store().disconnect(scope, of, kept.version, generation, reason, self.now()).await? {
            tracing::warn!(
                customer.id = %kept.customer, reason = reason.as_str(),
                "The credentials for the product's API no longer work",
            );
        }
        Ok(())
    }
}

fn has_life(kept: &AppCredential, now: Timestamp) -> bool {
    kept.expires_at.is_none_or(|end| end > now)
}

fn scope_of(kept: &AppCredential) -> Scope {
    Scope { workspace: kept.workspace, customer: Some(kept.customer) }
}
