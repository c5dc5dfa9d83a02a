//! Several things of one account, of which a connection is for one: a site, a company, a store.
//!
//! One press chooses and goes on, so that it works without a script and takes one step.

use leptos::prelude::*;

use crate::app::layout::{Frame, document};
use crate::app::parts::logo;
use crate::app::text;
use crate::app::view::{ChooseItem, ChooseView, Shell};

/// The whole page.
pub fn choose(shell: &Shell, view: &ChooseView) -> String {
    document(shell, Frame::Bare, || main(shell, view))
}

fn main(shell: &Shell, view: &ChooseView) -> AnyView {
    let name = &view.app.name;
    let items = view.items.iter().map(item).collect_view();
    view! {
        <section class="panel dialog">
            {logo::pair(shell.workspace_logo.as_deref(), &view.workspace, &view.app.logo, name)}
            <h1>{text::choose(&view.workspace)}</h1>
            <p class="whose">{text::choose_why(name, &view.workspace)}</p>
            <form class="choose" method="post" action="/_actions/choose">
                <input type="hidden" name="ticket" value=view.ticket.clone()/>
                <input type="hidden" name="session" value=shell.session.clone().unwrap_or_default()/>
                <ul class="choices">{items}</ul>
                <p class="fine">
                    <button class="plain" type="submit" name="cancel" value="1">{text::CANCEL}</button>
                </p>
            </form>
            <p class="fine foot"><span>{text::reference(&view.reference)}</span></p>
        </section>
    }
    .into_any()
}

fn item(item: &ChooseItem) -> AnyView {
    let hint = item.hint.clone().map(|hint| view! { " " <small>{hint}</small> });
    view! {
        <li>
            <button type="submit" class="choice" name="item" value=item.id.clone()>
                <span>{item.label.clone()}{hint}</span>
            </button>
        </li>
    }
    .into_any()
}
