//! A connection: a customer's tie to an integration, and how it fares.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Actor, ConnectionId, CustomerId, IntegrationId, Timestamp, WorkspaceId};

/// A customer's tie to an integration. Credentials are not in it; see `StoredCredential`.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its id; kept on reconnect.
    pub id: ConnectionId,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Whose it is.
    pub customer: CustomerId,
    /// The product's own id of that customer.
    pub owner: String,
    /// A key of its own that the backend gave it.
    pub key: Option<String>,
    /// What it ties to.
    pub integration: IntegrationId,
    /// A name somebody gave it.
    pub name: Option<String>,
    /// The auth option it was made with.
    pub auth_option: String,
    /// How it fares.
    pub state: ConnectionState,
    /// What the customer typed, without secrets.
    pub input: BTreeMap<String, String>,
    /// Connector parameters, without secret ones.
    pub connector_parameters: Map<String, Value>,
    /// Secret connector parameters, sealed.
    pub sealed_parameters: Option<Vec<u8>>,
    /// The upstream account, where the connector can tell.
    pub account: Option<Account>,
    /// When its token is next renewed ahead of its end.
    pub refresh_at: Option<Timestamp>,
    /// Renewals that failed in a row for passing reasons.
    pub retry_attempts: u32,
    /// What the backend keeps with it.
    pub meta: Option<Value>,
    /// When a call last went through it, to the minute.
    pub last_active_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// How a connection fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// Its credentials are good as far as we know.
    Ready,
    /// The provider said that they are not.
    Disconnected(DisconnectReason),
    /// Deleted by somebody; credentials are gone.
    Archived(Timestamp),
}

/// Why a connection no longer works. Only what the provider said counts, never an outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisconnectReason {
    /// The provider refused the refresh token: revoked, expired or replaced.
    GrantRevoked,
    /// The token ended and the provider gave nothing to renew it with.
    NotRenewable,
    /// A renewal was cut off and the provider no longer takes the old token.
    RefreshOutcomeUnknown,
    /// The provider rejects credentials that were renewed a moment ago, or that cannot be renewed.
    CredentialsRejected,
    /// The sealed credentials do not open; they were damaged or belong elsewhere.
    CredentialsUnreadable,
}

impl DisconnectReason {
    /// Every reason, for documents and tests.
    pub const ALL: [Self; 5] = [
        Self::GrantRevoked,
        Self::NotRenewable,
        Self::RefreshOutcomeUnknown,
        Self::CredentialsRejected,
        Self::CredentialsUnreadable,
    ];

    /// The word in the store and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GrantRevoked => "grant_revoked",
            Self::NotRenewable => "not_renewable",
            Self::RefreshOutcomeUnknown => "refresh_outcome_unknown",
            Self::CredentialsRejected => "credentials_rejected",
            Self::CredentialsUnreadable => "credentials_unreadable",
        }
    }

    /// Who ended it: the provider by what it said, or we because it cannot go on.
    pub const fn actor(self) -> Actor {
        match self {
            Self::GrantRevoked | Self::RefreshOutcomeUnknown | Self::CredentialsRejected => Actor::Provider,
            Self::NotRenewable | Self::CredentialsUnreadable => Actor::System,
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }

    /// What happened, for a person. `app` is what the provider is called.
    pub fn why(self, app: &str) -> String {
        match self {
            Self::GrantRevoked => format!("{app} no longer accepts this connection."),
            Self::NotRenewable => format!("The permission that {app} gave has run out."),
            Self::RefreshOutcomeUnknown => format!(
                "Renewing the permission at {app} was interrupted, and {app} no longer accepts the old one."
            ),
            Self::CredentialsRejected => format!("{app} rejects the credentials of this connection."),
            Self::CredentialsUnreadable => "The stored credentials cannot be read any more.".to_owned(),
        }
    }

    /// What a person can do about it.
    pub fn next_step(self, app: &str) -> String {
        format!("Reconnect {app} to go on. Nothing else has to be set up again.")
    }
}

/// The account at the provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Stable id at the provider.
    pub id: String,
    /// Something a person recognises.
    pub label: Option<String>,
}

/// The sealed credentials of a connection and what is known of their life.
#[derive(Clone, Debug)]
pub struct StoredCredential {
    /// The sealed bytes.
    pub sealed: Vec<u8>,
    /// Grows with every replacement; compare-and-swap goes by it.
    pub version: i64,
    /// When the access token ends; none when the provider does not say.
    pub expires_at: Option<Timestamp>,
    /// The version whose refresh token was sent, written before the bytes left.
    pub refresh_sent_version: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_word_of_its_own_and_tells_a_person_what_to_do() {
        for reason in DisconnectReason::ALL {
            assert_eq!(DisconnectReason::parse(reason.as_str()), Some(reason));
            assert!(reason.why("Linear").ends_with('.'), "{reason:?}");
            assert!(reason.next_step("Linear").starts_with("Reconnect Linear"), "{reason:?}");
        }
        let words: std::collections::BTreeSet<_> = DisconnectReason::ALL.map(|reason| reason.as_str()).into();
        assert_eq!(words.len(), DisconnectReason::ALL.len());
        assert_eq!(DisconnectReason::parse("no_such_reason"), None);
    }
}
