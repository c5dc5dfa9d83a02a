//! The customer gives up on an attempt while the page that began it still waits.

use super::{Engine, EngineError};
use crate::{
    model::{AttemptState, Failure, FailureKey, Scope},
    store::AttemptFilter,
};

impl Engine {
    /// Ends what a customer began under `request_id`, if it is still under way.
    ///
    /// Whatever the provider answers later makes no connection, and what it grants is given back. Doing it
    /// twice, or for nothing, is no error.
    pub async fn cancel(&self, scope: Scope, request_id: &str) -> Result<(), EngineError> {
        let filter = AttemptFilter { request_id: request_id.to_owned(), scope: Some(scope) };
        let found = self.store().attempts_by_request(&filter, self.now()).await?;
        for attempt in found {
            if !matches!(attempt.state, AttemptState::Pending | AttemptState::Consumed) {
                continue;
            }
            let course = self.course(&attempt, &attempt.request.auth_option).await?;
            let message = format!("{} was not connected: it was cancelled.", course.view.name);
            match self.fail(attempt, &course, Failure::new(FailureKey::AccessDeniedByProvider, message)).await
            {
                // It ended by itself just now.
                Ok(_) | Err(EngineError::NotOpen) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
