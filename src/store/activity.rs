//! When connections were last called through.

use async_trait::async_trait;

use super::Result;
use crate::model::{ConnectionId, Timestamp};

/// What is remembered of calls.
#[async_trait]
pub trait ActivityStore {
    /// Notes when connections were last called through, all of them at once. An older time than the one
    /// that is known changes nothing, and neither does an id that is not there.
    async fn note_active(&self, connections: &[(ConnectionId, Timestamp)]) -> Result<()>;
}
