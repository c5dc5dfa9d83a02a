//! Tokens that try to choose how, and with which key, they are checked.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::Algorithm;
use serde_json::json;

use super::*;

/// J1: no algorithm, or one we do not know.
pub(super) fn algorithms(by: &Signer) -> Vec<Case> {
    let names = [
        "none",
        "None",
        "NONE",
        "nOnE",
        "NoNe",
        "none ",
        " none",
        "",
        "hs256",
        "Hs256",
        "HS256 ",
        "HS1",
        "HS128",
        "RS1",
        "ES512",
        "ES256K",
        "PS1",
        "eddsa",
        "Ed25519",
        "dir",
        "A256GCM",
        "RSA-OAEP",
        "HS256\u{0}",
        "null",
        "ＨＳ256",
    ];
    let mut cases = Vec::new();
    for name in names {
        let header = json!({"alg": name, "typ": "JWT"}).to_string();
        cases.push(case(format!("alg {name:?}, signed"), by.with_header(&header), "unsupported_algorithm"));
        cases.push(case(
            format!("alg {name:?}, no signature"),
            format!("{}.", message(&header, &by.claims(GOOD))),
            "unsupported_algorithm",
        ));
    }
    cases.push(case("no alg", by.with_header(r#"{"typ":"JWT"}"#), "unsupported_algorithm"));
    cases.push(case("empty header", by.with_header("{}"), "unsupported_algorithm"));
    for (what, header) in [
        ("null", r#"{"alg":null}"#),
        ("a list", r#"{"alg":["HS256"]}"#),
        ("a number", r#"{"alg":256}"#),
        ("true", r#"{"alg":true}"#),
    ] {
        cases.push(case(format!("alg is {what}"), by.with_header(header), "invalid_header"));
    }
    cases
}

/// J2 and J5: the wrong kind of key, or somebody else's.
pub(super) fn confusions() -> Vec<Case> {
    let header = r#"{"alg":"HS256"}"#;
    let der = STANDARD
        .decode(RSA_PUBLIC.lines().filter(|line| !line.starts_with('-')).collect::<String>())
        .expect("a test key");
    let pkcs1 = include_str!("../../testdata/rsa-pkcs1.pub.pem");
    let spellings: [(&str, Vec<u8>); 6] = [
        ("PEM", RSA_PUBLIC.as_bytes().to_vec()),
        ("PEM without the last newline", RSA_PUBLIC.trim_end().as_bytes().to_vec()),
        ("PEM with CRLF", RSA_PUBLIC.replace('\n', "\r\n").into_bytes()),
        ("SPKI DER", der.clone()),
        ("PKCS#1 PEM", pkcs1.as_bytes().to_vec()),
        ("PKCS#1 DER", der[24..].to_vec()),
    ];
    let mut cases = Vec::new();
    for (what, key) in spellings {
        for (algorithm, header) in [
            (Algorithm::HS256, header),
            (Algorithm::HS384, r#"{"alg":"HS384"}"#),
            (Algorithm::HS512, r#"{"alg":"HS512"}"#),
        ] {
            let confused = |claims: &str| {
                let message = message(header, claims);
                format!("{message}.{}", hmac(&message, &key, algorithm))
            };
            let what = format!("{algorithm:?} keyed with the {what}");
            cases.push(case(format!("{what}, RSA only"), confused(&for_rsa()), "algorithm_not_allowed"));
            cases.push(case(format!("{what}, RSA and secret"), confused(&for_both()), "bad_signature"));
        }
    }
    let by_pem = {
        let message = message(header, &GOOD.replace("acme", "mistaken"));
        format!("{message}.{}", hmac(&message, RSA_PUBLIC.as_bytes(), Algorithm::HS256))
    };
    cases.push(case("the public key configured as the secret", by_pem, "algorithm_not_allowed"));
    let p256 = {
        let message = message(header, &for_both());
        format!("{message}.{}", hmac(&message, P256_PUBLIC.as_bytes(), Algorithm::HS256))
    };
    cases.push(case("HS256 keyed with the EC PEM", p256, "bad_signature"));
    let weak = |key: &[u8]| {
        let message = message(header, &GOOD.replace("acme", "weak"));
        format!("{message}.{}", hmac(&message, key, Algorithm::HS256))
    };
    cases.push(case("empty secret", weak(b""), "algorithm_not_allowed"));
    cases.push(case("short secret", weak(b"secret"), "algorithm_not_allowed"));
    let rival = {
        let message = message(header, GOOD);
        format!("{message}.{}", hmac(&message, RIVAL, Algorithm::HS256))
    };
    cases.push(case("another workspace's secret", rival, "bad_signature"));
    cases.push(case(
        "acme's secret for the rival",
        BY_SECRET.with_claims(&GOOD.replace("acme", "rival")),
        "bad_signature",
    ));
    cases.push(case(
        "a workspace nobody knows",
        BY_SECRET.with_claims(&GOOD.replace("acme", "ghost")),
        "algorithm_not_allowed",
    ));
    let rs = include_bytes!("../../testdata/rsa.pem");
    let other = include_bytes!("../../testdata/rsa-other.pem");
    let ec = include_bytes!("../../testdata/p256.pem");
    let ed = include_bytes!("../../testdata/ed25519.pem");
    use Algorithm::{ES256, EdDSA, PS256, RS256, RS512};
    cases.extend([
        case(
            "RS256 where a secret is on file",
            signed_by(rs, RS256, r#"{"alg":"RS256"}"#, GOOD),
            "algorithm_not_allowed",
        ),
        case(
            "ES256 where a secret is on file",
            signed_by(ec, ES256, r#"{"alg":"ES256"}"#, GOOD),
            "algorithm_not_allowed",
        ),
        case(
            "EdDSA where a secret is on file",
            signed_by(ed, EdDSA, r#"{"alg":"EdDSA"}"#, GOOD),
            "algorithm_not_allowed",
        ),
        case(
            "ES256 where RSA is on file",
            signed_by(ec, ES256, r#"{"alg":"ES256"}"#, &for_rsa()),
            "algorithm_not_allowed",
        ),
        case(
            "EdDSA where RSA is on file",
            signed_by(ed, EdDSA, r#"{"alg":"EdDSA"}"#, &for_rsa()),
            "algorithm_not_allowed",
        ),
        case(
            "RS256 by a stranger's key",
            signed_by(other, RS256, r#"{"alg":"RS256"}"#, &for_rsa()),
            "bad_signature",
        ),
        case(
            "PS256 by a stranger's key",
            signed_by(other, PS256, r#"{"alg":"PS256"}"#, &for_rsa()),
            "bad_signature",
        ),
        case("RS256 called PS256", signed_by(rs, RS256, r#"{"alg":"PS256"}"#, &for_rsa()), "bad_signature"),
        case("RS512 called RS256", signed_by(rs, RS512, r#"{"alg":"RS256"}"#, &for_rsa()), "bad_signature"),
        case("RSA called EdDSA", signed_by(rs, RS256, r#"{"alg":"EdDSA"}"#, &for_both()), "bad_signature"),
        case(
            "EC called ES384",
            signed_by(ec, ES256, r#"{"alg":"ES384"}"#, &for_both()),
            "algorithm_not_allowed",
        ),
        case(
            "HS256 called RS256",
            {
                let message = message(r#"{"alg":"RS256"}"#, &for_both());
                format!("{message}.{}", hmac(&message, ACME, Algorithm::HS256))
            },
            "bad_signature",
        ),
        case(
            "HS512 called HS256",
            {
                let message = message(header, GOOD);
                format!("{message}.{}", hmac(&message, ACME, Algorithm::HS512))
            },
            "bad_signature",
        ),
    ]);
    cases
}

/// J3: headers that point at keys.
pub(super) fn headers(by: &Signer) -> Vec<Case> {
    let mut cases = Vec::new();
    for kid in
        ["../../dev/null", "' OR 1=1 --", "/proc/self/environ", "|cat /etc/passwd", "", "R1", "r1\u{0}", "*"]
    {
        let header = json!({"alg": "HS256", "kid": kid}).to_string();
        let empty = message(&header, &by.claims(GOOD));
        cases.push(case(format!("kid {kid:?}"), by.with_header(&header), "unknown_key"));
        cases.push(case(
            format!("kid {kid:?}, keyed with nothing"),
            format!("{empty}.{}", hmac(&empty, b"", Algorithm::HS256)),
            if by.algorithm == Algorithm::HS256 { "unknown_key" } else { "algorithm_not_allowed" },
        ));
    }
    let kid =
        |kid: &str| signed_by(include_bytes!("../../testdata/rsa.pem"), Algorithm::RS256, kid, &for_both());
    let jwk = format!(r#"{{"alg":"RS256","jwk":{{"kty":"RSA","e":"AQAB","n":"{}"}}}}"#, b64([0xc1; 256]));
    let other = include_bytes!("../../testdata/rsa-other.pem");
    cases.extend([
        case("kid of a key of another family", kid(r#"{"alg":"RS256","kid":"e1"}"#), "unknown_key"),
        case("kid in another case", kid(r#"{"alg":"RS256","kid":"R1"}"#), "unknown_key"),
        case("kid is a number", by.with_header(r#"{"alg":"HS256","kid":1}"#), "invalid_header"),
        case("kid is an object", by.with_header(r#"{"alg":"HS256","kid":{"$ne":1}}"#), "invalid_header"),
        case("kid is null", by.with_header(r#"{"alg":"HS256","kid":null}"#), "invalid_header"),
        case(
            "kid is huge",
            by.with_header(&json!({"alg":"HS256","kid":"k".repeat(257)}).to_string()),
            "invalid_header",
        ),
        case("self-signed jwk", signed_by(other, Algorithm::RS256, &jwk, &for_rsa()), "forbidden_header"),
        case("jwk oct", by.with_header(r#"{"alg":"HS256","jwk":{"kty":"oct","k":""}}"#), "forbidden_header"),
        case(
            "jku",
            by.with_header(r#"{"alg":"HS256","jku":"https://evil.example/jwks.json"}"#),
            "forbidden_header",
        ),
        case(
            "x5u",
            by.with_header(r#"{"alg":"HS256","x5u":"https://evil.example/c.pem"}"#),
            "forbidden_header",
        ),
        case("x5c", by.with_header(r#"{"alg":"HS256","x5c":["MIIB"]}"#), "forbidden_header"),
        case("zip", by.with_header(r#"{"alg":"HS256","zip":"DEF"}"#), "forbidden_header"),
        case("enc", by.with_header(r#"{"alg":"HS256","enc":"A256GCM"}"#), "forbidden_header"),
        case("crit unknown", by.with_header(r#"{"alg":"HS256","crit":["x"],"x":1}"#), "critical_header"),
        case("crit empty", by.with_header(r#"{"alg":"HS256","crit":[]}"#), "critical_header"),
        case("crit null", by.with_header(r#"{"alg":"HS256","crit":null}"#), "critical_header"),
        case("b64 false", by.with_header(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#), "critical_header"),
        case("b64 without crit", by.with_header(r#"{"alg":"HS256","b64":false}"#), "critical_header"),
        case("typ of an access token", by.with_header(r#"{"alg":"HS256","typ":"at+jwt"}"#), "invalid_header"),
        case(
            "typ of a logout token",
            by.with_header(r#"{"alg":"HS256","typ":"logout+jwt"}"#),
            "invalid_header",
        ),
        case("typ is a list", by.with_header(r#"{"alg":"HS256","typ":["JWT"]}"#), "invalid_header"),
        case("alg twice", by.with_header(r#"{"alg":"HS256","alg":"none"}"#), "duplicate_member"),
        case(
            "alg twice, escaped",
            by.with_header(r#"{"alg":"none","\u0061lg":"HS256"}"#),
            "duplicate_member",
        ),
        case("header is a list", by.with_header(r#"["HS256"]"#), "malformed_token"),
        case("header is a string", by.with_header(r#""HS256""#), "malformed_token"),
        case("header has something behind", by.with_header(r#"{"alg":"HS256"}x"#), "malformed_token"),
        case("header with a BOM", by.with_header("\u{feff}{\"alg\":\"HS256\"}"), "malformed_token"),
        case(
            "header nests",
            by.with_header(&format!(r#"{{"alg":"HS256","a":{}{}}}"#, "[".repeat(20), "]".repeat(20))),
            "token_too_deep",
        ),
    ]);
    cases
}
