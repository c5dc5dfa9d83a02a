//! Answers that reach us without the browser's cookie: posted by a provider's page from its own site
//! (`response_mode=form_post`), or handed over by the developer's backend.
//!
//! They are kept with the attempt, unused, until the browser that left comes back itself with a nonce
//! that only it was given. Whoever began the attempt never learns that nonce, so a stranger who was
//! lured into answering cannot be linked.

use std::collections::BTreeMap;

use super::{
    Engine, EngineError,
    callback::{CallbackParams, PARKED, unknown_state},
    connect::{Course, invalid_input},
    session::Backend,
};
use crate::{
    catalog::{connector::AuthType, input},
    model::{Attempt, Handle, Parked, Secret},
};

/// Bytes of a value that a developer's page may hand over.
const CREDENTIAL_MAX: usize = 16 * 1024;

impl Engine {
    /// Keeps a posted callback; gives the path that brings the browser back to it.
    pub async fn park(&self, integration: &str, params: &CallbackParams) -> Result<String, EngineError> {
        let state = params.one("state")?.ok_or_else(unknown_state)?.to_owned();
        let awaited = params.awaited(integration).ok_or_else(unknown_state)?;
        let attempt = self.store().attempt_by_state(awaited, self.now()).await?;
        // The way back leads to the attempt's own address, so a mix-up has to be seen here.
        let attempt = attempt.filter(|attempt| attempt.integration.to_string() == integration);
        let attempt = attempt.ok_or_else(unknown_state)?;
        let pairs = params.pairs().iter().filter(|(name, _)| name != PARKED).cloned().collect();
        let nonce = self.keep_answer(&attempt, pairs, BTreeMap::new()).await?;
        Ok(way_back(&attempt, &state, &nonce))
    }

    /// Takes what the developer's own page collected; gives the address to send the browser to.
    pub async fn hand_over(
        &self,
        backend: &Backend,
        ticket: &str,
        credentials: BTreeMap<String, String>,
        customer: Option<&str>,
    ) -> Result<String, EngineError> {
        let not_found = || EngineError::NotFound("ticket");
        let state = Handle::parse(ticket).ok_or_else(not_found)?;
        let attempt = self.store().attempt_by_state(state.hash(), self.now()).await?;
        let attempt = attempt
            .filter(|attempt| attempt.workspace == backend.workspace)
            .filter(|attempt| customer.is_none_or(|customer| customer == attempt.customer.internal_id))
            .ok_or_else(not_found)?;
        let course = self.course(&attempt, &attempt.request.auth_option).await?;
        if course.option.kind != AuthType::Proxy {
            return Err(not_found());
        }
        let confirms = course.workspace.workspace.settings.confirm_redirect.is_some();
        if confirms && customer.is_none() {
            let message = "This workspace confirms connections: name the customer of your own session.";
            return Err(EngineError::invalid("customerId", message));
        }
        let credentials = checked(&course, credentials)?;
        let nonce = self.keep_answer(&attempt, Vec::new(), credentials).await?;
        let path = way_back(&attempt, state.expose(), &nonce);
        let address = self.inner.addresses.public_url.join(&path);
        Ok(address.expect("a path of ours joins our address").into())
    }

    /// An answer is kept once: a second one would let whoever posts last win.
    async fn keep_answer(
        &self,
        attempt: &Attempt,
        params: Vec<(String, String)>,
        credentials: BTreeMap<String, Secret<String>>,
    ) -> Result<Handle, EngineError> {
        let mut secrets = self.open_secrets(attempt)?;
        if secrets.parked.is_some() {
            return Err(unknown_state());
        }
        let nonce = self.entropy().handle();
        secrets.parked = Some(Parked { nonce: Secret::from(nonce.expose()), params, credentials });
        let sealed = self.seal_secrets(attempt.workspace, attempt.id, &secrets);
        let known = attempt.sealed_secret.as_deref();
        let kept = self.store().park_attempt(attempt.id, known, &sealed, self.now()).await?;
        kept.then_some(nonce).ok_or_else(unknown_state)
    }
}

fn way_back(attempt: &Attempt, state: &str, nonce: &Handle) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("state", state).append_pair(PARKED, nonce.expose());
    format!("/oauth/callback/{}?{}", attempt.integration, query.finish())
}

/// What was handed over, under the names that templates use: declared fields as they are, and
/// everything as `credentials.NAME`.
fn checked(
    course: &Course,
    given: BTreeMap<String, String>,
) -> Result<BTreeMap<String, Secret<String>>, EngineError> {
    let large = |(name, value): (&String, &String)| {
        (value.len() > CREDENTIAL_MAX)
            .then(|| (name.clone(), format!("At most {} KiB.", CREDENTIAL_MAX / 1024)))
    };
    let too_large: Vec<_> = given.iter().filter_map(large).collect();
    if !too_large.is_empty() {
        let mut failure = invalid_input(Vec::new());
        failure.fields = too_large;
        return Err(failure.into());
    }
    let fields = input::check(&course.option, &given).map_err(invalid_input)?;
    let plain = fields.plain.into_iter().map(|(name, value)| (name, Secret::new(value)));
    let all = given.into_iter().map(|(name, value)| (format!("credentials.{name}"), Secret::new(value)));
    Ok(plain.chain(fields.secret).chain(all).collect())
}
