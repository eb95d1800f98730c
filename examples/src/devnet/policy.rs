//! What happens to a validator when it ends, or somebody breaks it: a value without I/O.
//!
//! ```text
//!            spawn        ready            pause
//!   Resting ------> Starting ------> Up <--------> Paused
//!      ^   rested      |             |    resume     |
//!      |               |             |               |
//!      +---------------+-- ended by itself ----------+
//!
//!   kill, or the end of the devnet, in any of them --> Ending --> Down
//!   restart                                        --> Ending --> Starting
//! ```

use std::fmt;
use std::time::Duration;

/// The rest before a validator that ended by itself is started again, the first time.
pub const REST_MIN: Duration = Duration::from_millis(500);
/// The longest rest: it doubles up to here.
pub const REST_MAX: Duration = Duration::from_secs(30);
/// Whoever lived that long has its next failure counted as its first.
pub const HEALTHY: Duration = Duration::from_secs(60);

/// What a validator is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its process runs and has not said that it is ready.
    Starting,
    /// It is ready.
    Up,
    /// It is stopped in its tracks.
    Paused,
    /// It is about to end.
    Ending {
        /// Whether it is started again then.
        again: bool,
    },
    /// It ended by itself and is started again after a rest.
    Resting,
    /// It ended, and is started when somebody says so.
    Down,
}

/// What happened to a validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It said that it is ready.
    Ready,
    /// It ended, so long after it was started.
    Ended {
        /// How long it lived.
        lived: Duration,
    },
    /// Its rest is over.
    Rested,
    /// Somebody wants something of it.
    Asked(Ask),
    /// The devnet ends.
    Stop,
}

/// What somebody may want of a validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Its end at once.
    Kill,
    /// A new start.
    Restart,
    /// Silence.
    Pause,
    /// The end of the silence.
    Resume,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start it.
    Spawn,
    /// End it at once.
    Kill,
    /// Let it end by itself, within its time.
    Finish,
    /// Stop it in its tracks.
    Pause,
    /// Let it go on.
    Resume,
    /// Say [`Event::Rested`] after so long.
    Rest(Duration),
}

/// Why somebody does not get what they want, as the rest of a sentence about the validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal(pub &'static str);

/// One validator's life. It begins with a [`Action::Spawn`] that the caller carries out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    state: State,
    /// How often it ended by itself in a row.
    failures: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self { state: State::Starting, failures: 0 }
    }
}

impl Policy {
    /// What it is at.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Takes what happened, and says what is to be done.
    ///
    /// # Errors
    ///
    /// [`Refusal`] of an [`Event::Asked`] that does not fit, which changes nothing.
    pub fn on(&mut self, event: Event) -> Result<Option<Action>, Refusal> {
        let (state, action) = match event {
            Event::Ready => match self.state {
                State::Starting => (State::Up, None),
                other => (other, None),
            },
            Event::Ended { lived } => self.ended(lived),
            Event::Rested => match self.state {
                State::Resting => (State::Starting, Some(Action::Spawn)),
                other => (other, None),
            },
            Event::Asked(ask) => self.asked(ask)?,
            Event::Stop => match self.state {
                State::Starting | State::Up | State::Paused => {
                    (State::Ending { again: false }, Some(Action::Finish))
                }
                State::Ending { .. } => (State::Ending { again: false }, None),
                State::Resting | State::Down => (State::Down, None),
            },
        };
        self.state = state;
        Ok(action)
    }

    fn ended(&mut self, lived: Duration) -> (State, Option<Action>) {
        match self.state {
            State::Starting | State::Up | State::Paused => {
                let before = if lived >= HEALTHY { 0 } else { self.failures };
                self.failures = before.saturating_add(1);
                (State::Resting, Some(Action::Rest(rest(self.failures))))
            }
            State::Ending { again: true } => {
                self.failures = 0;
                (State::Starting, Some(Action::Spawn))
            }
            State::Ending { again: false } => (State::Down, None),
            other => (other, None),
        }
    }

    fn asked(&mut self, ask: Ask) -> Result<(State, Option<Action>), Refusal> {
        Ok(match (ask, self.state) {
            (Ask::Kill, State::Starting | State::Up | State::Paused | State::Ending { .. }) => {
                (State::Ending { again: false }, Some(Action::Kill))
            }
            (Ask::Kill, State::Resting) => (State::Down, None),
            (Ask::Kill, State::Down) => return Err(Refusal("is down already")),
            (Ask::Restart, State::Starting | State::Up | State::Paused) => {
                (State::Ending { again: true }, Some(Action::Finish))
            }
            (Ask::Restart, State::Ending { .. }) => (State::Ending { again: true }, None),
            (Ask::Restart, State::Resting | State::Down) => {
                self.failures = 0;
                (State::Starting, Some(Action::Spawn))
            }
            (Ask::Pause, State::Up) => (State::Paused, Some(Action::Pause)),
            (Ask::Pause, State::Paused) => return Err(Refusal("is paused already")),
            (Ask::Pause, _) => return Err(Refusal("is not up, so that it cannot be paused")),
            (Ask::Resume, State::Paused) => (State::Up, Some(Action::Resume)),
            (Ask::Resume, _) => return Err(Refusal("is not paused")),
        })
    }
}

/// The rest after so many failures in a row, at least 1: it doubles from one to the next.
fn rest(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    REST_MIN.saturating_mul(1 << doublings).min(REST_MAX)
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Up => "up",
            Self::Paused => "paused",
            Self::Ending { .. } => "ending",
            Self::Resting => "resting",
            Self::Down => "down",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 7] = [
        State::Starting,
        State::Up,
        State::Paused,
        State::Ending { again: false },
        State::Ending { again: true },
        State::Resting,
        State::Down,
    ];
    const SHORT: Event = Event::Ended { lived: Duration::from_secs(1) };

    /// What comes of an event: the next state, and the action; or a refusal.
    type Done = Result<(State, Option<Action>), ()>;

    /// What each event does in each of [`STATES`].
    #[test]
    fn every_event_in_every_state() {
        use Action::{Finish, Kill, Rest, Spawn};
        use State::{Down, Paused, Resting, Starting, Up};
        let [down_next, again_next] = [false, true].map(|again| State::Ending { again });
        let rest = Some(Rest(REST_MIN));
        let refused = Err(());
        let table: [(Event, [Done; 7]); 8] = [
            (
                Event::Ready,
                [
                    Ok((Up, None)),
                    Ok((Up, None)),
                    Ok((Paused, None)),
                    Ok((down_next, None)),
                    Ok((again_next, None)),
                    Ok((Resting, None)),
                    Ok((Down, None)),
                ],
            ),
            (
                SHORT,
                [
                    Ok((Resting, rest)),
                    Ok((Resting, rest)),
                    Ok((Resting, rest)),
                    Ok((Down, None)),
                    Ok((Starting, Some(Spawn))),
                    Ok((Resting, None)),
                    Ok((Down, None)),
                ],
            ),
            (
                Event::Rested,
                [
                    Ok((Starting, None)),
                    Ok((Up, None)),
                    Ok((Paused, None)),
                    Ok((down_next, None)),
                    Ok((again_next, None)),
                    Ok((Starting, Some(Spawn))),
                    Ok((Down, None)),
                ],
            ),
            (
                Event::Stop,
                [
                    Ok((down_next, Some(Finish))),
                    Ok((down_next, Some(Finish))),
                    Ok((down_next, Some(Finish))),
                    Ok((down_next, None)),
                    Ok((down_next, None)),
                    Ok((Down, None)),
                    Ok((Down, None)),
                ],
            ),
            (
                Event::Asked(Ask::Kill),
                [
                    Ok((down_next, Some(Kill))),
                    Ok((down_next, Some(Kill))),
                    Ok((down_next, Some(Kill))),
                    Ok((down_next, Some(Kill))),
                    Ok((down_next, Some(Kill))),
                    Ok((Down, None)),
                    refused,
                ],
            ),
            (
                Event::Asked(Ask::Restart),
                [
                    Ok((again_next, Some(Finish))),
                    Ok((again_next, Some(Finish))),
                    Ok((again_next, Some(Finish))),
                    Ok((again_next, None)),
                    Ok((again_next, None)),
                    Ok((Starting, Some(Spawn))),
                    Ok((Starting, Some(Spawn))),
                ],
            ),
            (
                Event::Asked(Ask::Pause),
                [
                    refused,
                    Ok((Paused, Some(Action::Pause))),
                    refused,
                    refused,
                    refused,
                    refused,
                    refused,
                ],
            ),
            (
                Event::Asked(Ask::Resume),
                [
                    refused,
                    refused,
                    Ok((Up, Some(Action::Resume))),
                    refused,
                    refused,
                    refused,
                    refused,
                ],
            ),
        ];
        for (event, row) in table {
            for (before, expected) in STATES.into_iter().zip(row) {
                let mut policy = Policy { state: before, failures: 0 };
                let done = policy.on(event).map_err(|_| ());
                let found = done.map(|action| (policy.state(), action));
                assert_eq!(found, expected, "{event:?} in {before:?}");
                if expected.is_err() {
                    assert_eq!(policy.state(), before, "{event:?} in {before:?}");
                }
            }
        }
    }

    #[test]
    fn rests_double_up_to_a_bound_and_begin_anew_after_a_healthy_life() {
        let mut policy = Policy::default();
        let mut rests = Vec::new();
        for _ in 0..9 {
            let Ok(Some(Action::Rest(rest))) = policy.on(SHORT) else { panic!("no rest") };
            rests.push(rest.as_millis());
            assert_eq!(policy.on(Event::Rested), Ok(Some(Action::Spawn)));
        }
        assert_eq!(rests, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
        let healthy = Event::Ended { lived: HEALTHY };
        assert_eq!(policy.on(healthy), Ok(Some(Action::Rest(REST_MIN))));
    }

    #[test]
    fn who_was_killed_stays_down_until_restart() {
        let mut policy = Policy::default();
        let steps = [
            (Event::Ready, Ok(None)),
            (Event::Asked(Ask::Kill), Ok(Some(Action::Kill))),
            (SHORT, Ok(None)),
            (Event::Rested, Ok(None)),
            (Event::Asked(Ask::Kill), Err(Refusal("is down already"))),
            (Event::Asked(Ask::Restart), Ok(Some(Action::Spawn))),
            (Event::Ready, Ok(None)),
        ];
        for (event, expected) in steps {
            assert_eq!(policy.on(event), expected, "{event:?}");
        }
        assert_eq!(policy.state(), State::Up);
    }

    #[test]
    fn a_restart_while_the_killed_one_still_ends_is_not_lost() {
        let mut policy = Policy::default();
        assert_eq!(policy.on(Event::Asked(Ask::Kill)), Ok(Some(Action::Kill)));
        assert_eq!(policy.on(Event::Asked(Ask::Restart)), Ok(None));
        assert_eq!(policy.on(SHORT), Ok(Some(Action::Spawn)));
    }
}
