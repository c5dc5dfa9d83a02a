//! Which connector parameters a connection gets: those that came signed over those that came
//! unsigned, and what it had when none came.

use serde_json::{Map, Value};

use super::{Engine, EngineError, IntegrationView, WorkspaceView};
use crate::{
    catalog::parameters::{self, ParameterError, Source},
    model::{Connection, Failure, FailureKey, Parameters, Scope, Session},
    store::ConnectionFilter,
};

impl Engine {
    /// The parameters of the connection that is about to be made or renewed.
    ///
    /// New ones replace what a connection had, but unsigned ones leave what was signed; without new ones it
    /// keeps them.
    pub(super) async fn parameters_for(
        &self,
        session: &Session,
        workspace: &WorkspaceView,
        view: &IntegrationView,
        given: Option<&Map<String, Value>>,
        renewed: impl AsyncFnOnce() -> Result<Option<Connection>, EngineError>,
    ) -> Result<Parameters, EngineError> {
        let signed = self.kept(session)?.signed;
        let source = if session.is_admin { Source::Signed } else { Source::Browser };
        let had = match renewed().await? {
            Some(connection) => self.parameters_of_connection(&connection)?,
            None => Parameters::default(),
        };
        if given.is_none() && signed.is_none() {
            return Ok(had);
        }
        let given = given.cloned().unwrap_or_default();
        let must_be_signed = workspace.workspace.settings.require_signed_parameters;
        let unsigned = checked(workspace, view, &given, source)?;
        // What was signed is not taken away by what was not.
        let stays = source == Source::Browser && signed.is_none();
        let declared = &view.connector.parameters;
        let fixed = had.only(|name| {
            stays && (must_be_signed || declared.get(name).is_some_and(|declared| declared.signed))
        });
        let signed = parameters::check(&view.connector, &signed.unwrap_or_default(), Source::Signed);
        Ok(signed.map_err(refused)?.over(&unsigned).over(&fixed))
    }

    /// Whether a connect could begin with this option and these parameters, for whoever asks before a window
    /// is opened.
    pub async fn check_start(
        &self,
        access: &crate::model::Access,
        view: &IntegrationView,
        option: Option<&str>,
        given: Option<&Map<String, Value>>,
    ) -> Result<(), EngineError> {
        if option.is_some() && view.option(option).is_none() {
            return Err(super::connect::no_option(view));
        }
        let Some(given) = given else { return Ok(()) };
        let workspace = self.workspace(access.workspace).await?;
        let source = if access.is_backend { Source::Signed } else { Source::Browser };
        checked(&workspace, view, given, source).map(|_| ())
    }

    /// The parameters of a connection as the product's backend sees them: secret ones masked.
    pub fn shown_parameters(&self, connection: &Connection) -> Result<Map<String, Value>, EngineError> {
        let own = self.parameters_of_connection(connection)?;
        let masked = own.secret.into_keys().map(|name| (name, parameters::MASK.into()));
        Ok(own.plain.into_iter().chain(masked).collect())
    }

    /// The connection that a connect without a target renews.
    pub(super) async fn existing(
        &self,
        scope: Scope,
        view: &IntegrationView,
    ) -> Result<Option<Connection>, EngineError> {
        let integration = Some(view.integration.id);
        let filter = ConnectionFilter { integration, limit: 1, ..ConnectionFilter::default() };
        Ok(self.store().connections(scope, &filter).await?.items.pop())
    }
}

/// Parameters that came outside a token.
fn checked(
    workspace: &WorkspaceView,
    view: &IntegrationView,
    given: &Map<String, Value>,
    source: Source,
) -> Result<Parameters, EngineError> {
    let must_be_signed = workspace.workspace.settings.require_signed_parameters;
    if source == Source::Browser && must_be_signed && !given.is_empty() {
        let message = "This workspace takes connector parameters only inside the token, or from its backend.";
        let path = "connectorParameters".to_owned();
        return Err(refused(vec![ParameterError { path, message: message.to_owned() }]));
    }
    parameters::check(&view.connector, given, source).map_err(refused)
}

pub(super) fn refused(errors: Vec<ParameterError>) -> EngineError {
    let mut failure = Failure::new(FailureKey::InvalidInput, "Some connector parameters cannot be used.");
    failure.fields = errors.into_iter().map(|error| (error.path, error.message)).collect();
    failure.into()
}
