//! Webhooks: made by the API or by the configuration file, which then alone may change them.

use std::{collections::HashSet, time::Duration};

use url::Url;

use super::{ConfigureError, Engine, EngineError};
use crate::{
    model::{Access, Action, Event, Secret, Target, Timestamp, Webhook, WebhookId, WorkspaceId},
    protocol::webhook::{BadSecret, SigningKey},
    store::{SecretPlan, WebhookChange, WebhookPatch, WebhookPlan},
    vault::{Place, Sealed},
};

/// Longest address of a webhook, in bytes.
const ADDRESS_MAX: usize = 2048;
/// Bytes of a secret made here.
const SECRET_BYTES: usize = 32;
/// How long the secret before a rotation signs too, unless the caller says.
pub const OVERLAP_DEFAULT: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest it may.
pub const OVERLAP_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A webhook as somebody wants it.
pub struct DesiredWebhook {
    /// Where events go.
    pub target: Target,
    /// Types it is told; none means all.
    pub events: Option<Vec<String>>,
    /// `whsec_BASE64`; none makes one, or, for the product's own API, sends unsigned.
    pub secret: Option<Secret<String>>,
}

/// Why a webhook cannot be so.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The address or path cannot be one.
    #[error("{0}")]
    Target(String),
    /// No such type of event.
    #[error("`{word}` is not a type of event: use one or more of {known}")]
    UnknownEvent {
        /// Its place in the list.
        place: usize,
        /// What was given.
        word: String,
        /// The types there are.
        known: String,
    },
    /// A list that names nothing.
    #[error("an empty list would tell it nothing: name types of events, or leave it out for all")]
    NoEvents,
    /// The secret cannot be one.
    #[error(transparent)]
    Secret(#[from] BadSecret),
    /// There are too many.
    #[error("a workspace has at most {0} webhooks")]
    TooMany(u32),
    /// The configuration file owns it.
    #[error("this webhook stands in the configuration file: change it there")]
    FromFile,
    /// Anything else.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Engine {
    /// A workspace's webhooks, newest first.
    pub async fn webhooks(&self, access: &Access) -> Result<Vec<Webhook>, EngineError> {
        Ok(self.store().webhooks(access.workspace).await?)
    }

    /// One of them.
    pub async fn webhook(&self, access: &Access, id: &str) -> Result<Webhook, EngineError> {
        let id = WebhookId::parse(id).ok_or(EngineError::NotFound("webhook"))?;
        let found = self.store().webhook(access.workspace, id).await?;
        found.ok_or(EngineError::NotFound("webhook"))
    }

    /// Makes a webhook. The secret is shown this once.
    pub async fn add_webhook(
        &self,
        access: &Access,
        desired: DesiredWebhook,
    ) -> Result<(Webhook, Secret<String>), WebhookError> {
        self.check_target(&desired.target).map_err(WebhookError::Target)?;
        let events = checked_events(desired.events)?;
        let key = match &desired.secret {
            Some(text) => SigningKey::parse(text.expose())?,
            None => self.new_signing_key(),
        };
        let now = self.now();
        let id = WebhookId::from_uuid(self.entropy().uuid(now));
        let sealed = self.seal_webhook_secret(access.workspace, id, &key);
        let webhook = Webhook {
            id,
            workspace: access.workspace,
            target: desired.target,
            events,
            sealed_secret: Some(sealed),
            previous: None,
            from_file: false,
            created_at: now,
            updated_at: now,
        };
        let added =
            self.store().add_webhook(&webhook, access.actor(), now).await.map_err(EngineError::from)?;
        added.then(|| (webhook, key.text())).ok_or(WebhookError::TooMany(crate::store::WEBHOOKS_MOST))
    }

    /// Changes what is given.
    pub async fn change_webhook(
        &self,
        access: &Access,
        id: &str,
        mut patch: WebhookPatch,
    ) -> Result<Webhook, WebhookError> {
        let known = self.webhook(access, id).await?;
        if let Some(target) = &patch.target {
            self.check_target(target).map_err(WebhookError::Target)?;
        }
        patch.events = patch.events.map(checked_events).transpose()?;
        let by = access.actor();
        let changed = self.store().update_webhook(access.workspace, known.id, &patch, by, self.now()).await;
        is_done(changed.map_err(EngineError::from)?)?;
        Ok(self.webhook(access, id).await?)
    }

    /// Deletes a webhook. What is on its way to it is not delivered any more.
    pub async fn remove_webhook(&self, access: &Access, id: &str) -> Result<(), WebhookError> {
        let id = WebhookId::parse(id).ok_or(EngineError::NotFound("webhook"))?;
        let removed = self.store().remove_webhook(access.workspace, id, access.actor(), self.now()).await;
        is_done(removed.map_err(EngineError::from)?)
    }

    /// Gives it a new secret, shown this once. The one before signs too for `overlap`.
    pub async fn rotate_webhook_secret(
        &self,
        access: &Access,
        id: &str,
        overlap: Duration,
    ) -> Result<(Webhook, Secret<String>), WebhookError> {
        let known = self.webhook(access, id).await?;
        let key = self.new_signing_key();
        let sealed = self.seal_webhook_secret(access.workspace, known.id, &key);
        let (workspace, by, now) = (access.workspace, access.actor(), self.now());
        let until = now.plus(overlap);
        let rotated = self.store().rotate_webhook_secret(workspace, known.id, &sealed, until, by, now).await;
        is_done(rotated.map_err(EngineError::from)?)?;
        Ok((self.webhook(access, id).await?, key.text()))
    }

    /// Sends an event of type `webhook.test` to this webhook alone, whatever it is told otherwise.
    pub async fn test_webhook(&self, access: &Access, id: &str) -> Result<Event, EngineError> {
        let known = self.webhook(access, id).await?;
        if matches!(known.target, Target::YourApp(_)) {
            let reason = "A test is about no customer, and your own API is called as one.";
            return Err(EngineError::Invalid(vec![("yourApp".to_owned(), reason.to_owned())]));
        }
        let sent = self.store().add_test_event(access.workspace, known.id, self.now()).await?;
        sent.ok_or(EngineError::NotFound("webhook"))
    }

    /// Webhooks of a configuration file, as the store is to have them. One that has the same target
    /// already keeps its id, whoever made it.
    pub(super) async fn plan_webhooks(
        &self,
        workspace: WorkspaceId,
        workspace_key: &str,
        desired: Vec<DesiredWebhook>,
    ) -> Result<Vec<WebhookPlan>, ConfigureError> {
        let known = self.store().webhooks(workspace).await.map_err(EngineError::from)?;
        let mut seen = HashSet::new();
        let mut plans = Vec::new();
        for wanted in desired {
            let address = wanted.target.address().to_owned();
            let refused = |reason: String| ConfigureError::Webhook {
                workspace: workspace_key.to_owned(),
                webhook: shown(&wanted.target),
                reason,
            };
            self.check_target(&wanted.target).map_err(refused)?;
            if !seen.insert(address.clone()) {
                return Err(refused("stands there twice".to_owned()));
            }
            let key = wanted.secret.as_ref().map(|text| SigningKey::parse(text.expose())).transpose();
            let key = key.map_err(|error| refused(format!("secret: {error}")))?;
            let events = checked_events(wanted.events.clone()).map_err(|error| refused(error.to_string()))?;
            let there = known.iter().find(|webhook| webhook.target == wanted.target);
            let id = there.map_or_else(|| WebhookId::of(workspace, &address), |webhook| webhook.id);
            let secret = self.plan_secret(workspace, id, there, key.as_ref());
            plans.push(WebhookPlan { id, target: wanted.target, events, secret });
        }
        Ok(plans)
    }

    /// A secret that is the same as before is not sealed anew; another one overlaps with it.
    fn plan_secret(
        &self,
        workspace: WorkspaceId,
        id: WebhookId,
        there: Option<&Webhook>,
        key: Option<&SigningKey>,
    ) -> SecretPlan {
        let before = there.and_then(|webhook| {
            let sealed = webhook.sealed_secret.as_ref()?;
            self.open_webhook_secret(webhook, sealed).ok()
        });
        let same = before.as_ref().map(SigningKey::bytes) == key.map(SigningKey::bytes);
        if same && there.is_some() {
            return SecretPlan::Keep;
        }
        let sealed = key.map(|key| self.seal_webhook_secret(workspace, id, key));
        SecretPlan::Replace(sealed, self.now().plus(OVERLAP_DEFAULT))
    }

    pub(super) fn open_webhook_secret(
        &self,
        webhook: &Webhook,
        sealed: &[u8],
    ) -> Result<SigningKey, EngineError> {
        let row = webhook.id.to_string();
        let opened = self.vault().open(secret_place(webhook.workspace, &row), &Sealed(sealed.to_vec()))?;
        Ok(SigningKey::from_bytes(opened.expose().clone()))
    }

    fn seal_webhook_secret(&self, workspace: WorkspaceId, id: WebhookId, key: &SigningKey) -> Vec<u8> {
        self.vault().seal(secret_place(workspace, &id.to_string()), key.bytes()).0
    }

    fn new_signing_key(&self) -> SigningKey {
        let mut bytes = vec![0; SECRET_BYTES];
        self.entropy().fill(&mut bytes);
        SigningKey::from_bytes(bytes)
    }

    fn check_target(&self, target: &Target) -> Result<(), String> {
        let address = target.address();
        if address.len() > ADDRESS_MAX {
            return Err(format!("an address has at most {ADDRESS_MAX} bytes"));
        }
        match target {
            Target::Url(text) => {
                let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http"));
                let url = url.ok_or("this is not an address such as https://app.acme.com/hooks")?;
                if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
                    return Err("an address here has no user, password or fragment".to_owned());
                }
                self.inner.ports.outbound.admits(&url).map_err(|reason| reason.to_string())
            }
            Target::YourApp(path) => {
                let is_path = path.starts_with('/') && !path.starts_with("//");
                let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\#?".contains(&byte));
                let climbs = path.split('/').any(|part| part == "." || part == "..");
                (is_path && is_plain && !climbs)
                    .then_some(())
                    .ok_or_else(|| "this is not a path such as /hooks/connections".to_owned())
            }
        }
    }
}

/// A value that became the previous one was sealed as the current one, so both have one place.
fn secret_place(workspace: WorkspaceId, row: &str) -> Place<'_> {
    Place { table: "webhook", row, column: "sealed_secret", workspace: Some(workspace) }
}

fn is_done(change: WebhookChange) -> Result<(), WebhookError> {
    match change {
        WebhookChange::Done => Ok(()),
        WebhookChange::Unknown => Err(EngineError::NotFound("webhook").into()),
        WebhookChange::FromFile => Err(WebhookError::FromFile),
    }
}

/// Known types, each once, in the order they were named.
fn checked_events(events: Option<Vec<String>>) -> Result<Option<Vec<String>>, WebhookError> {
    let Some(events) = events else { return Ok(None) };
    if events.is_empty() {
        return Err(WebhookError::NoEvents);
    }
    let mut checked: Vec<String> = Vec::new();
    for (place, word) in events.into_iter().enumerate() {
        if !Action::parse(&word).is_some_and(Action::is_event) {
            let known = Action::ALL.into_iter().filter(|action| action.is_event());
            let known = known.map(Action::as_str).collect::<Vec<_>>().join(", ");
            return Err(WebhookError::UnknownEvent { place, word, known });
        }
        if !checked.contains(&word) {
            checked.push(word);
        }
    }
    Ok(Some(checked))
}

/// What an error says of a webhook: an address may hold a key behind its host.
fn shown(target: &Target) -> String {
    match target {
        Target::Url(text) => {
            let url = Url::parse(text).ok();
            url.map(|url| url.origin().ascii_serialization()).unwrap_or_else(|| "?".to_owned())
        }
        Target::YourApp(path) => path.clone(),
    }
}

/// Whether the secret before the last rotation still signs.
pub fn overlaps(webhook: &Webhook, now: Timestamp) -> Option<Timestamp> {
    webhook.previous.as_ref().map(|(_, until)| *until).filter(|until| *until > now)
}
