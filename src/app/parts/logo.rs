//! Logos: a picture on a white tile, or a letter where there is none.

use leptos::prelude::*;

/// The logo of an app, 40 px. Always beside its name, so the picture itself has no name.
pub fn logo(src: &str, name: &str) -> AnyView {
    if src.is_empty() {
        return monogram(name);
    }
    view! { <img class="logo" src=src.to_owned() alt="" width="40" height="40" loading="lazy" /> }.into_any()
}

/// The first letter of a name.
pub fn monogram(name: &str) -> AnyView {
    let letter: String =
        name.chars().find(|c| c.is_alphanumeric()).into_iter().flat_map(char::to_uppercase).collect();
    view! { <span class="logo monogram" aria-hidden="true">{letter}</span> }.into_any()
}

/// Two logos joined by a line: the product's and the app's.
pub fn pair(workspace_logo: Option<&str>, workspace: &str, app_logo: &str, app: &str) -> AnyView {
    view! {
        <div class="pair" aria-hidden="true">
            {logo(workspace_logo.unwrap_or_default(), workspace)} <span class="joint"></span> {logo(app_logo, app)}
        </div>
    }
    .into_any()
}
