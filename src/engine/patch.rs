//! Changes a connection: its name, its own key, what the backend keeps with it, its connector parameters
//! and, from a backend, what it is called with.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    ConnectionView, Engine, EngineError, IntegrationView, ParametersGiven,
    connect::no_option,
    import::{GivenCredentials, Proven, Proving, other_account},
    integrations::check_meta,
    refresh::credential_place,
    schedule::refresh_time,
    settle::parameters_place,
};
use crate::{
    catalog::{
        parameters::{self, ParameterError, Source},
        reach::{self, Reaching},
    },
    model::{Access, Connection, ConnectionId, Credentials, Parameters, Scope},
    store::{ChangedConnection, ConnectionChange, CredentialChange, ParameterChange},
    vault::Sealed,
};

/// How often a change is made anew when somebody else was faster.
const TRIES: usize = 5;
/// Characters of a connection's name and of its own key.
const NAME_MAX: usize = 256;
const KEY_MAX: usize = 100;

/// What changes about a connection: none leaves a thing as it is, an inner none is the default.
#[derive(Clone, Default)]
pub struct ConnectionPatch {
    /// Its name; without one of its own it has its account's or its app's.
    pub name: Option<Option<String>>,
    /// Its own key.
    pub key: Option<Option<String>>,
    /// What the backend keeps with it.
    pub meta: Option<Option<Value>>,
    /// Connector parameters; a backend's only.
    pub connector_parameters: Option<ParametersGiven>,
    /// Another auth option, for new credentials; a backend's only.
    pub option: Option<String>,
    /// What was typed, member by member; a backend's only.
    pub input: Option<Map<String, Value>>,
    /// Credentials instead of those there are; a backend's only.
    pub credentials: Option<GivenCredentials>,
    /// New credentials are not tried before they are stored.
    pub untested: bool,
}

impl Engine {
    /// Changes a connection. All or nothing; what is the same already is no change.
    pub async fn change_connection(
        &self,
        access: &Access,
        selector: &str,
        patch: &ConnectionPatch,
    ) -> Result<ConnectionView, EngineError> {
        let is_of_backend = patch.connector_parameters.is_some()
            || patch.option.is_some()
            || patch.input.is_some()
            || patch.credentials.is_some();
        if is_of_backend && !access.is_backend {
            return Err(EngineError::AccessDenied);
        }
        check_texts(patch)?;
        for _ in 0..TRIES {
            let found = self.live_view(access, selector).await?;
            let change = self.connection_change(&found, patch).await?;
            if is_nothing(&change) {
                return Ok(found);
            }
            let ConnectionView { connection, view } = found;
            let changed = self.store().change_connection(
                access.scope(),
                connection.id,
                &change,
                access.actor(),
                self.now(),
            );
            let connection = match changed.await? {
                ChangedConnection::Changed(connection) => *connection,
                ChangedConnection::Moved => continue,
                ChangedConnection::Gone => return Err(EngineError::NotFound("connection")),
                ChangedConnection::KeyTaken => return Err(key_taken()),
                ChangedConnection::OtherAccount => return Err(other_account(&view.name)),
            };
            self.connection_changed(&connection);
            tracing::info!(connection.id = %connection.id, "Changed connection {}", connection.id);
            return Ok(ConnectionView { connection, view });
        }
        Err(EngineError::Contended)
    }

    async fn connection_change(
        &self,
        found: &ConnectionView,
        patch: &ConnectionPatch,
    ) -> Result<ConnectionChange, EngineError> {
        let connection = &found.connection;
        let had = self.parameters_of_connection(connection)?;
        let wanted = self.wanted_parameters(found, patch, &had)?;
        if patch.credentials.is_none() {
            check_hosts(found, patch, &had, wanted.as_ref().unwrap_or(&had))?;
        }
        let parameters = wanted.as_ref().map(|wanted| self.parameter_change(connection, wanted));
        let is_new =
            patch.credentials.is_some() || patch.option.is_some() || is_other_input(connection, patch);
        let credential = match is_new {
            true => Some(self.new_credential(found, patch, wanted.as_ref().unwrap_or(&had)).await?),
            false => None,
        };
        Ok(ConnectionChange {
            name: patch.name.clone().filter(|name| *name != connection.name),
            key: patch.key.clone().filter(|key| *key != connection.key),
            meta: patch.meta.clone().filter(|meta| *meta != connection.meta),
            parameters,
            credential,
        })
    }

    /// The parameters as they are to be; none when that is as they are.
    fn wanted_parameters(
        &self,
        found: &ConnectionView,
        patch: &ConnectionPatch,
        had: &Parameters,
    ) -> Result<Option<Parameters>, EngineError> {
        let Some(given) = &patch.connector_parameters else { return Ok(None) };
        let all = given.clone().over(had);
        if all == ParametersGiven::Merged(Map::new()).over(had) {
            return Ok(None);
        }
        let checked = parameters::check(&found.view.connector, &all, Source::Signed);
        checked.map(Some).map_err(refused_parameters)
    }

    fn parameter_change(&self, connection: &Connection, wanted: &Parameters) -> ParameterChange {
        let row = connection.id.to_string();
        let place = parameters_place(connection.workspace, &row);
        ParameterChange {
            before: (connection.connector_parameters.clone(), connection.sealed_parameters.clone()),
            plain: wanted.plain.clone(),
            sealed: wanted.secret_bytes().map(|bytes| self.vault().seal(place, &bytes).0),
        }
    }

    async fn new_credential(
        &self,
        found: &ConnectionView,
        patch: &ConnectionPatch,
        parameters: &Parameters,
    ) -> Result<CredentialChange, EngineError> {
        let ConnectionView { connection, view } = found;
        let scope = Scope { workspace: connection.workspace, customer: Some(connection.customer) };
        let stored = self.store().credential(scope, connection.id).await?;
        let stored = stored.ok_or(EngineError::NotFound("connection"))?;
        let customer = self.store().customer(connection.workspace, connection.customer).await?;
        let customer = customer.ok_or(EngineError::NotFound("connection"))?;
        let key = patch.option.as_deref().unwrap_or(&connection.auth_option);
        let is_same_option = key == connection.auth_option;
        let option = view.option(Some(key)).ok_or_else(|| unknown_option(view, key))?;
        let kept = match (&patch.credentials, is_same_option) {
            (None, false) => {
                return Err(EngineError::invalid("credentials", "Another way to connect needs them."));
            }
            (None, true) => Some(self.opened_credentials(connection, &stored.sealed)?),
            (Some(_), _) => None,
        };
        let mut input = texts(is_same_option.then_some(&connection.input));
        input.extend(patch.input.clone().unwrap_or_default());
        let given = patch.credentials.clone().unwrap_or_default();
        let workspace = self.workspace(connection.workspace).await?;
        let proving = Proving {
            workspace: &workspace,
            view,
            option,
            customer: &customer,
            parameters,
            input: &input,
            given: &given,
            kept: kept.as_ref(),
            kept_until: stored.expires_at,
            untested: patch.untested,
        };
        let Proven { credentials, input, expires_at, account } = self.prove(&proving).await?;
        let place = connection.id.to_string();
        Ok(CredentialChange {
            from: stored.version,
            auth_option: option.key.clone(),
            input,
            sealed: self
                .vault()
                .seal(credential_place(connection.workspace, &place), &credentials.to_bytes())
                .0,
            account,
            expires_at,
            refresh_at: refresh_time(option, &credentials, expires_at, self.now(), self.entropy()),
        })
    }

    pub(super) fn opened_credentials(
        &self,
        connection: &Connection,
        sealed: &[u8],
    ) -> Result<Credentials, EngineError> {
        let row = connection.id.to_string();
        let opened =
            self.vault().open(credential_place(connection.workspace, &row), &Sealed(sealed.to_vec()))?;
        Credentials::from_bytes(opened.expose()).map_err(|_| crate::vault::VaultError::WrongPlace.into())
    }
}

/// Credentials were given for the hosts of that day: whoever names others gives them anew.
fn check_hosts(
    found: &ConnectionView,
    patch: &ConnectionPatch,
    had: &Parameters,
    wanted: &Parameters,
) -> Result<(), EngineError> {
    let ConnectionView { connection, view } = found;
    let refused = |path: &str| {
        let message = "This changes the host that the credentials go to: send `credentials` with it.";
        Err(EngineError::invalid(path, message))
    };
    let Some(option) = view.connector.option(Some(&connection.auth_option)) else { return Ok(()) };
    let known = texts(Some(&connection.input));
    let is_other = |field: &&&str| {
        patch.input.iter().any(|given| given.get(**field).is_some_and(|new| known.get(**field) != Some(new)))
    };
    let fields = reach::host_fields(&view.connector, option);
    if let Some(field) = fields.iter().find(is_other) {
        return refused(&format!("input.{field}"));
    }
    let (had, wanted) = (had.over(&view.parameters), wanted.over(&view.parameters));
    let reaching = |parameters| Reaching { connector: &view.connector, parameters };
    if reach::added(reaching(&had), reaching(&wanted)).is_empty() {
        return Ok(());
    }
    refused("connectorParameters")
}

fn check_texts(patch: &ConnectionPatch) -> Result<(), EngineError> {
    check_name(patch.name.as_ref().and_then(Option::as_deref))?;
    check_own_key(patch.key.as_ref().and_then(Option::as_deref))?;
    check_meta(patch.meta.as_ref())
}

pub(super) fn check_name(name: Option<&str>) -> Result<(), EngineError> {
    let fits = |name: &str| {
        let is_line = !name.trim().is_empty() && !name.chars().any(char::is_control);
        is_line && name.chars().count() <= NAME_MAX
    };
    if name.is_some_and(|name| !fits(name)) {
        let message = format!("A name is one line of 1 to {NAME_MAX} characters; `null` takes it away.");
        return Err(EngineError::invalid("name", message));
    }
    Ok(())
}

pub(super) fn check_own_key(key: Option<&str>) -> Result<(), EngineError> {
    let Some(key) = key else { return Ok(()) };
    // It stands in paths, where the SDKs do not escape it, and must never be taken for an id.
    let fits = (1..=KEY_MAX).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte))
        && !matches!(key, "." | ".." | "confirm")
        && ConnectionId::parse(key).is_none();
    if fits {
        return Ok(());
    }
    let message = format!(
        "A key has 1 to {KEY_MAX} letters, digits and `-_.~`, is not an id and not `confirm`; `null` takes it away."
    );
    Err(EngineError::invalid("key", message))
}

pub(super) fn refused_parameters(errors: Vec<ParameterError>) -> EngineError {
    EngineError::Invalid(errors.into_iter().map(|error| (error.path, error.message)).collect())
}

pub(super) fn key_taken() -> EngineError {
    EngineError::AlreadyExists("a connection of this customer with this key")
}

/// None such, or one that waits for the developer to give its OAuth client.
pub(super) fn unknown_option(view: &IntegrationView, key: &str) -> EngineError {
    let known = view.usable().map(|option| option.key.as_str()).collect::<Vec<_>>().join("`, `");
    if known.is_empty() {
        return no_option(view);
    }
    EngineError::invalid("authOptionKey", format!("{} cannot do `{key}` now; it has `{known}`.", view.name))
}

fn is_other_input(connection: &Connection, patch: &ConnectionPatch) -> bool {
    let known = texts(Some(&connection.input));
    patch.input.iter().flatten().any(|(name, value)| known.get(name) != Some(value))
}

fn texts(input: Option<&BTreeMap<String, String>>) -> Map<String, Value> {
    input.into_iter().flatten().map(|(name, text)| (name.clone(), text.as_str().into())).collect()
}

fn is_nothing(change: &ConnectionChange) -> bool {
    let ConnectionChange { name, key, meta, parameters, credential } = change;
    name.is_none() && key.is_none() && meta.is_none() && parameters.is_none() && credential.is_none()
}
