//! Token calls: what a provider's answer means for us.

use std::time::Duration;

use super::{
    provider::{Provider, ProviderError},
    verify::read_account,
};
use crate::{
    catalog::connector::{AccountFrom, AuthOption, AuthType, Request},
    model::{Credentials, Failure, FailureKey, Progress, Secret, Timestamp},
    outbound::OutboundError,
    protocol::{
        Call, Reply,
        json::{id_token_claims, keep},
        oauth2::{self, CodeGrant, Grant},
        token_reply::{TokenRefusal, TokenReply, retry_after, token_reply},
    },
};

/// The wait before a grant is given back once more, where the provider does not say how long, and at most.
const REVOKE_PAUSE: Duration = Duration::from_secs(1);
const REVOKE_PAUSE_LONGEST: Duration = Duration::from_secs(30);

/// Why a token call brought no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    /// They said no.
    #[error(transparent)]
    Refused(#[from] TokenRefusal),
    /// The wire broke, or the call could not be made.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The connector has nothing to do it with.
    #[error("the connector has no request for this")]
    NotOffered,
}

impl TokenError {
    /// What the customer reads. `typed` says that the client is the customer's own input.
    pub(super) fn failure(&self, app: &str, typed: bool) -> Failure {
        match self {
            Self::Refused(TokenRefusal::Refused { code, description, client_fault }) => {
                let words = description.as_ref().map(|words| words.as_str().to_owned());
                let failure = if typed {
                    let message =
                        format!("{app} did not accept this. Check that it is complete and still valid.");
                    Failure::new(FailureKey::TestFailed, message)
                } else if *client_fault {
                    let message = format!(
                        "{app} does not accept this product's registration. Its team has to look at it."
                    );
                    Failure::new(FailureKey::ProviderError, message)
                } else {
                    let message = format!("{app} did not complete the connection. Please try again.");
                    Failure::new(FailureKey::ProviderError, message)
                };
                failure.with_provider(code.clone(), words)
            }
            Self::Refused(TokenRefusal::Transient { status, .. }) => Failure::new(
                FailureKey::ProviderUnreachable,
                format!("{app} is not answering right now. Nothing was changed; try again in a moment."),
            )
            .with_provider(format!("http_{status}"), None),
            Self::Refused(TokenRefusal::Unreadable(_)) | Self::NotOffered => Failure::new(
                FailureKey::ProviderUnreachable,
                format!("{app} gave an answer that could not be read. Please try again."),
            ),
            Self::Provider(error) => error.failure(app),
        }
    }

    /// Whether the provider surely did not act on the call, so that it may be made again.
    pub(super) fn outcome_is_known(&self) -> bool {
        match self {
            Self::Refused(TokenRefusal::Refused { .. }) => true,
            // A gateway that gave up does not know either; these two are said before anything is done.
            Self::Refused(TokenRefusal::Transient { status, .. }) => matches!(status, 429 | 503),
            Self::Refused(TokenRefusal::Unreadable(_)) => false,
            Self::Provider(ProviderError::Outbound(
                OutboundError::Refused { .. } | OutboundError::NotReached(_),
            )) => true,
            Self::Provider(ProviderError::Outbound(_)) => false,
            Self::Provider(_) | Self::NotOffered => true,
        }
    }
}

/// How a credential is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    /// Not at all.
    Never,
    /// With its refresh token, which a provider may take only once.
    RefreshToken,
    /// As the connector writes it, out of what is kept.
    AsWritten,
    /// By getting a new one, out of what was typed.
    Again,
}

impl Renewal {
    /// Whether an option has a way to renew what it gives.
    pub(super) fn is_offered(option: &AuthOption) -> bool {
        option.refresh.is_some() || can_again(option)
    }

    pub(super) fn of(option: &AuthOption, credentials: &Credentials) -> Self {
        let written = option.refresh.as_ref().filter(|refresh| refresh.template);
        let needs_token = written
            .and_then(|refresh| refresh.request.as_ref())
            .is_none_or(|request| request.names().any(|name| name == "refresh_token"));
        match &option.refresh {
            Some(_) if !needs_token => Self::AsWritten,
            Some(_) if credentials.refresh_token.is_some() => Self::RefreshToken,
            _ if can_again(option) => Self::Again,
            _ => Self::Never,
        }
    }
}

fn can_again(option: &AuthOption) -> bool {
    let is_own = matches!(option.kind, AuthType::ClientCredentials | AuthType::Jwt | AuthType::TokenExchange);
    is_own && option.token.is_some()
}

impl Provider<'_> {
    /// Trades a code for tokens.
    pub(super) async fn redeem_code(
        &mut self,
        progress: &mut Progress,
        grant: &CodeGrant<'_>,
        now: Timestamp,
    ) -> Result<(), TokenError> {
        let request = self.option.token.clone().ok_or(TokenError::NotOffered)?;
        let endpoint = self.endpoint(&request)?;
        let client = self.proven_client(&endpoint)?;
        let call = oauth2::code_request(&self.option, &endpoint, &client, grant);
        let reply = self.token_call(&request, call.map_err(ProviderError::from)?, now).await?;
        self.reap(progress, &request, &reply);
        Ok(())
    }

    /// Gets a token without a browser, where the option has a call for that: client credentials, a signed
    /// assertion, or an exchange of what was typed.
    pub(super) async fn acquire(
        &mut self,
        progress: &mut Progress,
        now: Timestamp,
    ) -> Result<(), TokenError> {
        let Some(request) = self.option.token.clone() else { return Ok(()) };
        let endpoint = self.endpoint(&request)?;
        let call = match self.option.kind {
            AuthType::ClientCredentials => {
                let client = self.proven_client(&endpoint)?;
                oauth2::client_credentials_request(&self.option, &endpoint, &client, &self.scopes)
            }
            AuthType::Jwt => {
                let assertion = self.minted().map_err(ProviderError::from)?.ok_or(TokenError::NotOffered)?;
                let client = self.proven_client(&endpoint).ok();
                let assertion = assertion.expose();
                oauth2::jwt_bearer_request(&self.option, &endpoint, client.as_ref(), assertion, &self.scopes)
            }
            AuthType::TokenExchange => endpoint.call(),
            _ => return Ok(()),
        };
        let reply = self.token_call(&request, call.map_err(ProviderError::from)?, now).await?;
        self.reap(progress, &request, &reply);
        Ok(())
    }

    /// Swaps the fresh token for another, where the connector says so.
    pub(super) async fn swap(&mut self, progress: &mut Progress, now: Timestamp) -> Result<(), TokenError> {
        let Some(request) = self.option.exchange.clone() else { return Ok(()) };
        let call = self.endpoint(&request)?.call().map_err(ProviderError::from)?;
        let reply = self.token_call(&request, call, now).await?;
        self.reap(progress, &request, &reply);
        Ok(())
    }

    /// Whether the swap needs what only `discover` finds.
    pub(super) fn swaps_late(&self) -> bool {
        let found = |name: String| {
            self.option.discover.iter().any(|discover| discover.request.keep.contains_key(&name))
        };
        self.option.exchange.as_ref().is_some_and(|exchange| exchange.names().any(found))
    }

    /// Renews tokens.
    pub(super) async fn renew(
        &mut self,
        progress: &mut Progress,
        renewal: Renewal,
        now: Timestamp,
    ) -> Result<(), TokenError> {
        if renewal == Renewal::Again {
            self.acquire(progress, now).await?;
            return self.swap(progress, now).await;
        }
        let own = self.option.refresh.clone().ok_or(TokenError::NotOffered)?;
        let request = own.request.or_else(|| self.option.token.clone()).ok_or(TokenError::NotOffered)?;
        let endpoint = self.endpoint(&request)?;
        let call = match (&progress.credentials.refresh_token, renewal) {
            (Some(refresh_token), Renewal::RefreshToken) if !own.template => {
                let granted = progress.credentials.scopes.as_ref().unwrap_or(&self.scopes);
                let client = self.proven_client(&endpoint)?;
                oauth2::refresh_request(&self.option, &endpoint, &client, refresh_token.expose(), granted)
            }
            _ => endpoint.call(),
        };
        let reply = self.token_call(&request, call.map_err(ProviderError::from)?, now).await?;
        self.reap(progress, &request, &reply);
        Ok(())
    }

    /// Gives a grant back. Best effort: once more where the provider asks to wait (RFC 7009 §2.2.1), and
    /// whatever comes of it is only logged.
    pub(super) async fn revoke(&self, credentials: &Credentials) {
        let Some(request) = &self.option.revoke else { return };
        let mut done = self.try_revoke(request, credentials).await;
        if let Ok(Some(wait)) = done {
            tokio::time::sleep(wait).await;
            done = self.try_revoke(request, credentials).await;
        }
        let why = match done {
            Ok(None) => return,
            Ok(Some(_)) => "it asks to wait again".to_owned(),
            Err(error) => error.to_string(),
        };
        tracing::info!(
            integration.id = %self.view.integration.id,
            why,
            "{} did not take a token back", self.view.integration.key,
        );
    }

    /// Comes back with the wait that the provider asks for, if it does.
    async fn try_revoke(
        &self,
        request: &Request,
        credentials: &Credentials,
    ) -> Result<Option<Duration>, ProviderError> {
        let Some(access) = &credentials.access_token else { return Ok(None) };
        let endpoint = self.endpoint(request)?;
        if self.option.kind == AuthType::OAuth1 {
            let token = self.oauth1_token()?;
            let reply = self.send_signed(&endpoint.call()?, token.as_ref(), &[]).await?;
            return Ok(self.asked_to_wait(&reply));
        }
        if endpoint.places_token {
            let reply = self.send(endpoint.call()?).await?;
            return Ok(self.asked_to_wait(&reply));
        }
        let grant = Grant {
            access_token: access.expose(),
            refresh_token: credentials.refresh_token.as_ref().map(|token| token.expose().as_str()),
        };
        let mut wait = None;
        for place in 0..=usize::from(grant.refresh_token.is_some()) {
            // An assertion is good for one call.
            let client = self.proven_client(&endpoint)?;
            let calls = oauth2::revoke_requests(&self.option, &endpoint, &client, &grant)?;
            if let Some(call) = calls.into_iter().nth(place) {
                wait = wait.max(self.asked_to_wait(&self.send(call).await?));
            }
        }
        Ok(wait)
    }

    fn asked_to_wait(&self, reply: &Reply) -> Option<Duration> {
        let is_busy = matches!(reply.status.as_u16(), 429 | 503);
        let asked = retry_after(&reply.headers, self.engine.now()).unwrap_or(REVOKE_PAUSE);
        is_busy.then_some(asked.min(REVOKE_PAUSE_LONGEST))
    }

    async fn token_call(
        &self,
        request: &Request,
        call: Call,
        now: Timestamp,
    ) -> Result<TokenReply, TokenError> {
        let reply = self.send(call).await?;
        Ok(token_reply(request, &reply, now)?)
    }

    /// Takes a token reply in. What it does not say stays as it was (RFC 6749 §6), but for its end: a
    /// token whose life nobody told has no known end.
    pub(super) fn reap(&mut self, progress: &mut Progress, request: &Request, reply: &TokenReply) {
        let credentials = &mut progress.credentials;
        credentials.access_token = Some(reply.access_token.clone());
        for (kept, new) in [
            (&mut credentials.refresh_token, &reply.refresh_token),
            (&mut credentials.token_secret, &reply.token_secret),
        ] {
            if let Some(new) = new {
                *kept = Some(Secret::clone(new));
            }
        }
        if let Some(scopes) = &reply.scopes {
            credentials.scopes = Some(scopes.clone());
        }
        credentials.kept.extend(keep(&request.keep, &reply.body));
        progress.expires_at = reply.expires_at;
        let api = self.api();
        let account = api.account.as_ref().and_then(|account| match account.from {
            AccountFrom::Token => read_account(account, &reply.body),
            AccountFrom::IdToken => read_account(account, &id_token_claims(&reply.body)?),
            AccountFrom::Test | AccountFrom::Kept => None,
        });
        progress.account = account.or(progress.account.take());
        self.learn(&progress.credentials);
    }
}
