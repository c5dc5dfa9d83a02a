use jsonwebtoken::DecodingKey;

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const RSA: &str = include_str!("../testdata/rsa.pem");
const P256: &str = include_str!("../testdata/p256.pem");
const P384: &str = include_str!("../testdata/p384.pem");
const ED25519: &str = include_str!("../testdata/ed25519.pem");

fn minted_with(algorithm: &str, key: &str, claims: &Value, expires_in: u64) -> Result<String, MintError> {
    let key = Secret::from(key);
    let header = [("kid".to_owned(), "k1".to_owned()), ("x5t".to_owned(), String::new())];
    let claims = claims.as_object().expect("an object");
    let minting = Minting { algorithm, key: &key, header: &header, claims, now: NOW, expires_in, id: "id1" };
    mint(&minting).map(|token| token.expose().clone())
}

fn minted(algorithm: &str, key: &str) -> Result<String, MintError> {
    minted_with(algorithm, key, &json!({"iss": "42"}), 60)
}

fn part(token: &str, place: usize) -> Value {
    let part = token.split('.').nth(place).expect("three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

fn is_signed_by(token: &str, public: &DecodingKey, algorithm: &str) -> bool {
    let (message, signature) = token.rsplit_once('.').expect("three parts");
    let (_, algorithm, _) = Family::of(algorithm).expect("an algorithm");
    crypto::verify(signature, message.as_bytes(), public, algorithm).expect("a key that fits")
}

fn rsa_public() -> DecodingKey {
    DecodingKey::from_rsa_pem(include_bytes!("../testdata/rsa.pub.pem")).expect("a test key")
}

fn p256_public() -> DecodingKey {
    DecodingKey::from_ec_pem(include_bytes!("../testdata/p256.pub.pem")).expect("a test key")
}

#[test]
fn every_algorithm_signs_what_its_public_key_confirms() {
    let p384 = DecodingKey::from_ec_pem(include_bytes!("../testdata/p384.pub.pem")).expect("a test key");
    let ed = DecodingKey::from_ed_pem(include_bytes!("../testdata/ed25519.pub.pem")).expect("a test key");
    let secret = DecodingKey::from_secret(b" short ");
    let table = [
        (RSA, rsa_public(), ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"].as_slice()),
        (P256, p256_public(), &["ES256"]),
        (P384, p384, &["ES384"]),
        (ED25519, ed, &["EdDSA"]),
        (" short ", secret, &["HS256", "HS384", "HS512"]),
    ];

    let mut signed = 0;
    for (key, public, algorithms) in table {
        for algorithm in algorithms {
            let token = minted(algorithm, key).expect("a token");
            assert!(is_signed_by(&token, &public, algorithm), "{algorithm}");
            assert_eq!(part(&token, 0), json!({"alg": algorithm, "typ": "JWT", "kid": "k1"}));
            signed += 1;
        }
    }
    assert_eq!(signed, 12);
}

#[test]
fn claims_are_completed_and_never_overridden() {
    let start = NOW.seconds();

    let short = minted_with("HS256", "k", &json!({"iss": "42"}), 539).expect("a token");
    let long = minted_with("HS256", "k", &json!({"iss": "42"}), 540).expect("a token");
    let own = json!({"iat": 1, "exp": "2", "jti": null, "scope": ["a"]});
    let given = minted_with("HS256", "k", &own, 600).expect("a token");

    assert_eq!(part(&short, 1), json!({"iss": "42", "iat": start, "exp": start + 539, "jti": "id1"}));
    assert_eq!(part(&long, 1), json!({"iss": "42", "iat": start - 60, "exp": start + 540, "jti": "id1"}));
    assert_eq!(part(&given, 1), own);
}

#[test]
fn a_connectors_header_cannot_change_the_algorithm() {
    let key = Secret::from("k");
    let header = [("alg".to_owned(), "none".to_owned()), ("typ".to_owned(), "at+jwt".to_owned())];
    let claims = Map::new();
    let minting = Minting {
        algorithm: "HS256",
        key: &key,
        header: &header,
        claims: &claims,
        now: NOW,
        expires_in: 1,
        id: "",
    };

    let token = mint(&minting).expect("a token");

    assert_eq!(part(token.expose(), 0), json!({"alg": "HS256", "typ": "at+jwt"}));
}

#[test]
fn keys_are_read_as_people_paste_them() {
    let one_line = |pem: &str| pem.replace('\n', "");
    let spaced = |pem: &str| pem.replace('\n', " ");
    let literal = |pem: &str| pem.replace('\n', "\\n");
    let windows = |pem: &str| format!("\u{feff}  {}\r\n\r\n", pem.replace('\n', "\r\n"));
    let quoted = |pem: &str| format!("\"{}\"", pem.replace('\n', "\\n"));
    let with_parameters = |pem: &str| {
        format!("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{pem}")
    };
    let pkcs1 = include_str!("../testdata/rsa-pkcs1.pem");
    let sec1 = include_str!("../testdata/p256-sec1.pem");

    for dress in [one_line, spaced, literal, windows, quoted, with_parameters] {
        for pem in [RSA, pkcs1] {
            let token = minted("RS256", &dress(pem)).expect("a token");
            assert!(is_signed_by(&token, &rsa_public(), "RS256"), "{}", dress("-----"));
        }
        for pem in [P256, sec1] {
            let token = minted("ES256", &dress(pem)).expect("a token");
            assert!(is_signed_by(&token, &p256_public(), "ES256"), "{}", dress("-----"));
        }
    }
}

#[test]
fn a_key_that_cannot_sign_is_refused() {
    let public = include_str!("../testdata/rsa.pub.pem");
    let certificate = include_str!("../testdata/certificate.pem");
    let encrypted = RSA.replace("PRIVATE", "ENCRYPTED PRIVATE");
    let legacy = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----";
    let openssh = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----";
    let cut = RSA.lines().filter(|line| !line.starts_with("MII")).collect::<Vec<_>>().join("\n");
    let long = format!("{RSA}{}", " ".repeat(16 * 1024));
    let table = [
        ("none", RSA, MintError::UnsupportedAlgorithm),
        ("ES512", P256, MintError::UnsupportedAlgorithm),
        ("rs256", RSA, MintError::UnsupportedAlgorithm),
        ("HS256", " ", MintError::EmptyKey),
        ("RS256", "", MintError::EmptyKey),
        ("RS256", "a secret", MintError::NotPem),
        ("RS256", "-----BEGIN PRIVATE KEY-----", MintError::NotPem),
        ("RS256", &long, MintError::NotPem),
        ("RS256", public, MintError::NotPrivate),
        ("RS256", certificate, MintError::NotPrivate),
        ("RS256", &encrypted, MintError::Encrypted),
        ("RS256", legacy, MintError::Encrypted),
        ("RS256", openssh, MintError::UnsupportedKey),
        ("RS256", &cut, MintError::Damaged),
        ("RS256", P256, MintError::WrongKind),
        ("ES256", P384, MintError::WrongKind),
        ("EdDSA", RSA, MintError::WrongKind),
    ];

    for (algorithm, key, expected) in table {
        assert_eq!(minted(algorithm, key), Err(expected), "{algorithm} {key:.40}");
    }
}

#[test]
fn a_key_says_which_algorithm_it_is_for() {
    let table = [
        (RSA, Some("RS256")),
        (include_str!("../testdata/rsa-pkcs1.pem"), Some("RS256")),
        (P256, Some("ES256")),
        (P384, Some("ES384")),
        (include_str!("../testdata/p384-sec1.pem"), Some("ES384")),
        (ED25519, Some("EdDSA")),
        (include_str!("../testdata/rsa.pub.pem"), None),
        ("a secret", None),
    ];

    for (key, expected) in table {
        assert_eq!(algorithm_of(&Secret::from(key)), expected, "{key:.40}");
    }
}

/// RFC7523-3: issuer and subject are the client, one audience, a fresh id, at most 60 seconds.
#[test]
fn rfc_7523_section_3_a_client_assertion() {
    let key = Secret::from(P256);
    let audience = "https://as.example.com";

    let token = client_assertion("cid", &key, audience, None, &[], NOW, "jti1").expect("a token");

    assert!(is_signed_by(token.expose(), &p256_public(), "ES256"));
    let start = NOW.seconds();
    let expected =
        json!({"iss": "cid", "sub": "cid", "aud": audience, "iat": start, "exp": start + 60, "jti": "jti1"});
    assert_eq!(part(token.expose(), 0), json!({"alg": "ES256", "typ": "JWT"}));
    assert_eq!(part(token.expose(), 1), expected);
}

#[test]
fn a_client_assertion_takes_the_algorithm_it_is_told() {
    let sign = |key: &str, algorithm| {
        client_assertion("cid", &Secret::from(key), "https://as", algorithm, &[], NOW, "j")
            .map(|token| part(token.expose(), 0))
    };

    assert_eq!(sign(RSA, Some("PS256")), Ok(json!({"alg": "PS256", "typ": "JWT"})));
    assert_eq!(sign("a shared secret", Some("HS256")), Ok(json!({"alg": "HS256", "typ": "JWT"})));
    assert_eq!(sign("a shared secret", None), Err(MintError::NotPem));
}

/// RFC7523-4, the example's header and claims.
#[test]
fn rfc_7523_section_4_the_rfcs_own_assertion() {
    let claims = json!({
        "iss": "https://jwt-idp.example.com", "sub": "mailto:mike@example.com", "aud": "https://jwt-rp.example.net",
        "nbf": 1_300_815_780, "exp": 1_300_819_380, "http://claims.example.com/member": true,
    });
    let (key, header) = (Secret::from(P256), [("kid".to_owned(), "16".to_owned())]);
    let minting = Minting {
        algorithm: "ES256",
        key: &key,
        header: &header,
        claims: claims.as_object().expect("an object"),
        now: Timestamp::from_seconds(1_300_815_780),
        expires_in: 3600,
        id: "1",
    };

    let token = mint(&minting).expect("a token");

    let mut read = part(token.expose(), 1);
    for added in ["iat", "jti"] {
        assert!(read.as_object_mut().expect("an object").remove(added).is_some());
    }
    assert_eq!(read, claims);
    assert_eq!(part(token.expose(), 0), json!({"alg": "ES256", "typ": "JWT", "kid": "16"}));
    assert!(is_signed_by(token.expose(), &p256_public(), "ES256"));
}

#[test]
fn a_refusal_never_quotes_the_key() {
    let refusal = minted("RS256", "-----BEGIN PRIVATE KEY-----\ns3cr3t!\n-----END PRIVATE KEY-----").err();

    assert_eq!(refusal, Some(MintError::Damaged));
    assert!(!format!("{refusal:?} {}", MintError::Damaged).contains("s3cr3t"));
}
