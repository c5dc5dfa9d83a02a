//! Tokens that are good, made by another hand than the one that checks them.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::{Claims, Issuer, Keys, PublicKey, Rules, TokenError, issuer, sign_hs256, verify};
use crate::model::{Secret, Timestamp};

const NOW: i64 = 1_800_000_000;
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const RULES: Rules = Rules { max_lifetime: Duration::from_secs(24 * 3600), allow_without_exp: false };

fn public(kid: Option<&str>, pem: &str) -> PublicKey {
    PublicKey::from_pem(kid.map(str::to_owned), pem).expect("a test key")
}

fn keys() -> Keys {
    Keys {
        secrets: vec![Secret::new(vec![1; 32]), Secret::new(SECRET.to_vec())],
        public: vec![
            public(Some("other"), include_str!("../testdata/rsa-other.pub.pem")),
            public(None, include_str!("../testdata/rsa.pub.pem")),
            public(Some("p256"), include_str!("../testdata/p256.pub.pem")),
            public(Some("p384"), include_str!("../testdata/p384.pub.pem")),
            public(Some("ed"), include_str!("../testdata/ed25519.pub.pem")),
        ],
    }
}

fn signed(claims: &Value) -> String {
    sign_hs256(&Secret::new(SECRET.to_vec()), claims).expose().clone()
}

fn read_with(claims: &Value, rules: &Rules) -> Result<Claims, TokenError> {
    verify(&signed(claims), &keys(), rules, Timestamp::from_seconds(NOW))
}

fn read(claims: Value) -> Result<Claims, TokenError> {
    read_with(&claims, &RULES)
}

#[test]
fn every_supported_algorithm_is_accepted_from_its_own_key() {
    use Algorithm::{ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512};
    let rsa = EncodingKey::from_rsa_pem(include_bytes!("../testdata/rsa.pem")).expect("a test key");
    let p256 = EncodingKey::from_ec_pem(include_bytes!("../testdata/p256.pem")).expect("a test key");
    let p384 = EncodingKey::from_ec_pem(include_bytes!("../testdata/p384.pem")).expect("a test key");
    let ed = EncodingKey::from_ed_pem(include_bytes!("../testdata/ed25519.pem")).expect("a test key");
    let hmac = EncodingKey::from_secret(SECRET);
    let table = [
        (&hmac, [HS256, HS384, HS512].as_slice(), None),
        (&rsa, &[RS256, RS384, RS512, PS256, PS384, PS512], None),
        (&p256, &[ES256], Some("p256")),
        (&p384, &[ES384], Some("p384")),
        (&ed, &[EdDSA], Some("ed")),
    ];
    let claims = json!({"iss": "acme", "id": "42", "exp": NOW + 60});

    let mut accepted = 0;
    for (key, algorithms, kid) in table {
        for algorithm in algorithms {
            for kid in [None, kid] {
                let header = Header { kid: kid.map(str::to_owned), ..Header::new(*algorithm) };
                let token = jsonwebtoken::encode(&header, &claims, key).expect("a signature");
                let read = verify(&token, &keys(), &RULES, Timestamp::from_seconds(NOW));
                assert_eq!(
                    read.map(|claims| claims.customer),
                    Ok(Some("42".to_owned())),
                    "{algorithm:?} {kid:?}"
                );
                accepted += 1;
            }
        }
    }
    assert_eq!(accepted, 24);
}

#[test]
fn all_claims_are_read() {
    let claims = read(json!({
        "workspaceKey": "acme", "tenantKey": "42", "id": "42", "customer_id": "42", "name": "Ann", "fields": {"plan": "pro"},
        "isAdmin": true, "integrations": ["hubspot"], "connectorParameters": {"environment": "sandbox"},
        "integration_id": "i1", "test": true, "exp": NOW + 10, "iat": NOW, "nbf": NOW, "unknown": [1],
    }))
    .expect("a good token");

    assert_eq!(claims.customer.as_deref(), Some("42"));
    assert_eq!(claims.name.as_deref(), Some("Ann"));
    assert_eq!(claims.fields.map(Value::Object), Some(json!({"plan": "pro"})));
    assert_eq!(claims.integrations, Some(vec!["hubspot".to_owned()]));
    assert_eq!(claims.connector_parameters.map(Value::Object), Some(json!({"environment": "sandbox"})));
    assert_eq!(claims.integration_id.as_deref(), Some("i1"));
    assert_eq!(claims.expires_at, Some(Timestamp::from_seconds(NOW + 10)));
    assert!(claims.is_admin && claims.test);
}

/// Munity's `name` is the integration's, ours the customer's.
#[test]
fn a_name_beside_customer_id_alone_is_the_connections() {
    let table = [
        (json!({"id": "42", "name": "Ann"}), (Some("Ann"), None)),
        (json!({"id": "42", "customer_id": "42", "name": "Ann"}), (Some("Ann"), None)),
        (json!({"customer_id": "42", "name": "Jira of Ann"}), (None, Some("Jira of Ann"))),
        (json!({"customer_id": "42", "id": null, "name": "Jira"}), (None, Some("Jira"))),
        (json!({"customer_id": "42", "name": ""}), (None, None)),
    ];

    for (mut claims, (name, connection_name)) in table {
        claims["exp"] = json!(NOW + 10);
        let read = read(claims.clone()).expect("a good token");

        assert_eq!(read.customer.as_deref(), Some("42"));
        assert_eq!(
            (read.name.as_deref(), read.connection_name.as_deref()),
            (name, connection_name),
            "{claims}"
        );
    }
}

#[test]
fn a_token_says_which_key_signed_it_and_a_retired_one_signs_no_more() {
    let rsa = EncodingKey::from_rsa_pem(include_bytes!("../testdata/rsa.pem")).expect("a test key");
    let header = Header { kid: Some("old".to_owned()), ..Header::new(Algorithm::RS256) };
    let token = jsonwebtoken::encode(&header, &json!({"id": "42", "exp": NOW + 60}), &rsa).expect("signed");
    let old = public(Some("old"), include_str!("../testdata/rsa.pub.pem")).of_row("row 1");
    let keys = Keys { public: vec![old.retiring(Timestamp::from_seconds(NOW + 1))], ..Keys::default() };
    let at = |seconds| verify(&token, &keys, &RULES, Timestamp::from_seconds(seconds));

    assert_eq!(at(NOW).map(|claims| claims.signed_by), Ok(Some("row 1".to_owned())));
    assert_eq!(at(NOW + 1).err(), Some(TokenError::AlgorithmNotAllowed("RS256")));
}

#[test]
fn only_an_admin_token_may_leave_the_customer_out() {
    let admin = read(json!({"iss": "acme", "isAdmin": true, "exp": NOW + 10}));
    let customer = read(json!({"iss": "acme", "isAdmin": false, "exp": NOW + 10}));

    assert_eq!(admin.map(|claims| claims.customer), Ok(None));
    assert_eq!(customer.map(|claims| claims.customer), Err(TokenError::MissingCustomer));
}

#[test]
fn look_alike_ids_are_different_customers() {
    let ids = ["a", "a ", "A", "\u{e1}", "a\u{301}", "\u{430}"];

    let read: std::collections::BTreeSet<String> = ids
        .into_iter()
        .filter_map(|id| read(json!({"iss": "acme", "id": id, "exp": NOW + 10})).ok()?.customer)
        .collect();

    assert_eq!(read, ids.map(str::to_owned).into());
}

#[test]
fn the_longest_id_has_256_bytes() {
    let longest = "\u{e1}".repeat(128);

    let good = read(json!({"iss": "acme", "id": longest, "exp": NOW + 10}));
    let long = read(json!({"iss": "acme", "id": format!("{longest}a"), "exp": NOW + 10}));

    assert_eq!(good.map(|claims| claims.customer), Ok(Some(longest)));
    assert_eq!(long.map(|claims| claims.customer), Err(TokenError::InvalidClaim("id")));
}

#[test]
fn a_clock_may_be_off_by_a_minute() {
    let life = 24 * 3600;
    let table = [
        (json!({"exp": NOW - 59}), None),
        (json!({"exp": NOW - 60}), Some(TokenError::Expired)),
        (json!({"exp": NOW + life + 60}), None),
        (json!({"exp": NOW + life + 61}), Some(TokenError::LifetimeTooLong)),
        (json!({"exp": NOW + 10, "nbf": NOW + 60}), None),
        (json!({"exp": NOW + 10, "nbf": NOW + 61}), Some(TokenError::NotYetValid)),
        (json!({"exp": NOW + 10, "iat": NOW + 60}), None),
        (json!({"exp": NOW + 10, "iat": NOW + 61}), Some(TokenError::NotYetValid)),
        (json!({"exp": NOW + 10, "iat": 0}), None),
    ];

    for (mut claims, expected) in table {
        claims["id"] = json!("42");
        assert_eq!(read(claims.clone()).err(), expected, "{claims}");
    }
}

#[test]
fn a_token_without_exp_is_good_for_a_day_where_the_workspace_allows_it() {
    let lenient = Rules { allow_without_exp: true, ..RULES };
    let day = 24 * 3600;
    let table = [
        (json!({"id": "42"}), None),
        (json!({"id": "42", "iat": NOW - day - 60}), None),
        (json!({"id": "42", "iat": NOW - day - 61}), Some(TokenError::Expired)),
        (json!({"id": "42", "exp": NOW - 60}), Some(TokenError::Expired)),
        (json!({"id": "42", "exp": null}), Some(TokenError::InvalidClaim("exp"))),
    ];

    for (claims, expected) in table {
        assert_eq!(read_with(&claims, &lenient).err(), expected, "{claims}");
    }
    assert_eq!(read(json!({"id": "42"})).err(), Some(TokenError::MissingExpiry));
}

#[test]
fn the_issuer_is_a_key_or_an_id() {
    let table = [
        (json!({"iss": "acme"}), Ok(Issuer::Key("acme".to_owned()))),
        (json!({"workspaceKey": "acme", "workspace_id": "u"}), Ok(Issuer::Key("acme".to_owned()))),
        (json!({"workspace_id": "u"}), Ok(Issuer::Id("u".to_owned()))),
        (json!({"iss": "acme", "workspaceKey": "other"}), Err(TokenError::Conflict("iss"))),
        (json!({"iss": ["acme"]}), Err(TokenError::InvalidClaim("iss"))),
        (json!({"iss": ""}), Err(TokenError::InvalidClaim("iss"))),
        (json!({}), Err(TokenError::MissingIssuer)),
    ];

    for (claims, expected) in table {
        assert_eq!(issuer(&signed(&claims)), expected, "{claims}");
    }
}

#[test]
fn the_words_for_the_developer_name_the_setting_to_change() {
    assert!(TokenError::LifetimeTooLong.to_string().contains("`max_token_lifetime`"));
    assert!(TokenError::MissingExpiry.to_string().contains("`allow_tokens_without_exp`"));
}
