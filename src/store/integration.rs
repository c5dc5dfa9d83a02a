//! Integrations that a backend makes and changes, beside those of the configuration file.

use async_trait::async_trait;
use serde_json::Value;

use super::{IntegrationPlan, Result};
use crate::model::{Actor, IntegrationId, Timestamp, WorkspaceId};

/// An integration as a backend wants it.
pub struct IntegrationSave<'a> {
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// The workspace's revision that this was made out of. Another one by now means that nothing is saved.
    pub revision: i64,
    /// The integration.
    pub plan: &'a IntegrationPlan,
    /// What the backend keeps with it.
    pub meta: Option<&'a Value>,
    /// It is made, so none of its key may be there.
    pub is_new: bool,
}

/// What came of saving an integration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SavedIntegration {
    /// It is so.
    Saved,
    /// The key is taken, be it by an archived one.
    Taken,
    /// There is no such integration.
    Gone,
    /// Another workspace uses the same client at the same connector.
    SharedClient,
    /// The workspace changed in the meantime.
    Moved,
    /// So many of its connections hold credentials, which were not given for the hosts of the plan.
    Held(i64),
}

/// Integrations that a backend makes and changes.
#[async_trait]
pub trait IntegrationStore {
    /// Makes or changes an integration.
    async fn save_integration(
        &self,
        save: &IntegrationSave<'_>,
        by: Actor,
        now: Timestamp,
    ) -> Result<SavedIntegration>;
    /// Archives an integration: it is offered no more, its connections stay. False when there is no such.
    async fn archive_integration(
        &self,
        workspace: WorkspaceId,
        id: IntegrationId,
        by: Actor,
        now: Timestamp,
    ) -> Result<bool>;
    /// Brings an archived one back, as the backend's own. False when there is no such.
    async fn restore_integration(
        &self,
        workspace: WorkspaceId,
        id: IntegrationId,
        by: Actor,
        now: Timestamp,
    ) -> Result<bool>;
}
