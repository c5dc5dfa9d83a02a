//! One way to authenticate: what is asked for, what comes back, what the customer types.

use std::collections::BTreeMap;

use super::{Api, Basic, Discover, Refresh, Request, Template, Templates};

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
    /// RFC 9126: the authorize parameters are handed over here first.
    pub par: Option<Request>,
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
