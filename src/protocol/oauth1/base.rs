//! The text that is signed, and its signature. RFC 5849 §3.4 and §3.6.
//!
//! Both sides of the wire compute the same, so this serves for signing and for checking.

use std::fmt::Write as _;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Method;
use url::Url;

/// How a request is signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignatureMethod {
    /// §3.4.2.
    HmacSha1,
    /// As §3.4.2 with SHA-256; in no RFC, but in use.
    HmacSha256,
    /// §3.4.4: the secrets themselves, for TLS only.
    Plaintext,
}

impl SignatureMethod {
    /// Reads `oauth_signature_method`; names are case-sensitive.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::HmacSha1, Self::HmacSha256, Self::Plaintext].into_iter().find(|method| method.as_str() == name)
    }

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HmacSha1 => "HMAC-SHA1",
            Self::HmacSha256 => "HMAC-SHA256",
            Self::Plaintext => "PLAINTEXT",
        }
    }
}

/// The signature base string. §3.4.1.
///
/// `params` are all decoded parameters of the protocol, the query and a form body, without
/// `oauth_signature` and `realm`. The address's own query is not looked at.
pub fn base_string(method: &Method, url: &Url, params: &[(String, String)]) -> String {
    let method = percent_encode(&method.as_str().to_ascii_uppercase());
    format!("{method}&{}&{}", percent_encode(&base_address(url)), percent_encode(&normalized(params)))
}

/// The signature, not yet encoded for its place. §3.4.2, §3.4.4.
pub fn signature(method: SignatureMethod, base: &str, client_secret: &str, token_secret: &str) -> String {
    // The ampersand stands there even when a secret is empty.
    let key = format!("{}&{}", percent_encode(client_secret), percent_encode(token_secret));
    let algorithm = match method {
        SignatureMethod::Plaintext => return key,
        SignatureMethod::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        SignatureMethod::HmacSha256 => hmac::HMAC_SHA256,
    };
    STANDARD.encode(hmac::sign(&hmac::Key::new(algorithm, key.as_bytes()), base.as_bytes()))
}

/// RFC 3986 encoding of everything that is not unreserved, in upper-case hexadecimal. §3.6.
pub fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a string never fails");
        }
    }
    encoded
}

/// §3.4.1.2. `Url` already has scheme and host in lower case and drops a default port.
fn base_address(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

/// §3.4.1.3.2: encoded first, then sorted by bytes; equal ones all stay.
fn normalized(params: &[(String, String)]) -> String {
    let mut encoded: Vec<(String, String)> =
        params.iter().map(|(name, value)| (percent_encode(name), percent_encode(value))).collect();
    encoded.sort_unstable();
    encoded.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}
