//! The flat namespace that a connector's templates are filled from.
//!
//! Whoever makes a call puts in what it knows; a name that no owner gave stays unknown, so a
//! template that needs it fails instead of sending an empty text.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::{Map, Value};

use super::{
    connector::{AuthOption, Connector},
    input,
    template::Values,
};
use crate::model::{Parameters, Secret};

/// Names and values for one call. Not `Debug`: it may hold secrets.
#[derive(Clone, Default)]
pub struct Namespace {
    values: BTreeMap<String, Secret<String>>,
}

impl Namespace {
    /// Without any value.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one value; an earlier one of this name is replaced.
    pub fn set(&mut self, name: &str, value: &str) {
        self.values.insert(name.to_owned(), Secret::from(value));
    }

    /// Adds values that may be shown: plain input, values kept from replies.
    pub fn plain(&mut self, values: &BTreeMap<String, String>) {
        for (name, value) in values {
            self.set(name, value);
        }
    }

    /// Adds values that may not.
    pub fn secret(&mut self, values: &BTreeMap<String, Secret<String>>) {
        for (name, value) in values {
            self.values.insert(name.clone(), value.clone());
        }
    }

    /// Adds the option's optional fields that were left empty, as empty text. Call it last.
    pub fn optional(&mut self, option: &AuthOption) {
        for field in input::typed(option).filter(|field| !field.required) {
            let parts = field.split.iter().flat_map(|split| &split.into);
            for name in std::iter::once(&field.name).chain(parts) {
                self.values.entry(name.clone()).or_insert_with(|| Secret::from(""));
            }
        }
    }

    /// Adds the connector parameters: each as `param.NAME`, and what its value sets. A parameter
    /// without a value has its schema's default.
    pub fn parameters(&mut self, connector: &Connector, given: &Parameters) {
        for (name, parameter) in &connector.parameters {
            if let Some(secret) = given.secret.get(name) {
                self.values.insert(format!("param.{name}"), secret.clone());
                continue;
            }
            let Some(value) = given.plain.get(name).or_else(|| parameter.schema.get("default")) else {
                continue;
            };
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Null | Value::Array(_) | Value::Object(_) => continue,
                other => other.to_string(),
            };
            for (name, value) in parameter.sets.get(&text).into_iter().flatten() {
                self.set(name, value);
            }
            self.set(&format!("param.{name}"), &text);
        }
    }

    /// Adds a token signed by us.
    pub fn jwt(&mut self, token: &Secret<String>) {
        self.values.insert("jwt".to_owned(), token.clone());
    }

    /// Adds `customer.id`, `customer.name` and `customer.fields.*`; only single values can be used.
    pub fn customer(&mut self, id: &str, name: Option<&str>, fields: &Map<String, Value>) {
        self.set("customer.id", id);
        self.set("customer.name", name.unwrap_or_default());
        for (field, value) in fields {
            match value {
                Value::String(text) => self.set(&format!("customer.fields.{field}"), text),
                Value::Number(_) | Value::Bool(_) => {
                    self.set(&format!("customer.fields.{field}"), &value.to_string())
                }
                _ => {}
            }
        }
    }

    /// Adds `workspace.key` and `workspace.name`.
    pub fn workspace(&mut self, key: &str, name: &str) {
        self.set("workspace.key", key);
        self.set("workspace.name", name);
    }

    /// Adds `client.id` and, when there is one, `client.secret`.
    pub fn client(&mut self, id: &str, secret: Option<&Secret<String>>) {
        self.set("client.id", id);
        if let Some(secret) = secret {
            self.values.insert("client.secret".to_owned(), secret.clone());
        }
    }

    /// Adds `access_token` and, when there is one, `refresh_token`.
    pub fn tokens(&mut self, access: &Secret<String>, refresh: Option<&Secret<String>>) {
        self.values.insert("access_token".to_owned(), access.clone());
        if let Some(refresh) = refresh {
            self.values.insert("refresh_token".to_owned(), refresh.clone());
        }
    }
}

impl Values for Namespace {
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        self.values.get(name).map(|value| Cow::Borrowed(value.expose().as_str()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::{Template, TemplateError, parse};

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
[[auth]]
type = "api-key"
use = { headers = { A = "{{key}}", B = "{{team}}" } }
field = [{ name = "key", title = "Key", secret = true }, { name = "team", title = "Team", required = false }]
"#;
        parse::connector("app", "app.toml", text).expect("a connector")
    }

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn a_parameter_gives_itself_and_what_it_sets() {
        let connector = connector();
        let base = connector.api.as_ref().and_then(|api| api.base.clone()).expect("a base");

        for (given, host) in [(json!({}), "a.example.com"), (json!({ "zone": "b" }), "b.example.com")] {
            let mut values = Namespace::new();
            values.parameters(&connector, &Parameters { plain: object(given), ..Parameters::default() });

            assert_eq!(base.render_url(&values).map(String::from), Ok(format!("https://{host}/v1")));
            assert_eq!(values.value("param.zone").as_deref(), Some(&host[..1]));
        }
    }

    #[test]
    fn an_empty_optional_field_is_empty_text_and_an_unknown_name_is_an_error() {
        let connector = connector();
        let mut values = Namespace::new();
        values.optional(&connector.auth[0]);

        assert_eq!(values.value("team").as_deref(), Some(""));
        let key = Template::parse("{{key}}").expect("a template");
        assert_eq!(key.render(&values), Err(TemplateError::Missing("key".to_owned())));
    }

    #[test]
    fn customer_workspace_and_client_have_their_own_rooms() {
        let mut values = Namespace::new();
        values.customer("c1", None, &object(json!({ "team": "t", "n": 3, "deep": {} })));
        values.workspace("acme", "Acme");
        values.client("id", Some(&Secret::from("word")));

        let text = "{{customer.id}} {{customer.fields.team}} {{customer.fields.n}} {{workspace.name}} {{client.secret}}";
        let template = Template::parse(text).expect("a template");
        assert_eq!(template.render(&values), Ok("c1 t 3 Acme word".to_owned()));
        assert_eq!(values.value("customer.fields.deep"), None);
    }
}
