//! Pushed authorization requests: the authorize parameters go from server to server, and the
//! browser carries a reference to them only. RFC 9126.

use url::Url;

use super::{AuthorizeAsk, BINDING, Client, authenticated, authorize_url};
use crate::{
    catalog::connector::AuthOption,
    model::{Timestamp, redirect::append_query},
    protocol::{
        call::{Call, CallError, Reply},
        endpoint::Endpoint,
        params::{Params, is_one_of, put, without},
        token_reply::{TokenRefusal, judged},
    },
};

/// Bytes a reference may have: it must fit into an address.
const MAX_REFERENCE_BYTES: usize = 2048;

/// The call that hands the authorize parameters over. RFC 9126 §2.1.
///
/// `endpoint` is that of `par`, `authorize` the one whose address would carry the parameters, the
/// connector's own ones too. What binds the attempt is not the connector's to set here either.
pub fn pushed_request(
    option: &AuthOption,
    endpoint: &Endpoint,
    client: &Client,
    ask: &AuthorizeAsk<'_>,
    authorize: &Endpoint,
) -> Result<Call, CallError> {
    let address = authorize_url(option, authorize, ask);
    let is_reference = |name: &str| is_one_of(option, &["request_uri"], name);
    let params: Params = address.query_pairs().into_owned().filter(|(name, _)| !is_reference(name)).collect();
    let mut endpoint = endpoint.clone();
    endpoint.params.retain(|(name, _)| !is_one_of(option, &BINDING, name) && !is_reference(name));
    authenticated(option, &endpoint, client, params)
}

/// The reference in the answer. RFC 9126 §2.2.
pub fn pushed_reply(reply: &Reply, now: Timestamp) -> Result<String, TokenRefusal> {
    let body = judged(None, reply, now)?;
    let reference = body.get("request_uri").and_then(|reference| reference.as_str()).unwrap_or_default();
    let fits = (1..=MAX_REFERENCE_BYTES).contains(&reference.len())
        && reference.bytes().all(|b| b.is_ascii_graphic());
    if fits { Ok(reference.to_owned()) } else { Err(TokenRefusal::Unreadable("no request_uri")) }
}

/// Where the browser goes after the parameters were pushed. RFC 9126 §4.
pub fn pushed_authorize_url(
    option: &AuthOption,
    authorize: &Endpoint,
    client_id: &str,
    request_uri: &str,
) -> Url {
    let mut params = Params::new();
    put(&mut params, option, "client_id", client_id);
    put(&mut params, option, "request_uri", request_uri);
    let mut url = without(&authorize.url, &|given| params.iter().any(|(name, _)| name == given));
    append_query(&mut url, params.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    url.set_fragment(None);
    url
}
