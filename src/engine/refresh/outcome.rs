//! What came of a renewal: kept, put off, or the end of the connection.

use std::time::Duration;

use super::{Fresh, Live, RefreshError, When, credential_place};
use crate::{
    catalog::connector::AuthOption,
    engine::{
        Engine, EngineError,
        oauth::{Renewal, TokenError},
        provider::Provider,
        schedule::{jittered, refresh_time},
    },
    model::{DisconnectReason, Progress, Timestamp},
    protocol::token_reply::TokenRefusal,
    store::{Lease, RefreshedCredential, Renewable, StoreError},
};

/// First wait after a passing failure; doubles up to the longest.
const RETRY_FIRST: Duration = Duration::from_secs(30);
const RETRY_LONGEST: Duration = Duration::from_secs(60 * 60);
/// The longest once the token has ended: every call waits for it.
const RETRY_LONGEST_WITHOUT: Duration = Duration::from_secs(2 * 60);
/// How often an answer is written down when the database is busy or full, and the pause in between.
const WRITE_TRIES: u32 = 4;
const WRITE_PAUSE: Duration = Duration::from_secs(1);
/// Codes by which a provider says that what a token was made for is no longer there.
const GONE: [&str; 3] = ["404", "410", "not_found"];

impl Engine {
    pub(super) async fn keep(
        &self,
        live: &Live,
        lease: &Lease,
        provider: &Provider<'_>,
        progress: Progress,
    ) -> Result<Fresh, RefreshError> {
        let (renewed, expires_at) = (progress.credentials, progress.expires_at);
        let id = live.connection.id;
        let row = id.to_string();
        let sealed =
            self.vault().seal(credential_place(live.connection.workspace, &row), &renewed.to_bytes());
        let now = self.now();
        let record = RefreshedCredential {
            sealed: sealed.0,
            expires_at,
            refresh_at: refresh_time(&provider.option, &renewed, expires_at, now, self.entropy()),
        };
        let kept = self.write_down(lease, &record).await;
        self.connection_changed(&live.connection);
        if kept? {
            self.metrics().refreshed("renewed");
            tracing::info!(connection.id = %id, "Renewed the credential of {id}");
            return Ok(live.with(renewed, lease.version + 1));
        }
        match self.live_now(live.scope(), id).await {
            // Reconnected, or renewed by whoever has the lease now: the newer credential counts.
            Ok(live) => self.as_it_is(&live).await,
            // Deleted meanwhile: what just came must not stay alive at the provider.
            Err(error) => {
                if matches!(error, RefreshError::NotFound) {
                    provider.revoke(&renewed).await;
                }
                Err(error)
            }
        }
    }

    /// Stores what cannot be got a second time, also when the database is not free at once.
    pub(in crate::engine) async fn write_down(
        &self,
        lease: &Lease,
        record: &RefreshedCredential,
    ) -> Result<bool, EngineError> {
        let mut tries = 1;
        loop {
            match self.store().store_refreshed(lease, record, self.now()).await {
                Err(StoreError::Busy | StoreError::Full) if tries < WRITE_TRIES => {
                    tries += 1;
                    tokio::time::sleep(WRITE_PAUSE).await;
                }
                done => return Ok(done?),
            }
        }
    }

    /// A passing failure: the old token is used while it lasts, and the next try comes later.
    pub(super) async fn wait(
        &self,
        live: &Live,
        when: When,
        lease: &Lease,
        error: &TokenError,
    ) -> Result<Fresh, RefreshError> {
        let retry_at = self.next_try(live, error);
        let id = live.connection.id;
        tracing::warn!(
            connection.id = %id, %error,
            retry_seconds = retry_at.since(self.now()).as_secs(),
            "Could not renew the credential of {id} yet",
        );
        self.metrics().refreshed("transient");
        let noted = self.store().note_refresh_failure(lease, Some(retry_at), error.outcome_is_known()).await;
        self.connection_changed(&live.connection);
        let noted = noted.map_err(EngineError::from)?;
        let live = self.live_now(live.scope(), id).await?;
        match when {
            When::Asked(_) if noted => Err(RefreshError::Transient),
            _ => self.as_it_is(&live).await,
        }
    }

    /// Later with every failure, and never before the provider's own time for it.
    fn next_try(&self, live: &Live, error: &TokenError) -> Timestamp {
        let now = self.now();
        let longest = if live.has_ended(now) { RETRY_LONGEST_WITHOUT } else { RETRY_LONGEST };
        let tries = live.connection.retry_attempts.min(10);
        let backoff = jittered(RETRY_FIRST.saturating_mul(1 << tries).min(longest), self.entropy());
        let asked = match error {
            TokenError::Refused(TokenRefusal::Transient { retry_after, .. }) => {
                retry_after.unwrap_or_default()
            }
            _ => Duration::ZERO,
        };
        let asked = asked.min(RETRY_LONGEST);
        // Spread behind the time that was asked for, not ahead of it.
        now.plus(backoff.max(asked + asked / 4 - jittered(asked / 4, self.entropy())))
    }

    /// Ends the connection and says so, unless somebody else did something newer.
    pub(in crate::engine) async fn end(
        &self,
        live: &Live,
        lease: Option<&Lease>,
        reason: DisconnectReason,
    ) -> Result<RefreshError, EngineError> {
        let (id, version) = (live.connection.id, live.stored.version);
        let generation = lease.map(|lease| lease.generation);
        let of = Renewable::Connection(id);
        let ended = self.store().disconnect(live.scope(), of, version, generation, reason, self.now()).await;
        self.connection_changed(&live.connection);
        if ended? {
            self.metrics().refreshed(reason.as_str());
            tracing::warn!(
                connection.id = %id, reason = reason.as_str(),
                "Connection {id} is disconnected",
            );
            return Ok(RefreshError::Disconnected(reason));
        }
        // Reconnected, renewed or deleted meanwhile: whoever asks again gets what there is now.
        Ok(match self.live_now(live.scope(), id).await {
            Ok(_) => RefreshError::Transient,
            Err(error) => error,
        })
    }
}

/// Whether a refusal ends the connection. What a refresh token opened ends with the provider's word for
/// that. Where a new token is got out of what the customer typed, any refusal of it counts; where it is
/// got with the developer's own key, only that what it was for is gone: the key may be at fault.
pub(in crate::engine) fn is_final(refusal: &TokenRefusal, renewal: Renewal, option: &AuthOption) -> bool {
    let TokenRefusal::Refused { code, .. } = refusal else { return false };
    let is_over = match renewal {
        Renewal::Again if !option.fields.is_empty() => true,
        Renewal::Again | Renewal::AsWritten => GONE.contains(&code.as_str()),
        Renewal::RefreshToken | Renewal::Never => false,
    };
    is_over || refusal.is_revoked()
}
