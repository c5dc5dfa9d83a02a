//! Text with `{{names}}` in it, and how values go into it.
//!
//! Knows syntax only, not which names exist. In an address a value can fill exactly the component
//! its placeholder stands for; see [`Template::render_url`].

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::Value;
use url::Url;

mod address;

pub(in crate::catalog) use address::is_loopback;
pub use address::{HostShape, Slot};

/// Text in which `{{name}}` stands for a value.
///
/// A name is `[A-Za-z_][A-Za-z0-9_]*`, or several of them joined by dots (`param.region`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Template {
    source: String,
    parts: Vec<Owned>,
    /// What it is when it is an address without a placeholder: read once, not once a call.
    address: Option<Url>,
}

/// A piece of a [`Template`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part<'a> {
    /// Text as it stands.
    Text(&'a str),
    /// The name inside `{{}}`.
    Name(&'a str),
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Owned {
    Text(String),
    Name(String),
}

/// Why a template is not one, or could not be filled. Never contains a value.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TemplateError {
    /// `{{` without `}}`.
    #[error("`{{{{` is never closed by `}}}}`")]
    Unclosed,
    /// What stands between the braces cannot be a name.
    #[error("`{{{{{0}}}}}` is not a name: use letters, digits and `_`, with `.` between words")]
    BadName(String),
    /// Nothing is known under this name.
    #[error("there is no value for `{{{{{0}}}}}`")]
    Missing(String),
    /// The value cannot stand at this place of an address.
    #[error("the value of `{{{{{name}}}}}` {reason}")]
    Unfit {
        /// The placeholder.
        name: String,
        /// What is wrong, to follow "the value of x".
        reason: &'static str,
    },
    /// The text cannot become an address, whatever the values.
    #[error("this is not a usable address: {0}")]
    NotAnAddress(&'static str),
}

/// Where the values of a template come from.
pub trait Values {
    /// The value of `name`; `None` when nothing is known under it.
    fn value(&self, name: &str) -> Option<Cow<'_, str>>;
}

impl Values for BTreeMap<String, String> {
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name).map(|value| Cow::Borrowed(value.as_str()))
    }
}

impl<T: Values + ?Sized> Values for &T {
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        (**self).value(name)
    }
}

/// No values at all, for text that has no placeholder.
impl Values for () {
    fn value(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

/// The first has precedence.
impl<A: Values, B: Values> Values for (A, B) {
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        self.0.value(name).or_else(|| self.1.value(name))
    }
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// When a `{{` is not closed or what it holds cannot be a name.
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = source;
        while let Some(open) = rest.find("{{") {
            if open > 0 {
                parts.push(Owned::Text(rest[..open].to_owned()));
            }
            let close = rest[open..].find("}}").ok_or(TemplateError::Unclosed)? + open;
            let name = rest[open + 2..close].trim();
            if !is_name(name) {
                return Err(TemplateError::BadName(name.to_owned()));
            }
            parts.push(Owned::Name(name.to_owned()));
            rest = &rest[close + 2..];
        }
        if !rest.is_empty() {
            parts.push(Owned::Text(rest.to_owned()));
        }
        let mut template = Self { source: source.to_owned(), parts, address: None };
        if matches!(&template.parts[..], [Owned::Text(text)] if text.contains("://")) {
            template.address = template.render_url(&()).ok();
        }
        Ok(template)
    }

    /// The text it was read from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The names in it, in order; one that stands twice comes twice.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts().filter_map(|part| match part {
            Part::Name(name) => Some(name),
            Part::Text(_) => None,
        })
    }

    /// Its pieces, in order. No two texts follow each other.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        self.parts.iter().map(|part| match part {
            Owned::Text(text) => Part::Text(text),
            Owned::Name(name) => Part::Name(name),
        })
    }

    /// The text itself when there is no placeholder in it.
    pub fn literal(&self) -> Option<&str> {
        self.names().next().is_none().then_some(self.source.as_str())
    }

    /// This template with `path` behind it, as for a path after `api.base`: exactly one slash
    /// stands between them.
    #[must_use]
    pub fn join(&self, path: &Self) -> Self {
        let base = self.source.strip_suffix('/').unwrap_or(&self.source);
        let slash = if path.source.is_empty() || path.source.starts_with(['/', '?']) { "" } else { "/" };
        let source = format!("{base}{slash}{}", path.source);
        Self::parse(&source).expect("two templates after each other are a template")
    }

    /// Puts the values in, as plain text. Whoever sends the result must encode or check it for
    /// the place it goes to; for addresses there is [`Template::render_url`].
    ///
    /// # Errors
    /// When a value is missing.
    pub fn render(&self, values: &dyn Values) -> Result<String, TemplateError> {
        let mut text = String::with_capacity(self.source.len());
        for part in self.parts() {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Name(name) => text.push_str(&lookup(values, name)?),
            }
        }
        Ok(text)
    }
}

/// Renders every string of a JSON value as a template; keys stay as they are.
///
/// # Errors
/// When a string is no template or a value is missing.
pub fn render_json(body: &Value, values: &dyn Values) -> Result<Value, TemplateError> {
    Ok(match body {
        Value::String(text) => Value::String(Template::parse(text)?.render(values)?),
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| render_json(item, values)).collect::<Result<_, _>>()?)
        }
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(key, member)| Ok((key.clone(), render_json(member, values)?)))
                .collect::<Result<_, TemplateError>>()?,
        ),
        other => other.clone(),
    })
}

/// The names that the strings of a JSON body use; some twice.
pub(super) fn json_names(body: &Value) -> Vec<String> {
    match body {
        Value::String(text) => {
            Template::parse(text).map(|found| found.names().map(str::to_owned).collect()).unwrap_or_default()
        }
        Value::Array(items) => items.iter().flat_map(json_names).collect(),
        Value::Object(members) => members.values().flat_map(json_names).collect(),
        _ => Vec::new(),
    }
}

fn lookup<'v>(values: &'v dyn Values, name: &str) -> Result<Cow<'v, str>, TemplateError> {
    values.value(name).ok_or_else(|| TemplateError::Missing(name.to_owned()))
}

/// Whether `text` can be a template name.
pub fn is_name(text: &str) -> bool {
    text.split('.').all(|word| {
        word.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && word.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn values_take_the_place_of_their_names() {
        let template = Template::parse("{{email}}/token of {{ param.region }}").expect("a template");

        let text = template.render(&values(&[("email", "a@b.c"), ("param.region", "eu")]));

        assert_eq!(text, Ok("a@b.c/token of eu".to_owned()));
        assert_eq!(template.names().collect::<Vec<_>>(), ["email", "param.region"]);
    }

    #[test]
    fn a_value_is_never_read_as_a_template() {
        let template = Template::parse("Bearer {{a}}").expect("a template");

        let text = template.render(&values(&[("a", "{{b}}"), ("b", "secret")]));

        assert_eq!(text, Ok("Bearer {{b}}".to_owned()));
    }

    #[test]
    fn odd_braces_are_refused() {
        assert_eq!(Template::parse("a {{b"), Err(TemplateError::Unclosed));
        for name in ["", "a b", "a-b", "1a", "a..b", ".a", "a.", "é", "a|b", "{x"] {
            assert_eq!(
                Template::parse(&format!("{{{{{name}}}}}")),
                Err(TemplateError::BadName(name.to_owned()))
            );
        }
    }

    #[test]
    fn a_missing_value_is_named() {
        let template = Template::parse("{{client.id}}").expect("a template");

        let error = template.render(&()).expect_err("no values");

        assert_eq!(error.to_string(), "there is no value for `{{client.id}}`");
    }

    #[test]
    fn a_json_body_is_filled_string_by_string() {
        let body = json!({ "query": "{ viewer { id } }", "n": 1, "who": ["{{a}}", null] });

        let filled = render_json(&body, &values(&[("a", "\"}")]));

        assert_eq!(filled, Ok(json!({ "query": "{ viewer { id } }", "n": 1, "who": ["\"}", null] })));
    }

    #[test]
    fn a_path_is_joined_with_one_slash() {
        let path = Template::parse("/me?x={{y}}").expect("a template");

        for base in ["https://a.example/v1", "https://a.example/v1/"] {
            let base = Template::parse(base).expect("a template");
            assert_eq!(base.join(&path).source(), "https://a.example/v1/me?x={{y}}");
        }
    }
}
