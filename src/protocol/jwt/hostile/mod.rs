//! Tokens made to deceive, each with the refusal it must get.

mod contents;
mod keys;
mod munity;

use std::{collections::BTreeSet, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};

use contents::{shapes, subjects, times};
use keys::{algorithms, confusions, headers};
use munity::{MUNITY, MUNITYS, munity, munitys};

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
        "munity" => Keys { secrets: Vec::new(), public: vec![public("m1", RSA_PUBLIC), retired()] },
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

/// One whose time was over a second ago.
fn retired() -> PublicKey {
    let pem = include_str!("../../testdata/rsa-other.pub.pem");
    let key = PublicKey::from_pem(Some("m0".to_owned()), pem).expect("a test key");
    key.retiring(Timestamp::from_seconds(NOW - 1))
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

/// A workspace that signs, with its secret or with its private key. The tables are written for acme and
/// HS256; another signer puts its own names there.
#[derive(Clone, Copy)]
struct Signer {
    workspace: &'static str,
    algorithm: Algorithm,
    name: &'static str,
}

const BY_SECRET: Signer = Signer { workspace: "acme", algorithm: Algorithm::HS256, name: "HS256" };
const BY_KEY: Signer = Signer { workspace: "rsa", algorithm: Algorithm::RS256, name: "RS256" };

impl Signer {
    fn claims(&self, claims: &str) -> String {
        claims.replace("acme", self.workspace)
    }

    fn token(&self, header: &str, claims: &str) -> String {
        let (header, claims) = (header.replace("HS256", self.name), self.claims(claims));
        if self.algorithm == Algorithm::HS256 {
            let message = message(&header, &claims);
            return format!("{message}.{}", hmac(&message, ACME, self.algorithm));
        }
        signed_by(include_bytes!("../../testdata/rsa.pem"), self.algorithm, &header, &claims)
    }

    fn with_header(&self, header: &str) -> String {
        self.token(header, GOOD)
    }

    fn with_claims(&self, claims: &str) -> String {
        self.token(r#"{"alg":"HS256","typ":"JWT"}"#, claims)
    }

    fn good(&self) -> String {
        self.with_claims(GOOD)
    }
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
    let workspace = match issuer(token)? {
        Issuer::Key(workspace) => workspace,
        Issuer::Id(id) if id == MUNITY => "munity".to_owned(),
        Issuer::Id(_) => return Err(TokenError::MissingIssuer),
    };
    verify(token, &keys_of(&workspace), &rules, Timestamp::from_seconds(NOW)).map(|_| ())
}

type Case = (String, String, &'static str);

fn case(what: impl Into<String>, token: String, code: &'static str) -> Case {
    (what.into(), token, code)
}

#[test]
fn every_hostile_token_gets_its_own_refusal() {
    let tables = [algorithms, headers, times, subjects, shapes];
    let by_each = [&BY_SECRET, &BY_KEY].into_iter().flat_map(|by| tables.map(|table| table(by)));
    let cases: Vec<Case> = by_each.chain([confusions(), munity()]).flatten().collect();

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
    assert!(different.len() >= 400, "{} tokens", different.len());
}

#[test]
fn the_tokens_the_corpus_is_made_of_are_good() {
    for by in [BY_SECRET, BY_KEY] {
        assert_eq!(judge(&by.good()), Ok(()));
        assert_eq!(judge(&by.with_header(r#"{"alg":"HS256","typ":"jwt"}"#)), Ok(()));
        assert_eq!(judge(&by.with_claims(&nested(13))), Ok(()));
    }
    for header in [r#"{"alg":"RS256"}"#, r#"{"alg":"RS256","kid":"m1"}"#] {
        assert_eq!(judge(&munitys(header, MUNITYS)), Ok(()));
    }
    let rsa = include_bytes!("../../testdata/rsa.pem");
    for header in [r#"{"alg":"RS256"}"#, r#"{"alg":"RS256","kid":"r1"}"#] {
        assert_eq!(judge(&signed_by(rsa, Algorithm::RS256, header, &for_both())), Ok(()));
    }
}

#[test]
fn a_refusal_never_repeats_the_token() {
    for (what, token, _) in
        [headers(&BY_SECRET), subjects(&BY_SECRET), shapes(&BY_SECRET)].into_iter().flatten()
    {
        let Err(refusal) = judge(&token) else { continue };
        let said = format!("{refusal} {refusal:?}");
        assert!(!said.contains("evil") && !said.contains("42") && !said.contains("OR 1=1"), "{what}: {said}");
    }
}
