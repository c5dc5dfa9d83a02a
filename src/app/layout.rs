//! The frame of every page, and the one place that turns a view into HTML.
//!
//! No inline script, no inline style, nothing serialized into the page.

use leptos::prelude::*;

use super::parts::{form, logo};
use super::text;
use super::view::{Scheme, Shell, Surface};

/// How a page's content is set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// The full width, with the header: the catalog.
    Wide,
    /// One narrow column with the header: an app.
    Narrow,
    /// One narrow column and nothing else: pages that live in a popup, and errors.
    Bare,
}

/// Renders `view` to HTML.
pub fn render(view: impl FnOnce() -> AnyView) -> String {
    let owner = Owner::new_root(None);
    let html = owner.with(|| view().to_html());
    owner.unset_with_forced_cleanup();
    // Marks for a hydration that never happens. Text and attributes have their `<` escaped, so
    // this cannot touch what somebody wrote.
    html.replace("<!>", "")
}

/// Renders a whole document around `main`.
pub fn document(shell: &Shell, frame: Frame, main: impl FnOnce() -> AnyView) -> String {
    let mut html = String::from("<!doctype html>");
    html.push_str(&render(|| page(shell, frame, main)));
    html
}

fn page(shell: &Shell, frame: Frame, main: impl FnOnce() -> AnyView) -> AnyView {
    let lang = if shell.lang.is_empty() { text::LANG } else { &shell.lang };
    let scheme = match shell.scheme {
        Scheme::Auto => None,
        Scheme::Light => Some("light"),
        Scheme::Dark => Some("dark"),
    };
    let title = match (shell.title.is_empty(), shell.workspace.is_empty()) {
        (false, false) => format!("{} · {}", shell.title, shell.workspace),
        (false, true) => shell.title.clone(),
        (true, _) => shell.workspace.clone(),
    };
    let theme = shell.theme_css.clone().map(|href| view! { <link rel="stylesheet" href=href /> });
    let icon = shell.workspace_logo.clone().map(|href| view! { <link rel="icon" href=href /> });
    let (surface, class) = match (shell.surface, frame) {
        (Surface::Page, Frame::Wide) => ("page", "wide"),
        (Surface::Page, Frame::Narrow) => ("page", "narrow"),
        (Surface::Page, Frame::Bare) => ("page", "narrow bare"),
        (Surface::Embed, Frame::Wide) => ("embed", "wide embed"),
        (Surface::Embed, _) => ("embed", "narrow embed"),
    };
    let header = (frame != Frame::Bare && !shell.workspace.is_empty()).then(|| header(shell));
    let demo =
        shell.demo.then(|| view! { <aside class="demo" aria-label=text::DEMO_NAME>{text::DEMO}</aside> });
    let frame_js = shell.frame_js.clone().map(|src| view! { <script src=src defer></script> });
    view! {
        <html lang=lang.to_owned() dir=direction(lang) data-scheme=scheme>
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width,initial-scale=1" />
                <meta name="color-scheme" content="light dark" />
                <meta name="robots" content="noindex" />
                <title>{title}</title>
                <link rel="stylesheet" href=shell.css.clone() />
                {theme} {icon}
                <script src=shell.js.clone() defer></script>
                {frame_js}
            </head>
            <body class=class data-surface=surface data-home=shell.home(&[]) data-parent=shell.parent_origin.clone()
                data-connected=shell.connected()>
                <a class="skip" href="#main">{text::SKIP}</a>
                {demo} {header}
                <main id="main" tabindex="-1">{main()}</main>
                {form::templates()}
            </body>
        </html>
    }
    .into_any()
}

fn header(shell: &Shell) -> AnyView {
    let customer = shell.customer.as_ref().map(|customer| {
        view! { <p class="customer">{text::signed_in(customer)}</p> }
    });
    view! {
        <header class="bar">
            <a class="brand" href=shell.home(&[])>
                {logo::logo(shell.workspace_logo.as_deref().unwrap_or_default(), &shell.workspace)}
                <span>{shell.workspace.clone()}</span>
            </a>
            {customer}
        </header>
    }
    .into_any()
}

/// Languages that are written from right to left.
fn direction(lang: &str) -> Option<&'static str> {
    let base = lang.split('-').next().unwrap_or(lang);
    ["ar", "fa", "he", "ur", "yi", "ps"].contains(&base).then_some("rtl")
}
