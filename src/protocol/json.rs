//! JSON from strangers: depth, duplicate members, dotted paths.
//!
//! Nothing here knows what the JSON means.

use std::{cell::Cell, collections::BTreeMap, fmt};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why a text is not the JSON that was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JsonFault {
    /// No JSON, or not an object.
    Malformed,
    /// More levels than allowed.
    TooDeep,
    /// The same member twice in one object.
    Duplicate,
}

/// Reads an object in which no member appears twice and that has at most `max_depth` levels.
///
/// `serde_json` keeps the last of two equal members and others keep the first; a token that
/// means different things to different readers is refused instead.
pub fn strict_object(text: &[u8], max_depth: usize) -> Result<Map<String, Value>, JsonFault> {
    let fault = Cell::new(JsonFault::Malformed);
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value =
        Strict { left: max_depth, fault: &fault }.deserialize(&mut reader).map_err(|_| fault.get())?;
    reader.end().map_err(|_| JsonFault::Malformed)?;
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(JsonFault::Malformed),
    }
}

/// Whether brackets nest at most `max` levels deep; does not check that it is JSON.
pub fn is_shallow(text: &[u8], max: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                if depth > max {
                    return false;
                }
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

/// The value at a dotted path; numbers are places in an array. A member whose name has dots is
/// found when it stands at the top.
pub fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    if let Some(found) = value.get(path) {
        return Some(found);
    }
    path.split('.').try_fold(value, |value, step| match value {
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        other => other.get(step),
    })
}

/// A scalar as text; `None` for null, objects and arrays.
pub fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The claims of a token reply's `id_token`. They are believed without a look at the signature, because
/// the reply came from the token endpoint itself, over TLS (OpenID Connect Core §3.1.3.7, step 6).
pub fn id_token_claims(reply: &Value) -> Option<Value> {
    let payload = reply.get("id_token")?.as_str()?.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

/// Equal, also when one is a text: form-encoded replies and TOML files have texts for numbers.
pub fn is_same(found: &Value, wanted: &Value) -> bool {
    found == wanted || scalar(found).is_some_and(|found| scalar(wanted) == Some(found))
}

/// Name → dotted path becomes name → text, for the paths that lead to a scalar.
pub fn keep(paths: &BTreeMap<String, String>, value: &Value) -> BTreeMap<String, String> {
    paths.iter().filter_map(|(name, path)| Some((name.clone(), scalar(at(value, path)?)?))).collect()
}

struct Strict<'f> {
    left: usize,
    fault: &'f Cell<JsonFault>,
}

impl<'f> Strict<'f> {
    fn refuse<E: serde::de::Error>(&self, fault: JsonFault) -> E {
        self.fault.set(fault);
        E::custom("refused")
    }

    fn inner<E: serde::de::Error>(&self) -> Result<Strict<'f>, E> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Strict { left, fault: self.fault }),
            None => Err(self.refuse(JsonFault::TooDeep)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        self.inner::<A::Error>()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self.inner::<A::Error>()?)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        self.inner::<A::Error>()?;
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if members.contains_key(&name) {
                return Err(self.refuse(JsonFault::Duplicate));
            }
            let value = map.next_value_seed(self.inner::<A::Error>()?)?;
            members.insert(name, value);
        }
        if members.len() > MAX_MEMBERS {
            return Err(A::Error::custom("too many members"));
        }
        Ok(Value::Object(members))
    }
}

/// Members one object may have; far above any real token or header.
const MAX_MEMBERS: usize = 1000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_member_may_appear_once_on_each_level() {
        assert!(strict_object(br#"{"a":{"a":1},"b":[{"a":1},{"a":2}]}"#, 4).is_ok());
        assert_eq!(strict_object(br#"{"a":1,"a":1}"#, 4), Err(JsonFault::Duplicate));
        assert_eq!(strict_object(br#"{"a":1,"\u0061":2}"#, 4), Err(JsonFault::Duplicate));
        assert_eq!(strict_object(br#"{"b":[{"a":1,"a":2}]}"#, 4), Err(JsonFault::Duplicate));
    }

    #[test]
    fn depth_counts_objects_and_arrays() {
        assert!(strict_object(br#"{"a":[{}]}"#, 3).is_ok());
        assert_eq!(strict_object(br#"{"a":[{}]}"#, 2), Err(JsonFault::TooDeep));
        assert!(is_shallow(br#"{"a":"[[[\"[[["}"#, 1));
        assert!(!is_shallow(br#"[[]]"#, 1));
    }

    #[test]
    fn anything_but_one_object_is_malformed() {
        for text in ["", "[]", "\"a\"", "{} {}", "{\"a\":NaN}", "{\"a\":1e400}", "{'a':1}", "{\"a\":1,}"] {
            assert_eq!(strict_object(text.as_bytes(), 4), Err(JsonFault::Malformed), "{text}");
        }
    }

    #[test]
    fn a_path_goes_through_objects_and_arrays() {
        let value = json!({"team": {"id": 7}, "list": [{"name": "x"}], "a.b": true, "none": null});

        let paths = [("team", "team.id"), ("first", "list.0.name"), ("dotted", "a.b"), ("gone", "team.x")]
            .map(|(name, path)| (name.to_owned(), path.to_owned()));

        let kept = keep(&paths.into(), &value);
        assert_eq!(kept.len(), 3);
        assert_eq!((&*kept["team"], &*kept["first"], &*kept["dotted"]), ("7", "x", "true"));
        assert_eq!(at(&value, "none").and_then(scalar), None);
    }
}
