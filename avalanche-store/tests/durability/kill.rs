//! SIGKILL at any moment.

use std::time::Duration;

use crate::child::{Folder, Start, check};
use crate::{say, times};

fn kill(store: &str, usual: u32, slow: u32) {
    let folder = Folder::new(&format!("kill-{store}"));
    let runs = times(usual, slow);
    let (mut last, mut beyond, mut mid_open) = (0, 0, 0);
    for run in 0..u64::from(runs) {
        let mut writer = Start::default().writer(store, &folder.0);
        // Moments differ: while it opens, after a few batches, within the next one.
        match run % 8 {
            0 => std::thread::sleep(Duration::from_millis(run % 37)),
            _ => assert!(writer.wait_for(last + 1 + run * 7 % 13), "{:?}", writer.error),
        }
        std::thread::sleep(Duration::from_micros(run * 313 % 2_000));
        let writer = writer.kill();
        mid_open += u32::from(writer.durable == 0);
        let durable = writer.durable.max(last);
        // All of them now and then, the last ones each time.
        let from = if run % 50 == 49 { 1 } else { last.saturating_sub(20) };
        last = check(store, &folder.0, from, durable);
        beyond += u32::from(last > durable);
    }
    assert_eq!(check(store, &folder.0, 1, last), last);
    assert!(last > u64::from(runs) / 2, "only {last} batches in {runs} runs");
    assert!(mid_open > 0, "no kill while a store opened");
    say(&format!(
        "kill {store}: {runs} kills, {last} batches, none lost; {mid_open} kills during opening, {beyond} \
         times a batch that nobody had heard of was there, whole"
    ));
}

#[test]
fn two_hundred_kills_lose_nothing_of_a_log() {
    kill("log", 200, 2_000);
}

#[test]
fn kills_lose_nothing_of_sled() {
    kill("sled", 40, 200);
}

#[test]
fn kills_lose_nothing_of_redb() {
    kill("redb", 40, 200);
}
