//! Every transport keeps the promises of one.

mod support;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use avalanche_net::identity::Identity;
use avalanche_net::testing::{Fixture, Node, Report, suite};
use avalanche_net::transport::{MemoryNetwork, TcpTransport};

struct Tcp;

impl Fixture for Tcp {
    fn node(&self) -> Node {
        let identity = Identity::generate().expect("an identity");
        Node {
            transport: Arc::new(TcpTransport::new(&identity).expect("a transport")),
            certificate: identity.certificate().clone(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        }
    }
}

#[derive(Default)]
struct Memory {
    network: MemoryNetwork,
    nodes: AtomicU32,
}

impl Fixture for Memory {
    fn node(&self) -> Node {
        let certificate = Identity::generate().expect("an identity").certificate().clone();
        let number = self.nodes.fetch_add(1, Ordering::Relaxed);
        let ip = IpAddr::from(Ipv4Addr::from_bits(0x0a00_0001 + number));
        let transport = Arc::new(self.network.transport(certificate.clone(), ip));
        Node { transport, certificate, listen: SocketAddr::new(ip, 0) }
    }
}

fn did_something(report: Report) {
    assert_eq!(report.rules, 14);
    assert!(report.connections >= 60, "{report:?}");
    assert!(report.refused >= 60, "{report:?}");
    assert!(report.bytes >= 32_000_000, "{report:?}");
}

#[tokio::test]
async fn tcp_with_tls_on_one_thread() {
    did_something(suite(&Tcp).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tcp_with_tls_on_two_threads() {
    did_something(suite(&Tcp).await);
}

#[tokio::test(start_paused = true)]
async fn memory() {
    did_something(suite(&Memory::default()).await);
}
