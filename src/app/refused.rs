//! Refusals as pages: what happened, what to do, and for whom.
//!
//! Server functions answer a refusal with a redirect to `/refused/{code}`, a closed set of codes, so
//! that nothing a request said is ever shown on a page.

use axum::{
    extract::{Path, Query, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    pages, present,
    serve::PageQuery,
    text,
    view::{MessageView, Shell, Surface},
    viewer::Viewer,
};
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
    frame: Option<Frame>,
}

/// How a refusal is shown inside somebody else's page.
#[derive(Clone)]
struct Frame {
    framing: Framing,
    /// The page as its embed was opened; none where no workspace is known.
    shell: Option<Box<Shell>>,
}

impl PageRefusal {
    /// A refusal in an embed whose workspace is not known: it names nobody, so anybody may frame it.
    pub fn anywhere(error: impl Into<Refusal>) -> Self {
        Self { refusal: error.into(), frame: Some(Frame { framing: Framing::Anybody, shell: None }) }
    }

    /// A refusal for this viewer: framed as the page would have been, with a way back.
    pub(super) async fn of(error: impl Into<Refusal>, state: &AppState, viewer: Option<&Viewer>) -> Self {
        let refusal = error.into();
        let Some(viewer) = viewer.filter(|viewer| viewer.is_framed()) else {
            return Self { refusal, frame: None };
        };
        match state.engine.workspace(viewer.session.workspace).await {
            Ok(workspace) => {
                let shell = Some(Box::new(viewer.shell(state, &workspace)));
                Self { refusal, frame: Some(Frame { framing: viewer.framing(&workspace), shell }) }
            }
            Err(_) => Self::anywhere(refusal),
        }
    }
}

impl From<EngineError> for PageRefusal {
    fn from(error: EngineError) -> Self {
        Self { refusal: error.into(), frame: None }
    }
}

impl From<Refusal> for PageRefusal {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, frame: None }
    }
}

impl IntoResponse for PageRefusal {
    fn into_response(self) -> Response {
        let mut response = self.refusal.into_response();
        if let Some(frame) = self.frame {
            response.extensions_mut().insert(frame);
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
    let path = request.uri().path().to_owned();
    let is_framed = ["/embed/", "/screens/"].iter().any(|start| path.starts_with(start));
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
    let frame = match response.extensions().get::<Frame>() {
        Some(frame) => Some(frame.clone()),
        // No workspace is known, so nobody can be named; the page holds a sentence and nothing else.
        None => is_framed.then_some(Frame { framing: Framing::Anybody, shell: None }),
    };
    let mut shown = show(state, &refusal, response.extensions().get::<Opener>(), &path, frame);
    if let Some(wait) = refusal.retry_after {
        shown.headers_mut().insert(header::RETRY_AFTER, wait.into());
    }
    shown
}

fn show(
    state: &AppState,
    refusal: &Refusal,
    opener: Option<&Opener>,
    path: &str,
    frame: Option<Frame>,
) -> Response {
    let said = text::refusal(refusal.reason);
    let inside = frame.as_ref().and_then(|frame| frame.shell.as_deref());
    let view = MessageView {
        status: refusal.status.as_u16(),
        headline: said.headline.to_owned(),
        detail: if said.detail.is_empty() { refusal.message.clone() } else { said.detail.to_owned() },
        steps: said.steps.iter().map(|step| (*step).to_owned()).collect(),
        code: Some(refusal.reason.to_owned()),
        developer: said.developer,
        told: opener.map(|opener| (opener.message(refusal).to_string(), opener.origin.clone())),
        // The way back to what was refused is none.
        back: inside
            .filter(|shell| shell.has_catalog() || shell.opened_at != path)
            .map(|shell| (shell.home(&[]), text::GO_BACK.to_owned())),
    };
    let surface = if frame.is_some() { Surface::Embed } else { Surface::Page };
    let bare = || present::bare_shell(state, &view.headline, surface);
    let shell = Shell { title: view.headline.clone(), ..inside.cloned().unwrap_or_else(bare) };
    let framing = frame.map(|frame| frame.framing).or(opener.map(|opener| opener.framing.clone()));
    html(refusal.status, pages::message(&shell, &view), &framing.unwrap_or(Framing::Nobody))
}

/// `GET /refused/{code}`: where a server function sends a browser whose request it refused.
pub async fn page(
    State(state): State<AppState>,
    Path(code): Path<String>,
    Query(query): Query<PageQuery>,
) -> PageRefusal {
    let known = text::REFUSED_ACTIONS.iter().find(|(known, _)| *known == code);
    let Some((reason, status)) = known else { return Refusal::not_found("page").into() };
    let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_REQUEST);
    let refusal = Refusal { status, ..Refusal::bad_request(reason, text::NOTHING_CHANGED) };
    match query.viewer(&state).await {
        Some(viewer) => PageRefusal::of(refusal, &state, Some(&viewer)).await,
        // The session that ended may have been an embed's, and it says nothing of anybody.
        None if *reason == "session_ended" => PageRefusal::anywhere(refusal),
        None => refusal.into(),
    }
}

/// A refused start in one line, for the dialog that waits for it.
pub fn sentence(refusal: &Refusal) -> String {
    let reasons = [refusal.reason, refusal.key];
    let words = reasons.into_iter().find_map(text::refused_start);
    words.map_or_else(|| refusal.message.clone(), str::to_owned)
}

/// The code that `/refused/` knows for a refusal.
pub fn code_of(refusal: &Refusal) -> &'static str {
    text::REFUSED_ACTIONS
        .iter()
        .map(|(code, _)| *code)
        .find(|code| *code == refusal.reason || *code == refusal.key)
        .unwrap_or("internal")
}
