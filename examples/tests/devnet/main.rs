//! The devnet as its users run it: real processes, real sockets, a folder.
#![cfg(test)]

mod full_disk;
mod harness;
mod kills;
mod partition;
mod payments;
mod silence;
mod spaces;

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::{Devnet, PATIENCE, Result, command, fresh, get, pid, stderr, votes};
use rustix::process::{Signal, kill_process, test_kill_process};

#[test]
fn five_processes_finalise_break_heal_and_leave_nothing() -> Result {
    let folder = fresh("story")?;
    let mut devnet = Devnet::start(&folder, &[])?;
    let started = devnet.event("started")?;
    let api = started["api"].as_str().ok_or("no api")?.to_owned();
    assert_eq!(started["validators"].as_array().map(Vec::len), Some(5));
    let first = devnet.event("first_final")?;
    let first_height = first["height"].as_u64().ok_or("no height")?;
    assert!(first_height >= 1, "{first}");
    devnet.until("agreement", |all| all.iter().all(|one| votes(one, first_height)))?;
    let answer = get(&api, "/api/v1/consensus/status")?;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    // One folder, one devnet.
    let second = devnet.tell(&["--api-port", "0"])?;
    assert!(!second.status.success());
    assert!(stderr(&second).contains("a devnet runs on it"), "{}", stderr(&second));

    // Break it: the first one, which the API is forwarded to.
    let told = devnet.tell(&["kill", "1"])?;
    assert!(told.status.success(), "{}", stderr(&told));
    let down = devnet.event("validator_down")?;
    assert_eq!((&down["validator"], &down["reason"]), (&1.into(), &"devnet kill".into()));
    let answer = get(&api, "/api/v1/consensus/status")?;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let again = devnet.tell(&["kill", "1"])?;
    assert!(stderr(&again).contains("is down already"), "{}", stderr(&again));
    let nobody = devnet.tell(&["pause", "6"])?;
    assert!(stderr(&nobody).contains("there are 1 to 5"), "{}", stderr(&nobody));

    // Heal it: it comes back, and catches up by itself.
    let told = devnet.tell(&["restart", "1"])?;
    assert!(told.status.success(), "{}", stderr(&told));
    devnet.event("validator_up")?;
    devnet.until("the catching up", |all| all.iter().all(|one| votes(one, first_height)))?;

    // A crash is not a kill: it is started again.
    let status = devnet.until("all", |all| all.iter().all(|one| one["pid"].is_u64()))?;
    let victim = status["validators"][2]["pid"].as_u64().ok_or("no pid")?;
    kill_process(pid(u32::try_from(victim)?), Signal::KILL)?;
    let down = devnet.event("validator_down")?;
    assert_eq!(down["again_in_ms"], 500, "{down}");
    let up = devnet.event("validator_up")?;
    assert_eq!(up["validator"], 3);
    devnet.stop()?;

    // Again on the same folder: everybody is where they were, and it goes on.
    let mut devnet = Devnet::start(&folder, &[])?;
    devnet.event("started")?;
    let next = devnet.event("first_final")?;
    assert!(next["height"].as_u64() > Some(first_height), "{next} after {first}");
    // One that is paused ends with the rest.
    let told = devnet.tell(&["pause", "2"])?;
    assert!(told.status.success(), "{}", stderr(&told));
    devnet.stop()?;
    fs::remove_dir_all(&folder)?;
    Ok(())
}

#[test]
fn validators_end_with_a_devnet_that_is_killed_paused_ones_too() -> Result {
    let folder = fresh("orphans")?;
    let mut devnet = Devnet::start(&folder, &["--validators", "2", "--no-payment"])?;
    devnet.event("started")?;
    assert!(devnet.tell(&["pause", "1"])?.status.success());
    let pids: Vec<u32> =
        devnet.pids.iter().copied().filter(|pid| *pid != devnet.child.id()).collect();
    assert_eq!(pids.len(), 2);
    // The pause is told when it is asked for, and the kernel wakes what has come to a stop.
    let begun = Instant::now();
    while !pids.iter().any(|one| has_stopped(*one)) {
        assert!(begun.elapsed() < PATIENCE, "none of {pids:?} stops");
        sleep(Duration::from_millis(10));
    }
    devnet.child.kill()?;
    devnet.child.wait()?;
    let begun = Instant::now();
    while pids.iter().any(|one| test_kill_process(pid(*one)).is_ok() && !is_zombie(*one)) {
        assert!(begun.elapsed() < PATIENCE, "a validator of {pids:?} is left");
        sleep(Duration::from_millis(50));
    }
    // What it left, a socket and a lock, is in nobody's way.
    let status = devnet.tell(&["status"])?;
    assert!(stderr(&status).contains("no devnet runs on"), "{}", stderr(&status));
    let mut again = Devnet::start(&folder, &["--no-payment"])?;
    again.event("started")?;
    again.stop()?;
    fs::remove_dir_all(&folder)?;
    Ok(())
}

/// Whether all threads of a process have come to a stop.
fn has_stopped(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    let stats = threads.flatten().map(|thread| fs::read_to_string(thread.path().join("stat")));
    let states = stats.map(|stat| stat.is_ok_and(|stat| state(&stat) == Some('T')));
    states.reduce(|all, one| all && one).unwrap_or(false)
}

/// The state of a process or thread, behind its name in parentheses.
fn state(stat: &str) -> Option<char> {
    stat.rsplit(')').next()?.trim_start().chars().next()
}

/// Whether a process has ended and only waits for somebody to ask how, as orphans do in a
/// container without anybody for that.
fn is_zombie(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state(&stat) == Some('Z')
}

#[test]
fn in_one_process_nothing_can_be_broken_and_the_reason_is_told() -> Result {
    let folder = fresh("inside")?;
    let args = ["--in-process", "--store", "memory", "--validators", "3"];
    let mut devnet = Devnet::start(&folder, &args)?;
    let started = devnet.event("started")?;
    assert_eq!(started["in_process"], true);
    devnet.event("first_final")?;
    for command in ["kill", "restart", "pause", "resume"] {
        let refused = devnet.tell(&[command, "1"])?;
        assert!(!refused.status.success());
        assert!(stderr(&refused).contains("without --in-process"), "{}", stderr(&refused));
    }
    // Its validators are the process itself.
    devnet.pids.clear();
    devnet.pids.push(u32::MAX >> 2);
    devnet.stop()?;
    fs::remove_dir_all(&folder)?;
    Ok(())
}

#[test]
fn what_is_wrong_is_told_with_the_way_out() -> Result {
    let folder = fresh("wrong")?;
    let nothing = command(&folder).arg("status").output()?;
    assert_eq!(nothing.status.code(), Some(1));
    assert!(stderr(&nothing).starts_with("devnet: no devnet runs on "), "{}", stderr(&nothing));

    let held = std::net::TcpListener::bind("127.0.0.1:0")?;
    let port = held.local_addr()?.port().to_string();
    let taken = command(&folder).args(["--api-port", &port]).output()?;
    assert_eq!(taken.status.code(), Some(1));
    let says = stderr(&taken);
    assert!(says.contains(&format!("port {port} (--api-port)")), "{says}");
    // Nothing was made before that was known.
    assert!(!folder.exists());

    fs::create_dir(&folder)?;
    fs::write(folder.join("devnet.json"), "{\"format\":0}")?;
    let old = command(&folder).args(["--api-port", "0"]).output()?;
    assert!(stderr(&old).contains("its format is 0"), "{}", stderr(&old));
    fs::remove_dir_all(&folder)?;
    Ok(())
}
