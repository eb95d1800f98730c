//! When to stop waiting for an answer.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{ContinuousAverager, TimeoutConfig};
use crate::{Error, Timestamp};

/// Deadlines of open requests, from how long answers took lately (AvalancheGo's
/// `utils/timer/adaptive_timeout_manager.go`).
///
/// The timeout is the average latency times a coefficient, kept between a minimum and a maximum. A
/// request gets the timeout of the moment it is put, for good. `K` names a request; in a node that
/// is the peer and the number of the request.
///
/// Requests that are not to be measured have deadlines all the same. AvalancheGo does not measure
/// requests to oneself, or ones whose answer a peer can delay at will.
///
/// # Limits
///
/// At most [`AdaptiveTimeouts::OUTSTANDING_MAX`] requests unless
/// [`AdaptiveTimeouts::with_outstanding_max`] says otherwise. Every change is O(log n), every
/// question about the next deadline too.
///
/// ```
/// use avalanche_consensus::Timestamp;
/// use avalanche_consensus::network::{AdaptiveTimeouts, TimeoutConfig};
///
/// let now = Timestamp::ZERO;
/// let mut timeouts = AdaptiveTimeouts::new(TimeoutConfig::default(), now)?;
/// let deadline = timeouts.put("to ada", true, now)?;
/// timeouts.put("to bob", true, now)?;
///
/// // Ada answers, Bob does not.
/// assert!(timeouts.remove(&"to ada", Timestamp::from_millis(40)).is_some());
/// assert_eq!(timeouts.fire(deadline), Some("to bob"));
/// assert_eq!(timeouts.fire(deadline), None);
/// # Ok::<(), avalanche_consensus::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct AdaptiveTimeouts<K> {
    config: TimeoutConfig,
    average: ContinuousAverager,
    timeout: Duration,
    requests: BTreeMap<K, Request>,
    /// Deadlines in order; equal ones in the order in which they were put.
    deadlines: BTreeMap<(Timestamp, u64), K>,
    /// Requests that were ever put.
    puts: u64,
    outstanding_max: usize,
}

/// One open request.
#[derive(Clone, Copy, Debug)]
struct Request {
    put_at: Timestamp,
    deadline: (Timestamp, u64),
    measure: bool,
}

impl<K: Ord + Clone> AdaptiveTimeouts<K> {
    /// Open requests unless the caller says otherwise: 65,536.
    pub const OUTSTANDING_MAX: usize = 1 << 16;

    /// No requests, and the initial timeout.
    ///
    /// # Errors
    ///
    /// [`Error::Timeouts`] if the configuration breaks a rule.
    pub fn new(config: TimeoutConfig, now: Timestamp) -> Result<Self, Error> {
        config.verify()?;
        let prior = config.initial.as_nanos() as f64;
        Ok(Self {
            config,
            average: ContinuousAverager::new(prior, config.half_life, now),
            timeout: config.initial,
            requests: BTreeMap::new(),
            deadlines: BTreeMap::new(),
            puts: 0,
            outstanding_max: Self::OUTSTANDING_MAX,
        })
    }

    /// Sets the number of requests that can be open. Requests that are open stay.
    #[must_use]
    pub const fn with_outstanding_max(mut self, max: usize) -> Self {
        self.outstanding_max = max;
        self
    }

    /// Registers a request and returns its deadline. An open request of the same name is removed
    /// first, as by [`AdaptiveTimeouts::remove`].
    ///
    /// # Errors
    ///
    /// [`Error::TimeoutsFull`] if as many as allowed are open. Then nothing has changed.
    pub fn put(&mut self, id: K, measure: bool, now: Timestamp) -> Result<Timestamp, Error> {
        let again = self.requests.contains_key(&id);
        if self.requests.len() - usize::from(again) >= self.outstanding_max {
            return Err(Error::TimeoutsFull { max: self.outstanding_max });
        }
        self.remove(&id, now);
        let deadline = (now.after(self.timeout), self.puts);
        self.puts += 1;
        self.deadlines.insert(deadline, id.clone());
        self.requests.insert(id, Request { put_at: now, deadline, measure });
        Ok(deadline.0)
    }

    /// Takes out a request that was answered or given up on, and returns how long it was open. A
    /// measured one is observed. `None`, and nothing happens, if it is not open.
    pub fn remove(&mut self, id: &K, now: Timestamp) -> Option<Duration> {
        let request = self.requests.remove(id)?;
        self.deadlines.remove(&request.deadline);
        let latency = now.since(request.put_at);
        if request.measure {
            self.observe_latency(latency, now);
        }
        Some(latency)
    }

    /// Takes out the request with the earliest deadline if that is not after `now`. Call until
    /// `None`.
    ///
    /// Each is removed as by [`AdaptiveTimeouts::remove`], so a measured one counts as a latency of
    /// at least its timeout, and what is put between two calls gets the timeout that results.
    pub fn fire(&mut self, now: Timestamp) -> Option<K> {
        if self.next_deadline()? > now {
            return None;
        }
        let (_, id) = self.deadlines.pop_first()?;
        self.remove(&id, now);
        Some(id)
    }

    /// Takes a latency into the average that was not one of a registered request.
    pub fn observe_latency(&mut self, latency: Duration, now: Timestamp) {
        self.average.observe(latency.as_nanos() as f64, now);
        let TimeoutConfig { coefficient, minimum, maximum, .. } = self.config;
        self.timeout = whole_nanos(coefficient * self.average.read()).clamp(minimum, maximum);
    }

    /// When to call [`AdaptiveTimeouts::fire`] next; `None` if nothing is open.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first_key_value().map(|((deadline, _), _)| *deadline)
    }

    /// The timeout that the next request gets.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The average latency, before coefficient and bounds.
    #[must_use]
    pub fn average_latency(&self) -> Duration {
        whole_nanos(self.average.read())
    }

    /// Whether a request is open.
    #[must_use]
    pub fn contains(&self, id: &K) -> bool {
        self.requests.contains_key(id)
    }

    /// Number of open requests.
    #[must_use]
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether no request is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }
}

/// A duration of so many nanoseconds, rounded down; at most 584 years.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "latencies are not negative, and a cast from floating point saturates"
)]
const fn whole_nanos(nanos: f64) -> Duration {
    Duration::from_nanos(nanos as u64)
}

#[cfg(test)]
mod tests;
