//! Badges: what to know about an app before connecting it, in a word.

use leptos::prelude::*;

use crate::app::text;
use crate::app::view::Badge;

/// The badges of an app, in a row; the word alone, with what it means for whoever points at it.
pub fn badges(badges: &[Badge]) -> Vec<AnyView> {
    let badge = |badge: &Badge| {
        let (word, meaning) = text::badge(*badge);
        view! { <span class="badge" title=meaning>{word}</span> " " }.into_any()
    };
    badges.iter().map(badge).collect()
}

/// The same, each with what it means beside it.
pub fn explained(badges: &[Badge]) -> Vec<AnyView> {
    let badge = |badge: &Badge| {
        let (word, meaning) = text::badge(*badge);
        view! { <p class="lead"><span class="badge">{word}</span> " " {meaning}</p> }.into_any()
    };
    badges.iter().map(badge).collect()
}
