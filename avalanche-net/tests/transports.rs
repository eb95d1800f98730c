//! Every transport keeps the promises of one.
#![expect(clippy::expect_used, reason = "helpers of tests fail as tests do")]

mod support;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use avalanche_net::identity::Identity;
use avalanche_net::testing::{Fixture, Link, Node, Report, Simulated, suite};
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

struct OverLinks {
    network: Simulated,
    nodes: AtomicU32,
}

impl Fixture for OverLinks {
    fn node(&self) -> Node {
        let certificate = Identity::generate().expect("an identity").certificate().clone();
        let number = self.nodes.fetch_add(1, Ordering::Relaxed);
        let ip = IpAddr::from(Ipv4Addr::from_bits(0x0a00_0001 + number));
        let transport = Arc::new(self.network.transport(certificate.clone(), ip));
        Node { transport, certificate, listen: SocketAddr::new(ip, 0) }
    }
}

/// Stakers of AvalancheGo's local network: RSA keys, and certificates of X.509 v1.
struct Stakers;

impl Fixture for Stakers {
    fn node(&self) -> Node {
        let key = include_bytes!("data/staker1.key");
        let identity = Identity::from_pem(support::STAKERS[0].0, key, &[1; 32]).expect("a staker");
        Node {
            transport: Arc::new(TcpTransport::new(&identity).expect("a transport")),
            certificate: identity.certificate().clone(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        }
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

#[tokio::test]
async fn tcp_with_tls_and_certificates_of_x509_v1() {
    did_something(suite(&Stakers).await);
}

#[tokio::test(start_paused = true)]
async fn simulated_links() {
    let millis = std::time::Duration::from_millis;
    let bandwidth = std::num::NonZeroU64::new(20_000_000);
    let links = [
        Link::default(),
        Link { delay: millis(0), ..Link::default() },
        Link { delay: millis(120), jitter: millis(80), ..Link::default() },
        Link { delay: millis(5), jitter: millis(50), bandwidth, breaks: 0 },
    ];
    for (seed, link) in (0..).zip(links) {
        let network = Simulated::new(seed, link);
        did_something(suite(&OverLinks { network, nodes: AtomicU32::new(0) }).await);
    }
}
