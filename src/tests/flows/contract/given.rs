//! What the customer types and the developer sets, made from what the file says about it.

use std::collections::BTreeMap;

use hitchpost::catalog::{
    Connector, Template,
    connector::{AuthOption, AuthType, ClientAuth, Field, Parameter},
};
use regex_syntax::hir::{Class, Hir, HirKind};
use serde_json::{Map, Value, json};

use super::known::Known;

const RS256: &str = include_str!("../../../sandbox/keys/rs256.pem");
const ES256: &str = include_str!("../../../sandbox/keys/es256.pem");
/// RFC 7518 §3.2 wants at least 32 bytes.
const HMAC: &str = "sandbox-hmac-key-of-thirty-two-bytes";
/// What the sandbox accepts wherever somebody types a key.
const WORD: &str = "sandbox";
/// Scopes where the file has none of its own to show its separator with.
const SCOPES: [&str; 2] = ["contract.read", "contract.write"];

/// Everything that goes into one connect.
pub struct Given {
    /// Typed.
    pub input: BTreeMap<String, String>,
    /// Connector parameters, as the token carries them.
    pub parameters: Map<String, Value>,
    /// Asked for.
    pub scopes: Vec<String>,
    /// What follows from all that for templates.
    pub known: Known,
}

/// Makes it up for one option.
pub fn given(connector: &Connector, option: &AuthOption) -> Result<Given, String> {
    let mut given =
        Given { input: BTreeMap::new(), parameters: Map::new(), scopes: Vec::new(), known: Known::default() };
    for (name, parameter) in &connector.parameters {
        given.set(option, name, parameter);
    }
    for field in option.fields.iter().filter(|field| field.derive.is_none()) {
        given.type_in(option, field)?;
    }
    for field in &option.fields {
        given.derive(field)?;
    }
    given.ask_for(connector, option);
    Ok(given)
}

impl Given {
    /// A parameter without a default; those that only an integration sets, a sandboxed one has by itself.
    fn set(&mut self, option: &AuthOption, name: &str, parameter: &Parameter) {
        let schema = &parameter.schema;
        let own = format!("param.{name}");
        let signs = key_for(option, &own);
        let default = schema.get("default").cloned();
        let value = match (&default, schema.get("enum").and_then(Value::as_array)) {
            _ if name == "scopes" => return,
            (Some(default), _) => default.clone(),
            (None, Some(values)) => values.first().cloned().unwrap_or_default(),
            (None, None) if parameter.integration_only => match (signs, schema.pointer("/examples/0")) {
                (Some(key), _) => json!(key),
                (None, example) => example.cloned().unwrap_or_else(|| json!(WORD)),
            },
            (None, None) => match schema.get("pattern").and_then(Value::as_str) {
                _ if signs.is_some() => json!(signs),
                Some(pattern) => json!(fitting(pattern).unwrap_or_default()),
                None if schema.get("type") == Some(&json!("integer")) => json!(42),
                None if schema.get("type") == Some(&json!("boolean")) => json!(true),
                None => json!(WORD),
            },
        };
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        for (set, value) in parameter.sets.get(&text).into_iter().flatten() {
            self.known.set(set, value);
        }
        self.known.set(&own, &text);
        if default.is_none() && !parameter.integration_only {
            self.parameters.insert(name.to_owned(), value);
        }
    }

    fn type_in(&mut self, option: &AuthOption, field: &Field) -> Result<(), String> {
        // What has a default is left empty, so that the default is what stands there.
        let (typed, value) = match &field.default {
            Some(default) => (None, default.clone()),
            None => {
                let value =
                    typed(option, field).ok_or_else(|| format!("nothing fits the field {}", field.name))?;
                (Some(value.clone()), value)
            }
        };
        if let Some(typed) = typed {
            self.input.insert(field.name.clone(), typed);
        }
        self.known.set(&field.name, &value);
        if let Some(split) = &field.split {
            let parts: Vec<_> = value.split(split.on.as_str()).collect();
            for (name, part) in split.into.iter().zip(parts) {
                self.known.set(name, part);
            }
        }
        Ok(())
    }

    fn derive(&mut self, field: &Field) -> Result<(), String> {
        let Some(derive) = &field.derive else { return Ok(()) };
        let source = self.known.get(&derive.from).unwrap_or_default().to_owned();
        let regex = regex::Regex::new(&derive.regex).map_err(|error| error.to_string())?;
        let found = regex.captures(&source).and_then(|groups| groups.get(1)).map(|group| group.as_str());
        let found = found.ok_or_else(|| format!("{} cannot be derived from {source}", field.name))?;
        self.known.set(&field.name, found);
        Ok(())
    }

    /// At least two scopes, so that what stands between them is seen.
    fn ask_for(&mut self, connector: &Connector, option: &AuthOption) {
        let rules = &option.scopes;
        self.scopes = rules.default.clone();
        if rules.supported && !rules.param.is_empty() && self.scopes.len() < 2 {
            let allowed = connector.parameters.get("scopes");
            let allowed =
                allowed.and_then(|scopes| scopes.schema.pointer("/items/enum")?.as_array().cloned());
            let two = allowed.unwrap_or_else(|| SCOPES.map(Value::from).to_vec());
            self.scopes = two.iter().take(2).filter_map(Value::as_str).map(str::to_owned).collect();
            self.parameters.insert("scopes".to_owned(), json!(self.scopes));
        }
        self.known.set("scopes", &self.scopes.join(&rules.separator));
    }
}

/// What somebody types into a field.
fn typed(option: &AuthOption, field: &Field) -> Option<String> {
    let fits = |value: &str| {
        let pattern = field.pattern.as_deref().unwrap_or(".*");
        regex::Regex::new(&format!(r"\A(?s:{pattern})\z")).is_ok_and(|regex| regex.is_match(value))
    };
    if let Some((value, _)) = field.options.first() {
        return Some(value.clone());
    }
    let made = || {
        if let Some(key) = key_for(option, &field.name) {
            return Some(key.to_owned());
        }
        if let Some(value) = client_part(option, &field.name) {
            return Some(value.to_owned());
        }
        if let Some(split) = &field.split {
            return Some(vec![WORD; split.into.len()].join(&split.on));
        }
        match field.kind.as_str() {
            "number" | "integer" => return Some("42".to_owned()),
            "boolean" => return Some("true".to_owned()),
            _ => {}
        }
        let example = field.example.clone().filter(|example| !field.secret && fits(example));
        let pattern = || {
            let derived = option.fields.iter().filter_map(|other| other.derive.as_ref());
            let derived =
                derived.filter(|derive| derive.from == field.name).map(|derive| derive.regex.clone());
            field.pattern.clone().or_else(|| derived.into_iter().next())
        };
        example.or_else(|| pattern().and_then(|pattern| fitting(&pattern))).or_else(|| Some(WORD.to_owned()))
    };
    made().filter(|value| fits(value))
}

/// The sandbox's key, where the option signs with the value of `name`.
fn key_for(option: &AuthOption, name: &str) -> Option<&'static str> {
    let is = |template: &Template| template.names().any(|known| known == name);
    let signing = option.jwt.as_ref().filter(|jwt| is(&jwt.key));
    let secret = option.client.as_ref().and_then(|client| client.secret.as_ref());
    let asserts = option.client_auth == ClientAuth::PrivateKeyJwt && option.jwt.is_none();
    match signing.map(|jwt| jwt.algorithm.as_str()) {
        Some(algorithm) if algorithm.starts_with("HS") => Some(HMAC),
        Some(algorithm) if algorithm.starts_with("ES") => Some(ES256),
        Some(_) => Some(RS256),
        None if asserts && secret.is_some_and(is) => Some(RS256),
        None => None,
    }
}

/// A client and a token of OAuth 1 whose secrets the sandbox knows by their names.
fn client_part(option: &AuthOption, name: &str) -> Option<&'static str> {
    if option.kind != AuthType::OAuth1 {
        return None;
    }
    let is = |template: Option<&Template>| {
        template.is_some_and(|template| template.source().trim() == format!("{{{{{name}}}}}"))
    };
    let client = option.client.as_ref();
    let token = option.token_static.as_ref();
    match () {
        () if is(client.map(|client| &client.id)) => Some("sandbox-contract"),
        () if is(client.and_then(|client| client.secret.as_ref())) => Some("sandbox-secret-contract"),
        () if is(token.map(|token| &token.token)) => Some("sandbox-token"),
        () if is(token.map(|token| &token.secret)) => Some("sandbox-secret-token"),
        () => None,
    }
}

/// A text that a pattern takes, with the sandbox's word in it where there is room for one.
pub fn fitting(pattern: &str) -> Option<String> {
    let hir = regex_syntax::parse(pattern).ok()?;
    let mut text = String::new();
    write(&hir, &mut text)?;
    Some(text)
}

fn write(hir: &Hir, text: &mut String) -> Option<()> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.push_str(std::str::from_utf8(&literal.0).ok()?),
        HirKind::Class(class) => text.push(letter(class)?),
        HirKind::Capture(capture) => write(&capture.sub, text)?,
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| write(part, text))?,
        HirKind::Alternation(parts) => write(parts.first()?, text)?,
        HirKind::Repetition(repetition) => {
            let (min, max) = (repetition.min as usize, repetition.max.map_or(usize::MAX, |max| max as usize));
            let has_room = max >= WORD.len() && takes_word(&repetition.sub);
            let said = if has_room { WORD.len() } else { 0 };
            text.push_str(&WORD[..said]);
            for _ in said..min {
                write(&repetition.sub, text)?;
            }
        }
    }
    Some(())
}

fn takes_word(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Class(class) => WORD.chars().all(|letter| has(class, letter)),
        _ => false,
    }
}

fn letter(class: &Class) -> Option<char> {
    let preferred = ['s', 'a', 'S', 'A', '1'].into_iter().find(|letter| has(class, *letter));
    preferred.or_else(|| match class {
        Class::Unicode(class) => class.ranges().first().map(|range| range.start()),
        Class::Bytes(class) => class.ranges().first().map(|range| char::from(range.start())),
    })
}

fn has(class: &Class, letter: char) -> bool {
    match class {
        Class::Unicode(class) => {
            class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&letter))
        }
        Class::Bytes(class) => class
            .ranges()
            .iter()
            .any(|range| (u32::from(range.start())..=u32::from(range.end())).contains(&u32::from(letter))),
    }
}

#[test]
fn a_pattern_gets_a_text_that_fits_it() {
    for (pattern, text) in [
        (r"^SG\.\S+$", "SG.sandbox"),
        (r"^(sk|rk)_(live|test)_\S+$", "sk_live_sandbox"),
        (r"^[A-Za-z0-9][A-Za-z0-9-]*$", "ssandbox"),
        (r"^[a-z]{2,3}\d+$", "ss1"),
        (r"^AC[0-9a-f]{4}$", "ACaaaa"),
        (r"^[A-Za-z0-9.-]+(:\d+)?$", "sandbox"),
    ] {
        assert_eq!(fitting(pattern).as_deref(), Some(text), "{pattern}");
    }
}
