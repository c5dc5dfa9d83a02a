//! From credentials to a connection: what is still to be found out, the test call, the one
//! transaction.

use super::{
    Engine, EngineError,
    connect::Course,
    discover::Discovery,
    oauth::TokenError,
    provider::{Provider, Subject},
    refresh::credential_place,
    schedule::refresh_time,
};
use crate::{
    catalog::{
        connector::{AccountFrom, Api, AuthType},
        parameters::SCOPES,
    },
    model::{
        Account, Actor, Attempt, AttemptState, ConnectionId, Credentials, Failure, FailureKey, Handle,
        Parameters, Progress, Scope, credential::UnreadableCredentials, progress::AttemptSecrets,
    },
    store::{CompletedAttempt, NewConnection, Replacing, Seal},
    vault::{Place, VaultError},
};

/// What became of an attempt whose credentials are there.
pub(super) enum Settled {
    /// A connection; the handle opens its result page.
    Connected(Box<Attempt>, Handle),
    /// The customer has to choose; the handle opens the page for it.
    Choose(Handle),
    /// The product's backend has to confirm first; the address of its page for that.
    Unconfirmed(String),
}

impl Engine {
    /// The provider of an attempt, with what is known so far.
    pub(super) fn provider_of_attempt(
        &self,
        attempt: &Attempt,
        course: &Course,
        secrets: &AttemptSecrets,
        credentials: &Credentials,
    ) -> Result<Provider<'_>, EngineError> {
        let subject = Subject {
            customer: &attempt.customer,
            input: &attempt.request.input,
            parameters: &parameters_of(attempt, secrets),
            credentials,
        };
        Provider::new(self, &course.workspace, &course.view, &course.option, &subject)
    }

    /// Goes on from fresh credentials; `step` is the first discovery call that was not made yet.
    ///
    /// The inner error is for the customer. Tokens that lead to no connection are given back.
    pub(super) async fn settle(
        &self,
        attempt: &Attempt,
        course: &Course,
        secrets: AttemptSecrets,
        mut provider: Provider<'_>,
        mut progress: Progress,
        step: usize,
    ) -> Result<Result<Settled, Failure>, EngineError> {
        let settled = self.try_settle(attempt, course, secrets, &mut provider, &mut progress, step).await;
        if !matches!(settled, Ok(Ok(_))) {
            provider.revoke(&progress.credentials).await;
        }
        settled
    }

    async fn try_settle(
        &self,
        attempt: &Attempt,
        course: &Course,
        mut secrets: AttemptSecrets,
        provider: &mut Provider<'_>,
        progress: &mut Progress,
        step: usize,
    ) -> Result<Result<Settled, Failure>, EngineError> {
        let refused = |error: TokenError| error.failure(&course.view.name, is_typed(course));
        let is_late = provider.swaps_late();
        if step == 0
            && !is_late
            && let Err(error) = provider.swap(progress, self.now()).await
        {
            return Ok(Err(refused(error)));
        }
        match provider.discover(progress, step).await {
            Ok(Discovery::Complete) => {}
            Ok(Discovery::Several(choice)) if !attempt.request.no_ui => {
                let mut request = attempt.request.clone();
                request.choice = Some(choice);
                secrets.progress = Some(progress.clone());
                let ticket = self.entropy().handle();
                let sealed = self.seal_secrets(attempt.workspace, attempt.id, &secrets);
                let hash = ticket.hash();
                let offered = self.store().offer_choice(attempt.id, &request, &sealed, hash, self.now());
                return if offered.await? {
                    Ok(Ok(Settled::Choose(ticket)))
                } else {
                    Err(EngineError::NotOpen)
                };
            }
            Ok(Discovery::Several(_)) => {
                let message = format!("This {} account has several to choose from.", course.view.name);
                return Ok(Err(Failure::new(FailureKey::InvalidInput, message)));
            }
            Err(failure) => return Ok(Err(failure)),
        }
        if is_late && let Err(error) = provider.swap(progress, self.now()).await {
            return Ok(Err(refused(error)));
        }
        let account = match provider.verify(progress.account.take()).await {
            Ok(account) => with_picked(account, &provider.api(), &progress.picked),
            Err(failure) => return Ok(Err(failure)),
        };
        if let Some(failure) = self.unknown_account(attempt, course, account.as_ref()).await? {
            return Ok(Err(failure));
        }
        self.complete(attempt, course, &secrets, progress, account).await
    }

    /// An explicit reconnect has to be able to tell that it is the same account.
    async fn unknown_account(
        &self,
        attempt: &Attempt,
        course: &Course,
        account: Option<&Account>,
    ) -> Result<Option<Failure>, EngineError> {
        let (Some(target), None) = (attempt.request.target, account) else { return Ok(None) };
        let scope = Scope { workspace: attempt.workspace, customer: Some(attempt.customer.id) };
        let known = self.store().connection(scope, target).await?.and_then(|known| known.account);
        Ok(known.map(|known| {
            let label = known.label.unwrap_or(known.id);
            let message =
                format!("{} did not say which account this is; expected {label}.", course.view.name);
            Failure::new(FailureKey::ProviderUnreachable, message)
        }))
    }

    async fn complete(
        &self,
        attempt: &Attempt,
        course: &Course,
        secrets: &AttemptSecrets,
        progress: &Progress,
        account: Option<Account>,
    ) -> Result<Result<Settled, Failure>, EngineError> {
        let now = self.now();
        note_narrower_grant(course, &parameters_of(attempt, secrets), progress);
        let replacing = match attempt.request.target {
            Some(target) => Replacing::Exactly(target),
            None if attempt.request.allow_multiple => Replacing::Nothing,
            None => Replacing::Existing,
        };
        let credentials = &progress.credentials;
        let bytes = credentials.to_bytes();
        let (vault, workspace) = (self.vault().clone(), attempt.workspace);
        let seal_parameters = parameters_of(attempt, secrets).secret_bytes().map(|bytes| -> Seal {
            let vault = vault.clone();
            Box::new(move |id| vault.seal(parameters_place(workspace, &id.to_string()), &bytes).0)
        });
        let refresh_at = refresh_time(&course.option, credentials, progress.expires_at, now, self.entropy());
        let result = self.entropy().handle();
        let new = NewConnection {
            id: ConnectionId::from_uuid(self.entropy().uuid(now)),
            scope: Scope { workspace, customer: Some(attempt.customer.id) },
            integration: attempt.integration,
            replacing,
            name: attempt.request.name.clone(),
            auth_option: course.option.key.clone(),
            input: attempt.request.input.clone(),
            connector_parameters: attempt.request.connector_parameters.clone(),
            seal_parameters,
            account,
            seal: Box::new(move |id| vault.seal(credential_place(workspace, &id.to_string()), &bytes).0),
            expires_at: progress.expires_at,
            refresh_at,
        };
        match self.store().complete_attempt(attempt.id, &new, result.hash(), Actor::Customer, now).await? {
            CompletedAttempt::Created(connection) | CompletedAttempt::Renewed(connection) => {
                self.metrics().attempt_ended("connected");
                let mut attempt = attempt.clone();
                attempt.state = AttemptState::Connected(connection.id);
                Ok(Ok(Settled::Connected(Box::new(attempt), result)))
            }
            CompletedAttempt::TargetGone => {
                let message = "This connection was deleted in the meantime.";
                Ok(Err(Failure::new(FailureKey::UnknownState, message)))
            }
            CompletedAttempt::OtherAccount => {
                let name = &course.view.name;
                let message = format!(
                    "That is another {name} account than the one connected here. Nothing was changed."
                );
                Ok(Err(Failure::new(FailureKey::AccountMismatch, message)))
            }
            CompletedAttempt::NotOpen => Err(EngineError::NotOpen),
        }
    }

    /// The parameters a connection has of its own, secret ones opened.
    pub(super) fn parameters_of_connection(
        &self,
        connection: &crate::model::Connection,
    ) -> Result<Parameters, EngineError> {
        let plain = connection.connector_parameters.clone();
        let Some(sealed) = &connection.sealed_parameters else {
            return Ok(Parameters { plain, ..Parameters::default() });
        };
        let row = connection.id.to_string();
        let place = parameters_place(connection.workspace, &row);
        let opened = self.vault().open(place, &crate::vault::Sealed(sealed.clone()))?;
        Parameters::with_secret_bytes(plain, opened.expose())
            .map_err(|UnreadableCredentials| VaultError::WrongPlace.into())
    }
}

/// What a connection is for: the account, and what was picked of what it has. Another pick is another
/// thing, although the same person signed in. An account that a kept value names says it by itself.
pub(super) fn with_picked(
    account: Option<Account>,
    api: &Api,
    picked: &[(String, String)],
) -> Option<Account> {
    let is_kept = api.account.as_ref().is_some_and(|account| account.from == AccountFrom::Kept);
    let is_unknown = account.is_none() && api.account.is_some();
    if picked.is_empty() || is_kept || is_unknown {
        return account;
    }
    let of_account = account.map(|account| (account.label.unwrap_or(account.id.clone()), account.id));
    let (mut labels, ids): (Vec<_>, Vec<_>) =
        picked.iter().map(|(id, label)| (label.clone(), id.clone())).chain(of_account).unzip();
    labels.dedup();
    Some(Account { id: ids.join("/"), label: Some(labels.join(" · ")) })
}

/// RFC 6749 §3.3: a provider may grant less than it was asked for, and says so.
fn note_narrower_grant(course: &Course, parameters: &Parameters, progress: &Progress) {
    let Some(granted) = &progress.credentials.scopes else { return };
    let asked = parameters.list(SCOPES).unwrap_or_else(|| course.view.scopes(&course.option));
    let missing: Vec<_> = asked.iter().filter(|scope| !granted.contains(scope)).collect();
    if !missing.is_empty() {
        let key = &course.view.integration.key;
        tracing::warn!(integration.id = %course.view.integration.id, ?missing, "{key} granted less than asked");
    }
}

/// The connector parameters of the connection that an attempt is for.
pub(super) fn parameters_of(attempt: &Attempt, secrets: &AttemptSecrets) -> Parameters {
    Parameters { plain: attempt.request.connector_parameters.clone(), secret: secrets.parameters.clone() }
}

/// Whether what the token endpoint judged was typed by the customer.
pub(super) fn is_typed(course: &Course) -> bool {
    let option = &course.option;
    let is_direct =
        matches!(option.kind, AuthType::ClientCredentials | AuthType::Jwt | AuthType::TokenExchange);
    is_direct && !option.fields.is_empty()
}

pub(super) fn parameters_place(workspace: crate::model::WorkspaceId, row: &str) -> Place<'_> {
    Place { table: "connection", row, column: "sealed_parameters", workspace: Some(workspace) }
}
