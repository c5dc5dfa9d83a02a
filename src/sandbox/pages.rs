//! The sandbox's own pages, rendered from the templates beside this file.

use std::sync::LazyLock;

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};

// `form-action` is left out: Chrome applies it to the redirect after the consent form, which
// would stop every answer at this door.
const CSP: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'";

/// A page of the sandbox.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Page {
    /// The question.
    Consent,
    /// The stop on the way back of a provider that isolates its pages.
    Leaving,
    /// The answer as a form that the person sends on.
    Posting,
    /// What cannot be done, and why.
    Refusal,
    /// What the sandbox is.
    Index,
}

/// Whether a page cuts the tie to the window that opened it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Isolation {
    None,
    SameOrigin,
}

impl Page {
    const fn name(self) -> &'static str {
        match self {
            Self::Consent => "consent.html",
            Self::Leaving => "leaving.html",
            Self::Posting => "posting.html",
            Self::Refusal => "refusal.html",
            Self::Index => "index.html",
        }
    }
}

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = Environment::empty();
    templates.set_auto_escape_callback(|_| AutoEscape::Html);
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    for (name, source) in [
        ("layout.html", include_str!("layout.html")),
        ("consent.html", include_str!("consent.html")),
        ("leaving.html", include_str!("leaving.html")),
        ("posting.html", include_str!("posting.html")),
        ("refusal.html", include_str!("refusal.html")),
        ("index.html", include_str!("index.html")),
    ] {
        templates.add_template(name, source).expect("the templates are part of the program and tested");
    }
    templates
});

/// Renders a page. `values` must hold every name its template uses.
pub(super) fn show(status: StatusCode, page: Page, values: Value, isolation: Isolation) -> Response {
    let html = TEMPLATES
        .get_template(page.name())
        .and_then(|template| template.render(values.clone()))
        .and_then(|body| {
            let refresh = values
                .get_attr("url")
                .ok()
                .filter(|url| !url.is_undefined())
                .unwrap_or_else(|| Value::from(""));
            let body = Value::from_safe_string(body);
            TEMPLATES.get_template("layout.html")?.render(context! { body => body, refresh => refresh })
        });
    let mut response = match html {
        Ok(html) => (status, Html(html)).into_response(),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "The page cannot be shown.").into_response(),
    };
    guard(&mut response, isolation);
    response
}

/// A page that says what cannot be done.
pub(super) fn refusal(status: StatusCode, why: &str) -> Response {
    show(status, Page::Refusal, context! { why => why }, Isolation::None)
}

/// The style sheet of these pages.
pub(super) async fn style() -> Response {
    let kind = HeaderValue::from_static("text/css; charset=utf-8");
    let cache = HeaderValue::from_static("public, max-age=3600");
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, cache)], include_str!("style.css"))
        .into_response()
}

/// The headers of every page and redirect of the sandbox.
pub(super) fn guard(response: &mut Response, isolation: Isolation) {
    let mut set = |name: HeaderName, value: &'static str| {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, CSP);
    set(header::CACHE_CONTROL, "no-store");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    // `no-referrer` would make the form's Origin `null`.
    set(header::REFERRER_POLICY, "same-origin");
    if isolation == Isolation::SameOrigin {
        set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    }
}
