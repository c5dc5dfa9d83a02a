//! What a session keeps sealed: the connector parameters its token signed, and how its embed was opened.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Engine, EngineError, IntegrationView, SessionRefusal, connect::no_option};
use crate::{
    catalog::parameters::SCOPES,
    model::{Opening, Parameters, Session, WorkspaceId},
    store::AttemptFilter,
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
    /// The scopes among them: what the customer is told they allow.
    pub scopes: Option<Vec<String>>,
}

impl Engine {
    /// How the embed of a session was opened.
    pub fn opened_with(&self, session: &Session) -> Result<Opened, EngineError> {
        let kept = self.kept(session)?;
        let opening = kept.opening.unwrap_or_default();
        // What was signed goes before what was not, as it does when the attempt begins.
        let given = [kept.signed, opening.connector_parameters.clone()];
        let has_parameters = given.iter().any(Option::is_some);
        let scopes = given.into_iter().flatten().find_map(scopes_of);
        Ok(Opened { opening, has_parameters, scopes })
    }

    /// What the product calls the attempt to come: its name is good for one, so a later one has its own.
    pub async fn name_of_attempt(&self, session: &Session, opening: &Opening) -> Result<String, EngineError> {
        if let Some(request_id) = &opening.request_id {
            let filter = AttemptFilter { request_id: request_id.clone(), scope: Some(session.scope()) };
            if self.store().attempts_by_request(&filter, self.now()).await?.is_empty() {
                return Ok(request_id.clone());
            }
        }
        Ok(self.handle().expose().to_owned())
    }

    /// Whether what an embed was opened with can be used for this integration. Said before the customer
    /// types anything: it is their product's developer who has to mend it.
    pub async fn check_opening(
        &self,
        session: &Session,
        view: &IntegrationView,
        opening: &Opening,
    ) -> Result<(), EngineError> {
        if opening.option.is_some() && view.option(opening.option.as_deref()).is_none() {
            return Err(no_option(view));
        }
        let Some(given) = &opening.connector_parameters else { return Ok(()) };
        let workspace = self.workspace(session.workspace).await?;
        let nothing_before = async || Ok(None);
        match self.parameters_for(session, &workspace, view, Some(given), nothing_before).await {
            Err(EngineError::Failed(failure)) => Err(EngineError::Invalid(failure.fields)),
            checked => checked.map(drop),
        }
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

fn scopes_of(given: Map<String, Value>) -> Option<Vec<String>> {
    Parameters { plain: given, ..Parameters::default() }.list(SCOPES)
}

fn place(workspace: WorkspaceId) -> Place<'static> {
    Place { table: "page_session", row: "signed", column: "sealed_parameters", workspace: Some(workspace) }
}
