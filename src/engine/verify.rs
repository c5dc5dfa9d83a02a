//! The connector's test call: do these credentials work, and whose account is it?

use serde_json::Value;

use super::provider::Provider;
use crate::{
    catalog::connector::{AccountFrom, AuthType, Request},
    model::{Account, Failure, FailureKey},
    protocol::{
        Reply,
        json::{at, scalar},
    },
};

/// Longest id or label of an account that is kept, in characters.
const ACCOUNT_TEXT_MAX: usize = 200;

impl Provider<'_> {
    /// Calls `api.test` where the connector has one and finds the account. `token_body` is the token reply.
    ///
    /// Typed credentials must pass. A fresh OAuth token only fails here when the provider says 401:
    /// the scopes asked for may well not cover the test call.
    pub(super) async fn verify(&self, token_body: Option<&Value>) -> Result<Option<Account>, Failure> {
        let api = self.api().into_owned();
        let from_token = api.account.as_ref().filter(|account| account.from == AccountFrom::Token);
        if let (Some(account), Some(body)) = (from_token, token_body) {
            return Ok(read_account(account, body));
        }
        let Some(test) = &api.test else { return Ok(None) };
        let outcome = match self.test(test).await {
            Ok(reply) => self.judge(test, &reply).map(|()| reply),
            Err(failure) => Err(failure),
        };
        match outcome {
            Ok(reply) => {
                let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
                Ok(api.account.as_ref().and_then(|account| read_account(account, &body)))
            }
            Err(failure) if self.option.kind == AuthType::OAuth2 && !is_rejection(&failure) => {
                tracing::info!(
                    integration.id = %self.view.integration.id,
                    reason = failure.key.as_str(),
                    "The test call of {} says nothing about the account", self.view.integration.key,
                );
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    async fn test(&self, request: &Request) -> Result<Reply, Failure> {
        let name = &self.view.name;
        let call = self.authorized(request).map_err(|error| error.failure(name))?;
        self.send(call).await.map_err(|error| error.failure(name))
    }

    fn judge(&self, request: &Request, reply: &Reply) -> Result<(), Failure> {
        let name = &self.view.name;
        let status = reply.status;
        if status.is_server_error() || status.as_u16() == 429 {
            let message =
                format!("{name} is not answering right now. Nothing was changed; try again in a moment.");
            return Err(Failure::new(FailureKey::ProviderUnreachable, message));
        }
        if !status.is_success() {
            let message = match status.as_u16() {
                401 | 403 => {
                    format!("{name} did not accept this. Check that it is complete and still valid.")
                }
                404 => format!("{name} was not found there. Check what you typed."),
                _ => format!("{name} did not accept this."),
            };
            return Err(Failure::new(FailureKey::TestFailed, message)
                .with_provider(format!("http_{}", status.as_u16()), None));
        }
        let Some(error) = &request.error else { return Ok(()) };
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let found = at(&body, &error.field);
        let is_good = match &error.ok {
            Some(ok) => found == Some(ok),
            None => found.is_none_or(Value::is_null),
        };
        let refused = || Failure::new(FailureKey::TestFailed, format!("{name} did not accept this."));
        is_good.then_some(()).ok_or_else(refused)
    }
}

fn is_rejection(failure: &Failure) -> bool {
    failure.provider.as_ref().is_some_and(|provider| provider.code == "http_401")
}

fn read_account(paths: &crate::catalog::connector::Account, body: &Value) -> Option<Account> {
    let text = |path: &str| -> Option<String> {
        let found = scalar(at(body, path)?)?;
        let short: String = found.chars().filter(|c| !c.is_control()).take(ACCOUNT_TEXT_MAX).collect();
        (!short.is_empty()).then_some(short)
    };
    Some(Account { id: text(&paths.id)?, label: paths.label.as_deref().and_then(text) })
}
