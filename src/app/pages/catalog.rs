//! The catalog: connections above, apps below.

use leptos::prelude::*;

use crate::app::layout::{Frame, document, render};
use crate::app::parts::connection::{Place, rows};
use crate::app::parts::{badge::badges, icon, logo::logo, notice::notice};
use crate::app::text;
use crate::app::view::{Card, CardState, CatalogView, Category, Chips, Shell};

/// Stands where something goes that was rendered before. Text that somebody wrote has its `<` escaped, so
/// each of the two stands in a page once.
const HOLE: &str = "\u{f8ff}";
const GRID: &str = "<ul class=\"grid\">\u{f8ff}</ul>";
const NAV: &str = "<nav>\u{f8ff}</nav>";
/// Categories with a chip of their own, where there are more.
const CHIPS: usize = 6;

/// The whole page.
pub fn catalog(shell: &Shell, view: &CatalogView) -> String {
    let frame = document(shell, Frame::Wide, || main(shell, view));
    let mut page = String::with_capacity(frame.len() + view.chips.len() + view.cards.len() * 600);
    let rest = fill(&mut page, &frame, NAV, [&*view.chips]);
    let cards = view.cards.iter().map(|card| &**card);
    let rest = fill(&mut page, rest, GRID, ["<ul class=\"grid\">"].into_iter().chain(cards).chain(["</ul>"]));
    page.push_str(rest);
    page
}

/// Copies `frame` up to `hole` and what goes there; hands back the rest of it.
fn fill<'f, 'w>(
    page: &mut String,
    frame: &'f str,
    hole: &str,
    with: impl IntoIterator<Item = &'w str>,
) -> &'f str {
    let Some((before, after)) = frame.split_once(hole) else { return frame };
    page.push_str(before);
    page.extend(with);
    after
}

/// A card. On a page of its own it depends on nothing but itself, so that it can be held for everybody.
pub fn card(shell: &Shell, card: &Card) -> String {
    render(|| card_view(shell, card))
}

fn main(shell: &Shell, view: &CatalogView) -> AnyView {
    let connected = (!view.connections.is_empty()).then(|| {
        view! {
            <section aria-labelledby="connected-title">
                <h2 id="connected-title">{text::CONNECTED}</h2>
                {rows(shell, &view.connections, Place::Catalog)}
            </section>
        }
    });
    let title = match &view.category {
        _ if !view.query.is_empty() => text::RESULTS.to_owned(),
        Some(category) if view.total > 0 => text::category(category),
        _ => text::ALL_APPS.to_owned(),
    };
    view! {
        <div class="title" data-live="">
            <h1>{text::INTEGRATIONS}</h1>
            <p class="lead">{text::lead(&shell.workspace)}</p>
        </div>
        {notice(view.notice.as_ref())}
        {connected}
        <section aria-labelledby="apps-title">
            <div class="find">
                <h2 id="apps-title">{title}</h2>
                <p id="count" role="status">{text::count(view.total, &view.query)}</p>
                {search(shell, view)}
            </div>
            <nav>{HOLE}</nav>
            {found(shell, view)}
        </section>
    }
    .into_any()
}

fn search(shell: &Shell, view: &CatalogView) -> AnyView {
    let carried: Vec<_> = shell
        .carried()
        .into_iter()
        .chain(view.category.clone().map(|category| ("category".to_owned(), category)))
        .map(|(name, value)| view! { <input type="hidden" name=name value=value /> })
        .collect();
    // A GET form drops the query of its address, so what has to stay travels in hidden fields.
    let address = shell.home(&[]);
    let address = address.split('?').next().unwrap_or_default().to_owned();
    view! {
        <form class="search" role="search" method="get" action=address>
            {carried}
            <label class="hidden" for="q">{text::SEARCH}</label>
            <input id="q" type="search" name="q" value=view.query.clone() placeholder=text::SEARCH autocomplete="off"
                autocapitalize="off" spellcheck="false" aria-keyshortcuts="/" />
            <button type="submit" aria-label=text::SEARCH_BUTTON>{icon::search()}</button>
        </form>
    }
    .into_any()
}

/// The categories. Depends on nothing but its arguments, so that it can be held for everybody.
pub fn chips(shell: &Shell, view: &Chips) -> String {
    render(|| chips_view(shell, view))
}

fn chips_view(shell: &Shell, view: &Chips) -> AnyView {
    if view.categories.is_empty() {
        return view! { <nav id="chips" aria-label=text::CATEGORIES hidden></nav> }.into_any();
    }
    let chosen = view.chosen.as_deref().unwrap_or_default();
    let chip = |key: &str, name: &str, count: usize| {
        let href = shell.home(&[("q", &view.query), ("category", key)]);
        let current = (key == chosen).then_some("true");
        view! { <li><a href=href aria-current=current>{name.to_owned()} " " <span>{count}</span></a></li> }
    };
    // One more is shown rather than hidden alone.
    let shown = if view.categories.len() > CHIPS + 1 { CHIPS } else { CHIPS + 1 };
    let mut first: Vec<_> = view.categories.iter().collect();
    let mut rest = first.split_off(shown.min(first.len()));
    // The chosen one is in sight, also where only the first two chips are.
    if let Some(place) = rest.iter().position(|one| one.key == chosen) {
        first.insert(0, rest.remove(place));
        rest.extend(first.pop());
    }
    rest.sort_by_cached_key(|one| one.name.to_lowercase());
    let chips = |some: Vec<&Category>| -> Vec<_> {
        some.into_iter().map(|one| chip(&one.key, &one.name, one.count)).collect()
    };
    let first = chips(first);
    let more = (!rest.is_empty()).then(|| {
        let rest = chips(rest);
        view! { <details><summary>{text::MORE_CATEGORIES} {icon::down()}</summary><ul>{rest}</ul></details> }
    });
    view! {
        <nav id="chips" aria-label=text::CATEGORIES>
            <ul>{chip("", text::ALL, view.all)} {first}</ul>
            {more}
        </nav>
    }
    .into_any()
}

fn found(shell: &Shell, view: &CatalogView) -> AnyView {
    if view.cards.is_empty() {
        return view! { <div id="results">{nothing(shell, view)}</div> }.into_any();
    }
    let more = view.next.as_ref().map(|cursor| {
        let category = view.category.as_deref().unwrap_or_default();
        let href = shell.home(&[("q", &view.query), ("category", category), ("cursor", cursor)]);
        view! { <p class="more"><a class="button" href=href data-more="">{text::MORE}</a></p> }
    });
    view! { <div id="results"><ul class="grid">{HOLE}</ul>{more}</div> }.into_any()
}

fn nothing(shell: &Shell, view: &CatalogView) -> AnyView {
    if view.query.is_empty() && view.category.is_none() {
        return view! { <p class="nothing">{text::NO_APPS}</p> }.into_any();
    }
    view! {
        <p class="nothing">{text::nothing_found(&view.query)}</p>
        <p class="nothing"><a class="button" href=shell.home(&[])>{text::CLEAR}</a></p>
    }
    .into_any()
}

/// An app. Says nothing of the customer but its state, so that a page can be shared in a cache.
fn card_view(shell: &Shell, card: &Card) -> AnyView {
    let dot = match card.state {
        CardState::Connected | CardState::Renewable => "state good",
        CardState::NeedsAttention => "state warn",
        CardState::Available | CardState::Unavailable => "state",
    };
    let words = text::card_state(card.state);
    let state =
        (!words.is_empty()).then(|| view! { <span class=dot><span class="dot"></span>{words}</span> });
    let action = text::card_action(card.state).map(|action| {
        let href = shell.app(&card.key, &[]);
        view! { <a class="button" href=href aria-label=text::act_on(action, &card.name)>{action}</a> }
    });
    let badges = badges(&card.badges);
    let class = if card.state == CardState::Unavailable { "card off" } else { "card" };
    view! {
        <li class=class>
            {logo(&card.logo, &card.name)}
            <h3>{card.name.clone()}</h3>
            <p>{badges} {card.description.clone()}</p>
            {state} {action}
        </li>
    }
    .into_any()
}
