//! This node's settings for the payments VM.

use std::num::{NonZeroU64, NonZeroUsize};

use crate::payments::MempoolConfig;
use crate::{Error, InvalidKind};

/// Settings of one instance. They change no rule: nodes with different ones agree.
///
/// As bytes of [`VmContext::config`](crate::VmContext::config) they are lines of `name = value`,
/// with `#` before comments; what is not named has its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaymentsConfig {
    /// `state_heights`: how many heights of the state can be read and proven; 256 by default.
    pub state_heights: NonZeroU64,
    /// `state_memory_bytes`: Merkle nodes that stay in memory; 512 MiB by default.
    pub state_memory_bytes: usize,
    /// `flush_every`: accepted blocks after which the state is written, which the chain's log would
    /// replay after a crash; 64 by default. Up to twice as many gather while it is being written.
    pub flush_every: NonZeroU64,
    /// `flush_accounts`: changed accounts, counted for each block, after which the state is written
    /// even if there were fewer blocks; 65,536 by default. This bounds memory, and makes a replay
    /// after a crash one of about a second.
    pub flush_accounts: NonZeroUsize,
    /// `receipts`: how many of the newest accepted transfers are found by name; 32,768 by default.
    /// The index of a chain has all of them.
    pub receipts: usize,
    /// `mempool_count`, `mempool_bytes`, `mempool_sender`: bounds of the mempool.
    pub mempool: MempoolConfig,
}

impl Default for PaymentsConfig {
    fn default() -> Self {
        Self {
            state_heights: NonZeroU64::new(256).unwrap_or(NonZeroU64::MIN),
            state_memory_bytes: 512 << 20,
            flush_every: NonZeroU64::new(64).unwrap_or(NonZeroU64::MIN),
            flush_accounts: NonZeroUsize::new(1 << 16).unwrap_or(NonZeroUsize::MIN),
            receipts: 32_768,
            mempool: MempoolConfig::default(),
        }
    }
}

impl PaymentsConfig {
    /// Reads settings.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] names the line, what it holds and what is allowed.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let text = std::str::from_utf8(bytes).map_err(|_| wrong("the settings are not UTF-8"))?;
        let mut config = Self::default();
        for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
            if line.is_empty() {
                continue;
            }
            let (name, value) = line
                .split_once('=')
                .ok_or_else(|| wrong(format!("{line:?} is no setting: name = value is")))?;
            config.set(name.trim(), value.trim())?;
        }
        config.mempool.check().map_err(|error| wrong(error.to_string()))?;
        Ok(config)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Error> {
        match name {
            "state_heights" => self.state_heights = number(name, value)?,
            "state_memory_bytes" => self.state_memory_bytes = number(name, value)?,
            "flush_every" => self.flush_every = number(name, value)?,
            "flush_accounts" => self.flush_accounts = number(name, value)?,
            "receipts" => self.receipts = number(name, value)?,
            "mempool_count" => self.mempool.count_max = number(name, value)?,
            "mempool_bytes" => self.mempool.bytes_max = number(name, value)?,
            "mempool_sender" => self.mempool.sender_max = number(name, value)?,
            _ => {
                return Err(wrong(format!(
                    "there is no setting {name:?}: there are state_heights, state_memory_bytes, \
                     flush_every, flush_accounts, receipts, mempool_count, mempool_bytes and mempool_sender"
                )));
            }
        }
        Ok(())
    }
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, Error> {
    value.parse().map_err(|_| {
        wrong(format!("{name} is {value:?}; allowed is a whole number that fits, without units"))
    })
}

fn wrong(reason: impl Into<String>) -> Error {
    Error::invalid(InvalidKind::Malformed, "settings", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_lines_and_unknown_ones_are_refused() {
        assert_eq!(PaymentsConfig::parse(b"").unwrap(), PaymentsConfig::default());
        let text = "# mine\n flush_every = 7 # often\n\nmempool_sender=9\n";
        let config = PaymentsConfig::parse(text.as_bytes()).unwrap();
        assert_eq!((config.flush_every.get(), config.mempool.sender_max), (7, 9));
        for (bad, says) in [
            ("flush_every", "name = value"),
            ("flush_often = 7", "flush_every"),
            ("flush_every = 0", "\"0\""),
            ("receipts = many", "\"many\""),
            ("mempool_count = 0", "count_max"),
        ] {
            let text = PaymentsConfig::parse(bad.as_bytes()).unwrap_err().to_string();
            assert!(text.contains(says), "{bad}: {text}");
        }
        assert!(PaymentsConfig::parse(&[0xff]).is_err());
    }
}
