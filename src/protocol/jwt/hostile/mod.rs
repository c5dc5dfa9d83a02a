//! Tokens made to deceive, each with the refusal it must get.

mod contents;
mod keys;

use std::{collections::BTreeSet, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};

use contents::{shapes, subjects, times};
use keys::{algorithms, confusions, headers};

use super::{Issuer, Keys, PublicKey, Rules, TokenError, issuer, verify};
use crate::model::{Secret, Timestamp};

const NOW: i64 = 1_800_000_000;
const ACME: &[u8] = b"acme's own secret, long enough ok";
const RIVAL: &[u8] = b"the rival's secret, long enough k";
const GOOD: &str = r#"{"iss":"acme","id":"42","exp":1800000600}"#;
const RSA_PUBLIC: &str = include_str!("../../testdata/rsa.pub.pem");
const P256_PUBLIC: &str = include_str!("../../testdata/p256.pub.pem");

/// What the workspaces of this test have on file.
fn keys_of(workspace: &str) -> Keys {
    let public = |kid: &str, pem: &str| PublicKey::from_pem(Some(kid.to_owned()), pem).expect("a test key");
    match workspace {
        "acme" => Keys { secrets: vec![Secret::new(ACME.to_vec())], public: Vec::new() },
        "rival" => Keys { secrets: vec![Secret::new(RIVAL.to_vec())], public: Vec::new() },
        "rsa" => Keys { secrets: Vec::new(), public: vec![public("r1", RSA_PUBLIC)] },
        "weak" => Keys {
            secrets: vec![Secret::new(Vec::new()), Secret::new(b"secret".to_vec())],
            public: Vec::new(),
        },
        "mistaken" => Keys {
            secrets: vec![Secret::new(RSA_PUBLIC.as_bytes().to_vec())],
            public: vec![public("r1", RSA_PUBLIC)],
        },
        "both" => Keys {
            secrets: vec![Secret::new(ACME.to_vec())],
            public: vec![
                public("r1", RSA_PUBLIC),
                public("e1", P256_PUBLIC),
                public("d1", include_str!("../../testdata/ed25519.pub.pem")),
            ],
        },
        _ => Keys::default(),
    }
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn message(header: &str, claims: &str) -> String {
    format!("{}.{}", b64(header), b64(claims))
}

fn hmac(message: &str, key: &[u8], algorithm: Algorithm) -> String {
    crypto::sign(message.as_bytes(), &EncodingKey::from_secret(key), algorithm).expect("HMAC")
}

/// A token with any header and claims, signed with HS256 and acme's secret.
fn token(header: &str, claims: &str) -> String {
    let message = message(header, claims);
    format!("{message}.{}", hmac(&message, ACME, Algorithm::HS256))
}

fn with_header(header: &str) -> String {
    token(header, GOOD)
}

fn with_claims(claims: &str) -> String {
    token(r#"{"alg":"HS256","typ":"JWT"}"#, claims)
}

fn good() -> String {
    with_claims(GOOD)
}

fn for_rsa() -> String {
    GOOD.replace("acme", "rsa")
}

fn for_both() -> String {
    GOOD.replace("acme", "both")
}

fn signed_by(pem: &[u8], algorithm: Algorithm, header: &str, claims: &str) -> String {
    let key = match algorithm {
        Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_pem(pem),
        Algorithm::EdDSA => EncodingKey::from_ed_pem(pem),
        _ => EncodingKey::from_rsa_pem(pem),
    }
    .expect("a test key");
    let message = message(header, claims);
    let signature = crypto::sign(message.as_bytes(), &key, algorithm).expect("a signature");
    format!("{message}.{signature}")
}

fn nested(levels: usize) -> String {
    let fields = format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    GOOD.replace('}', &format!(r#","fields":{{"a":{fields}}}}}"#))
}

/// What a door does with a token: find the workspace, check with its keys.
fn judge(token: &str) -> Result<(), TokenError> {
    let rules = Rules { max_lifetime: Duration::from_secs(24 * 3600), allow_without_exp: false };
    let Issuer::Key(workspace) = issuer(token)? else { return Err(TokenError::MissingIssuer) };
    verify(token, &keys_of(&workspace), &rules, Timestamp::from_seconds(NOW)).map(|_| ())
}

type Case = (String, String, &'static str);

fn case(what: impl Into<String>, token: String, code: &'static str) -> Case {
    (what.into(), token, code)
}

#[test]
fn every_hostile_token_gets_its_own_refusal() {
    let cases: Vec<Case> = [algorithms(), confusions(), headers(), times(), subjects(), shapes()]
        .into_iter()
        .flatten()
        .collect();

    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(what, token, code)| match judge(token) {
            Err(refusal) if refusal.code() == *code => None,
            Err(refusal) => Some(format!("{what}: {} instead of {code}", refusal.code())),
            Ok(()) => Some(format!("{what}: accepted")),
        })
        .collect();
    let different: BTreeSet<&String> = cases.iter().map(|(_, token, _)| token).collect();

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(different.len() >= 200, "{} tokens", different.len());
}

#[test]
fn the_tokens_the_corpus_is_made_of_are_good() {
    assert_eq!(judge(&good()), Ok(()));
    assert_eq!(judge(&with_header(r#"{"alg":"HS256","typ":"jwt"}"#)), Ok(()));
    assert_eq!(judge(&with_claims(&nested(13))), Ok(()));
    let rsa = include_bytes!("../../testdata/rsa.pem");
    for header in [r#"{"alg":"RS256"}"#, r#"{"alg":"RS256","kid":"r1"}"#] {
        assert_eq!(judge(&signed_by(rsa, Algorithm::RS256, header, &for_both())), Ok(()));
    }
}

#[test]
fn a_refusal_never_repeats_the_token() {
    for (what, token, _) in [headers(), subjects(), shapes()].into_iter().flatten() {
        let Err(refusal) = judge(&token) else { continue };
        let said = format!("{refusal} {refusal:?}");
        assert!(!said.contains("evil") && !said.contains("42") && !said.contains("OR 1=1"), "{what}: {said}");
    }
}
