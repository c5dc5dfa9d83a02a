//! Signs a call that is otherwise ready to leave. RFC 5849 §3.1 to §3.5.

use http::header;
use url::{Host, Url, form_urlencoded};

use super::base::{SignatureMethod, base_string, percent_encode, signature};
use crate::{
    model::Secret,
    protocol::{
        call::{Call, CallError},
        oauth2::Client,
    },
};

/// A token and its secret, temporary or final.
#[derive(Clone, Copy)]
pub struct Token<'a> {
    /// Goes into the call.
    pub token: &'a str,
    /// Only signs; may be empty.
    pub secret: &'a str,
}

/// What a signature is made of.
#[derive(Clone, Copy)]
pub struct Signing<'a> {
    /// How to sign.
    pub method: SignatureMethod,
    /// Realm of the header; it is not signed.
    pub realm: Option<&'a str>,
    /// The client, called consumer before the RFC.
    pub client: &'a Client,
    /// None for the first call of a flow.
    pub token: Option<Token<'a>>,
    /// Unique for time, client and token (§3.3).
    pub nonce: &'a str,
    /// Seconds since 1970 by the provider's clock.
    pub timestamp: i64,
}

/// Adds `Authorization: OAuth …`. `extra` are `oauth_callback` or `oauth_verifier`.
///
/// Query and form body are signed, any other body is not (§3.4.1.3.1); so nothing about the call
/// may change afterwards. PLAINTEXT shows the secrets: it is refused outside TLS and loopback.
pub fn sign(call: &mut Call, signing: &Signing<'_>, extra: &[(&str, &str)]) -> Result<(), CallError> {
    if signing.method == SignatureMethod::Plaintext && !is_confidential(&call.url) {
        return Err(CallError::Unsupported("an OAuth 1 PLAINTEXT signature without TLS"));
    }
    let mut protocol = protocol_params(signing, extra);
    let mut signed = protocol.clone();
    signed.extend(call.url.query_pairs().into_owned());
    if is_form(call) {
        signed.extend(form_urlencoded::parse(&call.body).into_owned());
    }
    signed.retain(|(name, _)| name != "oauth_signature");
    let base = base_string(&call.method, &call.url, &signed);
    let client_secret = signing.client.secret.as_ref().map_or("", |secret| secret.expose().as_str());
    let token_secret = signing.token.map_or("", |token| token.secret);
    let signature = Secret::new(signature(signing.method, &base, client_secret, token_secret));
    protocol.push(("oauth_signature".to_owned(), signature.expose().clone()));
    call.set_header(header::AUTHORIZATION.as_str(), &header_value(signing.realm, &protocol))
}

/// §3.1, in the order the RFC's examples have them.
fn protocol_params(signing: &Signing<'_>, extra: &[(&str, &str)]) -> Vec<(String, String)> {
    let timestamp = signing.timestamp.to_string();
    let token = signing.token.map(|token| ("oauth_token", token.token));
    [("oauth_consumer_key", signing.client.id.as_str())]
        .into_iter()
        .chain(token)
        .chain([
            ("oauth_signature_method", signing.method.as_str()),
            ("oauth_timestamp", timestamp.as_str()),
            ("oauth_nonce", signing.nonce),
            // Optional in the RFC, demanded by several providers.
            ("oauth_version", "1.0"),
        ])
        .chain(extra.iter().copied())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// §3.5.1. The realm is a quoted string of RFC 9110, not an encoded parameter.
fn header_value(realm: Option<&str>, params: &[(String, String)]) -> String {
    let realm = realm.map(|realm| format!("realm=\"{}\"", realm.replace('\\', "\\\\").replace('"', "\\\"")));
    let params =
        params.iter().map(|(name, value)| format!("{}=\"{}\"", percent_encode(name), percent_encode(value)));
    format!("OAuth {}", realm.into_iter().chain(params).collect::<Vec<_>>().join(", "))
}

/// A single-part form (§3.4.1.3.1), whatever the case and parameters of its label.
fn is_form(call: &Call) -> bool {
    let label = call.headers.get(header::CONTENT_TYPE).and_then(|label| label.to_str().ok());
    let essence = label.and_then(|label| label.split(';').next()).unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn is_confidential(url: &Url) -> bool {
    url.scheme() == "https"
        || match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
}
