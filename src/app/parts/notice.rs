//! What just happened, once, at the top of the page.

use leptos::prelude::*;

use crate::app::view::{Notice, Tone};

use super::icon;

/// The notice's live region; empty without a notice, so that a screen reader knows the place.
pub fn notice(notice: Option<&Notice>) -> AnyView {
    let Some(notice) = notice else {
        return view! { <div id="notice" role="status"></div> }.into_any();
    };
    let (class, role, mark) = match notice.tone {
        Tone::Good => ("notice good", "status", icon::check()),
        Tone::Calm => ("notice calm", "status", icon::alert()),
        Tone::Bad => ("notice bad", "alert", icon::alert()),
    };
    view! { <div id="notice" role=role><p class=class>{mark} <span>{notice.text.clone()}</span></p></div> }
        .into_any()
}
