//! Five validators over real sockets that lose packets, and two of them apart from the other three:
//! neither side decides anything, `explain` says why, and both agree when they meet again.
//!
//! A poll draws 20 of 25 units of stake, and 15 equal votes are a success; 20 successes in a row
//! decide. Two validators have 10 units: no poll of theirs can succeed. Three have 15, all of which
//! have to be drawn: one poll in 211 does that, and 20 in a row are one chance in 10^46. And as
//! soon as a validator has noticed that less than three quarters of the stake is connected, it asks
//! nobody.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::harness::{PATIENCE, Result, agreed, json, stderr};
use crate::spaces::{Cut, Lab, NODES, api, say};

/// Partitions, unless the variable `DEVNET_PARTITIONS` says another number: 12 in the slow profile.
/// From the third one on, both sides wait until they have given the other one up.
const PARTITIONS: u32 = 2;
/// Payments while packets are lost.
const LOSSY_PAYMENTS: u32 = 1_000;
/// Payments around each partition, and how many of them a second.
const PAYMENTS: u32 = 600;
const RATE: u32 = 75;
/// Payments on each side of a partition.
const ON_EACH_SIDE: u32 = 6;
/// How long both sides are left alone after they have said why nothing is decided.
const APART: Duration = Duration::from_secs(2);
/// Units of stake of each validator.
const STAKE: u64 = 5;

fn avalanche(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_avalanche"));
    command.arg("--json").args(args);
    command
}

fn told(output: &Output) -> Result<Value> {
    let lines = String::from_utf8_lossy(&output.stdout);
    let last = lines.lines().last().ok_or_else(|| stderr(output))?;
    Ok(serde_json::from_str(last)?)
}

/// Hands a payment to a validator, and returns its name.
fn pay(at: usize, from: u32, to: u32) -> Result<String> {
    let (api, from, to) = (api(at), format!("demo:{from}"), format!("demo:{to}"));
    let args = ["--api", &api, "pay", "--from", &from, "--to", &to, "--amount", "5", "--no-wait"];
    let told = told(&avalanche(&args).output()?)?;
    Ok(told["id"].as_str().ok_or_else(|| told.to_string())?.to_owned())
}

/// What a validator knows of a payment.
fn payment(at: usize, id: &str) -> Result<Value> {
    json(&api(at), &format!("/api/v1/chains/payments/transactions/{id}"))
}

fn is_final(at: usize, id: &str) -> Result<bool> {
    Ok(payment(at, id)?["status"] == "accepted")
}

fn none_is_final(ids: &[String]) -> Result {
    for id in ids {
        for at in 0..NODES {
            assert!(!is_final(at, id)?, "{id} is final on {at}, which is apart from others");
        }
    }
    Ok(())
}

fn status(at: usize) -> Result<Value> {
    json(&api(at), "/api/v1/consensus/status")
}

/// A number that is text in JSON.
fn number(value: &Value) -> Result<u64> {
    Ok(value.as_str().ok_or_else(|| format!("{value} is no number"))?.parse()?)
}

/// Payments that go on beside the test. They end with this.
struct Load(Option<Child>);

impl Load {
    fn start(through: &[usize], count: u32, rate: u32, seed: u32) -> Result<Self> {
        let apis: Vec<_> = through.iter().map(|at| api(*at)).collect();
        let numbers = [count, rate, seed].map(|number| number.to_string());
        let [count, rate, seed] = &numbers;
        let load = ["load", "--count", count, "--rate", rate, "--seed", seed];
        let child = avalanche(&["--api", &apis.join(",")])
            .args(load)
            .args(["--accounts", "40", "--settle", "100"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        Ok(Self(Some(child)))
    }

    fn goes_on(&mut self) -> Result<bool> {
        Ok(self.0.as_mut().ok_or("no load")?.try_wait()?.is_none())
    }

    /// Waits for its end, and sees that all became final.
    fn all_final(mut self, count: u32) -> Result {
        let summary = told(&self.0.take().ok_or("no load")?.wait_with_output()?)?;
        assert_eq!(
            (&summary["accepted"], &summary["rejected"], &summary["lost"]),
            (&count.into(), &0.into(), &0.into()),
            "{summary}"
        );
        Ok(())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The blocks that were seen to be the last final one, on any validator at any time, by height.
#[derive(Default)]
struct Seen(BTreeMap<u64, String>);

impl Seen {
    /// Looks at all validators: no two have different blocks at a height. Returns what they say.
    fn look(&mut self) -> Result<Vec<Value>> {
        let all = (0..NODES).map(status).collect::<Result<Vec<_>>>()?;
        for (at, status) in all.iter().enumerate() {
            let last = &status["last_accepted"];
            let (height, id) = (number(&last["height"])?, last["id"].as_str().ok_or("no id")?);
            let known = self.0.entry(height).or_insert_with(|| id.to_owned());
            assert_eq!(known, id, "validator {at} has another block at height {height}");
        }
        Ok(all)
    }

    /// The heights of all validators.
    fn heights(&mut self) -> Result<Vec<u64>> {
        self.look()?.iter().map(|one| number(&one["last_accepted"]["height"])).collect()
    }

    /// Looks until it holds.
    fn until(&mut self, what: &str, holds: impl Fn() -> Result<bool>) -> Result {
        let begun = Instant::now();
        while !holds()? {
            let all = self.look()?;
            assert!(begun.elapsed() < PATIENCE, "{what} does not come: {all:#?}");
            sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// All validators vote, and are connected with all.
    fn until_all_vote(&mut self) -> Result {
        let votes = |at| {
            let status = status(at)?;
            Ok(status["phase"] == "normal_operation" && status["connected"] == 1.0)
        };
        self.until("votes", || Ok((0..NODES).map(votes).collect::<Result<Vec<_>>>()? == [true; 5]))
    }

    /// All validators have a block above this height.
    fn until_above(&mut self, height: u64) -> Result {
        let above = |at| Ok(number(&status(at)?["last_accepted"]["height"])? > height);
        self.until("progress", || {
            Ok((0..NODES).map(above).collect::<Result<Vec<_>>>()? == [true; 5])
        })
    }

    /// Every block that was seen is in the chain of every validator.
    fn are_in_every_chain(&self) -> Result {
        for at in 0..NODES {
            for (height, id) in &self.0 {
                let block = json(&api(at), &format!("/api/v1/chains/payments/blocks/{height}"))?;
                assert_eq!(block["id"], **id, "validator {at}, height {height}: {block}");
            }
        }
        Ok(())
    }
}

/// Runs a test in namespaces of its own, and says why where there are none.
fn within(name: &str, story: fn(&mut Lab) -> Result) -> Result {
    let mut lab = match Lab::new(name) {
        Ok(lab) => lab,
        Err(reason) => {
            say(&format!("SKIPPED devnet in network namespaces: {reason}"));
            return Ok(());
        }
    };
    // A thread of its own, since it does not come back from where it goes.
    let told = thread::spawn(move || {
        let told = lab.enter().and_then(|()| story(&mut lab)).and_then(|()| lab.stop());
        told.map_err(|error| error.to_string())
    });
    Ok(told.join().unwrap_or_else(|panic| resume_unwind(panic))?)
}

#[test]
fn one_packet_in_a_hundred_is_lost_and_no_payment() -> Result {
    within("loss", |lab| {
        lab.lose(0.01)?;
        lab.start()?;
        let mut seen = Seen::default();
        seen.until_all_vote()?;
        let before: Vec<u64> = (0..=NODES).map(|at| lab.lost(at)).collect::<Result<_>>()?;
        let heights = seen.heights()?;
        let mut load = Load::start(&[0, 1, 2, 3, 4], LOSSY_PAYMENTS, 150, 1)?;
        while load.goes_on()? {
            seen.look()?;
            sleep(Duration::from_millis(100));
        }
        load.all_final(LOSSY_PAYMENTS)?;
        agreed(&[0, 1, 2, 3, 4].map(api), LOSSY_PAYMENTS.into())?;
        let mut all = 0;
        for (at, before) in before.into_iter().enumerate() {
            let lost = lab.lost(at)? - before;
            assert!(lost > 0, "no packet to {at} was lost under load");
            all += lost;
        }
        for (after, before) in seen.heights()?.into_iter().zip(heights) {
            assert!(after > before, "{after} after {before}");
        }
        say(&format!("loss: {LOSSY_PAYMENTS} payments are final, {all} packets were lost"));
        seen.are_in_every_chain()?;
        lab.all_run()
    })
}

#[test]
fn three_and_two_apart_decide_nothing_and_agree_when_they_meet() -> Result {
    within("partition", |lab| {
        let partitions = match std::env::var("DEVNET_PARTITIONS") {
            Ok(number) => number.parse()?,
            Err(_) => PARTITIONS,
        };
        lab.start()?;
        let mut seen = Seen::default();
        seen.until_all_vote()?;
        for round in 0..partitions {
            apart(lab, round, &mut seen)?;
        }
        seen.are_in_every_chain()?;
        lab.all_run()
    })
}

/// One partition, under load, and its end.
fn apart(lab: &Lab, round: u32, seen: &mut Seen) -> Result {
    let how = if round.is_multiple_of(2) { Cut::Silent } else { Cut::Refused };
    let first = usize::try_from(round)? * 2 + 3;
    let two = [first % NODES, (first + 1) % NODES];
    let three: Vec<_> = (0..NODES).filter(|at| !two.contains(at)).collect();

    let highest = seen.heights()?.into_iter().max().unwrap_or_default();
    let mut load = Load::start(&three, PAYMENTS, RATE, round)?;
    seen.until_above(highest + 1)?;

    lab.cut(how, &two, &three)?;
    let cut = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())?;
    let queries = |at| number(&status(at)?["stats"]["queries_dropped"]);
    let dropped = (0..NODES).map(queries).collect::<Result<Vec<_>>>()?;
    // Every payment is of an account of its own, but the last two: they spend the same.
    let account = 1_000 * (round % 9 + 1);
    let mut paid = Vec::new();
    for number in 0..ON_EACH_SIDE {
        let at = usize::try_from(number)?;
        paid.push(pay(three[at % 3], account + number, account + 500)?);
        paid.push(pay(two[at % 2], account + 100 + number, account + 500)?);
    }
    let rivals = [(three[0], 201), (two[0], 202)];
    let rivals = rivals.map(|(at, to)| Ok((at, pay(at, account + 200, account + to)?)));
    let rivals = rivals.into_iter().collect::<Result<Vec<_>>>()?;

    // A block with any of these is made after the cut, and so is every poll about it.
    let handed_in: Vec<_> = paid.iter().chain(rivals.iter().map(|(_, id)| id)).cloned().collect();

    let given_up = how == Cut::Refused || round >= PARTITIONS;
    for side in [&three[..], &two] {
        let polls = explained(side, given_up, cut, || {
            seen.look()?;
            none_is_final(&handed_in)
        })?;
        if how == Cut::Silent {
            assert!(polls > 0, "{side:?} asked nobody");
        }
    }
    let alone = Instant::now();
    while alone.elapsed() < APART {
        seen.look()?;
        none_is_final(&handed_in)?;
        sleep(Duration::from_millis(100));
    }
    for (at, dropped) in dropped.into_iter().enumerate() {
        assert!(lab.held_up(at)? > 0, "no packet to validator {at} was held up");
        if given_up {
            seen.until("the end of all questions", || Ok(queries(at)? > dropped))?;
        }
    }
    assert!(load.goes_on()?, "payments on the side of three became final");
    let waits = number(&status(three[0])?["pending"])?;
    assert!(waits > 0, "nothing waits on the side of three");

    let stuck = seen.heights()?;
    lab.heal()?;
    let healed = Instant::now();
    load.all_final(PAYMENTS)?;
    for id in &paid {
        for at in 0..NODES {
            seen.until(id, || is_final(at, id))?;
        }
    }
    let won = |at| rivals.iter().map(|(_, id)| is_final(at, id)).collect::<Result<Vec<_>>>();
    for at in 0..NODES {
        seen.until("one of two rivals", || Ok(won(at)?.contains(&true)))?;
        assert_eq!(won(at)?, won(0)?, "validator {at}, and the first");
    }
    assert_ne!(won(0)?, [true; 2], "both of {rivals:?} are final");
    for ((at, id), won) in rivals.iter().zip(won(0)?) {
        if !won {
            let refused = || Ok(payment(*at, id)?["code"] == "nonce_too_low");
            seen.until("the reason of the one that lost", refused)?;
        }
    }
    let all = PAYMENTS + 2 * ON_EACH_SIDE + 1;
    agreed(&[0, 1, 2, 3, 4].map(api), u64::from(all * (round + 1)))?;
    seen.until_all_vote()?;
    say(&format!(
        "partition {round}: {how:?}, stuck at {stuck:?}, all agreed {:?} after it ended",
        healed.elapsed()
    ));
    Ok(())
}

/// Waits until a validator of a side says why nothing is decided. Returns how many polls it has
/// had since the cut, of those that it remembers.
fn explained(
    side: &[usize],
    given_up: bool,
    cut: u64,
    mut look: impl FnMut() -> Result,
) -> Result<usize> {
    let begun = Instant::now();
    loop {
        look()?;
        let output = avalanche(&["--api", &api(side[0]), "explain"]).output()?;
        let explained = told(&output).unwrap_or_default();
        let block = &explained["block"];
        let cause = &block["cause"];
        let reached = match cause["kind"].as_str().unwrap_or_default() {
            "weight_unreachable" => {
                // Connections with the other side may end one after the other.
                let share = cause["connected"].as_f64().ok_or("no share")?;
                (share - f64::from(u32::try_from(side.len())?) / 5.0).abs() < 0.01
            }
            "polls_timing_out" => !given_up,
            _ => false,
        };
        if reached {
            return votes_within(side, block, cut);
        }
        assert!(begun.elapsed() < PATIENCE, "{side:?}: {explained} {}", stderr(&output));
        sleep(Duration::from_millis(250));
    }
}

/// Sees that no poll since the cut had more votes for what nobody has accepted than a side has
/// stake, and returns how many there were. Who does not answer counts for the block that it last
/// said to have accepted, so a side may have those votes of the other one.
fn votes_within(side: &[usize], explained: &Value, cut: u64) -> Result<usize> {
    let stake = STAKE * u64::try_from(side.len())?;
    let mut polls = 0;
    for poll in explained["polls"].as_array().ok_or("no polls")? {
        if number(&poll["opened_ns"])? <= cut {
            continue;
        }
        polls += 1;
        let mut open = 0;
        for votes in poll["votes"].as_array().into_iter().flatten() {
            let id = votes["block"].as_str().ok_or("no block")?;
            if !is_accepted_anywhere(id)? {
                open += votes["count"].as_u64().ok_or("no count")?;
            }
        }
        assert!(open <= stake, "{side:?}: {poll}");
    }
    Ok(polls)
}

fn is_accepted_anywhere(block: &str) -> Result<bool> {
    for at in 0..NODES {
        let block = json(&api(at), &format!("/api/v1/chains/payments/blocks/{block}"))?;
        if block["status"] == "accepted" {
            return Ok(true);
        }
    }
    Ok(false)
}
