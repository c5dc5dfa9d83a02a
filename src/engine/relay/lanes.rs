//! How many calls may be on their way at once: one slow provider takes its own lanes and nobody else's.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use super::RelayError;
use crate::outbound::Deadlines;

/// Lanes held at most before the empty ones are let go of.
const HELD_MOST: usize = 4096;

/// What relayed calls may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyLimits {
    /// Calls of one connection at once, from the first byte sent to the last byte read; at least 1.
    pub calls_per_connection: usize,
    /// Calls to one host at once; at least 1.
    pub calls_per_host: usize,
    /// How long a call waits for its turn before it is refused.
    pub turn: Duration,
    /// How long each step may take.
    pub deadlines: Deadlines,
}

impl Default for ProxyLimits {
    fn default() -> Self {
        Self {
            calls_per_connection: 32,
            calls_per_host: 256,
            turn: Duration::from_secs(10),
            deadlines: Deadlines::default(),
        }
    }
}

/// All lanes of this process.
pub(in crate::engine) struct Lanes {
    limits: ProxyLimits,
    connections: Gates<Uuid>,
    hosts: Gates<String>,
}

/// The right to be on the way.
pub(super) struct Pass {
    _connection: OwnedSemaphorePermit,
    _host: OwnedSemaphorePermit,
}

struct Gates<K>(Mutex<HashMap<K, Arc<Semaphore>>>);

impl<K: Hash + Eq> Gates<K> {
    fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    fn of<Q>(&self, key: &Q, width: usize) -> Arc<Semaphore>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let mut gates = self.0.lock().expect("nothing panics while holding it");
        if let Some(gate) = gates.get(key) {
            return gate.clone();
        }
        if gates.len() >= HELD_MOST {
            gates.retain(|_, gate| Arc::strong_count(gate) > 1);
        }
        let gate = Arc::new(Semaphore::new(width));
        gates.insert(key.to_owned(), gate.clone());
        gate
    }
}

impl Lanes {
    pub(in crate::engine) fn new(limits: ProxyLimits) -> Self {
        Self { limits, connections: Gates::new(), hosts: Gates::new() }
    }

    pub(super) fn limits(&self) -> &ProxyLimits {
        &self.limits
    }

    /// Waits for a turn. The connection's own lane comes first: one connection's calls that wait take no
    /// place of the host's.
    pub(super) async fn enter(&self, lane: Uuid, host: &str) -> Result<Pass, RelayError> {
        let connection = self.connections.of(&lane, self.limits.calls_per_connection);
        let host = self.hosts.of(host, self.limits.calls_per_host);
        // Nearly always free: no clock is started.
        if let Ok(first) = connection.clone().try_acquire_owned()
            && let Ok(second) = host.clone().try_acquire_owned()
        {
            return Ok(Pass { _connection: first, _host: second });
        }
        let both = async {
            let first = connection.acquire_owned().await;
            let second = host.acquire_owned().await;
            first.ok().zip(second.ok())
        };
        match tokio::time::timeout(self.limits.turn, both).await {
            Ok(Some((first, second))) => Ok(Pass { _connection: first, _host: second }),
            _ => Err(RelayError::TooMany),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes(calls_per_connection: usize, calls_per_host: usize) -> Lanes {
        let turn = Duration::from_millis(20);
        Lanes::new(ProxyLimits { calls_per_connection, calls_per_host, turn, ..ProxyLimits::default() })
    }

    /// Security F8.
    #[tokio::test]
    async fn a_full_lane_refuses_its_own_and_nobody_else() {
        let lanes = lanes(2, 3);
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut held = vec![lanes.enter(one, "a").await.unwrap(), lanes.enter(one, "a").await.unwrap()];

        let third = lanes.enter(one, "a").await;
        held.push(lanes.enter(two, "a").await.unwrap());
        let fourth = lanes.enter(two, "a").await;
        let elsewhere = lanes.enter(two, "b").await;

        assert!(matches!((third, fourth), (Err(RelayError::TooMany), Err(RelayError::TooMany))));
        assert!(elsewhere.is_ok());
        drop(held.remove(0));
        assert!(lanes.enter(one, "a").await.is_ok());
    }
}
