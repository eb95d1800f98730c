//! Asking validators how they are.

use std::net::SocketAddr;
use std::time::Duration;

use avalanche_gateway::api::{ConsensusStatus, Phase};
use avalanche_gateway::client::{Client, ClientError};
use tokio::time::Instant;

use super::report::Seen;

/// How long a validator may take to say how it is, before it counts as silent.
pub const PATIENCE: Duration = Duration::from_millis(900);

/// A client of a validator's own API.
///
/// # Errors
///
/// None that is known: an address is a good URL.
pub fn client(api: SocketAddr) -> Result<Client, ClientError> {
    Ok(Client::new(&format!("http://{api}"))?.with_timeout(PATIENCE))
}

/// What a validator says of its chain; `None` if it does not.
pub async fn look(client: &Client) -> Option<Seen> {
    client.status().await.ok().map(seen)
}

fn seen(status: ConsensusStatus) -> Seen {
    let finality = status.finality;
    Seen {
        voting: status.phase == Some(Phase::NormalOperation),
        stopped: status.stopped,
        height: status.last_accepted.height,
        transactions: finality.transactions,
        p50_ms: Duration::from_micros(finality.p50_us).as_secs_f64() * 1_000.0,
        p99_ms: Duration::from_micros(finality.p99_us).as_secs_f64() * 1_000.0,
        processing: status.processing,
        polls: status.polls,
    }
}

/// How fast a counter grows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rate(Option<(Instant, u64)>);

impl Rate {
    /// Takes what the counter is at now, and says how much it grew in a second since the last time;
    /// `None` the first time, and when it began anew.
    pub fn add(&mut self, now: Instant, count: u64) -> Option<f64> {
        let (then, before) = self.0.replace((now, count))?;
        let seconds = now.checked_duration_since(then)?.as_secs_f64();
        let grown = count.checked_sub(before)?;
        // Counts are far below 2^52.
        (seconds > 0.0).then(|| u32::try_from(grown).map_or(f64::INFINITY, f64::from) / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_needs_two_looks_and_survives_a_restart() {
        let begun = Instant::now();
        let at = |ms| begun + Duration::from_millis(ms);
        let mut rate = Rate::default();
        for (ms, count, expected) in [
            (0, 100, None),
            (500, 150, Some(100.0)),
            (1_500, 150, Some(0.0)),
            (1_500, 150, None),
            (2_000, 10, None),
            (3_000, 30, Some(20.0)),
        ] {
            assert_eq!(rate.add(at(ms), count), expected, "{ms} {count}");
        }
    }
}
