//! The connector's test call: do these credentials work, and whose account is it?

use serde_json::Value;

use super::provider::Provider;
use crate::{
    catalog::{
        connector::{AccountFrom, Request},
        template::Values as _,
    },
    model::{Account, Failure, FailureKey},
    protocol::{
        Reply,
        json::{at, is_same, scalar},
    },
};

/// Longest id or label of an account that is kept, in characters.
const ACCOUNT_TEXT_MAX: usize = 200;

impl Provider<'_> {
    /// Tries new credentials and finds the account; `named` is the one that the token reply named.
    ///
    /// Typed credentials must pass. A fresh token only fails here when the provider says 401: the scopes
    /// asked for may well not cover the test call.
    pub(super) async fn verify(&self, named: Option<Account>) -> Result<Option<Account>, Failure> {
        if named.is_some() {
            return Ok(named);
        }
        match self.check().await {
            Err(failure) if self.option.token.is_some() && says_nothing(&failure) => {
                tracing::info!(
                    integration.id = %self.view.integration.id,
                    reason = failure.key.as_str(),
                    "The test call of {} says nothing about the account", self.view.integration.key,
                );
                Ok(self.account(None))
            }
            found => found,
        }
    }

    /// Makes the connector's test call, where it has one, and finds the account in its reply.
    pub(super) async fn check(&self) -> Result<Option<Account>, Failure> {
        let Some(test) = self.api().test.clone() else { return Ok(self.account(None)) };
        let reply = self.test(&test).await?;
        self.judge(&test, &reply)?;
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        Ok(self.account(Some(&body)))
    }

    /// The account that the test call's reply or a kept value names.
    fn account(&self, body: Option<&Value>) -> Option<Account> {
        let api = self.api();
        let account = api.account.as_ref()?;
        match account.from {
            AccountFrom::Kept => self.kept_account(account, body),
            AccountFrom::Test => read_account(account, body?),
            AccountFrom::Token | AccountFrom::IdToken => None,
        }
    }

    async fn test(&self, request: &Request) -> Result<Reply, Failure> {
        let name = &self.view.name;
        self.call_api(request).await.map_err(|error| error.failure(name))
    }

    /// The account that a kept value names. Its label is kept too, or stands in the reply to the test call.
    fn kept_account(
        &self,
        account: &crate::catalog::connector::Account,
        body: Option<&Value>,
    ) -> Option<Account> {
        let kept = |name: &str| self.names.value(name).and_then(|value| short(&value));
        let label = account.label.as_deref();
        let found = label.and_then(|label| kept(label).or_else(|| short(&scalar(at(body?, label)?)?)));
        Some(Account { id: kept(&account.id)?, label: found })
    }

    /// Whether a reply of the API is a good one.
    pub(super) fn judge(&self, request: &Request, reply: &Reply) -> Result<(), Failure> {
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
            Some(ok) => found.is_some_and(|found| is_same(found, ok)),
            None => found.is_none_or(Value::is_null),
        };
        let refused = || Failure::new(FailureKey::TestFailed, format!("{name} did not accept this."));
        is_good.then_some(()).ok_or_else(refused)
    }
}

/// Whether a test call that failed leaves it open if the token is good: the provider is in trouble, or
/// does not let this token make that call. A call that could not be made at all never will be.
fn says_nothing(failure: &Failure) -> bool {
    let rejected = failure.provider.as_ref().is_some_and(|provider| provider.code == "http_401");
    matches!(failure.key, FailureKey::TestFailed | FailureKey::ProviderUnreachable) && !rejected
}

/// The account that a reply names.
pub(super) fn read_account(paths: &crate::catalog::connector::Account, body: &Value) -> Option<Account> {
    let text = |path: &str| short(&scalar(at(body, path)?)?);
    Some(Account { id: text(&paths.id)?, label: paths.label.as_deref().and_then(text) })
}

fn short(text: &str) -> Option<String> {
    let short: String = text.chars().filter(|c| !c.is_control()).take(ACCOUNT_TEXT_MAX).collect();
    (!short.is_empty()).then_some(short)
}
