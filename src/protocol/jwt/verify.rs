//! From a token to claims that can be believed.

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::{Map, Value};

use super::{
    Claims, Keys, TokenError, check_secret,
    claims::text,
    keys::Family,
    wire::{Header, Wire},
};
use crate::model::Timestamp;

/// Seconds by which two clocks may differ.
const LEEWAY: i64 = 60;

/// Seconds a token without `exp` is good for after its `iat`.
const MAX_AGE_WITHOUT_EXP: i64 = 24 * 60 * 60;

/// Bytes the name of a workspace may have.
const MAX_ISSUER_BYTES: usize = 256;

/// 9999-12-31T23:59:59Z; later numbers are mistakes such as milliseconds.
const MAX_SECONDS: i64 = 253_402_300_799;

/// The workspace a token says it is for. Not yet checked: good for finding keys only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Issuer {
    /// A workspace's key, from `iss` or `workspaceKey`.
    Key(String),
    /// A workspace's id, from `workspace_id`.
    Id(String),
}

/// What a workspace lets tokens do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// How far ahead `exp` may lie.
    pub max_lifetime: Duration,
    /// Accept tokens without `exp`.
    pub allow_without_exp: bool,
}

/// Which workspace's keys to check the token with.
pub fn issuer(token: &str) -> Result<Issuer, TokenError> {
    let members = Wire::cut(token)?.claims()?;
    let iss = named(&members, "iss")?;
    let key = named(&members, "workspaceKey")?;
    if let (Some(iss), Some(key)) = (&iss, &key)
        && iss != key
    {
        return Err(TokenError::Conflict("iss"));
    }
    if let Some(key) = iss.or(key) {
        return Ok(Issuer::Key(key));
    }
    named(&members, "workspace_id")?.map(Issuer::Id).ok_or(TokenError::MissingIssuer)
}

/// Checks signature, times and shape, and reads the claims.
///
/// `keys` are those of the workspace that [`issuer`] names, so a good signature also proves `iss`.
pub fn verify(token: &str, keys: &Keys, rules: &Rules, now: Timestamp) -> Result<Claims, TokenError> {
    let wire = Wire::cut(token)?;
    let signed_by = check_signature(&wire, &wire.header()?, keys, now)?;
    let members = wire.claims()?;
    let expires_at = check_times(&members, rules, now)?;
    Ok(Claims { signed_by, ..Claims::read(members, expires_at)? })
}

/// The public key that signed, by its owner's name for it.
fn check_signature(
    wire: &Wire<'_>,
    header: &Header,
    keys: &Keys,
    now: Timestamp,
) -> Result<Option<String>, TokenError> {
    let (family, algorithm, name) = Family::of(&header.alg).ok_or(TokenError::UnsupportedAlgorithm)?;
    let candidates = candidates(keys, family, now);
    if candidates.is_empty() {
        return Err(TokenError::AlgorithmNotAllowed(name));
    }
    let mut tried = candidates
        .iter()
        .filter(|candidate| header.kid.is_none() || candidate.kid == header.kid.as_deref())
        .peekable();
    if tried.peek().is_none() {
        return Err(TokenError::UnknownKey);
    }
    let signed = tried.find(|candidate| is_signed(wire, &candidate.key, algorithm));
    signed.map(|candidate| candidate.row.map(str::to_owned)).ok_or(TokenError::BadSignature)
}

/// A key that may have signed.
struct Candidate<'k> {
    kid: Option<&'k str>,
    row: Option<&'k str>,
    key: DecodingKey,
}

/// Keys on file that can check this family now. A secret that is too weak or is a PEM never counts.
fn candidates(keys: &Keys, family: Family, now: Timestamp) -> Vec<Candidate<'_>> {
    if family == Family::Hmac {
        let strong = keys.secrets.iter().filter(|secret| check_secret(secret.expose()).is_ok());
        return strong
            .map(|secret| Candidate { kid: None, row: None, key: DecodingKey::from_secret(secret.expose()) })
            .collect();
    }
    let fitting = keys.public.iter().filter(|key| key.family() == family && key.counts(now));
    fitting.map(|key| Candidate { kid: key.kid(), row: key.row(), key: key.decoding_key().clone() }).collect()
}

fn is_signed(wire: &Wire<'_>, key: &DecodingKey, algorithm: Algorithm) -> bool {
    crypto::verify(wire.signature, wire.message.as_bytes(), key, algorithm).unwrap_or(false)
}

fn check_times(
    members: &Map<String, Value>,
    rules: &Rules,
    now: Timestamp,
) -> Result<Option<Timestamp>, TokenError> {
    let (exp, nbf, iat) = (seconds(members, "exp")?, seconds(members, "nbf")?, seconds(members, "iat")?);
    let now = now.seconds();
    if nbf.into_iter().chain(iat).any(|start| start > now.saturating_add(LEEWAY)) {
        return Err(TokenError::NotYetValid);
    }
    let Some(exp) = exp else {
        return match iat {
            _ if !rules.allow_without_exp => Err(TokenError::MissingExpiry),
            Some(iat) if now > iat.saturating_add(MAX_AGE_WITHOUT_EXP + LEEWAY) => Err(TokenError::Expired),
            _ => Ok(None),
        };
    };
    if now >= exp.saturating_add(LEEWAY) {
        return Err(TokenError::Expired);
    }
    let lifetime = i64::try_from(rules.max_lifetime.as_secs()).unwrap_or(i64::MAX);
    if exp > now.saturating_add(lifetime).saturating_add(LEEWAY) {
        return Err(TokenError::LifetimeTooLong);
    }
    Ok(Some(Timestamp::from_seconds(exp)))
}

/// A whole, non-negative number of seconds since 1970; nothing else is a time here.
fn seconds(members: &Map<String, Value>, claim: &'static str) -> Result<Option<i64>, TokenError> {
    match members.get(claim) {
        None => Ok(None),
        Some(value) => value
            .as_i64()
            .filter(|seconds| (0..=MAX_SECONDS).contains(seconds))
            .map(Some)
            .ok_or(TokenError::InvalidClaim(claim)),
    }
}

fn named(members: &Map<String, Value>, claim: &'static str) -> Result<Option<String>, TokenError> {
    match text(members, claim)? {
        Some(name) if name.is_empty() || name.len() > MAX_ISSUER_BYTES => {
            Err(TokenError::InvalidClaim(claim))
        }
        name => Ok(name),
    }
}
