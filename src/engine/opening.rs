//! What a session keeps sealed: the connector parameters its token signed, and how its embed was opened.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Engine, EngineError, SessionRefusal};
use crate::{
    model::{Opening, Session, WorkspaceId},
    vault::{Place, Sealed},
};

/// What is sealed with a session.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    /// Connector parameters that the token signed.
    pub(super) signed: Option<Map<String, Value>>,
    /// How the embed was opened.
    pub(super) opening: Option<Opening>,
}

/// What of it a page may know without showing it.
pub struct Opened {
    /// How the embed was opened.
    pub opening: Opening,
    /// Connector parameters came with the session, so that more options may work.
    pub has_parameters: bool,
}

impl Engine {
    /// How the embed of a session was opened.
    pub fn opened_with(&self, session: &Session) -> Result<Opened, EngineError> {
        let kept = self.kept(session)?;
        let opening = kept.opening.unwrap_or_default();
        let has_parameters = kept.signed.is_some() || opening.connector_parameters.is_some();
        Ok(Opened { opening, has_parameters })
    }

    /// Seals what a session keeps; nothing when there is nothing to keep.
    pub(super) fn seal_kept(&self, workspace: WorkspaceId, kept: &Kept) -> Option<Vec<u8>> {
        if kept.signed.is_none() && kept.opening.is_none() {
            return None;
        }
        let text = serde_json::to_vec(kept).expect("texts and JSON serialize");
        Some(self.vault().seal(place(workspace), &text).0)
    }

    /// A session that cannot be read is as good as ended: nothing it was signed for may be lost unseen.
    pub(super) fn kept(&self, session: &Session) -> Result<Kept, EngineError> {
        let Some(sealed) = &session.sealed_parameters else { return Ok(Kept::default()) };
        let opened = self.vault().open(place(session.workspace), &Sealed(sealed.clone()))?;
        serde_json::from_slice(opened.expose()).map_err(|_| SessionRefusal::Ended.into())
    }
}

fn place(workspace: WorkspaceId) -> Place<'static> {
    Place { table: "page_session", row: "signed", column: "sealed_parameters", workspace: Some(workspace) }
}
