//! Whether this server can do its work, and its numbers for whoever watches.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use super::{Engine, Metrics, metrics::gauge};
use crate::{
    store::StoreError,
    vault::{Place, Sealed},
};

/// What is sealed under the current key, once for an installation, to recognise a wrong key.
pub const KEY_CHECK: &[u8] = b"hitchpost key check";
/// Where it lies.
pub const KEY_CHECK_PLACE: Place<'static> =
    Place { table: "installation", row: "key_check", column: "value", workspace: None };
/// How long a finding holds: whoever asks more often gets it again.
const FINDING_LIFE: Duration = Duration::from_secs(1);
/// How long the database may take to be written.
const PATIENCE: Duration = Duration::from_secs(6);

/// The last finding.
#[derive(Default)]
pub(super) struct Findings(Mutex<Option<(Instant, Vec<&'static str>)>>);

impl Engine {
    /// The counters of this server.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Why this server should get no requests; nothing when it is ready.
    pub async fn unready(&self) -> Vec<&'static str> {
        if self.is_closing() {
            return vec!["the server is shutting down"];
        }
        let mut last = self.inner.findings.0.lock().await;
        if let Some((found_at, reasons)) = &*last
            && found_at.elapsed() < FINDING_LIFE
        {
            return reasons.clone();
        }
        let reasons: Vec<_> =
            [self.why_not_writable().await, self.why_not_sealed().await].into_iter().flatten().collect();
        *last = Some((Instant::now(), reasons.clone()));
        reasons
    }

    async fn why_not_writable(&self) -> Option<&'static str> {
        let tried = tokio::time::timeout(PATIENCE, self.store().try_writing()).await;
        match tried.unwrap_or(Err(StoreError::Busy)) {
            Ok(()) => None,
            Err(StoreError::Busy) => Some("the database is held by another process"),
            Err(StoreError::Full) => Some("the disk that holds the database is full"),
            Err(StoreError::ReadOnly) => Some("the database can only be read"),
            Err(error) => {
                tracing::error!(%error, "The database cannot be written");
                Some("the database cannot be written")
            }
        }
    }

    async fn why_not_sealed(&self) -> Option<&'static str> {
        let kept = match self.store().installation_value(KEY_CHECK_PLACE.row).await {
            Ok(kept) => kept?,
            Err(_) => return Some("the database cannot be read"),
        };
        let opened = self.vault().open(KEY_CHECK_PLACE, &Sealed(kept));
        let is_right = opened.is_ok_and(|opened| opened.expose() == KEY_CHECK);
        (!is_right).then_some("the encryption key does not open what is in the database")
    }

    /// All numbers, in the text format of Prometheus, version 0.0.4.
    pub async fn metrics_text(&self) -> String {
        let mut out = self.metrics().text();
        if let Ok(outbox) = self.outbox_depth().await {
            gauge(&mut out, "hitchpost_outbox_pending", "Webhook deliveries that wait.");
            let _ = writeln!(out, "hitchpost_outbox_pending {}", outbox.pending);
            gauge(&mut out, "hitchpost_outbox_dead", "Webhook deliveries that were given up.");
            let _ = writeln!(out, "hitchpost_outbox_dead {}", outbox.dead);
            let name = "hitchpost_outbox_oldest_seconds";
            gauge(&mut out, name, "How long the oldest delivery has waited; 0 when none waits.");
            let _ = writeln!(out, "{name} {}", outbox.oldest.unwrap_or_default().as_secs());
        }
        if let Ok(size) = self.store().size().await {
            gauge(&mut out, "hitchpost_database_bytes", "Size of the database without its log.");
            let _ = writeln!(out, "hitchpost_database_bytes {size}");
        }
        out
    }
}
