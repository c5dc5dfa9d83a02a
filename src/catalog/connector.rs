//! What a connector says: how one app is authenticated and called. Data, never code.
//!
//! These are the parsed, checked forms; [`super::parse`] makes them from a file and refuses
//! everything that does not fit. The keys and their meaning are in `docs/connector-format.md`.

use std::collections::BTreeMap;

use http::Method;
use serde_json::Value;

use super::{host::HostPattern, template::Template};

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
    /// Dotted path to a stable id.
    pub id: String,
    /// Dotted path to something a person recognises.
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

/// One way to authenticate.
#[derive(Clone, Debug)]
pub struct AuthOption {
    /// Unique in the file (`authOptionKey`).
    pub key: String,
    /// What the customer reads when there is a choice.
    pub title: String,
    /// The method.
    pub kind: AuthType,
    /// Where the vendor explains it to the customer.
    pub help_url: Option<String>,
    /// Shown beside the title: sandbox, staging.
    pub environment: Option<String>,
    /// Another OAuth client than the integration's.
    pub client: Option<Client>,
    /// How the client proves itself at the token endpoint.
    pub client_auth: ClientAuth,
    /// RFC 7636, method S256.
    pub pkce: bool,
    /// RFC 9207: the `iss` the callback must carry.
    pub issuer: Option<String>,
    /// RFC 8707 resource indicator.
    pub resource: Option<String>,
    /// What is asked for.
    pub scopes: Scopes,
    /// Standard parameter name → the provider's; an empty name is not sent.
    pub names: BTreeMap<String, String>,
    /// Another redirect address than our callback.
    pub redirect_uri: Option<Template>,
    /// What the callback carries.
    pub callback: Callback,
    /// OAuth 1: first call.
    pub request_token: Option<Request>,
    /// Where the customer's browser goes.
    pub authorize: Option<Request>,
    /// Where the grant becomes a token.
    pub token: Option<Request>,
    /// A second call that swaps the fresh token.
    pub exchange: Option<Request>,
    /// How a token is renewed; none means never.
    pub refresh: Option<Refresh>,
    /// How a token is given back.
    pub revoke: Option<Request>,
    /// Calls that find out what the account has.
    pub discover: Vec<Discover>,
    /// A token signed by us (`{{jwt}}`).
    pub jwt: Option<Jwt>,
    /// OAuth 1 signing.
    pub signature: Option<Signature>,
    /// OAuth 1 tokens without a redirect.
    pub token_static: Option<TokenStatic>,
    /// How credentials go into a call.
    pub usage: Usage,
    /// What the customer types.
    pub fields: Vec<Field>,
    /// Replaces the connector's `[api]` for this option.
    pub api: Option<Api>,
    /// `proxy`: the developer's own page.
    pub url: Option<Template>,
}

/// The method of an auth option.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AuthType {
    /// OAuth 2 authorization code.
    OAuth2,
    /// OAuth 1.0a.
    OAuth1,
    /// OAuth 2 client credentials.
    ClientCredentials,
    /// A key the customer pastes.
    ApiKey,
    /// User name and password.
    Basic,
    /// Any fields.
    Custom,
    /// A token signed by us.
    Jwt,
    /// Input traded for a token.
    TokenExchange,
    /// The developer's own page collects the credentials.
    Proxy,
    /// A token of the workspace, for the developer's own API.
    MembraneToken,
}

/// OAuth client of an option, as templates.
#[derive(Clone, Debug)]
pub struct Client {
    /// Client id.
    pub id: Template,
    /// Client secret.
    pub secret: Option<Template>,
}

/// How the client proves itself at the token endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ClientAuth {
    /// `client_id` and `client_secret` as parameters.
    #[default]
    Body,
    /// HTTP Basic, parts form-encoded first (RFC 6749 §2.3.1).
    Basic,
    /// HTTP Basic with the raw parts.
    BasicRaw,
    /// RFC 7523 assertion.
    PrivateKeyJwt,
    /// Nothing.
    None,
}

/// Scopes of an option.
#[derive(Clone, Debug)]
pub struct Scopes {
    /// Asked for when the integration names none.
    pub default: Vec<String>,
    /// Between two scopes.
    pub separator: String,
    /// Name of the parameter.
    pub param: String,
    /// Which request carries it.
    pub at: ScopeAt,
    /// Further scope parameters.
    pub params: BTreeMap<String, Vec<String>>,
    /// Scope → what it allows, in words.
    pub titles: BTreeMap<String, String>,
    /// False when the provider knows no scopes.
    pub supported: bool,
    /// Repeated on refresh.
    pub on_refresh: bool,
}

impl Default for Scopes {
    fn default() -> Self {
        Self {
            default: Vec::new(),
            separator: " ".to_owned(),
            param: "scope".to_owned(),
            at: ScopeAt::Authorize,
            params: BTreeMap::new(),
            titles: BTreeMap::new(),
            supported: true,
            on_refresh: false,
        }
    }
}

/// Which request carries the scopes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScopeAt {
    /// The authorize address.
    Authorize,
    /// OAuth 1's first call.
    RequestToken,
    /// The token call.
    Token,
}

/// What a callback carries.
#[derive(Clone, Debug)]
pub struct Callback {
    /// Name of the code parameter.
    pub code: String,
    /// Name → callback parameter to keep.
    pub keep: BTreeMap<String, String>,
    /// Parameters repeated in the token request.
    pub echo: Vec<String>,
    /// Parameters that must equal a template.
    pub matching: Templates,
    /// A signature over the parameters.
    pub signature: Option<CallbackSignature>,
}

impl Default for Callback {
    fn default() -> Self {
        Self {
            code: "code".to_owned(),
            keep: BTreeMap::new(),
            echo: Vec::new(),
            matching: Vec::new(),
            signature: None,
        }
    }
}

/// A signature over the callback's parameters.
#[derive(Clone, Debug)]
pub struct CallbackSignature {
    /// The parameter that holds it.
    pub param: String,
    /// `HMAC-SHA256`.
    pub algorithm: String,
    /// `hex` or `base64`.
    pub encoding: String,
    /// The key.
    pub key: Template,
}

/// One call the engine makes.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where it goes.
    pub target: Target,
    /// HTTP method.
    pub method: Method,
    /// How parameters travel.
    pub format: Format,
    /// Extra parameters.
    pub params: Templates,
    /// A JSON body with templates in its strings.
    pub body: Option<Value>,
    /// Extra headers.
    pub headers: Templates,
    /// HTTP Basic.
    pub basic: Option<Basic>,
    /// Standard reply name → dotted path.
    pub map: BTreeMap<String, String>,
    /// Name → dotted path in the reply to keep.
    pub keep: BTreeMap<String, String>,
    /// An error inside a 2xx reply.
    pub error: Option<ErrorField>,
    /// Seconds a token lives when the reply does not say.
    pub expires_in: Option<u64>,
}

/// Where a call goes.
#[derive(Clone, Debug)]
pub enum Target {
    /// A whole address.
    Url(Template),
    /// A path after `api.base`.
    Path(Template),
}

/// How parameters travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/json`.
    Json,
    /// In the address.
    Query,
}

/// HTTP Basic as templates.
#[derive(Clone, Debug)]
pub struct Basic {
    /// User name.
    pub username: Template,
    /// Password.
    pub password: Template,
}

/// How an error hides inside a 2xx reply.
#[derive(Clone, Debug)]
pub struct ErrorField {
    /// Dotted path that tells.
    pub field: String,
    /// The value that means good; without one, presence means error.
    pub ok: Option<Value>,
    /// Dotted path to the provider's words.
    pub message: Option<String>,
}

/// How a token is renewed.
#[derive(Clone, Debug)]
pub struct Refresh {
    /// Where, when not as `token`.
    pub request: Option<Request>,
    /// The refresh token changes with each use.
    pub rotates: Option<bool>,
    /// Seconds a refresh token lives.
    pub expires_in: Option<u64>,
    /// The request is sent as written, without standard parameters.
    pub template: bool,
}

/// A call that finds out what the account has.
#[derive(Clone, Debug)]
pub struct Discover {
    /// The call.
    pub request: Request,
    /// Dotted path to the list; none when the reply is the list.
    pub items: Option<String>,
    /// Which items count.
    pub filter: BTreeMap<String, Value>,
    /// Lets the customer choose.
    pub pick: Option<Pick>,
}

/// How an item is shown for choosing.
#[derive(Clone, Debug)]
pub struct Pick {
    /// Dotted path to its id.
    pub id: String,
    /// Dotted path to its name.
    pub label: String,
}

/// A token signed by us.
#[derive(Clone, Debug)]
pub struct Jwt {
    /// `RS256`, `ES256`, `HS256` …
    pub algorithm: String,
    /// The signing key.
    pub key: Template,
    /// Extra header members.
    pub header: Templates,
    /// Claims.
    pub claims: Templates,
    /// Seconds it lives.
    pub expires_in: u64,
}

/// OAuth 1 signing.
#[derive(Clone, Debug)]
pub struct Signature {
    /// `HMAC-SHA1`, `HMAC-SHA256` or `PLAINTEXT`.
    pub method: String,
    /// Realm of the header.
    pub realm: Option<Template>,
}

/// OAuth 1 tokens without a redirect.
#[derive(Clone, Debug)]
pub struct TokenStatic {
    /// Token.
    pub token: Template,
    /// Token secret.
    pub secret: Template,
}

/// How credentials go into a call.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    /// Headers; one that names an empty optional field is left out.
    pub headers: Templates,
    /// Query parameters.
    pub query: Templates,
    /// HTTP Basic.
    pub basic: Option<Basic>,
    /// OAuth 1 signature.
    pub sign: bool,
}

/// One thing the customer types.
#[derive(Clone, Debug)]
pub struct Field {
    /// Name in `input` and in templates.
    pub name: String,
    /// Label.
    pub title: String,
    /// Help below the field.
    pub help: Option<String>,
    /// Sealed, never returned.
    pub secret: bool,
    /// Must be filled.
    pub required: bool,
    /// JSON Schema type: `string`, `number`, `integer`, `boolean`.
    pub kind: String,
    /// Regular expression of the whole value.
    pub pattern: Option<String>,
    /// Shown as a placeholder.
    pub example: Option<String>,
    /// Used when left empty.
    pub default: Option<String>,
    /// The allowed values and what the customer reads.
    pub options: Vec<(String, String)>,
    /// Values offered, others allowed.
    pub suggestions: Vec<String>,
    /// Fixed text shown behind the field, not part of the value.
    pub suffix: Option<String>,
    /// Computed from another field.
    pub derive: Option<Derive>,
    /// Cut into parts.
    pub split: Option<Split>,
}

/// A value computed from another field.
#[derive(Clone, Debug)]
pub struct Derive {
    /// The other field.
    pub from: String,
    /// Its first group is the value.
    pub regex: String,
}

/// A value cut into parts.
#[derive(Clone, Debug)]
pub struct Split {
    /// The separator.
    pub on: String,
    /// Names of the parts.
    pub into: Vec<String>,
}
