//! When connections were last called through and keys last seen: held here and written together, never
//! once per call.

use std::{collections::HashMap, hash::Hash, sync::Mutex};

use super::{Engine, EngineError};
use crate::{
    model::{ConnectionId, Timestamp},
    store,
};

/// What was used since the last writing.
#[derive(Default)]
pub(super) struct Activity {
    connections: Noted<ConnectionId>,
    /// By row id.
    keys: Noted<String>,
}

impl Engine {
    /// A call goes through a connection.
    pub(super) fn note_activity(&self, id: ConnectionId) {
        self.inner.activity.connections.note(id, self.now());
    }

    /// A token was signed with a public key.
    pub(super) fn note_key(&self, row: &str) {
        self.inner.activity.keys.note(row.to_owned(), self.now());
    }

    /// Writes down what was noted. What cannot be written is noted again, unless newer is known by then.
    pub(super) async fn write_activity(&self) -> Result<(), EngineError> {
        let activity = &self.inner.activity;
        activity.connections.write(async |pairs| self.store().note_active(pairs).await).await?;
        activity.keys.write(async |pairs| self.store().note_key_use(pairs).await).await?;
        Ok(())
    }
}

/// The newest time of each.
struct Noted<K>(Mutex<HashMap<K, Timestamp>>);

impl<K> Default for Noted<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Noted<K> {
    fn note(&self, key: K, at: Timestamp) {
        self.0.lock().expect("nothing panics while holding it").insert(key, at);
    }

    async fn write(
        &self,
        write: impl AsyncFnOnce(&[(K, Timestamp)]) -> store::Result<()>,
    ) -> store::Result<()> {
        let noted = std::mem::take(&mut *self.0.lock().expect("nothing panics while holding it"));
        if noted.is_empty() {
            return Ok(());
        }
        let pairs: Vec<_> = noted.into_iter().collect();
        let written = write(&pairs).await;
        if written.is_err() {
            let mut held = self.0.lock().expect("nothing panics while holding it");
            for (key, at) in pairs {
                held.entry(key).or_insert(at);
            }
        }
        written
    }
}
