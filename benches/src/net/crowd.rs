//! Many peers of one node.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use tokio::sync::oneshot;
use tokio::time::sleep;

use super::{Node, config, runtime, wait};
use crate::allocations::counted;
use crate::measure::{as_f64, cpu_time, process_cpu_time};
use crate::store::told;

/// What the peers of a node cost. Each of them is a whole network of its own, in another thread.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Time from the first dial until all handshakes are complete.
    pub connect: Duration,
    /// Processor time of that at both ends, for each peer.
    pub handshake: Duration,
    /// Bytes that the node holds for each peer, by the allocator.
    pub heap: f64,
    /// Bytes of the process for each connection, both ends.
    pub resident: f64,
    /// Cores that the node uses while nothing is sent but pings and questions for peers.
    pub rest: f64,
}

/// Connects `peers` nodes with one in this thread, and lets them rest.
///
/// # Errors
///
/// Of the loopback: more peers than a process may have open files, divided by three, for one.
pub fn measure(peers: u32, rest: Duration) -> io::Result<Cost> {
    let runtime = runtime()?;
    let crowd = Crowd::start(peers)?;
    let mut config = config();
    config.control.max_peers = usize::try_from(peers).map_err(told)?;
    let hub = runtime.block_on(Node::start(config))?;
    let (before, cpu, start) = (resident()?, process_cpu_time(), Instant::now());
    crowd.connect.send(hub.network.local_addr()).map_err(|_| told("the peers are gone"))?;
    let all = usize::try_from(peers).map_err(told)?;
    let (connected, held) = counted(|| runtime.block_on(wait(|| hub.network.peers().len() == all)));
    connected?;
    let (connect, cpu) = (start.elapsed(), process_cpu_time().saturating_sub(cpu));
    let grown = resident()?.saturating_sub(before);
    let (start, busy) = (Instant::now(), cpu_time());
    runtime.block_on(async { sleep(rest).await });
    let busy = cpu_time().saturating_sub(busy).as_secs_f64() / start.elapsed().as_secs_f64();
    assert_eq!(hub.network.peers().len(), all, "a peer is gone");
    drop(crowd.stop);
    drop(hub);
    drop(runtime);
    crowd.thread.join().map_err(|_| told("the peers failed"))??;
    Ok(Cost {
        connect,
        handshake: cpu.checked_div(peers).unwrap_or_default(),
        heap: as_f64(u64::try_from(held.bytes).unwrap_or(0)) / f64::from(peers),
        resident: as_f64(grown) / f64::from(peers),
        rest: busy,
    })
}

/// The thread of the peers.
struct Crowd {
    connect: oneshot::Sender<SocketAddr>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl Crowd {
    /// Returns once all of them listen.
    fn start(peers: u32) -> io::Result<Self> {
        let (connect, told_where) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let (listen, listening) = mpsc::channel();
        let thread = thread::spawn(move || {
            runtime()?.block_on(async {
                let mut nodes = Vec::new();
                for _ in 0..peers {
                    nodes.push(Node::start(config()).await?);
                }
                listen.send(()).map_err(told)?;
                let hub = told_where.await.map_err(told)?;
                nodes.iter().for_each(|node| node.network.connect(hub));
                // That the other side is dropped is the sign.
                let _ = stopped.await;
                Ok(())
            })
        });
        match listening.recv() {
            Ok(()) => Ok(Self { connect, stop, thread }),
            Err(_) => Err(match thread.join() {
                Ok(Err(error)) => error,
                _ => told("the peers failed"),
            }),
        }
    }
}

/// Bytes of this process that are in memory, where the system tells it.
fn resident() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.map(|kib| kib * 1_024).ok_or_else(|| told("no VmRSS"))
}
