//! Starts an attempt, and takes it as far as it goes without the provider.
//!
//! Nothing leaves for a provider before the customer pressed a button on a page of ours or of an
//! allowed origin: otherwise the attempt first asks.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::{Map, Value};

use super::{Act, Departure, Engine, EngineError, IntegrationView, Outcome, WorkspaceView, leaves};
use crate::{
    catalog::{connector::AuthOption, input},
    model::{
        Access, Attempt, AttemptId, AttemptRequest, Connection, ConnectionId, Failure, FailureKey, Handle,
        Road, Secret, Session, Surface, progress::AttemptSecrets,
    },
    store::{NewAttempt, StoreError},
    vault::{Place, Sealed},
};

/// How long a customer has, from "Connect" to the provider's answer.
pub(super) const ATTEMPT_LIFE: Duration = Duration::from_secs(10 * 60);
/// Longest `requestId`, in bytes.
pub const REQUEST_ID_MAX: usize = 128;
/// Longest name, in bytes.
const NAME_MAX: usize = 200;
/// Longest `customState`, in bytes.
pub const CUSTOM_STATE_MAX: usize = 2048;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct ConnectRequest {
    /// Id or key of the integration; may be empty when a connection is named.
    pub integration: String,
    /// Auth option; none is the connection's own, else the first.
    pub option: Option<String>,
    /// What the customer typed.
    pub input: BTreeMap<String, String>,
    /// How the outcome leaves.
    pub road: Road,
    /// The client's own name for the attempt.
    pub request_id: Option<String>,
    /// A name for the connection.
    pub name: Option<String>,
    /// Makes a further connection.
    pub allow_multiple: bool,
    /// Id or key of the connection to renew.
    pub connection: Option<String>,
    /// Comes back byte for byte.
    pub custom_state: Option<String>,
    /// Connector parameters; none keeps those of a connection that is renewed.
    pub connector_parameters: Option<Map<String, Value>>,
    /// Every question ends the attempt instead of being shown.
    pub no_ui: bool,
    /// Where it was asked.
    pub began: Began,
}

/// Where an attempt was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Began {
    /// In a form on a page of ours, which is the confirm page and can show what is wrong.
    OwnForm,
    /// By a POST from an allowed origin, or by a backend.
    Allowed,
    /// By a link, or on a page that is not among the allowed origins.
    Elsewhere,
    /// In a frame that a page keeps out of sight: nothing can be asked there, and no provider's page shown.
    Hidden,
}

/// What happens next.
pub enum Next {
    /// The browser leaves for the provider.
    Leave(Departure),
    /// A page of ours asks, opened by this ticket.
    Ask(Handle),
    /// The product's own page, with what its backend confirms by.
    Confirm(String),
    /// It is over.
    Done(Box<Outcome>),
}

/// What an attempt in progress needs at hand.
pub(super) struct Course {
    pub(super) workspace: Arc<WorkspaceView>,
    pub(super) view: Arc<IntegrationView>,
    pub(super) option: AuthOption,
}

impl Engine {
    /// Starts an attempt.
    pub async fn connect(&self, session: &Session, mut request: ConnectRequest) -> Result<Next, EngineError> {
        request.name = request.name.filter(|name| !name.trim().is_empty()).or(session.aim.name.clone());
        check_sizes(&request)?;
        let workspace = self.workspace(session.workspace).await?;
        let target = self.target(session, &workspace, &request).await?;
        let view = match &target {
            Some(connection) => {
                let named = workspace.integration(&request.integration);
                let is_other = named.is_none_or(|view| view.integration.id != connection.integration);
                if !request.integration.is_empty() && is_other {
                    return Err(EngineError::NotFound("connection"));
                }
                workspace.by_id(connection.integration)
            }
            None => workspace.integration(&request.integration).filter(|view| !view.integration.hidden),
        };
        let view = view.filter(|view| session.sees(&view.integration.key)).cloned();
        let view = view.ok_or(EngineError::NotFound("integration"))?;
        self.count_caller(Act::Start, session.workspace, Some(session.customer.id))?;
        let wanted = request.option.as_deref().or(target.as_ref().map(|target| target.auth_option.as_str()));
        let option = view.option(wanted).cloned().ok_or_else(|| no_option(&view))?;

        let parameters = self
            .parameters_for(session, &workspace, &view, request.connector_parameters.as_ref(), async || {
                match &target {
                    Some(target) => Ok(Some(target.clone())),
                    None if request.allow_multiple => Ok(None),
                    None => self.existing(session.scope(), &view).await,
                }
            })
            .await?;

        let mut given = target.as_ref().map(|target| target.input.clone()).unwrap_or_default();
        given.extend(request.input.into_iter().filter(|(_, value)| !value.is_empty()));
        let is_hidden = request.began == Began::Hidden;
        let no_ui = request.no_ui || is_hidden;
        let untouched = request.began != Began::OwnForm && nothing_typed(&option, &given);
        let checked = input::check(&option, &given);
        let now = self.now();
        let id = AttemptId::from_uuid(self.entropy().uuid(now));
        let mut attempt_request = AttemptRequest {
            // A provider's page never runs in a frame, so there a start leaves by a window of its own; what
            // needs no provider's page stays where it began.
            road: match session.surface {
                Surface::Embed if request.began == Began::OwnForm && !leaves(&option) => Road::Page,
                _ => request.road,
            },
            surface: session.surface,
            auth_option: option.key.clone(),
            name: request.name,
            allow_multiple: request.allow_multiple,
            target: target.as_ref().map(|target| target.id),
            custom_state: request.custom_state,
            needs_confirmation: request.began == Began::Elsewhere,
            own_form: request.began == Began::OwnForm,
            input: plain_input(&option, &given),
            secret_input: Vec::new(),
            problem: None,
            redirect_uri: None,
            connector_parameters: parameters.plain,
            no_ui,
            choice: None,
        };
        let mut secrets = AttemptSecrets { parameters: parameters.secret, ..AttemptSecrets::default() };
        let complete = match checked {
            Ok(checked) => {
                attempt_request.input = checked.plain;
                attempt_request.secret_input = secret_names(&option, &checked.secret);
                secrets.input = checked.secret;
                true
            }
            Err(errors) => {
                // A form that nobody filled in yet asks without scolding.
                attempt_request.problem = (!untouched || no_ui).then(|| invalid_input(errors));
                false
            }
        };
        let ticket = self.entropy().handle();
        self.make_room_for_attempts(session.workspace, session.customer.id).await?;
        self.store()
            .add_attempt(
                &NewAttempt {
                    id,
                    scope: session.scope(),
                    integration: view.integration.id,
                    request_id: request.request_id.filter(|id| !id.is_empty()),
                    ticket: ticket.hash(),
                    sealed_secret: Some(self.seal_secrets(session.workspace, id, &secrets)),
                    expires_at: now.plus(ATTEMPT_LIFE),
                    request: attempt_request.clone(),
                },
                now,
            )
            .await
            .map_err(|error| match error {
                StoreError::Conflict(_) => Failure::new(
                    FailureKey::InvalidInput,
                    "This `requestId` was used before; make a new one.",
                )
                .into(),
                other => EngineError::from(other),
            })?;
        let asks = !complete || (attempt_request.needs_confirmation && leaves(&option));
        if asks && !no_ui {
            return Ok(Next::Ask(ticket));
        }
        let asks = asks || (is_hidden && leaves(&option));
        let attempt =
            self.store().attempt_by_ticket(ticket.hash(), now).await?.ok_or(EngineError::NotOpen)?;
        let course = Course { workspace, view, option };
        if asks {
            let question = attempt_request.problem.unwrap_or_else(|| match is_hidden {
                true => needs_a_window(&course.view),
                false => unconfirmed(),
            });
            return Ok(Next::Done(Box::new(self.fail(attempt, &course, question).await?)));
        }
        self.proceed(attempt, course, secrets, ticket).await
    }

    /// Goes on with an attempt whose input is complete and which needs no further question.
    pub(super) async fn proceed(
        &self,
        attempt: Attempt,
        course: Course,
        secrets: AttemptSecrets,
        ticket: Handle,
    ) -> Result<Next, EngineError> {
        if !leaves(&course.option) {
            return self.connect_with_input(attempt, course, secrets, ticket).await;
        }
        match self.depart(&attempt, &course, secrets.clone()).await {
            Ok(departure) => Ok(Next::Leave(departure)),
            // What was typed leads nowhere: the form says so, or whoever waits is told.
            Err(EngineError::Failed(failure)) if attempt.request.own_form => {
                self.ask_again(attempt, &secrets, *failure).await?;
                Ok(Next::Ask(ticket))
            }
            Err(EngineError::Failed(failure)) => {
                let outcome = self.fail(attempt, &course, *failure).await?;
                Ok(Next::Done(Box::new(outcome)))
            }
            Err(error) => Err(error),
        }
    }

    /// The connection to renew: the one that is asked for, else the one the token is for.
    async fn target(
        &self,
        session: &Session,
        workspace: &WorkspaceView,
        request: &ConnectRequest,
    ) -> Result<Option<Connection>, EngineError> {
        if let Some(selector) = request.connection.as_deref().filter(|selector| !selector.is_empty()) {
            return Ok(Some(self.live_view(&Access::from(session), selector).await?.connection));
        }
        let Some(selector) = &session.aim.connection else { return Ok(None) };
        let found = self.renewable(session, selector).await;
        let is_of = |found: &Connection| {
            let view = workspace.integration(&request.integration);
            request.integration.is_empty()
                || view.is_some_and(|view| view.integration.id == found.integration)
        };
        match found {
            Ok(found) if is_of(&found) => Ok(Some(found)),
            // On a page the customer may turn to another app, which the token says nothing about, and may
            // have deleted the connection that was there when the page was opened.
            Ok(_) | Err(EngineError::NotFound(_)) if request.began == Began::OwnForm => Ok(None),
            // Who wanted that one renewed does not want a new one made.
            Ok(_) => Err(EngineError::NotFound("connection")),
            Err(error) => Err(error),
        }
    }

    /// A connection of this customer's that can get new credentials.
    pub(super) async fn renewable(
        &self,
        session: &Session,
        selector: &str,
    ) -> Result<Connection, EngineError> {
        let id = ConnectionId::parse(selector).ok_or(EngineError::NotFound("connection"))?;
        Ok(self.live_view(&Access::from(session), &id.to_string()).await?.connection)
    }

    pub(super) fn seal_secrets(
        &self,
        workspace: crate::model::WorkspaceId,
        attempt: AttemptId,
        secrets: &AttemptSecrets,
    ) -> Vec<u8> {
        self.vault().seal(attempt_place(workspace, &attempt.to_string()), &secrets.to_bytes()).0
    }

    pub(super) fn open_secrets(&self, attempt: &Attempt) -> Result<AttemptSecrets, EngineError> {
        let Some(sealed) = &attempt.sealed_secret else { return Ok(AttemptSecrets::default()) };
        let row = attempt.id.to_string();
        let bytes = self.vault().open(attempt_place(attempt.workspace, &row), &Sealed(sealed.clone()))?;
        Ok(AttemptSecrets::from_bytes(bytes.expose()).unwrap_or_default())
    }
}

fn attempt_place(workspace: crate::model::WorkspaceId, row: &str) -> Place<'_> {
    Place { table: "attempt", row, column: "sealed_secret", workspace: Some(workspace) }
}

/// Whether nothing was typed into any field that the option wants.
fn nothing_typed(option: &AuthOption, given: &BTreeMap<String, String>) -> bool {
    !option.fields.iter().any(|field| given.contains_key(&field.name))
}

/// What was typed into fields that are not secret, for showing it again.
pub(super) fn plain_input(option: &AuthOption, given: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let plain = option.fields.iter().filter(|field| !field.secret);
    plain
        .filter_map(|field| given.get(&field.name).map(|value| (field.name.clone(), value.clone())))
        .collect()
}

/// Names of the secret fields that were filled in.
pub(super) fn secret_names(option: &AuthOption, secret: &BTreeMap<String, Secret<String>>) -> Vec<String> {
    let fields = option.fields.iter().filter(|field| field.secret && secret.contains_key(&field.name));
    fields.map(|field| field.name.clone()).collect()
}

pub(super) fn invalid_input(errors: Vec<input::FieldError>) -> Failure {
    let mut failure = Failure::new(FailureKey::InvalidInput, "Some fields need another look.");
    failure.fields = errors.into_iter().map(|error| (error.field, error.message)).collect();
    failure
}

/// Why an attempt that would have to be confirmed ends when it must not ask.
fn unconfirmed() -> Failure {
    let message =
        "The customer has to confirm this on our page, and `noUi` is set: post it from an allowed origin.";
    Failure::new(FailureKey::OriginNotAllowed, message)
}

/// Why an attempt ends that would have to leave a frame nobody sees.
fn needs_a_window(view: &IntegrationView) -> Failure {
    let message = format!("{} has to be opened in a window of its own, not in a hidden frame.", view.name);
    Failure::new(FailureKey::InvalidInput, message)
}

pub(super) fn no_option(view: &IntegrationView) -> EngineError {
    if view.options.is_empty() && view.missing_client {
        let message = format!("{} is not set up yet: its OAuth client is missing.", view.name);
        return Failure::new(FailureKey::MissingClient, message).into();
    }
    let message = format!("{} has no such way to connect.", view.name);
    Failure::new(FailureKey::UnknownAuthOption, message).into()
}

fn check_sizes(request: &ConnectRequest) -> Result<(), EngineError> {
    let too_long = |text: &Option<String>, max: usize| text.as_ref().is_some_and(|text| text.len() > max);
    let (name, max) = if too_long(&request.request_id, REQUEST_ID_MAX) {
        ("requestId", REQUEST_ID_MAX)
    } else if too_long(&request.name, NAME_MAX) {
        ("name", NAME_MAX)
    } else if too_long(&request.custom_state, CUSTOM_STATE_MAX) {
        ("customState", CUSTOM_STATE_MAX)
    } else {
        return Ok(());
    };
    Err(Failure::new(FailureKey::InvalidInput, format!("`{name}` is longer than {max} bytes.")).into())
}
