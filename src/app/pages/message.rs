//! A page that says what is wrong and what to do about it.

use leptos::prelude::*;

use crate::app::layout::{Frame, document};
use crate::app::parts::{link, words::words};
use crate::app::text;
use crate::app::view::{MessageView, Shell};

/// The whole page.
pub fn message(shell: &Shell, view: &MessageView) -> String {
    document(shell, Frame::Bare, || main(view))
}

fn main(view: &MessageView) -> AnyView {
    let steps = (!view.steps.is_empty()).then(|| {
        let title = if view.developer { text::DEVELOPER_STEPS } else { text::STEPS };
        let items: Vec<_> = view.steps.iter().map(|step| view! { <li>{words(step)}</li> }).collect();
        view! { <h2>{title}</h2><ol>{items}</ol> }
    });
    let status = (view.status != 0).then(|| view! { <span>{view.status}</span> });
    let code = view.code.clone().map(|code| view! { <code>{code}</code> });
    let (outcome, origin) = view.told.clone().unzip();
    let close = view.told.as_ref().map(|_| "told");
    let ended = (view.code.as_deref() == Some("session_ended")).then_some("");
    let back = view.back.as_ref().and_then(|(href, label)| Some((link::safe(href)?, label.clone()))).map(
        |(href, label)| {
            view! { <p><a class="button" href=href data-back="">{label}</a></p> }
        },
    );
    view! {
        <section class="panel dialog message" data-outcome=outcome data-target-origin=origin data-close=close
            data-ended=ended>
            <h1>{view.headline.clone()}</h1>
            <p>{words(&view.detail)}</p>
            {steps} {back}
            <p class="fine foot">{status} {code}</p>
        </section>
    }
    .into_any()
}
