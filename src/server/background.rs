//! What runs beside the requests: renewing, sweeping, delivering.

use std::time::Duration;

use tokio::{
    task::JoinSet,
    time::{Interval, MissedTickBehavior},
};

use crate::engine::{Engine, EngineError};

/// Between two looks for tokens that are close to their end.
const REFRESH_EVERY: Duration = Duration::from_secs(20);
/// Between two sweeps of what ended.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How long the work at hand may take when the server ends.
const LAST_WORK: Duration = Duration::from_secs(15);

/// Everything that runs beside the requests.
pub(super) struct Background(JoinSet<()>);

impl Background {
    /// Begins all of it. It ends by itself when the engine closes.
    pub(super) fn start(engine: &Engine) -> Self {
        let mut tasks = JoinSet::new();
        let renewing = engine.clone();
        tasks.spawn(async move {
            let mut ticks = ticks(REFRESH_EVERY);
            while next(&renewing, &mut ticks).await {
                note(renewing.refresh_due().await.map(drop));
            }
        });
        let sweeping = engine.clone();
        tasks.spawn(async move {
            let mut ticks = ticks(SWEEP_EVERY);
            while next(&sweeping, &mut ticks).await {
                note(sweeping.sweep().await.map(drop));
            }
        });
        let delivering = engine.clone();
        tasks.spawn(async move { delivering.deliver_events().await });
        Self(tasks)
    }

    /// Waits for the work at hand.
    pub(super) async fn end(mut self) {
        let ended = async { while self.0.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_WORK, ended).await.is_err() {
            tracing::warn!("Some work of the background did not end in time");
        }
    }
}

fn ticks(period: Duration) -> Interval {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Waits for the next turn; false when the engine closes.
async fn next(engine: &Engine, ticks: &mut Interval) -> bool {
    tokio::select! {
        () = engine.closing() => false,
        _ = ticks.tick() => true,
    }
}

fn note(done: Result<(), EngineError>) {
    if let Err(error) = done {
        tracing::error!(%error, "The background could not do its work");
    }
}
