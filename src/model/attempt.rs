//! An attempt: one try at connecting, from "Connect" to connected, failed or expired.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{AttemptId, ConnectionId, Customer, IntegrationId, Surface, Timestamp, WorkspaceId};

/// One try at connecting.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Its id, and the reference a customer can quote.
    pub id: AttemptId,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Whose account list the connection will be in.
    pub customer: Customer,
    /// What is being connected.
    pub integration: IntegrationId,
    /// The client's own name for it.
    pub request_id: Option<String>,
    /// How far it came.
    pub state: AttemptState,
    /// What was asked for.
    pub request: AttemptRequest,
    /// PKCE verifier and secret input, sealed.
    pub sealed_secret: Option<Vec<u8>>,
    /// SHA-256 of the cookie of the browser that left for the provider.
    pub binding_hash: Option<Vec<u8>>,
    /// When it is too late.
    pub expires_at: Timestamp,
}

/// How far an attempt came.
#[derive(Clone, Debug, PartialEq)]
pub enum AttemptState {
    /// Waits for the customer, here or at the provider.
    Pending,
    /// The callback arrived; the code is being exchanged. Stays so when the process dies.
    Consumed,
    /// The credentials are there and the customer has to say which of several things is meant.
    NeedsChoice,
    /// A connection came of it.
    Connected(ConnectionId),
    /// It ended without one.
    Failed(Failure),
}

/// What was asked for, and what is known so far.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AttemptRequest {
    /// How the outcome leaves.
    pub road: Road,
    /// Where it began.
    pub surface: Surface,
    /// The chosen auth option.
    pub auth_option: String,
    /// A name for the connection.
    #[serde(default)]
    pub name: Option<String>,
    /// Makes a further connection instead of renewing the one there is.
    #[serde(default)]
    pub allow_multiple: bool,
    /// The connection to renew.
    #[serde(default)]
    pub target: Option<ConnectionId>,
    /// Comes back byte for byte.
    #[serde(default)]
    pub custom_state: Option<String>,
    /// Began elsewhere: nothing leaves before a person agreed on our page, and a page that asks says whose
    /// connection it becomes.
    #[serde(default)]
    pub needs_confirmation: bool,
    /// The input was typed into a form of ours, which can show what is wrong with it.
    #[serde(default)]
    pub own_form: bool,
    /// What the customer typed, without secrets.
    #[serde(default)]
    pub input: BTreeMap<String, String>,
    /// Names of secret fields already given.
    #[serde(default)]
    pub secret_input: Vec<String>,
    /// What was wrong with the last input.
    #[serde(default)]
    pub problem: Option<Failure>,
    /// The redirect address sent to the provider, repeated with the code.
    #[serde(default)]
    pub redirect_uri: Option<String>,
    /// Connector parameters of the connection to be, without secret ones.
    #[serde(default)]
    pub connector_parameters: Map<String, Value>,
    /// Every question ends the attempt instead of being shown.
    #[serde(default)]
    pub no_ui: bool,
    /// What the customer has to choose from.
    #[serde(default)]
    pub choice: Option<Choice>,
}

/// Several things that one account has, of which a connection is for one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// Which of the option's `discover` calls found them.
    pub step: usize,
    /// Id and what a person reads, in the provider's order.
    pub items: Vec<(String, String)>,
}

/// How the outcome leaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "road", rename_all = "snake_case")]
pub enum Road {
    /// Back to our own page, in the same window.
    Page,
    /// The result page, which tells its opener and closes.
    Popup {
        /// The only origin that is told; none leaves it to the server's events.
        origin: Option<String>,
    },
    /// To an address the caller gave, checked when the attempt began.
    Redirect {
        /// That address.
        url: String,
    },
}

/// Why an attempt ended without a connection, or what is wrong with its input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind, a closed list.
    pub key: FailureKey,
    /// One sentence for the customer. Never holds a secret or a provider's own words.
    pub message: String,
    /// Field name → what is wrong with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<(String, String)>,
    /// The provider's own code and words, for the developer only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderAnswer>,
}

/// What the provider said, cleaned and shortened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProviderAnswer {
    /// Its error code.
    pub code: String,
    /// Its sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The kinds of failure an attempt can end in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKey {
    /// The customer said no at the provider.
    AccessDeniedByProvider,
    /// The provider answered with an error.
    ProviderError,
    /// The provider could not be reached or answered nonsense.
    ProviderUnreachable,
    /// The test call with the new credentials failed.
    TestFailed,
    /// More than ten minutes passed.
    AttemptExpired,
    /// The callback came to another browser than the one that left.
    WrongBrowser,
    /// The product's backend confirmed it for another customer than the one who began.
    WrongCustomer,
    /// A reconnect came back with another account.
    AccountMismatch,
    /// A field is missing or does not fit.
    InvalidInput,
    /// The connector has no such auth option.
    UnknownAuthOption,
    /// The page that asked may not.
    OriginNotAllowed,
    /// The address to return to may not be used.
    RedirectNotAllowed,
    /// No attempt waits for this state.
    UnknownState,
    /// The developer has not given this integration an OAuth client.
    MissingClient,
    /// The account has nothing that a connection could be for.
    NothingFound,
    /// Something on our side.
    Internal,
}

impl FailureKey {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessDeniedByProvider => "access_denied_by_provider",
            Self::ProviderError => "provider_error",
            Self::ProviderUnreachable => "provider_unreachable",
            Self::TestFailed => "test_failed",
            Self::AttemptExpired => "attempt_expired",
            Self::WrongBrowser => "wrong_browser",
            Self::WrongCustomer => "wrong_customer",
            Self::AccountMismatch => "account_mismatch",
            Self::InvalidInput => "invalid_input",
            Self::UnknownAuthOption => "unknown_auth_option",
            Self::OriginNotAllowed => "origin_not_allowed",
            Self::RedirectNotAllowed => "redirect_not_allowed",
            Self::UnknownState => "unknown_state",
            Self::MissingClient => "missing_client",
            Self::NothingFound => "nothing_found",
            Self::Internal => "internal",
        }
    }
}

impl Failure {
    /// A failure with nothing but its sentence.
    pub fn new(key: FailureKey, message: impl Into<String>) -> Self {
        Self { key, message: message.into(), fields: Vec::new(), provider: None }
    }

    /// The same, with what the provider said.
    #[must_use]
    pub fn with_provider(mut self, code: String, description: Option<String>) -> Self {
        self.provider = Some(ProviderAnswer { code, description });
        self
    }

    /// `errorData` on the wire: `{type, key, message, data}`.
    pub fn error_data(&self) -> Value {
        let mut data = json!({});
        if !self.fields.is_empty() {
            let fields: BTreeMap<_, _> = self.fields.iter().cloned().collect();
            data["fields"] = json!(fields);
        }
        if let Some(provider) = &self.provider {
            data["provider"] = json!(provider);
        }
        json!({ "type": "connection", "key": self.key.as_str(), "message": self.message, "data": data })
    }
}
