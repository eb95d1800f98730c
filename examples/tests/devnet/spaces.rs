//! Five validators as processes of their own, each in a network of its own, on one bridge: packets
//! can be lost, and links can be cut.
//!
//! ```text
//!   client  node-1  node-2  node-3  node-4  node-5     one namespace each
//!      |       |       |       |       |       |
//!      +-------+-------+-- br0-+-------+-------+       the namespace `switch`
//! ```
//!
//! A rule of a firewall in the namespace of whoever receives loses packets, or cuts the links with
//! others. The client is never cut off.
//!
//! Needs root, `ip` and `iptables`, and a kernel that allows network namespaces.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};

use avalanche_chain::node::BootstrapPeer;
use avalanche_examples::devnet::folder::{self, Folder, Wanted};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::harness::{Result, fresh};

/// What may fail, and why: of a type that other threads may have.
type Tried<T = ()> = std::result::Result<T, String>;

/// How many validators. They are counted from 0 here.
pub(crate) const NODES: usize = 5;
/// Rules that lose packets have this mark.
const LOSS: &str = "loss";
/// Rules that cut links have this mark.
const CUT: &str = "cut";

/// How links end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Packets vanish: connections stay open and say nothing.
    Silent,
    /// Packets are refused, and connections with them: both ends know at once.
    Refused,
}

/// Namespaces, the processes in them, and their folder: all go with this.
pub(crate) struct Lab {
    prefix: String,
    names: Vec<String>,
    nodes: Vec<Child>,
    folder: PathBuf,
}

/// Says something on the real standard error: the harness holds back what is printed.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn ip(node: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 98, 0, u8::try_from(node + 1).unwrap())
}

fn run(command: &str) -> Tried<String> {
    let mut words = command.split_whitespace();
    let program = words.next().ok_or("no command")?;
    let output = Command::new(program).args(words).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{command}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// The API of a validator.
pub(crate) fn api(node: usize) -> String {
    format!("http://{}", SocketAddr::from((ip(node), 8_080)))
}

impl Lab {
    /// Makes the namespaces; the reason if they cannot be made.
    pub(crate) fn new(name: &str) -> Tried<Self> {
        let folder = fresh(name).map_err(|error| error.to_string())?;
        let prefix = format!("devnet-e2e-{name}-{}", process::id());
        let mut lab = Self { prefix, names: Vec::new(), nodes: Vec::new(), folder };
        let switch = lab.add("switch")?;
        run(&format!("ip -n {switch} link add br0 type bridge"))?;
        run(&format!("ip -n {switch} link set br0 up"))?;
        for at in 0..=NODES {
            let own = lab.add(&node(at))?;
            let pair = format!("v{at} netns {switch} type veth peer name eth0 netns {own}");
            run(&format!("ip link add {pair}"))?;
            run(&format!("ip -n {switch} link set v{at} master br0 up"))?;
            run(&format!("ip -n {own} addr add {}/24 dev eth0", ip(at)))?;
            run(&format!("ip -n {own} link set eth0 up"))?;
            run(&format!("ip -n {own} link set lo up"))?;
        }
        // What is needed later is tried now.
        lab.lose(0.5)?;
        for how in [Cut::Silent, Cut::Refused] {
            lab.cut(how, &[0], &[1])?;
        }
        lab.heal()?;
        Ok(lab)
    }

    fn add(&mut self, part: &str) -> Tried<String> {
        let name = self.name(part);
        run(&format!("ip netns add {name}"))?;
        self.names.push(name.clone());
        Ok(name)
    }

    fn name(&self, part: &str) -> String {
        format!("{}-{part}", self.prefix)
    }

    /// Moves this thread to where the client is: all that it connects to, and every process that it
    /// starts, is in the network of the validators from then on.
    pub(crate) fn enter(&self) -> Result {
        let client = File::open(Path::new("/run/netns").join(self.name(&node(NODES))))?;
        Ok(move_into_link_name_space(client.as_fd(), Some(LinkNameSpaceType::Network))?)
    }

    /// Makes keys, genesis and configurations as for a devnet, with addresses of the namespaces,
    /// and starts all validators.
    pub(crate) fn start(&mut self) -> Result {
        let wanted = Wanted { validators: Some(u16::try_from(NODES)?), ..Wanted::default() };
        let folder = Folder::open(&self.folder, wanted)?;
        let network = folder::plan(&folder)?;
        let listen = |at: usize| SocketAddr::from((ip(at), 9_651));
        let peers: Vec<_> = (0..)
            .zip(&network.nodes)
            .map(|(at, plan)| BootstrapPeer { node_id: plan.node_id, address: listen(at) })
            .collect();
        for (at, plan) in (0..).zip(&network.nodes) {
            let mut config = plan.config.clone();
            config.listen = listen(at);
            config.api = SocketAddr::from((ip(at), 8_080));
            config.bootstrap = peers.clone();
            std::fs::write(&plan.config_path, config.to_toml())?;
            // `ip` becomes the program: the process is the validator's.
            let child = Command::new("ip")
                .args(["netns", "exec", &self.name(&node(at))])
                .args([env!("CARGO_BIN_EXE_devnet"), "node", "--config"])
                .arg(&plan.config_path)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(File::create(&plan.log_path)?)
                .spawn()?;
            self.nodes.push(child);
        }
        for (child, plan) in self.nodes.iter_mut().zip(&network.nodes) {
            let mut line = String::new();
            BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
            if !line.contains("\"ready\"") {
                let log = std::fs::read_to_string(&plan.log_path).unwrap_or_default();
                return Err(format!("validator {} does not start: {log}", plan.number).into());
            }
        }
        Ok(())
    }

    /// Sees that every validator is the process that was started.
    pub(crate) fn all_run(&mut self) -> Result {
        for (at, child) in (0..).zip(&mut self.nodes) {
            if let Some(status) = child.try_wait()? {
                return Err(format!("{} has ended: {status}", node(at)).into());
            }
        }
        Ok(())
    }

    /// Loses this share of all packets to each validator, and to the client.
    pub(crate) fn lose(&self, share: f64) -> Tried {
        for at in 0..=NODES {
            let random = format!("-m statistic --mode random --probability {share}");
            self.rule(at, &format!("{random} -m comment --comment {LOSS} -j DROP"))?;
        }
        Ok(())
    }

    /// Cuts every link between two sides, in both directions.
    pub(crate) fn cut(&self, how: Cut, side: &[usize], other: &[usize]) -> Tried {
        // A reset has to arrive.
        let what = match how {
            Cut::Silent => "-j DROP",
            Cut::Refused => "-p tcp ! --tcp-flags RST RST -j REJECT --reject-with tcp-reset",
        };
        for (here, there) in [(side, other), (other, side)] {
            for &at in here {
                for &from in there {
                    let from = format!("-s {} -m comment --comment {CUT}", ip(from));
                    self.rule(at, &format!("{from} {what}"))?;
                }
            }
        }
        Ok(())
    }

    /// Takes all rules away.
    pub(crate) fn heal(&self) -> Tried {
        (0..=NODES).try_for_each(|at| self.within(at, "iptables -F INPUT").map(drop))
    }

    fn rule(&self, at: usize, rule: &str) -> Tried {
        self.within(at, &format!("iptables -A INPUT {rule}")).map(drop)
    }

    fn within(&self, at: usize, command: &str) -> Tried<String> {
        run(&format!("ip netns exec {} {command}", self.name(&node(at))))
    }

    /// How many packets to a validator were lost so far.
    pub(crate) fn lost(&self, at: usize) -> Result<u64> {
        self.packets(at, LOSS)
    }

    /// How many packets to a validator were held up between sides so far.
    pub(crate) fn held_up(&self, at: usize) -> Result<u64> {
        self.packets(at, CUT)
    }

    fn packets(&self, at: usize, mark: &str) -> Result<u64> {
        let rules = self.within(at, "iptables -L INPUT -v -x -n")?;
        let mark = format!("/* {mark} */");
        let ours = rules.lines().filter(|line| line.contains(&mark));
        let mut packets = 0;
        for line in ours {
            packets += line.split_whitespace().next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(packets)
    }

    /// Ends all validators as a signal does, and sees that they end well.
    pub(crate) fn stop(&mut self) -> Result {
        for child in &mut self.nodes {
            // The end of its standard input ends it.
            drop(child.stdin.take());
        }
        for (at, child) in (0..).zip(&mut self.nodes) {
            let status = child.wait()?;
            assert!(status.success(), "{}: {status}", node(at));
        }
        Ok(())
    }
}

/// The part of a namespace's name that says whose it is: after the validators comes the client.
fn node(at: usize) -> String {
    if at == NODES { "client".to_owned() } else { format!("node-{}", at + 1) }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for child in &mut self.nodes {
            let _ = child.kill();
            let _ = child.wait();
        }
        for name in &self.names {
            let _ = run(&format!("ip netns del {name}"));
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
