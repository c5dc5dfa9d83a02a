//! What happened in this process, in numbers: counted here, read by whoever watches the server.
//!
//! Labels come from closed sets (keys of outcomes, templates of routes, status classes), so that what is
//! held is bounded and nothing a caller wrote is ever in it.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Upper ends of the histogram's buckets, seconds.
const BUCKETS: [f64; 13] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// First digits of a status.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// Label values of one kind at most. They are closed sets; this holds if one is not.
const LABELS_MAX: usize = 512;

/// Counts by one label.
#[derive(Default)]
struct Counts(RwLock<BTreeMap<String, [AtomicU64; 5]>>);

impl Counts {
    fn add(&self, label: &str, class: usize) {
        if let Some(counts) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(label) {
            counts[class].fetch_add(1, Relaxed);
            return;
        }
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() < LABELS_MAX {
            all.entry(label.to_owned()).or_default()[class].fetch_add(1, Relaxed);
        }
    }

    /// One line per label, and per class where `by_class`.
    fn write(&self, out: &mut String, name: &str, label: &str, by_class: bool) {
        for (value, counts) in &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            for (class, count) in CLASSES.iter().zip(counts) {
                let count = count.load(Relaxed);
                if by_class && count > 0 {
                    let _ = writeln!(out, "{name}{{{label}=\"{value}\",status=\"{class}\"}} {count}");
                }
            }
            if !by_class {
                let _ = writeln!(out, "{name}{{{label}=\"{value}\"}} {}", counts[0].load(Relaxed));
            }
        }
    }
}

/// How long something took.
#[derive(Default)]
struct Histogram {
    /// Not cumulative; the last one is beyond every end.
    counts: [AtomicU64; BUCKETS.len() + 1],
    micros: AtomicU64,
}

impl Histogram {
    fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let place = BUCKETS.iter().position(|end| seconds <= *end).unwrap_or(BUCKETS.len());
        self.counts[place].fetch_add(1, Relaxed);
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    fn write(&self, out: &mut String, name: &str) {
        let mut sum = 0;
        for (count, end) in self.counts.iter().zip(BUCKETS) {
            sum += count.load(Relaxed);
            let _ = writeln!(out, "{name}_bucket{{le=\"{end}\"}} {sum}");
        }
        sum += self.counts[BUCKETS.len()].load(Relaxed);
        let micros = self.micros.load(Relaxed);
        let _ = writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {sum}");
        let _ = writeln!(out, "{name}_sum {}.{:06}", micros / 1_000_000, micros % 1_000_000);
        let _ = writeln!(out, "{name}_count {sum}");
    }
}

/// The counters of one server.
pub struct Metrics {
    began: Instant,
    attempts: Counts,
    refreshes: Counts,
    deliveries: Counts,
    limited: Counts,
    requests: Counts,
    proxied: Counts,
    proxy_latency: Histogram,
    connections: AtomicI64,
    turned_away: Counts,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            attempts: Counts::default(),
            refreshes: Counts::default(),
            deliveries: Counts::default(),
            limited: Counts::default(),
            requests: Counts::default(),
            proxied: Counts::default(),
            proxy_latency: Histogram::default(),
            connections: AtomicI64::new(0),
            turned_away: Counts::default(),
        }
    }
}

impl Metrics {
    /// An attempt ended: `connected`, or the key of its failure.
    pub fn attempt_ended(&self, outcome: &'static str) {
        self.attempts.add(outcome, 0);
    }

    /// A renewal of a credential ended: `renewed`, `transient`, or the reason of the disconnect.
    pub fn refreshed(&self, result: &'static str) {
        self.refreshes.add(result, 0);
    }

    /// A webhook was called: `delivered`, `failed`, `dead`.
    pub fn delivered(&self, result: &'static str) {
        self.deliveries.add(result, 0);
    }

    /// A caller met a limit; its name as the configuration has it.
    pub fn limited(&self, limit: &'static str) {
        self.limited.add(limit, 0);
    }

    /// A request was answered. `route` is the template, never the address.
    pub fn answered(&self, route: &str, status: u16) {
        self.requests.add(route, class_of(status));
    }

    /// A call through `connection` or `your_app` was answered, by whomever; `took` until the head of the answer.
    pub fn proxied(&self, via: &'static str, status: u16, took: Duration) {
        self.proxied.add(via, class_of(status));
        self.proxy_latency.observe(took);
    }

    /// A connection of a client opened (1) or closed (-1).
    pub fn connections_changed(&self, by: i64) {
        self.connections.fetch_add(by, Relaxed);
    }

    /// A connection was closed for the sake of others: `full`, `address`, `idle`.
    pub fn turned_away(&self, reason: &'static str) {
        self.turned_away.add(reason, 0);
    }

    /// Everything in the text format of Prometheus, version 0.0.4.
    pub(super) fn text(&self) -> String {
        let mut out = String::with_capacity(4096);
        gauge(&mut out, "hitchpost_build_info", "Version of this server, as a label; always 1.");
        let _ = writeln!(out, "hitchpost_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
        gauge(&mut out, "hitchpost_uptime_seconds", "Seconds since the process started.");
        let _ = writeln!(out, "hitchpost_uptime_seconds {}", self.began.elapsed().as_secs());
        gauge(&mut out, "hitchpost_connections_open", "Connections of clients that are open.");
        let _ = writeln!(out, "hitchpost_connections_open {}", self.connections.load(Relaxed));
        let families: [(&str, &str, &str, &Counts, bool); 7] = [
            (
                "connections_turned_away_total",
                "Connections closed for others' sake.",
                "reason",
                &self.turned_away,
                false,
            ),
            ("requests_total", "Requests by route and class of status.", "route", &self.requests, true),
            ("requests_limited_total", "Requests refused with 429, by limit.", "limit", &self.limited, false),
            (
                "attempts_total",
                "Attempts to connect that ended, by outcome.",
                "outcome",
                &self.attempts,
                false,
            ),
            ("refreshes_total", "Renewals of credentials, by result.", "result", &self.refreshes, false),
            ("webhook_deliveries_total", "Calls of webhooks, by result.", "result", &self.deliveries, false),
            ("proxy_requests_total", "Proxied calls by class of status.", "via", &self.proxied, true),
        ];
        for (name, help, label, counts, by_class) in families {
            let name = format!("hitchpost_{name}");
            counter(&mut out, &name, help);
            counts.write(&mut out, &name, label, by_class);
        }
        let name = "hitchpost_proxy_duration_seconds";
        head(&mut out, name, "Seconds until the head of a proxied answer.", "histogram");
        self.proxy_latency.write(&mut out, name);
        out
    }
}

/// The description of a gauge.
pub(super) fn gauge(out: &mut String, name: &str, help: &str) {
    head(out, name, help, "gauge");
}

fn counter(out: &mut String, name: &str, help: &str) {
    head(out, name, help, "counter");
}

fn head(out: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn class_of(status: u16) -> usize {
    usize::from(status / 100).clamp(1, CLASSES.len()) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_in_the_text() {
        let metrics = Metrics::default();

        metrics.attempt_ended("connected");
        metrics.attempt_ended("connected");
        metrics.answered("/connections/{sel}", 200);
        metrics.answered("/connections/{sel}", 404);
        metrics.proxied("connection", 502, Duration::from_millis(7));
        metrics.proxied("connection", 200, Duration::from_secs(90));

        let text = metrics.text();
        for line in [
            "hitchpost_attempts_total{outcome=\"connected\"} 2",
            "hitchpost_requests_total{route=\"/connections/{sel}\",status=\"2xx\"} 1",
            "hitchpost_requests_total{route=\"/connections/{sel}\",status=\"4xx\"} 1",
            "hitchpost_proxy_requests_total{via=\"connection\",status=\"5xx\"} 1",
            "hitchpost_proxy_duration_seconds_bucket{le=\"0.005\"} 0",
            "hitchpost_proxy_duration_seconds_bucket{le=\"0.01\"} 1",
            "hitchpost_proxy_duration_seconds_bucket{le=\"60\"} 1",
            "hitchpost_proxy_duration_seconds_bucket{le=\"+Inf\"} 2",
            "hitchpost_proxy_duration_seconds_sum 90.007000",
            "hitchpost_proxy_duration_seconds_count 2",
        ] {
            assert!(text.lines().any(|said| said == line), "{line} is not in {text}");
        }
    }

    #[test]
    fn labels_stay_bounded() {
        let metrics = Metrics::default();

        for number in 0..2000 {
            metrics.answered(&format!("/{number}"), 200);
        }

        assert_eq!(metrics.text().matches("hitchpost_requests_total{").count(), LABELS_MAX);
    }
}
