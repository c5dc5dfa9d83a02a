//! A workspace's own settings, changed by its backend.

use async_trait::async_trait;

use super::Result;
use crate::model::{Actor, Timestamp, WorkspaceId, WorkspaceSettings};

/// A workspace as it is to be.
pub struct WorkspaceUpdate<'a> {
    /// Which.
    pub id: WorkspaceId,
    /// The revision that this was made from.
    pub revision: i64,
    /// Its name.
    pub name: &'a str,
    /// Its settings, whole.
    pub settings: &'a WorkspaceSettings,
    /// What changed, for the audit log.
    pub changed: &'a [&'static str],
}

/// A workspace's own settings.
#[async_trait]
pub trait WorkspaceStore {
    /// Changes name and settings. False when somebody else changed the workspace meanwhile.
    async fn change_workspace(&self, update: &WorkspaceUpdate<'_>, by: Actor, now: Timestamp)
    -> Result<bool>;
}
