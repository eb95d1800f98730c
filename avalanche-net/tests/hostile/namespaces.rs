//! Five nodes, each in a network of its own, on one bridge: packets are lost, a link works in one
//! direction only, another is slow. All find each other again by themselves.
//!
//! Needs root and iptables, and a kernel that allows network namespaces; a line says so where they
//! are missing. Delays are left out: not every kernel has netem.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use std::{env, process, thread};

use bytes::Bytes;
use tokio::time::{sleep, timeout};

use crate::attack::say;
use crate::victim::{CHAIN, Node, config};

const ROLE: &str = "AVALANCHE_NET_NAMESPACE";
const MARK: &str = "node: ";
const NODES: usize = 5;
const PORT: u16 = 9_651;

fn ip(node: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 99, 0, 1 + u8::try_from(node).expect("small"))
}

fn addr(node: usize) -> SocketAddr {
    SocketAddr::from((ip(node), PORT))
}

/// A node, which does as its standard input says, and ends with it.
pub(crate) fn main() {
    let Ok(own) = env::var(ROLE) else { return };
    let own: usize = own.parse().expect("a number");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut config = config();
        config.listen = addr(own);
        config.control.ping_interval = Duration::from_millis(500);
        config.limits.read_timeout = Duration::from_secs(3);
        config.limits.write_timeout = Duration::from_secs(3);
        config.limits.dial_timeout = Duration::from_secs(3);
        // All of a node's connections come from one address.
        config.limits.connections.cooldown = Duration::from_millis(200);
        let node = Node::start(config).await;
        for other in (0..NODES).filter(|other| *other != own) {
            node.network.connect(addr(other));
        }
        let (tell, mut lines) = tokio::sync::mpsc::channel(8);
        thread::spawn(move || {
            for line in std::io::stdin().lines().map_while(Result::ok) {
                let _ = tell.blocking_send(line);
            }
        });
        while let Some(line) = lines.recv().await {
            let answer = match line.as_str() {
                "peers" => node.network.peers().len().to_string(),
                _ => ask_all(&node).await,
            };
            let mut out = std::io::stdout();
            writeln!(out, "\n{MARK}{answer}").expect("a parent");
        }
    });
}

/// Asks each of the others until it has answered.
async fn ask_all(node: &Node) -> String {
    // Nothing that compresses.
    let question: Bytes = (1_u32..1_000)
        .flat_map(|at| at.wrapping_mul(0x9e37_79b9).rotate_left(7).to_le_bytes())
        .collect();
    let all = async {
        while node.network.peers().len() < NODES - 1 {
            sleep(Duration::from_millis(20)).await;
        }
        for peer in node.network.peers() {
            while node.network.app_request(peer.node_id, CHAIN, question.clone()).await.as_ref()
                != Ok(&question)
            {
                sleep(Duration::from_millis(20)).await;
            }
        }
    };
    match timeout(Duration::from_secs(30), all).await {
        Ok(()) => String::from("all"),
        Err(_) => format!("{:?}", node.network.stats()),
    }
}

fn run(command: &str) -> Result<(), String> {
    let words: Vec<_> = command.split_whitespace().collect();
    let (program, arguments) = words.split_first().ok_or("no command")?;
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// The namespaces, and the processes in them; both go with this.
struct Lab {
    nodes: Vec<Running>,
    names: Vec<String>,
}

struct Running {
    process: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Lab {
    /// A bridge in a namespace of its own, and one for each node.
    fn new() -> Result<Self, String> {
        let name = |part: &str| format!("avalanche-net-{}-{part}", process::id());
        let mut lab = Self { nodes: Vec::new(), names: Vec::new() };
        let switch = name("switch");
        lab.add(&switch)?;
        run(&format!("ip -n {switch} link add br0 type bridge"))?;
        run(&format!("ip -n {switch} link set br0 up"))?;
        for node in 0..NODES {
            let own = name(&node.to_string());
            lab.add(&own)?;
            run(&format!(
                "ip link add v{node} netns {switch} type veth peer name eth0 netns {own}"
            ))?;
            run(&format!("ip -n {switch} link set v{node} master br0 up"))?;
            run(&format!("ip -n {own} addr add {}/24 dev eth0", ip(node)))?;
            run(&format!("ip -n {own} link set eth0 up"))?;
            run(&format!("ip -n {own} link set lo up"))?;
        }
        // What is needed later is tried now.
        lab.within(0, "iptables -A INPUT -m statistic --mode random --probability 0.2 -j DROP")?;
        lab.within(0, "iptables -F INPUT")?;
        lab.within(0, "tc qdisc add dev eth0 root tbf rate 1mbit burst 16kb latency 400ms")?;
        lab.within(0, "tc qdisc del dev eth0 root")?;
        Ok(lab)
    }

    fn add(&mut self, name: &str) -> Result<(), String> {
        run(&format!("ip netns add {name}"))?;
        self.names.push(name.to_owned());
        Ok(())
    }

    /// The namespace of a node; the first is that of the bridge.
    fn name(&self, node: usize) -> &str {
        &self.names[node + 1]
    }

    fn within(&self, node: usize, command: &str) -> Result<(), String> {
        run(&format!("ip netns exec {} {command}", self.name(node)))
    }

    fn start(&mut self) {
        for node in 0..NODES {
            let mut process = Command::new("ip")
                .args(["netns", "exec", self.name(node)])
                .arg(env::current_exe().expect("this program"))
                .args(["--exact", "node_process", "--nocapture", "--test-threads=1"])
                .env(ROLE, node.to_string())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("a process");
            let stdin = process.stdin.take().expect("piped");
            let stdout = process.stdout.take().expect("piped");
            let (tell, lines) = channel();
            thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if let Some(line) = line.strip_prefix(MARK) {
                        let _ = tell.send(line.to_owned());
                    }
                }
            });
            self.nodes.push(Running { process, stdin, lines });
        }
    }

    fn tell(&mut self, node: usize, what: &str) {
        writeln!(self.nodes[node].stdin, "{what}").expect("it runs");
    }

    fn hear(&self, node: usize) -> String {
        let line = self.nodes[node].lines.recv_timeout(Duration::from_secs(40));
        line.unwrap_or_else(|error| panic!("node {node}: {error}"))
    }

    /// Each asks each.
    fn all_answer(&mut self, when: &str) {
        let start = Instant::now();
        (0..NODES).for_each(|node| self.tell(node, "ask"));
        for node in 0..NODES {
            assert_eq!(self.hear(node), "all", "node {node}, {when}");
        }
        say(&format!("namespaces: all answered all {when}, after {:?}", start.elapsed()));
    }

    fn peers(&mut self, node: usize) -> usize {
        self.tell(node, "peers");
        self.hear(node).parse().expect("a number")
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            let _ = node.process.kill();
            let _ = node.process.wait();
        }
        for name in &self.names {
            let _ = run(&format!("ip netns del {name}"));
        }
    }
}

#[test]
fn nodes_find_each_other_again_after_loss_a_one_way_partition_and_a_slow_link() {
    let mut lab = match Lab::new() {
        Ok(lab) => lab,
        Err(reason) => return say(&format!("SKIPPED network namespaces: {reason}")),
    };
    lab.start();
    lab.all_answer("at first");

    for node in 0..NODES {
        let loss = "iptables -A INPUT -m statistic --mode random --probability 0.2 -j DROP";
        lab.within(node, loss).expect("a rule");
    }
    lab.all_answer("while one packet in five is lost");
    for node in 0..NODES {
        lab.within(node, "iptables -F INPUT").expect("no rule");
    }

    // The first one hears nothing of the next two, which hear it.
    for other in 1..3 {
        lab.within(0, &format!("iptables -A INPUT -s {} -j DROP", ip(other))).expect("a rule");
    }
    let start = Instant::now();
    while lab.peers(0) > NODES - 3 {
        assert!(start.elapsed() < Duration::from_secs(30), "the partition is noticed");
        thread::sleep(Duration::from_millis(50));
    }
    lab.within(0, "iptables -F INPUT").expect("no rule");
    lab.all_answer("after a partition");

    let slow = "tc qdisc add dev eth0 root tbf rate 512kbit burst 16kb latency 400ms";
    lab.within(1, slow).expect("a queue");
    lab.all_answer("over a slow link");
}
