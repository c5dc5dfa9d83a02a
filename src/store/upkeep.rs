//! What keeps the store in shape: whether it can be written, how large it is, and that nobody fills it.

use async_trait::async_trait;

use super::Result;
use crate::model::{CustomerId, WorkspaceId};

/// Verbs of whoever runs the server.
#[async_trait]
pub trait UpkeepStore: Send + Sync {
    /// Writes a little and forgets it again; an error says why nothing can be written.
    async fn try_writing(&self) -> Result<()>;
    /// What the database holds, in bytes, without its write-ahead log.
    async fn size(&self) -> Result<u64>;
    /// Deletes the oldest attempts that nobody answered yet, where there are more than `most` (of the
    /// workspace, of the customer). Says how many.
    async fn drop_oldest_attempts(
        &self,
        workspace: WorkspaceId,
        customer: CustomerId,
        most: (u32, u32),
    ) -> Result<u64>;
}
