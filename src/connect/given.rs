//! The parameters of a start, in all the shapes that public clients send: query, form, a form field
//! `payload`, a JSON object, JSON with a `payload` text.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, header};
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::http::{Refusal, json};

/// What the customer types, in all its names.
const INPUT: [&str; 3] = ["input", "connectionParameters", "parameters"];
/// What a form may give member by member.
const OBJECTS: [&str; 4] = ["input", "connectionParameters", "parameters", "connectorParameters"];

/// What was given; the body wins over the query, and a payload over both.
pub(super) struct Given(Map<String, Value>);

impl Given {
    pub(super) fn read(query: Option<&str>, headers: &HeaderMap, body: &[u8]) -> Result<Self, Refusal> {
        let mut given = fields(query.unwrap_or_default().as_bytes());
        given.extend(if is_json(headers) { object(body, "the body")? } else { fields(body) });
        let payload = match given.remove("payload") {
            Some(Value::String(text)) if !text.is_empty() => object(text.as_bytes(), "`payload`")?,
            Some(Value::Object(payload)) => payload,
            None | Some(Value::Null | Value::String(_)) => Map::new(),
            Some(_) => return Err(malformed("`payload`")),
        };
        given.extend(payload);
        Ok(Self(given))
    }

    /// The first of these names that has a text or a number.
    pub(super) fn text(&self, names: &[&str]) -> Option<String> {
        names.iter().filter_map(|name| single(self.0.get(*name)?)).find(|text| !text.is_empty())
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(single).is_some_and(|value| value == "1" || value == "true")
    }

    /// `input`, or one of its older names, as single values.
    pub(super) fn input(&self) -> Result<BTreeMap<String, String>, Refusal> {
        let found = self.object(&INPUT)?.unwrap_or_default();
        Ok(singles(found))
    }

    /// An object, also as JSON text; none when it is absent or empty text.
    pub(super) fn object(&self, names: &[&str]) -> Result<Option<Map<String, Value>>, Refusal> {
        for name in names {
            match self.0.get(*name) {
                None | Some(Value::Null) => {}
                Some(Value::String(text)) if text.is_empty() => {}
                Some(Value::Object(found)) => return Ok(Some(found.clone())),
                Some(Value::String(text)) => {
                    let found = object(text.as_bytes(), &format!("`{name}`"))?;
                    return Ok(Some(found));
                }
                Some(_) => return Err(malformed(&format!("`{name}`"))),
            }
        }
        Ok(None)
    }
}

/// The token of `Authorization: Bearer`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// Whether a program asks, and wants JSON for an answer.
pub(super) fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.contains("application/json") && !accept.contains("text/html")
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// Pairs by name. What stands as `input[api_key]` belongs to an object `input`, so that a plain form can ask
/// for it; an `input` that is there whole wins.
fn fields(text: &[u8]) -> Map<String, Value> {
    let mut whole = Map::new();
    let mut parts: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(text) {
        let value = Value::String(value.into_owned());
        match part_of_object(&name) {
            Some((object, part)) => {
                parts.entry(object.to_owned()).or_default().insert(part.to_owned(), value);
            }
            None => {
                whole.insert(name.into_owned(), value);
            }
        }
    }
    for (name, object) in parts {
        whole.entry(name).or_insert(Value::Object(object));
    }
    whole
}

fn part_of_object(name: &str) -> Option<(&str, &str)> {
    let (object, part) = name.strip_suffix(']')?.split_once('[')?;
    OBJECTS.contains(&object).then_some((object, part))
}

fn object(text: &[u8], what: &str) -> Result<Map<String, Value>, Refusal> {
    if text.is_empty() {
        return Ok(Map::new());
    }
    json::object(text).map_err(|_| malformed(what))
}

fn malformed(what: &str) -> Refusal {
    let mut words = what.to_owned();
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let reason = if what.contains("payload") { "malformed_payload" } else { "malformed_input" };
    Refusal::bad_request(reason, format!("{words} has to be a JSON object."))
}

/// The members that are single values, as text.
pub(super) fn singles(members: Map<String, Value>) -> BTreeMap<String, String> {
    members.into_iter().filter_map(|(name, value)| Some((name, single(&value)?))).collect()
}

fn single(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(on) => Some(on.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use serde_json::json;

    use super::*;

    fn headers(kind: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))])
    }

    const FORM: &str = "application/x-www-form-urlencoded";

    #[test]
    fn every_shape_gives_the_same() {
        let wanted = json!({ "integrationKey": "hubspot", "input": { "n": 5 }, "connectorParameters": { "scopes": ["a"] } });
        let object = wanted.to_string();
        let encoded = |name: &str, value: &str| {
            form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish()
        };
        let flat = form_urlencoded::Serializer::new(String::new())
            .append_pair("integrationKey", "hubspot")
            .append_pair("input", r#"{"n":5}"#)
            .append_pair("connectorParameters", r#"{"scopes":["a"]}"#)
            .finish();
        let wrapped = json!({ "payload": object }).to_string();

        for (query, kind, body) in [
            (flat.as_str(), FORM, ""),
            ("", FORM, flat.as_str()),
            ("", FORM, encoded("payload", &object).as_str()),
            ("", "application/json; charset=utf-8", object.as_str()),
            ("", "application/json", wrapped.as_str()),
        ] {
            let given = Given::read(Some(query), &headers(kind), body.as_bytes()).expect("all are good");

            assert_eq!(
                given.text(&["integrationId", "integrationKey"]).as_deref(),
                Some("hubspot"),
                "{kind} {body}"
            );
            assert_eq!(given.input().expect("an object")["n"], "5");
            let parameters =
                given.object(&["connectorParameters"]).expect("an object").expect("there are some");
            assert_eq!(parameters["scopes"], json!(["a"]));
        }
    }

    #[test]
    fn a_plain_form_gives_an_object_member_by_member() {
        let body = "input[api_key]=k%20&input[a][b]=1&connectorParameters%5Bregion%5D=eu&name[x]=n&input[]=e";
        let given = Given::read(None, &headers(FORM), body.as_bytes()).expect("all are good");
        let input = given.input().expect("an object");
        let parameters = given.object(&["connectorParameters"]).expect("an object").expect("there are some");

        assert_eq!(input["api_key"], "k ");
        assert_eq!(input["a][b"], "1", "a name like another, and none that an app declares");
        assert_eq!(parameters["region"], "eu");
        assert_eq!(given.text(&["name"]), None);
        let both = Given::read(None, &headers(FORM), b"input[n]=1&input=%7B%22n%22%3A2%7D").expect("good");
        assert_eq!(both.input().expect("an object")["n"], "2");
    }

    #[test]
    fn what_is_no_object_is_refused_with_its_name() {
        for (kind, body, message) in [
            (FORM, "payload=%7B", "`payload` has to be a JSON object."),
            ("application/json", "[1]", "The body has to be a JSON object."),
            ("application/json", r#"{"payload":[1]}"#, "`payload` has to be a JSON object."),
        ] {
            let refusal = Given::read(None, &headers(kind), body.as_bytes()).err().expect("it is refused");

            assert_eq!(refusal.message, message);
        }
        let given =
            Given::read(Some("input=5&connectorParameters=%5B%5D"), &HeaderMap::new(), b"").expect("read");
        assert!(given.input().is_err() && given.object(&["connectorParameters"]).is_err());
    }
}
