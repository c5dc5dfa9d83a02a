//! Time and randomness as arguments, so that a test can hold both still.
//!
//! The only room that asks the system what time it is.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};
use std::time::Duration;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use uuid::Uuid;

use crate::model::{Handle, Timestamp};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The time, UTC.
    fn now(&self) -> Timestamp;
}

/// Gives random bytes good enough for keys.
pub trait Entropy: Send + Sync {
    /// Fills the whole buffer.
    fn fill(&self, bytes: &mut [u8]);

    /// A fresh 256-bit handle.
    fn handle(&self) -> Handle {
        Handle::from_bytes(self.bytes())
    }

    /// 32 random bytes.
    fn bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.fill(&mut bytes);
        bytes
    }

    /// A UUIDv7 for something that begins at `now`.
    fn uuid(&self, now: Timestamp) -> Uuid {
        let mut random = [0; 10];
        self.fill(&mut random);
        let millis = u64::try_from(now.millis()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}

/// The system's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the one room that asks")]
        let now = std::time::SystemTime::now();
        let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// The system's generator.
#[derive(Default)]
pub struct SystemEntropy(SystemRandom);

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.fill(bytes).expect("the system's random generator works");
    }
}

/// The system's clock, moved by hand: tests travel in time while the server runs.
#[derive(Clone)]
pub struct ShiftedClock(Arc<AtomicI64>);

impl ShiftedClock {
    /// Starts at the system's time.
    pub fn new() -> Self {
        Self(Arc::new(AtomicI64::new(0)))
    }

    /// Moves on by `duration`.
    pub fn advance(&self, duration: Duration) {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Default for ShiftedClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(SystemClock.now().millis() + self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_made_in_order_of_time() {
        let now = Timestamp::from_millis(1_700_000_000_000);

        let first = SystemEntropy::default().uuid(now);
        let later = SystemEntropy::default().uuid(now.plus(Duration::from_millis(1)));

        assert_eq!(first.get_version_num(), 7);
        assert!(first < later);
    }

    #[test]
    fn a_hundred_thousand_handles_are_all_different() {
        let entropy = SystemEntropy::default();

        let seen: HashSet<_> = (0..100_000).map(|_| entropy.handle().hash()).collect();

        assert_eq!(seen.len(), 100_000);
    }
}
