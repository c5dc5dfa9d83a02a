//! The page of one app, which is also the connect dialog.

use leptos::prelude::*;

use crate::app::layout::{Frame, document};
use crate::app::parts::badge::explained;
use crate::app::parts::connection::{Place, rows};
use crate::app::parts::form::connect_form;
use crate::app::parts::{icon, link, logo, notice::notice};
use crate::app::text;
use crate::app::view::{AppView, ConnectForm, FormAction, OptionChoice, Shell};

/// The whole page.
pub fn app(shell: &Shell, view: &AppView) -> String {
    document(shell, Frame::Narrow, || main(shell, view))
}

fn main(shell: &Shell, view: &AppView) -> AnyView {
    let connected = (!view.connections.is_empty()).then(|| connected(shell, view));
    let body = match (&view.form, view.connections.is_empty()) {
        (Some(form), _) => Some(dialog(shell, view, form)),
        (None, true) => Some(unavailable(shell, view)),
        (None, false) => None,
    };
    let back = shell.has_catalog().then(|| {
        view! { <a href=shell.home(&[]) data-back="">{icon::back()} {text::BACK}</a> }
    });
    view! {
        <p class="back" data-live="">{back}</p>
        {notice(view.notice.as_ref())}
        {connected}
        {body}
    }
    .into_any()
}

/// The head of a page that shows connections.
fn connected(shell: &Shell, view: &AppView) -> AnyView {
    let site = view.app.website.as_deref().and_then(link::safe).map(|href| {
        view! { " " <a href=href target="_blank" rel="noopener noreferrer">{text::app_site(&view.app.name)}</a> }
    });
    view! {
        <div class="title">
            <h1>{view.app.name.clone()}</h1>
            <p class="lead">{view.app.description.clone()} {site}</p>
        </div>
        <section class="panel" aria-labelledby="connected-title">
            <h2 class="hidden" id="connected-title">{text::CONNECTED}</h2>
            {rows(shell, &view.connections, Place::App)}
        </section>
    }
    .into_any()
}

fn dialog(shell: &Shell, view: &AppView, form: &ConnectForm) -> AnyView {
    let name = &view.app.name;
    let heading = match (&form.action, view.connections.is_empty()) {
        (FormAction::Reconnect { .. }, _) => text::reconnect_to(name, &shell.workspace),
        (_, true) => text::connect_to(name, &shell.workspace),
        (_, false) => text::connect_another(name),
    };
    let heading = if view.connections.is_empty() {
        view! { <h1>{heading}</h1> }.into_any()
    } else {
        view! { <h2>{heading}</h2> }.into_any()
    };
    let customer = shell
        .customer
        .as_ref()
        .map(|customer| view! { <p class="whose">{text::connecting_as(customer)}</p> });
    let sandbox = view.sandbox.then(|| view! { <p class="played">{text::SANDBOX}</p> });
    view! {
        <section class="panel dialog">
            {logo::pair(shell.workspace_logo.as_deref(), &shell.workspace, &view.app.logo, name)}
            {heading} {customer}
            {explained(&view.app.badges)}
            {shares(&shell.workspace, name, &view.shares)}
            {options(shell, view)}
            {connect_form(shell, &view.app, form)}
            <p class="fine">{text::SEALED}</p>
            {sandbox}
        </section>
    }
    .into_any()
}

/// What the workspace will be able to do.
pub(super) fn shares(workspace: &str, app: &str, shares: &[String]) -> AnyView {
    if shares.is_empty() {
        return view! { <p class="shares">{text::shares_unknown(workspace, app)}</p> }.into_any();
    }
    let items: Vec<_> =
        shares.iter().map(|share| view! { <li>{icon::check()} <span>{share.clone()}</span></li> }).collect();
    view! { <div class="shares"><p id="shares">{text::shares(workspace)}</p><ul aria-labelledby="shares">{items}</ul></div> }
        .into_any()
}

/// The ways to authenticate, as links, so that the fields below change without a script.
fn options(shell: &Shell, view: &AppView) -> Option<AnyView> {
    if view.options.len() < 2 {
        return None;
    }
    let connection = match view.form.as_ref().map(|form| &form.action) {
        Some(FormAction::Reconnect { connection }) => connection.as_str(),
        _ => "",
    };
    let items: Vec<_> =
        view.options.iter().map(|one| option(shell, &view.app.key, one, connection)).collect();
    Some(
        view! {
            <nav class="options" aria-labelledby="options">
                <p id="options">{text::OPTIONS}</p>
                <ul>{items}</ul>
            </nav>
        }
        .into_any(),
    )
}

fn option(shell: &Shell, app: &str, option: &OptionChoice, connection: &str) -> AnyView {
    let href = shell.app(app, &[("option", &option.key), ("connection", connection)]);
    let environment = (!option.environment.is_empty())
        .then(|| view! { <span class="environment">{option.environment.clone()}</span> });
    let hint = (!option.hint.is_empty()).then(|| view! { <span class="hint">{option.hint.clone()}</span> });
    view! {
        <li><a href=href aria-current=option.selected.then_some("true")>
            <span class="radio"></span>
            <span><strong>{option.title.clone()}</strong> {environment} {hint}</span>
        </a></li>
    }
    .into_any()
}

fn unavailable(shell: &Shell, view: &AppView) -> AnyView {
    view! {
        <section class="panel dialog">
            {logo::pair(shell.workspace_logo.as_deref(), &shell.workspace, &view.app.logo, &view.app.name)}
            <h1>{view.app.name.clone()}</h1>
            <p class="whose">{view.app.description.clone()}</p>
            <p class="shares">{text::unavailable(&view.app.name, &shell.workspace)}</p>
        </section>
    }
    .into_any()
}
