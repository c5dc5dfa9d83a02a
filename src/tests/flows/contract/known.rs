//! What is known of a connection, and texts filled in with it: the test's own reading of a template, so
//! that it does not lean on the engine's.

use std::collections::{BTreeMap, BTreeSet};

/// Stands for what nobody can know beforehand, such as a code; fit for any place of an address.
pub const ANY: &str = "zzanyzz";

/// Names and their values.
#[derive(Clone, Default)]
pub struct Known {
    values: BTreeMap<String, String>,
    open: BTreeSet<String>,
}

impl Known {
    pub fn set(&mut self, name: &str, value: &str) {
        self.open.remove(name);
        self.values.insert(name.to_owned(), value.to_owned());
    }

    /// It has a value that cannot be told.
    pub fn open(&mut self, name: &str) {
        self.values.remove(name);
        self.open.insert(name.to_owned());
    }

    /// The same, with a name that has no value yet.
    pub fn without<'n>(&self, names: impl Iterator<Item = &'n String>) -> Self {
        let mut known = self.clone();
        for name in names {
            known.open.remove(name);
            known.values.insert(name.clone(), String::new());
        }
        known
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// A template filled in, with [`ANY`] for what cannot be told.
    pub fn text(&self, source: &str) -> Result<String, String> {
        let mut text = String::new();
        let mut rest = source;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}").ok_or("a template that is not closed")?;
            let name = name.trim();
            text.push_str(before);
            match self.values.get(name) {
                Some(value) => text.push_str(value),
                None if self.open.contains(name) => text.push_str(ANY),
                None => return Err(format!("nothing gives {{{{{name}}}}} a value")),
            }
            rest = after;
        }
        Ok(text + rest)
    }

    /// Whether every name in it has something to stand for it.
    pub fn is_filled(&self, source: &str) -> bool {
        names(source).all(|name| {
            self.open.contains(name) || self.values.get(name).is_some_and(|value| !value.is_empty())
        })
    }
}

/// The names in a template.
pub fn names(source: &str) -> impl Iterator<Item = &str> {
    source.split("{{").skip(1).filter_map(|rest| rest.split_once("}}").map(|(name, _)| name.trim()))
}

/// Whether a text is the expected one; [`ANY`] in that is anything but nothing.
pub fn is_like(expected: &str, found: &str) -> bool {
    let mut pieces = expected.split(ANY);
    let Some(mut rest) = pieces.next().and_then(|first| found.strip_prefix(first)) else { return false };
    let pieces: Vec<_> = pieces.collect();
    let Some((last, between)) = pieces.split_last() else { return rest.is_empty() };
    for piece in between {
        let Some(at) = rest.char_indices().skip(1).find(|(at, _)| rest[*at..].starts_with(piece)) else {
            return false;
        };
        rest = &rest[at.0 + piece.len()..];
    }
    rest.len() > last.len() && rest.ends_with(last)
}

#[test]
fn what_cannot_be_told_is_anything_but_nothing() {
    let any = format!("Bearer {ANY}");

    assert!(is_like(&any, "Bearer x"));
    assert!(!is_like(&any, "Bearer "));
    assert!(!is_like(&any, "bearer x"));
    assert!(is_like(&format!("/{ANY}/b/{ANY}"), "/1/b/2"));
    assert!(!is_like(&format!("/{ANY}/b/{ANY}"), "/1/c/2"));
    assert!(is_like("plain", "plain"));
    assert!(!is_like("plain", "plainer"));
}
