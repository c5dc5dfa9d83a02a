//! What customers type, and what they are told.

use super::*;
use crate::catalog::parse;

fn option(fields: &str) -> AuthOption {
    let text = format!(
        "name = \"App\"\n[[auth]]\ntype = \"custom\"\nuse = {{ headers = {{ A = \"{{{{key}}}}\" }} }}\nfield = [\n\
         {fields}\n{{ name = \"key\", title = \"API key\", secret = true, pattern = '^SG\\.\\S+$' }}]"
    );
    match parse::connector("app", "app.toml", &text) {
        Ok(mut connector) => connector.auth.remove(0),
        Err(error) => panic!("{error}"),
    }
}

fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let all = [("key", "SG.1")].iter().chain(pairs);
    all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn messages(option: &AuthOption, pairs: &[(&str, &str)]) -> Vec<String> {
    let errors = check(option, &given(pairs)).err().unwrap_or_default();
    errors.into_iter().map(|error| format!("{}: {}", error.field, error.message)).collect()
}

fn accepted(option: &AuthOption, pairs: &[(&str, &str)]) -> Input {
    match check(option, &given(pairs)) {
        Ok(input) => input,
        Err(errors) => panic!("{errors:?}"),
    }
}

const SUBDOMAIN: &str = "{ name = \"subdomain\", title = \"Zendesk subdomain\", \
    pattern = \"^[A-Za-z0-9][A-Za-z0-9-]*$\", example = \"acme\", suffix = \".zendesk.com\" },";

#[test]
fn what_is_secret_is_kept_apart_and_the_undeclared_is_ignored() {
    let input = accepted(&option(SUBDOMAIN), &[("subdomain", " acme "), ("other", "x")]);

    assert_eq!(input.plain, BTreeMap::from([("subdomain".to_owned(), "acme".to_owned())]));
    assert_eq!(input.secret.keys().collect::<Vec<_>>(), ["key"]);
    assert_eq!(input.secret["key"].expose(), "SG.1");
}

#[test]
fn the_customer_is_told_what_to_do() {
    let option = option(SUBDOMAIN);

    assert_eq!(messages(&option, &[]), ["subdomain: Zendesk subdomain is required."]);
    assert_eq!(
        messages(&option, &[("subdomain", "evil.com/#")]),
        ["subdomain: Use letters, digits and hyphens, for example acme."]
    );
    assert_eq!(
        messages(&option, &[("subdomain", "  "), ("key", "xx")]),
        ["subdomain: Zendesk subdomain is required.", "key: API key begins with “SG.”."]
    );
}

#[test]
fn a_pasted_address_is_cut_to_what_is_asked_for() {
    let subdomain = option(SUBDOMAIN);
    for pasted in
        ["acme", "acme.zendesk.com", "https://acme.zendesk.com/", "HTTPS://acme.Zendesk.com/agent?x#y"]
    {
        assert_eq!(accepted(&subdomain, &[("subdomain", pasted)]).plain["subdomain"], "acme", "{pasted}");
    }
    for pasted in [
        "https://acme.zendesk.com.evil.com/",
        "https://a.b.zendesk.com/",
        "https://u@acme.zendesk.com/",
        ".zendesk.com",
        "https://zendesk.com",
        "javascript:acme.zendesk.com",
    ] {
        assert_eq!(messages(&subdomain, &[("subdomain", pasted)]).len(), 1, "{pasted}");
    }

    let host = option("{ name = \"host\", title = \"Host\", pattern = '^[A-Za-z0-9.-]+(:\\d+)?$' },");
    assert_eq!(
        accepted(&host, &[("host", "https://git.example.com:8443/x")]).plain["host"],
        "git.example.com:8443"
    );
}

#[test]
fn defaults_and_options_hold() {
    let option = option(
        "{ name = \"region\", title = \"Region\", options = { eu = \"Europe\", us = \"America\" }, default = \"us\" },\
         { name = \"note\", title = \"Note\", required = false },\
         { name = \"n\", title = \"Count\", type = \"integer\", required = false },",
    );

    let input = accepted(&option, &[("n", "12")]);
    assert_eq!((input.plain["region"].as_str(), input.plain["n"].as_str()), ("us", "12"));
    assert!(!input.plain.contains_key("note"));
    assert_eq!(messages(&option, &[("region", "asia")]), ["region: Choose one of: Europe, America."]);
    assert_eq!(messages(&option, &[("n", "1.5")]), ["n: Count must be a whole number."]);
}

#[test]
fn long_values_and_control_characters_are_refused_without_repeating_them() {
    let option = option(
        "{ name = \"a\", title = \"Name\" }, { name = \"pem\", title = \"Private key\", secret = true },",
    );
    let pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----";
    let long = "x".repeat(VALUE_LIMIT + 1);

    assert_eq!(
        messages(&option, &[("a", &long), ("pem", pem)]),
        ["a: Name is too long: at most 4096 characters."]
    );
    for odd in ["a\nb", "a\r\nX: y", "a\u{0}b", "a\tb", "a\u{85}b"] {
        assert_eq!(
            messages(&option, &[("a", odd), ("pem", odd)]),
            [
                "a: Name has characters that cannot be typed. Copy it again.",
                "pem: Private key has characters that cannot be typed. Copy it again."
            ]
        );
    }
    assert!(messages(&option, &[("a", "b"), ("pem", pem)]).is_empty());
}

#[test]
fn a_pattern_covers_the_whole_value() {
    let option = option("{ name = \"a\", title = \"Name\", pattern = \"b|c\" },");

    assert!(messages(&option, &[("a", "b")]).is_empty());
    for value in ["xb", "bx", "b\nc", "bc"] {
        assert_eq!(messages(&option, &[("a", value)]).len(), 1, "{value}");
    }
}

#[test]
fn parts_and_computed_values_are_as_secret_as_their_source() {
    let option = option(
        "{ name = \"pair\", title = \"Pair\", secret = true, split = { on = \":\", into = [\"id\", \"word\"] } },\
         { name = \"dc\", title = \"Data centre\", derive = { from = \"word\", regex = \"-([a-z]{2}\\\\d)$\" } },",
    );

    let input = accepted(&option, &[("pair", "me:abc-us6"), ("dc", "evil")]);

    let secret = |name: &str| input.secret[name].expose().as_str();
    assert_eq!((secret("id"), secret("word"), secret("dc")), ("me", "abc-us6", "us6"));
    assert!(input.plain.is_empty());
    assert_eq!(messages(&option, &[("pair", "me")]), ["pair: Pair must have 2 parts with “:” between them."]);
    assert_eq!(messages(&option, &[("pair", "me:abc")]), ["pair: Pair is not complete: copy all of it."]);
}

#[test]
fn hostile_patterns_run_in_linear_time() {
    let option = option(
        "{ name = \"a\", title = \"Name\", pattern = \"^(a+)+$\" }, { name = \"b\", title = \"B\", pattern = \"^(a|a?)*b$\" },",
    );
    let value = format!("{}!", "a".repeat(VALUE_LIMIT - 1));

    // A backtracking engine would not come back from this call.
    let found = messages(&option, &[("a", &value), ("b", &value)]);

    assert_eq!(found.len(), 2);
}

#[test]
fn the_schema_tells_a_client_everything_a_form_needs() {
    let option = option(
        "{ name = \"zone\", title = \"Zone\", help = \"Where it lives\", options = { eu = \"Europe\", us = \"America\" }, default = \"us\" },\
         { name = \"n\", title = \"Count\", type = \"integer\", required = false, example = 3, options = [1, 3] },\
         { name = \"dc\", title = \"Data centre\", derive = { from = \"key\", regex = \"(.)$\" } },",
    );

    assert_eq!(
        input_schema(&option),
        json!({
            "type": "object",
            "required": ["key"],
            "x-order": ["zone", "n", "key"],
            "properties": {
                "zone": {
                    "type": "string", "title": "Zone", "description": "Where it lives", "default": "us",
                    "oneOf": [{ "const": "eu", "title": "Europe" }, { "const": "us", "title": "America" }],
                },
                "n": { "type": "integer", "title": "Count", "examples": [3], "enum": [1, 3] },
                "key": {
                    "type": "string", "title": "API key", "format": "password", "writeOnly": true,
                    "pattern": "^SG\\.\\S+$",
                },
            },
        })
    );
}
