//! When connections were last called through: held here and written together, never once per call.

use std::{collections::HashMap, sync::Mutex};

use super::{Engine, EngineError};
use crate::model::{ConnectionId, Timestamp};

/// Connections called through since the last writing.
#[derive(Default)]
pub(super) struct Activity(Mutex<HashMap<ConnectionId, Timestamp>>);

impl Engine {
    /// A call goes through a connection.
    pub(super) fn note_activity(&self, id: ConnectionId) {
        let now = self.now();
        self.inner.activity.0.lock().expect("nothing panics while holding it").insert(id, now);
    }

    /// Writes down what was noted. What cannot be written is noted again, unless newer is known by then.
    pub(super) async fn write_activity(&self) -> Result<(), EngineError> {
        let noted =
            std::mem::take(&mut *self.inner.activity.0.lock().expect("nothing panics while holding it"));
        if noted.is_empty() {
            return Ok(());
        }
        let pairs: Vec<_> = noted.into_iter().collect();
        let written = self.store().note_active(&pairs).await;
        if written.is_err() {
            let mut held = self.inner.activity.0.lock().expect("nothing panics while holding it");
            for (id, at) in pairs {
                held.entry(id).or_insert(at);
            }
        }
        Ok(written?)
    }
}
