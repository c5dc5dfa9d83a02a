//! The keys a workspace has on file, read once.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    VerificationAlgorithm,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, DecodingKey};

use crate::model::{Secret, Timestamp};

/// Bytes a workspace secret must have: 256 bits.
pub const MIN_SECRET_BYTES: usize = 32;

/// Bits an RSA key must have.
const MIN_RSA_BITS: usize = 2048;

/// Bytes a PEM text may have; RSA 8192 needs about 1500.
pub(super) const MAX_PEM_BYTES: usize = 16 * 1024;

/// Everything that may sign tokens of one workspace.
#[derive(Clone, Default)]
pub struct Keys {
    /// For HS256, HS384 and HS512; several while one replaces another.
    pub secrets: Vec<Secret<Vec<u8>>>,
    /// For everything else.
    pub public: Vec<PublicKey>,
}

/// One registered public key.
#[derive(Clone, Debug)]
pub struct PublicKey {
    kid: Option<String>,
    /// What its owner calls it, to tell which one signed.
    row: Option<String>,
    /// Not believed from then on.
    retires_at: Option<Timestamp>,
    family: Family,
    key: DecodingKey,
    pem: String,
}

/// What a key can check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Family {
    Hmac,
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// Why a key cannot be registered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyError {
    /// No PEM, or not exactly one.
    #[error("not one PEM block: expected `-----BEGIN PUBLIC KEY-----`")]
    NotPem,
    /// The private half.
    #[error("this is a private key: register the public key and keep the private one on your server")]
    PrivateKey,
    /// A certificate.
    #[error(
        "this is a certificate: take the public key out of it, for example with `openssl x509 -pubkey -noout`"
    )]
    Certificate,
    /// Some other kind.
    #[error("unsupported key: use RSA (2048 to 8192 bits), EC on P-256 or P-384, or Ed25519")]
    Unsupported,
    /// RSA below 2048 bits.
    #[error("this RSA key has {0} bits: at least 2048 are needed")]
    WeakRsa(usize),
    /// The bytes inside are damaged.
    #[error("the key inside the PEM block is damaged")]
    Damaged,
    /// A secret that can be guessed.
    #[error("the secret has {0} bytes: at least 32 are needed, for example from `openssl rand -base64 48`")]
    WeakSecret(usize),
    /// A PEM where a secret belongs: whoever knows the public key could sign.
    #[error("the secret is a PEM key: register it under `public_keys` and use a random secret here")]
    SecretIsPem,
}

/// Refuses secrets that can be guessed or that are no secret.
pub fn check_secret(secret: &[u8]) -> Result<(), KeyError> {
    if secret.len() < MIN_SECRET_BYTES {
        return Err(KeyError::WeakSecret(secret.len()));
    }
    if secret.trim_ascii_start().starts_with(b"-----BEGIN") {
        return Err(KeyError::SecretIsPem);
    }
    Ok(())
}

impl PublicKey {
    /// Reads a public key; what it is good for follows from the key itself.
    pub fn from_pem(kid: Option<String>, pem: &str) -> Result<Self, KeyError> {
        let (label, der) = unwrap_pem(pem)?;
        let read = match label {
            "PUBLIC KEY" => Self::from_spki(kid, &der),
            "RSA PUBLIC KEY" => Self::rsa(kid, &der),
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => Err(KeyError::Certificate),
            _ if label.ends_with("PRIVATE KEY") => Err(KeyError::PrivateKey),
            _ => Err(KeyError::Unsupported),
        };
        read.map(|key| Self { pem: pem.trim().to_owned(), ..key })
    }

    /// The same, not believed from `then` on.
    pub fn retiring(self, then: Timestamp) -> Self {
        Self { retires_at: Some(then), ..self }
    }

    /// The same with its owner's name for it, by which [`super::Claims`] say what signed them.
    pub fn of_row(self, row: &str) -> Self {
        Self { row: Some(row.to_owned()), ..self }
    }

    /// The name tokens may call it by.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The key as it was registered.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// When it ends, or ended.
    pub fn retires_at(&self) -> Option<Timestamp> {
        self.retires_at
    }

    /// What kind of key it is, in a word or two.
    pub fn kind(&self) -> &'static str {
        match self.family {
            Family::Hmac => "secret",
            Family::Rsa => "RSA",
            Family::P256 => "EC P-256",
            Family::P384 => "EC P-384",
            Family::Ed25519 => "Ed25519",
        }
    }

    pub(super) fn row(&self) -> Option<&str> {
        self.row.as_deref()
    }

    /// Whether it is believed at `now`.
    pub fn counts(&self, now: Timestamp) -> bool {
        self.retires_at.is_none_or(|end| now < end)
    }

    pub(super) fn family(&self) -> Family {
        self.family
    }

    pub(super) fn decoding_key(&self) -> &DecodingKey {
        &self.key
    }

    /// SubjectPublicKeyInfo, RFC 5280 §4.1: `SEQUENCE { SEQUENCE { oid, parameters }, BIT STRING }`.
    fn from_spki(kid: Option<String>, der: &[u8]) -> Result<Self, KeyError> {
        let (info, rest) = element(der, SEQUENCE)?;
        let (algorithm, info) = element(info, SEQUENCE)?;
        let (bits, tail) = element(info, BIT_STRING)?;
        let (oid, parameters) = element(algorithm, OID)?;
        let (&unused, key) = bits.split_first().ok_or(KeyError::Damaged)?;
        if !rest.is_empty() || !tail.is_empty() || unused != 0 {
            return Err(KeyError::Damaged);
        }
        match oid {
            OID_RSA => Self::rsa(kid, key),
            OID_EC => match element(parameters, OID)? {
                (OID_P256, []) => {
                    Self::known(kid, Family::P256, &ECDSA_P256_SHA256_FIXED, key, DecodingKey::from_ec_der)
                }
                (OID_P384, []) => {
                    Self::known(kid, Family::P384, &ECDSA_P384_SHA384_FIXED, key, DecodingKey::from_ec_der)
                }
                _ => Err(KeyError::Unsupported),
            },
            OID_ED25519 => Self::known(kid, Family::Ed25519, &ED25519, key, DecodingKey::from_ed_der),
            _ => Err(KeyError::Unsupported),
        }
    }

    /// RSAPublicKey, RFC 8017 §A.1.1: `SEQUENCE { modulus, exponent }`.
    fn rsa(kid: Option<String>, der: &[u8]) -> Result<Self, KeyError> {
        let (numbers, rest) = element(der, SEQUENCE)?;
        let (modulus, tail) = element(numbers, INTEGER)?;
        let (exponent, end) = element(tail, INTEGER)?;
        if !rest.is_empty() || !end.is_empty() || exponent.last().is_none_or(|byte| byte % 2 == 0) {
            return Err(KeyError::Damaged);
        }
        match bit_length(modulus) {
            bits if bits < MIN_RSA_BITS => Err(KeyError::WeakRsa(bits)),
            _ => Self::known(kid, Family::Rsa, &RSA_PKCS1_2048_8192_SHA256, der, DecodingKey::from_rsa_der),
        }
    }

    fn known(
        kid: Option<String>,
        family: Family,
        algorithm: &'static dyn VerificationAlgorithm,
        bytes: &[u8],
        make: fn(&[u8]) -> DecodingKey,
    ) -> Result<Self, KeyError> {
        ParsedPublicKey::new(algorithm, bytes).map_err(|_| KeyError::Damaged)?;
        Ok(Self { kid, row: None, retires_at: None, family, key: make(bytes), pem: String::new() })
    }
}

impl Family {
    /// The algorithm a token names, if there is one such; names are case-sensitive (RFC 7515 §4.1.1).
    pub(super) fn of(name: &str) -> Option<(Self, Algorithm, &'static str)> {
        Some(match name {
            "HS256" => (Self::Hmac, Algorithm::HS256, "HS256"),
            "HS384" => (Self::Hmac, Algorithm::HS384, "HS384"),
            "HS512" => (Self::Hmac, Algorithm::HS512, "HS512"),
            "RS256" => (Self::Rsa, Algorithm::RS256, "RS256"),
            "RS384" => (Self::Rsa, Algorithm::RS384, "RS384"),
            "RS512" => (Self::Rsa, Algorithm::RS512, "RS512"),
            "PS256" => (Self::Rsa, Algorithm::PS256, "PS256"),
            "PS384" => (Self::Rsa, Algorithm::PS384, "PS384"),
            "PS512" => (Self::Rsa, Algorithm::PS512, "PS512"),
            "ES256" => (Self::P256, Algorithm::ES256, "ES256"),
            "ES384" => (Self::P384, Algorithm::ES384, "ES384"),
            "EdDSA" => (Self::Ed25519, Algorithm::EdDSA, "EdDSA"),
            _ => return None,
        })
    }
}

pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const OID_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
pub(super) const OID_EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
pub(super) const OID_P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
pub(super) const OID_P384: &[u8] = &[0x2b, 0x81, 0x04, 0, 0x22];
pub(super) const OID_ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// Label and content of the only PEM block in `text` (RFC 7468).
fn unwrap_pem(text: &str) -> Result<(&str, Vec<u8>), KeyError> {
    if text.len() > MAX_PEM_BYTES {
        return Err(KeyError::NotPem);
    }
    let rest = text.trim().strip_prefix("-----BEGIN ").ok_or(KeyError::NotPem)?;
    let (label, rest) = rest.split_once("-----").ok_or(KeyError::NotPem)?;
    if label.ends_with("PRIVATE KEY") {
        return Err(KeyError::PrivateKey);
    }
    let body = rest.strip_suffix(&format!("-----END {label}-----")).ok_or(KeyError::NotPem)?;
    let base64: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    Ok((label, STANDARD.decode(base64).map_err(|_| KeyError::NotPem)?))
}

/// Content of the first DER element and what follows it; only this tag, only the shortest length.
pub(super) fn element(der: &[u8], tag: u8) -> Result<(&[u8], &[u8]), KeyError> {
    let (length, rest) = match der {
        [first, length @ 0..=0x7f, rest @ ..] if *first == tag => (usize::from(*length), rest),
        [first, 0x81, length @ 0x80..=0xff, rest @ ..] if *first == tag => (usize::from(*length), rest),
        [first, 0x82, high @ 1..=0xff, low, rest @ ..] if *first == tag => {
            (usize::from(u16::from_be_bytes([*high, *low])), rest)
        }
        _ => return Err(KeyError::Damaged),
    };
    rest.split_at_checked(length).ok_or(KeyError::Damaged)
}

fn bit_length(integer: &[u8]) -> usize {
    let significant = integer.iter().position(|byte| *byte != 0).map_or(&[][..], |start| &integer[start..]);
    significant.first().map_or(0, |first| significant.len() * 8 - first.leading_zeros() as usize)
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
