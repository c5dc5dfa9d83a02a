//! Connections that a backend brings along, with credentials that it has already.
//!
//! They are tried before they are stored, and what the backend gave is never revoked. A token that has
//! ended is not tried: it is renewed by the first call, under the lease that every renewal needs.

mod given;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::{Map, Value};

use self::given::{Read, read};
use super::{
    ConnectionView, Engine, EngineError, IntegrationView, WorkspaceView,
    discover::Discovery,
    integrations::check_meta,
    patch::{check_name, check_own_key, key_taken, refused_parameters, unknown_option},
    provider::{Provider, Subject},
    refresh::credential_place,
    schedule::refresh_time,
    settle::{parameters_place, with_picked},
};
use crate::{
    catalog::{
        connector::AuthOption,
        parameters::{self, Source},
    },
    model::{
        Access, Account, ConnectionId, Credentials, Customer, CustomerId, Failure, FailureKey, Parameters,
        Progress, Scope, Timestamp,
    },
    store::{Imported, ImportedConnection, NewConnection, Replacing, Seal},
};

/// Bytes of a customer's own id.
const CUSTOMER_MAX: usize = 256;
/// A token with less life than this counts as ended.
const SKEW: Duration = Duration::from_secs(60);

/// Credentials as a backend gives them. Not `Debug`.
#[derive(Clone, Default)]
pub struct GivenCredentials(pub Map<String, Value>);

/// A connection as a backend brings it.
#[derive(Clone, Default)]
pub struct Import {
    /// The product's own id of the customer; made at first sight. None for a token that names one.
    pub customer: Option<String>,
    /// Id or key of the integration.
    pub integration: String,
    /// Auth option; none is the first.
    pub option: Option<String>,
    /// A name.
    pub name: Option<String>,
    /// A key of its own.
    pub key: Option<String>,
    /// What the backend keeps with it.
    pub meta: Option<Value>,
    /// What the customer would have typed.
    pub input: Map<String, Value>,
    /// Connector parameters.
    pub connector_parameters: Map<String, Value>,
    /// Credentials.
    pub credentials: GivenCredentials,
    /// Makes a further connection.
    pub allow_multiple: bool,
    /// Stored without being tried.
    pub untested: bool,
}

/// What credentials are tried with.
pub(super) struct Proving<'a> {
    pub(super) workspace: &'a Arc<WorkspaceView>,
    pub(super) view: &'a Arc<IntegrationView>,
    pub(super) option: &'a AuthOption,
    pub(super) customer: &'a Customer,
    pub(super) parameters: &'a Parameters,
    /// What was typed.
    pub(super) input: &'a Map<String, Value>,
    /// What the backend gives.
    pub(super) given: &'a GivenCredentials,
    /// What a connection has already, when nothing is given.
    pub(super) kept: Option<&'a Credentials>,
    pub(super) kept_until: Option<Timestamp>,
    /// Only read.
    pub(super) untested: bool,
}

/// Credentials that may be stored.
pub(super) struct Proven {
    pub(super) credentials: Credentials,
    pub(super) input: BTreeMap<String, String>,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) account: Option<Account>,
}

impl Engine {
    /// Makes a connection out of credentials that the backend has. Says whether it is a new one.
    pub async fn import(
        &self,
        access: &Access,
        import: &Import,
    ) -> Result<(ConnectionView, bool), EngineError> {
        check_name(import.name.as_deref())?;
        check_own_key(import.key.as_deref())?;
        check_meta(Some(&import.meta))?;
        let workspace = self.workspace(access.workspace).await?;
        let view = workspace.integration(&import.integration).filter(|view| !view.integration.hidden);
        let view = view.filter(|view| access.sees(&view.integration.key)).cloned();
        let view = view.ok_or(EngineError::NotFound("integration"))?;
        let wanted = import.option.as_deref();
        let option = view.option(wanted).cloned();
        let option = option.ok_or_else(|| unknown_option(&view, wanted.unwrap_or_default()))?;
        let parameters = parameters::check(&view.connector, &import.connector_parameters, Source::Signed);
        let parameters = parameters.map_err(refused_parameters)?;
        let customer = self.customer_to_import_for(access, import.customer.as_deref()).await?;
        let proving = Proving {
            workspace: &workspace,
            view: &view,
            option: &option,
            customer: &customer,
            parameters: &parameters,
            input: &import.input,
            given: &import.credentials,
            kept: None,
            kept_until: None,
            untested: import.untested,
        };
        let proven = self.prove(&proving).await?;
        let new = self.new_connection(access, import, &proving, proven);
        let placed =
            ImportedConnection { connection: &new, key: import.key.as_deref(), meta: import.meta.as_ref() };
        let (connection, is_new) =
            match self.store().import_connection(&placed, access.actor(), self.now()).await? {
                Imported::Created(connection) => (connection, true),
                Imported::Renewed(connection) => (connection, false),
                Imported::KeyTaken => return Err(key_taken()),
                Imported::CustomerArchived => return Err(archived_customer()),
            };
        self.connection_changed(&connection);
        tracing::info!(connection.id = %connection.id, "Imported connection {}", connection.id);
        Ok((ConnectionView { connection, view }, is_new))
    }

    async fn customer_to_import_for(
        &self,
        access: &Access,
        named: Option<&str>,
    ) -> Result<Customer, EngineError> {
        match (&access.customer, named) {
            (Some(own), None) => Ok(own.clone()),
            (Some(own), Some(named)) if own.internal_id == named => Ok(own.clone()),
            (Some(_), Some(_)) => Err(EngineError::invalid(
                "customerId",
                "The token names another customer: leave its `id` out.",
            )),
            (None, Some(named)) if (1..=CUSTOMER_MAX).contains(&named.len()) => {
                let seen = Customer {
                    id: CustomerId::from_uuid(self.entropy().uuid(self.now())),
                    internal_id: named.to_owned(),
                    name: None,
                    fields: Map::new(),
                };
                let customer = self.store().ensure_customer(&seen, access.workspace, self.now()).await?;
                customer.ok_or_else(archived_customer)
            }
            (None, _) => {
                let message = format!("Your own id of the customer, 1 to {CUSTOMER_MAX} bytes.");
                Err(EngineError::invalid("customerId", message))
            }
        }
    }

    fn new_connection(
        &self,
        access: &Access,
        import: &Import,
        proving: &Proving<'_>,
        proven: Proven,
    ) -> NewConnection {
        let (vault, workspace, now) = (self.vault().clone(), access.workspace, self.now());
        let Proven { credentials, input, expires_at, account } = proven;
        let seal_parameters = proving.parameters.secret_bytes().map(|bytes| -> Seal {
            let vault = vault.clone();
            Box::new(move |id| vault.seal(parameters_place(workspace, &id.to_string()), &bytes).0)
        });
        let refresh_at = refresh_time(proving.option, &credentials, expires_at, now, self.entropy());
        let bytes = credentials.to_bytes();
        NewConnection {
            id: ConnectionId::from_uuid(self.entropy().uuid(now)),
            scope: Scope { workspace, customer: Some(proving.customer.id) },
            integration: proving.view.integration.id,
            replacing: if import.allow_multiple { Replacing::Nothing } else { Replacing::Existing },
            name: import.name.clone(),
            auth_option: proving.option.key.clone(),
            input,
            connector_parameters: proving.parameters.plain.clone(),
            seal_parameters,
            account,
            seal: Box::new(move |id| vault.seal(credential_place(workspace, &id.to_string()), &bytes).0),
            expires_at,
            refresh_at,
        }
    }

    /// Reads what is given, gets what can be got without a person, and tries it.
    pub(super) async fn prove(&self, proving: &Proving<'_>) -> Result<Proven, EngineError> {
        let now = self.now();
        let Read { credentials, input, expires_at } = read(proving, now)?;
        let subject = Subject {
            customer: proving.customer,
            input: &input,
            parameters: proving.parameters,
            credentials: &credentials,
        };
        let mut provider = Provider::new(self, proving.workspace, proving.view, proving.option, &subject)?;
        let has_token = credentials.access_token.is_some() || credentials.refresh_token.is_some();
        let mut progress = Progress { credentials, expires_at, ..Progress::default() };
        let is_got = !has_token && proving.option.token.is_some();
        let tried = try_out(proving, &mut provider, &mut progress, is_got, now).await;
        if tried.is_err() && is_got {
            // Ours, not the backend's.
            provider.revoke(&progress.credentials).await;
        }
        let account = tried?;
        Ok(Proven { credentials: progress.credentials, input, expires_at: progress.expires_at, account })
    }
}

async fn try_out(
    proving: &Proving<'_>,
    provider: &mut Provider<'_>,
    progress: &mut Progress,
    is_got: bool,
    now: Timestamp,
) -> Result<Option<Account>, EngineError> {
    let app = &proving.view.name;
    let is_late = provider.swaps_late();
    if is_got {
        let got = provider.acquire(progress, now).await;
        got.map_err(|error| EngineError::from(error.failure(app, true)))?;
        if !is_late {
            swap(proving, provider, progress, now).await?;
        }
    }
    let has_ended = progress.expires_at.is_some_and(|end| end <= now.plus(SKEW));
    if proving.untested || has_ended {
        return missing(proving, progress).map_or(Ok(None), Err);
    }
    find_out(proving, provider, progress).await?;
    if is_got && is_late {
        swap(proving, provider, progress, now).await?;
    }
    let account = provider.verify(progress.account.take()).await.map_err(EngineError::from)?;
    Ok(with_picked(account, &provider.api(), &progress.picked))
}

async fn swap(
    proving: &Proving<'_>,
    provider: &mut Provider<'_>,
    progress: &mut Progress,
    now: Timestamp,
) -> Result<(), EngineError> {
    let swapped = provider.swap(progress, now).await;
    swapped.map_err(|error| error.failure(&proving.view.name, true).into())
}

/// What only a call finds out, when no call can be made: the backend has to give it.
fn missing(proving: &Proving<'_>, progress: &Progress) -> Option<EngineError> {
    let found = proving.option.discover.iter().flat_map(|discover| discover.request.keep.keys());
    let missing: Vec<_> = found.filter(|name| !progress.credentials.kept.contains_key(*name)).collect();
    let message = "Nothing is asked of the app now, so this has to be given too.";
    let fields = missing.iter().map(|name| (format!("credentials.{name}"), message.to_owned()));
    (!missing.is_empty()).then(|| EngineError::Invalid(fields.collect()))
}

/// Looks what the account has; where that is several, what the backend gave says which.
async fn find_out(
    proving: &Proving<'_>,
    provider: &mut Provider<'_>,
    progress: &mut Progress,
) -> Result<(), EngineError> {
    let given = progress.credentials.kept.clone();
    let mut step = 0;
    while let Discovery::Several(choice) = provider.discover(progress, step).await? {
        let fits = |kept: &&BTreeMap<String, String>| {
            let mut known =
                kept.iter().filter_map(|(name, value)| Some(given.get(name)? == value)).peekable();
            known.peek().is_some() && known.all(|is_same| is_same)
        };
        let place = progress.items.iter().position(|kept| fits(&kept));
        let Some(place) = place else {
            let names = &proving.option.discover[choice.step].request.keep;
            let message = format!("This {} account has several: say which.", proving.view.name);
            let fields = names.keys().map(|name| (format!("credentials.{name}"), message.clone()));
            return Err(EngineError::Invalid(fields.collect()));
        };
        progress.credentials.kept.extend(std::mem::take(&mut progress.items).swap_remove(place));
        progress.picked.push(choice.items[place].clone());
        provider.learn(&progress.credentials);
        step = choice.step + 1;
    }
    Ok(())
}

pub(super) fn other_account(app: &str) -> EngineError {
    let message = format!("That is another {app} account than the one connected here. Nothing was changed.");
    Failure::new(FailureKey::AccountMismatch, message).into()
}

fn archived_customer() -> EngineError {
    EngineError::invalid("customerId", "This customer is archived: restore them first.")
}
