//! Does a connection still work? Asks its provider, now.

use super::{Engine, IntegrationView, RefreshError, oauth::Renewal, refresh::Fresh};
use crate::model::{Account, Connection, ConnectionId, DisconnectReason, Failure, Scope};

/// Why a connection does not work, or nobody can say.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// There is no fresh credential to ask with.
    #[error(transparent)]
    Credential(#[from] RefreshError),
    /// The provider did not take the call.
    #[error("{}", .0.message)]
    Refused(Box<Failure>),
}

impl Engine {
    /// Makes the connector's test call with fresh credentials, and says whose account it is where the
    /// connector can tell. A connector without a test call has nothing to ask.
    ///
    /// Credentials that are rejected are renewed once. If they are rejected even then, or there is nothing
    /// to renew them with, the connection has ended.
    pub async fn check(&self, scope: Scope, id: ConnectionId) -> Result<Option<Account>, CheckError> {
        let first = self.fresh_for_call(scope, id).await?;
        let failure = match self.test_call(&first).await {
            Err(CheckError::Refused(failure)) if is_rejection(&failure) => failure,
            found => return found,
        };
        let second = self.renew_rejected(scope, id, first.version).await?;
        let (last, failure) = if second.version == first.version {
            (self.is_last_word(scope, &second).await?, failure)
        } else {
            match self.test_call(&second).await {
                Err(CheckError::Refused(failure)) if is_rejection(&failure) => (true, failure),
                found => return found,
            }
        };
        if last {
            let reason = DisconnectReason::CredentialsRejected;
            let live = self.live_now(scope, id).await?;
            if live.stored.version == second.version {
                self.end(&live, None, reason).await.map_err(RefreshError::from)?;
            }
        }
        Err(CheckError::Refused(failure))
    }

    async fn test_call(&self, fresh: &Fresh) -> Result<Option<Account>, CheckError> {
        let provider = self.provider_for(&fresh.connection, &fresh.customer, &fresh.credentials).await;
        let provider = provider.map_err(RefreshError::from)?;
        provider.check().await.map_err(|failure| CheckError::Refused(Box::new(failure)))
    }

    /// Whether credentials that were rejected and not renewed will not become any better: they cannot be
    /// renewed, or were a moment ago. A provider that is in trouble leaves it open.
    async fn is_last_word(&self, scope: Scope, fresh: &Fresh) -> Result<bool, RefreshError> {
        let provider = self.provider_for(&fresh.connection, &fresh.customer, &fresh.credentials).await?;
        let live = self.live_now(scope, fresh.connection.id).await?;
        let is_renewable = Renewal::of(&provider.option, &fresh.credentials) != Renewal::Never;
        Ok(!is_renewable || live.was_just_renewed(self.now()))
    }
}

/// The provider says that it does not know these credentials. A 403 says that they may not do this.
fn is_rejection(failure: &Failure) -> bool {
    failure.provider.as_ref().is_some_and(|provider| provider.code == "http_401")
}

impl IntegrationView {
    /// Whether there is a call that tests a connection.
    pub fn can_test(&self, connection: &Connection) -> bool {
        let option = self.connector.auth.iter().find(|option| option.key == connection.auth_option);
        let api = option.and_then(|option| self.connector.api_for(option));
        api.is_some_and(|api| api.test.is_some())
    }

    /// Whether the app lets credentials of this kind be renewed.
    pub fn can_refresh(&self, connection: &Connection) -> bool {
        let option = self.connector.auth.iter().find(|option| option.key == connection.auth_option);
        option.is_some_and(Renewal::is_offered)
    }
}
