//! The page that asks: what an attempt still needs, and what the customer answered.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{
    Engine, EngineError, IntegrationView, Next, WorkspaceView,
    connect::{Course, invalid_input, leaves, plain_input, secret_names},
    provider::Provider,
};
use crate::{
    catalog::{connector::AuthOption, input},
    model::{Attempt, AttemptState, Credentials, Failure, FailureKey, Handle, credential::AttemptSecrets},
};

/// What a page needs to ask.
pub struct Ask {
    /// The attempt.
    pub attempt: Attempt,
    /// Whose product it is for.
    pub workspace: Arc<WorkspaceView>,
    /// What is being connected.
    pub view: Arc<IntegrationView>,
    /// With which option.
    pub option: AuthOption,
    /// The next step is a page of the provider.
    pub leaves: bool,
}

/// What the customer answered.
pub struct AskSubmission {
    /// The ticket of the page.
    pub ticket: String,
    /// Another auth option, chosen on the page.
    pub option: Option<String>,
    /// Fields; a secret one left blank keeps what was given before.
    pub input: BTreeMap<String, String>,
}

impl Engine {
    /// What the page behind a ticket asks. `option` shows another auth option than the one begun with.
    pub async fn ask(&self, ticket: &str, option: Option<&str>) -> Result<Ask, EngineError> {
        let (attempt, course) = self.open_ticket(ticket, option).await?;
        let leaves = leaves(&course.option);
        Ok(Ask { attempt, workspace: course.workspace, view: course.view, option: course.option, leaves })
    }

    /// Takes the answer. Asks again, with the same ticket, while something is wrong with it.
    pub async fn submit_input(&self, submission: AskSubmission) -> Result<Next, EngineError> {
        let (mut attempt, course) =
            self.open_ticket(&submission.ticket, submission.option.as_deref()).await?;
        let ticket = Handle::parse(&submission.ticket).ok_or(EngineError::NotOpen)?;
        let kept = self.open_secrets(&attempt)?;
        let mut given: BTreeMap<_, _> =
            kept.input.iter().map(|(name, secret)| (name.clone(), secret.expose().clone())).collect();
        given.extend(attempt.request.input.clone());
        for (name, value) in submission.input {
            let is_kept = value.is_empty() && attempt.request.secret_input.contains(&name);
            if !is_kept {
                given.insert(name, value);
            }
        }
        attempt.request.auth_option = course.option.key.clone();
        attempt.request.own_form = true;
        match input::check(&course.option, &given) {
            Ok(checked) => {
                attempt.request.input = checked.plain;
                attempt.request.secret_input = secret_names(&course.option, &checked.secret);
                attempt.request.problem = None;
                let secrets = AttemptSecrets { pkce_verifier: None, input: checked.secret };
                self.proceed(attempt, course, secrets, ticket).await
            }
            Err(errors) => {
                attempt.request.input = plain_input(&course.option, &given);
                self.ask_again(attempt, &kept, invalid_input(errors)).await?;
                Ok(Next::Ask(ticket))
            }
        }
    }

    /// Connects with what the customer typed: the connector's test call decides before anything is stored.
    pub(super) async fn connect_with_input(
        &self,
        attempt: Attempt,
        course: Course,
        secrets: AttemptSecrets,
        ticket: Handle,
    ) -> Result<Next, EngineError> {
        if !self.store().consume_attempt(attempt.id, self.now()).await? {
            return Err(EngineError::NotOpen);
        }
        let credentials = Credentials { input: secrets.input.clone(), ..Credentials::default() };
        let provider = Provider::new(
            self,
            &course.workspace,
            &course.view,
            &course.option,
            &attempt.customer,
            &attempt.request.input,
            &credentials,
        )?;
        match self.finish(&attempt, &course, &provider, &credentials, None, None).await? {
            Ok((attempt, result)) => {
                let outcome = self.outcome(attempt, &course, Some(result)).await?;
                Ok(Next::Done(Box::new(outcome)))
            }
            Err(failure) if attempt.request.own_form && failure.key != FailureKey::AccountMismatch => {
                self.ask_again(attempt, &secrets, failure).await?;
                Ok(Next::Ask(ticket))
            }
            Err(failure) => {
                let outcome = self.fail(attempt, &course, failure).await?;
                Ok(Next::Done(Box::new(outcome)))
            }
        }
    }

    /// Puts the attempt back to its form, with what is wrong.
    pub(super) async fn ask_again(
        &self,
        mut attempt: Attempt,
        secrets: &AttemptSecrets,
        problem: Failure,
    ) -> Result<(), EngineError> {
        // What the app refused is not worth keeping: the field is empty again.
        let refused = problem.key == FailureKey::TestFailed;
        let secrets = if refused { &AttemptSecrets::default() } else { secrets };
        if refused {
            attempt.request.secret_input.clear();
        }
        attempt.request.problem = Some(problem);
        let sealed = self.seal_secrets(attempt.workspace, attempt.id, secrets);
        let kept =
            self.store().update_attempt(attempt.id, &attempt.request, Some(&sealed), self.now()).await?;
        kept.then_some(()).ok_or(EngineError::NotOpen)
    }

    async fn open_ticket(
        &self,
        ticket: &str,
        option: Option<&str>,
    ) -> Result<(Attempt, Course), EngineError> {
        let ticket = Handle::parse(ticket).ok_or(EngineError::NotOpen)?;
        let attempt = self.store().attempt_by_ticket(ticket.hash(), self.now()).await?;
        let attempt = attempt.filter(|attempt| attempt.state == AttemptState::Pending);
        let attempt = attempt.ok_or(EngineError::NotOpen)?;
        let wanted = option.unwrap_or(&attempt.request.auth_option);
        let course = self.course(&attempt, wanted).await?;
        Ok((attempt, course))
    }

    /// Finds what an attempt needs at hand.
    pub(super) async fn course(&self, attempt: &Attempt, option: &str) -> Result<Course, EngineError> {
        let workspace = self.workspace(attempt.workspace).await?;
        let view = workspace.by_id(attempt.integration).cloned();
        let view = view.ok_or(EngineError::NotFound("integration"))?;
        let option = view.option(Some(option)).cloned().ok_or_else(|| {
            let message = format!("{} has no such way to connect.", view.name);
            EngineError::from(Failure::new(FailureKey::UnknownAuthOption, message))
        })?;
        Ok(Course { workspace, view, option })
    }
}
