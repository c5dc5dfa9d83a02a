//! Private keys as people paste them, read for signing.
//!
//! A key never appears in an error, and nothing here can print one.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::EncodingKey;
use zeroize::Zeroizing;

use super::{
    keys::{
        Family, INTEGER, MAX_PEM_BYTES, OCTET_STRING, OID, OID_EC, OID_ED25519, OID_P256, OID_P384, OID_RSA,
        SEQUENCE, element,
    },
    mint::MintError,
};

/// A private key and what it is good for.
pub(super) struct PrivateKey {
    pub family: Family,
    pub key: EncodingKey,
}

impl PrivateKey {
    /// Reads PKCS#8, PKCS#1 or SEC1 in PEM; line breaks may be lost or be written as `\n`.
    pub(super) fn read(pem: &str) -> Result<Self, MintError> {
        let (label, der) = block(pem)?;
        match label.as_str() {
            "PRIVATE KEY" => Self::pkcs8(&der),
            "RSA PRIVATE KEY" => Ok(Self { family: Family::Rsa, key: EncodingKey::from_rsa_der(&der) }),
            "EC PRIVATE KEY" => Self::sec1(&der),
            "ENCRYPTED PRIVATE KEY" => Err(MintError::Encrypted),
            _ if label.ends_with("PRIVATE KEY") => Err(MintError::UnsupportedKey),
            _ => Err(MintError::NotPrivate),
        }
    }

    /// PrivateKeyInfo, RFC 5958 §2: `SEQUENCE { version, SEQUENCE { oid, parameters }, OCTET STRING }`.
    fn pkcs8(der: &[u8]) -> Result<Self, MintError> {
        let damaged = |_| MintError::Damaged;
        let (info, _) = element(der, SEQUENCE).map_err(damaged)?;
        let (_, info) = element(info, INTEGER).map_err(damaged)?;
        let (algorithm, info) = element(info, SEQUENCE).map_err(damaged)?;
        let (oid, parameters) = element(algorithm, OID).map_err(damaged)?;
        let (inner, _) = element(info, OCTET_STRING).map_err(damaged)?;
        let (family, key) = match oid {
            OID_RSA => (Family::Rsa, EncodingKey::from_rsa_der(inner)),
            OID_ED25519 => (Family::Ed25519, EncodingKey::from_ed_der(der)),
            OID_EC => match element(parameters, OID).map_err(damaged)?.0 {
                OID_P256 => (Family::P256, EncodingKey::from_ec_der(der)),
                OID_P384 => (Family::P384, EncodingKey::from_ec_der(der)),
                _ => return Err(MintError::UnsupportedKey),
            },
            _ => return Err(MintError::UnsupportedKey),
        };
        Ok(Self { family, key })
    }

    /// ECPrivateKey, RFC 5915 §3. The signer takes PKCS#8 only, so it is wrapped.
    fn sec1(der: &[u8]) -> Result<Self, MintError> {
        let curves: [(Family, &'static EcdsaSigningAlgorithm); 2] = [
            (Family::P256, &ECDSA_P256_SHA256_FIXED_SIGNING),
            (Family::P384, &ECDSA_P384_SHA384_FIXED_SIGNING),
        ];
        for (family, algorithm) in curves {
            if let Ok(pair) = EcdsaKeyPair::from_private_key_der(algorithm, der) {
                let wrapped = pair.to_pkcs8v1().map_err(|_| MintError::Damaged)?;
                return Ok(Self { family, key: EncodingKey::from_ec_der(wrapped.as_ref()) });
            }
        }
        Err(MintError::UnsupportedKey)
    }
}

/// Label and content of the private key's PEM block, or else of the first one.
fn block(pem: &str) -> Result<(String, Zeroizing<Vec<u8>>), MintError> {
    if pem.len() > MAX_PEM_BYTES {
        return Err(MintError::NotPem);
    }
    let pem = Zeroizing::new(pem.replace("\\r", "\n").replace("\\n", "\n"));
    // `openssl ecparam` writes the curve's parameters in a block of their own before the key.
    let start = pem.find("PRIVATE KEY-----").and_then(|end| pem[..end].rfind("-----BEGIN "));
    let rest = start.map_or(pem.as_str(), |start| &pem[start..]);
    let (_, rest) = rest.split_once("-----BEGIN ").ok_or(MintError::NotPem)?;
    let (label, rest) = rest.split_once("-----").ok_or(MintError::NotPem)?;
    let (body, _) = rest.split_once("-----END ").ok_or(MintError::NotPem)?;
    if body.contains("Proc-Type") {
        return Err(MintError::Encrypted);
    }
    let base64: Zeroizing<String> =
        Zeroizing::new(body.chars().filter(|c| !c.is_ascii_whitespace()).collect());
    let der = STANDARD.decode(base64.as_bytes()).map_err(|_| MintError::Damaged)?;
    Ok((label.to_owned(), Zeroizing::new(der)))
}
