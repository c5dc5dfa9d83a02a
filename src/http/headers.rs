//! Security headers, one policy per kind of page.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{engine::WorkspaceView, model::redirect::csp_sources};

/// Who may frame a page.
#[derive(Clone)]
pub enum Framing {
    /// Nobody.
    Nobody,
    /// The workspace's allowed origins.
    Workspace(Vec<String>),
    /// Anybody: a page that knows no workspace and holds nothing but a sentence for its developer.
    Anybody,
}

impl Framing {
    /// The allowed origins of a workspace.
    pub fn of(view: &WorkspaceView) -> Self {
        Self::Workspace(csp_sources(&view.origins))
    }
}

/// The policy of our own pages.
///
/// Chrome applies `form-action` to redirects after a post, which would stop every Connect at our own
/// door. `RedirectTarget` leaves no open redirector, so we omit it.
fn policy(framing: &Framing) -> String {
    let ancestors = match framing {
        Framing::Nobody => "'none'".to_owned(),
        Framing::Workspace(origins) if origins.is_empty() => "'none'".to_owned(),
        Framing::Workspace(origins) => origins.join(" "),
        Framing::Anybody => "*".to_owned(),
    };
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; frame-ancestors {ancestors}"
    )
}

/// A page of ours, ready to send. It may hold customer data, so it is never stored.
pub fn page(status: StatusCode, html: String, framing: &Framing) -> Response {
    let mut response = (status, html).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    if let Ok(policy) = HeaderValue::from_str(&policy(framing)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if matches!(framing, Framing::Nobody) {
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    }
    response
}

/// Adds what every answer carries unless its handler said otherwise.
pub fn with_defaults(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let defaults = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // `no-referrer` would make forms post `Origin: null`.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()"),
    ];
    for (name, value) in defaults {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'"));
    response
}

/// Whether the browser says that the answer goes into a frame.
pub fn is_framed(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-dest").is_some_and(|place| place == "iframe" || place == "frame")
}

/// Whether the caller is a browser that shows a page: it asks for HTML.
pub fn wants_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.contains("text/html")
}

/// A page that goes on to a path of ours by itself.
///
/// After a post from another site a redirect would count as that site's, and the browser would keep our
/// cookies back; a page of ours that goes on counts as ours.
pub fn onward(path: &str) -> Response {
    let path = path.replace('&', "&amp;").replace('"', "%22").replace('<', "%3C");
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light dark\">\
         <meta http-equiv=\"refresh\" content=\"0;url={path}\"><title>Connecting</title>\
         <p><a href=\"{path}\">Continue</a></p>"
    );
    page(StatusCode::OK, html, &Framing::Nobody)
}

/// A 303 to an address of ours or one that was checked.
///
/// An address with characters that no header may carry cannot be followed and answers 500.
pub fn see_other(location: &str) -> Response {
    match HeaderValue::from_str(location) {
        Ok(location) => (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
