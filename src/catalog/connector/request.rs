//! One call the engine makes, and the calls made of it.

use std::collections::BTreeMap;

use http::Method;
use serde_json::Value;

use super::{Template, Templates};

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
