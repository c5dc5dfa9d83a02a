//! The parser and the JSON Schema for editors know the same keys.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::catalog::{Files, schema};

/// A file that has every table the format knows. It need not make sense as a whole.
const EVERY_TABLE: &str = include_str!("testdata/every-table.toml");

fn document() -> Value {
    serde_json::from_str(schema::document()).expect("the schema is JSON")
}

/// The schema as a whole file is checked with.
fn validator() -> jsonschema::Validator {
    jsonschema::validator_for(&document()).expect("the schema is a schema")
}

fn as_json(text: &str) -> Value {
    toml::from_str::<Value>(text).expect("TOML")
}

/// The keys that the parser asks each kind of table for.
fn asked() -> BTreeMap<String, BTreeSet<String>> {
    let root = DeTable::parse(EVERY_TABLE).expect("TOML");
    let file = File::new("every-table.toml", EVERY_TABLE, root.get_ref());
    let read = root_table("every-table", &Table::new(&file, "", root.get_ref()));
    assert!(read.is_ok() && file.faults().is_empty(), "{:?}", file.faults());
    let own = |keys: BTreeSet<&str>| keys.into_iter().map(str::to_owned).collect();
    file.asked().into_iter().map(|(kind, keys)| (kind, own(keys))).collect()
}

/// The keys that the schema names for each kind of table, found by walking it.
fn named() -> BTreeMap<String, BTreeSet<String>> {
    let document = document();
    let mut found = BTreeMap::new();
    walk(&document, &document, "", &mut found);
    found
}

fn walk(document: &Value, schema: &Value, kind: &str, found: &mut BTreeMap<String, BTreeSet<String>>) {
    if let Some(target) = schema["$ref"].as_str() {
        let pointed = document.pointer(target.trim_start_matches('#')).expect("what a $ref names is there");
        return walk(document, pointed, kind, found);
    }
    for one in schema["oneOf"].as_array().into_iter().flatten() {
        walk(document, one, kind, found);
    }
    if let Some(items) = schema.get("items") {
        walk(document, items, &format!("{kind}[]"), found);
    }
    let Some(properties) = schema["properties"].as_object() else { return };
    // What is open to other keys is not a table of the format's own: parameters, and members of a reply.
    if schema["additionalProperties"] == false && !kind.ends_with(".map") {
        found.entry(kind.to_owned()).or_default().extend(properties.keys().cloned());
    }
    for (name, property) in properties {
        let below = if kind.is_empty() { name.clone() } else { format!("{kind}.{name}") };
        walk(document, property, &below, found);
    }
}

#[test]
fn the_schema_has_the_keys_of_the_parser_and_no_others() {
    let (asked, named) = (asked(), named());

    assert!(asked.len() > 30, "{:?}", asked.keys());
    assert_eq!(asked.keys().collect::<Vec<_>>(), named.keys().collect::<Vec<_>>());
    for (kind, keys) in &asked {
        assert_eq!(keys, &named[kind], "the keys of `{kind}`");
    }
}

#[test]
fn the_schema_has_the_words_of_the_parser() {
    let document = document();
    let words = |pointer: &str| -> Vec<String> {
        let words = document.pointer(pointer).and_then(Value::as_array).expect(pointer);
        words.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };

    assert_eq!(words("/properties/categories/items/enum"), CATEGORIES);
    assert_eq!(words("/properties/status/enum"), STATUSES.iter().map(|(word, _)| *word).collect::<Vec<_>>());
    for (pointer, key) in [
        ("/$defs/option/properties/type/enum", "type"),
        ("/$defs/option/properties/client_auth/enum", "client_auth"),
        ("/$defs/option/properties/scopes/properties/at/enum", "scopes.at"),
        ("/$defs/option/properties/jwt/properties/algorithm/enum", "jwt.algorithm"),
        ("/$defs/option/properties/signature/properties/method/enum", "signature.method"),
        ("/$defs/field/properties/type/enum", "field.type"),
        ("/$defs/request/properties/method/enum", "token.method"),
        ("/$defs/request/properties/format/enum", "token.format"),
    ] {
        assert_eq!(words(pointer), said_of(key), "{key}");
    }
}

/// The words that the parser offers for a key of an option, out of its refusal of another.
fn said_of(key: &str) -> Vec<String> {
    let mut text = "name = \"App\"\n[[auth]]\n".to_owned();
    text.push_str(if key == "type" { "" } else { "type = \"oauth2\"\n" });
    match key {
        "field.type" => text.push_str("field = [{ name = \"a\", title = \"A\", type = \"?\" }]\n"),
        "jwt.algorithm" => text.push_str("jwt = { key = \"k\", algorithm = \"?\" }\n"),
        _ if key.starts_with("token.") => {
            text.push_str(&format!("token.url = \"https://a.b\"\n{key} = \"?\"\n"))
        }
        _ => text.push_str(&format!("{key} = \"?\"\n")),
    }
    let faults = faults("app", "app.toml", &text);
    let reason = faults.iter().find_map(|fault| fault.reason.strip_prefix("must be one of "));
    reason.unwrap_or_else(|| panic!("{key}: {faults:?}")).split(", ").map(str::to_owned).collect()
}

#[test]
fn every_connector_fits_the_schema() {
    let validator = validator();
    let mut count = 0;
    for name in Files::iter().filter(|name| name.ends_with(".toml")) {
        let file = Files::get(&name).expect("it was listed");
        let json = as_json(std::str::from_utf8(&file.data).expect("text"));
        let faults: Vec<_> =
            validator.iter_errors(&json).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
        assert!(faults.is_empty(), "{name}: {faults:#?}");
        count += 1;
    }
    assert!(count > 20, "{count}");
    assert!(validator.is_valid(&as_json(EVERY_TABLE)));
}

#[test]
fn what_the_parser_refuses_the_schema_refuses_too() {
    let validator = validator();
    let good = "name = \"App\"\n[[auth]]\ntype = \"oauth2\"\nauthorize = \"https://a.b/x\"\ntoken = \"https://a.b/y\"\n\
                use = { headers = { A = \"{{access_token}}\" } }\n";
    assert!(validator.is_valid(&as_json(good)) && faults("app", "app.toml", good).is_empty());

    for bad in [
        "tokn = 1",
        "pkce = \"no\"",
        "client_auth = \"unknown\"",
        "scopes = { separator = \"ab\" }",
        "refresh = { url = \"https://a.b\", rotate = true }",
        "field = [{ name = \"a\" }]",
        "field = [{ name = \"a b\", title = \"A\" }]",
        "revoke = { url = \"https://a.b\", path = \"/x\" }",
        "revoke = {}",
        "revoke = { url = \"https://a.b\", map = { token = \"x\" } }",
        "jwt = { key = \"x\" }",
        "help_url = \"http://a.b\"",
        "api = { account = { label = \"x\" } }",
        "api = { expired = { equals = 1 } }",
    ] {
        let text = format!("{good}{bad}\n");
        assert!(!faults("app", "app.toml", &text).is_empty(), "the parser takes {bad}");
        assert!(!validator.is_valid(&as_json(&text)), "the schema takes {bad}");
    }
}
