//! `avalanche load` against a node that decides alone: every payment is accounted for, whatever
//! the node does.

use std::ffi::OsString;
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::node::{FakeChain, Server, chain, node, runtime};
use avalanche_chain::Submit;
use avalanche_examples::cli;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// The exit code of a load, and its last line.
fn load(line: &str) -> (u8, Value) {
    let words = ["avalanche", "load", "--json"].into_iter().chain(line.split_whitespace());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = cli::main(words.map(OsString::from), &mut out, &mut err);
    let out = String::from_utf8(out).unwrap();
    let last = out.lines().last().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&err)));
    (code, serde_json::from_str(last).unwrap())
}

fn number(summary: &Value, name: &str) -> u64 {
    summary[name].as_u64().unwrap_or_else(|| panic!("{name} in {summary}"))
}

/// Waits until the chain has so many final payments.
fn until(chain: &FakeChain, accepted: u64) {
    while chain.accepted() < accepted {
        thread::sleep(Duration::from_millis(1));
    }
}

/// What a load asks an API that it has found dead.
const PROBE: &[u8] = b"GET /api/v1/chains/default HTTP";

/// Listens, and closes connections, until one of them brought payments, or shows that the load has
/// found the API dead before; or until `over` is set.
fn refuse_payments(address: SocketAddr, over: &AtomicBool) {
    let listener = TcpListener::bind(address).unwrap();
    listener.set_nonblocking(true).unwrap();
    while !over.load(Ordering::SeqCst) {
        let Ok((mut stream, _)) = listener.accept() else {
            thread::sleep(Duration::from_millis(1));
            continue;
        };
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let mut line = [0; PROBE.len()];
        let read = stream.read_exact(&mut line).is_ok();
        if read && (line.starts_with(b"POST") || line == PROBE) {
            return;
        }
    }
}

fn assert_all(chain: &FakeChain, (code, summary): &(u8, Value), count: u64) {
    assert_eq!(*code, 0, "{summary}");
    for (name, expected) in
        [("submitted", count), ("accepted", count), ("rejected", 0), ("lost", 0), ("skipped", 0)]
    {
        assert_eq!(number(summary, name), expected, "{name}: {summary}");
    }
    // Nothing is paid twice.
    assert_eq!(chain.accepted(), count);
}

#[test]
fn all_payments_of_a_quiet_run_are_final() {
    let (chain, server) = node(20, 1_000_000);
    let api = server.url();
    let done = load(&format!("--count 1500 --accounts 20 --batch 64 --zipf 0.8 --api {api}"));
    assert_all(&chain, &done, 1_500);
    let summary = &done.1;
    assert_eq!(number(summary, "disconnects"), 0);
    assert!(summary["tps"].as_f64().unwrap() > 0.0);
    let ms = |name: &str| summary[name].as_f64().unwrap();
    assert!(ms("p50_ms") > 0.0 && ms("p50_ms") <= ms("p95_ms"), "{summary}");
    assert!(ms("p95_ms") <= ms("p99_ms") && ms("p99_ms") <= ms("max_ms"), "{summary}");
    let rows = summary["histogram"].as_array().unwrap();
    assert_eq!(rows.iter().map(|row| number(row, "count")).sum::<u64>(), 1_500);
}

#[test]
fn a_rate_and_a_time_are_kept() {
    let (chain, server) = node(10, 1_000_000);
    let api = server.url();
    let done = load(&format!("--rate 100 --duration 2 --accounts 10 --batch 64 --api {api}"));
    let sent = number(&done.1, "submitted");
    assert_all(&chain, &done, sent);
    // The time may end before the last ones are due; a machine that is busy sends late.
    assert!((1..=200).contains(&sent), "{sent}");
    assert!(done.1["seconds"].as_f64().unwrap() >= 0.5, "{}", done.1);
}

#[test]
fn want_of_room_is_waited_for() {
    let (chain, server) = node(10, 1_000_000);
    chain.full.store(5, Ordering::SeqCst);
    let done = load(&format!("--count 300 --accounts 10 --batch 50 --api {}", server.url()));
    assert_all(&chain, &done, 300);
    assert!(number(&done.1, "pushed_back") >= 5 && number(&done.1, "resent") == 0, "{}", done.1);
}

#[test]
fn payments_that_died_in_a_mempool_are_sent_again() {
    let (chain, server) = node(10, 1_000_000);
    let killer = {
        let chain = Arc::clone(&chain);
        thread::spawn(move || {
            until(&chain, 20);
            chain.held.store(true, Ordering::SeqCst);
            // What is admitted now waits.
            while runtime().block_on(chain.pending(0)).unwrap().1 == 0 {
                thread::sleep(Duration::from_millis(1));
            }
            runtime().block_on(chain.lose_mempool());
            chain.held.store(false, Ordering::SeqCst);
        })
    };
    let line = "--count 2000 --accounts 10 --batch 20 --window 200 --resend-after 1";
    let done = load(&format!("{line} --api {}", server.url()));
    killer.join().unwrap();
    assert_all(&chain, &done, 2_000);
    assert!(number(&done.1, "resent") > 0, "{}", done.1);
}

#[test]
fn a_server_that_goes_and_comes_back_loses_nothing() {
    let (chain, server) = node(10, 1_000_000);
    let (address, url) = (server.address(), server.url());
    let over = Arc::new(AtomicBool::new(false));
    let killer = {
        let (chain, over) = (Arc::clone(&chain), Arc::clone(&over));
        thread::spawn(move || {
            until(&chain, 100);
            drop(server);
            runtime().block_on(chain.lose_mempool());
            refuse_payments(address, &over);
            Server::start(&chain, address)
        })
    };
    let line = "--count 2000 --accounts 10 --batch 20 --window 200 --resend-after 1";
    let done = load(&format!("{line} --api {url}"));
    over.store(true, Ordering::SeqCst);
    let _server = killer.join().unwrap();
    assert_all(&chain, &done, 2_000);
    assert!(number(&done.1, "disconnects") > 0, "{}", done.1);
}

#[test]
fn one_of_two_servers_dies_and_the_other_takes_over() {
    let chain = chain(10, 1_000_000);
    let any = ([127, 0, 0, 1], 0).into();
    let (one, two) = (Server::start(&chain, any), Server::start(&chain, any));
    let urls = (one.url(), two.url());
    let killer = {
        let chain = Arc::clone(&chain);
        thread::spawn(move || {
            until(&chain, 100);
            drop(one);
        })
    };
    let line = "--count 2000 --accounts 10 --batch 20 --window 200 --resend-after 1";
    let done = load(&format!("{line} --api {} --api {}", urls.0, urls.1));
    killer.join().unwrap();
    assert_all(&chain, &done, 2_000);
    assert!(number(&done.1, "disconnects") > 0, "{}", done.1);
}

#[test]
fn what_is_refused_is_told_apart_from_what_is_lost() {
    // Enough for some payments of each, not for all.
    let (chain, server) = node(3, 40);
    let line = "--count 120 --accounts 3 --fee 3 --amount 2 --settle 2";
    let (code, summary) = load(&format!("{line} --api {}", server.url()));
    assert_eq!(code, 1, "{summary}");
    let count = |name| number(&summary, name);
    assert_eq!(count("submitted"), count("accepted") + count("rejected"), "{summary}");
    assert_eq!((count("lost"), count("accepted")), (0, chain.accepted()), "{summary}");
    assert!(count("rejected") > 0, "{summary}");
    assert!(summary["refusals"]["insufficient_funds"]["count"].as_u64() > Some(0), "{summary}");
}

#[test]
fn what_has_no_receipt_in_the_end_is_lost() {
    let (chain, server) = node(10, 1_000_000);
    chain.held.store(true, Ordering::SeqCst);
    let line = "--count 30 --accounts 10 --settle 1";
    let (code, summary) = load(&format!("{line} --api {}", server.url()));
    assert_eq!((code, number(&summary, "lost"), number(&summary, "accepted")), (1, 30, 0));
    assert_eq!(number(&summary, "submitted"), 30);
}

#[test]
fn a_second_run_goes_on_where_the_first_ended() {
    let (chain, server) = node(5, 1_000_000);
    for run in 1..=2 {
        let (code, summary) = load(&format!("--count 100 --accounts 5 --api {}", server.url()));
        assert_eq!((code, number(&summary, "accepted")), (0, 100), "{summary}");
        assert_eq!(chain.accepted(), 100 * run);
    }
}

#[test]
fn an_interrupt_ends_the_run_with_its_summary() {
    let (chain, server) = node(10, 1_000_000);
    let program = Command::new(env!("CARGO_BIN_EXE_avalanche"))
        .args(["load", "--json", "--duration", "3600", "--accounts", "10", "--sign-ahead", "500"])
        .args(["--window", "100", "--api", &server.url()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    until(&chain, 200);
    kill_process(Pid::from_child(&program), Signal::INT).unwrap();
    let ended = program.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    let out = String::from_utf8(ended.stdout).unwrap();
    let summary: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert_eq!(summary["interrupted"], true);
    assert_eq!(number(&summary, "accepted"), number(&summary, "submitted"));
    assert_eq!(number(&summary, "accepted"), chain.accepted());
}

#[test]
fn a_run_waits_for_what_an_earlier_one_left_in_the_mempool() {
    let (chain, server) = node(2, 1_000_000);
    let url = server.url();
    chain.held.store(true, Ordering::SeqCst);
    let line = format!("avalanche pay --from demo:0 --to demo:1 --amount 1 --no-wait --api {url}");
    let words = line.split_whitespace().map(OsString::from);
    assert_eq!(cli::main(words, &mut Vec::new(), &mut Vec::new()), 0);
    let release = {
        let chain = Arc::clone(&chain);
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(300));
            chain.held.store(false, Ordering::SeqCst);
        })
    };
    let (code, summary) = load(&format!("--count 20 --accounts 2 --api {url}"));
    release.join().unwrap();
    assert_eq!((code, number(&summary, "accepted")), (0, 20), "{summary}");
    assert_eq!(chain.accepted(), 21);
}
