//! Forms that change something: hidden fields, what the script needs, one primary button.
//!
//! Every form works as it stands, without a script. `data-popup` is what tells the script that
//! the next step leaves for a provider and belongs into a popup.

use leptos::attr::custom::custom_attribute;
use leptos::prelude::*;

use crate::app::text;
use crate::app::view::{AppHead, ConnectForm, FormAction, Shell, Surface};

use super::{field::field, icon};

/// A hidden field.
pub fn hidden(name: &'static str, value: impl Into<String>) -> AnyView {
    view! { <input type="hidden" name=name value=value.into() /> }.into_any()
}

/// The session that every form of a page carries.
pub fn session(shell: &Shell) -> Option<AnyView> {
    shell.session.as_ref().map(|session| hidden("session", session.clone()))
}

/// What a form that leaves for a provider needs, in the page and in an iframe.
pub struct Leaving {
    /// `data-popup`: the script opens a popup.
    pub popup: Option<&'static str>,
    /// In an iframe a provider's page cannot be shown, so without a popup it gets a tab.
    pub target: Option<&'static str>,
    /// That tab gets no hold on the product's page; the outcome comes from our server.
    pub rel: Option<&'static str>,
}

impl Leaving {
    /// For a form on `shell`'s page that leaves, or does not.
    pub fn of(shell: &Shell, leaves: bool) -> Self {
        let embedded = leaves && shell.surface == Surface::Embed;
        Self {
            popup: leaves.then_some(""),
            target: embedded.then_some("_blank"),
            rel: embedded.then_some("noopener"),
        }
    }
}

/// The connect, reconnect or answer form for `app`.
pub fn connect_form(shell: &Shell, app: &AppHead, form: &ConnectForm) -> AnyView {
    let again = matches!(form.action, FormAction::Reconnect { .. });
    // A question of an attempt is answered where it is asked, which mostly is the popup already.
    let asks = matches!(form.action, FormAction::SubmitInput { .. });
    let leaving = Leaving::of(shell, form.leaves && !asks);
    let (address, hidden_fields) = posted(shell, form);
    let first_error = form.fields.iter().position(|field| field.error.is_some());
    let fields: Vec<_> = form
        .fields
        .iter()
        .enumerate()
        .map(|(index, one)| field("input", index, one, first_error == Some(index)))
        .collect();
    let help = app.docs.as_deref().and_then(super::link::safe).filter(|_| !form.fields.is_empty()).map(|href| {
        view! { <p class="hint"><a href=href target="_blank" rel="noopener noreferrer">{text::app_help(&app.name)}</a></p> }
    });
    view! {
        <form class="connect" method="post" action=address data-popup=leaving.popup target=leaving.target
            data-app=app.key.clone() data-notice=if again { "reconnected" } else { "connected" }
            data-waiting=text::waiting(&app.name)>
            {hidden_fields} {fields} {help}
            <div class="problem" role="alert">{form.error.clone()}</div>
            <button class="primary" type="submit">{form.submit.clone()}</button>
            <div class="wait" role="status"></div>
        </form>
    }
    .add_any_attr(custom_attribute("rel", leaving.rel))
    .into_any()
}

fn posted(shell: &Shell, form: &ConnectForm) -> (&'static str, Vec<AnyView>) {
    let mut fields = Vec::with_capacity(5);
    let address = match &form.action {
        FormAction::Connect { integration, option } => {
            fields.extend(session(shell));
            fields.push(hidden("integration", integration.clone()));
            fields.push(hidden("option", option.clone()));
            fields.push(hidden("request_id", form.request_id.clone()));
            "/_actions/connect"
        }
        FormAction::Reconnect { connection } => {
            fields.extend(session(shell));
            fields.push(hidden("connection", connection.clone()));
            fields.push(hidden("request_id", form.request_id.clone()));
            "/_actions/reconnect"
        }
        FormAction::SubmitInput { ticket } => {
            fields.extend(session(shell));
            fields.push(hidden("ticket", ticket.clone()));
            "/_actions/submit_input"
        }
    };
    fields.push(hidden("popup", ""));
    (address, fields)
}

/// What the script shows while it waits for a popup, and when a popup was blocked. Inert
/// without the script, and the reason that the script holds no sentence of its own.
pub fn templates() -> AnyView {
    view! {
        <template id="waiting">
            <p class="waiting"><span class="dot"></span> <span data-text></span>
            <button class="plain" type="button" data-cancel>{text::CANCEL}</button></p>
        </template>
        <template id="blocked">
            <p class="blocked">{text::BLOCKED} " "
            <button class="plain" type="submit" data-tab>{text::NEW_TAB}</button></p>
        </template>
        <template id="close">
            <button class="plain close" type="button" data-close-dialog aria-label=text::CLOSE_DIALOG>{icon::cross()}</button>
        </template>
        <template id="reopen">
            <p><button class="primary" type="button" data-reopen data-close=text::CLOSE_DIALOG>{text::OPEN_AGAIN}</button></p>
        </template>
        <template id="reveal">
            <button class="plain reveal" type="button" data-hide=text::REVEAL.1>{text::REVEAL.0}</button>
        </template>
    }
    .into_any()
}
