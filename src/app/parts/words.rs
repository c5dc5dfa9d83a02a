//! Sentences with names in them.

use leptos::prelude::*;

/// Text whose `names in backticks` are set as code.
pub fn words(text: &str) -> AnyView {
    let parts = text.split('`').enumerate().map(|(place, part)| match place % 2 {
        0 => part.to_owned().into_any(),
        _ => view! { <code>{part.to_owned()}</code> }.into_any(),
    });
    parts.collect_view().into_any()
}
