//! Standard Webhooks 1.0: secrets, and the signature over a message.
//!
//! Signed is `id.timestamp.body` with HMAC-SHA256. While a secret is being replaced a message carries a
//! signature of each, so that a receiver may change over at any moment.

use std::fmt::Write as _;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::model::{Secret, Timestamp};

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// Bytes that a secret may have.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Name of the message: the same however often it is sent.
pub const ID: HeaderName = HeaderName::from_static("webhook-id");
/// When it was sent, in seconds since 1970.
pub const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
/// `v1,BASE64`, one for each secret, separated by spaces.
pub const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Why a text is no secret of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a webhook's secret is `whsec_` and 24 to 64 random bytes in base64")]
pub struct BadSecret;

/// Bytes that sign messages.
pub struct SigningKey(Secret<Vec<u8>>);

impl SigningKey {
    /// A key of these bytes.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(Secret::new(bytes))
    }

    /// Reads `whsec_BASE64`.
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX).ok_or(BadSecret)?).map_err(|_| BadSecret)?;
        BYTES.contains(&bytes.len()).then(|| Self::from_bytes(bytes)).ok_or(BadSecret)
    }

    /// `whsec_BASE64`, as a receiver needs it.
    pub fn text(&self) -> Secret<String> {
        Secret::new(format!("{PREFIX}{}", STANDARD.encode(self.0.expose())))
    }

    /// The bytes, to be sealed.
    pub fn bytes(&self) -> &[u8] {
        self.0.expose()
    }

    /// `v1,BASE64` over a message.
    fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut signing = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, self.0.expose()));
        signing.update(format!("{id}.{timestamp}.").as_bytes());
        signing.update(body);
        format!("v1,{}", STANDARD.encode(signing.sign()))
    }
}

/// The headers of message `id`, sent `now`, with a signature of each key. Without a key it is unsigned.
pub fn headers(id: &str, now: Timestamp, body: &[u8], keys: &[SigningKey]) -> HeaderMap {
    let timestamp = now.seconds();
    let mut signatures = String::new();
    for key in keys {
        let joint = if signatures.is_empty() { "" } else { " " };
        write!(signatures, "{joint}{}", key.sign(id, timestamp, body))
            .expect("writing to a string never fails");
    }
    let mut headers = HeaderMap::new();
    let id = HeaderValue::from_str(id);
    headers.extend(id.map(|id| (ID, id)));
    headers.insert(TIMESTAMP, HeaderValue::from(timestamp));
    let signatures = HeaderValue::from_str(&signatures).ok().filter(|_| !keys.is_empty());
    headers.extend(signatures.map(|signatures| (SIGNATURE, signatures)));
    headers
}

#[cfg(test)]
#[path = "webhook_tests.rs"]
mod tests;
