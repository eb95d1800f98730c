//! What a load came to: one line of JSON, or a table and a histogram.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::book::{Book, Counts};
use super::histogram::milliseconds;
use crate::cli::output::Fields;

/// What a load came to.
#[derive(Debug)]
pub(super) struct Report<'a> {
    pub(super) book: &'a Book,
    /// How often an API stopped to answer.
    pub(super) disconnects: u64,
    pub(super) seed: u64,
    /// Whether it was ended before its time.
    pub(super) interrupted: bool,
}

impl Report<'_> {
    /// Final payments a second, from the first sending to the last acceptance.
    fn tps(&self) -> f64 {
        rate(self.book.counts().accepted, self.book.span())
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let Counts { submitted, accepted, rejected, lost, resent, pushed_back, skipped } =
            *self.book.counts();
        let latency = self.book.latency();
        let ms = |permille| round(latency.permille(permille));
        let refusals: Map<String, Value> = self
            .book
            .refusals()
            .iter()
            .map(|(code, (count, message))| {
                (code.clone(), json!({ "count": count, "first": message }))
            })
            .collect();
        let histogram: Vec<Value> = latency
            .doublings()
            .into_iter()
            .map(|(from, below, count)| {
                json!({ "from_us": from, "below_us": below, "count": count })
            })
            .collect();
        json!({
            "event": "summary",
            "submitted": submitted, "accepted": accepted, "rejected": rejected, "lost": lost,
            "tps": (self.tps() * 10.0).round() / 10.0,
            "p50_ms": ms(500), "p95_ms": ms(950), "p99_ms": ms(990),
            "max_ms": round(latency.max_us()),
            "seconds": self.book.span().as_secs_f64(),
            "resent": resent, "pushed_back": pushed_back, "skipped": skipped,
            "disconnects": self.disconnects, "interrupted": self.interrupted, "seed": self.seed,
            "refusals": refusals, "histogram": histogram,
        })
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let counts = self.book.counts();
        let latency = self.book.latency();
        let ms = |permille| milliseconds(latency.permille(permille));
        let mut fields = Fields::default()
            .with("submitted", counts.submitted)
            .with("accepted", format!("{} (final, in {:.3?})", counts.accepted, self.book.span()))
            .with("rejected", counts.rejected)
            .with("lost", counts.lost)
            .with("a second", format!("{:.1}", self.tps()))
            .with("latency", format!("p50 {} ms, p95 {} ms, p99 {} ms", ms(500), ms(950), ms(990)));
        let extra = [
            ("sent again", counts.resent),
            ("no room", counts.pushed_back),
            ("not sent", counts.skipped),
            ("disconnects", self.disconnects),
        ];
        for (name, count) in extra.into_iter().filter(|(_, count)| *count > 0) {
            fields = fields.with(name, count);
        }
        for (code, (count, message)) in self.book.refusals() {
            fields = fields.with("refused", format!("{count} times {code}: {message}"));
        }
        if self.interrupted {
            fields = fields.with("note", "ended early");
        }
        let histogram = latency.draw();
        format!("{fields}\n{histogram}").trim_end().to_owned()
    }
}

/// So many in that time, a second; 0 for no time.
pub(super) fn rate(count: u64, time: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let count = count as f64;
    if time.is_zero() { 0.0 } else { count / time.as_secs_f64() }
}

/// Microseconds in milliseconds.
fn round(us: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "latencies are far below 2^53")]
    let us = us as f64;
    us / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::load::book::Bounds;

    #[test]
    fn the_line_has_what_programs_look_for() {
        let resend_after = Duration::from_secs(5);
        let book = Book::new(Bounds { window: 1, each_sender: 1, resend_after }, 1);
        let report = Report { book: &book, disconnects: 2, seed: 7, interrupted: true };
        let json = report.json();
        for name in
            ["submitted", "accepted", "rejected", "lost", "tps", "p50_ms", "p95_ms", "p99_ms"]
        {
            assert!(json[name].is_number(), "{name}");
        }
        assert_eq!((json["seed"].as_u64(), json["tps"].as_f64()), (Some(7), Some(0.0)));
        let text = report.text();
        assert!(text.contains("disconnects  2") && text.ends_with("ended early"), "{text}");
    }

    #[test]
    fn rates_are_by_the_second() {
        assert_eq!(rate(500, Duration::from_millis(250)), 2_000.0);
        assert_eq!(rate(0, Duration::ZERO), 0.0);
    }
}
