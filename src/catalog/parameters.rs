//! Connector parameters as somebody gives them: declared ones only, each within its schema, and
//! only from a place that may set it.
//!
//! They reach us through browsers, so a parameter that decides where a secret goes is `signed` or
//! `integration_only`; what a value means for templates is in [`super::values`].

use serde_json::{Map, Value};

use super::connector::{Connector, Parameter};
use crate::model::{Parameters, Secret};

/// The parameter that every connector has: scopes to ask for instead of the integration's.
pub const SCOPES: &str = "scopes";
/// Stands for a secret value where it is not shown.
pub const MASK: &str = "********";
/// Scopes one list may have, and bytes of one scope.
const SCOPES_MAX: usize = 200;
const SCOPE_BYTES_MAX: usize = 256;
/// Bytes that all parameters of one owner may have as JSON.
const PARAMETERS_MAX: usize = 16 * 1024;

/// Where parameters come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A payload that travelled through a browser unsigned.
    Browser,
    /// A claim of a checked token, or a call of the product's backend.
    Signed,
    /// The integration's own settings.
    Integration,
}

/// What is wrong with one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterError {
    /// `connectorParameters.NAME`.
    pub path: String,
    /// One sentence. Never quotes a value.
    pub message: String,
}

/// Checks `given`, and takes secret ones apart.
pub fn check(
    connector: &Connector,
    given: &Map<String, Value>,
    source: Source,
) -> Result<Parameters, Vec<ParameterError>> {
    let mut errors = Vec::new();
    if Value::Object(given.clone()).to_string().len() > PARAMETERS_MAX {
        let message = format!("All parameters together have at most {} KiB.", PARAMETERS_MAX / 1024);
        return Err(vec![ParameterError { path: "connectorParameters".to_owned(), message }]);
    }
    let mut checked = Parameters::default();
    for (name, value) in given {
        match check_one(connector, name, value, source) {
            Ok(Kind::Plain) => {
                checked.plain.insert(name.clone(), value.clone());
            }
            Ok(Kind::Secret(text)) => {
                checked.secret.insert(name.clone(), Secret::new(text));
            }
            Err(message) => {
                errors.push(ParameterError { path: format!("connectorParameters.{name}"), message });
            }
        }
    }
    if errors.is_empty() { Ok(checked) } else { Err(errors) }
}

enum Kind {
    Plain,
    Secret(String),
}

fn check_one(connector: &Connector, name: &str, value: &Value, source: Source) -> Result<Kind, String> {
    let Some(parameter) = connector.parameters.get(name) else {
        let known = connector.parameters.keys().map(String::as_str).collect::<Vec<_>>().join("`, `");
        return Err(format!("{} does not declare this parameter; it has `{known}`.", connector.name));
    };
    if name == SCOPES {
        check_scopes(value)?;
    }
    if parameter.integration_only && source != Source::Integration {
        return Err("This parameter is set on the integration only.".to_owned());
    }
    if parameter.signed && source == Source::Browser {
        return Err(
            "This parameter has to be signed: send it inside the token, or from your backend.".to_owned()
        );
    }
    if !fits(parameter, value) {
        return Err(match parameter.schema.get("enum").and_then(Value::as_array) {
            Some(values) => {
                let values: Vec<_> = values.iter().filter_map(Value::as_str).collect();
                format!("The value has to be one of `{}`.", values.join("`, `"))
            }
            None => "The value does not fit the parameter's schema.".to_owned(),
        });
    }
    match (parameter.secret, value) {
        (false, _) => Ok(Kind::Plain),
        (true, Value::String(text)) if text == MASK => {
            Err("This is how a value that is not shown is written: send the value itself, or leave it out."
                .to_owned())
        }
        (true, Value::String(text)) => Ok(Kind::Secret(text.clone())),
        (true, _) => Err("A secret parameter is a text.".to_owned()),
    }
}

fn fits(parameter: &Parameter, value: &Value) -> bool {
    jsonschema::options()
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(&parameter.schema)
        .is_ok_and(|schema| schema.is_valid(value))
}

/// Scope tokens of RFC 6749 §3.3: visible ASCII without quotes and backslashes.
fn check_scopes(value: &Value) -> Result<(), String> {
    let is_scope = |value: &Value| {
        value.as_str().is_some_and(|scope| {
            (1..=SCOPE_BYTES_MAX).contains(&scope.len())
                && scope.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
        })
    };
    let fits = value.as_array().is_some_and(|items| items.len() <= SCOPES_MAX && items.iter().all(is_scope));
    fits.then_some(())
        .ok_or_else(|| format!("Scopes are a list of at most {SCOPES_MAX} texts without spaces or quotes."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::parse;

    fn connector() -> Connector {
        let text = r#"
name = "App"
[api]
base = "https://{{host}}/v1"
hosts = ["a.example.com", "b.example.com"]
[parameters.zone]
enum = ["a", "b"]
default = "a"
sets.a = { host = "a.example.com" }
sets.b = { host = "b.example.com" }
[parameters.tenant]
type = "string"
pattern = "^[a-z]{1,8}$"
signed = true
[parameters.private_key]
type = "string"
secret = true
integration_only = true
[parameters.note]
type = "string"
secret = true
[[auth]]
type = "api-key"
use = { headers = { A = "{{key}}" } }
field = [{ name = "key", title = "Key", secret = true }]
"#;
        parse::connector("app", "app.toml", text).expect("a connector")
    }

    fn checked(given: Value, source: Source) -> Result<Parameters, Vec<String>> {
        let given = given.as_object().cloned().unwrap_or_default();
        check(&connector(), &given, source).map_err(|errors| {
            errors.into_iter().map(|error| format!("{}: {}", error.path, error.message)).collect()
        })
    }

    #[test]
    fn declared_parameters_within_their_schema_are_taken() {
        let given = json!({ "zone": "b", "scopes": ["read", "write"], "note": "hush" });

        let parameters = checked(given, Source::Browser).expect("all are good");

        assert_eq!(Value::Object(parameters.plain), json!({ "zone": "b", "scopes": ["read", "write"] }));
        assert_eq!(parameters.secret["note"].expose(), "hush");
    }

    #[test]
    fn each_refusal_names_the_path_and_what_to_do() {
        for (given, source, expected) in [
            (
                json!({ "tokenUri": "https://evil.example" }),
                Source::Signed,
                "connectorParameters.tokenUri: App does not declare this parameter; it has `note`, `private_key`, `scopes`, `tenant`, `zone`.",
            ),
            (
                json!({ "zone": "c" }),
                Source::Browser,
                "connectorParameters.zone: The value has to be one of `a`, `b`.",
            ),
            (
                json!({ "zone": { "host": "x" } }),
                Source::Browser,
                "connectorParameters.zone: The value has to be one of `a`, `b`.",
            ),
            (
                json!({ "tenant": "acme" }),
                Source::Browser,
                "connectorParameters.tenant: This parameter has to be signed: send it inside the token, or from your backend.",
            ),
            (
                json!({ "tenant": "ACME" }),
                Source::Signed,
                "connectorParameters.tenant: The value does not fit the parameter's schema.",
            ),
            (
                json!({ "private_key": "k" }),
                Source::Signed,
                "connectorParameters.private_key: This parameter is set on the integration only.",
            ),
            (
                json!({ "note": "x".repeat(20_000) }),
                Source::Signed,
                "connectorParameters: All parameters together have at most 16 KiB.",
            ),
            (
                json!({ "scopes": ["a b"] }),
                Source::Browser,
                "connectorParameters.scopes: Scopes are a list of at most 200 texts without spaces or quotes.",
            ),
            (
                json!({ "scopes": "read" }),
                Source::Browser,
                "connectorParameters.scopes: Scopes are a list of at most 200 texts without spaces or quotes.",
            ),
        ] {
            let errors = checked(given, source).err().expect(expected);

            assert_eq!(errors, [expected]);
        }
    }

    #[test]
    fn a_signed_parameter_is_taken_from_a_signed_place_and_any_from_the_integration() {
        assert!(checked(json!({ "tenant": "acme" }), Source::Signed).is_ok());
        assert!(checked(json!({ "private_key": "k", "tenant": "acme" }), Source::Integration).is_ok());
    }
}
