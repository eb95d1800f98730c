//! What bounds a mempool.

use std::{error, fmt};

use super::super::transfer::TRANSFER_BYTES;

/// The bounds of a [`Mempool`](super::Mempool).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MempoolConfig {
    /// The most transfers. At least 1. 100,000 by default.
    pub count_max: usize,
    /// The most bytes of transfers, as they are sent. At least one transfer. 32 MiB by default;
    /// memory is up to four times that.
    pub bytes_max: usize,
    /// How many transfers of one sender may wait: nonces from the account's on. From 1 to 4,096;
    /// 64 by default.
    pub sender_max: u64,
    /// By how many hundredths a fee has to be above that of the transfer that it replaces. At most
    /// 1,000; 10 by default. It has to be 1 above in any case.
    pub replacement_percent: u64,
    /// For how many transfers that were dropped the reason is kept. 10,000 by default.
    pub drops_max: usize,
}

impl Default for MempoolConfig {
    fn default() -> Self {
        Self {
            count_max: 100_000,
            bytes_max: 32 << 20,
            sender_max: 64,
            replacement_percent: 10,
            drops_max: 10_000,
        }
    }
}

/// A bound that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MempoolConfigError {
    /// The field.
    pub field: &'static str,
    /// Its value.
    pub found: u64,
    /// The least that is allowed.
    pub min: u64,
    /// The most that is allowed.
    pub max: u64,
}

impl MempoolConfig {
    /// Checks the bounds.
    ///
    /// # Errors
    ///
    /// [`MempoolConfigError`] for the first that makes no sense.
    pub fn check(&self) -> Result<(), MempoolConfigError> {
        let number = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        let fields = [
            ("count_max", number(self.count_max), 1, u64::MAX),
            ("bytes_max", number(self.bytes_max), number(TRANSFER_BYTES), u64::MAX),
            ("sender_max", self.sender_max, 1, 4_096),
            ("replacement_percent", self.replacement_percent, 0, 1_000),
        ];
        for (field, found, min, max) in fields {
            if found < min || found > max {
                return Err(MempoolConfigError { field, found, min, max });
            }
        }
        Ok(())
    }

    /// How many transfers fit into both bounds.
    pub(super) fn room(&self) -> usize {
        self.count_max.min(self.bytes_max / TRANSFER_BYTES)
    }

    /// The least fee that replaces a transfer with fee `old`, if there is one.
    pub(super) fn replacement_fee(&self, old: u64) -> Option<u64> {
        let percent = u128::from(self.replacement_percent) + 100;
        let least = (u128::from(old) * percent).div_ceil(100);
        u64::try_from(least.max(u128::from(old) + 1)).ok()
    }
}

impl fmt::Display for MempoolConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, found, min, max } = self;
        write!(f, "mempool: {field} is {found}, and has to be from {min} to {max}")
    }
}

impl error::Error for MempoolConfigError {}
