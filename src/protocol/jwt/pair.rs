//! Key pairs for whoever signs a workspace's tokens.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    error::Unspecified,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::KeyPair as _,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::model::Secret;

/// Characters of base64 on one line of a PEM text (RFC 7468 §2).
const LINE: usize = 64;

/// Both halves of a new key.
pub struct Pair {
    /// `-----BEGIN PRIVATE KEY-----`, PKCS #8.
    pub private: Secret<String>,
    /// `-----BEGIN PUBLIC KEY-----`.
    pub public: String,
}

/// Makes an RSA key of 2048 bits, for RS256 and its kin. None when the system has no chance to give.
///
/// The library takes chance from the system itself: such a key is not made of bytes that are handed over.
pub fn pair() -> Option<Pair> {
    let made = || -> Result<Pair, Unspecified> {
        let key = RsaKeyPair::generate(KeySize::Rsa2048)?;
        let private: Pkcs8V1Der<'_> = key.as_der()?;
        let public: PublicKeyX509Der<'_> = key.public_key().as_der()?;
        Ok(Pair {
            private: Secret::new(pem("PRIVATE KEY", private.as_ref())),
            public: pem("PUBLIC KEY", public.as_ref()),
        })
    };
    made().ok()
}

fn pem(label: &str, der: &[u8]) -> String {
    let mut rest = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    while !rest.is_empty() {
        let behind = rest.split_off(rest.len().min(LINE));
        text.push_str(&rest);
        text.push('\n');
        rest = behind;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{Algorithm, EncodingKey, Header};
    use serde_json::json;

    use super::*;
    use crate::{
        model::Timestamp,
        protocol::jwt::{Keys, PublicKey, Rules, TokenError, verify},
    };

    #[test]
    fn the_halves_fit_each_other_and_no_others() {
        let (one, other) = (pair().unwrap(), pair().unwrap());
        let claims = json!({ "id": "c1", "exp": 1_800_000_060 });
        let private = EncodingKey::from_rsa_pem(one.private.expose().as_bytes()).unwrap();
        let rules = Rules { max_lifetime: std::time::Duration::from_secs(3600), allow_without_exp: false };

        for algorithm in [Algorithm::RS256, Algorithm::PS256] {
            let token = jsonwebtoken::encode(&Header::new(algorithm), &claims, &private).unwrap();
            let read = |pair: &Pair| {
                let key = PublicKey::from_pem(None, &pair.public).unwrap();
                let keys = Keys { public: vec![key], ..Keys::default() };
                verify(&token, &keys, &rules, Timestamp::from_seconds(1_800_000_000)).err()
            };
            assert_eq!((read(&one), read(&other)), (None, Some(TokenError::BadSignature)));
        }
        assert!(one.private.expose().lines().all(|line| line.len() <= LINE));
    }
}
