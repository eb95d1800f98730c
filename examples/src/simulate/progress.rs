//! A bar on a terminal while seeds run.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Draws to the standard error if that is a terminal, else nothing.
#[derive(Debug)]
pub(super) struct Progress {
    shown: bool,
    all: u64,
    started: Instant,
    drawn: Option<Instant>,
}

const WIDTH: u64 = 40;
const PERIOD: Duration = Duration::from_millis(100);

impl Progress {
    pub(super) fn new(all: u64, wanted: bool) -> Self {
        let shown = wanted && std::io::stderr().is_terminal();
        Self { shown, all, started: Instant::now(), drawn: None }
    }

    /// Shows how many are done and how many of them failed.
    pub(super) fn show(&mut self, done: u64, failed: u64) {
        let fresh = self.drawn.is_some_and(|drawn| drawn.elapsed() < PERIOD);
        if !self.shown || (fresh && done < self.all) {
            return;
        }
        self.drawn = Some(Instant::now());
        let bar = bar(done, failed, self.all, self.started.elapsed());
        let _ = write!(std::io::stderr(), "\r{bar}\x1b[K");
    }

    /// Clears the line.
    pub(super) fn end(&self) {
        if self.drawn.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

fn bar(done: u64, failed: u64, all: u64, took: Duration) -> String {
    let full = done * WIDTH / all.max(1);
    let bar: String = (0..WIDTH).map(|at| if at < full { '#' } else { '.' }).collect();
    let each_second = done as f64 / took.as_secs_f64().max(1e-9);
    format!("[{bar}] {done}/{all} seeds, {each_second:.0} a second, {failed} failed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_as_long_as_what_is_done() {
        let text = bar(25, 1, 100, Duration::from_secs(5));
        assert_eq!(
            text,
            format!("[{}{}] 25/100 seeds, 5 a second, 1 failed", "#".repeat(10), ".".repeat(30))
        );
        assert!(bar(100, 0, 100, Duration::ZERO).starts_with(&format!("[{}]", "#".repeat(40))));
    }
}
