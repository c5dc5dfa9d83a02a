//! Finds the accounts, sites or teams in what a provider says a grant opens.
//!
//! Whether the customer has to choose among them is not decided here.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    json::{at, is_same, keep, scalar},
    token_reply::is_printable,
};
use crate::catalog::connector::Discover;

/// Items that are looked at; nobody chooses from a longer list.
const MAX_ITEMS: usize = 200;

/// Characters of a label.
const MAX_LABEL: usize = 200;

/// Bytes of an id: it travels through a form.
const MAX_ID_BYTES: usize = 512;

/// One thing a grant opens.
#[derive(Clone, PartialEq, Eq)]
pub struct Item {
    /// `pick.id`, or its place in the reply.
    pub id: String,
    /// What the customer reads; escape it where it is shown.
    pub label: String,
    /// What is kept when it is the chosen one. May be secret: some providers have a token per page.
    pub kept: BTreeMap<String, String>,
}

/// The items in a reply that count (`where`), in the reply's order, at most 200.
///
/// An object where a list could be is one item. Items without the id to pick by are left out.
pub fn items(discover: &Discover, body: &Value) -> Vec<Item> {
    let found = match &discover.items {
        Some(path) => at(body, path),
        None => Some(body),
    };
    let list = match found {
        Some(Value::Array(list)) => list.as_slice(),
        Some(object @ Value::Object(_)) => std::slice::from_ref(object),
        _ => &[],
    };
    list.iter()
        .enumerate()
        .filter(|(_, item)| counts(discover, item))
        .filter_map(|(place, item)| read(discover, place, item))
        .take(MAX_ITEMS)
        .collect()
}

fn counts(discover: &Discover, item: &Value) -> bool {
    discover.filter.iter().all(|(path, wanted)| at(item, path).is_some_and(|found| is_same(found, wanted)))
}

fn read(discover: &Discover, place: usize, item: &Value) -> Option<Item> {
    let text = |path: &str| at(item, path).and_then(scalar);
    let (id, label) = match &discover.pick {
        Some(pick) => (text(&pick.id)?, text(&pick.label)),
        None => (place.to_string(), None),
    };
    let is_id = (1..=MAX_ID_BYTES).contains(&id.len()) && !id.chars().any(char::is_control);
    let shown =
        label.as_deref().and_then(printable).or_else(|| printable(&id)).unwrap_or_else(|| place.to_string());
    is_id.then(|| Item { id, label: shown, kept: keep(&discover.request.keep, item) })
}

/// What can be shown of a text; `None` when nothing is left.
fn printable(text: &str) -> Option<String> {
    let printable: String = text.chars().filter(|c| is_printable(*c)).take(MAX_LABEL).collect();
    let trimmed = printable.trim();
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}

#[cfg(test)]
#[path = "discover_tests.rs"]
mod tests;
