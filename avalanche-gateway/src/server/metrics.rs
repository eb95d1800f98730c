//! Counters of the server, and the text that Prometheus reads.

use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use avalanche_chain::NodeReader;

use super::convert::{micros, wide};

/// Statuses that are counted apart; all others are counted as `other`.
const STATUSES: [u16; 18] =
    [101, 200, 202, 400, 404, 405, 408, 409, 413, 415, 429, 431, 500, 501, 502, 503, 504, 0];
/// Upper ends of the buckets of durations, in microseconds.
const BUCKETS_US: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000,
    5_000_000, 30_000_000,
];
/// The label of requests that no route takes.
const NO_ROUTE: &str = "none";

/// Counters of the server.
#[derive(Debug)]
pub(super) struct Metrics {
    routes: Vec<(&'static str, Counters)>,
    pub(super) connections: AtomicU64,
    pub(super) connections_refused: AtomicU64,
    pub(super) connections_closed_idle: AtomicU64,
    pub(super) websockets: AtomicU64,
    pub(super) websockets_slow: AtomicU64,
}

#[derive(Debug, Default)]
struct Counters {
    statuses: [AtomicU64; STATUSES.len()],
    buckets: [AtomicU64; BUCKETS_US.len()],
    sum_us: AtomicU64,
}

impl Metrics {
    /// Counters for these routes, which are paths with names as `{id}`.
    pub(super) fn new(routes: &[&'static str]) -> Self {
        let mut routes: Vec<_> =
            routes.iter().chain([&NO_ROUTE]).map(|route| (*route, Counters::default())).collect();
        routes.sort_unstable_by_key(|(route, _)| *route);
        Self {
            routes,
            connections: AtomicU64::new(0),
            connections_refused: AtomicU64::new(0),
            connections_closed_idle: AtomicU64::new(0),
            websockets: AtomicU64::new(0),
            websockets_slow: AtomicU64::new(0),
        }
    }

    /// Counts a request; of a WebSocket, until it became one.
    pub(super) fn request(&self, route: Option<&str>, status: u16, took: Duration) {
        let route = route.unwrap_or(NO_ROUTE);
        let found = self.routes.binary_search_by_key(&route, |(route, _)| *route);
        let Some((_, counters)) = found.ok().and_then(|at| self.routes.get(at)) else { return };
        let known = STATUSES.iter().zip(&counters.statuses);
        let mut counter = known.filter(|(one, _)| **one == status || **one == 0);
        if let Some((_, counter)) = counter.next() {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        let took = micros(took);
        counters.sum_us.fetch_add(took, Ordering::Relaxed);
        if let Some((_, bucket)) =
            BUCKETS_US.iter().zip(&counters.buckets).find(|(end, _)| took <= **end)
        {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Everything, and what the node says of itself.
    pub(super) async fn render(&self, node: &dyn NodeReader) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        _ = self.write_http(&mut text);
        let mut chains = Vec::new();
        for chain in node.chains() {
            let validators = chain.validators().await;
            let active = validators.iter().filter(|one| one.connected && !one.benched).count();
            chains.push((chain.name().to_owned(), chain.status().await, active));
        }
        _ = write_chains(&mut text, &chains);
        let peers = node.peers().await.len();
        _ = family(&mut text, "p2p_peers", "gauge", "Connected peers.");
        _ = writeln!(text, "p2p_peers {peers}");
        text
    }

    fn write_http(&self, text: &mut String) -> fmt::Result {
        let name = "http_requests_total";
        family(text, name, "counter", "Requests that were answered.")?;
        for (route, counters) in &self.routes {
            for (status, counter) in STATUSES.iter().zip(&counters.statuses) {
                let count = counter.load(Ordering::Relaxed);
                if count > 0 {
                    let status = if *status == 0 { "other" } else { &status.to_string() };
                    writeln!(text, "{name}{{route=\"{route}\",status=\"{status}\"}} {count}")?;
                }
            }
        }
        let name = "http_request_duration_seconds";
        family(text, name, "histogram", "From the head of a request to that of its answer.")?;
        for (route, counters) in &self.routes {
            let total: u64 = counters.statuses.iter().map(|one| one.load(Ordering::Relaxed)).sum();
            if total == 0 {
                continue;
            }
            let mut below = 0;
            for (end, bucket) in BUCKETS_US.iter().zip(&counters.buckets) {
                below += bucket.load(Ordering::Relaxed);
                let end = seconds(*end);
                writeln!(text, "{name}_bucket{{route=\"{route}\",le=\"{end}\"}} {below}")?;
            }
            let sum = seconds(counters.sum_us.load(Ordering::Relaxed));
            // Counters go on while they are read; a bucket must not be above the total.
            let total = total.max(below);
            writeln!(text, "{name}_bucket{{route=\"{route}\",le=\"+Inf\"}} {total}")?;
            writeln!(text, "{name}_sum{{route=\"{route}\"}} {sum}")?;
            writeln!(text, "{name}_count{{route=\"{route}\"}} {total}")?;
        }
        for (name, kind, help, value) in [
            ("http_connections", "gauge", "Open connections.", &self.connections),
            (
                "http_connections_refused_total",
                "counter",
                "Connections that found no room.",
                &self.connections_refused,
            ),
            (
                "http_connections_closed_idle_total",
                "counter",
                "Idle connections that made room for new ones.",
                &self.connections_closed_idle,
            ),
            ("http_websockets", "gauge", "Open WebSockets.", &self.websockets),
            (
                "http_websockets_slow_total",
                "counter",
                "WebSockets that were closed as too slow.",
                &self.websockets_slow,
            ),
        ] {
            family(text, name, kind, help)?;
            writeln!(text, "{name} {}", value.load(Ordering::Relaxed))?;
        }
        Ok(())
    }
}

type ChainLine = (String, avalanche_chain::ChainStatus, usize);

fn write_chains(text: &mut String, chains: &[ChainLine]) -> fmt::Result {
    type Value = fn(&ChainLine) -> u64;
    let families: [(&str, &str, &str, Value); 9] = [
        (
            "consensus_blocks_processed_total",
            "counter",
            "Blocks that were decided.",
            |(_, status, _)| status.stats.accepted.saturating_add(status.stats.rejected),
        ),
        (
            "consensus_blocks_accepted_total",
            "counter",
            "Blocks that were accepted.",
            |(_, status, _)| status.stats.accepted,
        ),
        (
            "consensus_blocks_produced_total",
            "counter",
            "Blocks that were built here.",
            |(_, status, _)| status.stats.built,
        ),
        (
            "consensus_transactions_accepted_total",
            "counter",
            "Transactions that were accepted.",
            |(_, status, _)| status.finality.transactions,
        ),
        ("consensus_polls_total", "counter", "Polls that were opened.", |(_, status, _)| {
            status.stats.polls
        }),
        (
            "consensus_active_validators",
            "gauge",
            "Validators that are connected and asked.",
            |(_, _, active)| wide(*active),
        ),
        (
            "consensus_queue_length",
            "gauge",
            "Transactions that wait for a block.",
            |(_, status, _)| wide(status.pending),
        ),
        (
            "consensus_processing_blocks",
            "gauge",
            "Blocks that are verified and not decided.",
            |(_, status, _)| wide(status.processing),
        ),
        (
            "consensus_last_accepted_height",
            "gauge",
            "The height of the last accepted block.",
            |(_, status, _)| status.last_accepted.height.get(),
        ),
    ];
    for (name, kind, help, value) in families {
        family(text, name, kind, help)?;
        for chain in chains {
            writeln!(text, "{name}{{chain=\"{}\"}} {}", chain.0, value(chain))?;
        }
    }
    let name = "consensus_block_processing_duration_seconds";
    family(text, name, "gauge", "From first sight to acceptance, over the last blocks.")?;
    for (chain, status, _) in chains {
        for (quantile, value) in [("0.5", status.finality.p50), ("0.99", status.finality.p99)] {
            let value = seconds(micros(value));
            writeln!(text, "{name}{{chain=\"{chain}\",quantile=\"{quantile}\"}} {value}")?;
        }
    }
    Ok(())
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

/// Seconds of microseconds, exactly.
fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_route_and_status_and_nothing_else_is() {
        let metrics = Metrics::new(&["/b/{id}", "/a"]);
        metrics.request(Some("/b/{id}"), 200, Duration::from_micros(100));
        metrics.request(Some("/b/{id}"), 200, Duration::from_millis(7));
        metrics.request(Some("/b/{id}"), 418, Duration::from_secs(100));
        metrics.request(None, 404, Duration::ZERO);
        metrics.request(Some("/unheard"), 200, Duration::ZERO);
        let mut text = String::new();
        metrics.write_http(&mut text).unwrap();
        for line in [
            "http_requests_total{route=\"/b/{id}\",status=\"200\"} 2",
            "http_requests_total{route=\"/b/{id}\",status=\"other\"} 1",
            "http_requests_total{route=\"none\",status=\"404\"} 1",
            "http_request_duration_seconds_bucket{route=\"/b/{id}\",le=\"0.000100\"} 1",
            "http_request_duration_seconds_bucket{route=\"/b/{id}\",le=\"0.010000\"} 2",
            "http_request_duration_seconds_bucket{route=\"/b/{id}\",le=\"+Inf\"} 3",
            "http_request_duration_seconds_sum{route=\"/b/{id}\"} 100.007100",
            "http_request_duration_seconds_count{route=\"/b/{id}\"} 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("unheard") && !text.contains("\"/a\""), "{text}");
    }
}
