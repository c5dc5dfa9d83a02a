//! Refusals as pages: what happened, what to do, and for whom.
//!
//! Server functions answer a refusal with a redirect to `/refused/{code}`, a closed set of codes, so
//! that nothing a request said is ever shown on a page.

use axum::{
    extract::{Path, Request},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{pages, present, text, view::MessageView};
use crate::{
    engine::EngineError,
    http::{
        AppState, Refusal,
        headers::{Framing, page as html, wants_html},
        limits::AsItCame,
        opener::Opener,
    },
};

/// A refusal of a page; becomes HTML in [`shown`].
pub struct PageRefusal {
    refusal: Refusal,
    embedded: bool,
}

/// Marks a refusal that is shown in a frame of a page we do not know.
#[derive(Clone, Copy)]
struct Embedded;

impl PageRefusal {
    /// A refusal in an embed whose workspace is not known.
    pub fn embedded(error: EngineError) -> Self {
        Self { refusal: error.into(), embedded: true }
    }
}

impl From<EngineError> for PageRefusal {
    fn from(error: EngineError) -> Self {
        Self { refusal: error.into(), embedded: false }
    }
}

impl IntoResponse for PageRefusal {
    fn into_response(self) -> Response {
        let mut response = self.refusal.into_response();
        if self.embedded {
            response.extensions_mut().insert(Embedded);
        }
        response
    }
}

/// Turns every refusal on its way to a browser into a page, and what the framework refused by itself
/// into a refusal. Programs get the JSON.
pub async fn shown<F>(state: &AppState, request: Request, next: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Response>,
{
    let is_browser = wants_html(request.headers());
    let is_played = request.uri().path().starts_with("/sandbox");
    let response = next(request).await;
    let status = response.status();
    let is_ours = response.extensions().get::<Refusal>().is_some();
    if !is_ours && response.extensions().get::<AsItCame>().is_some() {
        return response;
    }
    if is_played || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let refusal = match response.extensions().get::<Refusal>() {
        Some(_) if !is_browser => return response,
        Some(refusal) => refusal.clone(),
        None if !is_browser => return Refusal::of_status(status).into_response(),
        None => Refusal::of_status(status),
    };
    let opener = response.extensions().get::<Opener>();
    let framing = match (response.extensions().get::<Embedded>(), opener) {
        // No workspace is known, so nobody can be named; the page holds a sentence and nothing else.
        (Some(Embedded), _) => Framing::Anybody,
        (None, Some(opener)) => opener.framing.clone(),
        (None, None) => Framing::Nobody,
    };
    let mut shown = show(state, &refusal, opener, &framing);
    if let Some(wait) = refusal.retry_after {
        shown.headers_mut().insert(header::RETRY_AFTER, wait.into());
    }
    shown
}

fn show(state: &AppState, refusal: &Refusal, opener: Option<&Opener>, framing: &Framing) -> Response {
    let said = text::refusal(refusal.reason);
    let detail = if said.detail.is_empty() { refusal.message.as_str() } else { said.detail };
    let view = MessageView {
        status: refusal.status.as_u16(),
        headline: said.headline.to_owned(),
        detail: detail.to_owned(),
        steps: said.steps.iter().map(|step| (*step).to_owned()).collect(),
        code: Some(refusal.reason.to_owned()),
        developer: said.developer,
        told: opener.map(|opener| (opener.message(refusal).to_string(), opener.origin.clone())),
    };
    let shell = present::bare_shell(state, &view.headline);
    html(refusal.status, pages::message(&shell, &view), framing)
}

/// `GET /refused/{code}`: where a server function sends a browser whose request it refused.
pub async fn page(Path(code): Path<String>) -> Refusal {
    let known = text::REFUSED_ACTIONS.iter().find(|(known, _)| *known == code);
    let Some((reason, status)) = known else { return Refusal::not_found("page") };
    let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_REQUEST);
    Refusal { status, ..Refusal::bad_request(reason, text::NOTHING_CHANGED) }
}

/// The code that `/refused/` knows for a refusal.
pub fn code_of(refusal: &Refusal) -> &'static str {
    text::REFUSED_ACTIONS
        .iter()
        .map(|(code, _)| *code)
        .find(|code| *code == refusal.reason || *code == refusal.key)
        .unwrap_or("internal")
}
