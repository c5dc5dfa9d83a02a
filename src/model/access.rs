//! Who calls, and how far they may go.

use serde::{Deserialize, Serialize};

use super::{Customer, Scope, Session, WorkspaceId};

/// A caller of the API whose token was checked.
///
/// A token of the product's backend (`isAdmin`) that names no customer sees the whole workspace; one that
/// names a customer sees that customer, and may do there what only the backend may.
#[derive(Clone, Debug)]
pub struct Access {
    /// The workspace that vouched for them.
    pub workspace: WorkspaceId,
    /// The customer; none for a backend that names none.
    pub customer: Option<Customer>,
    /// The product's backend.
    pub is_backend: bool,
    /// The only integration keys this caller sees; none means all.
    pub integrations: Option<Vec<String>>,
    /// Connector parameters that the token signed, sealed.
    pub sealed_parameters: Option<Vec<u8>>,
}

impl Access {
    /// What this caller may see.
    pub fn scope(&self) -> Scope {
        Scope { workspace: self.workspace, customer: self.customer.as_ref().map(|customer| customer.id) }
    }

    /// Who answers for a change.
    pub fn actor(&self) -> Actor {
        if self.is_backend { Actor::Backend } else { Actor::Customer }
    }

    /// Whether this caller may see the integration with `key`.
    pub fn sees(&self, key: &str) -> bool {
        self.integrations.as_ref().is_none_or(|keys| keys.iter().any(|seen| seen == key))
    }
}

impl From<&Session> for Access {
    fn from(session: &Session) -> Self {
        Self {
            workspace: session.workspace,
            customer: Some(session.customer.clone()),
            is_backend: session.is_admin,
            integrations: session.integrations.clone(),
            sealed_parameters: session.sealed_parameters.clone(),
        }
    }
}

/// Who made a change, for the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// The customer, on a page or with their token.
    Customer,
    /// The product's backend, with an `isAdmin` token.
    Backend,
    /// Whoever runs the server: the configuration file or the command line.
    Operator,
    /// The provider, by what it answered.
    Provider,
    /// Hitchpost itself, in the background.
    System,
}

impl Actor {
    /// The word in the store and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Backend => "backend",
            Self::Operator => "operator",
            Self::Provider => "provider",
            Self::System => "system",
        }
    }
}
