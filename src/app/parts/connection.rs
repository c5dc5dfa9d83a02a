//! A connection as a row: what it is, how it is, what to do about it.

use leptos::attr::custom::custom_attribute;
use leptos::prelude::*;

use crate::app::text;
use crate::app::view::{ConnectionRow, ReconnectOffer, RowState, Shell};

use super::form::{Leaving, hidden, session};
use super::logo::logo;

/// Which page a row stands on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Among all connections: leads on to its app's page.
    Catalog,
    /// On its app's page: can be deleted there.
    App,
}

/// The list of connections.
pub fn rows(shell: &Shell, rows: &[ConnectionRow], place: Place) -> AnyView {
    let rows: Vec<_> = rows.iter().map(|one| row(shell, one, place)).collect();
    view! { <ul class="rows">{rows}</ul> }.into_any()
}

fn row(shell: &Shell, row: &ConnectionRow, place: Place) -> AnyView {
    let (title, more) = names(row, place);
    let more: Vec<_> = more.into_iter().map(|name| view! { <span class="account">{name}</span> }).collect();
    let activity =
        (!row.activity.is_empty()).then(|| view! { <span class="activity">{row.activity.clone()}</span> });
    let reason = match &row.state {
        RowState::NeedsAttention { why, next_step } => {
            Some(view! { <p class="reason">{why.clone()} " " {next_step.clone()}</p> })
        }
        RowState::Connected | RowState::Connecting => None,
    };
    let delete = (place == Place::App).then(|| delete(shell, row));
    view! {
        <li class="row" id=format!("c-{}", row.id)>
            {logo(&row.logo, &row.app_name)}
            <div class="what"><h3>{title}</h3>{more}</div>
            <div class="how">{state(&row.state)} {activity}</div>
            <div class="actions">{actions(shell, row, place)}</div>
            {reason} {delete}
        </li>
    }
    .into_any()
}

/// What a row is called, and what else is said of it. On its app's page the app goes without
/// saying, so there the account comes first.
fn names(row: &ConnectionRow, place: Place) -> (String, Vec<String>) {
    let own = (!row.name.is_empty() && row.name != row.app_name).then(|| row.name.clone());
    let mut names: Vec<String> = own.into_iter().chain(row.account.clone()).collect();
    if place == Place::Catalog || names.is_empty() {
        names.insert(0, row.app_name.clone());
    }
    let title = names.remove(0);
    (title, names)
}

/// State as a dot and words; the dot alone says nothing.
fn state(state: &RowState) -> AnyView {
    let class = match state {
        RowState::Connected => "state good",
        RowState::NeedsAttention { .. } => "state warn",
        RowState::Connecting => "state busy",
    };
    view! { <span class=class><span class="dot"></span>{text::row_state(state)}</span> }.into_any()
}

fn actions(shell: &Shell, row: &ConnectionRow, place: Place) -> AnyView {
    let broken = matches!(row.state, RowState::NeedsAttention { .. });
    let reconnect = (broken || place == Place::App).then(|| reconnect(shell, row, broken));
    let manage = (place == Place::Catalog).then(|| {
        let href = format!("{}#c-{}", shell.app(&row.integration_key, &[]), row.id);
        view! { <a class="button" href=href aria-label=text::act_on(text::MANAGE, &row.app_name)>{text::MANAGE}</a> }
    });
    view! { {reconnect} {manage} }.into_any()
}

fn reconnect(shell: &Shell, row: &ConnectionRow, broken: bool) -> AnyView {
    let label = text::act_on(text::RECONNECT, &row.app_name);
    let class = if broken { "button primary" } else { "button" };
    match &row.reconnect {
        Some(offer) => one_press(shell, row, offer, class, label),
        None => {
            let href = shell.app(&row.integration_key, &[("connection", &row.id)]);
            view! { <a class=class href=href aria-label=label>{text::RECONNECT}</a> }.into_any()
        }
    }
}

fn one_press(
    shell: &Shell,
    row: &ConnectionRow,
    offer: &ReconnectOffer,
    class: &'static str,
    label: String,
) -> AnyView {
    let leaving = Leaving::of(shell, offer.leaves);
    view! {
        <form method="post" action="/_actions/reconnect" data-popup=leaving.popup target=leaving.target
            data-app=row.integration_key.clone() data-notice="reconnected" data-waiting=text::waiting(&row.app_name)>
            {session(shell)} {hidden("connection", row.id.clone())} {hidden("request_id", offer.request_id.clone())}
            {hidden("popup", "")}
            <button class=class type="submit" aria-label=label>{text::RECONNECT}</button>
            <div class="problem" role="alert"></div>
            <div class="wait" role="status"></div>
        </form>
    }
    .add_any_attr(custom_attribute("rel", leaving.rel))
    .into_any()
}

/// The question before deleting is a `<details>`, so that it needs no script.
fn delete(shell: &Shell, row: &ConnectionRow) -> AnyView {
    view! {
        <details class="delete">
            <summary>{text::DELETE}</summary>
            <p>{text::delete_warning(&row.app_name, &shell.workspace)}</p>
            <form method="post" action="/_actions/delete">
                {session(shell)} {hidden("connection", row.id.clone())}
                <button class="danger" type="submit">{text::DELETE_NOW}</button>
            </form>
        </details>
    }
    .into_any()
}
