//! How an attempt ended. In a popup the script passes the outcome on and closes the window.

use leptos::prelude::*;

use crate::app::layout::{Frame, document};
use crate::app::parts::{icon, link, logo};
use crate::app::text;
use crate::app::view::{Close, ResultView, Shell};

/// The whole page.
pub fn result(shell: &Shell, view: &ResultView) -> String {
    document(shell, Frame::Bare, || main(shell, view))
}

fn main(shell: &Shell, view: &ResultView) -> AnyView {
    let (class, mark) = if view.ok { ("mark good", icon::check()) } else { ("mark bad", icon::alert()) };
    let pair = view
        .app
        .as_ref()
        .map(|app| logo::pair(shell.workspace_logo.as_deref(), &shell.workspace, &app.logo, &app.name));
    let paragraph = |words: &str| (!words.is_empty()).then(|| view! { <p>{words.to_owned()}</p> });
    let again = view.try_again.as_deref().and_then(link::safe).map(|href| {
        view! { <a class="button primary" href=href>{text::TRY_AGAIN}</a> }
    });
    let back_class = if view.try_again.is_some() { "button" } else { "button primary" };
    let back = view.back.as_ref().and_then(|(href, label)| Some((link::safe(href)?, label.clone()))).map(
        |(href, label)| {
            view! { <a class=back_class href=href data-back="">{label}</a> }
        },
    );
    let close = (view.close == Close::Always).then(|| view! { <p class="fine">{text::CLOSE}</p> });
    let reference = (!view.reference.is_empty())
        .then(|| view! { <p class="fine">{text::reference(&view.reference)}</p> });
    view! {
        <section class="panel dialog result" data-outcome=view.outcome.clone() data-target-origin=view.target_origin.clone()
            data-close=view.close.word() data-connection=view.connection.clone()>
            {pair}
            <span class=class>{mark}</span>
            <h1>{view.headline.clone()}</h1>
            {paragraph(&view.detail)} {paragraph(&view.next_step)}
            <div class="actions">{again} {back}</div>
            {close} {reference}
        </section>
    }
    .into_any()
}
