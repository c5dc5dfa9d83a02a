//! A proxied call at the door: the request as the engine takes it, the answer as a browser may get it, and
//! what is said when there is none.

use std::time::Duration;

use axum::{
    body::{Body, HttpBody as _},
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use futures_util::TryStreamExt as _;

use super::Refusal;
use crate::{
    engine::{Answer, RelayError, Relayed},
    outbound::{OutboundError, Upload, UploadFault},
    protocol::join::JoinError,
};

/// On answers of ours where a provider's was asked for: the reason. A provider cannot set it.
pub const OURS: HeaderName = HeaderName::from_static("hitchpost-error");
/// Seconds after which there may be a turn.
const TURN: Duration = Duration::from_secs(1);

/// One segment of a path, decoded. The router decodes all of a path or nothing, and what stands behind the
/// door's own prefix may be no UTF-8.
pub fn segment(path: &str, place: usize) -> Option<String> {
    let raw = path.split('/').nth(place + 1)?;
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// A request as the engine takes it. `prefix` says how many segments of the path are the door's own.
pub fn relayed(request: Request, prefix: usize) -> (Parts, Relayed) {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let own = path.match_indices('/').nth(prefix).map_or(path.len(), |(at, _)| at);
    let hint = body.size_hint();
    let body = if body.is_end_stream() || hint.exact() == Some(0) {
        Upload::Empty
    } else {
        let length = hint.exact();
        Upload::Stream { stream: Box::pin(body.into_data_stream().map_err(|error| fault(&error))), length }
    };
    let relayed = Relayed {
        method: parts.method.clone(),
        path: path[own..].to_owned(),
        query: parts.uri.query().map(str::to_owned),
        headers: parts.headers.clone(),
        body,
    };
    (parts, relayed)
}

fn fault(error: &(dyn std::error::Error + 'static)) -> UploadFault {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<http_body_util::LengthLimitError>() {
            return UploadFault::TooLarge;
        }
        cause = error.source();
    }
    UploadFault::Broke
}

/// An answer as it goes to the caller. `request` are the caller's headers.
///
/// What comes from elsewhere is shown by our address, so a browser neither runs nor keeps it.
pub fn answer(answer: Answer, request: &HeaderMap) -> Response {
    let mut response = Response::new(Body::new(answer.body));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    *headers = answer.headers;
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // One address answers differently for each customer, so nothing on the way may keep an answer.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.remove(header::EXPIRES);
    headers.remove(header::PRAGMA);
    if is_navigation(request) {
        headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    }
    response
}

/// Whether a browser would show the answer, and not a program read it.
fn is_navigation(request: &HeaderMap) -> bool {
    let said = |name: &str| request.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let shows = ["document", "iframe", "frame", "embed", "object", "fencedframe", "serviceworker"];
    said("sec-fetch-mode") == "navigate" || shows.contains(&said("sec-fetch-dest"))
}

/// Why there is no answer, marked as ours.
pub struct NotRelayed(Refusal);

impl From<Refusal> for NotRelayed {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl From<RelayError> for NotRelayed {
    fn from(error: RelayError) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for NotRelayed {
    fn into_response(self) -> Response {
        let reason = HeaderValue::from_static(self.0.reason);
        let mut response = self.0.into_response();
        response.headers_mut().insert(OURS, reason);
        response
    }
}

impl From<RelayError> for Refusal {
    fn from(error: RelayError) -> Self {
        let message = error.to_string();
        match error {
            RelayError::Method => {
                let refusal = Self::bad_request("method_not_allowed", "TRACE and CONNECT are not passed on.");
                Self { status: StatusCode::METHOD_NOT_ALLOWED, ..refusal }
            }
            RelayError::MaxWait => Self::bad_request("invalid_max_wait", format!("{message}.")),
            RelayError::Join(JoinError::InvalidPath) => Self::bad_request(
                "invalid_path",
                "The path holds `..`, a backslash or a control character, in some encoding.",
            ),
            RelayError::Join(JoinError::HostNotAllowed) => Self::bad_request(
                "host_not_allowed",
                "The address is not one of this app's own. Send a path, or an https address of the app.",
            ),
            RelayError::NoBase => configuration(
                "no_api_base",
                "The connector does not say where the app's API is. Send a whole address.",
            ),
            RelayError::Unfit(_) => {
                tracing::warn!(%message, "A call could not be made ready");
                configuration(
                    "call_not_possible",
                    "The connection's credentials or settings do not make a call to this app.",
                )
            }
            RelayError::TooMany => Self {
                status: StatusCode::SERVICE_UNAVAILABLE,
                kind: "concurrency",
                key: "too_many_calls",
                retry_after: u32::try_from(TURN.as_secs()).ok(),
                ..Self::bad_request("too_many_calls", "Too many calls to this app are on their way.")
            },
            RelayError::Withdrawn => Self {
                status: StatusCode::SERVICE_UNAVAILABLE,
                kind: "concurrency",
                key: "connection_changed",
                retry_after: u32::try_from(TURN.as_secs()).ok(),
                ..Self::bad_request("connection_changed", "The connection changed meanwhile. Try again.")
            },
            RelayError::Upload(UploadFault::Stalled) => Self::too_slow(),
            RelayError::Upload(UploadFault::Broke) => {
                Self::bad_request("body_broke_off", "The body of the request broke off.")
            }
            RelayError::Upload(UploadFault::TooLarge) => Self::of_status(StatusCode::PAYLOAD_TOO_LARGE),
            RelayError::TooLargeToSign => Self {
                status: StatusCode::PAYLOAD_TOO_LARGE,
                ..Self::bad_request(
                    "payload_too_large",
                    "This app's calls are signed: a form has at most 64 KiB.",
                )
            },
            RelayError::Outbound(error) => of_outbound(&error),
            RelayError::Refresh(error) => error.into(),
            RelayError::Engine(error) => error.into(),
        }
    }
}

fn configuration(reason: &'static str, message: &str) -> Refusal {
    Refusal { kind: "configuration", key: reason, ..Refusal::bad_request(reason, message) }
}

/// The words of an [`OutboundError`] name the host at most.
fn of_outbound(error: &OutboundError) -> Refusal {
    let (status, reason, message) = match error {
        OutboundError::Timeout(host) => {
            (StatusCode::GATEWAY_TIMEOUT, "provider_timeout", format!("{host} did not answer in time."))
        }
        OutboundError::TooLarge(host) | OutboundError::Unreadable(host) => (
            StatusCode::BAD_GATEWAY,
            "provider_answer_unreadable",
            format!("The answer of {host} cannot be read, or its headers are larger than 64 KiB."),
        ),
        OutboundError::Refused { .. } => {
            return Refusal {
                status: StatusCode::BAD_GATEWAY,
                ..configuration(
                    "address_not_allowed",
                    "The app's address is not one that is called from here.",
                )
            };
        }
        OutboundError::NotReached(host) | OutboundError::Unreachable(host) | OutboundError::Severed(host) => {
            (StatusCode::BAD_GATEWAY, "provider_unreachable", format!("{host} could not be reached."))
        }
        OutboundError::Upload(_) | OutboundError::Withdrawn => {
            (StatusCode::BAD_GATEWAY, "provider_unreachable", "The app could not be reached.".to_owned())
        }
    };
    Refusal { status, kind: "dependency_error", key: reason, ..Refusal::bad_request(reason, message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(uri: &str, prefix: usize) -> String {
        let request = Request::builder().uri(uri).body(Body::empty()).unwrap();
        relayed(request, prefix).1.path
    }

    #[test]
    fn the_path_behind_the_door_is_taken_as_it_came() {
        assert_eq!(path("/connections/x/proxy", 3), "");
        assert_eq!(path("/connections/x/proxy/", 3), "/");
        assert_eq!(path("/connections/x/proxy/a%2Fb//%E4?q", 3), "/a%2Fb//%E4");
        assert_eq!(path("/connections/x/proxy/https://h/x", 3), "/https://h/x");
        assert_eq!(path("/self/proxy/a/b", 2), "/a/b");
    }

    #[test]
    fn a_segment_is_decoded_by_itself() {
        assert_eq!(segment("/connections/a%2Fb%C3%A9/proxy/%e4", 1).as_deref(), Some("a/b\u{e9}"));
        for odd in ["/connections/%e4/proxy", "/connections/%zz/proxy", "/connections/%4", "/connections"] {
            assert_eq!(segment(odd, 1), None, "{odd}");
        }
    }

    #[test]
    fn what_a_browser_shows_is_a_download() {
        for (name, value, is_shown) in [
            ("sec-fetch-mode", "navigate", true),
            ("sec-fetch-dest", "iframe", true),
            ("sec-fetch-dest", "serviceworker", true),
            ("sec-fetch-dest", "empty", false),
            ("sec-fetch-mode", "cors", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            assert_eq!(is_navigation(&headers), is_shown, "{name}: {value}");
        }
    }
}
