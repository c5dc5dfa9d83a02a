//! Answers that wait for the word of the product's backend (confirm mode).

use async_trait::async_trait;

use super::Result;
use crate::model::{Attempt, AttemptId, HandleHash, Timestamp, WorkspaceId};

/// An answer that waits.
pub struct Unconfirmed<'a> {
    /// Whose answer.
    pub attempt: AttemptId,
    /// The attempt's secrets with the answer, sealed.
    pub sealed_secret: &'a [u8],
    /// SHA-256 of what the browser carries to the backend.
    pub confirmation: HandleHash,
    /// When it is too late.
    pub expires_at: Timestamp,
}

/// Answers that wait for the word of the product's backend.
#[async_trait]
pub trait ConfirmStore {
    /// Keeps an answer that was taken. False when the attempt ended meanwhile.
    async fn await_confirmation(&self, answer: &Unconfirmed<'_>, now: Timestamp) -> Result<bool>;
    /// Takes the attempt that waits for this word in this workspace, and lets it live until `until`; a second
    /// call finds nothing, whatever became of the first.
    async fn take_confirmation(
        &self,
        workspace: WorkspaceId,
        confirmation: HandleHash,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Attempt>>;
    /// Takes an attempt whose word did not come in time.
    async fn take_unconfirmed(&self, now: Timestamp) -> Result<Option<Attempt>>;
}
