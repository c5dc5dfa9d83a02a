//! Tokens that were checked a moment ago.
//!
//! A backend calls through us many times a second with one token. What a token says does not change, so
//! its signature is not checked and its customer not read again within the second, unless the workspace
//! changed. Only the hash of a token is held.

use std::{collections::HashMap, sync::RwLock, time::Duration};

use crate::model::{Access, HandleHash, Timestamp};

/// How long a token is not checked again: as far as the directory may be behind the store.
const HELD: Duration = Duration::from_secs(1);
/// Tokens held at most; all are let go of when there are more.
const HELD_MOST: usize = 10_000;

/// Tokens that were checked a moment ago.
#[derive(Default)]
pub(super) struct Tokens(RwLock<HashMap<HandleHash, Checked>>);

/// A token that was good.
pub(super) struct Checked {
    pub(super) access: Access,
    /// Revision of the workspace that it was checked against.
    pub(super) revision: i64,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) since: Timestamp,
}

impl Tokens {
    pub(super) fn recall(&self, token: &HandleHash, now: Timestamp) -> Option<(Access, i64)> {
        let held = self.0.read().expect("nothing panics while holding it");
        let checked = held.get(token)?;
        let is_fresh = now >= checked.since && now.since(checked.since) < HELD;
        let is_alive = checked.expires_at.is_none_or(|end| end > now);
        (is_fresh && is_alive).then(|| (checked.access.clone(), checked.revision))
    }

    pub(super) fn keep(&self, token: HandleHash, checked: Checked) {
        let mut held = self.0.write().expect("nothing panics while holding it");
        if held.len() >= HELD_MOST {
            held.clear();
        }
        held.insert(token, checked);
    }

    /// A customer was archived, or something else that every token has to notice at once.
    pub(super) fn forget(&self) {
        self.0.write().expect("nothing panics while holding it").clear();
    }
}
