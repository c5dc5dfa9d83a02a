use super::*;
use crate::protocol::samples::{pairs, template};

const KEY: &str = "hush";

fn rule(encoding: &str) -> CallbackSignature {
    CallbackSignature {
        param: "hmac".to_owned(),
        algorithm: "HMAC-SHA256".to_owned(),
        encoding: encoding.to_owned(),
        key: template("{{client.secret}}"),
    }
}

/// The parameters of Shopify's documentation.
fn callback(hmac: &str) -> Vec<(String, String)> {
    pairs(&[
        ("code", "0907a61c0c8d55e99db179b68161bc00"),
        ("hmac", hmac),
        ("timestamp", "1337178173"),
        ("shop", "some-shop.myshopify.com"),
        ("state", "0.6784241404160823"),
    ])
}

/// Made with `printf 'code=…&shop=…&state=…&timestamp=…' | openssl dgst -sha256 -hmac hush`.
const HEX: &str = "700e2dadb827fcc8609e9d5ce208b2e9cdaab9df07390d2cbca10d7c328fc4bf";
const BASE64: &str = "cA4trbgn/Mhgnp1c4giy6c2qud8HOQ0svKENfDKPxL8=";

#[test]
fn a_signature_is_read_in_hex_of_either_case_and_in_base64() {
    assert!(is_genuine(&rule("hex"), KEY, &callback(HEX)));
    assert!(is_genuine(&rule("hex"), KEY, &callback(&HEX.to_ascii_uppercase())));
    assert!(is_genuine(&rule("base64"), KEY, &callback(BASE64)));
}

#[test]
fn the_order_of_arrival_makes_no_difference() {
    let mut params = callback(HEX);
    params.reverse();

    assert!(is_genuine(&rule("hex"), KEY, &params));
}

#[test]
fn whatever_was_changed_added_or_left_out_is_noticed() {
    let mut cases = Vec::new();
    for place in 0..5 {
        let mut changed = callback(HEX);
        changed[place].1.push('0');
        let mut renamed = callback(HEX);
        renamed[place].0.push('0');
        let mut missing = callback(HEX);
        missing.remove(place);
        let mut doubled = callback(HEX);
        doubled.push(doubled[place].clone());
        cases.extend([changed, renamed, missing, doubled]);
    }
    for hmac in ["", "0", "zz", BASE64, &HEX[..62], &format!("{HEX}00"), &"0".repeat(64), "\u{e9}\u{e9}"] {
        cases.push(callback(hmac));
    }

    for params in &cases {
        assert!(!is_genuine(&rule("hex"), KEY, params), "{params:?}");
    }
    assert_eq!(cases.len(), 28);
}

#[test]
fn another_key_algorithm_or_encoding_confirms_nothing() {
    let unknown = CallbackSignature { algorithm: "MD5".to_owned(), ..rule("hex") };

    assert!(!is_genuine(&rule("hex"), "other", &callback(HEX)));
    assert!(!is_genuine(&rule("hex"), "", &callback(HEX)));
    assert!(!is_genuine(&unknown, KEY, &callback(HEX)));
    assert!(!is_genuine(&rule("base32"), KEY, &callback(HEX)));
}

#[test]
fn one_parameter_cannot_pass_for_two() {
    let two = message(pairs(&[("a", "1"), ("b", "2")]).iter().collect());
    let one = message(pairs(&[("a", "1&b=2")]).iter().collect());
    let odd = message(pairs(&[("a=1&b", "2%")]).iter().collect());

    assert_eq!((&*two, &*one, &*odd), ("a=1&b=2", "a=1%26b=2", "a%3D1%26b=2%25"));
}
