//! Token calls: what a provider's answer means for us.

use super::provider::{Provider, ProviderError};
use crate::{
    catalog::connector::Request,
    model::{Credentials, Failure, FailureKey, Secret, Timestamp},
    outbound::OutboundError,
    protocol::{
        Call,
        json::keep,
        oauth2::{self, CodeGrant, Grant},
        token_reply::{TokenRefusal, TokenReply, token_reply},
    },
};

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
    /// What the customer reads.
    pub(super) fn failure(&self, app: &str) -> Failure {
        match self {
            Self::Refused(TokenRefusal::Refused { code, description, client_fault }) => {
                let message = if *client_fault {
                    format!("{app} does not accept this product's registration. Its team has to look at it.")
                } else {
                    format!("{app} did not complete the connection. Please try again.")
                };
                let words = description.as_ref().map(|words| words.as_str().to_owned());
                Failure::new(FailureKey::ProviderError, message).with_provider(code.clone(), words)
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
            Self::Refused(TokenRefusal::Refused { .. } | TokenRefusal::Transient { .. }) => true,
            Self::Refused(TokenRefusal::Unreadable(_)) => false,
            Self::Provider(ProviderError::Outbound(OutboundError::Refused { .. })) => true,
            Self::Provider(ProviderError::Outbound(_)) => false,
            Self::Provider(_) | Self::NotOffered => true,
        }
    }
}

impl Provider<'_> {
    /// Trades a code for tokens.
    pub(super) async fn exchange_code(
        &self,
        grant: &CodeGrant<'_>,
        now: Timestamp,
    ) -> Result<TokenReply, TokenError> {
        let (Some(request), Some(client)) = (&self.option.token, &self.client) else {
            return Err(TokenError::NotOffered);
        };
        let endpoint = self.endpoint(request)?;
        let call =
            oauth2::code_request(&self.option, &endpoint, client, grant).map_err(ProviderError::from)?;
        self.token_call(request, call, now).await
    }

    /// Renews tokens with the refresh token.
    pub(super) async fn renew(
        &self,
        refresh_token: &Secret<String>,
        granted: &[String],
        now: Timestamp,
    ) -> Result<TokenReply, TokenError> {
        let own = self.option.refresh.as_ref().ok_or(TokenError::NotOffered)?;
        let request = own.request.as_ref().or(self.option.token.as_ref()).ok_or(TokenError::NotOffered)?;
        let client = self.client.as_ref().ok_or(TokenError::NotOffered)?;
        let endpoint = self.endpoint(request)?;
        let call = oauth2::refresh_request(&self.option, &endpoint, client, refresh_token.expose(), granted)
            .map_err(ProviderError::from)?;
        self.token_call(request, call, now).await
    }

    /// Gives a grant back. Best effort: the answer is only logged.
    pub(super) async fn revoke(&self, credentials: &Credentials) {
        let Some(request) = &self.option.revoke else { return };
        if let Err(error) = self.try_revoke(request, credentials).await {
            tracing::info!(
                integration.id = %self.view.integration.id,
                %error,
                "{} did not take a token back", self.view.integration.key,
            );
        }
    }

    async fn try_revoke(&self, request: &Request, credentials: &Credentials) -> Result<(), ProviderError> {
        let endpoint = self.endpoint(request)?;
        let (Some(client), Some(access)) = (&self.client, &credentials.access_token) else { return Ok(()) };
        let grant = Grant {
            access_token: access.expose(),
            refresh_token: credentials.refresh_token.as_ref().map(|token| token.expose().as_str()),
        };
        for call in oauth2::revoke_requests(&self.option, &endpoint, client, &grant)? {
            self.send(call).await?;
        }
        Ok(())
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
}

/// Puts a token reply into credentials. What the reply does not say stays as it was (RFC 6749 §6).
pub(super) fn take_in(credentials: &mut Credentials, request: &Request, reply: &TokenReply) {
    credentials.access_token = Some(reply.access_token.clone());
    if let Some(refresh_token) = &reply.refresh_token {
        credentials.refresh_token = Some(refresh_token.clone());
    }
    if let Some(scopes) = &reply.scopes {
        credentials.scopes = Some(scopes.clone());
    }
    credentials.kept.extend(keep(&request.keep, &reply.body));
}
