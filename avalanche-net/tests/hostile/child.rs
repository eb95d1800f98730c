//! A node in a process of its own.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::{env, fs, thread};

use avalanche_consensus::{Id, NodeId};
use avalanche_net::control::PeerValidator;
use avalanche_net::network::NetworkConfig;
use avalanche_net::throttle::PoolConfig;

use crate::victim::{Node, config};

const ROLE: &str = "AVALANCHE_NET_HOSTILE";
/// Marks the lines that are for the parent: the test harness prints, too.
const MARK: &str = "victim: ";

/// Peers at once.
pub(crate) const PEERS: usize = 20;

/// The limits of the node that is attacked: the defaults, but for fewer peers and less to send
/// them, so that memory that goes beyond them shows.
pub(crate) fn limits() -> NetworkConfig {
    let mut config = config();
    config.control.max_peers = PEERS;
    config.limits.pending_upgrades = 128;
    config.limits.outbound_pool =
        PoolConfig { at_large: 4 << 20, node_at_large_max: 1 << 20, validators: 4 << 20 };
    config.limits.read_timeout = std::time::Duration::from_secs(3);
    config.limits.write_timeout = std::time::Duration::from_secs(3);
    config.limits.upgrade_timeout = std::time::Duration::from_secs(1);
    config.control.handshake_timeout = std::time::Duration::from_secs(3);
    config.control.ping_interval = std::time::Duration::from_secs(1);
    config
}

/// Runs until standard input ends.
pub(crate) fn main() {
    let Ok(validator) = env::var(ROLE) else { return };
    let node_id = validator.parse().expect("a name");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let node = Node::start(limits()).await;
        let validator = PeerValidator { node_id, weight: 1, bls_key: None };
        node.network.set_validators(Id::EMPTY, vec![validator]);
        let mut out = std::io::stdout();
        writeln!(out, "\n{MARK}{} {}", node.addr(), node.node_id).expect("a parent");
        let ended = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0]));
        let _ = ended.await;
        let stats = node.network.shutdown().await;
        let mut counts: BTreeMap<_, _> = stats.closed;
        counts.insert("undecodable", stats.undecodable);
        counts.insert("throttled", stats.throttled);
        counts.insert("gossip", node.gossip.load(std::sync::atomic::Ordering::Relaxed));
        for (name, count) in counts {
            writeln!(out, "\n{MARK}{name} {count}").expect("a parent");
        }
    });
}

/// The process, as its parent sees it. It is killed with this.
pub(crate) struct Victim {
    process: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    pub(crate) addr: SocketAddr,
    pub(crate) node_id: NodeId,
}

impl Victim {
    pub(crate) fn start(validator: NodeId) -> Self {
        let mut process = Command::new(env::current_exe().expect("this program"))
            .args(["--exact", "victim_process", "--nocapture", "--test-threads=1"])
            .env(ROLE, validator.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut stdout = BufReader::new(process.stdout.take().expect("piped"));
        let line = told(&mut stdout).expect("an address");
        let (addr, node_id) = line.split_once(' ').expect("two words");
        let (addr, node_id) = (addr.parse().expect("an address"), node_id.parse().expect("a name"));
        Self { stdin: process.stdin.take(), process, stdout, addr, node_id }
    }

    /// The most memory that it ever had, in bytes.
    pub(crate) fn peak(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.expect("it runs");
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
        let kib = line.split_whitespace().nth(1).expect("a number");
        kib.parse::<usize>().expect("a number") * 1_024
    }

    /// Ends it; what it counted.
    pub(crate) fn stop(mut self) -> BTreeMap<String, u64> {
        drop(self.stdin.take());
        let mut counts = BTreeMap::new();
        while let Some(line) = told(&mut self.stdout) {
            let (name, count) = line.split_once(' ').expect("two words");
            counts.insert(name.to_owned(), count.parse().expect("a count"));
        }
        assert!(self.process.wait().expect("it ends").success());
        counts
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // A thread that panics says what the process did not.
        if thread::panicking() {
            crate::attack::say("the process that was attacked is gone, too");
        }
    }
}

/// The next line that is for the parent.
fn told(out: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    while out.read_line(&mut line).is_ok_and(|read| read > 0) {
        if let Some(told) = line.trim_end().strip_prefix(MARK) {
            return Some(told.to_owned());
        }
        line.clear();
    }
    None
}
