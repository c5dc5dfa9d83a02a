//! Tokens a provider asks us to sign: app tokens, assertions, client secrets. RFC 7519, RFC 7523.
//!
//! The key is the integration's or the customer's; no key of a workspace's own sessions comes here.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, crypto};
use serde_json::{Map, Value, json};

use super::{keys::Family, private_key::PrivateKey};
use crate::model::{Secret, Timestamp};

/// Seconds a client assertion lives.
const ASSERTION_LIFE: u64 = 60;

/// From this life on `iat` is set back, so that a provider whose clock is behind takes the token: GitHub
/// advises it, and takes ten minutes at most.
const LONG_LIFE: u64 = 540;

/// By how much.
const SET_BACK: i64 = 60;

/// What a token is made of.
#[derive(Clone, Copy)]
pub struct Minting<'a> {
    /// `RS256`, `ES256`, `HS256` …
    pub algorithm: &'a str,
    /// A PEM for RS, PS, ES and EdDSA, the secret's own bytes for HS.
    pub key: &'a Secret<String>,
    /// Further header members; empty ones are left out, `alg` is never taken from here.
    pub header: &'a [(String, String)],
    /// Claims; `iat`, `exp` and `jti` are added unless they are here.
    pub claims: &'a Map<String, Value>,
    /// The time.
    pub now: Timestamp,
    /// Seconds the token lives.
    pub expires_in: u64,
    /// `jti`: different for each token.
    pub id: &'a str,
}

/// Why a token cannot be signed. No variant carries anything of the key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MintError {
    /// No such algorithm, or none that is offered.
    #[error("the signing algorithm is not supported: use RS, PS, ES or HS with 256, 384 or 512, or EdDSA")]
    UnsupportedAlgorithm,
    /// Nothing to sign with.
    #[error("the signing key is empty")]
    EmptyKey,
    /// No PEM block.
    #[error("the signing key is not PEM: expected `-----BEGIN PRIVATE KEY-----`")]
    NotPem,
    /// The public half or a certificate.
    #[error("the signing key is not a private key")]
    NotPrivate,
    /// A passphrase would be needed.
    #[error("the signing key is encrypted: remove its passphrase, for example with `openssl pkey`")]
    Encrypted,
    /// Another kind of key.
    #[error("the signing key is of an unsupported kind: use RSA, EC on P-256 or P-384, or Ed25519")]
    UnsupportedKey,
    /// A key of one kind, an algorithm of another.
    #[error("the signing key does not fit the signing algorithm")]
    WrongKind,
    /// The bytes inside are damaged, or the key is too weak.
    #[error("the signing key is damaged or too weak")]
    Damaged,
}

/// Signs a token.
pub fn mint(minting: &Minting<'_>) -> Result<Secret<String>, MintError> {
    let (family, algorithm, name) = Family::of(minting.algorithm).ok_or(MintError::UnsupportedAlgorithm)?;
    let key = signing_key(family, minting.key)?;
    let message = format!("{}.{}", encoded(header(name, minting.header)), encoded(claims(minting)));
    let signature = crypto::sign(message.as_bytes(), &key, algorithm).map_err(|_| MintError::Damaged)?;
    Ok(Secret::new(format!("{message}.{signature}")))
}

/// The algorithm a key is used with when nothing else is said; `None` when it is no private PEM.
pub fn algorithm_of(key: &Secret<String>) -> Option<&'static str> {
    match PrivateKey::read(key.expose()).ok()?.family {
        Family::Rsa => Some("RS256"),
        Family::P256 => Some("ES256"),
        Family::P384 => Some("ES384"),
        Family::Ed25519 => Some("EdDSA"),
        Family::Hmac => None,
    }
}

/// The token by which a client proves itself (`private_key_jwt`). RFC 7523 §3.
pub fn client_assertion(
    client_id: &str,
    key: &Secret<String>,
    audience: &str,
    algorithm: Option<&str>,
    header: &[(String, String)],
    now: Timestamp,
    id: &str,
) -> Result<Secret<String>, MintError> {
    let algorithm = match algorithm {
        Some(algorithm) => algorithm,
        None => {
            PrivateKey::read(key.expose())?;
            algorithm_of(key).ok_or(MintError::UnsupportedKey)?
        }
    };
    let claims = Map::from_iter([
        ("iss".to_owned(), Value::from(client_id)),
        ("sub".to_owned(), Value::from(client_id)),
        ("aud".to_owned(), Value::from(audience)),
    ]);
    mint(&Minting { algorithm, key, header, claims: &claims, now, expires_in: ASSERTION_LIFE, id })
}

fn signing_key(family: Family, key: &Secret<String>) -> Result<EncodingKey, MintError> {
    if key.expose().trim().is_empty() {
        return Err(MintError::EmptyKey);
    }
    if family == Family::Hmac {
        return Ok(EncodingKey::from_secret(key.expose().as_bytes()));
    }
    let read = PrivateKey::read(key.expose())?;
    if read.family == family { Ok(read.key) } else { Err(MintError::WrongKind) }
}

fn header(algorithm: &str, further: &[(String, String)]) -> Map<String, Value> {
    let mut header = Map::from_iter([("typ".to_owned(), json!("JWT"))]);
    let filled = further.iter().filter(|(_, value)| !value.is_empty());
    header.extend(filled.map(|(name, value)| (name.clone(), Value::from(value.as_str()))));
    header.insert("alg".to_owned(), Value::from(algorithm));
    header
}

fn claims(minting: &Minting<'_>) -> Map<String, Value> {
    let now = minting.now.seconds();
    let issued = if minting.expires_in >= LONG_LIFE { now.saturating_sub(SET_BACK) } else { now };
    let life = i64::try_from(minting.expires_in).unwrap_or(i64::MAX);
    let mut claims = minting.claims.clone();
    claims.entry("iat").or_insert_with(|| Value::from(issued));
    claims.entry("exp").or_insert_with(|| Value::from(now.saturating_add(life)));
    claims.entry("jti").or_insert_with(|| Value::from(minting.id));
    claims
}

fn encoded(members: Map<String, Value>) -> String {
    URL_SAFE_NO_PAD.encode(Value::Object(members).to_string())
}

#[cfg(test)]
#[path = "mint_tests.rs"]
mod tests;
