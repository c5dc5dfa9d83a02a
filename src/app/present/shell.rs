//! Everything around a page's content: whose it is, how it looks, where its ways lead.

use crate::{
    app::view::Shell,
    engine::WorkspaceView,
    http::AppState,
    model::{Customer, Opening, Purpose, Surface, redirect::Origin},
};

/// Everything around a page's content, for one customer of one workspace.
pub fn shell(
    state: &AppState,
    workspace: &WorkspaceView,
    customer: Option<&Customer>,
    surface: Surface,
) -> Shell {
    let settings = &workspace.workspace.settings;
    Shell {
        workspace: workspace.workspace.name.clone(),
        workspace_logo: state.assets.picture(settings.theme.logo.as_deref()),
        customer: customer.map(|customer| customer.label().to_owned()),
        demo: settings.demo,
        scheme: settings.theme.scheme,
        surface,
        css: state.assets.css(),
        js: state.assets.js(),
        theme_css: state.assets.theme(&settings.theme),
        frame_js: (surface == Surface::Embed).then(|| state.assets.frame_js()),
        ..Shell::default()
    }
}

/// The same inside somebody else's page, as it was opened there. The page around hears of us only where it
/// is one of the workspace's own.
pub fn framed(shell: Shell, opening: &Opening, workspace: &WorkspaceView) -> Shell {
    let parent = opening.parent.as_deref().and_then(Origin::parse);
    Shell {
        scheme: opening.scheme.unwrap_or(shell.scheme),
        opened_at: opening.path.clone(),
        connects: opening.purpose == Purpose::Connect,
        further: opening.allow_multiple,
        parent_origin: parent
            .filter(|origin| workspace.admits(origin))
            .map(|origin| origin.as_str().to_owned()),
        ..shell
    }
}

/// A page without a workspace: all it has is style.
pub fn bare_shell(state: &AppState, title: &str, surface: Surface) -> Shell {
    Shell {
        title: title.to_owned(),
        surface,
        css: state.assets.css(),
        js: state.assets.js(),
        frame_js: (surface == Surface::Embed).then(|| state.assets.frame_js()),
        ..Shell::default()
    }
}
