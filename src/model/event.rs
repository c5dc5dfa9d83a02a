//! What happened, where it is told, and how far the telling got.

use serde_json::Value;

use super::{ConnectionId, CustomerId, DeliveryId, EventId, Timestamp, WebhookId, WorkspaceId};

/// The type of the event that tries a webhook out.
pub const TEST: &str = "webhook.test";

/// Somewhere that events are told.
#[derive(Clone)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Where events go.
    pub target: Target,
    /// The event types it is told; none means all.
    pub events: Option<Vec<String>>,
    /// What signs for it, sealed; none sends unsigned.
    pub sealed_secret: Option<Vec<u8>>,
    /// The secret before that, sealed, and until when it signs too.
    pub previous: Option<(Vec<u8>, Timestamp)>,
    /// It stands in the configuration file, which alone may change it.
    pub from_file: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Where a webhook's events go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// This address.
    Url(String),
    /// This path of the product's own API, called as the customer whose connection it is about.
    YourApp(String),
}

impl Target {
    /// The kind, as stored.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Url(_) => "url",
            Self::YourApp(_) => "your_app",
        }
    }

    /// The address or the path.
    pub fn address(&self) -> &str {
        match self {
            Self::Url(address) | Self::YourApp(address) => address,
        }
    }
}

/// Something that happened to a connection, or the test of a webhook.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its id, which is also the id of every message about it.
    pub id: EventId,
    /// Where it happened.
    pub workspace: WorkspaceId,
    /// Whom it is about; none for a test.
    pub customer: Option<CustomerId>,
    /// Which connection; none for a test.
    pub connection: Option<ConnectionId>,
    /// `connection.created` and the like.
    pub kind: String,
    /// What is told about it.
    pub data: Value,
    /// When it happened.
    pub created_at: Timestamp,
}

/// One event on its way to one webhook.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// The event.
    pub event: EventId,
    /// The webhook.
    pub webhook: WebhookId,
    /// How far it got.
    pub state: DeliveryState,
    /// Tries so far.
    pub attempts: u32,
    /// When it is tried next, while it is pending.
    pub next_at: Option<Timestamp>,
    /// HTTP status of the last answer; none when there was none.
    pub last_status: Option<u16>,
    /// What was wrong the last time.
    pub last_error: Option<DeliveryError>,
    /// When the webhook took it.
    pub delivered_at: Option<Timestamp>,
    /// When it was written down.
    pub created_at: Timestamp,
    /// When it last got further.
    pub updated_at: Timestamp,
}

/// How far a delivery got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is tried until it works or is given up.
    Pending,
    /// The webhook answered with a 2xx.
    Delivered,
    /// Given up; it can be sent again by hand.
    Dead,
}

impl DeliveryState {
    /// The word in the store and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Pending, Self::Delivered, Self::Dead].into_iter().find(|state| state.as_str() == word)
    }
}

/// What was wrong with a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryError {
    /// The answer was no 2xx.
    Status,
    /// The answer was a redirect, which is not followed.
    Redirect,
    /// The answer was 410: the receiver wants it no more.
    Gone,
    /// There was no answer in time.
    Timeout,
    /// There was no connection, or it broke.
    Unreachable,
    /// The address is not one that this server calls.
    AddressNotAllowed,
    /// The webhook's secret does not open.
    SecretUnreadable,
    /// The product's own API cannot be called for this customer.
    AppNotReady,
}

impl DeliveryError {
    const ALL: [Self; 8] = [
        Self::Status,
        Self::Redirect,
        Self::Gone,
        Self::Timeout,
        Self::Unreachable,
        Self::AddressNotAllowed,
        Self::SecretUnreadable,
        Self::AppNotReady,
    ];

    /// The word in the store and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Redirect => "redirect",
            Self::Gone => "gone",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::AddressNotAllowed => "address_not_allowed",
            Self::SecretUnreadable => "secret_unreadable",
            Self::AppNotReady => "app_not_ready",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|error| error.as_str() == word)
    }
}

/// A line of the audit log.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// Its id.
    pub id: EventId,
    /// Who did it: `customer`, `backend`, `operator`, `provider` or `system`.
    pub actor: String,
    /// Whom it is about, where it is about a customer.
    pub customer: Option<CustomerId>,
    /// What was done.
    pub action: String,
    /// Id of what was changed.
    pub subject: String,
    /// What else there is to say.
    pub detail: Value,
    /// When.
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back() {
        for error in DeliveryError::ALL {
            assert_eq!(DeliveryError::parse(error.as_str()), Some(error));
        }
        for word in ["pending", "delivered", "dead"] {
            assert_eq!(DeliveryState::parse(word).map(DeliveryState::as_str), Some(word));
        }
        assert_eq!(DeliveryState::parse("lost"), None);
    }
}
