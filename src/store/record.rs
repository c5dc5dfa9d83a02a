//! What goes into a verb of the store and what comes out of it, where it is not a noun of the model.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::WebhookPlan;
use crate::model::{
    Account, Aim, AttemptId, AttemptRequest, Connection, ConnectionId, Customer, CustomerId, HandleHash,
    Integration, IntegrationId, IntegrationSettings, Scope, Surface, Timestamp, Workspace, WorkspaceId,
    WorkspaceSettings, attempt::AttemptState,
};

/// What a configuration file asks for.
#[derive(Default)]
pub struct ApplyPlan {
    /// Workspaces, each with all that the file owns.
    pub workspaces: Vec<WorkspacePlan>,
}

/// One workspace as the file wants it.
pub struct WorkspacePlan {
    /// Its id.
    pub id: WorkspaceId,
    /// Its key.
    pub key: String,
    /// Its name.
    pub name: String,
    /// Its settings.
    pub settings: WorkspaceSettings,
    /// The half of `settings.your_app` that is sealed.
    pub sealed_your_app: Option<Vec<u8>>,
    /// Keys the file owns; they replace the ones it owned before.
    pub keys: Vec<KeyPlan>,
    /// Integrations in the file's order.
    pub integrations: Vec<IntegrationPlan>,
    /// Webhooks the file owns; they replace the ones it owned before.
    pub webhooks: Vec<WebhookPlan>,
}

/// A key that verifies tokens.
#[derive(Clone)]
pub enum KeyPlan {
    /// The workspace's secret, sealed for row `id`.
    Secret {
        /// Row id, which the sealing is bound to.
        id: String,
        /// Sealed bytes.
        sealed: Vec<u8>,
    },
    /// A public key.
    Public {
        /// Its name in token headers.
        kid: Option<String>,
        /// SPKI in PEM.
        pem: String,
    },
}

/// One integration as the file wants it.
pub struct IntegrationPlan {
    /// Its id.
    pub id: IntegrationId,
    /// Its key.
    pub key: String,
    /// Connector key or path.
    pub connector: String,
    /// Text of the connector's own file.
    pub connector_source: Option<String>,
    /// Settings.
    pub settings: IntegrationSettings,
    /// Client secret, sealed for this row.
    pub sealed_client_secret: Option<Vec<u8>>,
    /// Secret connector parameters, sealed for this row.
    pub sealed_parameters: Option<Vec<u8>>,
    /// Hosts that secrets could go to by this change and could not before. Unless there is none, nothing is
    /// stored while one of its connections holds credentials.
    pub new_hosts: Vec<String>,
}

/// What `apply` changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ApplyReport {
    /// Workspaces made.
    pub workspaces_created: usize,
    /// Integrations made.
    pub integrations_created: usize,
    /// Integrations that are no longer in the file and are hidden now.
    pub integrations_hidden: Vec<String>,
    /// Integrations that would have moved to new hosts, with how many connections hold credentials. When
    /// there is one, nothing was done.
    pub integrations_held: Vec<(String, i64)>,
}

/// A workspace with all that belongs to it.
pub struct WorkspaceEntry {
    /// The workspace.
    pub workspace: Workspace,
    /// The half of `settings.your_app` that is sealed.
    pub sealed_your_app: Option<Vec<u8>>,
    /// Keys that verify its tokens.
    pub keys: Vec<StoredKey>,
    /// Its integrations by position.
    pub integrations: Vec<StoredIntegration>,
}

/// A stored key.
pub struct StoredKey {
    /// Row id.
    pub id: String,
    /// The key.
    pub key: KeyPlan,
    /// When it ends, or ended.
    pub retires_at: Option<Timestamp>,
}

/// A stored integration.
#[derive(Clone)]
pub struct StoredIntegration {
    /// The integration.
    pub integration: Integration,
    /// Its client secret, sealed.
    pub sealed_client_secret: Option<Vec<u8>>,
    /// Its secret connector parameters, sealed.
    pub sealed_parameters: Option<Vec<u8>>,
}

/// A page session to remember.
pub struct NewSession {
    /// SHA-256 of the handle.
    pub hash: HandleHash,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Who it is.
    pub customer: CustomerId,
    /// Where it is used.
    pub surface: Surface,
    /// Visible integrations; none means all.
    pub integrations: Option<Vec<String>>,
    /// Connector parameters that the token signed and how an embed was opened, sealed.
    pub sealed_parameters: Option<Vec<u8>>,
    /// What the token is for, where it says so.
    pub aim: Aim,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A link that signs a customer in.
pub struct NewLink {
    /// SHA-256 of the ticket.
    pub hash: HandleHash,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Who it signs in.
    pub customer: CustomerId,
    /// Visible integrations; none means all.
    pub integrations: Option<Vec<String>>,
    /// Printed at start; the next start replaces it.
    pub demo: bool,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Which connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionFilter {
    /// Of this integration only.
    pub integration: Option<IntegrationId>,
    /// Of these integrations only.
    pub among: Option<Vec<IntegrationId>>,
    /// Only disconnected ones, or only others.
    pub disconnected: Option<bool>,
    /// Only ready ones, or only others.
    pub connected: Option<bool>,
    /// Whose name contains this, case-insensitively.
    pub search: Option<ConnectionSearch>,
    /// Archived ones too.
    pub include_archived: bool,
    /// Older than this one.
    pub before: Option<ConnectionId>,
    /// At most so many.
    pub limit: u32,
}

/// What a list of connections is searched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionSearch {
    /// What the name or the account contains, case-insensitively.
    pub words: String,
    /// All connections of these fit as well: their own names do.
    pub integrations: Vec<IntegrationId>,
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Whether there is at least one more.
    pub more: bool,
}

/// A new attempt.
pub struct NewAttempt {
    /// Its id.
    pub id: AttemptId,
    /// What may see it.
    pub scope: Scope,
    /// What is being connected.
    pub integration: IntegrationId,
    /// The client's own name.
    pub request_id: Option<String>,
    /// What was asked for.
    pub request: AttemptRequest,
    /// Opens the page that asks.
    pub ticket: HandleHash,
    /// Secret input, sealed.
    pub sealed_secret: Option<Vec<u8>>,
    /// When it is too late.
    pub expires_at: Timestamp,
}

/// Which attempts carry a `requestId`.
pub struct AttemptFilter {
    /// The `requestId`.
    pub request_id: String,
    /// Of this workspace and customer only, when the caller showed a token.
    pub scope: Option<Scope>,
}

/// Seals something for the connection that it will belong to.
pub type Seal = Box<dyn Fn(ConnectionId) -> Vec<u8> + Send + Sync>;

/// A connection about to be made or renewed.
pub struct NewConnection {
    /// Id if it is made.
    pub id: ConnectionId,
    /// Whose.
    pub scope: Scope,
    /// What it ties to.
    pub integration: IntegrationId,
    /// Which connection it replaces.
    pub replacing: Replacing,
    /// A name; none keeps the one there is.
    pub name: Option<String>,
    /// Auth option.
    pub auth_option: String,
    /// Input without secrets.
    pub input: BTreeMap<String, String>,
    /// Connector parameters without secret ones.
    pub connector_parameters: Map<String, Value>,
    /// Seals the secret ones for the row they land in; none when there are none.
    pub seal_parameters: Option<Seal>,
    /// Upstream account.
    pub account: Option<Account>,
    /// Seals the credentials for the row they land in.
    pub seal: Seal,
    /// When the access token ends.
    pub expires_at: Option<Timestamp>,
    /// When to renew it ahead of that.
    pub refresh_at: Option<Timestamp>,
}

/// Which connection a new one replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacing {
    /// None: a further one.
    Nothing,
    /// The one there is for this integration and customer, if there is one.
    Existing,
    /// This one; gone means the attempt fails.
    Exactly(ConnectionId),
}

/// What came of completing an attempt.
pub enum CompletedAttempt {
    /// A connection was made.
    Created(Connection),
    /// A connection was renewed, in place.
    Renewed(Connection),
    /// The connection to renew is gone.
    TargetGone,
    /// The connection to renew belongs to another upstream account.
    OtherAccount,
    /// The attempt had ended already.
    NotOpen,
}

impl AttemptRequest {
    /// The same request in a state that the store can hold for an unconfirmed attempt.
    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).expect("a request is plain data")
    }
}

/// How a row names an attempt's state.
pub(super) fn state_word(state: &AttemptState) -> &'static str {
    match state {
        AttemptState::Pending => "pending",
        AttemptState::Consumed | AttemptState::NeedsChoice => "consumed",
        AttemptState::Connected(_) => "connected",
        AttemptState::Failed(_) => "failed",
    }
}

/// Kept here so that `Customer` rows and new customers are built in one way.
pub(super) fn same_details(known: &Customer, seen: &Customer) -> bool {
    (seen.name.is_none() || seen.name == known.name)
        && (seen.fields.is_empty() || seen.fields == known.fields)
}
