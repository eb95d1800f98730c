//! What processes used, as the operating system counts it.

use std::time::Duration;
use std::{fs, io};

use super::devnet::Validator;
use crate::store::told;

/// What some processes used since they began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Processor time of all their threads. The system counts it by hundredths of a second.
    pub cpu: Duration,
    /// Bytes that they wrote to files.
    pub written: u64,
    /// Bytes that they hold in memory now.
    pub memory: u64,
}

/// What these validators used so far, together.
///
/// # Errors
///
/// If one has ended, or the system is not Linux.
pub fn used(validators: &[Validator]) -> io::Result<Used> {
    let mut all = Used::default();
    for Validator { pid, .. } in validators {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name, in brackets, can hold anything.
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let number = |at: usize| {
            let field = fields.split_whitespace().nth(at);
            let field = field.and_then(|field| field.parse::<u64>().ok());
            field.ok_or_else(|| told(format!("process {pid} has no field {at}")))
        };
        // Fields 14 and 15 of proc(5), from the third on; a tick is 10 ms on all of Linux.
        let ticks = number(11)? + number(12)?;
        all.cpu += Duration::from_millis(10 * ticks);
        all.memory += 4_096 * number(21)?;
        let io = fs::read_to_string(format!("/proc/{pid}/io"))?;
        let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
        all.written += line.and_then(|line| line.parse::<u64>().ok()).unwrap_or_default();
    }
    Ok(all)
}
