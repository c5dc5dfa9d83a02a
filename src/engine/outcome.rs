//! How an attempt ended, and how that reaches whoever waits.
//!
//! The attempt in the store is the truth. A waiting page learns it from here whatever became of the
//! popup, the redirect or the process that took the callback.

use std::{sync::Arc, time::Duration};

use tokio::sync::broadcast;

use super::{
    Engine, EngineError, IntegrationView, RefusedStart, WorkspaceView, connect::Course, refused::Listener,
};
use crate::{
    model::{
        Attempt, AttemptState, Connection, Failure, FailureKey, Handle, HandleHash, Road, Scope,
        redirect::RedirectTarget,
    },
    store::AttemptFilter,
};

/// How often a waiting page looks by itself: outcomes of other processes are not announced here.
const POLL: Duration = Duration::from_secs(2);
/// Outcomes that a slow listener may be behind before it has to look by itself.
const BACKLOG: usize = 256;

pub(super) struct Hub(broadcast::Sender<String>);

impl Default for Hub {
    fn default() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }
}

/// How an attempt ended.
pub struct Outcome {
    /// The attempt, ended.
    pub attempt: Attempt,
    /// What came of it.
    pub connection: Option<Connection>,
    /// Whose product it was for.
    pub workspace: Arc<WorkspaceView>,
    /// What was being connected.
    pub view: Arc<IntegrationView>,
    /// Opens the result page; none when it was found by its `requestId`.
    pub result: Option<Handle>,
}

/// Where the browser goes with an outcome.
pub enum Destination {
    /// Our own page, which says what happened.
    Catalog,
    /// The result page.
    Result(Handle),
    /// The caller's address, with the outcome in its query.
    Away(String),
}

impl Outcome {
    /// Why there is no connection.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.attempt.state {
            AttemptState::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// Where the browser goes.
    pub fn destination(&self) -> Option<Destination> {
        let result = self.result.clone().map(Destination::Result);
        match (&self.attempt.request.road, self.failure()) {
            (Road::Page, None) => Some(Destination::Catalog),
            (Road::Redirect { url }, failure) => {
                // Checked again: what is allowed may have changed while the customer was away.
                match RedirectTarget::parse(url, &self.workspace.origins) {
                    Ok(target) => Some(Destination::Away(self.away(&target, failure))),
                    Err(_) => result,
                }
            }
            (Road::Page | Road::Popup { .. }, _) => result,
        }
    }

    fn away(&self, target: &RedirectTarget, failure: Option<&Failure>) -> String {
        let connection = self.connection.as_ref().map(|connection| connection.id.to_string());
        let error_data = failure.map(|failure| failure.error_data().to_string());
        let mut params = Vec::new();
        if let Some(id) = &connection {
            params.push(("connectionId", id.as_str()));
        }
        if let (Some(failure), Some(data)) = (failure, &error_data) {
            params.push(("error", failure.message.as_str()));
            params.push(("errorData", data.as_str()));
        }
        if let Some(state) = &self.attempt.request.custom_state {
            params.push(("customState", state.as_str()));
        }
        target.with(&params)
    }
}

/// What whoever waits is told.
pub enum Told {
    /// How the attempt ended.
    Ended(Box<Outcome>),
    /// There never was one: it could not begin.
    Refused(RefusedStart),
}

/// What is known of the attempts of a `requestId`.
enum Standing {
    Ended(Box<Outcome>),
    UnderWay,
    NoneMade,
}

/// Waits for the outcome of a `requestId`.
pub struct Watch {
    engine: Engine,
    filter: AttemptFilter,
    listener: Listener,
    announced: broadcast::Receiver<String>,
}

impl Told {
    /// How the attempt ended, if there was one.
    pub fn ended(self) -> Option<Outcome> {
        match self {
            Self::Ended(outcome) => Some(*outcome),
            Self::Refused(_) => None,
        }
    }
}

impl Watch {
    /// Also hears what was refused to whoever came with this token.
    pub fn of_bearer(mut self, token: &str) -> Self {
        self.listener.bearer = Some(HandleHash::of(token));
        self
    }

    /// The outcome, as soon as there is one. An attempt that nobody made yet is waited for.
    pub async fn told(&mut self) -> Result<Told, EngineError> {
        loop {
            match self.engine.standing(&self.filter).await? {
                Standing::Ended(outcome) => return Ok(Told::Ended(outcome)),
                Standing::UnderWay => {}
                Standing::NoneMade => {
                    let refused = self.engine.refused_start(&self.filter.request_id, &self.listener);
                    if let Some(refused) = refused {
                        return Ok(Told::Refused(refused));
                    }
                }
            }
            self.sleep().await;
        }
    }

    /// What is waited for.
    pub fn request_id(&self) -> &str {
        &self.filter.request_id
    }

    async fn sleep(&mut self) {
        let wait = tokio::time::sleep(POLL);
        tokio::pin!(wait);
        loop {
            tokio::select! {
                () = &mut wait => return,
                heard = self.announced.recv() => match heard {
                    Ok(request_id) if request_id != self.filter.request_id => {}
                    Err(broadcast::error::RecvError::Closed) => {
                        wait.as_mut().await;
                        return;
                    }
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
                },
            }
        }
    }
}

impl Engine {
    /// Listens for the outcome of a `requestId`, of one scope where the listener showed a token.
    pub fn watch(&self, request_id: &str, scope: Option<Scope>) -> Watch {
        Watch {
            engine: self.clone(),
            filter: AttemptFilter { request_id: request_id.to_owned(), scope },
            listener: Listener { scope, bearer: None },
            announced: self.inner.outcomes.0.subscribe(),
        }
    }

    /// The outcome behind the handle of a result page.
    pub async fn result(&self, handle: &str) -> Result<Outcome, EngineError> {
        let handle = Handle::parse(handle).ok_or(EngineError::NotFound("result"))?;
        let attempt = self.store().attempt_by_result(handle.hash(), self.now()).await?;
        let attempt = attempt.ok_or(EngineError::NotFound("result"))?;
        self.ended_attempt(attempt).await
    }

    async fn standing(&self, filter: &AttemptFilter) -> Result<Standing, EngineError> {
        let now = self.now();
        let mut found = self.store().attempts_by_request(filter, now).await?;
        if found.is_empty() {
            return Ok(Standing::NoneMade);
        }
        // Without a token the id alone is the secret: two customers who share one are told nothing.
        if found.iter().any(|attempt| attempt.customer.id != found[0].customer.id) {
            return Ok(Standing::UnderWay);
        }
        let mut attempt = found.swap_remove(0);
        let is_over = matches!(attempt.state, AttemptState::Connected(_) | AttemptState::Failed(_));
        if !is_over && attempt.expires_at > now {
            return Ok(Standing::UnderWay);
        }
        if !is_over {
            let message = "Connecting took longer than ten minutes. Please try again.";
            attempt.state = AttemptState::Failed(Failure::new(FailureKey::AttemptExpired, message));
        }
        Ok(Standing::Ended(Box::new(self.ended_attempt(attempt).await?)))
    }

    async fn ended_attempt(&self, attempt: Attempt) -> Result<Outcome, EngineError> {
        let workspace = self.workspace(attempt.workspace).await?;
        let view =
            workspace.by_id(attempt.integration).cloned().ok_or(EngineError::NotFound("integration"))?;
        let connection = self.connection_of(&attempt).await?;
        Ok(Outcome { attempt, connection, workspace, view, result: None })
    }

    async fn connection_of(&self, attempt: &Attempt) -> Result<Option<Connection>, EngineError> {
        let AttemptState::Connected(id) = attempt.state else { return Ok(None) };
        let scope = Scope { workspace: attempt.workspace, customer: Some(attempt.customer.id) };
        Ok(self.store().connection(scope, id).await?)
    }

    /// Wakes whoever waits for this `requestId`. Nobody listening is not an error.
    pub(super) fn announce(&self, request_id: String) {
        let _ = self.inner.outcomes.0.send(request_id);
    }

    /// Tells whoever waits, and says where the browser goes.
    pub(super) async fn outcome(
        &self,
        attempt: Attempt,
        course: &Course,
        result: Option<Handle>,
    ) -> Result<Outcome, EngineError> {
        if let Some(request_id) = &attempt.request_id {
            self.announce(request_id.clone());
        }
        tracing::info!(
            attempt.id = %attempt.id,
            integration.id = %attempt.integration,
            outcome = match &attempt.state {
                AttemptState::Failed(failure) => failure.key.as_str(),
                _ => "connected",
            },
            "Attempt {} at {} ended", attempt.id, course.view.integration.key,
        );
        self.inner.lists.forget(attempt.workspace, attempt.customer.id);
        let connection = self.connection_of(&attempt).await?;
        if let Some(connection) = &connection {
            self.connection_changed(connection);
        }
        let (workspace, view) = (course.workspace.clone(), course.view.clone());
        Ok(Outcome { attempt, connection, workspace, view, result })
    }

    /// Ends an attempt without a connection. One that ended before, because somebody gave it up, stays as
    /// it ended.
    pub(super) async fn fail(
        &self,
        mut attempt: Attempt,
        course: &Course,
        failure: Failure,
    ) -> Result<Outcome, EngineError> {
        let result = self.entropy().handle();
        if !self.store().fail_attempt(attempt.id, &failure, result.hash(), self.now()).await? {
            return Err(EngineError::NotOpen);
        }
        self.metrics().attempt_ended(failure.key.as_str());
        attempt.state = AttemptState::Failed(failure);
        self.outcome(attempt, course, Some(result)).await
    }
}
