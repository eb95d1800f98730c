//! The conformance suite of transports: every promise of [`Transport`] that can be seen from
//! outside, asked of any implementation.

mod bytes;
mod connections;
mod hostile;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time;

use crate::identity::Certificate;
use crate::transport::{Connection, Listener, Transport, TransportError};

/// Longest time that a step may take before it counts as one that never ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the suite has to know of a transport.
pub trait Fixture: Send + Sync {
    /// A new node. All nodes of a fixture can reach each other.
    fn node(&self) -> Node;
}

/// A node that the suite drives.
#[derive(Clone)]
pub struct Node {
    /// Its transport.
    pub transport: Arc<dyn Transport>,
    /// The certificate that others have to see.
    pub certificate: Certificate,
    /// Where it may listen, with port 0.
    pub listen: SocketAddr,
}

/// A promise that a transport does not keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which promise.
    pub rule: &'static str,
    /// What the transport did instead.
    pub found: String,
}

/// What the suite did, so that a test can see that it did anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Rules that were checked.
    pub rules: u64,
    /// Connections that were made.
    pub connections: u64,
    /// Connections that were refused, or died before they were authenticated.
    pub refused: u64,
    /// Bytes that arrived.
    pub bytes: u64,
}

/// Runs every rule.
///
/// # Panics
///
/// At the first promise that is not kept.
#[expect(clippy::panic, reason = "a test's way to fail")]
pub async fn suite(fixture: &dyn Fixture) -> Report {
    match check(fixture).await {
        Ok(report) => report,
        Err(violation) => panic!("{violation}"),
    }
}

/// As [`suite`], without panics.
///
/// # Errors
///
/// The first promise that is not kept.
pub async fn check(fixture: &dyn Fixture) -> Result<Report, Violation> {
    let mut report = Report::default();
    let nodes = || (fixture.node(), fixture.node());

    report += rule("both ends know each other", connections::known(nodes())).await?;
    report += rule("nobody at an address is an error", connections::refused(nodes())).await?;
    report += rule("an address is taken once, and freed", connections::taken(nodes())).await?;
    report += rule("many connect at once", connections::many(fixture)).await?;
    report += rule("a dropped accept loses no connection", connections::cancelled(nodes())).await?;

    report += rule("bytes arrive in order, both ways at once", bytes::both_ways(nodes())).await?;
    report += rule("a byte arrives once it is flushed", bytes::ping_pong(nodes())).await?;
    report += rule("one task can read and write", bytes::one_task(nodes())).await?;
    report += rule("one direction can end before the other", bytes::half_close(nodes())).await?;
    report += rule("a dropped end is seen by the other", bytes::dropped(nodes())).await?;
    report += rule("who does not read stops who writes", bytes::not_read(nodes())).await?;

    report += rule("a dropped upgrade ends one connection", hostile::dropped(fixture)).await?;
    report += rule("a dropped dial ends one connection", hostile::gone(fixture)).await?;
    report += rule("who stalls an upgrade holds up nobody", hostile::stalled(fixture)).await?;
    Ok(report)
}

/// Runs a rule, within [`PATIENCE`].
async fn rule(
    rule: &'static str,
    check: impl Future<Output = Result<Report, String>>,
) -> Result<Report, Violation> {
    // Rules hold buffers of some size.
    match time::timeout(PATIENCE, Box::pin(check)).await {
        Ok(Ok(report)) => Ok(Report { rules: 1, ..report }),
        Ok(Err(found)) => Err(Violation { rule, found }),
        Err(_) => Err(Violation { rule, found: format!("nothing within {PATIENCE:?}") }),
    }
}

impl Node {
    async fn bind(&self) -> Result<Box<dyn Listener>, String> {
        self.transport.listen(self.listen).await.map_err(|error| format!("listen: {error}"))
    }
}

/// Connects a node with another that listens: the end that dialled, the end that accepted.
async fn connect(
    from: &Node,
    listener: &mut dyn Listener,
) -> Result<(Connection, Connection), String> {
    let addr = listener.local_addr();
    let accept = async {
        let pending = listener.accept().await?;
        pending.upgrade().await
    };
    let both: Result<_, TransportError> = tokio::try_join!(from.transport.dial(addr), accept);
    both.map_err(|error| format!("no connection: {error}"))
}

/// Connects two nodes of which the second listens.
async fn pair((from, to): (Node, Node)) -> Result<(Connection, Connection), String> {
    let mut listener = to.bind().await?;
    connect(&from, listener.as_mut()).await
}

fn ensure(holds: bool, found: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(found()) }
}

impl std::ops::AddAssign for Report {
    fn add_assign(&mut self, other: Self) {
        self.rules += other.rules;
        self.connections += other.connections;
        self.refused += other.refused;
        self.bytes += other.bytes;
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("certificate", &self.certificate)
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the transport breaks the rule that {}: {}", self.rule, self.found)
    }
}

impl std::error::Error for Violation {}
