//! What the audit log says happened, and which of it is told to webhooks.

/// Something that was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A connection was made.
    ConnectionCreated,
    /// Its name, key, parameters or the like were changed.
    ConnectionUpdated,
    /// It got new credentials by connecting again.
    ConnectionReconnected,
    /// The provider said that it is over.
    ConnectionDisconnected,
    /// It was archived and its credentials erased.
    ConnectionDeleted,
    /// The product's backend finished its first import.
    ConnectionImportDone,
    /// Its credentials were read in the clear.
    CredentialsRead,
    /// A customer was made by the backend.
    CustomerCreated,
    /// A customer was changed by the backend.
    CustomerUpdated,
    /// A customer was archived, with all their connections.
    CustomerArchived,
    /// An archived customer was brought back.
    CustomerRestored,
    /// What opens the product's own API for a customer was set.
    AppCredentialsSet,
    /// It no longer works.
    AppCredentialsDisconnected,
    /// An integration was made.
    IntegrationCreated,
    /// An integration was changed.
    IntegrationUpdated,
    /// An integration was archived.
    IntegrationArchived,
    /// An archived integration was brought back.
    IntegrationRestored,
    /// The workspace's settings were changed.
    WorkspaceUpdated,
    /// A key for its tokens was made.
    WorkspaceKeyCreated,
    /// A key for its tokens was retired.
    WorkspaceKeyRetired,
    /// A configuration file was applied.
    ConfigurationApplied,
    /// A webhook was made.
    WebhookCreated,
    /// A webhook was changed.
    WebhookUpdated,
    /// A webhook was deleted.
    WebhookDeleted,
    /// A webhook got a new secret.
    WebhookSecretRotated,
    /// An event was sent again to a webhook.
    EventRedelivered,
    /// A link was made that signs a customer in.
    LinkCreated,
}

impl Action {
    /// Every action, for documents and tests.
    pub const ALL: [Self; 27] = [
        Self::ConnectionCreated,
        Self::ConnectionUpdated,
        Self::ConnectionReconnected,
        Self::ConnectionDisconnected,
        Self::ConnectionDeleted,
        Self::ConnectionImportDone,
        Self::CredentialsRead,
        Self::CustomerCreated,
        Self::CustomerUpdated,
        Self::CustomerArchived,
        Self::CustomerRestored,
        Self::AppCredentialsSet,
        Self::AppCredentialsDisconnected,
        Self::IntegrationCreated,
        Self::IntegrationUpdated,
        Self::IntegrationArchived,
        Self::IntegrationRestored,
        Self::WorkspaceUpdated,
        Self::WorkspaceKeyCreated,
        Self::WorkspaceKeyRetired,
        Self::ConfigurationApplied,
        Self::WebhookCreated,
        Self::WebhookUpdated,
        Self::WebhookDeleted,
        Self::WebhookSecretRotated,
        Self::EventRedelivered,
        Self::LinkCreated,
    ];

    /// The word in the store and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConnectionCreated => "connection.created",
            Self::ConnectionUpdated => "connection.updated",
            Self::ConnectionReconnected => "connection.reconnected",
            Self::ConnectionDisconnected => "connection.disconnected",
            Self::ConnectionDeleted => "connection.deleted",
            Self::ConnectionImportDone => "connection.import_done",
            Self::CredentialsRead => "connection.credentials_read",
            Self::CustomerCreated => "customer.created",
            Self::CustomerUpdated => "customer.updated",
            Self::CustomerArchived => "customer.archived",
            Self::CustomerRestored => "customer.restored",
            Self::AppCredentialsSet => "customer.credentials_set",
            Self::AppCredentialsDisconnected => "customer.credentials_disconnected",
            Self::IntegrationCreated => "integration.created",
            Self::IntegrationUpdated => "integration.updated",
            Self::IntegrationArchived => "integration.archived",
            Self::IntegrationRestored => "integration.restored",
            Self::WorkspaceUpdated => "workspace.updated",
            Self::WorkspaceKeyCreated => "workspace.key_created",
            Self::WorkspaceKeyRetired => "workspace.key_retired",
            Self::ConfigurationApplied => "workspace.configuration_applied",
            Self::WebhookCreated => "webhook.created",
            Self::WebhookUpdated => "webhook.updated",
            Self::WebhookDeleted => "webhook.deleted",
            Self::WebhookSecretRotated => "webhook.secret_rotated",
            Self::EventRedelivered => "event.redelivered",
            Self::LinkCreated => "link.created",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == word)
    }

    /// Whether webhooks are told of it.
    pub const fn is_event(self) -> bool {
        matches!(
            self,
            Self::ConnectionCreated
                | Self::ConnectionUpdated
                | Self::ConnectionReconnected
                | Self::ConnectionDisconnected
                | Self::ConnectionDeleted
                | Self::ConnectionImportDone
                | Self::AppCredentialsDisconnected
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_read_back_by_its_own_word() {
        for action in Action::ALL {
            assert_eq!(Action::parse(action.as_str()), Some(action));
        }
        let events: Vec<_> = Action::ALL.into_iter().filter(|action| action.is_event()).collect();
        let (of_connections, others): (Vec<_>, Vec<_>) =
            events.into_iter().partition(|action| action.as_str().starts_with("connection."));
        assert_eq!((of_connections.len(), others), (6, vec![Action::AppCredentialsDisconnected]));
    }
}
