//! The page that asks: what an attempt still needs, and what the customer answered.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{
    Engine, EngineError, IntegrationView, Next, WorkspaceView,
    connect::{Course, invalid_input, plain_input, secret_names},
    leaves,
    settle::{Settled, is_typed},
};
use crate::{
    catalog::{connector::AuthOption, input, parameters::SCOPES},
    model::{
        Attempt, AttemptState, Credentials, Failure, FailureKey, Handle, Parameters, Progress,
        progress::AttemptSecrets,
    },
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
    /// What is asked for there.
    pub scopes: Vec<String>,
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
        let own = Parameters { plain: attempt.request.connector_parameters.clone(), ..Parameters::default() };
        let scopes = own.list(SCOPES).unwrap_or_else(|| course.view.scopes(&course.option));
        let Course { workspace, view, option } = course;
        Ok(Ask { attempt, workspace, view, option, leaves, scopes })
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
                let secrets = AttemptSecrets { input: checked.secret, ..kept };
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
        match self.acquired(&attempt, &course, &secrets).await? {
            Err(failure) if attempt.request.own_form && failure.key != FailureKey::AccountMismatch => {
                self.ask_again(attempt, &secrets, failure).await?;
                Ok(Next::Ask(ticket))
            }
            settled => self.arrive(attempt, &course, settled).await,
        }
    }

    async fn acquired(
        &self,
        attempt: &Attempt,
        course: &Course,
        secrets: &AttemptSecrets,
    ) -> Result<Result<Settled, Failure>, EngineError> {
        let credentials = Credentials { input: secrets.input.clone(), ..Credentials::default() };
        let mut provider = self.provider_of_attempt(attempt, course, secrets, &credentials)?;
        let mut progress = Progress { credentials, ..Progress::default() };
        if let Err(error) = provider.acquire(&mut progress, self.now()).await {
            return Ok(Err(error.failure(&course.view.name, is_typed(course))));
        }
        self.settle(attempt, course, secrets.clone(), provider, progress, 0).await
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
        let mut secrets = secrets.clone();
        if refused {
            secrets.input.clear();
            attempt.request.secret_input.clear();
        }
        attempt.request.problem = Some(problem);
        let sealed = self.seal_secrets(attempt.workspace, attempt.id, &secrets);
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
