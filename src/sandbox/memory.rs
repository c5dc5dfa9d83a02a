//! What the sandbox remembers: what waits for its next step, what was used up, what was ended.
//!
//! In memory only and bounded. After a restart a token still opens (it is signed) but an older
//! refresh token of a rotating grant is no longer recognised as used.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::model::{HandleHash, Timestamp};

use super::{call::Params, cast::Part, person::Person, scenario::Scenario};

/// How long a code can be redeemed.
const CODE_LIFE: Duration = Duration::from_secs(60);
/// Codes, pushed requests and temporary tokens remembered, used ones included; beyond it the oldest
/// of its kind is dropped.
const STEPS_KEPT: usize = 4_096;
/// Grants remembered; beyond it the oldest is dropped, and with it that it was revoked.
const GRANTS_KEPT: usize = 16_384;
/// Nonces and token ids remembered.
const NONCES_KEPT: usize = 16_384;

/// What a code stands for.
#[derive(Clone)]
pub(super) struct Code {
    pub(super) part: Part,
    pub(super) grant: String,
    pub(super) client: String,
    pub(super) redirect_uri: String,
    pub(super) challenge: Option<String>,
    pub(super) scope: String,
    pub(super) person: Person,
    pub(super) scenario: Scenario,
    /// Callback parameters the token call has to repeat.
    pub(super) echoed: Vec<(String, String)>,
    /// Seconds its access tokens live; none lives on.
    pub(super) lives: Option<u64>,
    pub(super) made_at: Timestamp,
    pub(super) used: bool,
}

impl Code {
    /// Whether its minute is over.
    pub(super) fn has_expired(&self, now: Timestamp) -> bool {
        now >= self.made_at.plus(CODE_LIFE)
    }
}

/// An authorization request that was handed over beforehand (RFC 9126).
#[derive(Clone)]
pub(super) struct Pushed {
    pub(super) part: Part,
    pub(super) client: String,
    pub(super) params: Params,
    pub(super) until: Timestamp,
}

/// An OAuth 1 temporary token (RFC 5849 §2.1).
#[derive(Clone)]
pub(super) struct Temporary {
    pub(super) part: Part,
    pub(super) client: String,
    pub(super) secret: String,
    pub(super) callback: String,
    pub(super) scope: String,
    pub(super) until: Timestamp,
    /// What the customer decided; none as long as the page waits.
    pub(super) approved: Option<Approved>,
    pub(super) used: bool,
}

/// A temporary token that the customer said yes to.
#[derive(Clone)]
pub(super) struct Approved {
    pub(super) verifier: String,
    pub(super) person: Person,
    pub(super) scenario: Scenario,
}

/// A used token was presented again, and its grant is revoked now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reused;

#[derive(Clone, Copy, Default)]
struct Grant {
    generation: u32,
    revoked: bool,
}

/// The memory.
pub(super) struct Memory(Mutex<Kept>);

struct Kept {
    codes: Bounded<HandleHash, Code>,
    pushed: Bounded<HandleHash, Pushed>,
    temporary: Bounded<HandleHash, Temporary>,
    grants: Bounded<String, Grant>,
    nonces: Bounded<HandleHash, ()>,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Kept {
            codes: Bounded::new(STEPS_KEPT),
            pushed: Bounded::new(STEPS_KEPT),
            temporary: Bounded::new(STEPS_KEPT),
            grants: Bounded::new(GRANTS_KEPT),
            nonces: Bounded::new(NONCES_KEPT),
        }))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a code under its hash.
    pub(super) fn add(&self, hash: HandleHash, code: Code) {
        self.kept().codes.insert(hash, code);
    }

    /// What the code stands for, used or not.
    pub(super) fn code(&self, hash: HandleHash) -> Option<Code> {
        self.kept().codes.get(&hash).cloned()
    }

    /// Uses the code up. A second use revokes the grant that the first one made.
    pub(super) fn spend(&self, hash: HandleHash) -> Result<(), Reused> {
        let mut kept = self.kept();
        let Some(code) = kept.codes.get_mut(&hash) else { return Err(Reused) };
        if !code.used {
            code.used = true;
            return Ok(());
        }
        let grant = code.grant.clone();
        kept.grants.entry(grant).revoked = true;
        Err(Reused)
    }

    /// Remembers an authorization request for its one use.
    pub(super) fn push(&self, hash: HandleHash, pushed: Pushed) {
        self.kept().pushed.insert(hash, pushed);
    }

    /// The pushed request, which is forgotten now.
    pub(super) fn pull(&self, hash: HandleHash) -> Option<Pushed> {
        self.kept().pushed.remove(&hash)
    }

    /// Remembers a temporary token.
    pub(super) fn wait(&self, hash: HandleHash, temporary: Temporary) {
        self.kept().temporary.insert(hash, temporary);
    }

    /// The temporary token, decided on or not.
    pub(super) fn temporary(&self, hash: HandleHash) -> Option<Temporary> {
        self.kept().temporary.get(&hash).cloned()
    }

    /// Notes that the customer said yes.
    pub(super) fn approve(&self, hash: HandleHash, approved: Approved) {
        if let Some(temporary) = self.kept().temporary.get_mut(&hash) {
            temporary.approved = Some(approved);
        }
    }

    /// Uses a temporary token up.
    pub(super) fn trade(&self, hash: HandleHash) -> Result<(), Reused> {
        let mut kept = self.kept();
        let temporary = kept.temporary.get_mut(&hash).filter(|temporary| !temporary.used).ok_or(Reused)?;
        temporary.used = true;
        Ok(())
    }

    /// Notes a nonce or the id of a signed token; false when it came before.
    pub(super) fn is_new(&self, nonce: &[&str]) -> bool {
        let hash = HandleHash::of(&nonce.join("\n"));
        let mut kept = self.kept();
        let is_new = kept.nonces.get(&hash).is_none();
        kept.nonces.insert(hash, ());
        is_new
    }

    /// Renews a grant whose refresh token was of `generation`; returns the next one.
    pub(super) fn rotate(&self, grant: &str, generation: u32) -> Result<u32, Reused> {
        let mut kept = self.kept();
        let known = kept.grants.entry(grant.to_owned());
        if generation < known.generation {
            known.revoked = true;
            return Err(Reused);
        }
        known.generation = generation.saturating_add(1);
        Ok(known.generation)
    }

    /// Ends a grant: none of its tokens works any more.
    pub(super) fn revoke(&self, grant: &str) {
        self.kept().grants.entry(grant.to_owned()).revoked = true;
    }

    /// Whether the grant was ended.
    pub(super) fn is_revoked(&self, grant: &str) -> bool {
        self.kept().grants.get(grant).is_some_and(|grant| grant.revoked)
    }
}

/// A map that forgets its oldest entry when it is full.
struct Bounded<K, V> {
    map: HashMap<K, V>,
    order: VecDeque<K>,
    limit: usize,
}

impl<K: Clone + Eq + Hash, V> Bounded<K, V> {
    fn new(limit: usize) -> Self {
        Self { map: HashMap::new(), order: VecDeque::new(), limit }
    }

    fn insert(&mut self, key: K, value: V) {
        if self.map.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > self.limit {
            if let Some(oldest) = self.order.pop_front() {
                self.map.remove(&oldest);
            }
        }
    }

    fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.map.get(key)
    }

    fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.map.get_mut(key)
    }

    /// Its place in the order stays until it is the oldest.
    fn remove(&mut self, key: &K) -> Option<V> {
        self.map.remove(key)
    }

    fn entry(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        if !self.map.contains_key(&key) {
            self.insert(key.clone(), V::default());
        }
        self.map.entry(key).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_map_forgets_its_oldest_entry() {
        let mut map = Bounded::new(2);

        for number in 0..3 {
            map.insert(number, number);
        }

        assert_eq!(map.get(&0), None);
        assert_eq!(map.get(&1), Some(&1));
        assert_eq!(map.order.len(), 2);
    }

    #[test]
    fn an_older_refresh_token_ends_the_grant() {
        let grants = Memory::new();

        assert_eq!(grants.rotate("g", 0), Ok(1));
        assert_eq!(grants.rotate("g", 1), Ok(2));
        assert!(!grants.is_revoked("g"));
        assert_eq!(grants.rotate("g", 0), Err(Reused));

        assert!(grants.is_revoked("g"));
    }

    #[test]
    fn after_a_restart_the_newest_refresh_token_still_renews() {
        let grants = Memory::new();

        assert_eq!(grants.rotate("g", 5), Ok(6));
        assert_eq!(grants.rotate("g", 5), Err(Reused));
    }

    #[test]
    fn a_nonce_is_new_once() {
        let memory = Memory::new();

        assert!(memory.is_new(&["client", "1"]));
        assert!(!memory.is_new(&["client", "1"]));
        assert!(memory.is_new(&["client", "2"]));
    }
}
