//! Settings of a manager, and what is wrong with them.

use std::time::Duration;

use super::ManagerError;

/// How a manager runs its instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManagerConfig {
    /// The most instances, started or not: the variable `MAX_VMS_PER_NODE`. By default 16.
    pub vms_max: usize,
    /// The most calls that wait for one instance; a caller beyond them waits for room. By default
    /// 256.
    pub calls_max: usize,
    /// How long each kind of call may take.
    pub deadlines: Deadlines,
    /// How long a failed instance rests.
    pub back_off: BackOff,
}

/// How long calls may take, waiting in the queue included. A call that runs longer makes the
/// instance fail: it is made anew when the call has returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Parsing a block. By default 5 s.
    pub parse: Duration,
    /// Building a block. By default 10 s.
    pub build: Duration,
    /// Verifying a block. By default 10 s.
    pub verify: Duration,
    /// Accepting or rejecting a block, or entering a phase. By default 30 s.
    pub decide: Duration,
    /// All that comes from peers and clients. By default 5 s.
    pub other: Duration,
}

/// Rests between a failure and the next try: the first, then twice as long after each failure
/// that follows, up to the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackOff {
    /// The first rest. By default 1 s.
    pub first: Duration,
    /// The longest. By default 1 min.
    pub longest: Duration,
    /// An instance that ran for so long without a failure begins with the first rest again. By
    /// default 10 min.
    pub forgiven_after: Duration,
}

impl Default for ManagerConfig {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            vms_max: 16,
            calls_max: 256,
            deadlines: Deadlines {
                parse: seconds(5),
                build: seconds(10),
                verify: seconds(10),
                decide: seconds(30),
                other: seconds(5),
            },
            back_off: BackOff {
                first: seconds(1),
                longest: seconds(60),
                forgiven_after: seconds(600),
            },
        }
    }
}

impl ManagerConfig {
    /// Reads a value of `MAX_VMS_PER_NODE`.
    ///
    /// # Errors
    ///
    /// [`ManagerError::Config`] names the variable, the value and what is allowed.
    pub fn parse_vms_max(value: &str) -> Result<usize, ManagerError> {
        match value.parse() {
            Ok(number @ 1..=VMS_MAX) => Ok(number),
            _ => Err(config("MAX_VMS_PER_NODE", value, "a number from 1 to 4096")),
        }
    }

    pub(super) fn check(&self) -> Result<(), ManagerError> {
        if !(1..=VMS_MAX).contains(&self.vms_max) {
            return Err(config("vms_max", &self.vms_max.to_string(), "1 to 4096"));
        }
        if !(1..=65_536).contains(&self.calls_max) {
            return Err(config("calls_max", &self.calls_max.to_string(), "1 to 65536"));
        }
        let Deadlines { parse, build, verify, decide, other } = self.deadlines;
        if [parse, build, verify, decide, other].contains(&Duration::ZERO) {
            return Err(config("deadlines", "0 s", "more than nothing for each"));
        }
        let BackOff { first, longest, .. } = self.back_off;
        if first > longest || longest.is_zero() {
            let found = format!("first {first:?}, longest {longest:?}");
            return Err(config("back_off", &found, "first <= longest, longest above 0"));
        }
        Ok(())
    }
}

/// More instances than anybody runs in one process: a thread each.
const VMS_MAX: usize = 4096;

fn config(name: &'static str, found: &str, allowed: &'static str) -> ManagerError {
    ManagerError::Config { name, found: found.to_owned(), allowed }
}

impl BackOff {
    /// The rest after so many failures in a row, the first being 1.
    pub(super) fn rest(self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_double_up_to_the_longest() {
        let back_off = ManagerConfig::default().back_off;
        let rests = (1..=8).map(|failures| back_off.rest(failures).as_secs());
        assert_eq!(rests.collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(back_off.rest(u32::MAX).as_secs(), 60);
    }

    #[test]
    fn settings_that_make_no_sense_are_named() {
        let good = ManagerConfig::default();
        good.check().unwrap();
        let bad = [
            (ManagerConfig { vms_max: 0, ..good }, "vms_max"),
            (ManagerConfig { calls_max: 0, ..good }, "calls_max"),
            (
                ManagerConfig {
                    deadlines: Deadlines { verify: Duration::ZERO, ..good.deadlines },
                    ..good
                },
                "deadlines",
            ),
            (
                ManagerConfig {
                    back_off: BackOff { longest: Duration::ZERO, ..good.back_off },
                    ..good
                },
                "back_off",
            ),
        ];
        for (config, name) in bad {
            let text = config.check().unwrap_err().to_string();
            assert!(text.contains(name), "{text}");
        }
        assert_eq!(ManagerConfig::parse_vms_max("7").unwrap(), 7);
        for bad in ["", "0", "-1", "many", "4097", "7 "] {
            let text = ManagerConfig::parse_vms_max(bad).unwrap_err().to_string();
            assert!(text.contains("MAX_VMS_PER_NODE") && text.contains("1 to 4096"), "{text}");
        }
    }
}
