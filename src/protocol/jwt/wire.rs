//! The three parts of a token as bytes: size, shape, header.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{MAX_TOKEN_BYTES, TokenError};
use crate::protocol::json::{JsonFault, strict_object};

/// Levels of JSON a header or the claims may have.
const MAX_DEPTH: usize = 16;

/// Characters a `kid` may have.
const MAX_KID: usize = 256;

/// Headers that ask for a processing we do not do.
const CRITICAL: [&str; 2] = ["crit", "b64"];

/// Headers that bring or point at a key, or say that the token is encrypted or packed.
const FORBIDDEN: [&str; 7] = ["jku", "x5u", "jwk", "x5c", "enc", "zip", "epk"];

/// A token cut into its parts; nothing in it is believed yet.
pub(super) struct Wire<'t> {
    /// What the signature covers.
    pub message: &'t str,
    /// The signature, still base64url.
    pub signature: &'t str,
    header: Vec<u8>,
    claims: Vec<u8>,
}

/// What the header says.
pub(super) struct Header {
    pub alg: String,
    pub kid: Option<String>,
}

impl<'t> Wire<'t> {
    pub(super) fn cut(token: &'t str) -> Result<Self, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLarge);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(TokenError::Malformed)?;
        let header = decode(header)?;
        let claims = decode(claims)?;
        decode(signature)?;
        Ok(Self { message, signature, header, claims })
    }

    pub(super) fn header(&self) -> Result<Header, TokenError> {
        let members = object(&self.header)?;
        if let Some(name) = CRITICAL.into_iter().find(|name| members.contains_key(*name)) {
            return Err(TokenError::CriticalHeader(name));
        }
        if let Some(name) = FORBIDDEN.into_iter().find(|name| members.contains_key(*name)) {
            return Err(TokenError::ForbiddenHeader(name));
        }
        match members.get("typ") {
            None => {}
            Some(Value::String(typ)) if typ.eq_ignore_ascii_case("JWT") => {}
            Some(_) => return Err(TokenError::InvalidHeader("typ")),
        }
        let kid = match members.get("kid") {
            None => None,
            Some(Value::String(kid)) if kid.len() <= MAX_KID => Some(kid.clone()),
            Some(_) => return Err(TokenError::InvalidHeader("kid")),
        };
        match members.get("alg") {
            Some(Value::String(alg)) => Ok(Header { alg: alg.clone(), kid }),
            None => Err(TokenError::UnsupportedAlgorithm),
            Some(_) => Err(TokenError::InvalidHeader("alg")),
        }
    }

    pub(super) fn claims(&self) -> Result<Map<String, Value>, TokenError> {
        object(&self.claims)
    }
}

/// Strict base64url: no padding, no other alphabet, no stray bits at the end.
fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)
}

fn object(json: &[u8]) -> Result<Map<String, Value>, TokenError> {
    strict_object(json, MAX_DEPTH).map_err(|fault| match fault {
        JsonFault::Malformed => TokenError::Malformed,
        JsonFault::TooDeep => TokenError::TooDeep,
        JsonFault::Duplicate => TokenError::DuplicateMember,
    })
}
