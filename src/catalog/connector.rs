//! What a connector says: how one app is authenticated and called. Data, never code.
//!
//! These are the parsed, checked forms; [`super::parse`] makes them from a file and refuses
//! everything that does not fit. The keys and their meaning are in `docs/connector-format.md`.

mod option;
mod request;

use std::collections::BTreeMap;

use serde_json::Value;

use super::{host::HostPattern, template::Template};

pub use option::*;
pub use request::*;

/// A map whose order is the file's own, for parameters and headers.
pub type Templates = Vec<(String, Template)>;

/// One app, as its file describes it.
#[derive(Clone, Debug)]
pub struct Connector {
    /// The file's name without `.toml`.
    pub key: String,
    /// Display name.
    pub name: String,
    /// One line about what connecting brings.
    pub description: Option<String>,
    /// The vendor's site.
    pub website: Option<String>,
    /// The page the facts were checked against.
    pub docs: Option<String>,
    /// `#RRGGBB`.
    pub color: Option<String>,
    /// Other names people search for.
    pub aliases: Vec<String>,
    /// Category keys; the first is the main one.
    pub categories: Vec<String>,
    /// How far the facts were checked.
    pub status: Status,
    /// Connectors that share one app registration at the vendor.
    pub family: Option<String>,
    /// Where the facts came from.
    pub sources: Vec<String>,
    /// simple-icons slug; none shows a monogram.
    pub logo: Option<String>,
    /// Sorts first on the page.
    pub featured: bool,
    /// How its API is called, unless an auth option says otherwise.
    pub api: Option<Api>,
    /// Connector parameters the developer may set.
    pub parameters: BTreeMap<String, Parameter>,
    /// Auth options in the file's order; never empty, the first is the default.
    pub auth: Vec<AuthOption>,
}

/// How far a connector's facts were checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Checked against the vendor's documentation by hand.
    Reviewed,
    /// Taken from catalogs as it stands.
    Listed,
    /// Believed shut; hidden.
    Closed,
}

/// How the app's API is reached.
#[derive(Clone, Debug, Default)]
pub struct Api {
    /// Prefix of relative paths.
    pub base: Option<Template>,
    /// The only hosts that ever see a secret or a token.
    pub hosts: Vec<HostPattern>,
    /// Self-hosted apps: any public host.
    pub open_hosts: bool,
    /// Sent with every call.
    pub headers: Templates,
    /// The call that shows whether credentials work.
    pub test: Option<Request>,
    /// Where the identity of the upstream account is found.
    pub account: Option<Account>,
    /// Which reply means that credentials ran out.
    pub expired: Expired,
}

/// Paths to the upstream account's identity.
#[derive(Clone, Debug)]
pub struct Account {
    /// Dotted path to a stable id, or the name of a kept value.
    pub id: String,
    /// Dotted path or name of something a person recognises.
    pub label: Option<String>,
    /// Which reply holds them.
    pub from: AccountFrom,
}

/// Which reply names the upstream account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AccountFrom {
    /// The reply to `api.test`.
    #[default]
    Test,
    /// The token reply.
    Token,
    /// The claims of the token reply's `id_token`, which came straight from the provider.
    IdToken,
    /// A value that some `keep` kept; the label may also stand in the reply to `api.test`.
    Kept,
}

/// Which reply means that credentials ran out.
#[derive(Clone, Debug)]
pub struct Expired {
    /// Any of these statuses.
    pub status: Vec<u16>,
    /// And, when given, this dotted path in the body …
    pub field: Option<String>,
    /// … has this value.
    pub equals: Option<Value>,
}

impl Default for Expired {
    fn default() -> Self {
        Self { status: vec![401], field: None, equals: None }
    }
}

/// A connector parameter: what the developer sets and the customer never sees.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// JSON Schema of the value.
    pub schema: Value,
    /// Value → the names it sets.
    pub sets: BTreeMap<String, BTreeMap<String, String>>,
    /// Accepted only inside the token or from a backend call.
    pub signed: bool,
    /// Only on the integration.
    pub integration_only: bool,
    /// Sealed and masked.
    pub secret: bool,
}
