//! Identifiers: which thing, never who may see it.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Namespace of integration ids; changing it would break redirect lists at providers.
const INTEGRATION_NAMESPACE: Uuid = Uuid::from_u128(0x6f1d_6d0c_52b1_4bb0_9a8c_0c1f_7b0e_4c55);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID that was made or read elsewhere.
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            /// Reads the hyphenated form; `None` for anything else.
            pub fn parse(text: &str) -> Option<Self> {
                (text.len() == 36).then(|| Uuid::try_parse(text).ok())?.map(Self)
            }

            /// The UUID itself.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A workspace: one product that embeds Hitchpost.
    WorkspaceId
);
id!(
    /// An integration of a workspace.
    IntegrationId
);
id!(
    /// A customer of a workspace.
    CustomerId
);
id!(
    /// A customer's connection.
    ConnectionId
);
id!(
    /// One try at connecting.
    AttemptId
);
id!(
    /// Somewhere that events are told.
    WebhookId
);
id!(
    /// Something that happened to a connection.
    EventId
);
id!(
    /// One event on its way to one webhook.
    DeliveryId
);

impl IntegrationId {
    /// The id of integration `key` in `workspace`: the same after the database is made anew,
    /// because callback addresses registered at providers contain it.
    pub fn of(workspace: WorkspaceId, key: &str) -> Self {
        let name = format!("{workspace}/{key}");
        Self(Uuid::new_v5(&INTEGRATION_NAMESPACE, name.as_bytes()))
    }
}

impl WebhookId {
    /// The id of a webhook that a configuration file names: the same at every start.
    pub fn of(workspace: WorkspaceId, target: &str) -> Self {
        Self(Uuid::new_v5(&workspace.uuid(), format!("webhook/{target}").as_bytes()))
    }
}

impl WorkspaceId {
    /// The id of a workspace whose configuration gives none.
    pub fn of(key: &str) -> Self {
        Self(Uuid::new_v5(&INTEGRATION_NAMESPACE, key.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integration_id_depends_on_workspace_and_key_only() {
        let acme = WorkspaceId::of("acme");

        assert_eq!(IntegrationId::of(acme, "hubspot"), IntegrationId::of(acme, "hubspot"));
        assert_ne!(IntegrationId::of(acme, "hubspot"), IntegrationId::of(acme, "github"));
        assert_ne!(
            IntegrationId::of(acme, "hubspot"),
            IntegrationId::of(WorkspaceId::of("other"), "hubspot")
        );
    }

    #[test]
    fn only_the_hyphenated_form_is_an_id() {
        let id = WorkspaceId::of("acme");

        assert_eq!(WorkspaceId::parse(&id.to_string()), Some(id));
        assert_eq!(WorkspaceId::parse(&id.uuid().simple().to_string()), None);
        assert_eq!(WorkspaceId::parse("hubspot"), None);
    }
}
