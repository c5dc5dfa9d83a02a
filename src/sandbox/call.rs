//! One call as it arrived, in the terms of the provider it was meant for.

use axum::{
    body::Body,
    extract::Request as HttpRequest,
    http::{HeaderMap, Method, header},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::catalog::connector::{Format, Request};

/// Largest body that is read; token and revoke calls are far below it.
const BODY_LIMIT: usize = 64 * 1024;

/// `https://HOST/PATH` as it was before it was rewritten.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Address {
    /// Lower case, with its port when one was given.
    pub(super) host: String,
    /// Still percent-encoded, begins with `/`.
    pub(super) path: String,
}

/// A call without its body.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) address: Address,
    pub(super) query: Params,
}

/// Parameters in the order they came; of a repeated name only the first is read.
#[derive(Clone, Default)]
pub(super) struct Params {
    pairs: Vec<(String, String)>,
    /// The body as it came, when it was JSON.
    pub(super) json: Option<Value>,
    /// How they travelled; none when there were none.
    pub(super) format: Option<Format>,
}

impl Call {
    /// Takes a request to `/sandbox/HOST/PATH` apart; none when it has no host.
    pub(super) fn split(request: HttpRequest) -> Option<(Self, Body)> {
        let (parts, body) = request.into_parts();
        let rest = parts.uri.path().strip_prefix("/sandbox/")?;
        let (_, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = host(parts.uri.path());
        let plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']');
        if host.is_empty() || !host.bytes().all(plain) {
            return None;
        }
        let call = Self {
            method: parts.method,
            headers: parts.headers,
            address: Address { host, path: format!("/{path}") },
            query: Params::of_form(parts.uri.query().unwrap_or(""), Format::Query),
        };
        Some((call, body))
    }

    /// A header's value; none when it is not text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().map(str::trim)
    }

    /// User name and password of HTTP Basic, undecoded beyond base64.
    pub(super) fn basic(&self) -> Option<(String, String)> {
        let (scheme, value) = self.header("authorization")?.split_once(' ')?;
        let pair = STANDARD.decode(value.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
        let pair = String::from_utf8(pair).ok()?;
        pair.split_once(':').map(|(name, password)| (name.to_owned(), password.to_owned()))
    }

    /// The token of `Authorization: Bearer`.
    pub(super) fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// Whether the body is a form.
    pub(super) fn has_form(&self) -> bool {
        let kind = self.header(header::CONTENT_TYPE.as_str()).unwrap_or("");
        kind.split(';').next().unwrap_or("").trim() == "application/x-www-form-urlencoded"
    }

    /// `https://HOST/PATH`, as it was called.
    pub(super) fn url(&self) -> String {
        format!("https://{}{}", self.address.host, self.address.path)
    }

    /// Reads the body's parameters, by its content type. None when it cannot be read.
    pub(super) async fn params(&self, body: Body) -> Option<Params> {
        let body = axum::body::to_bytes(body, BODY_LIMIT).await.ok()?;
        if body.is_empty() {
            return Some(Params::default());
        }
        let kind = self.header(header::CONTENT_TYPE.as_str()).unwrap_or("");
        match kind.split(';').next().unwrap_or("").trim() {
            "application/json" => Params::of_json(&serde_json::from_slice(&body).ok()?),
            "application/x-www-form-urlencoded" => {
                Some(Params::of_form(std::str::from_utf8(&body).ok()?, Format::Form))
            }
            _ => None,
        }
    }
}

impl Params {
    pub(super) fn of_form(text: &str, format: Format) -> Self {
        let pairs: Vec<_> = url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        let format = (!pairs.is_empty()).then_some(format);
        Self { pairs, json: None, format }
    }

    /// Strings and numbers of a JSON object, whatever depth; a name is the last key.
    fn of_json(value: &Value) -> Option<Self> {
        fn gather(name: &str, value: &Value, pairs: &mut Vec<(String, String)>) {
            match value {
                Value::String(text) => pairs.push((name.to_owned(), text.clone())),
                Value::Number(number) => pairs.push((name.to_owned(), number.to_string())),
                Value::Array(items) => items.iter().for_each(|item| gather(name, item, pairs)),
                Value::Object(map) => map.iter().for_each(|(key, value)| gather(key, value, pairs)),
                Value::Null | Value::Bool(_) => {}
            }
        }
        let mut pairs = Vec::new();
        gather("", &Value::Object(value.as_object()?.clone()), &mut pairs);
        Some(Self { pairs, json: Some(value.clone()), format: Some(Format::Json) })
    }

    /// The first value of this name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Every name and value.
    pub(super) fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// Every value.
    pub(super) fn values(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().map(|(_, value)| value.as_str())
    }
}

/// The HOST of `/sandbox/HOST/PATH`, whatever it is.
pub(super) fn host(path: &str) -> String {
    let rest = path.strip_prefix("/sandbox/").unwrap_or("");
    decode(rest.split('/').next().unwrap_or("")).to_ascii_lowercase()
}

/// How the parameters of this request have to travel.
pub(super) fn format_of(request: &Request) -> Format {
    if request.body.is_some() {
        Format::Json
    } else if request.method == Method::GET {
        Format::Query
    } else {
        request.format
    }
}

/// Undoes percent-encoding; what is no UTF-8 afterwards shows as replacement characters.
pub(super) fn decode(text: &str) -> String {
    // `+` is a plus in a path, and this decoder would read a space.
    let text = text.replace('+', "%2B");
    let text = text.replace('=', "%3D").replace('&', "%26");
    url::form_urlencoded::parse(text.as_bytes()).next().map(|(text, _)| text.into_owned()).unwrap_or_default()
}

/// Undoes the form encoding of a client id or secret (RFC 6749 §2.3.1).
pub(super) fn decode_form(text: &str) -> String {
    decode(&text.replace('+', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(uri: &str) -> Option<Call> {
        let request = HttpRequest::builder().uri(uri).body(Body::empty()).expect("a request");
        Call::split(request).map(|(call, _)| call)
    }

    #[test]
    fn the_address_is_what_it_was_before_rewriting() {
        let call = call("/sandbox/API.Example.com:8443/v1/a%2Fb?x=1+2").expect("it has a host");

        assert_eq!(call.address, Address { host: "api.example.com:8443".into(), path: "/v1/a%2Fb".into() });
        assert_eq!(call.query.get("x"), Some("1 2"));
    }

    #[test]
    fn a_host_with_anything_strange_is_none() {
        assert!(call("/sandbox/a%40b/x").is_none());
        assert!(call("/sandbox//x").is_none());
        assert!(call("/other/a/x").is_none());
    }

    #[test]
    fn json_parameters_are_found_at_any_depth() {
        let params = Params::of_json(&serde_json::json!({"a": {"b": "c"}, "n": 5})).expect("an object");

        assert_eq!(params.get("b"), Some("c"));
        assert_eq!(params.get("n"), Some("5"));
        assert_eq!(params.get("a"), None);
    }

    #[test]
    fn percent_encoding_is_undone_once() {
        assert_eq!(decode("a%2520b+c"), "a%20b+c");
        assert_eq!(decode_form("a%2Bb+c"), "a+b c");
    }
}
