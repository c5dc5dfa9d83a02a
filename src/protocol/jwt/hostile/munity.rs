//! Tokens as Munity's customers sign them, made to deceive: RS256, the workspace by its id, no secret.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::Algorithm;
use serde_json::json;

use super::*;

/// The workspace's id.
pub(super) const MUNITY: &str = "11111111-2222-3333-aaaa-eeeeeeeeeeee";
/// What Munity's documents show, with an end.
pub(super) const MUNITYS: &str = r#"{"customer_id":"customer_1234","workspace_id":"11111111-2222-3333-aaaa-eeeeeeeeeeee","name":"optional name","exp":1800000600}"#;

/// Signed with the workspace's own key.
pub(super) fn munitys(header: &str, claims: &str) -> String {
    signed_by(include_bytes!("../../testdata/rsa.pem"), Algorithm::RS256, header, claims)
}

/// J2, J3 and J5 for such a workspace.
pub(super) fn munity() -> Vec<Case> {
    let mut cases = confused();
    let rs = r#"{"alg":"RS256"}"#;
    let with = |claims: String| munitys(rs, &claims);
    let also = |more: &str| with(MUNITYS.replace('}', &format!(",{more}}}")));
    let customer = |id: &str| with(MUNITYS.replace("\"customer_1234\"", id));
    let other = include_bytes!("../../testdata/rsa-other.pem");
    for (kid, code) in [
        ("m0", "unknown_key"),
        ("M1", "unknown_key"),
        ("../m1", "unknown_key"),
        ("r1", "unknown_key"),
        ("", "unknown_key"),
    ] {
        cases.push(case(
            format!("kid {kid:?}"),
            munitys(&json!({"alg":"RS256","kid":kid}).to_string(), MUNITYS),
            code,
        ));
    }
    cases.extend([
        case("by a stranger's key", signed_by(other, Algorithm::RS256, rs, MUNITYS), "bad_signature"),
        case(
            "by the retired key, called the live one",
            signed_by(other, Algorithm::RS256, r#"{"alg":"RS256","kid":"m1"}"#, MUNITYS),
            "bad_signature",
        ),
        case(
            "by the retired key, under its name",
            signed_by(other, Algorithm::RS256, r#"{"alg":"RS256","kid":"m0"}"#, MUNITYS),
            "unknown_key",
        ),
        case(
            "another workspace's id",
            with(MUNITYS.replace("eeeeeeeeeeee", "eeeeeeeeeeef")),
            "missing_issuer",
        ),
        case("workspace_id is empty", with(MUNITYS.replace(MUNITY, "")), "invalid_claim"),
        case(
            "workspace_id is a list",
            with(MUNITYS.replace(&format!("\"{MUNITY}\""), "[1]")),
            "invalid_claim",
        ),
        case("workspace_id twice", also(r#""workspace_id":"x""#), "duplicate_member"),
        case("customer_id twice", also(r#""customer_id":"other""#), "duplicate_member"),
        case("another customer beside", also(r#""id":"other""#), "conflicting_claims"),
        case("integration_id is a number", also(r#""integration_id":1"#), "invalid_claim"),
        case("integration_id is a list", also(r#""integration_id":["x"]"#), "invalid_claim"),
        case("name is a list", with(MUNITYS.replace("\"optional name\"", "[]")), "invalid_claim"),
        case("no exp", with(MUNITYS.replace(r#","exp":1800000600"#, "")), "missing_expiry"),
        case("over", with(MUNITYS.replace("1800000600", "1799999940")), "token_expired"),
    ]);
    for id in ["\"\"", "\"a b\"", "\"a/b\"", "\"a.b\"", "\"\u{e9}\"", "\"a\\u0000\"", "1234", "[\"a\"]"] {
        cases.push(case(format!("customer_id {id}"), customer(id), "invalid_claim"));
    }
    cases.push(case("customer_id too long", customer(&format!("\"{}\"", "a".repeat(257))), "invalid_claim"));
    cases.push(case("customer_id null", customer("null"), "missing_customer"));
    cases
}

/// J2: whoever has the public key makes tokens with it as if it were a secret.
fn confused() -> Vec<Case> {
    let der = RSA_PUBLIC.lines().filter(|line| !line.starts_with('-')).collect::<String>();
    let der = STANDARD.decode(der).expect("a test key");
    let spellings: [(&str, &[u8]); 3] =
        [("PEM", RSA_PUBLIC.as_bytes()), ("PEM, trimmed", RSA_PUBLIC.trim().as_bytes()), ("DER", &der)];
    let headers =
        [r#"{"alg":"HS256"}"#, r#"{"alg":"HS256","kid":"m1"}"#, r#"{"alg":"HS256","typ":"JWT","kid":"m0"}"#];
    let mut cases = Vec::new();
    for (what, key) in spellings {
        for header in headers {
            let message = message(header, MUNITYS);
            let token = format!("{message}.{}", hmac(&message, key, Algorithm::HS256));
            cases.push(case(format!("{header} keyed with the {what}"), token, "algorithm_not_allowed"));
            let called = message_as_rs256(header);
            let token = format!("{called}.{}", hmac(&called, key, Algorithm::HS256));
            let code = if header.contains("m0") { "unknown_key" } else { "bad_signature" };
            cases.push(case(format!("{header} called RS256, keyed with the {what}"), token, code));
        }
    }
    cases
}

fn message_as_rs256(header: &str) -> String {
    message(&header.replace("HS256", "RS256"), MUNITYS)
}
