//! The name that a waiting page gave a start, read from a request that is refused before a door sees it.
//!
//! Decides nothing and checks nothing: who is too fast costs no look at a token. What cannot be read has no
//! name, and then nobody is told.

use std::time::Duration;

use axum::{
    extract::Request,
    http::{HeaderMap, header},
};
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::json;

/// A start that somebody waits for by name.
#[derive(Debug, PartialEq, Eq)]
pub struct NamedStart {
    /// `requestId`, or `request_id` in a form of ours.
    pub request_id: String,
    /// The token that came with it, unchecked.
    pub token: Option<String>,
}

impl NamedStart {
    /// Reads at most `most` bytes of body, for at most `time`.
    pub async fn read(request: Request, most: u64, time: Duration) -> Option<Self> {
        let (parts, body) = request.into_parts();
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let body = tokio::time::timeout(time, axum::body::to_bytes(body, most)).await.ok()?.ok()?;
        Self::of(parts.uri.query().unwrap_or_default(), &parts.headers, &body)
    }

    fn of(query: &str, headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let mut given = pairs(query.as_bytes());
        given.extend(json::object(body).unwrap_or_else(|_| pairs(body)));
        match given.remove("payload") {
            Some(Value::String(text)) => given.extend(json::object(text.as_bytes()).unwrap_or_default()),
            Some(Value::Object(payload)) => given.extend(payload),
            _ => {}
        }
        let text = |name: &str| given.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let request_id = text("requestId").or_else(|| text("request_id"))?;
        Some(Self { request_id, token: text("token").or_else(|| bearer(headers)) })
    }
}

fn pairs(text: &[u8]) -> Map<String, Value> {
    form_urlencoded::parse(text).map(|(name, value)| (name.into_owned(), value.into_owned().into())).collect()
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn named(token: Option<&str>) -> Option<NamedStart> {
        Some(NamedStart { request_id: "r-1".to_owned(), token: token.map(str::to_owned) })
    }

    #[test]
    fn every_shape_of_a_start_has_its_name() {
        let none = HeaderMap::new();
        let mut shown = HeaderMap::new();
        shown.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer t"));

        assert_eq!(NamedStart::of("token=t&requestId=r-1", &none, b""), named(Some("t")));
        assert_eq!(NamedStart::of("", &none, b"session=s&request_id=r-1&popup=1"), named(None));
        assert_eq!(
            NamedStart::of(
                "integrationId=x",
                &none,
                b"payload=%7B%22token%22%3A%22t%22%2C%22requestId%22%3A%22r-1%22%7D"
            ),
            named(Some("t"))
        );
        assert_eq!(NamedStart::of("", &shown, br#"{"requestId":"r-1"}"#), named(Some("t")));
        assert_eq!(
            NamedStart::of("", &none, br#"{"payload":{"requestId":"r-1","token":"t"}}"#),
            named(Some("t"))
        );
    }

    #[test]
    fn what_cannot_be_read_has_no_name() {
        for body in [&b""[..], b"payload=%7B", b"[1]", b"\xff\xfe", br#"{"requestId":5}"#, b"requestId="] {
            assert_eq!(NamedStart::of("", &HeaderMap::new(), body), None, "{body:?}");
        }
    }
}
