//! Small drawings, all decoration: the words beside them say the same.

use leptos::prelude::*;

/// A magnifying glass.
pub fn search() -> AnyView {
    stroke("M7 12.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11Zm4-1.5 3.5 3.5")
}

/// A check mark.
pub fn check() -> AnyView {
    stroke("m3 8.5 3.2 3.2L13 4.8")
}

/// An exclamation mark.
pub fn alert() -> AnyView {
    stroke("M8 3v6m0 3.2v.1")
}

/// An arrow that points back.
pub fn back() -> AnyView {
    stroke("M9.5 3.5 5 8l4.5 4.5")
}

/// An arrow that points at what opens below.
pub fn down() -> AnyView {
    stroke("m4 6.5 4 4 4-4")
}

/// A cross that closes.
pub fn cross() -> AnyView {
    stroke("m4 4 8 8m0-8-8 8")
}

fn stroke(path: &'static str) -> AnyView {
    view! {
        <svg class="icon" width="16" height="16" viewBox="0 0 16 16" fill="none" stroke="currentColor"
            stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
            <path d=path></path>
        </svg>
    }
    .into_any()
}
