//! Confirm mode: the word of the product's backend before anything is redeemed.
//!
//! A provider's answer is kept, unused, and the browser carries a nonce to the product's own page. Only the
//! backend of that workspace, naming the customer whose session that browser has there, lets the exchange
//! happen. Whoever was lured into completing somebody else's attempt is seen to be another customer, and
//! the answer is thrown away. Any word uses the nonce up, also a wrong one.

use std::time::Duration;

use super::{
    Engine, EngineError, Next,
    callback::{CallbackParams, Shown},
    connect::{ATTEMPT_LIFE, Course},
    settle::Settled,
};
use crate::{
    model::{
        Access, Attempt, Failure, FailureKey, Handle, Timestamp, progress::AttemptSecrets,
        redirect::RedirectTarget,
    },
    store::Unconfirmed,
};

/// How long the backend has to confirm.
const CONFIRM_LIFE: Duration = Duration::from_secs(5 * 60);
/// Unconfirmed attempts that one sweep ends.
const UNCONFIRMED_MOST: usize = 100;

impl Engine {
    /// Keeps a good answer until the backend's word, and sends the browser to `page` with the nonce.
    pub(super) async fn await_word(
        &self,
        attempt: &Attempt,
        course: &Course,
        mut secrets: AttemptSecrets,
        params: &CallbackParams,
        page: &str,
        now: Timestamp,
    ) -> Result<Result<Settled, Failure>, EngineError> {
        let Ok(target) = RedirectTarget::parse(page, &course.workspace.origins) else {
            let message = "The product's page for confirming is not among its allowed origins.";
            return Ok(Err(Failure::new(FailureKey::RedirectNotAllowed, message)));
        };
        secrets.answer = Some(params.pairs().to_vec());
        let nonce = self.entropy().handle();
        let sealed = self.seal_secrets(attempt.workspace, attempt.id, &secrets);
        let answer = Unconfirmed {
            attempt: attempt.id,
            sealed_secret: &sealed,
            confirmation: nonce.hash(),
            expires_at: now.plus(CONFIRM_LIFE),
        };
        if !self.store().await_confirmation(&answer, now).await? {
            return Err(EngineError::NotOpen);
        }
        let key = &course.view.integration.key;
        let mut query = vec![("confirmation", nonce.expose()), ("integrationKey", key.as_str())];
        query.extend(attempt.request_id.as_ref().map(|id| ("requestId", id.as_str())));
        Ok(Ok(Settled::Unconfirmed(target.with(&query))))
    }

    /// The word of the backend: this answer belongs to `customer`. None is the customer of the token.
    pub async fn confirm(
        &self,
        access: &Access,
        confirmation: &str,
        customer: Option<&str>,
    ) -> Result<Next, EngineError> {
        let own = access.customer.as_ref().map(|customer| customer.internal_id.as_str());
        let missing = || EngineError::invalid("customerId", "Name the customer of your own session.");
        let named = customer.or(own).ok_or_else(missing)?;
        if own.is_some_and(|own| own != named) {
            return Err(EngineError::invalid("customerId", "The token is for another customer."));
        }
        let not_found = || EngineError::NotFound("confirmation");
        let nonce = Handle::parse(confirmation).ok_or_else(not_found)?;
        let now = self.now();
        let until = now.plus(ATTEMPT_LIFE);
        let taken = self.store().take_confirmation(access.workspace, nonce.hash(), until, now).await?;
        let attempt = taken.ok_or_else(not_found)?;
        let course = self.course(&attempt, &attempt.request.auth_option).await?;
        if named != attempt.customer.internal_id {
            return self.belie(attempt, &course).await;
        }
        let mut secrets = self.open_secrets(&attempt)?;
        let params = CallbackParams::new(secrets.answer.take().ok_or(EngineError::NotOpen)?);
        let integration = attempt.integration.to_string();
        let shown = Shown { integration: &integration, params: &params, is_parked: false };
        let settled = self.exchange(&attempt, &course, secrets, &shown, now).await;
        self.conclude(attempt, &course, settled).await
    }

    /// The browser that answered is signed in to the product as somebody else.
    async fn belie(&self, attempt: Attempt, course: &Course) -> Result<Next, EngineError> {
        tracing::warn!(
            attempt.id = %attempt.id,
            customer.id = %attempt.customer.id,
            "Attempt {} was confirmed for another customer than the one who began it", attempt.id,
        );
        let message = "This connection was started by another customer, so nothing was connected.";
        let failure = Failure::new(FailureKey::WrongCustomer, message);
        let outcome = self.fail(attempt, course, failure).await?;
        Ok(Next::Done(Box::new(outcome)))
    }

    /// Ends the attempts whose word never came. Nothing was redeemed, so nothing has to be given back.
    pub(super) async fn end_unconfirmed(&self) -> Result<(), EngineError> {
        for _ in 0..UNCONFIRMED_MOST {
            let Some(attempt) = self.store().take_unconfirmed(self.now()).await? else { break };
            let course = self.course(&attempt, &attempt.request.auth_option).await?;
            let message = "This connection was not confirmed in time. Please try again.";
            self.fail(attempt, &course, Failure::new(FailureKey::AttemptExpired, message)).await?;
        }
        Ok(())
    }
}
