//! The provider sends the browser back.
//!
//! An attempt is taken once, whatever follows; the answer is redeemed only in the browser that left,
//! for the integration that it left for.

use super::{
    Engine, EngineError, Next,
    connect::Course,
    depart::attempt_cookie,
    oauth::TokenError,
    oauth1,
    provider::Provider,
    settle::{Settled, is_typed},
};
use crate::{
    catalog::connector::{AuthOption, AuthType},
    model::{
        Attempt, Credentials, Failure, FailureKey, Handle, HandleHash, IntegrationId, Progress, Timestamp,
        progress::AttemptSecrets,
    },
    protocol::{
        callback_signature::is_genuine,
        oauth2::CodeGrant,
        token_reply::{Description, provider_code},
    },
};

/// Longest code, state or kept parameter that is read, in bytes.
const PARAM_MAX: usize = 4096;
/// The parameter that brings back what was parked.
pub(super) const PARKED: &str = "parked";

/// The parameters a callback brought, in order.
#[derive(Clone)]
pub struct CallbackParams(Vec<(String, String)>);

impl CallbackParams {
    /// Takes raw pairs.
    pub fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// What the attempt is found by: `state`, or OAuth 1's temporary token.
    pub fn awaited(&self, integration: &str) -> Option<HandleHash> {
        if let Some(state) = self.one("state").ok()? {
            return Handle::parse(state).map(|state| state.hash());
        }
        let integration = IntegrationId::parse(integration)?;
        let token = self.one("oauth_token").ok()?.or(self.one("denied").ok()?)?;
        Some(oauth1::awaited(integration, token))
    }

    /// The one value of a name. RFC 6749 §3.1: a parameter that appears twice is refused.
    pub(super) fn one(&self, name: &str) -> Result<Option<&str>, Failure> {
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

    pub(super) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }
}

/// An answer as it came.
pub(super) struct Shown<'a> {
    /// The integration whose address it came to.
    pub(super) integration: &'a str,
    pub(super) params: &'a CallbackParams,
    /// It was kept until the browser came back for it.
    pub(super) is_parked: bool,
}

/// What a good answer brought.
enum Answer {
    /// OAuth 2.
    Code(String),
    /// OAuth 1.
    Verifier(String),
    /// The developer's own page has handed credentials over.
    HandedOver,
    /// Nothing but what is kept: an app was installed.
    Nothing,
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
    ) -> Result<Next, EngineError> {
        let awaited = params.awaited(integration).ok_or_else(unknown_state)?;
        let now = self.now();
        let attempt = self.store().take_attempt(awaited, now).await?.ok_or_else(unknown_state)?;
        let course = self.course(&attempt, &attempt.request.auth_option).await?;
        if !is_bound(&attempt, &awaited, cookie) {
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
        let settled = self.redeem(&attempt, &course, secrets, integration, params, now).await;
        self.conclude(attempt, &course, settled).await
    }

    /// The same as [`Engine::arrive`], for an attempt that nobody can take up again: what broke on our side
    /// ends it too, so that whoever waits is told.
    pub(super) async fn conclude(
        &self,
        attempt: Attempt,
        course: &Course,
        settled: Result<Result<Settled, Failure>, EngineError>,
    ) -> Result<Next, EngineError> {
        let settled = settled.unwrap_or_else(|error| {
            // One that was given up meanwhile is not open any more, and that is nobody's fault.
            if !matches!(error, EngineError::NotOpen) {
                tracing::error!(attempt.id = %attempt.id, %error, "Attempt {} broke on our side", attempt.id);
            }
            Err(Failure::new(FailureKey::Internal, "Something went wrong on our side."))
        });
        self.arrive(attempt, course, settled).await
    }

    /// Where the browser goes with what became of an attempt.
    pub(super) async fn arrive(
        &self,
        attempt: Attempt,
        course: &Course,
        settled: Result<Settled, Failure>,
    ) -> Result<Next, EngineError> {
        let outcome = match settled {
            Ok(Settled::Choose(ticket)) => return Ok(Next::Ask(ticket)),
            Ok(Settled::Unconfirmed(address)) => return Ok(Next::Confirm(address)),
            Ok(Settled::Connected(attempt, result)) => self.outcome(*attempt, course, Some(result)).await?,
            Err(failure) => self.fail(attempt, course, failure).await?,
        };
        Ok(Next::Done(Box::new(outcome)))
    }

    async fn redeem(
        &self,
        attempt: &Attempt,
        course: &Course,
        mut secrets: AttemptSecrets,
        integration: &str,
        params: &CallbackParams,
        now: Timestamp,
    ) -> Result<Result<Settled, Failure>, EngineError> {
        let parked = match unpark(&mut secrets, params) {
            Ok(parked) => parked,
            Err(failure) => return Ok(Err(failure)),
        };
        let is_parked = parked.is_some();
        let params = parked.as_ref().unwrap_or(params);
        let shown = Shown { integration, params, is_parked };
        // What a developer's own page collected was handed over by the backend, which named the customer.
        let is_handed_over = course.option.kind == AuthType::Proxy;
        match &course.workspace.workspace.settings.confirm_redirect {
            Some(page) if !is_handed_over => {
                let credentials = Credentials { input: secrets.input.clone(), ..Credentials::default() };
                let provider = self.provider_of_attempt(attempt, course, &secrets, &credentials)?;
                if let Err(failure) = self.check_answer(attempt, &provider, &shown, now) {
                    return Ok(Err(failure));
                }
                self.await_word(attempt, course, secrets, params, page, now).await
            }
            _ => self.exchange(attempt, course, secrets, &shown, now).await,
        }
    }

    /// Redeems an answer, if it is a good one, and goes on as far as it gets.
    pub(super) async fn exchange(
        &self,
        attempt: &Attempt,
        course: &Course,
        secrets: AttemptSecrets,
        shown: &Shown<'_>,
        now: Timestamp,
    ) -> Result<Result<Settled, Failure>, EngineError> {
        let params = shown.params;
        let credentials = Credentials { input: secrets.input.clone(), ..Credentials::default() };
        let mut provider = self.provider_of_attempt(attempt, course, &secrets, &credentials)?;
        let mut progress = Progress { credentials, ..Progress::default() };
        let answer = match self.check_answer(attempt, &provider, shown, now) {
            Ok(answer) => answer,
            Err(failure) => return Ok(Err(failure)),
        };
        for (name, param) in &course.option.callback.keep {
            if let Ok(Some(value)) = params.one(param) {
                progress.credentials.kept.insert(name.clone(), value.to_owned());
            }
        }
        provider.learn(&progress.credentials);
        let redeemed = self.trade(attempt, &mut provider, &mut progress, &secrets, answer, params, now).await;
        if let Err(error) = redeemed {
            return Ok(Err(error.failure(&course.view.name, is_typed(course))));
        }
        self.settle(attempt, course, secrets, provider, progress, 0).await
    }

    #[expect(clippy::too_many_arguments, reason = "one call of one story; a struct would only rename them")]
    async fn trade(
        &self,
        attempt: &Attempt,
        provider: &mut Provider<'_>,
        progress: &mut Progress,
        secrets: &AttemptSecrets,
        answer: Answer,
        params: &CallbackParams,
        now: Timestamp,
    ) -> Result<(), TokenError> {
        match answer {
            Answer::Code(code) => {
                let echo =
                    params.pairs().iter().filter(|(name, _)| provider.option.callback.echo.contains(name));
                let echo: Vec<_> = echo.cloned().collect();
                let scopes = provider.scopes.clone();
                let grant = CodeGrant {
                    code: &code,
                    redirect_uri: attempt.request.redirect_uri.as_deref().unwrap_or_default(),
                    verifier: secrets.pkce_verifier.as_ref().map(|verifier| verifier.expose().as_str()),
                    scopes: &scopes,
                    echo: &echo,
                };
                provider.redeem_code(progress, &grant, now).await
            }
            Answer::Verifier(verifier) => {
                let temporary = secrets.temporary.as_ref().ok_or(TokenError::NotOffered)?;
                provider.redeem_verifier(progress, temporary, &verifier, now).await
            }
            Answer::HandedOver => Ok(()),
            Answer::Nothing => provider.acquire(progress, now).await,
        }
    }

    /// Everything that must hold before anything is sent anywhere.
    fn check_answer(
        &self,
        attempt: &Attempt,
        provider: &Provider<'_>,
        shown: &Shown<'_>,
        now: Timestamp,
    ) -> Result<Answer, Failure> {
        let Shown { integration, params, is_parked } = *shown;
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
        for error in ["error", "oauth_problem", "denied"] {
            if let Some(code) = params.one(error)? {
                return Err(provider_said_no(name, error, code, params.one("error_description")?));
            }
        }
        check_signature(provider, params)?;
        check_matching(provider, params)?;
        let missing = |what: &str| {
            Failure::new(FailureKey::ProviderError, format!("{name} sent no {what}. Please try again."))
        };
        match provider.option.kind {
            AuthType::OAuth2 => {
                let code = params.one(&provider.option.callback.code)?;
                Ok(Answer::Code(code.ok_or_else(|| missing("code"))?.to_owned()))
            }
            AuthType::OAuth1 => {
                let verifier = params.one("oauth_verifier")?;
                Ok(Answer::Verifier(verifier.ok_or_else(|| missing("verifier"))?.to_owned()))
            }
            AuthType::Proxy if is_parked => Ok(Answer::HandedOver),
            AuthType::Proxy => Err(missing("credentials")),
            _ => Ok(Answer::Nothing),
        }
    }
}

/// Nobody waits for this answer.
pub(super) fn unknown_state() -> EngineError {
    let message = "This link was used before, has expired, or was never ours.";
    Failure::new(FailureKey::UnknownState, message).into()
}

/// An answer that was parked counts only with the nonce that the same browser was given for it.
fn unpark(secrets: &mut AttemptSecrets, params: &CallbackParams) -> Result<Option<CallbackParams>, Failure> {
    let shown = params.one(PARKED)?;
    let wrong = || Failure::new(FailureKey::WrongBrowser, "The answer did not come back the way it left.");
    let Some(parked) = secrets.parked.take() else {
        return if shown.is_some() { Err(wrong()) } else { Ok(None) };
    };
    if shown.map(HandleHash::of) != Some(HandleHash::of(parked.nonce.expose())) {
        return Err(wrong());
    }
    secrets.input.extend(parked.credentials);
    Ok(Some(CallbackParams(parked.params)))
}

fn is_bound(attempt: &Attempt, awaited: &HandleHash, cookie: impl Fn(&str) -> Option<String>) -> bool {
    let shown = cookie(&attempt_cookie(awaited)).and_then(|value| Handle::parse(&value));
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
        // OAuth 1 and app installations have no issuer; a declared one then names an audience.
        (Some(_), None) => provider.option.kind != AuthType::OAuth2,
        (None, None) => true,
        (None, Some(sent)) => {
            let api = provider.api();
            sent.parse().is_ok_and(|url| api.admits(&url))
        }
    };
    let message = "The answer came from another server than expected, so nothing was connected.";
    is_good.then_some(()).ok_or_else(|| Failure::new(FailureKey::ProviderError, message))
}

fn check_signature(provider: &Provider<'_>, params: &CallbackParams) -> Result<(), Failure> {
    let Some(signature) = &provider.option.callback.signature else { return Ok(()) };
    let key = signature.key.render(&provider.names);
    let is_good = key.is_ok_and(|key| is_genuine(signature, &key, params.pairs()));
    let message = "The answer is not signed as it should be, so nothing was connected.";
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

/// Words by which providers say that the customer declined.
const DECLINED: [&str; 5] =
    ["access_denied", "user_refused", "user_denied", "permission_denied", "user_cancelled_authorize"];

fn provider_said_no(app: &str, param: &str, error: &str, description: Option<&str>) -> Failure {
    // Twitter's way: `denied` carries the token, not a code.
    let code = if param == "denied" { "access_denied".to_owned() } else { provider_code(error) };
    let words = description.and_then(Description::of).map(|words| words.as_str().to_owned());
    let failure = if DECLINED.contains(&code.as_str()) {
        Failure::new(
            FailureKey::AccessDeniedByProvider,
            format!("{app} was not connected: access was declined."),
        )
    } else {
        Failure::new(FailureKey::ProviderError, format!("{app} answered with an error. Please try again."))
    };
    failure.with_provider(code, words)
}
