//! One call as a file says that it looks, and its comparison with one that was seen: every parameter, none
//! missing and none more.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use url::{Url, form_urlencoded};

use super::{
    super::super::provider::Seen,
    known::{ANY, is_like},
};

/// Names and values.
pub type Pairs = Vec<(String, String)>;

/// One call as it has to be.
#[derive(Clone, Debug)]
pub struct Call {
    /// What it is for, for whoever reads that it differs.
    pub what: String,
    pub method: String,
    pub host: String,
    pub path: String,
    pub query: Pairs,
    pub body: Body,
    /// Lower case.
    pub headers: Pairs,
    pub basic: Option<(String, String)>,
    /// Signed with OAuth 1: what its header says besides time, nonce and signature.
    pub signed: Option<Pairs>,
}

/// What a call carries.
#[derive(Clone, Debug)]
pub enum Body {
    None,
    Form(Pairs),
    Json(Value),
}

impl Call {
    /// A call of an address, without anything in it.
    pub fn new(what: &str, method: &str, address: &str) -> Result<Self, String> {
        let url = Url::parse(address).map_err(|error| format!("{what}: {address}: {error}"))?;
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Ok(Self {
            what: what.to_owned(),
            method: method.to_owned(),
            host: format!("{}{port}", url.host_str().unwrap_or_default()),
            path: url.path().to_owned(),
            query: url.query_pairs().into_owned().collect(),
            body: Body::None,
            headers: Pairs::new(),
            basic: None,
            signed: None,
        })
    }

    /// A header goes before an earlier one of its name.
    pub fn head(&mut self, name: &str, value: String) {
        let name = name.to_ascii_lowercase();
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value));
    }

    /// What is different in the one that was seen.
    pub fn judge(&self, seen: &Seen) -> Result<(), String> {
        let what = &self.what;
        let differs = |part: &str, expected: &dyn std::fmt::Debug, found: &dyn std::fmt::Debug| {
            Err(format!("{what}: the {part} is {found:?}, not {expected:?}"))
        };
        if self.method != seen.method {
            return differs("method", &self.method, &seen.method);
        }
        if !is_like(&self.host, &seen.host) || !is_like(&self.path, &seen.path) {
            let address = |host: &str, path: &str| format!("https://{host}{path}");
            return differs("address", &address(&self.host, &self.path), &address(&seen.host, &seen.path));
        }
        same_pairs(&self.query, &seen.query).map_err(|why| format!("{what}: the query: {why}"))?;
        self.judge_body(seen).map_err(|why| format!("{what}: the body: {why}"))?;
        for (name, value) in &self.headers {
            if !is_like(value, seen.header(name)) {
                return differs(&format!("header {name}"), value, &seen.header(name));
            }
        }
        self.judge_authorization(seen.header("authorization"))
    }

    fn judge_body(&self, seen: &Seen) -> Result<(), String> {
        let label = seen.header("content-type").split(';').next().unwrap_or_default();
        match &self.body {
            Body::None if seen.body.is_empty() => Ok(()),
            Body::None => Err(format!("there is one, a {label}")),
            Body::Form(pairs) if label == "application/x-www-form-urlencoded" => {
                same_pairs(pairs, &seen.body)
            }
            Body::Json(value) if label == "application/json" => {
                let found: Value = serde_json::from_str(&seen.body).map_err(|error| error.to_string())?;
                same_json("", value, &found)
            }
            Body::Form(_) | Body::Json(_) => Err(format!("it is a {label:?}, not {:?}", self.body)),
        }
    }

    fn judge_authorization(&self, found: &str) -> Result<(), String> {
        let what = &self.what;
        if let Some((name, word)) = &self.basic {
            let decoded = found.strip_prefix("Basic ").and_then(|text| STANDARD.decode(text).ok());
            let decoded = String::from_utf8(decoded.unwrap_or_default()).unwrap_or_default();
            let expected = format!("{name}:{word}");
            return if is_like(&expected, &decoded) {
                Ok(())
            } else {
                Err(format!("{what}: HTTP Basic is {decoded:?} ({found:?}), not {expected:?}"))
            };
        }
        if let Some(expected) = &self.signed {
            return judge_signed(expected, found).map_err(|why| format!("{what}: {why}: {found:?}"));
        }
        let is_expected = self.headers.iter().any(|(name, _)| name == "authorization");
        if is_expected || found.is_empty() {
            return Ok(());
        }
        Err(format!("{what}: there is an Authorization header, {found:?}"))
    }
}

/// The header of OAuth 1; the signature itself is the sandbox's to judge.
fn judge_signed(expected: &Pairs, header: &str) -> Result<(), String> {
    let said = header.strip_prefix("OAuth ").ok_or("the call is not signed")?;
    let said: Pairs = said
        .split(", ")
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), decoded(value.trim_matches('"'))))
        .collect();
    let get = |name: &str| said.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
    for (name, value) in expected {
        if !get(name).is_some_and(|found| is_like(value, found)) {
            return Err(format!("{name} is not {value:?}"));
        }
    }
    let usual = ["oauth_signature", "oauth_timestamp", "oauth_nonce", "oauth_version"];
    let known = |name: &str| usual.contains(&name) || expected.iter().any(|(other, _)| other == name);
    match said.iter().find(|(name, _)| !known(name)) {
        Some((name, _)) => Err(format!("{name} is one too many")),
        None => Ok(()),
    }
}

fn decoded(text: &str) -> String {
    let text = text.replace('+', "%2B");
    form_urlencoded::parse(text.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

/// The same names as often, each with its value.
fn same_pairs(expected: &Pairs, found: &str) -> Result<(), String> {
    let mut found: Pairs = form_urlencoded::parse(found.as_bytes()).into_owned().collect();
    for (name, value) in expected {
        match found.iter().position(|(other, _)| other == name) {
            None => return Err(format!("`{name}` is missing; there is {:?}", named(&found))),
            Some(at) if is_like(value, &found[at].1) => drop(found.remove(at)),
            Some(at) => return Err(format!("`{name}` is {:?}, not {value:?}", found[at].1)),
        }
    }
    match found.first() {
        Some((name, value)) => Err(format!("`{name}` ({value:?}) is one too many")),
        None => Ok(()),
    }
}

fn named(pairs: &Pairs) -> Vec<&str> {
    pairs.iter().map(|(name, _)| name.as_str()).collect()
}

fn same_json(path: &str, expected: &Value, found: &Value) -> Result<(), String> {
    match (expected, found) {
        (Value::String(expected), Value::String(found)) if is_like(expected, found) => Ok(()),
        (Value::Object(expected), Value::Object(found)) => {
            if let Some(more) = found.keys().find(|name| !expected.contains_key(*name)) {
                return Err(format!("`{path}.{more}` is one too many"));
            }
            expected.iter().try_for_each(|(name, value)| {
                let found = found.get(name).ok_or_else(|| format!("`{path}.{name}` is missing"))?;
                same_json(&format!("{path}.{name}"), value, found)
            })
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            expected.iter().zip(found).try_for_each(|(expected, found)| same_json(path, expected, found))
        }
        (expected, found) if expected == found => Ok(()),
        (expected, found) => Err(format!("`{path}` is {found}, not {expected}")),
    }
}

#[test]
fn a_parameter_too_few_or_too_many_is_noticed() {
    let expected = vec![("a".to_owned(), "1".to_owned()), ("b".to_owned(), ANY.to_owned())];

    assert_eq!(same_pairs(&expected, "b=x&a=1"), Ok(()));
    for (found, why) in [
        ("a=1", "`b` is missing; there is []"),
        ("a=1&b=", "`b` is \"\", not \"zzanyzz\""),
        ("a=2&b=x", "`a` is \"2\", not \"1\""),
        ("a=1&b=x&b=x", "`b` (\"x\") is one too many"),
    ] {
        assert_eq!(same_pairs(&expected, found), Err(why.to_owned()), "{found}");
    }
}
