//! The GET side of the pages: load with the engine, render a pure view. Nothing here changes anything.
//!
//! What is hosted has its routes here; the same pages in somebody else's are opened by [`super::embed`].

use axum::{
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use serde::Deserialize;

use super::{pages, present, refused::PageRefusal, text, view::Shell, viewer::Viewer};
use crate::{
    engine::{EngineError, IntegrationQuery, IntegrationView, PAGE_SIZE, WorkspaceView},
    http::{
        AppState, Refusal,
        headers::{Framing, page, see_other},
    },
    model::{Access, Attempt, Connection, Road, Surface},
};

pub(super) type Answer = Result<Response, PageRefusal>;

/// The query of the catalog and of an app's page.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct PageQuery {
    token: Option<String>,
    session: Option<String>,
    q: Option<String>,
    category: Option<String>,
    cursor: Option<String>,
    notice: Option<String>,
    app: Option<String>,
    option: Option<String>,
    connection: Option<String>,
}

impl PageQuery {
    /// Whoever looks from inside an embed.
    pub(super) async fn viewer(&self, state: &AppState) -> Option<Viewer> {
        Viewer::inside(state, self.session.clone()?).await.ok()
    }
}

/// `GET /`
pub async fn catalog(
    State(state): State<AppState>,
    Query(query): Query<PageQuery>,
    headers: HeaderMap,
) -> Answer {
    if let Some(token) = &query.token {
        return sign_in(&state, token).await;
    }
    let viewer = Viewer::hosted(&state, &headers).await?;
    Ok(show_catalog(&state, &viewer, &query).await?)
}

/// `GET /apps/{key}`
pub async fn app(
    State(state): State<AppState>,
    Path(key): Path<String>,
    Query(query): Query<PageQuery>,
    headers: HeaderMap,
) -> Answer {
    let viewer = Viewer::hosted(&state, &headers).await?;
    Ok(show_app(&state, &viewer, &key, &query).await?)
}

/// `GET /link/{ticket}`
pub async fn link(State(state): State<AppState>, Path(ticket): Path<String>) -> Answer {
    let (_, handle) = state.engine.follow_link(&ticket).await?;
    let mut response = see_other("/");
    response.headers_mut().append(header::SET_COOKIE, state.session_cookie(&handle));
    Ok(response)
}

/// Swaps a token for a session, so that the token leaves the address at the first step.
async fn sign_in(state: &AppState, token: &str) -> Answer {
    let (_, handle) = state.engine.open_session(token, Surface::Page).await?;
    let mut response = see_other("/");
    response.headers_mut().append(header::SET_COOKIE, state.session_cookie(&handle));
    Ok(response)
}

/// The catalog.
pub(super) async fn show_catalog(
    state: &AppState,
    viewer: &Viewer,
    query: &PageQuery,
) -> Result<Response, EngineError> {
    let session = &viewer.session;
    let workspace = state.engine.workspace(session.workspace).await?;
    let wanted = IntegrationQuery {
        search: query.q.as_deref().map(typed).filter(|words| !words.trim().is_empty()),
        category: query.category.clone().filter(|category| !category.is_empty()),
        cursor: query.cursor.clone(),
        limit: PAGE_SIZE,
        connected_first: true,
        ..IntegrationQuery::default()
    };
    let found = state.engine.find_integrations(&Access::from(session), &wanted).await?;
    let notice = present::notice(&workspace, query.notice.as_deref(), query.app.as_deref());
    let shell = Shell { title: text::INTEGRATIONS.to_owned(), ..viewer.shell(state, &workspace) };
    let view = present::catalog(state, &shell, &workspace, &found, &wanted, notice);
    Ok(page(StatusCode::OK, pages::catalog(&shell, &view), &viewer.framing(&workspace)))
}

/// What somebody can have typed: an address can hold more, and a page shows it again.
fn typed(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}

/// The page of an app. Where the embed is there to connect it, that is the connect dialog alone.
pub(super) async fn show_app(
    state: &AppState,
    viewer: &Viewer,
    key: &str,
    query: &PageQuery,
) -> Result<Response, EngineError> {
    let (view, connections) = state.engine.integration(&Access::from(&viewer.session), key).await?;
    let again = query
        .connection
        .as_ref()
        .and_then(|id| connections.iter().find(|connection| connection.id.to_string() == *id));
    let listed: &[Connection] = if viewer.connects() { &[] } else { &connections };
    app_page(state, viewer, query, &view, (listed, again)).await
}

/// The page of one connection; `dialog` shows how to renew it and nothing else.
pub(super) async fn show_connection(
    state: &AppState,
    viewer: &Viewer,
    selector: &str,
    query: &PageQuery,
    dialog: bool,
) -> Result<Response, EngineError> {
    let found = state.engine.live_view(&Access::from(&viewer.session), selector).await?;
    let one = std::slice::from_ref(&found.connection);
    let shown = if dialog { (&one[..0], Some(&found.connection)) } else { (one, None) };
    app_page(state, viewer, query, &found.view, shown).await
}

async fn app_page(
    state: &AppState,
    viewer: &Viewer,
    query: &PageQuery,
    view: &IntegrationView,
    (listed, again): (&[Connection], Option<&Connection>),
) -> Result<Response, EngineError> {
    if viewer.connects() {
        state.engine.check_opening(&viewer.session, view, &viewer.opened.opening).await?;
    }
    let workspace = state.engine.workspace(viewer.session.workspace).await?;
    let notice = present::notice(&workspace, query.notice.as_deref(), Some(&view.integration.key));
    let option = query.option.as_deref().or(viewer.opened.opening.option.as_deref());
    let mut shown = present::app(state, view, (listed, again), option, notice, &viewer.opened);
    if let Some(form) = &mut shown.form {
        form.request_id = state.engine.name_of_attempt(&viewer.session, &viewer.opened.opening).await?;
    }
    let shell = Shell { title: view.name.clone(), ..viewer.shell(state, &workspace) };
    Ok(page(StatusCode::OK, pages::app(&shell, &shown), &viewer.framing(&workspace)))
}

/// The end of an embed that was there to connect.
pub(super) async fn show_connected(
    state: &AppState,
    viewer: &Viewer,
    query: &PageQuery,
) -> Result<Response, Refusal> {
    let access = Access::from(&viewer.session);
    let selector = query.connection.as_deref().unwrap_or_default();
    let found = state.engine.live_view(&access, selector).await?;
    let workspace = state.engine.workspace(viewer.session.workspace).await?;
    let told = state.connection_json(&found.connection, &found.view, &access)?;
    let view = present::connected(state, &found.view, &told);
    let shell = Shell { title: view.headline.clone(), ..viewer.shell(state, &workspace) };
    Ok(page(StatusCode::OK, pages::result(&shell, &view), &viewer.framing(&workspace)))
}

/// `GET /connect/continue/{ticket}`
pub async fn ask(
    State(state): State<AppState>,
    Path(ticket): Path<String>,
    Query(query): Query<PageQuery>,
) -> Answer {
    let viewer = query.viewer(&state).await;
    match show_question(&state, viewer.as_ref(), &ticket, &query).await {
        Ok(response) => Ok(response),
        Err(error) => Err(PageRefusal::of(error, &state, viewer.as_ref()).await),
    }
}

async fn show_question(
    state: &AppState,
    viewer: Option<&Viewer>,
    ticket: &str,
    query: &PageQuery,
) -> Result<Response, EngineError> {
    if let Some(choosing) = state.engine.choosing(ticket).await? {
        let (mut shell, framing) = shown_for(state, &choosing.attempt, &choosing.workspace, viewer);
        shell.title = choosing.view.name.clone();
        let view = present::choose(state, &choosing, ticket);
        return Ok(page(StatusCode::OK, pages::choose(&shell, &view), &framing));
    }
    let asked = state.engine.ask(ticket, query.option.as_deref()).await?;
    let (mut shell, framing) = shown_for(state, &asked.attempt, &asked.workspace, viewer);
    let view = present::ask(state, &asked, ticket, &shell);
    shell.title = asked.view.name.clone();
    Ok(page(StatusCode::OK, pages::ask(&shell, &view), &framing))
}

/// `GET /connect/result/{ticket}`
pub async fn result(
    State(state): State<AppState>,
    Path(ticket): Path<String>,
    Query(query): Query<PageQuery>,
) -> Answer {
    let viewer = query.viewer(&state).await;
    let outcome = match state.engine.result(&ticket).await {
        Ok(outcome) => outcome,
        Err(error) => return Err(PageRefusal::of(error, &state, viewer.as_ref()).await),
    };
    let (mut shell, _) = shown_for(&state, &outcome.attempt, &outcome.workspace, viewer.as_ref());
    let view = present::result(&state, &outcome, &shell);
    shell.title = view.headline.clone();
    Ok(page(StatusCode::OK, pages::result(&shell, &view), &Framing::of(&outcome.workspace)))
}

/// How a page of an attempt is shown. It is framed only where it goes on inside the embed it began in, for
/// the same customer; a page that asks for consent never is.
fn shown_for(
    state: &AppState,
    attempt: &Attempt,
    workspace: &WorkspaceView,
    viewer: Option<&Viewer>,
) -> (Shell, Framing) {
    let stays = attempt.request.surface == Surface::Embed && attempt.request.road == Road::Page;
    let same = viewer.filter(|viewer| stays && viewer.session.customer.id == attempt.customer.id);
    match same {
        Some(viewer) => (viewer.shell(state, workspace), Framing::of(workspace)),
        None => {
            let shell = present::shell(state, workspace, Some(&attempt.customer), Surface::Page);
            (shell, Framing::Nobody)
        }
    }
}
