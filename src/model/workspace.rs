//! A workspace: one product that embeds Hitchpost, with its keys, origins and look.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Timestamp, WorkspaceId};

/// A product that embeds Hitchpost.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// Its id.
    pub id: WorkspaceId,
    /// Its key: the `iss` of its tokens.
    pub key: String,
    /// The product's name, as customers know it.
    pub name: String,
    /// Everything else that can be set.
    pub settings: WorkspaceSettings,
    /// Grows with every change, so that a running server notices.
    pub revision: i64,
}

/// What a workspace can set.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkspaceSettings {
    /// Origins that may frame the embed and be redirected to; see `OriginPattern`.
    pub allowed_origins: Vec<String>,
    /// How far ahead a token's `exp` may lie, seconds.
    pub max_token_lifetime_seconds: u64,
    /// Tokens without `exp` are taken (Munity's have none).
    pub allow_tokens_without_exp: bool,
    /// Connector parameters are only taken from signed places.
    pub require_signed_parameters: bool,
    /// The backend may read credentials in the clear.
    pub allow_credentials_read: bool,
    /// Where confirm mode parks a finished attempt; none turns the mode off.
    pub confirm_redirect: Option<String>,
    /// How the product's own API is called; none when it is not connected.
    pub your_app: Option<super::YourAppSettings>,
    /// How the page looks.
    pub theme: Theme,
    /// The workspace a newcomer meets: played by the sandbox.
    pub demo: bool,
}

/// Longest life of a token unless the workspace says otherwise.
pub const DEFAULT_MAX_TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

impl Default for WorkspaceSettings {
    fn default() -> Self {
        Self {
            allowed_origins: Vec::new(),
            max_token_lifetime_seconds: DEFAULT_MAX_TOKEN_LIFETIME.as_secs(),
            allow_tokens_without_exp: false,
            require_signed_parameters: false,
            allow_credentials_read: false,
            confirm_redirect: None,
            your_app: None,
            theme: Theme::default(),
            demo: false,
        }
    }
}

/// The look a workspace sets; the page derives the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Theme {
    /// `#RRGGBB`.
    pub accent: Option<String>,
    /// Corner radius in px, 0 to 24.
    pub radius: Option<u8>,
    /// Address of the product's logo.
    pub logo: Option<String>,
    /// Light, dark, or as the system says.
    pub scheme: Scheme,
}

/// Light, dark, or as the system says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// As the system says.
    #[default]
    Auto,
    /// Always light.
    Light,
    /// Always dark.
    Dark,
}

/// What may be seen or changed: a workspace, and one customer of it unless the caller is its backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The customer; none sees all of the workspace.
    pub customer: Option<super::CustomerId>,
}

/// A customer of a workspace.
#[derive(Clone, Debug)]
pub struct Customer {
    /// Our id.
    pub id: super::CustomerId,
    /// The product's own id for them (`id` in the token), byte for byte.
    pub internal_id: String,
    /// Their name, when a token said it.
    pub name: Option<String>,
    /// Free fields from their tokens.
    pub fields: serde_json::Map<String, serde_json::Value>,
}

impl Customer {
    /// What a page calls them: the name, else the product's own id.
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.internal_id)
    }
}

/// Where a page session is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Surface {
    /// The hosted page, at the top of a window: the cookie finds the session for a plain GET.
    #[default]
    Page,
    /// The iframe in somebody else's page: links and forms carry the session themselves.
    Embed,
}

/// What a token says of the one connection it is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aim {
    /// The connection to renew, as the token names it.
    pub connection: Option<String>,
    /// What the connection is to be called.
    pub name: Option<String>,
}

/// Somebody whose token was checked.
#[derive(Clone, Debug)]
pub struct Session {
    /// The workspace that vouched for them.
    pub workspace: WorkspaceId,
    /// Who they are.
    pub customer: Customer,
    /// Where the session is used.
    pub surface: Surface,
    /// The only integration keys this session sees; none means all.
    pub integrations: Option<Vec<String>>,
    /// Connector parameters that the token signed and how an embed was opened, sealed.
    pub sealed_parameters: Option<Vec<u8>>,
    /// What the token is for, where it says so.
    pub aim: Aim,
    /// The token is one of the product's backend (`isAdmin`).
    pub is_admin: bool,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl Session {
    /// What this session may see.
    pub fn scope(&self) -> Scope {
        Scope { workspace: self.workspace, customer: Some(self.customer.id) }
    }

    /// Whether this session may see the integration with `key`.
    pub fn sees(&self, key: &str) -> bool {
        self.integrations.as_ref().is_none_or(|keys| keys.iter().any(|seen| seen == key))
    }
}
