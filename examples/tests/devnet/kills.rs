//! `kill -9` of each validator in turn, under load: nothing that was acknowledged is lost.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Devnet, Result, fresh, stderr, votes};

/// Kills, unless the variable `DEVNET_KILLS` says another number: 100 in the slow profile.
const KILLS: u32 = 20;
/// Payments while one validator is killed.
const PAYMENTS: u32 = 150;

/// Pays, and kills a validator meanwhile. Returns the summary of the load.
fn round(devnet: &Devnet, api: &str, victim: &str, seed: &str) -> Result<Value> {
    let count = PAYMENTS.to_string();
    let load = Command::new(env!("CARGO_BIN_EXE_avalanche"))
        .args(["--api", api, "--json", "load", "--count", &count, "--rate", "150"])
        .args(["--accounts", "40", "--seed", seed])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    sleep(Duration::from_millis(300));
    let told = devnet.tell(&["kill", victim])?;
    assert!(told.status.success(), "{}", stderr(&told));
    sleep(Duration::from_millis(200));
    let told = devnet.tell(&["restart", victim])?;
    assert!(told.status.success(), "{}", stderr(&told));
    let ended = load.wait_with_output()?;
    let lines = String::from_utf8(ended.stdout)?;
    let summary = lines.lines().last().ok_or_else(|| String::from_utf8_lossy(&ended.stderr))?;
    Ok(serde_json::from_str(summary)?)
}

#[test]
fn kill_9_of_each_validator_in_turn_under_load_loses_nothing() -> Result {
    let kills = match std::env::var("DEVNET_KILLS") {
        Ok(number) => number.parse()?,
        Err(_) => KILLS,
    };
    let folder = fresh("kills")?;
    let mut devnet = Devnet::start(&folder, &[])?;
    let api = devnet.event("started")?["api"].as_str().ok_or("no api")?.to_owned();
    devnet.event("first_final")?;
    let mut accepted = 1;
    for kill in 0..kills {
        let victim = (kill % 5 + 1).to_string();
        let summary = round(&devnet, &api, &victim, &kill.to_string())?;
        assert_eq!(summary["lost"], 0, "{summary}");
        assert_eq!(summary["accepted"], PAYMENTS, "{summary}");
        accepted += u64::from(PAYMENTS);
        // The killed one votes again by itself.
        devnet.until("all vote", |all| all.iter().all(|one| votes(one, 1)))?;
    }

    devnet.agreed(accepted)?;
    devnet.stop()?;
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
