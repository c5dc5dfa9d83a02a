//! One request that is ready to leave, and what came back.
//!
//! Both may hold secrets: neither can be printed. This room knows nothing about sending.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Map, Value};
use url::{Url, form_urlencoded};

use crate::model::redirect::append_query;

/// Headers that belong to the connection or are computed when sending.
const RESERVED: [HeaderName; 5] =
    [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION, header::UPGRADE];

/// A request ready to send.
pub struct Call {
    /// HTTP method.
    pub method: Method,
    /// Where it goes, query included.
    pub url: Url,
    /// Headers; values that hold secrets are marked sensitive.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Vec<u8>,
}

/// What came back.
pub struct Reply {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers as received.
    pub headers: HeaderMap,
    /// Decoded body.
    pub body: Vec<u8>,
}

/// Why a request cannot be put together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The name is no header name, or one that only the sender may set.
    #[error("`{0}` cannot be set as a header")]
    HeaderName(String),
    /// The value has characters that no header may carry.
    #[error("the value of header `{0}` has characters that a header cannot carry")]
    HeaderValue(String),
    /// RFC 7617: the user name ends at the first colon.
    #[error("a user name for HTTP Basic cannot contain a colon or control characters")]
    BasicUsername,
    /// RFC 7617: no control characters.
    #[error("a password for HTTP Basic cannot contain control characters")]
    BasicPassword,
    /// The connector asks for something that this version cannot do.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
}

impl Call {
    /// A request without body.
    pub fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: Vec::new() }
    }

    /// A request whose parameters are added to the address; its own query stays as it is.
    pub fn query(method: Method, mut url: Url, params: &[(String, String)]) -> Self {
        append_query(&mut url, params.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        Self::new(method, url)
    }

    /// A request with an `application/x-www-form-urlencoded` body.
    pub fn form(method: Method, url: Url, params: &[(String, String)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
        let mut call = Self::new(method, url);
        call.body = body.into_bytes();
        call.headers
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        call
    }

    /// A request with a JSON body.
    pub fn json(method: Method, url: Url, body: &Value) -> Self {
        let mut call = Self::new(method, url);
        call.body = body.to_string().into_bytes();
        call.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        call
    }

    /// A request with a JSON object of strings as its body.
    pub fn json_params(method: Method, url: Url, params: &[(String, String)]) -> Self {
        let object: Map<String, Value> =
            params.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
        Self::json(method, url, &Value::Object(object))
    }

    /// Sets a header, replacing earlier ones of that name, and marks it as sensitive.
    ///
    /// Values from templates may always hold a secret, so there is no way to set one unmarked.
    pub fn set_header(&mut self, name: &str, value: &str) -> Result<(), CallError> {
        let header = HeaderName::from_bytes(name.as_bytes())
            .ok()
            .filter(|header| !RESERVED.contains(header))
            .ok_or_else(|| CallError::HeaderName(name.to_owned()))?;
        let mut value = HeaderValue::from_str(value).map_err(|_| CallError::HeaderValue(name.to_owned()))?;
        value.set_sensitive(true);
        self.headers.insert(header, value);
        Ok(())
    }

    /// Sets a header unless one of that name is there.
    pub fn default_header(&mut self, name: HeaderName, value: &'static str) {
        self.headers.entry(name).or_insert(HeaderValue::from_static(value));
    }

    /// Sets `Authorization: Basic`, parts as they are. RFC 7617 §2.
    pub fn set_basic(&mut self, username: &str, password: &str) -> Result<(), CallError> {
        if username.chars().any(|c| c == ':' || c.is_control()) {
            return Err(CallError::BasicUsername);
        }
        if password.chars().any(char::is_control) {
            return Err(CallError::BasicPassword);
        }
        let value = format!("Basic {}", STANDARD.encode(format!("{username}:{password}")));
        self.set_header(header::AUTHORIZATION.as_str(), &value)
    }
}

impl Reply {
    /// A reply without headers.
    pub fn new(status: StatusCode, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: HeaderMap::new(), body: body.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn url() -> Url {
        Url::parse("https://api.example.com/x?a=%2F+b").expect("a URL")
    }

    #[test]
    fn parameters_go_where_the_format_says() {
        let params = pairs(&[("q", "a b&c"), ("q", "é")]);

        let query = Call::query(Method::GET, url(), &params);
        let form = Call::form(Method::POST, url(), &params);
        let json = Call::json_params(Method::POST, url(), &pairs(&[("q", "\"")]));

        assert_eq!(query.url.as_str(), "https://api.example.com/x?a=%2F+b&q=a%20b%26c&q=%C3%A9");
        assert!(query.body.is_empty());
        assert_eq!(form.body, b"q=a+b%26c&q=%C3%A9");
        assert_eq!(form.headers[header::CONTENT_TYPE], "application/x-www-form-urlencoded");
        assert_eq!(json.body, br#"{"q":"\""}"#);
    }

    #[test]
    fn a_header_is_sensitive_and_cannot_break_out() {
        let mut call = Call::new(Method::GET, url());

        call.set_header("X-Key", "abc").expect("a good header");

        assert!(call.headers["x-key"].is_sensitive());
        assert_eq!(call.set_header("X-Key", "a\r\nb: c"), Err(CallError::HeaderValue("X-Key".into())));
        assert_eq!(call.set_header("X Key", "a"), Err(CallError::HeaderName("X Key".into())));
        assert_eq!(call.set_header("Host", "a"), Err(CallError::HeaderName("Host".into())));
    }

    #[test]
    fn rfc_7617_section_2_basic() {
        let mut call = Call::new(Method::GET, url());

        call.set_basic("Aladdin", "open sesame").expect("the RFC's own example");

        assert_eq!(call.headers[header::AUTHORIZATION], "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(call.set_basic("a:b", "c"), Err(CallError::BasicUsername));
        assert_eq!(call.set_basic("a", "c\n"), Err(CallError::BasicPassword));
    }

    #[test]
    fn rfc_7617_section_2_1_basic_is_utf_8() {
        let mut call = Call::new(Method::GET, url());

        call.set_basic("test", "123£").expect("the RFC's own example");

        assert_eq!(call.headers[header::AUTHORIZATION], "Basic dGVzdDoxMjPCow==");
    }
}
