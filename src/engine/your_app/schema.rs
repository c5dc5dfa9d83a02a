//! The schema of a customer's credentials: refused when checking against it could take long, and what
//! does not fit is told by path, never by value.
//!
//! A schema is expanded along its references before it is used, so that neither a circle nor a reference
//! that doubles at every step can make one small request expensive.

use std::collections::{BTreeMap, HashMap};

use jsonschema::{PatternOptions, ValidationError, error::ValidationErrorKind};
use serde_json::Value;

/// Bytes a schema may have as JSON.
const SCHEMA_MAX: usize = 16 * 1024;
/// Levels a schema may have, references followed.
const DEPTH_MAX: usize = 32;
/// Parts a schema may have, references followed; what is slow to check counts for more.
const WEIGHT_MAX: usize = 2000;
const SLOW: usize = 50;
/// Bytes and levels that credentials may have, and values in them.
pub(super) const CREDENTIALS_MAX: usize = 16 * 1024;
const CREDENTIALS_DEPTH: usize = 8;
const CREDENTIALS_VALUES: usize = 500;
/// Bytes a compiled pattern may have.
const PATTERN_SIZE: usize = 128 * 1024;
/// Faults that are told at once.
const FAULTS_MOST: usize = 20;

/// Keywords that can name a schema elsewhere, or whose cost grows with the depth.
const REFUSED: [&str; 8] = [
    "$id",
    "$anchor",
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$recursiveAnchor",
    "unevaluatedProperties",
    "unevaluatedItems",
];
const COSTLY: [&str; 5] = ["pattern", "patternProperties", "propertyNames", "uniqueItems", "contains"];

/// A schema that is cheap to check against.
pub(super) struct Schema(jsonschema::Validator);

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    /// What is wrong with it, to follow its key.
    pub(super) fn read(schema: &Value) -> Result<Self, String> {
        if !schema.is_object() {
            return Err("must be a JSON Schema, a table such as { type = \"object\" }".to_owned());
        }
        if schema.to_string().len() > SCHEMA_MAX {
            return Err(format!("is larger than {} KiB", SCHEMA_MAX / 1024));
        }
        let mut walk = Walk { root: schema, known: HashMap::new(), open: Vec::new() };
        if walk.weight(schema, 0)? > WEIGHT_MAX {
            return Err(
                "is too costly to check: it has too many parts once its references are followed".to_owned()
            );
        }
        let patterns = PatternOptions::regex().size_limit(PATTERN_SIZE).dfa_size_limit(PATTERN_SIZE);
        let built = jsonschema::options().with_pattern_options(patterns).build(schema);
        built.map(Self).map_err(|error| format!("is not a JSON Schema: {}", at("", &error).1))
    }

    /// What is wrong with `credentials`: path and one sentence each, never a value. Empty when nothing is.
    pub(super) fn faults(&self, credentials: &Value) -> BTreeMap<String, String> {
        if self.0.is_valid(credentials) {
            return BTreeMap::new();
        }
        self.0.iter_errors(credentials).take(FAULTS_MOST).map(|error| at("credentials", &error)).collect()
    }
}

/// Whether credentials are small enough to be looked at.
pub(super) fn too_large(credentials: &Value) -> Option<String> {
    fn values(value: &Value, depth: usize) -> Option<usize> {
        let within = depth <= CREDENTIALS_DEPTH;
        let below = match value {
            Value::Array(items) => items.iter().map(|item| values(item, depth + 1)).sum::<Option<usize>>(),
            Value::Object(members) => members.values().map(|item| values(item, depth + 1)).sum(),
            _ => Some(0),
        };
        below.filter(|_| within).map(|below| below + 1)
    }
    if credentials.to_string().len() > CREDENTIALS_MAX {
        return Some(format!("Credentials have at most {} KiB.", CREDENTIALS_MAX / 1024));
    }
    match values(credentials, 0) {
        Some(count) if count <= CREDENTIALS_VALUES => None,
        Some(_) => Some(format!("Credentials have at most {CREDENTIALS_VALUES} values.")),
        None => Some(format!("Credentials are nested at most {CREDENTIALS_DEPTH} levels deep.")),
    }
}

struct Walk<'s> {
    root: &'s Value,
    known: HashMap<&'s str, usize>,
    /// References that are being followed right now.
    open: Vec<&'s str>,
}

impl<'s> Walk<'s> {
    fn weight(&mut self, value: &'s Value, depth: usize) -> Result<usize, String> {
        if depth > DEPTH_MAX {
            return Err(format!("is nested more than {DEPTH_MAX} levels deep"));
        }
        let mut weight = 1_usize;
        match value {
            Value::Array(items) => {
                for item in items {
                    weight = weight.saturating_add(self.weight(item, depth + 1)?);
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    weight = weight.saturating_add(self.member(name, member, depth)?);
                }
            }
            _ => {}
        }
        Ok(weight)
    }

    fn member(&mut self, name: &'s str, member: &'s Value, depth: usize) -> Result<usize, String> {
        // A property may have any name; as a keyword it has a value of the keyword's kind.
        if REFUSED.contains(&name) && (!member.is_object() || name.starts_with("unevaluated")) {
            return Err(format!("has `{name}`, which is not taken here"));
        }
        let own = match (name, member) {
            ("$ref", Value::String(target)) => self.followed(target, depth)?,
            _ => self.weight(member, depth + 1)?,
        };
        let parts = member.as_object().map_or(1, serde_json::Map::len);
        Ok(own.saturating_add(if COSTLY.contains(&name) { SLOW * parts } else { 0 }))
    }

    fn followed(&mut self, target: &'s str, depth: usize) -> Result<usize, String> {
        if self.open.contains(&target) {
            return Err(format!("has a reference that leads back to itself: {target}"));
        }
        if let Some(weight) = self.known.get(target) {
            return Ok(*weight);
        }
        let pointer = target.strip_prefix('#').filter(|pointer| pointer.starts_with('/'));
        let Some(found) = pointer.and_then(|pointer| self.root.pointer(pointer)) else {
            return Err(format!("has a reference that is not followed: {target} (write #/$defs/name)"));
        };
        self.open.push(target);
        let weight = self.weight(found, depth + 1)?;
        self.open.pop();
        self.known.insert(target, weight);
        Ok(weight)
    }
}

fn at(root: &str, error: &ValidationError<'_>) -> (String, String) {
    let mut path = root.to_owned();
    for part in error.instance_path().as_str().split('/').skip(1) {
        path.push('.');
        path.push_str(&part.replace("~1", "/").replace("~0", "~"));
    }
    if let ValidationErrorKind::Required { property } = error.kind() {
        path.push('.');
        path.push_str(property.as_str().unwrap_or_default());
    }
    (path.chars().take(200).collect(), sentence(error.kind()))
}

fn sentence(kind: &ValidationErrorKind) -> String {
    match kind {
        ValidationErrorKind::Required { .. } => "This is missing.".to_owned(),
        ValidationErrorKind::Type { .. } => "This has another type than the schema wants.".to_owned(),
        ValidationErrorKind::Enum { .. } | ValidationErrorKind::Constant { .. } => {
            "This is none of the values that are allowed.".to_owned()
        }
        ValidationErrorKind::Pattern { .. } => "This does not have the form that is wanted.".to_owned(),
        ValidationErrorKind::MinLength { limit } => format!("This has fewer than {limit} characters."),
        ValidationErrorKind::MaxLength { limit } => format!("This has more than {limit} characters."),
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            format!("This has members that the schema does not know: {}.", unexpected.join(", "))
        }
        other => format!("This does not fit the schema: {}.", other.keyword()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::json;

    use super::*;

    fn refused(schema: &Value) -> String {
        Schema::read(schema).err().unwrap_or_else(|| panic!("{schema} was taken"))
    }

    /// A reference that doubles at every step.
    fn doubling(steps: usize) -> Value {
        let mut defs = serde_json::Map::new();
        defs.insert("d0".to_owned(), json!({ "type": "string" }));
        for step in 1..=steps {
            let below = json!({ "$ref": format!("#/$defs/d{}", step - 1) });
            defs.insert(format!("d{step}"), json!({ "allOf": [below, below] }));
        }
        json!({ "$defs": defs, "$ref": format!("#/$defs/d{steps}") })
    }

    fn nested(depth: usize) -> Value {
        (0..depth).fold(json!({ "type": "string" }), |inner, _| json!({ "properties": { "a": inner } }))
    }

    /// Security D3.
    #[test]
    fn a_bomb_is_refused_before_it_costs_anything() {
        let many: Vec<Value> = (0..60).map(|n| json!({ "pattern": format!("^(a|b){{{n},90}}$") })).collect();
        let bombs = [
            doubling(30),
            doubling(13),
            nested(60),
            json!({ "$ref": "#" }),
            json!({ "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } }, "$ref": "#/$defs/a" }),
            json!({ "properties": { "a": { "$ref": "#/properties/a" } } }),
            json!({ "properties": { "a": { "$ref": "#" } } }),
            json!({ "$ref": "https://evil.test/schema.json" }),
            json!({ "$ref": "file:///etc/passwd" }),
            json!({ "$ref": "other.json#/a" }),
            json!({ "$ref": "#anchor" }),
            json!({ "$schema": "https://evil.test/meta" }),
            json!({ "$id": "https://evil.test/", "$ref": "x" }),
            json!({ "$dynamicRef": "#a" }),
            json!({ "unevaluatedProperties": { "unevaluatedProperties": false } }),
            json!({ "pattern": "^(a+)+$(?=x)" }),
            json!({ "pattern": "(?:a{1000}){1000}" }),
            json!({ "pattern": "^\\p{L}{1,900}$" }),
            json!({ "pattern": "((((a{9}){9}){9}){9}){9}" }),
            json!({ "allOf": many }),
            json!({ "description": "x".repeat(SCHEMA_MAX) }),
            json!({ "enum": vec![0; 3000] }),
            json!({ "type": "no such type" }),
            json!(true),
        ];

        for bomb in bombs {
            let begun = Instant::now();
            let reason = refused(&bomb);
            assert!(begun.elapsed() < Duration::from_millis(50), "{:?}: {reason}", begun.elapsed());
        }
    }

    /// Security D3.
    #[test]
    fn no_credentials_take_long_to_check() {
        let heavy = json!({
            "type": "object",
            "allOf": [
                { "additionalProperties": { "type": "string", "pattern": "^(([a-z])+.)+[A-Z]([a-z])+$" } },
                { "patternProperties": { "^(x+x+)+y$": { "minLength": 9 } } },
                { "properties": { "list": { "type": "array", "uniqueItems": true, "contains": { "const": 7 } } } },
            ],
        });
        let schema = Schema::read(&heavy).expect("a schema");
        let given = [
            json!({ "a": "a".repeat(16_000) }),
            json!({ ("x".repeat(16_000)): "a" }),
            json!({ "list": (0..480).collect::<Vec<_>>() }),
            json!({ "list": vec![json!({ "a": [1, 2] }); 120] }),
        ];

        for credentials in given {
            assert_eq!(too_large(&credentials), None);
            let begun = Instant::now();
            assert!(!schema.faults(&credentials).is_empty());
            assert!(begun.elapsed() < Duration::from_millis(50), "{:?}", begun.elapsed());
        }
    }

    #[test]
    fn what_is_too_large_is_not_looked_at() {
        let deep = (0..9).fold(json!(1), |inner, _| json!([inner]));

        assert_eq!(
            too_large(&json!("x".repeat(CREDENTIALS_MAX))).as_deref(),
            Some("Credentials have at most 16 KiB.")
        );
        assert_eq!(too_large(&json!(vec![1; 500])).as_deref(), Some("Credentials have at most 500 values."));
        assert_eq!(too_large(&deep).as_deref(), Some("Credentials are nested at most 8 levels deep."));
        assert_eq!(too_large(&json!({ "a": { "b": ["c", 1, true, null] } })), None);
    }

    #[test]
    fn every_fault_is_told_by_path_and_none_by_value() {
        let schema = json!({
            "$defs": { "key": { "type": "string", "pattern": "^ak_[a-z]{4,9}$" } },
            "type": "object",
            "required": ["apiKey", "region"],
            "additionalProperties": false,
            "properties": {
                "apiKey": { "$ref": "#/$defs/key" },
                "region": { "enum": ["eu", "us"] },
                "oauth": { "type": "object", "required": ["token"], "properties": { "ttl": { "type": "integer" } } },
                "note": { "type": "string", "maxLength": 3 },
                "$id": { "type": "string" },
            },
        });
        let schema = Schema::read(&schema).expect("a schema");
        let given =
            json!({ "apiKey": "canary-1", "oauth": { "ttl": "canary-2" }, "note": "canary-3", "extra": 1 });

        let faults = schema.faults(&given);

        let told: Vec<_> = faults.iter().map(|(path, message)| format!("{path}: {message}")).collect();
        assert_eq!(
            told,
            [
                "credentials: This has members that the schema does not know: extra.",
                "credentials.apiKey: This does not have the form that is wanted.",
                "credentials.note: This has more than 3 characters.",
                "credentials.oauth.token: This is missing.",
                "credentials.oauth.ttl: This has another type than the schema wants.",
                "credentials.region: This is missing.",
            ]
        );
        assert!(schema.faults(&json!({ "apiKey": "ak_abcd", "region": "eu" })).is_empty());
        assert_eq!(schema.faults(&json!("text")).keys().collect::<Vec<_>>(), ["credentials"]);
    }
}
