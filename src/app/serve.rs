//! The GET side of the pages: load with the engine, render a pure view. Nothing here changes anything.

use axum::{
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use serde::Deserialize;

use super::{pages, present, refused::PageRefusal, text, view::Shell};
use crate::{
    engine::{IntegrationQuery, PAGE_SIZE, SessionRefusal, WorkspaceView},
    http::{
        AppState,
        headers::{Framing, page, see_other},
    },
    model::{Access, Attempt, Road, Scheme, Session, Surface, redirect::Origin},
};

type Answer = Result<Response, PageRefusal>;

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
    theme: Option<String>,
    parent: Option<String>,
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
    let (session, handle) = state.page_session(&headers).await?;
    show_catalog(&state, &session, handle, &query).await
}

/// `GET /apps/{key}`
pub async fn app(
    State(state): State<AppState>,
    Path(key): Path<String>,
    Query(query): Query<PageQuery>,
    headers: HeaderMap,
) -> Answer {
    let (session, handle) = state.page_session(&headers).await?;
    show_app(&state, &session, handle, &key, &query).await
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

/// `GET /embed/main`
pub async fn embed(
    State(state): State<AppState>,
    Query(query): Query<PageQuery>,
    headers: HeaderMap,
) -> Answer {
    let (session, handle) = match embed_session(&state, "/embed/main", &query, &headers).await? {
        Ok(found) => found,
        Err(redirect) => return Ok(redirect),
    };
    show_catalog(&state, &session, handle, &query).await
}

/// `GET /embed/integrations/{sel}/connect`
pub async fn embed_app(
    State(state): State<AppState>,
    Path(selector): Path<String>,
    Query(query): Query<PageQuery>,
    headers: HeaderMap,
) -> Answer {
    let path = format!("/embed/integrations/{selector}/connect");
    let (session, handle) = match embed_session(&state, &path, &query, &headers).await? {
        Ok(found) => found,
        Err(redirect) => return Ok(redirect),
    };
    show_app(&state, &session, handle, &selector, &query).await
}

/// An embed's session travels in its addresses: third-party cookies cannot be relied on.
async fn embed_session(
    state: &AppState,
    path: &str,
    query: &PageQuery,
    headers: &HeaderMap,
) -> Result<Result<(Session, String), Response>, PageRefusal> {
    if let Some(token) = &query.token {
        let opened = state.engine.open_session(token, Surface::Embed).await;
        let (session, handle) = opened.map_err(PageRefusal::embedded)?;
        let parent = parent_of(state, &session, headers).await.map(|origin| origin.as_str().to_owned());
        let mut address = url::form_urlencoded::Serializer::new(String::new());
        address.append_pair("session", handle.expose());
        for (name, value) in [("theme", &query.theme), ("option", &query.option), ("parent", &parent)] {
            if let Some(value) = value {
                address.append_pair(name, value);
            }
        }
        return Ok(Err(see_other(&format!("{path}?{}", address.finish()))));
    }
    let missing = || PageRefusal::embedded(SessionRefusal::MissingToken.into());
    let handle = query.session.clone().ok_or_else(missing)?;
    let session = state.engine.session(&handle).await.map_err(PageRefusal::embedded)?;
    // A hosted page's session is not one for frames.
    if session.surface != Surface::Embed {
        return Err(PageRefusal::embedded(SessionRefusal::Ended.into()));
    }
    Ok(Ok((session, handle)))
}

async fn show_catalog(state: &AppState, session: &Session, handle: String, query: &PageQuery) -> Answer {
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
    let mut shell = present::shell(state, &workspace, Some(&session.customer), session.surface, Some(handle));
    shell.title = text::INTEGRATIONS.to_owned();
    framed(&mut shell, query, &workspace);
    let view = present::catalog(state, &shell, &workspace, &found, &wanted, notice);
    Ok(page(StatusCode::OK, pages::catalog(&shell, &view), &framing(session, &workspace)))
}

/// What somebody can have typed: an address can hold more, and a page shows it again.
fn typed(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}

async fn show_app(
    state: &AppState,
    session: &Session,
    handle: String,
    key: &str,
    query: &PageQuery,
) -> Answer {
    let workspace = state.engine.workspace(session.workspace).await?;
    let (view, connections) = state.engine.integration(&Access::from(session), key).await?;
    let again = query
        .connection
        .as_ref()
        .and_then(|id| connections.iter().find(|connection| connection.id.to_string() == *id));
    let notice = present::notice(&workspace, query.notice.as_deref(), Some(&view.integration.key));
    let signed = session.sealed_parameters.is_some();
    let shown = present::app(state, &view, &connections, query.option.as_deref(), again, notice, signed);
    let mut shell = present::shell(state, &workspace, Some(&session.customer), session.surface, Some(handle));
    shell.title = view.name.clone();
    framed(&mut shell, query, &workspace);
    Ok(page(StatusCode::OK, pages::app(&shell, &shown), &framing(session, &workspace)))
}

/// `GET /connect/continue/{ticket}`
pub async fn ask(
    State(state): State<AppState>,
    Path(ticket): Path<String>,
    Query(query): Query<PageQuery>,
) -> Answer {
    if let Some(choosing) = state.engine.choosing(&ticket).await? {
        let (mut shell, framing) = shown_for(&state, &choosing.attempt, &choosing.workspace, &query).await;
        shell.title = choosing.view.name.clone();
        let view = present::choose(&state, &choosing, &ticket);
        return Ok(page(StatusCode::OK, pages::choose(&shell, &view), &framing));
    }
    let asked = state.engine.ask(&ticket, query.option.as_deref()).await?;
    let (mut shell, framing) = shown_for(&state, &asked.attempt, &asked.workspace, &query).await;
    let view = present::ask(&state, &asked, &ticket, &shell);
    shell.title = asked.view.name.clone();
    Ok(page(StatusCode::OK, pages::ask(&shell, &view), &framing))
}

/// `GET /connect/result/{ticket}`
pub async fn result(
    State(state): State<AppState>,
    Path(ticket): Path<String>,
    Query(query): Query<PageQuery>,
) -> Answer {
    let outcome = state.engine.result(&ticket).await?;
    let (mut shell, _) = shown_for(&state, &outcome.attempt, &outcome.workspace, &query).await;
    let view = present::result(&state, &outcome, &shell);
    shell.title = view.headline.clone();
    Ok(page(StatusCode::OK, pages::result(&shell, &view), &Framing::of(&outcome.workspace)))
}

/// How a page of an attempt is shown. It is framed only where it goes on inside the embed it began in, for
/// the same customer; a page that asks for consent never is.
async fn shown_for(
    state: &AppState,
    attempt: &Attempt,
    workspace: &WorkspaceView,
    query: &PageQuery,
) -> (Shell, Framing) {
    let stays = attempt.request.surface == Surface::Embed && attempt.request.road == Road::Page;
    let session = match &query.session {
        Some(handle) if stays => {
            state.engine.session(handle).await.ok().map(|session| (session, handle.clone()))
        }
        _ => None,
    };
    let same = session.filter(|(session, _)| session.customer.id == attempt.customer.id);
    let (surface, handle, framing) = match same {
        Some((_, handle)) => (Surface::Embed, Some(handle), Framing::of(workspace)),
        None => (Surface::Page, None, Framing::Nobody),
    };
    (present::shell(state, workspace, Some(&attempt.customer), surface, handle), framing)
}

fn framing(session: &Session, workspace: &WorkspaceView) -> Framing {
    match session.surface {
        Surface::Page => Framing::Nobody,
        Surface::Embed => Framing::of(workspace),
    }
}

/// What the page around an embed decides: colours, and who is told the height.
fn framed(shell: &mut Shell, query: &PageQuery, workspace: &WorkspaceView) {
    let scheme = match query.theme.as_deref() {
        Some("light") => Some(Scheme::Light),
        Some("dark") => Some(Scheme::Dark),
        Some("auto") => Some(Scheme::Auto),
        _ => None,
    };
    if let (Some(scheme), Some(theme)) = (scheme, &query.theme) {
        shell.scheme = scheme;
        shell.embed_query.push(("theme".to_owned(), theme.clone()));
    }
    let parent = query.parent.as_deref().and_then(Origin::parse).filter(|origin| workspace.admits(origin));
    if let Some(parent) = parent {
        shell.embed_query.push(("parent".to_owned(), parent.as_str().to_owned()));
        shell.parent_origin = Some(parent.as_str().to_owned());
    }
}

/// The origin of the page that frames an embed, if it is one of the allowed: the script tells it the
/// page's height. From then on it travels in the embed's own addresses.
async fn parent_of(state: &AppState, session: &Session, headers: &HeaderMap) -> Option<Origin> {
    let referer = headers.get(header::REFERER)?.to_str().ok()?;
    let origin = Origin::of(&referer.parse().ok()?)?;
    let workspace = state.engine.workspace(session.workspace).await.ok()?;
    workspace.admits(&origin).then_some(origin)
}
