//! The APIs of a load: which of them are up, how much each is doing, and when to try again.

use std::time::Duration;

use avalanche_gateway::client::Client;

/// The rest after the first failure; each further one doubles it.
const REST: Duration = Duration::from_millis(100);
/// The longest rest.
const REST_MAX: Duration = Duration::from_secs(2);

/// One API.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) client: Client,
    /// Requests that are under way.
    pub(super) busy: u16,
    state: State,
    failures: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Up,
    /// It wants no requests until then.
    Resting(Duration),
    /// It did not answer; it is tried then.
    Down(Duration),
    /// It is being tried.
    Probing,
}

impl Api {
    pub(super) const fn new(client: Client) -> Self {
        Self { client, busy: 0, state: State::Up, failures: 0 }
    }

    /// Whether it takes requests.
    pub(super) fn is_open(&self, now: Duration) -> bool {
        match self.state {
            State::Up => true,
            State::Resting(until) => until <= now,
            State::Down(_) | State::Probing => false,
        }
    }

    /// It answered.
    pub(super) const fn answered(&mut self) {
        self.state = State::Up;
        self.failures = 0;
    }

    /// It has too much to do: it rests as long as it said, or a little.
    pub(super) fn rest(&mut self, asked: Option<Duration>, now: Duration) {
        let rest = asked.unwrap_or(REST).min(REST_MAX);
        self.state = State::Resting(now.saturating_add(rest));
    }

    /// It did not answer. Whether that is news.
    pub(super) fn failed(&mut self, now: Duration) -> bool {
        let news = !matches!(self.state, State::Down(_) | State::Probing);
        let doubled = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let rest = REST.saturating_mul(doubled).min(REST_MAX);
        self.state = State::Down(now.saturating_add(rest));
        news
    }

    /// Whether to try it now; if so, it counts as being tried.
    pub(super) fn probe(&mut self, now: Duration) -> bool {
        let due = matches!(self.state, State::Down(at) if at <= now);
        if due {
            self.state = State::Probing;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn failures_rest_ever_longer_until_an_answer() {
        let mut api = Api::new(Client::new(Client::DEFAULT_URL).unwrap());
        let mut now = ms(0);
        for (at, rest) in [100, 200, 400, 800, 1_600, 2_000, 2_000].into_iter().enumerate() {
            assert_eq!(api.failed(now), at == 0, "only the first is news");
            assert!(!api.is_open(now + ms(rest)), "it is tried before it is used");
            assert!(!api.probe(now + ms(rest - 1)));
            now += ms(rest);
            assert!(api.probe(now));
            assert!(!api.probe(now), "one try at a time");
        }
        api.answered();
        assert!(api.is_open(now));
        assert!(api.failed(now));
        assert!(api.probe(now + ms(100)), "counted from the start again");
    }

    #[test]
    fn who_has_too_much_to_do_rests_and_is_not_down() {
        let mut api = Api::new(Client::new(Client::DEFAULT_URL).unwrap());
        for (asked, rest) in [(None, 100), (Some(ms(700)), 700), (Some(ms(60_000)), 2_000)] {
            api.rest(asked, ms(0));
            assert!(!api.is_open(ms(rest - 1)) && api.is_open(ms(rest)), "{asked:?}");
            assert!(!api.probe(ms(rest)));
        }
    }
}
