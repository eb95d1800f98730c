//! One address in front of several nodes: each connection goes to one that lives.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufReader, copy_buf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::refuse::{LINGER, REFUSALS_MAX, refuse, too_many};

/// How much of one direction is in memory, in bytes.
const BUFFER_BYTES: usize = 16 << 10;
/// The rest after the system could not accept, as for want of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Bounds of a [`Forwarder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForwardConfig {
    /// The most connections at once; each takes two file descriptors. Whoever comes beyond gets
    /// 503. By default 4,096.
    pub connections_max: usize,
    /// How long connecting to one node may take before the next is tried. By default 500 ms.
    pub connect_timeout: Duration,
}

impl Default for ForwardConfig {
    fn default() -> Self {
        Self { connections_max: 4_096, connect_timeout: Duration::from_millis(500) }
    }
}

/// Forwards TCP connections, each to the first of several nodes that can be connected to, beginning
/// with the one that worked last. Nodes that cannot be connected to are passed over; a process that
/// was paused still can, so its owner takes it out of the list.
///
/// When no node can be reached, the answer is HTTP 503 with the body of an error. Ends when it is
/// dropped, and its connections with it.
#[derive(Debug)]
pub struct Forwarder {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Forwarder {
    /// Forwards what `listener` takes to `backends`, which may change at any time; connections that
    /// are there already stay. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// If the listener has no address.
    pub fn start(
        listener: TcpListener,
        backends: watch::Receiver<Vec<SocketAddr>>,
        config: ForwardConfig,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let last = Mutex::new(None);
        let ways = Arc::new(Ways { backends, last, connect_timeout: config.connect_timeout });
        let task = tokio::spawn(run(listener, ways, config.connections_max));
        Ok(Self { address, task })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it and its connections, and waits until the address is free again.
    pub async fn stop(mut self) {
        self.task.abort();
        // It ends with the error that says that it was aborted.
        _ = (&mut self.task).await;
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The nodes, and the one that worked last.
struct Ways {
    backends: watch::Receiver<Vec<SocketAddr>>,
    last: Mutex<Option<SocketAddr>>,
    connect_timeout: Duration,
}

impl Ways {
    /// A connection to a node that lives, or why there is none.
    async fn connect(&self) -> Result<TcpStream, String> {
        let mut backends = self.backends.borrow().clone();
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let first = backends.iter().position(|one| Some(*one) == last).unwrap_or(0);
        backends.rotate_left(first);
        let mut reasons = Vec::with_capacity(backends.len());
        for backend in backends {
            match timeout(self.connect_timeout, TcpStream::connect(backend)).await {
                Ok(Ok(stream)) => {
                    *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(backend);
                    return Ok(stream);
                }
                Ok(Err(error)) => reasons.push(format!("{backend}: {error}")),
                Err(_) => reasons.push(format!("{backend}: no answer")),
            }
        }
        Err(if reasons.is_empty() {
            "no node runs; start one".to_owned()
        } else {
            format!("no node can be reached ({}); start one", reasons.join(", "))
        })
    }
}

/// Takes connections. The connections end with the set that they are in.
async fn run(listener: TcpListener, ways: Arc<Ways>, connections_max: usize) {
    let room = Arc::new(Semaphore::new(connections_max));
    let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = tasks.join_next() => continue,
        };
        let Ok((client, _)) = accepted else {
            sleep(ACCEPT_REST).await;
            continue;
        };
        if let Ok(permit) = Arc::clone(&room).try_acquire_owned() {
            let ways = Arc::clone(&ways);
            tasks.spawn(async move {
                match ways.connect().await {
                    Ok(backend) => forward(client, backend).await,
                    Err(reason) => refuse(client, "no_node", &reason).await,
                }
                drop(permit);
            });
        } else if let Ok(permit) = Arc::clone(&refusals).try_acquire_owned() {
            tasks.spawn(async move {
                refuse(client, "too_many_connections", &too_many(connections_max)).await;
                drop(permit);
            });
        }
    }
}

/// Carries bytes in both directions. An end of one is passed on, and the other goes on.
async fn forward(mut client: TcpStream, mut backend: TcpStream) {
    // Without it, answers wait for acknowledgements; that is slower and no more.
    _ = client.set_nodelay(true);
    _ = backend.set_nodelay(true);
    let (from_client, mut to_client) = client.split();
    let (from_backend, mut to_backend) = backend.split();
    let up = async {
        copy_buf(&mut BufReader::with_capacity(BUFFER_BYTES, from_client), &mut to_backend).await?;
        to_backend.shutdown().await
    };
    let down = async {
        copy_buf(&mut BufReader::with_capacity(BUFFER_BYTES, from_backend), &mut to_client).await?;
        to_client.shutdown().await
    };
    tokio::pin!(up, down);
    tokio::select! {
        // The node has ended its side: whatever the client still sends is for nobody.
        outcome = &mut down => if outcome.is_ok() {
            _ = timeout(LINGER, up).await;
        },
        // The client sends no more, and may wait for its answer; the node bounds that.
        outcome = &mut up => if outcome.is_ok() {
            _ = down.await;
        },
    }
}
