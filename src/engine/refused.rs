//! Starts that were refused before there was an attempt, for whoever waits for one by its `requestId`.
//!
//! Held in memory, ten minutes long and within bounds: a refusal changes nothing, so nothing is written
//! down. An attempt of the same name goes before it: a start that was refused the second time says nothing
//! about the first.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use serde_json::{Value, json};

use super::{
    Engine,
    connect::{ATTEMPT_LIFE, REQUEST_ID_MAX},
};
use crate::model::{HandleHash, Scope, Timestamp};

/// Names held at most; what is old goes first, then everything.
const HELD_MOST: usize = 4096;
/// Refusals held for one name.
const OF_ONE_NAME: usize = 4;
/// Largest detail of a refusal that is held, bytes; of a larger one only the reason is.
const DATA_MAX: usize = 4096;

/// Who wanted to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Starter {
    /// A customer whose token or session counted.
    Customer(Scope),
    /// Whoever has the token with this SHA-256, which did not count or was not looked at.
    Bearer(HandleHash),
    /// Nobody showed who they are. The name of the start alone is the secret.
    Unknown,
}

/// Why a start was refused, as it is told.
#[derive(Clone, Debug)]
pub struct RefusedStart {
    /// The client's name for it.
    pub request_id: String,
    /// One sentence.
    pub message: String,
    /// `{type, key, message, data}` as a refusal reads on the wire.
    pub data: Value,
}

/// Whoever listens.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Listener {
    /// Whose attempts they may hear of; none when they showed no token.
    pub(super) scope: Option<Scope>,
    /// SHA-256 of the token they showed.
    pub(super) bearer: Option<HandleHash>,
}

/// Starts that were refused a moment ago, by name.
#[derive(Default)]
pub(super) struct Refused(Mutex<HashMap<String, Vec<Entry>>>);

struct Entry {
    starter: Starter,
    told: RefusedStart,
    at: Timestamp,
}

impl Refused {
    fn keep(&self, entry: Entry, now: Timestamp) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= HELD_MOST {
            held.retain(|_, entries| entries.iter().any(|entry| is_fresh(entry, now)));
        }
        if held.len() >= HELD_MOST {
            held.clear();
        }
        let entries = held.entry(entry.told.request_id.clone()).or_default();
        entries.retain(|other| is_fresh(other, now) && other.starter != entry.starter);
        if entries.len() >= OF_ONE_NAME {
            entries.remove(0);
        }
        entries.push(entry);
    }

    /// The newest that this listener may hear. Without a token, two customers who share a name are told
    /// nothing.
    fn told(&self, request_id: &str, listener: &Listener, now: Timestamp) -> Option<RefusedStart> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entries = held.get(request_id)?.iter().filter(|entry| is_fresh(entry, now));
        let Some(scope) = listener.scope else {
            let mut customers = entries.clone().filter_map(|entry| match entry.starter {
                Starter::Customer(scope) => Some(scope),
                _ => None,
            });
            let first = customers.next();
            let is_shared = customers.any(|other| Some(other) != first);
            return entries.next_back().filter(|_| !is_shared).map(|entry| entry.told.clone());
        };
        let is_theirs = |entry: &&Entry| match entry.starter {
            Starter::Customer(other) => other == scope,
            Starter::Bearer(hash) => Some(hash) == listener.bearer,
            Starter::Unknown => false,
        };
        entries.rfind(is_theirs).map(|entry| entry.told.clone())
    }
}

fn is_fresh(entry: &Entry, now: Timestamp) -> bool {
    now < entry.at.plus(ATTEMPT_LIFE)
}

impl Engine {
    /// Tells whoever waits that a start was refused, and why.
    pub fn note_refused(&self, starter: Starter, mut told: RefusedStart) {
        if told.request_id.is_empty() || told.request_id.len() > REQUEST_ID_MAX {
            return;
        }
        if told.data.to_string().len() > DATA_MAX {
            told.data["data"] = json!({ "reason": told.data["data"]["reason"] });
        }
        let (request_id, now) = (told.request_id.clone(), self.now());
        self.inner.refused.keep(Entry { starter, told, at: now }, now);
        self.announce(request_id);
    }

    pub(super) fn refused_start(&self, request_id: &str, listener: &Listener) -> Option<RefusedStart> {
        self.inner.refused.told(request_id, listener, self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CustomerId, WorkspaceId};

    const NAME: &str = "request-0123456789";

    fn scope(customer: u128) -> Scope {
        let id = |n| uuid::Uuid::from_u128(n);
        Scope {
            workspace: WorkspaceId::from_uuid(id(1)),
            customer: Some(CustomerId::from_uuid(id(customer))),
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn entry(starter: Starter, message: &str, seconds: i64) -> Entry {
        let told = RefusedStart {
            request_id: NAME.to_owned(),
            message: message.to_owned(),
            data: json!({ "key": message }),
        };
        Entry { starter, told, at: at(seconds) }
    }

    fn heard(refused: &Refused, listener: Listener, seconds: i64) -> Option<String> {
        refused.told(NAME, &listener, at(seconds)).map(|told| told.message)
    }

    #[test]
    fn with_a_token_only_ones_own_is_heard() {
        let refused = Refused::default();
        let (mine, theirs) = (HandleHash::of("mine"), HandleHash::of("theirs"));
        refused.keep(entry(Starter::Customer(scope(1)), "one", 0), at(0));
        refused.keep(entry(Starter::Bearer(mine), "mine", 1), at(1));
        refused.keep(entry(Starter::Unknown, "nobody's", 2), at(2));

        let of = |customer, bearer| Listener { scope: Some(scope(customer)), bearer: Some(bearer) };
        assert_eq!(heard(&refused, of(1, theirs), 3).as_deref(), Some("one"));
        assert_eq!(heard(&refused, of(1, mine), 3).as_deref(), Some("mine"));
        assert_eq!(heard(&refused, of(2, theirs), 3), None);
    }

    #[test]
    fn without_a_token_a_name_that_two_customers_share_says_nothing() {
        let refused = Refused::default();
        refused.keep(entry(Starter::Customer(scope(1)), "one", 0), at(0));
        refused.keep(entry(Starter::Unknown, "newest", 1), at(1));
        assert_eq!(heard(&refused, Listener::default(), 2).as_deref(), Some("newest"));

        refused.keep(entry(Starter::Customer(scope(2)), "two", 2), at(2));

        assert_eq!(heard(&refused, Listener::default(), 3), None);
    }

    #[test]
    fn after_ten_minutes_it_is_forgotten_and_there_is_never_too_much() {
        let refused = Refused::default();
        refused.keep(entry(Starter::Unknown, "old", 0), at(0));
        assert!(heard(&refused, Listener::default(), 599).is_some());
        assert_eq!(heard(&refused, Listener::default(), 600), None);

        for number in 0..2 * HELD_MOST {
            let mut one = entry(Starter::Unknown, "one", 700);
            one.told.request_id = format!("{NAME}-{number}");
            refused.keep(one, at(700));
        }
        for number in 0..10 {
            refused.keep(entry(Starter::Bearer(HandleHash::of(&number.to_string())), "same", 701), at(701));
        }

        let held = refused.0.lock().unwrap();
        assert!(held.len() <= HELD_MOST);
        assert_eq!(held[NAME].len(), OF_ONE_NAME);
    }
}
