//! Tokens made here: for trying things out from the command line.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::Value;

use crate::model::Secret;

/// Signs claims with a workspace's secret.
pub fn sign_hs256(secret: &Secret<Vec<u8>>, claims: &Value) -> Secret<String> {
    let header = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
    let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let key = EncodingKey::from_secret(secret.expose());
    let signature =
        crypto::sign(message.as_bytes(), &key, Algorithm::HS256).expect("HMAC takes a key of any length");
    Secret::new(format!("{message}.{signature}"))
}
