//! What the customer types: its schema for the wire, and the check before anything is sent.
//!
//! Patterns come from files that anyone may write, so they run on the linear engine with a size
//! limit. No message repeats a value.

use std::{
    collections::BTreeMap,
    sync::{LazyLock, PoisonError, RwLock},
};

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value, json};

use super::connector::{AuthOption, Field};
use crate::model::Secret;

/// The longest value a field takes, in bytes.
pub const VALUE_LIMIT: usize = 4096;

/// The longest pattern a file may have, in bytes.
const PATTERN_LIMIT: usize = 1000;

/// Memory one compiled pattern may take.
const PATTERN_SIZE: usize = 1 << 19;

/// Compiled patterns that are kept; connectors are few, so this is never reached by honest use.
const PATTERNS_KEPT: usize = 2048;

static PATTERNS: LazyLock<RwLock<BTreeMap<String, Regex>>> = LazyLock::new(RwLock::default);

/// What a customer gave, checked. Not `Debug`, because of what is secret in it.
#[derive(Clone, Default)]
pub struct Input {
    /// May be shown and returned.
    pub plain: BTreeMap<String, String>,
    /// Sealed and never returned.
    pub secret: BTreeMap<String, Secret<String>>,
}

/// Why a field was not accepted, in words for the customer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldError {
    /// Name of the field.
    pub field: String,
    /// A sentence.
    pub message: String,
}

/// The fields a customer types, in order; computed ones are not among them.
pub fn typed(option: &AuthOption) -> impl Iterator<Item = &Field> {
    option.fields.iter().filter(|field| field.derive.is_none())
}

/// JSON Schema of an option's input, as it goes over the wire. `x-order` has the fields' order.
pub fn input_schema(option: &AuthOption) -> Value {
    let properties: Map<_, _> =
        typed(option).map(|field| (field.name.clone(), field_schema(field))).collect();
    let required = |field: &&Field| field.required && field.default.is_none();
    let required: Vec<_> = typed(option).filter(required).map(|field| &field.name).collect();
    let order: Vec<_> = typed(option).map(|field| &field.name).collect();
    json!({ "type": "object", "properties": properties, "required": required, "x-order": order })
}

fn field_schema(field: &Field) -> Value {
    let mut schema = Map::new();
    let mut set = |key: &str, value: Value| schema.insert(key.to_owned(), value);
    set("type", json!(field.kind));
    set("title", json!(field.title));
    if let Some(help) = &field.help {
        set("description", json!(help));
    }
    if field.secret {
        set("format", json!("password"));
        set("writeOnly", json!(true));
    }
    if let Some(default) = &field.default {
        set("default", typed_value(field, default));
    }
    if let Some(pattern) = &field.pattern {
        set("pattern", json!(pattern));
    }
    if let Some(suffix) = &field.suffix {
        set("x-suffix", json!(suffix));
    }
    let examples: Vec<_> =
        field.example.iter().chain(&field.suggestions).map(|value| typed_value(field, value)).collect();
    if !examples.is_empty() {
        set("examples", json!(examples));
    }
    if field.options.iter().any(|(value, title)| value != title) {
        let choice =
            |(value, title): &(String, String)| json!({ "const": typed_value(field, value), "title": title });
        set("oneOf", field.options.iter().map(choice).collect());
    } else if !field.options.is_empty() {
        set("enum", field.options.iter().map(|(value, _)| typed_value(field, value)).collect());
    }
    Value::Object(schema)
}

fn typed_value(field: &Field, text: &str) -> Value {
    match field.kind.as_str() {
        "string" => Value::from(text),
        _ => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)),
    }
}

/// Checks what was given for `option`, fills in defaults and computes what follows from it.
/// Keys the option does not declare are ignored.
///
/// # Errors
/// Everything that is wrong, one sentence per field, in the fields' order.
pub fn check(option: &AuthOption, given: &BTreeMap<String, String>) -> Result<Input, Vec<FieldError>> {
    let mut input = Input::default();
    let mut errors = Vec::new();
    let mut refuse = |field: &Field, message| errors.push(FieldError { field: field.name.clone(), message });
    for field in typed(option) {
        let tidied = tidy(field, given.get(&field.name).map_or("", String::as_str));
        let value = if tidied.is_empty() { field.default.clone().unwrap_or_default() } else { tidied };
        if value.is_empty() {
            if field.required {
                refuse(field, format!("{} is required.", field.title));
            }
            continue;
        }
        match check_value(field, &value).and_then(|()| parts(field, &value)) {
            Ok(parts) => {
                for (name, part) in parts {
                    input.put(field.secret, name, part);
                }
                input.put(field.secret, &field.name, value);
            }
            Err(message) => refuse(field, message),
        }
    }
    for (field, derive) in option.fields.iter().filter_map(|field| Some((field, field.derive.as_ref()?))) {
        let Some((source, secret)) = input.text(&derive.from) else { continue };
        let found = pattern(&derive.regex, false)
            .ok()
            .and_then(|regex| Some(regex.captures(source)?.get(1)?.as_str()));
        match found {
            Some(value) if check_value(field, value).is_ok() => {
                let value = value.to_owned();
                input.put(secret || field.secret, &field.name, value);
            }
            _ if field.required => {
                let source = owner(option, &derive.from).unwrap_or(field);
                refuse(source, format!("{} is not complete: copy all of it.", source.title));
            }
            _ => {}
        }
    }
    if errors.is_empty() { Ok(input) } else { Err(errors) }
}

impl Input {
    fn put(&mut self, secret: bool, name: &str, value: String) {
        if secret {
            self.secret.insert(name.to_owned(), Secret::new(value));
        } else {
            self.plain.insert(name.to_owned(), value);
        }
    }

    fn text(&self, name: &str) -> Option<(&str, bool)> {
        let secret = self.secret.get(name).map(|value| (value.expose().as_str(), true));
        secret.or_else(|| self.plain.get(name).map(|value| (value.as_str(), false)))
    }
}

/// The typed field that `name` is, or is a part of.
fn owner<'o>(option: &'o AuthOption, name: &str) -> Option<&'o Field> {
    typed(option).find(|field| {
        field.name == name || field.split.iter().flat_map(|split| &split.into).any(|part| part == name)
    })
}

/// Whether `value` may stand in `field`; else a sentence that says what to do.
pub(super) fn check_value(field: &Field, value: &str) -> Result<(), String> {
    let title = &field.title;
    if value.len() > VALUE_LIMIT {
        return Err(format!("{title} is too long: at most {VALUE_LIMIT} characters."));
    }
    // A private key in PEM form is the one thing that has lines.
    let lines = field.secret && value.starts_with("-----BEGIN ");
    let odd = |letter: char| letter.is_control() && !(lines && matches!(letter, '\n' | '\r'));
    if value.chars().any(odd) {
        return Err(format!("{title} has characters that cannot be typed. Copy it again."));
    }
    if !field.options.is_empty() && !field.options.iter().any(|(option, _)| option == value) {
        let titles: Vec<_> = field.options.iter().map(|(_, title)| title.as_str()).collect();
        return Err(format!("Choose one of: {}.", titles.join(", ")));
    }
    match field.kind.as_str() {
        "integer" if value.parse::<i64>().is_err() => return Err(format!("{title} must be a whole number.")),
        "number" if !value.parse::<f64>().is_ok_and(f64::is_finite) => {
            return Err(format!("{title} must be a number."));
        }
        "boolean" if !matches!(value, "true" | "false") => {
            return Err(format!("{title} must be true or false."));
        }
        _ => {}
    }
    let Some(source) = &field.pattern else { return Ok(()) };
    match pattern(source, true) {
        Ok(regex) if regex.is_match(value) => Ok(()),
        _ => {
            Err(hint(field)
                .unwrap_or_else(|| format!("This does not look like the right value for {title}.")))
        }
    }
}

/// What a field's pattern asks for, in words; `None` for a field without a pattern.
pub fn hint(field: &Field) -> Option<String> {
    let source = field.pattern.as_deref()?;
    let bare = source.trim_start_matches('^').trim_end_matches('$');
    let rule = match bare {
        "[A-Za-z0-9][A-Za-z0-9-]*" | "[A-Za-z0-9-]+" | "[a-z0-9-]+" => {
            "Use letters, digits and hyphens".to_owned()
        }
        r"\d+" | "[0-9]+" => "Use digits only".to_owned(),
        r"[A-Za-z0-9.-]+(:\d+)?" => "Use a host name".to_owned(),
        r"[^@\s]+@[^@\s]+" | r"\S+@\S+" => "Use an email address".to_owned(),
        _ => match literal_start(bare).as_str() {
            "" => format!("Check {}", field.title),
            start => format!("{} begins with “{start}”", field.title),
        },
    };
    Some(match &field.example {
        Some(example) => format!("{rule}, for example {example}."),
        None => format!("{rule}."),
    })
}

/// The letters every match of a pattern begins with.
fn literal_start(pattern: &str) -> String {
    let mut start = String::new();
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        let literal = match letter {
            '\\' => match letters.next() {
                Some(escaped) if escaped.is_ascii_punctuation() => escaped,
                _ => break,
            },
            plain if plain.is_ascii_alphanumeric() || "-_:/ ".contains(plain) => plain,
            _ => break,
        };
        // A repeated or optional letter is not one that is always there.
        if matches!(letters.peek(), Some('*' | '?' | '{' | '|')) {
            break;
        }
        start.push(literal);
    }
    if pattern.contains('|') && !pattern.contains('(') { String::new() } else { start }
}

/// Takes away what people paste along: spaces around, and the rest of an address when only its
/// host, or only the part before the suffix, is asked for.
fn tidy(field: &Field, given: &str) -> String {
    let value = given.trim();
    if field.secret || field.kind != "string" {
        return value.to_owned();
    }
    let fits = |text: &str| check_value(field, text).is_ok();
    let lower = value.to_ascii_lowercase();
    let scheme = ["https://", "http://"].into_iter().find(|scheme| lower.starts_with(scheme));
    let host = scheme.map_or(value, |scheme| &value[scheme.len()..]);
    let host = host.split(['/', '?', '#']).next().unwrap_or_default();
    if let Some(suffix) = &field.suffix {
        let end = host.len().saturating_sub(suffix.len());
        let pasted = host.is_char_boundary(end) && host[end..].eq_ignore_ascii_case(suffix);
        if pasted && fits(&host[..end]) {
            return host[..end].to_owned();
        }
    }
    if field.pattern.is_some() && !fits(value) && scheme.is_some() && field.suffix.is_none() && fits(host) {
        return host.to_owned();
    }
    value.to_owned()
}

/// The parts of a value whose field is cut.
fn parts<'f>(field: &'f Field, value: &str) -> Result<Vec<(&'f str, String)>, String> {
    let Some(split) = &field.split else { return Ok(Vec::new()) };
    let parts: Vec<_> = value.split(split.on.as_str()).map(str::to_owned).collect();
    if parts.len() != split.into.len() || parts.iter().any(String::is_empty) {
        return Err(format!(
            "{} must have {} parts with “{}” between them.",
            field.title,
            split.into.len(),
            split.on
        ));
    }
    Ok(split.into.iter().map(String::as_str).zip(parts).collect())
}

/// Compiles a pattern to see that it is one; gives its number of groups.
pub(super) fn check_pattern(source: &str) -> Result<usize, String> {
    pattern(source, false).map(|regex| regex.captures_len() - 1)
}

/// A compiled pattern, anchored at both ends when `whole`.
fn pattern(source: &str, whole: bool) -> Result<Regex, String> {
    let text = if whole { format!(r"\A(?:{source})\z") } else { source.to_owned() };
    if let Some(regex) = PATTERNS.read().unwrap_or_else(PoisonError::into_inner).get(&text) {
        return Ok(regex.clone());
    }
    if source.len() > PATTERN_LIMIT {
        return Err(format!("is too long a pattern: at most {PATTERN_LIMIT} characters"));
    }
    let built =
        RegexBuilder::new(&text).size_limit(PATTERN_SIZE).dfa_size_limit(PATTERN_SIZE).nest_limit(32).build();
    let regex = built.map_err(|_| {
        "is not a pattern of the linear engine, or too large a one (no look-around, no back-references)"
            .to_owned()
    })?;
    let mut kept = PATTERNS.write().unwrap_or_else(PoisonError::into_inner);
    if kept.len() >= PATTERNS_KEPT {
        kept.clear();
    }
    kept.insert(text, regex.clone());
    Ok(regex)
}

#[cfg(test)]
#[path = "input_tests.rs"]
mod tests;
