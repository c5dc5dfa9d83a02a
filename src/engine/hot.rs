//! Connections that were read a moment ago, sealed as they are stored.
//!
//! A busy connection is read once a second, not once a call. What this process changes is forgotten at
//! once; what another one changed is noticed within the second. Nothing here is in the clear: secrets are
//! opened per call.

use std::{
    collections::HashMap,
    sync::{
        Arc, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{Engine, EngineError, RefreshError, refresh::Live};
use crate::{
    model::{Connection, ConnectionId, ConnectionState, Scope, Timestamp},
    store::LiveConnection,
};

/// How long a row is held: as far as it may be behind what another process changed.
const HELD: Duration = Duration::from_secs(1);
/// Rows held at most; all are let go of when there are more.
const HELD_MOST: usize = 2048;

/// Connections that were read a moment ago.
#[derive(Default)]
pub(super) struct Hot {
    rows: RwLock<HeldRows>,
    /// Grows when a connection ends here, so that a call that was made ready before does not leave after.
    ends: AtomicU64,
}

#[derive(Default)]
struct HeldRows {
    /// Grows with every change, so that a row read before one is not kept after it.
    generation: u64,
    rows: HashMap<ConnectionId, (Live, Timestamp)>,
}

impl Hot {
    fn recall(&self, scope: Scope, id: ConnectionId, now: Timestamp) -> Option<Live> {
        let held = self.rows.read().expect("nothing panics while holding it");
        let row = held.rows.get(&id).filter(|(live, since)| {
            let is_young = now >= *since && now.since(*since) < HELD;
            is_young && is_in(scope, &live.connection)
        });
        row.map(|(live, _)| live.clone())
    }

    fn keep(&self, live: &Live, now: Timestamp, generation: u64) {
        let mut held = self.rows.write().expect("nothing panics while holding it");
        if held.generation != generation {
            return;
        }
        if held.rows.len() >= HELD_MOST {
            held.rows.clear();
        }
        held.rows.insert(live.connection.id, (live.clone(), now));
    }

    fn generation(&self) -> u64 {
        self.rows.read().expect("nothing panics while holding it").generation
    }

    /// A connection changed.
    fn forget(&self, id: ConnectionId) {
        let mut held = self.rows.write().expect("nothing panics while holding it");
        held.generation += 1;
        held.rows.remove(&id);
    }

    /// Any number of connections changed or ended.
    fn clear(&self) {
        let mut held = self.rows.write().expect("nothing panics while holding it");
        held.generation += 1;
        held.rows.clear();
    }

    pub(super) fn ends(&self) -> u64 {
        self.ends.load(Ordering::Acquire)
    }
}

fn is_in(scope: Scope, connection: &Connection) -> bool {
    connection.workspace == scope.workspace
        && scope.customer.is_none_or(|customer| customer == connection.customer)
}

impl Engine {
    /// A connection that is ready, at most a second old.
    pub(super) async fn live(&self, scope: Scope, id: ConnectionId) -> Result<Live, RefreshError> {
        // Read first: what ends from here on is seen by the last look.
        let ends = self.inner.hot.ends();
        match self.inner.hot.recall(scope, id, self.now()) {
            Some(live) => ready(Live { ends, ..live }),
            None => self.live_now(scope, id).await,
        }
    }

    /// A connection that is ready, as it is stored now.
    pub(super) async fn live_now(&self, scope: Scope, id: ConnectionId) -> Result<Live, RefreshError> {
        let (generation, ends, now) = (self.inner.hot.generation(), self.inner.hot.ends(), self.now());
        let read = self.store().live(scope, id).await.map_err(EngineError::from)?;
        let live = Live::of(read.ok_or(RefreshError::NotFound)?, ends);
        self.inner.hot.keep(&live, now, generation);
        ready(live)
    }

    /// Call it wherever this process changed a connection: what was read before is not used again.
    pub(super) fn connection_changed(&self, connection: &Connection) {
        self.inner.lists.forget(connection.workspace, connection.customer);
        self.inner.hot.forget(connection.id);
    }

    /// Call it wherever this process archived a connection, before that is acknowledged: calls that were
    /// made ready before look again before they leave.
    pub(super) fn connection_ended(&self, connection: &Connection) {
        self.connection_changed(connection);
        // After the row is forgotten, or a call that begins in between would think itself up to date.
        self.inner.hot.ends.fetch_add(1, Ordering::AcqRel);
    }

    /// The same for any number of connections, as when a customer is archived. Their lists are the
    /// caller's to forget.
    pub(super) fn connections_ended(&self) {
        self.inner.hot.clear();
        self.inner.hot.ends.fetch_add(1, Ordering::AcqRel);
    }
}

fn ready(live: Live) -> Result<Live, RefreshError> {
    match live.connection.state {
        ConnectionState::Ready => Ok(live),
        ConnectionState::Disconnected(reason) => Err(RefreshError::Disconnected(reason)),
        ConnectionState::Archived(_) => Err(RefreshError::NotFound),
    }
}

impl Live {
    fn of(read: LiveConnection, ends: u64) -> Self {
        Self {
            connection: Arc::new(read.connection),
            customer: Arc::new(read.customer),
            stored: Arc::new(read.stored),
            leased_until: read.leased_until,
            tried_at: read.tried_at,
            ends,
        }
    }
}
