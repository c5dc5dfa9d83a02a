//! A question of an attempt: whose page this is, and what is still missing.

use leptos::prelude::*;

use crate::app::layout::{Frame, document};
use crate::app::parts::form::connect_form;
use crate::app::parts::{link, logo};
use crate::app::text;
use crate::app::view::{AskView, Shell};

/// The whole page.
pub fn ask(shell: &Shell, view: &AskView) -> String {
    document(shell, Frame::Bare, || main(shell, view))
}

fn main(shell: &Shell, view: &AskView) -> AnyView {
    let name = &view.app.name;
    let heading = if view.again {
        text::reconnect_to(name, &view.workspace)
    } else {
        text::connect_to(name, &view.workspace)
    };
    let whose = if view.confirm {
        view! {
            <div class="notice calm confirm">
                <p><strong>{text::confirm(name, &view.customer, &view.workspace)}</strong></p>
                <p>{text::CONFIRM}</p>
            </div>
        }
        .into_any()
    } else {
        view! { <p class="whose">{text::connecting_as(&view.customer)}</p> }.into_any()
    };
    let back = view.back.as_ref().and_then(|(href, label)| Some((link::safe(href)?, label.clone()))).map(
        |(href, label)| {
            view! { <a href=href data-back="">{label}</a> }
        },
    );
    let reference =
        (!view.reference.is_empty()).then(|| view! { <span>{text::reference(&view.reference)}</span> });
    view! {
        <section class="panel dialog">
            {logo::pair(shell.workspace_logo.as_deref(), &view.workspace, &view.app.logo, name)}
            <h1>{heading}</h1>
            {whose}
            {super::app::shares(&view.workspace, name, &view.shares)}
            {connect_form(shell, &view.app, &view.form)}
            <p class="fine foot">{back} {reference}</p>
        </section>
    }
    .into_any()
}
