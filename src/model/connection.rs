//! A connection: a customer's tie to an integration, and how it fares.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ConnectionId, CustomerId, IntegrationId, Timestamp, WorkspaceId};

/// A customer's tie to an integration. Credentials are not in it; see `StoredCredential`.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its id; kept on reconnect.
    pub id: ConnectionId,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Whose it is.
    pub customer: CustomerId,
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
    /// The upstream account, where the connector can tell.
    pub account: Option<Account>,
    /// When its token is next renewed ahead of its end.
    pub refresh_at: Option<Timestamp>,
    /// Renewals that failed in a row for passing reasons.
    pub retry_attempts: u32,
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
    /// The sealed credentials do not open; they were damaged or belong elsewhere.
    CredentialsUnreadable,
}

impl DisconnectReason {
    /// The word in the store and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GrantRevoked => "grant_revoked",
            Self::NotRenewable => "not_renewable",
            Self::RefreshOutcomeUnknown => "refresh_outcome_unknown",
            Self::CredentialsUnreadable => "credentials_unreadable",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::GrantRevoked, Self::NotRenewable, Self::RefreshOutcomeUnknown, Self::CredentialsUnreadable]
            .into_iter()
            .find(|reason| reason.as_str() == word)
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
