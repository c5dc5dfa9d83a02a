//! The provider sends the browser back.
//!
//! An attempt is taken once, whatever follows; the code is exchanged only in the browser that left,
//! for the integration that it left for.

use super::{
    Engine, EngineError, Outcome,
    connect::{Course, attempt_cookie},
    oauth::take_in,
    provider::Provider,
    refresh::refresh_time,
};
use crate::{
    catalog::connector::AuthOption,
    model::{
        Attempt, ConnectionId, Credentials, Failure, FailureKey, Handle, HandleHash, Scope, Timestamp,
        credential::AttemptSecrets,
    },
    protocol::{
        oauth2::CodeGrant,
        token_reply::{Description, provider_code},
    },
    store::{CompletedAttempt, NewConnection, Replacing},
};

/// Longest code, state or kept parameter that is read, in bytes.
const PARAM_MAX: usize = 4096;

/// The parameters a callback brought, in order.
pub struct CallbackParams(Vec<(String, String)>);

impl CallbackParams {
    /// Takes raw pairs.
    pub fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// The one value of a name. RFC 6749 §3.1: a parameter that appears twice is refused.
    fn one(&self, name: &str) -> Result<Option<&str>, Failure> {
        let mut found = self.0.iter().filter(|(given, _)| given == name).map(|(_, value)| value.as_str());
        let first = found.next();
        if found.next().is_some() || first.is_some_and(|value| value.len() > PARAM_MAX) {
            return Err(Failure::new(
                FailureKey::ProviderError,
                "The answer came in a form that is not accepted.",
            ));
        }
        Ok(first.filter(|value| !value.is_empty()))
    }
}

impl Engine {
    /// Takes a callback. `cookie` finds the value of a cookie by its name part.
    ///
    /// Errors are for whoever opened an address that nobody waits for; everything that belongs to a
    /// live attempt ends in its outcome.
    pub async fn callback(
        &self,
        integration: &str,
        params: &CallbackParams,
        cookie: impl Fn(&str) -> Option<String>,
    ) -> Result<Outcome, EngineError> {
        let unknown = || {
            let message = "This link was used before, has expired, or was never ours.";
            EngineError::from(Failure::new(FailureKey::UnknownState, message))
        };
        let state = params.one("state").ok().flatten().and_then(Handle::parse).ok_or_else(unknown)?;
        let now = self.now();
        let attempt = self.store().take_attempt(state.hash(), now).await?.ok_or_else(unknown)?;
        let course = self.course(&attempt, &attempt.request.auth_option).await?;
        if !is_bound(&attempt, &state.hash(), cookie) {
            // The browser that shows this is not the one that began: it gets a page of its own and
            // learns nothing of the attempt, while the one that began is told.
            let failure = Failure::new(
                FailureKey::WrongBrowser,
                "This connection was started in another browser, so nothing was connected.",
            );
            self.fail(attempt, &course, failure.clone()).await?;
            return Err(failure.into());
        }
        let secrets = self.open_secrets(&attempt)?;
        match self.redeem(&attempt, &course, secrets, integration, params, now).await {
            Ok(Ok(connected)) => Ok(self.outcome(connected.0, &course, Some(connected.1)).await?),
            Ok(Err(failure)) => self.fail(attempt, &course, failure).await,
            Err(error) => {
                tracing::error!(attempt.id = %attempt.id, %error, "Attempt {} broke on our side", attempt.id);
                let failure = Failure::new(FailureKey::Internal, "Something went wrong on our side.");
                self.fail(attempt, &course, failure).await
            }
        }
    }

    async fn redeem(
        &self,
        attempt: &Attempt,
        course: &Course,
        secrets: AttemptSecrets,
        integration: &str,
        params: &CallbackParams,
        now: Timestamp,
    ) -> Result<Result<(Attempt, Handle), Failure>, EngineError> {
        let mut credentials = Credentials { input: secrets.input.clone(), ..Credentials::default() };
        let mut provider = Provider::new(
            self,
            &course.workspace,
            &course.view,
            &course.option,
            &attempt.customer,
            &attempt.request.input,
            &credentials,
        )?;
        let code = match self.check_answer(attempt, &provider, integration, params, now) {
            Ok(code) => code,
            Err(failure) => return Ok(Err(failure)),
        };
        for (name, param) in &course.option.callback.keep {
            if let Ok(Some(value)) = params.one(param) {
                credentials.kept.insert(name.clone(), value.to_owned());
            }
        }
        provider.learn(&credentials);
        let echo = params.0.iter().filter(|(name, _)| course.option.callback.echo.contains(name));
        let echo: Vec<_> = echo.cloned().collect();
        let grant = CodeGrant {
            code: &code,
            redirect_uri: attempt.request.redirect_uri.as_deref().unwrap_or_default(),
            verifier: secrets.pkce_verifier.as_ref().map(|verifier| verifier.expose().as_str()),
            scopes: course.view.scopes(&course.option),
            echo: &echo,
        };
        let reply = match provider.exchange_code(&grant, now).await {
            Ok(reply) => reply,
            Err(error) => return Ok(Err(error.failure(&course.view.name))),
        };
        let request = course.option.token.as_ref().ok_or(EngineError::NotOpen)?;
        take_in(&mut credentials, request, &reply);
        provider.learn(&credentials);
        let finished =
            self.finish(attempt, course, &provider, &credentials, Some(&reply.body), reply.expires_at);
        let finished = finished.await?;
        if finished.is_err() {
            provider.revoke(&credentials).await;
        }
        Ok(finished)
    }

    /// Everything that must hold before a code is sent anywhere.
    fn check_answer(
        &self,
        attempt: &Attempt,
        provider: &Provider<'_>,
        integration: &str,
        params: &CallbackParams,
        now: Timestamp,
    ) -> Result<String, Failure> {
        let name = &provider.view.name;
        if attempt.expires_at <= now {
            let message = format!("Connecting {name} took longer than ten minutes. Please try again.");
            return Err(Failure::new(FailureKey::AttemptExpired, message));
        }
        if integration != attempt.integration.to_string() {
            let message = "The answer belongs to another integration, so nothing was connected.";
            return Err(Failure::new(FailureKey::UnknownState, message));
        }
        check_issuer(provider, params.one("iss")?)?;
        check_matching(provider, params)?;
        if let Some(error) = params.one("error")? {
            return Err(provider_said_no(name, error, params.one("error_description")?));
        }
        let code = params.one(&provider.option.callback.code)?;
        code.map(str::to_owned).ok_or_else(|| {
            Failure::new(FailureKey::ProviderError, format!("{name} sent no code. Please try again."))
        })
    }

    /// Verifies new credentials and makes or renews the connection.
    pub(super) async fn finish(
        &self,
        attempt: &Attempt,
        course: &Course,
        provider: &Provider<'_>,
        credentials: &Credentials,
        token_body: Option<&serde_json::Value>,
        expires_at: Option<Timestamp>,
    ) -> Result<Result<(Attempt, Handle), Failure>, EngineError> {
        let account = match provider.verify(token_body).await {
            Ok(account) => account,
            Err(failure) => return Ok(Err(failure)),
        };
        let now = self.now();
        let scope = Scope { workspace: attempt.workspace, customer: Some(attempt.customer.id) };
        if let Some(target) = attempt.request.target
            && account.is_none()
            && let Some(known) = self.store().connection(scope, target).await?.and_then(|known| known.account)
        {
            let label = known.label.unwrap_or(known.id);
            let message =
                format!("{} did not say which account this is; expected {label}.", course.view.name);
            return Ok(Err(Failure::new(FailureKey::ProviderUnreachable, message)));
        }
        let replacing = match attempt.request.target {
            Some(target) => Replacing::Exactly(target),
            None if attempt.request.allow_multiple => Replacing::Nothing,
            None => Replacing::Existing,
        };
        let bytes = credentials.to_bytes();
        let vault = self.vault().clone();
        let workspace = attempt.workspace;
        let refresh_at = refresh_time(&course.option, credentials, expires_at, now, self.entropy());
        let result = self.entropy().handle();
        let new = NewConnection {
            id: ConnectionId::from_uuid(self.entropy().uuid(now)),
            scope,
            integration: attempt.integration,
            replacing,
            name: attempt.request.name.clone(),
            auth_option: course.option.key.clone(),
            input: attempt.request.input.clone(),
            account,
            seal: Box::new(move |id| {
                vault.seal(super::refresh::credential_place(workspace, &id.to_string()), &bytes).0
            }),
            expires_at,
            refresh_at,
        };
        match self.store().complete_attempt(attempt.id, &new, result.hash(), now).await? {
            CompletedAttempt::Created(connection) | CompletedAttempt::Renewed(connection) => {
                let mut attempt = attempt.clone();
                attempt.state = crate::model::AttemptState::Connected(connection.id);
                Ok(Ok((attempt, result)))
            }
            CompletedAttempt::TargetGone => {
                let message = "This connection was deleted in the meantime.";
                Ok(Err(Failure::new(FailureKey::UnknownState, message)))
            }
            CompletedAttempt::OtherAccount => {
                let name = &course.view.name;
                let message = format!(
                    "That is another {name} account than the one connected here. Nothing was changed."
                );
                Ok(Err(Failure::new(FailureKey::AccountMismatch, message)))
            }
            CompletedAttempt::NotOpen => Err(EngineError::NotOpen),
        }
    }
}

fn is_bound(attempt: &Attempt, state: &HandleHash, cookie: impl Fn(&str) -> Option<String>) -> bool {
    let shown = cookie(&attempt_cookie(state)).and_then(|value| Handle::parse(&value));
    match (shown, &attempt.binding_hash) {
        (Some(shown), Some(expected)) => shown.hash().as_bytes().as_slice() == expected.as_slice(),
        _ => false,
    }
}

/// RFC 9207. A declared issuer must be there and be equal. Where none is declared but one was sent, it
/// must at least live on a host of the connector, so that another server's answer is not taken.
fn check_issuer(provider: &Provider<'_>, sent: Option<&str>) -> Result<(), Failure> {
    let is_good = match (&provider.option.issuer, sent) {
        (Some(declared), Some(sent)) => declared == sent,
        (Some(_), None) => false,
        (None, None) => true,
        (None, Some(sent)) => {
            let api = provider.api();
            sent.parse().is_ok_and(|url| api.admits(&url))
        }
    };
    let message = "The answer came from another server than expected, so nothing was connected.";
    is_good.then_some(()).ok_or_else(|| Failure::new(FailureKey::ProviderError, message))
}

fn check_matching(provider: &Provider<'_>, params: &CallbackParams) -> Result<(), Failure> {
    let option: &AuthOption = &provider.option;
    for (param, template) in &option.callback.matching {
        let expected = template.render(&provider.names).ok();
        if expected.as_deref() != params.one(param)? {
            let message = "The answer is about another account than the one you named.";
            return Err(Failure::new(FailureKey::AccountMismatch, message));
        }
    }
    Ok(())
}

fn provider_said_no(app: &str, error: &str, description: Option<&str>) -> Failure {
    let code = provider_code(error);
    let words = description.and_then(Description::of).map(|words| words.as_str().to_owned());
    let failure = if code == "access_denied" {
        Failure::new(
            FailureKey::AccessDeniedByProvider,
            format!("{app} was not connected: access was declined."),
        )
    } else {
        Failure::new(FailureKey::ProviderError, format!("{app} answered with an error. Please try again."))
    };
    failure.with_provider(code, words)
}
