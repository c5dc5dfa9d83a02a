//! Whoever looks at a page, hosted or inside somebody else's.

use axum::http::HeaderMap;

use super::{present, view::Shell};
use crate::{
    engine::{EngineError, Opened, SessionRefusal, WorkspaceView},
    http::{AppState, headers::Framing},
    model::{Purpose, Session, Surface},
};

/// Whoever looks at a page.
pub(super) struct Viewer {
    pub(super) session: Session,
    /// Its handle, which every form carries.
    pub(super) handle: String,
    /// How its embed was opened; says nothing for a hosted page.
    pub(super) opened: Opened,
}

impl Viewer {
    /// By the cookie of a hosted page.
    pub(super) async fn hosted(state: &AppState, headers: &HeaderMap) -> Result<Self, EngineError> {
        let (session, handle) = state.page_session(headers).await?;
        Self::of(state, session, handle)
    }

    /// By the handle that an embed carries. A hosted page's session is not one for frames.
    pub(super) async fn inside(state: &AppState, handle: String) -> Result<Self, EngineError> {
        let session = state.engine.session(&handle).await?;
        if session.surface != Surface::Embed {
            return Err(SessionRefusal::Ended.into());
        }
        Self::of(state, session, handle)
    }

    /// By the handle in a form.
    pub(super) async fn of_form(state: &AppState, handle: String) -> Result<Self, EngineError> {
        let session = state.engine.session(&handle).await?;
        Self::of(state, session, handle)
    }

    fn of(state: &AppState, session: Session, handle: String) -> Result<Self, EngineError> {
        let opened = state.engine.opened_with(&session)?;
        Ok(Self { session, handle, opened })
    }

    pub(super) fn is_framed(&self) -> bool {
        self.session.surface == Surface::Embed
    }

    /// The embed ends with a connection, so it shows how to make one and nothing else.
    pub(super) fn connects(&self) -> bool {
        self.is_framed() && self.opened.opening.purpose == Purpose::Connect
    }

    /// Who may frame the pages it sees.
    pub(super) fn framing(&self, workspace: &WorkspaceView) -> Framing {
        if self.is_framed() { Framing::of(workspace) } else { Framing::Nobody }
    }

    /// Where the ways of its pages lead.
    pub(super) fn ways(&self) -> Shell {
        Shell {
            surface: self.session.surface,
            session: Some(self.handle.clone()),
            opened_at: self.opened.opening.path.clone(),
            connects: self.connects(),
            ..Shell::default()
        }
    }

    /// Everything around a page's content.
    pub(super) fn shell(&self, state: &AppState, workspace: &WorkspaceView) -> Shell {
        let session = &self.session;
        let shell = present::shell(state, workspace, Some(&session.customer), session.surface);
        let shell = Shell { session: Some(self.handle.clone()), ..shell };
        if self.is_framed() { present::framed(shell, &self.opened.opening, workspace) } else { shell }
    }
}
