//! Many payments through five processes: all final, the same everywhere, and all in each index.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use avalanche_examples::demo;
use serde_json::Value;

use crate::harness::{Devnet, Result, fresh, json};

/// Payments, unless the variable `DEVNET_PAYMENTS` says another number: 100,000 in the slow
/// profile.
const PAYMENTS: u64 = 3_000;
/// Payments in each round of those through two validators.
const TWO_PAYMENTS: u64 = 20_000;
/// Rejected blocks that say that some contested, and rounds until there have to be so many.
const CONTESTED: u64 = 8;
const ROUNDS_MAX: u32 = 30;
/// Accounts that pay one another.
const ACCOUNTS: u32 = 200;

/// The names of all payments that a validator's index has for an account.
fn indexed(api: &str, account: u32, names: &mut BTreeSet<String>) -> Result {
    let address = demo::address(account);
    let mut cursor = String::new();
    loop {
        let route = format!("/api/v1/chains/payments/accounts/{address}/transactions");
        let page = json(api, &format!("{route}?limit=256{cursor}"))?;
        let all = page["transactions"].as_array().ok_or("no transactions")?;
        names.extend(all.iter().filter_map(|one| one["id"].as_str()).map(str::to_owned));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(()),
        }
    }
}

#[test]
fn many_payments_are_final_the_same_everywhere_and_in_each_index() -> Result {
    let payments = match std::env::var("DEVNET_PAYMENTS") {
        Ok(number) => number.parse()?,
        Err(_) => PAYMENTS,
    };
    let folder = fresh("payments")?;
    let mut devnet = Devnet::start(&folder, &[])?;
    let api = devnet.event("started")?["api"].as_str().ok_or("no api")?.to_owned();
    devnet.event("first_final")?;
    let load = Command::new(env!("CARGO_BIN_EXE_avalanche"))
        .args(["--api", &api, "--json", "load", "--count", &payments.to_string()])
        .args(["--accounts", &ACCOUNTS.to_string()])
        .output()?;
    let lines = String::from_utf8(load.stdout)?;
    let summary: Value = serde_json::from_str(lines.lines().last().unwrap_or_default())?;
    assert_eq!(
        (&summary["accepted"], &summary["lost"]),
        (&payments.into(), &0.into()),
        "{summary}"
    );
    // Beside them there is one that the devnet made by itself, between other accounts.
    for api in devnet.agreed(payments + 1)? {
        let mut names = BTreeSet::new();
        for account in 0..ACCOUNTS {
            indexed(&api, account, &mut names)?;
        }
        assert_eq!(names.len() as u64, payments, "in the index of {api}");
    }
    devnet.stop()?;
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

/// Makes the folder of a network in which there are no slots: whoever has payments builds,
/// whatever others do.
fn propose_at_once(folder: &Path, validators: u32) -> Result {
    let mut devnet = Devnet::start(folder, &["--validators", &validators.to_string()])?;
    devnet.event("started")?;
    devnet.stop()?;
    let file = folder.join("genesis.json");
    let mut genesis: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
    genesis["chains"][0]["proposers"]["slots"] = 0.into();
    std::fs::write(&file, serde_json::to_vec(&genesis)?)?;
    for node in 1..=validators {
        // It is another chain now.
        std::fs::remove_dir_all(folder.join(format!("node-{node}/chains")))?;
    }
    Ok(())
}

/// Blocks contest where both validators build at once, and neither has the votes of 15 of 20
/// without the other: chance has to end it.
#[test]
fn two_validators_decide_blocks_that_contest() -> Result {
    let folder = fresh("two")?;
    propose_at_once(&folder, 2)?;
    let mut devnet = Devnet::start(&folder, &["--validators", "2"])?;
    let started = devnet.event("started")?;
    let validators = started["validators"].as_array().ok_or("no validators")?;
    let apis: Vec<_> = validators.iter().filter_map(|one| one["api"].as_str()).collect();
    let apis = apis.iter().map(|api| format!("http://{api}")).collect::<Vec<_>>().join(",");
    devnet.event("first_final")?;
    let first = apis.split(',').next().unwrap_or_default();
    let mut rejected = 0;
    for round in 0..ROUNDS_MAX {
        let load = Command::new(env!("CARGO_BIN_EXE_avalanche"))
            .args(["--api", &apis, "--json", "load", "--count", &TWO_PAYMENTS.to_string()])
            .args(["--accounts", "2000", "--settle", "30"])
            .output()?;
        let lines = String::from_utf8(load.stdout)?;
        let summary: Value = serde_json::from_str(lines.lines().last().unwrap_or_default())?;
        assert_eq!(summary["accepted"], TWO_PAYMENTS, "round {round}: {summary}");
        let status = json(first, "/api/v1/consensus/status")?;
        rejected = status["stats"]["rejected"].as_str().ok_or("no number")?.parse()?;
        if rejected >= CONTESTED {
            break;
        }
    }
    assert!(rejected >= CONTESTED, "only {rejected} blocks contested");
    devnet.stop()?;
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
