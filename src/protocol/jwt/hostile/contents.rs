//! Tokens with hostile times, names, sizes and shapes.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD},
};
use serde_json::json;

use super::*;

/// J4: times.
pub(super) fn times(by: &Signer) -> Vec<Case> {
    let exp = |exp: &str| by.with_claims(&GOOD.replace("1800000600", exp));
    let also = |more: &str| by.with_claims(&GOOD.replace('}', &format!(",{more}}}")));
    let mut cases = vec![
        case("no exp", by.with_claims(r#"{"iss":"acme","id":"42"}"#), "missing_expiry"),
        case("exp just over", exp("1799999940"), "token_expired"),
        case("exp long ago", exp("1"), "token_expired"),
        case("exp 0", exp("0"), "token_expired"),
        case("exp -0", exp("-0"), "invalid_claim"),
        case("exp next week", exp("1800604800"), "lifetime_too_long"),
        case("exp in the year 9999", exp("253402300799"), "lifetime_too_long"),
        case("exp in milliseconds", exp("1800000600000"), "invalid_claim"),
        case("exp 1e400", exp("1e400"), "malformed_token"),
        case("exp NaN", exp("NaN"), "malformed_token"),
        case("exp Infinity", exp("Infinity"), "malformed_token"),
        case("exp hexadecimal", exp("0x6B49D200"), "malformed_token"),
        case("exp with a leading zero", exp("01800000600"), "malformed_token"),
        case("nbf in the future", also(r#""nbf":1800000061"#), "token_not_yet_valid"),
        case("nbf as a string", also(r#""nbf":"0""#), "invalid_claim"),
        case("nbf null", also(r#""nbf":null"#), "invalid_claim"),
        case("iat in the future", also(r#""iat":1800000061"#), "token_not_yet_valid"),
        case("iat as a fraction", also(r#""iat":1799999999.5"#), "invalid_claim"),
        case("iat negative", also(r#""iat":-1"#), "invalid_claim"),
    ];
    for value in [
        "\"1800000600\"",
        "1800000600.5",
        "1800000600.0",
        "1.8e9",
        "-1",
        "-1800000600",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "1e300",
        "null",
        "true",
        "[1800000600]",
        "{\"a\":1}",
        "\"never\"",
        "\"\"",
    ] {
        cases.push(case(format!("exp {value}"), exp(value), "invalid_claim"));
    }
    cases
}

/// J5: who it is for.
pub(super) fn subjects(by: &Signer) -> Vec<Case> {
    let id = |id: &str| by.with_claims(&GOOD.replace("\"42\"", id));
    let also = |more: &str| by.with_claims(&GOOD.replace('}', &format!(",{more}}}")));
    vec![
        case("no workspace", by.with_claims(r#"{"id":"42","exp":1800000600}"#), "missing_issuer"),
        case("iss is a list", by.with_claims(&GOOD.replace("\"acme\"", r#"["acme"]"#)), "invalid_claim"),
        case("iss is empty", by.with_claims(&GOOD.replace("acme", "")), "invalid_claim"),
        case("iss and workspaceKey differ", also(r#""workspaceKey":"rival""#), "conflicting_claims"),
        case("no customer", by.with_claims(r#"{"iss":"acme","exp":1800000600}"#), "missing_customer"),
        case("id null", id("null"), "missing_customer"),
        case("id empty", id("\"\""), "invalid_claim"),
        case("id is a list", id(r#"["42"]"#), "invalid_claim"),
        case("id is a number", id("42"), "invalid_claim"),
        case("id is an object", id(r#"{"$gt":""}"#), "invalid_claim"),
        case("id is true", id("true"), "invalid_claim"),
        case("id has 257 bytes", id(&format!("\"{}\"", "a".repeat(257))), "invalid_claim"),
        case("id has a NUL", id(r#""42\u0000""#), "invalid_claim"),
        case("id has a line break", id(r#""42\n43""#), "invalid_claim"),
        case("id has half a surrogate pair", id(r#""\ud800""#), "malformed_token"),
        case("id and tenantKey differ", also(r#""tenantKey":"43""#), "conflicting_claims"),
        case("id and customer_id differ", also(r#""customer_id":"43""#), "conflicting_claims"),
        case("customer_id with a slash", also(r#""customer_id":"4/2""#), "invalid_claim"),
        case("isAdmin as a string", also(r#""isAdmin":"true""#), "invalid_claim"),
        case("isAdmin as a number", also(r#""isAdmin":1"#), "invalid_claim"),
        case("integrations as a string", also(r#""integrations":"hubspot""#), "invalid_claim"),
        case("integrations with a number", also(r#""integrations":[1]"#), "invalid_claim"),
        case("fields as a list", also(r#""fields":[]"#), "invalid_claim"),
        case("connectorParameters as a string", also(r#""connectorParameters":"{}""#), "invalid_claim"),
        case("name as an object", also(r#""name":{}"#), "invalid_claim"),
        case("id twice", also(r#""id":"43""#), "duplicate_member"),
        case("iss twice", also(r#""iss":"rival""#), "duplicate_member"),
        case("exp twice", also(r#""exp":1800000601"#), "duplicate_member"),
        case("isAdmin twice", also(r#""isAdmin":false,"isAdmin":true"#), "duplicate_member"),
        case("twice inside fields", also(r#""fields":{"a":1,"a":2}"#), "duplicate_member"),
        case("twice, escaped", also(r#""\u0069d":"43""#), "duplicate_member"),
    ]
}

/// J6: sizes and shapes.
pub(super) fn shapes(by: &Signer) -> Vec<Case> {
    let good = by.good();
    let parts: Vec<&str> = good.split('.').collect();
    let (header, claims, signature) = (parts[0], parts[1], parts[2]);
    let flipped = |at: usize| {
        let mut bytes = URL_SAFE_NO_PAD.decode(signature).expect("our own signature");
        bytes[at] ^= 1;
        format!("{header}.{claims}.{}", b64(bytes))
    };
    let last = signature.chars().last().expect("a signature");
    // 43 characters carry 258 bits for 256: the last character has twins that decode alike.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let place = alphabet.find(last).expect("base64url");
    let twin = &alphabet[place + 1..place + 2];
    let twin = format!("{header}.{claims}.{}{twin}", &signature[..signature.len() - 1]);
    let mut cases = vec![
        case("nothing", String::new(), "malformed_token"),
        case("a dot", ".".to_owned(), "malformed_token"),
        case("two dots", "..".to_owned(), "malformed_token"),
        case("no dots", "abc".to_owned(), "malformed_token"),
        case("two parts", format!("{header}.{claims}"), "malformed_token"),
        case("four parts", format!("{good}.AAAA"), "malformed_token"),
        case("five parts", format!("{good}.AAAA.AAAA"), "malformed_token"),
        case("a dot behind", format!("{good}."), "malformed_token"),
        case("a dot in front", format!(".{good}"), "malformed_token"),
        case("no signature", format!("{header}.{claims}."), "bad_signature"),
        case("first bit flipped", flipped(0), "bad_signature"),
        case("last bit flipped", flipped(31), "bad_signature"),
        case("signature cut", format!("{header}.{claims}.{}", &signature[..40]), "bad_signature"),
        case("signature doubled", format!("{header}.{claims}.{}", b64([7_u8; 64])), "bad_signature"),
        case("signature of zeros", format!("{header}.{claims}.{}", b64([0_u8; 32])), "bad_signature"),
        case("signature's twin", twin, "malformed_token"),
        case("signature padded", format!("{good}="), "malformed_token"),
        case(
            "claims padded",
            format!("{header}.{}.{signature}", URL_SAFE.encode(by.claims(GOOD))),
            "malformed_token",
        ),
        case(
            "claims in the other alphabet",
            format!("{header}.{}.{signature}", STANDARD.encode("{\"a\":\"\u{fb}\u{3e}\u{ff}?~~\"}")),
            "malformed_token",
        ),
        case("a space in front", format!(" {good}"), "malformed_token"),
        case("a space behind", format!("{good} "), "malformed_token"),
        case("a newline behind", format!("{good}\n"), "malformed_token"),
        case("a newline inside", good.replacen('.', ".\n", 1), "malformed_token"),
        case("a NUL behind", format!("{good}\0"), "malformed_token"),
        case("Bearer in front", format!("Bearer {good}"), "malformed_token"),
        case("in quotes", format!("\"{good}\""), "malformed_token"),
        case("percent-encoded", good.replace('.', "%2E"), "malformed_token"),
        case("full-width dots", good.replace('.', "．"), "malformed_token"),
        case("in lower case", good.to_ascii_lowercase(), "malformed_token"),
        case(
            "claims in lower case",
            format!("{header}.{}.{signature}", claims.to_ascii_lowercase()),
            "malformed_token",
        ),
        case(
            "claims of another token",
            format!("{header}.{}.{signature}", b64(by.claims(GOOD).replace("42", "43"))),
            "bad_signature",
        ),
        case("claims are a list", by.with_claims(r#"[{"iss":"acme"}]"#), "malformed_token"),
        case("claims are a string", by.with_claims(r#""acme""#), "malformed_token"),
        case("claims are empty", by.with_claims(""), "malformed_token"),
        case("claims have two objects", by.with_claims(&format!("{GOOD}{GOOD}")), "malformed_token"),
        case("claims have a comment", by.with_claims(&GOOD.replace(',', ",/**/")), "malformed_token"),
        case("claims have a BOM", by.with_claims(&format!("\u{feff}{GOOD}")), "malformed_token"),
        case("claims are a JWT", by.with_claims(&good), "malformed_token"),
        case("nests 17 levels", by.with_claims(&nested(15)), "token_too_deep"),
        case("nests 1000 levels", by.with_claims(&nested(1000)), "token_too_deep"),
        case(
            "JSON serialization",
            json!({"payload": claims, "protected": header, "signature": signature}).to_string(),
            "malformed_token",
        ),
        case("an API key", "pat-na1-11111111-2222-3333-4444-555555555555".to_owned(), "malformed_token"),
    ];
    for bytes in [8 << 10, 16 << 10, 64 << 10, 1 << 20, 10 << 20] {
        let padded =
            by.with_claims(&GOOD.replace('}', &format!(r#","fields":{{"a":"{}"}}}}"#, "x".repeat(bytes))));
        cases.push(case(format!("{bytes} bytes of fields"), padded, "token_too_large"));
        cases.push(case(format!("{bytes} dots"), ".".repeat(bytes + 1), "token_too_large"));
    }
    let raw = |claims: &[u8]| format!("{}.{}.AAAA", b64(r#"{"alg":"HS256"}"#), b64(claims));
    cases.push(case("claims are not UTF-8", raw(b"{\"iss\":\"ac\xffme\"}"), "malformed_token"));
    let zero = message(r#"{"alg":"ES256"}"#, &for_both());
    for (what, signature) in [
        ("zeros", vec![0; 64]),
        ("ones", vec![0xff; 64]),
        ("nothing", vec![]),
        ("DER", vec![0x30, 6, 2, 1, 1, 2, 1, 1]),
    ] {
        cases.push(case(
            format!("ES256 with a signature of {what}"),
            format!("{zero}.{}", b64(signature)),
            "bad_signature",
        ));
    }
    let zero = message(r#"{"alg":"EdDSA"}"#, &for_both());
    cases.push(case("EdDSA with a signature of zeros", format!("{zero}.{}", b64([0; 64])), "bad_signature"));
    let zero = message(r#"{"alg":"RS256"}"#, &for_rsa());
    cases.push(case("RS256 with a signature of zeros", format!("{zero}.{}", b64([0; 256])), "bad_signature"));
    cases.push(case("RS256 with a signature of one", format!("{zero}.{}", b64([1])), "bad_signature"));
    cases
}
