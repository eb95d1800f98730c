//! Two of five silent: nothing becomes final, `explain` says why, and it goes on when they return.

use std::process::{Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Devnet, PATIENCE, Result, fresh, stderr, votes};

fn avalanche(api: &str, args: &[&str]) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_avalanche"));
    Ok(command.args(["--api", api, "--json"]).args(args).output()?)
}

#[test]
fn two_silent_validators_stop_decisions_and_explain_says_so() -> Result {
    let folder = fresh("silence")?;
    let mut devnet = Devnet::start(&folder, &["--no-payment"])?;
    devnet.event("started")?;
    let status = devnet.until("votes", |all| all.iter().all(|one| votes(one, 0)))?;
    let api = status["validators"][0]["api"].as_str().ok_or("no api")?;
    let api = format!("http://{api}");
    // One silent validator costs no poll.
    assert!(devnet.tell(&["pause", "5"])?.status.success());
    let pay = ["pay", "--from", "demo:0", "--to", "demo:1", "--amount", "5"];
    let paid = avalanche(&api, &pay)?;
    assert!(paid.status.success(), "{}", stderr(&paid));
    devnet.until("the first", |all| all.iter().take(4).all(|one| votes(one, 1)))?;

    assert!(devnet.tell(&["pause", "4"])?.status.success());
    let sent = avalanche(&api, &[&pay[..], &["--no-wait"]].concat())?;
    assert!(sent.status.success(), "{}", stderr(&sent));
    let begun = Instant::now();
    let explained = loop {
        let output = avalanche(&api, &["explain"])?;
        let explained: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let cause = explained["block"]["cause"]["kind"].as_str().unwrap_or_default();
        if ["polls_timing_out", "weight_unreachable"].contains(&cause) {
            break explained;
        }
        assert!(begun.elapsed() < PATIENCE, "{explained} {}", stderr(&output));
        sleep(Duration::from_millis(250));
    };
    assert_eq!(explained["block"]["height"], "2", "{explained}");
    for one in ["4", "5"] {
        assert!(devnet.tell(&["resume", one])?.status.success());
    }
    devnet.until("the second", |all| all.iter().all(|one| votes(one, 2)))?;
    devnet.agreed(2)?;
    devnet.stop()?;
    Ok(std::fs::remove_dir_all(&folder)?)
}
