//! The customer chooses one of several things that their account has.

use std::sync::Arc;

use super::{Engine, EngineError, IntegrationView, Next, WorkspaceView, connect::Course};
use crate::model::{
    Attempt, AttemptState, Choice, Failure, FailureKey, Handle, Progress, progress::AttemptSecrets,
};

/// Abandoned choices that one sweep ends.
const ABANDONED_MOST: usize = 100;

/// What a page needs to let the customer choose.
pub struct Choosing {
    /// The attempt.
    pub attempt: Attempt,
    /// Whose product it is for.
    pub workspace: Arc<WorkspaceView>,
    /// What is being connected.
    pub view: Arc<IntegrationView>,
    /// What there is.
    pub choice: Choice,
}

impl Engine {
    /// What the page behind a ticket lets the customer choose from; `None` when it asks something else.
    pub async fn choosing(&self, ticket: &str) -> Result<Option<Choosing>, EngineError> {
        let ticket = Handle::parse(ticket).ok_or(EngineError::NotOpen)?;
        let attempt = self.store().attempt_by_ticket(ticket.hash(), self.now()).await?;
        let attempt = attempt.ok_or(EngineError::NotOpen)?;
        let (AttemptState::NeedsChoice, Some(choice)) = (&attempt.state, attempt.request.choice.clone())
        else {
            return Ok(None);
        };
        let course = self.course(&attempt, &attempt.request.auth_option).await?;
        Ok(Some(Choosing { attempt, workspace: course.workspace, view: course.view, choice }))
    }

    /// Takes the choice and goes on. One that is not among the offered ones is asked for again.
    pub async fn choose(&self, ticket: &str, item: &str) -> Result<Next, EngineError> {
        let choosing = self.choosing(ticket).await?.ok_or(EngineError::NotOpen)?;
        let ticket = Handle::parse(ticket).ok_or(EngineError::NotOpen)?;
        let Some(place) = choosing.choice.items.iter().position(|(id, _)| id == item) else {
            return Ok(Next::Ask(ticket));
        };
        let (attempt, course, secrets, mut progress) = self.take_choice(&ticket).await?;
        let kept = progress.items.get(place).cloned().unwrap_or_default();
        progress.items.clear();
        progress.picked.push(choosing.choice.items[place].clone());
        progress.credentials.kept.extend(kept);
        let provider = self.provider_of_attempt(&attempt, &course, &secrets, &progress.credentials)?;
        let step = choosing.choice.step + 1;
        let settled = self.settle(&attempt, &course, secrets, provider, progress, step).await;
        self.conclude(attempt, &course, settled).await
    }

    /// Ends an attempt whose customer wants none of it. What was granted is given back.
    pub async fn decline(&self, ticket: &str) -> Result<Next, EngineError> {
        let ticket = Handle::parse(ticket).ok_or(EngineError::NotOpen)?;
        let (attempt, course, secrets, progress) = self.take_choice(&ticket).await?;
        let provider = self.provider_of_attempt(&attempt, &course, &secrets, &progress.credentials)?;
        provider.revoke(&progress.credentials).await;
        let message = format!("{} was not connected: nothing was chosen.", course.view.name);
        let failure = Failure::new(FailureKey::AccessDeniedByProvider, message);
        self.arrive(attempt, &course, Err(failure)).await
    }

    /// Ends the attempts whose customer never chose. What was granted is given back.
    pub(super) async fn end_abandoned_choices(&self) -> Result<(), EngineError> {
        for _ in 0..ABANDONED_MOST {
            let Some(attempt) = self.store().take_abandoned_choice(self.now()).await? else { break };
            let (attempt, course, secrets, progress) = self.opened(attempt).await?;
            let provider = self.provider_of_attempt(&attempt, &course, &secrets, &progress.credentials)?;
            provider.revoke(&progress.credentials).await;
            let message = "Nothing was chosen within ten minutes. Please try again.";
            self.fail(attempt, &course, Failure::new(FailureKey::AttemptExpired, message)).await?;
        }
        Ok(())
    }

    async fn take_choice(
        &self,
        ticket: &Handle,
    ) -> Result<(Attempt, Course, AttemptSecrets, Progress), EngineError> {
        let attempt = self.store().take_choice(ticket.hash(), self.now()).await?;
        self.opened(attempt.ok_or(EngineError::NotOpen)?).await
    }

    async fn opened(
        &self,
        attempt: Attempt,
    ) -> Result<(Attempt, Course, AttemptSecrets, Progress), EngineError> {
        let course = self.course(&attempt, &attempt.request.auth_option).await?;
        let mut secrets = self.open_secrets(&attempt)?;
        let progress = secrets.progress.take().ok_or(EngineError::NotOpen)?;
        Ok((attempt, course, secrets, progress))
    }
}
