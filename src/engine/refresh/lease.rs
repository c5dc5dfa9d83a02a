//! One renewal, under a lease: across all processes on one database a refresh token is sent by one of them.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::{Fresh, Live, RefreshError, When};
use crate::{
    engine::{
        Engine, EngineError,
        oauth::{Renewal, TokenError},
        provider::{Provider, ProviderError},
        schedule::jittered,
    },
    model::{Credentials, DisconnectReason, Progress},
    outbound::OutboundError,
    store::{Lease, LeaseRequest, Leasing, Renewable, is_held},
};

/// A whole renewal; half a lease.
pub(in crate::engine) const DEADLINE: Duration = Duration::from_secs(15);
/// A holder that got round to sending only after this was asleep: somebody else may be at it by now.
const SEND_WITHIN: Duration = Duration::from_secs(5);
/// How long one process waits for another: a lease and a little.
pub(in crate::engine) const PATIENCE: Duration = Duration::from_secs(35);
/// Between two looks at what the other one does.
pub(in crate::engine) const LOOK_FIRST: Duration = Duration::from_millis(50);
pub(in crate::engine) const LOOK_LAST: Duration = Duration::from_millis(500);
/// A refresh token leaves at most twice without any word of what came of it. Providers take a second use
/// for theft, so the first is tried again once only.
const MOST_UNREPORTED: u32 = 2;

impl Engine {
    pub(super) async fn renew_under_lease(&self, mut live: Live, when: When) -> Result<Fresh, RefreshError> {
        let (since, mut pause) = (Instant::now(), LOOK_FIRST);
        loop {
            let now = self.now();
            if !is_held(live.leased_until, now)
                && let Some(done) = self.try_to_renew(&live, when).await?
            {
                return Ok(done);
            }
            // Somebody else is at it, or was faster.
            live = self.live_now(live.scope(), live.connection.id).await?;
            if !self.is_wanted(&live, when) {
                return self.as_it_is(&live).await;
            }
            let can_wait = matches!(when, When::Rejected(_) | When::Asked(_)) || !live.has_life(self.now());
            if !can_wait || when == When::Due {
                return self.as_it_is(&live).await;
            }
            if since.elapsed() > PATIENCE {
                return Err(RefreshError::Transient);
            }
            sleep(jittered(pause, self.entropy())).await;
            pause = (pause * 3 / 2).min(LOOK_LAST);
        }
    }

    /// Renews if the lease is to be had; nothing comes back when it is not.
    async fn try_to_renew(&self, live: &Live, when: When) -> Result<Option<Fresh>, RefreshError> {
        let Some(credentials) = self.credentials_of(live) else {
            return Err(self.end(live, None, DisconnectReason::CredentialsUnreadable).await?);
        };
        let provider = self.provider_for(&live.connection, &live.customer, &credentials).await?;
        let renewal = Renewal::of(&provider.option, &credentials);
        if renewal == Renewal::Never {
            return self.not_renewable(live, when).await.map(Some);
        }
        let request = LeaseRequest {
            scope: live.scope(),
            of: Renewable::Connection(live.connection.id),
            version: live.stored.version,
            owner: &self.inner.flights.owner,
            most_unreported: most_unreported(&provider, renewal),
        };
        let asked = Instant::now();
        match self.store().take_lease(&request, self.now()).await.map_err(EngineError::from)? {
            Leasing::Taken(_) if asked.elapsed() > SEND_WITHIN => Ok(None),
            Leasing::Taken(lease) => {
                self.connection_changed(&live.connection);
                self.send(live, when, lease, provider, credentials, renewal).await.map(Some)
            }
            Leasing::Spent => self.spent(live, when).await.map(Some),
            Leasing::Held | Leasing::Moved => Ok(None),
        }
    }

    async fn send(
        &self,
        live: &Live,
        when: When,
        lease: Lease,
        mut provider: Provider<'_>,
        credentials: Credentials,
        renewal: Renewal,
    ) -> Result<Fresh, RefreshError> {
        let mut progress = Progress { credentials, ..Progress::default() };
        let sent = timeout(DEADLINE, provider.renew(&mut progress, renewal, self.now())).await;
        match sent.unwrap_or_else(|_| Err(out_of_time(&provider))) {
            Ok(()) => self.keep(live, &lease, &provider, progress).await,
            Err(TokenError::Refused(refusal))
                if super::outcome::is_final(&refusal, renewal, &provider.option) =>
            {
                Err(self.end(live, Some(&lease), reason_of_refusal(&lease, renewal)).await?)
            }
            Err(error) => self.wait(live, when, &lease, &error).await,
        }
    }

    /// What ends cannot be renewed: it is used until then.
    async fn not_renewable(&self, live: &Live, when: When) -> Result<Fresh, RefreshError> {
        if live.has_ended(self.now()) {
            return Err(self.end(live, None, DisconnectReason::NotRenewable).await?);
        }
        match when {
            When::Asked(_) => Err(RefreshError::NotRenewable),
            _ => self.as_it_is(live).await,
        }
    }

    /// Twice sent, twice no word: what there is is used until it ends, or until the provider rejects it.
    async fn spent(&self, live: &Live, when: When) -> Result<Fresh, RefreshError> {
        self.connection_changed(&live.connection);
        let is_over = live.has_ended(self.now()) || matches!(when, When::Rejected(_));
        if is_over {
            return Err(self.end(live, None, DisconnectReason::RefreshOutcomeUnknown).await?);
        }
        match when {
            When::Asked(_) => Err(RefreshError::Transient),
            _ => self.as_it_is(live).await,
        }
    }
}

/// How often it may be sent without any word of what came of it. None where sending it once more costs
/// nothing: all but a refresh token that the provider may take only once.
pub(in crate::engine) fn most_unreported(provider: &Provider<'_>, renewal: Renewal) -> Option<u32> {
    let rotates = provider.option.refresh.as_ref().and_then(|refresh| refresh.rotates);
    (renewal == Renewal::RefreshToken && rotates != Some(false)).then_some(MOST_UNREPORTED)
}

/// A refusal of what was sent before, unheard, may be our own doing: then the reason blames nobody.
pub(in crate::engine) fn reason_of_refusal(lease: &Lease, renewal: Renewal) -> DisconnectReason {
    match lease.is_again && renewal == Renewal::RefreshToken {
        true => DisconnectReason::RefreshOutcomeUnknown,
        false => DisconnectReason::GrantRevoked,
    }
}

fn out_of_time(provider: &Provider<'_>) -> TokenError {
    TokenError::Provider(ProviderError::Outbound(OutboundError::Timeout(provider.view.name.clone())))
}
