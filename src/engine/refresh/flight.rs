//! Renewals of this process: one per connection at a time. Neither they nor what is given back to a provider
//! is left behind at shutdown.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use tokio::sync::{Mutex as FlightMutex, watch};

use crate::model::ConnectionId;

/// How long a shutdown waits for what is on its way: longer than a whole renewal.
const LANDING: Duration = Duration::from_secs(20);

/// One lock per connection that is being renewed; gone when nobody waits.
pub(in crate::engine) struct Flights {
    /// Who this process is when it takes a lease.
    pub(in crate::engine) owner: String,
    locks: Mutex<HashMap<ConnectionId, Weak<FlightMutex<()>>>>,
    flying: watch::Sender<usize>,
}

impl Flights {
    pub(in crate::engine) fn of_process(owner: String) -> Self {
        Self { owner, locks: Mutex::default(), flying: watch::Sender::new(0) }
    }

    pub(super) fn of(&self, id: ConnectionId) -> Arc<FlightMutex<()>> {
        let mut locks = self.locks.lock().expect("nothing panics while holding it");
        if let Some(flight) = locks.get(&id).and_then(Weak::upgrade) {
            return flight;
        }
        locks.retain(|_, flight| flight.strong_count() > 0);
        let flight = Arc::new(FlightMutex::new(()));
        locks.insert(id, Arc::downgrade(&flight));
        flight
    }

    /// A renewal, or a token on its way back, takes off; it lands when what comes back is dropped.
    pub(in crate::engine) fn take_off(&self) -> Flying {
        self.flying.send_modify(|count| *count += 1);
        Flying(self.flying.clone())
    }

    /// Waits until all have landed: what a provider answered must be stored, and what was erased here is
    /// known nowhere else.
    pub(in crate::engine) async fn landed(&self) {
        let mut flying = self.flying.subscribe();
        let _ = tokio::time::timeout(LANDING, flying.wait_for(|count| *count == 0)).await;
    }
}

pub(in crate::engine) struct Flying(watch::Sender<usize>);

impl Drop for Flying {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
