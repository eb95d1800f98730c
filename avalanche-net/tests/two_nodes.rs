//! Two nodes over real sockets: what a user of the crate does first.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use avalanche_consensus::{Id, NodeId};
use avalanche_net::CloseReason;
use avalanche_net::control::PeerValidator;
use avalanche_net::identity::Identity;
use avalanche_net::network::{
    ConfigError, Error as NetworkError, Inbox, Network, NetworkConfig, NetworkEvent, RequestFailed,
};
use avalanche_net::wire::{Body, Op, Route, build, route};
use tokio::time::timeout;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

const CHAIN: Id = Id::new([3; 32]);
/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(20);

fn config() -> NetworkConfig {
    NetworkConfig::new(1337, SocketAddr::from(([127, 0, 0, 1], 0)))
}

struct Node {
    network: Network,
    identity: Arc<Identity>,
}

impl Node {
    async fn start(config: NetworkConfig) -> Result<Self> {
        Self::with(config, Arc::new(Identity::generate()?)).await
    }

    async fn with(config: NetworkConfig, identity: Arc<Identity>) -> Result<Self> {
        let network = Network::start(config, Arc::clone(&identity)).await?;
        Ok(Self { network, identity })
    }

    fn id(&self) -> NodeId {
        self.identity.node_id()
    }

    /// Waits until another is connected.
    async fn meets(&self, other: NodeId) -> Result {
        let seen = async {
            while !self.network.is_connected(&other) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(PATIENCE, seen).await.map_err(|_| format!("{other} is not connected"))?;
        Ok(())
    }
}

async fn pair() -> Result<(Node, Node)> {
    let (ada, bob) = (Node::start(config()).await?, Node::start(config()).await?);
    ada.network.connect(bob.network.local_addr());
    ada.meets(bob.id()).await?;
    bob.meets(ada.id()).await?;
    Ok((ada, bob))
}

/// Answers app requests with their bytes turned round, until it is dropped.
fn echo(network: &Network, mut inbox: Inbox) -> tokio::task::JoinHandle<()> {
    let network = network.clone();
    tokio::spawn(async move {
        while let Some(delivery) = inbox.recv().await {
            let Ok(Some(Route { request_id: Some(id), .. })) = route(&delivery.body) else {
                continue;
            };
            let answer = match &delivery.body {
                Body::AppRequest(asked) if asked.app_bytes.is_empty() => {
                    build::app_error(CHAIN, id, -7, "nothing was asked".to_owned())
                }
                Body::AppRequest(asked) if asked.app_bytes.first() == Some(&0) => continue,
                Body::AppRequest(asked) => {
                    let turned: Vec<u8> = asked.app_bytes.iter().rev().copied().collect();
                    build::app_response(CHAIN, id, turned.into())
                }
                _ => build::accepted_frontier(CHAIN, id, CHAIN),
            };
            let _ = network.send(&[delivery.node_id], answer);
        }
    })
}

#[tokio::test]
async fn requests_are_answered_fail_and_end_with_the_connection() -> Result {
    let (ada, bob) = pair().await?;
    let echo = echo(&bob.network, bob.network.register(CHAIN)?);
    let ask = |bytes: &'static [u8]| ada.network.app_request(bob.id(), CHAIN, bytes.into());
    assert_eq!(ask(b"abc").await?, "cba");
    let failed = RequestFailed::App { code: -7, message: "nothing was asked".to_owned() };
    assert_eq!(ask(b"").await, Err(failed));
    let frontier = ada.network.request(bob.id(), CHAIN, Op::GetAcceptedFrontier, |id, wait| {
        build::get_accepted_frontier(CHAIN, id, wait)
    });
    assert!(matches!(frontier.await?, Body::AcceptedFrontier(_)));
    let nobody = NodeId::new([9; 20]);
    let lost = ada.network.app_request(nobody, CHAIN, "x".into()).await;
    assert_eq!(lost, Err(RequestFailed::NotConnected));
    // One that is not answered fails at once when the other leaves.
    let silent = ask(&[0]);
    let (silent, _) = tokio::join!(silent, async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        bob.network.shutdown().await
    });
    assert_eq!(silent, Err(RequestFailed::Disconnected));
    let stats = ada.network.request_stats();
    assert_eq!((stats.registered, stats.disconnected), (4, 1));
    echo.abort();
    Ok(())
}

#[tokio::test]
async fn what_is_sent_arrives_in_order_and_what_is_not_is_said() -> Result {
    let (ada, bob) = pair().await?;
    let mut inbox = bob.network.register(CHAIN)?;
    let taken = bob.network.register(CHAIN);
    assert!(matches!(taken, Err(NetworkError::ChainTaken { chain }) if chain == CHAIN));
    let to = [bob.id(), NodeId::EMPTY];
    for at in 0..1_000_u32 {
        let sent = ada.network.send(&to, build::get(CHAIN, at, PATIENCE, CHAIN))?;
        assert_eq!((sent.queued, sent.not_connected), (vec![bob.id()], vec![NodeId::EMPTY]));
    }
    for at in 0..1_000_u32 {
        let delivery = timeout(PATIENCE, inbox.recv()).await?.ok_or("closed")?;
        let Body::Get(get) = &delivery.body else { panic!("{:?}", delivery.op) };
        assert_eq!((get.request_id, delivery.node_id), (at, ada.id()));
        assert!(delivery.time_left().is_some_and(|left| left <= Duration::from_secs(10)));
    }
    let stats = (ada.network.stats(), bob.network.stats());
    assert_eq!(stats.0.sent[&Op::Get].messages, 1_000);
    assert_eq!(stats.0.sent[&Op::Get], stats.1.received[&Op::Get]);
    assert_eq!((stats.1.undecodable, stats.1.undeliverable, stats.1.unknown_fields), (0, 0, 0));
    // Dropped, the chain can be taken again.
    drop(inbox);
    bob.network.register(CHAIN)?;
    Ok(())
}

/// The inbox of the last message is not looked up again: a new one gets its messages all the same,
/// and those of other chains in between go where they belong, also when few fit at once.
#[tokio::test]
async fn messages_go_to_the_inbox_that_their_chain_has_now() -> Result {
    let mut few = config();
    few.limits.messages_in_work = 3;
    let (ada, bob) = (Node::start(config()).await?, Node::start(few).await?);
    ada.network.connect(bob.network.local_addr());
    ada.meets(bob.id()).await?;
    bob.meets(ada.id()).await?;
    let chains = [CHAIN, Id::new([4; 32])];
    let mut inboxes = [bob.network.register(chains[0])?, bob.network.register(chains[1])?];
    for round in 0..3_u8 {
        for number in 0..12_u8 {
            // A chain without an inbox in between.
            for chain in [chains[usize::from(number / 2 % 2)], Id::new([5; 32])] {
                let sent =
                    ada.network.send(&[bob.id()], build::app_gossip(chain, vec![number].into()))?;
                assert_eq!(sent.queued, [bob.id()]);
            }
        }
        for number in 0..12_u8 {
            let at = usize::from(number / 2 % 2);
            let delivery = timeout(PATIENCE, inboxes[at].recv()).await?.ok_or("closed")?;
            let Body::AppGossip(gossip) = &delivery.body else { return Err("other".into()) };
            let chain = chains[at].as_bytes().as_slice();
            assert_eq!((gossip.app_bytes[0], &gossip.chain_id[..]), (number, chain));
        }
        let undeliverable = 12 * u64::from(round + 1);
        let counted = async {
            while bob.network.stats().undeliverable < undeliverable {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(PATIENCE, counted).await?;
        assert_eq!(bob.network.stats().undeliverable, undeliverable);
        // Another one for the chain of the last message.
        drop(std::mem::replace(&mut inboxes[1], bob.network.register(Id::new([6; 32]))?));
        inboxes[1] = bob.network.register(chains[1])?;
        for number in [20, 21] {
            let body = build::app_gossip(chains[1], vec![number].into());
            assert_eq!(ada.network.send(&[bob.id()], body)?.queued, [bob.id()]);
            assert!(timeout(PATIENCE, inboxes[1].recv()).await?.is_some());
            drop(std::mem::replace(&mut inboxes[1], bob.network.register(Id::new([6; 32]))?));
            inboxes[1] = bob.network.register(chains[1])?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_ban_ends_the_connection_and_lifting_it_lets_the_node_back() -> Result {
    let (ada, bob) = pair().await?;
    let mut events = bob.network.events();
    bob.network.ban(ada.id(), Duration::from_secs(600));
    let ended = timeout(PATIENCE, events.recv()).await??;
    assert!(matches!(
        ended,
        NetworkEvent::Disconnected { was_connected: true, reason: CloseReason::Banned, .. }
    ));
    assert!(bob.network.bans().await.get(&ada.id(), 0).is_some());
    bob.network.unban(ada.id());
    ada.network.connect(bob.network.local_addr());
    bob.meets(ada.id()).await?;
    let best: Vec<_> = bob.network.best(3).await.iter().map(|score| score.node).collect();
    assert_eq!(best, [ada.id()]);
    Ok(())
}

#[tokio::test]
async fn a_restarted_node_finds_its_peers_in_the_address_book() -> Result {
    let folder = std::env::temp_dir().join(format!("avalanche-net-book-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let path = folder.join("peers");
    let kept = NetworkConfig { address_book: Some(path.clone()), ..config() };
    let bob = Node::start(config()).await?;
    let validator = PeerValidator {
        node_id: bob.id(),
        weight: 1,
        bls_key: Some(*bob.identity.bls().public_key()),
    };
    let ada = Node::start(kept.clone()).await?;
    ada.network.connect(bob.network.local_addr());
    ada.meets(bob.id()).await?;
    ada.network.shutdown().await;
    // Nobody says where the validator is: the book does.
    let ada = Node::with(kept.clone(), Arc::clone(&ada.identity)).await?;
    ada.network.set_validators(Id::EMPTY, vec![validator]);
    ada.meets(bob.id()).await?;
    ada.network.shutdown().await;
    // One that is damaged is set aside, and nothing stops.
    std::fs::write(&path, b"what is this?")?;
    let ada = Node::start(kept).await?;
    ada.network.shutdown().await;
    let names: Vec<_> =
        std::fs::read_dir(&folder)?.map(|entry| Ok(entry?.file_name())).collect::<Result<_>>()?;
    assert!(names.iter().any(|name| name.to_string_lossy().ends_with(".damaged")), "{names:?}");
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

#[tokio::test]
async fn bad_configurations_are_refused_with_what_to_do() -> Result {
    type Change = fn(&mut NetworkConfig);
    let table: &[(Change, &str)] = &[
        (|config| config.limits.requests = 0, "limits.requests is zero"),
        (|config| config.control.max_peers = 0, "control.max_peers is zero"),
        (
            |config| config.control.tracked_subnets = (0..17).map(|at| Id::new([at; 32])).collect(),
            "a handshake can name 16",
        ),
        (|config| config.public = "1.2.3.4:0".parse().ok(), "peers cannot reach 1.2.3.4:0"),
        (|config| config.listen = "0.0.0.0:0".parse().unwrap(), "set `public`"),
    ];
    for (change, expected) in table {
        let mut config = config();
        change(&mut config);
        let error: ConfigError = config.verify().unwrap_err();
        let refused = Node::start(config).await.err().ok_or("started")?.to_string();
        assert!(refused.ends_with(&error.to_string()) && refused.contains(expected), "{refused}");
    }
    let bob = Node::start(config()).await?;
    let taken = NetworkConfig { listen: bob.network.local_addr(), ..config() };
    let refused = Node::start(taken).await.err().ok_or("started")?.to_string();
    assert!(refused.contains("choose a free address"), "{refused}");
    Ok(())
}

#[tokio::test]
async fn the_end_of_the_last_handle_is_the_end_of_the_network() -> Result {
    let (ada, bob) = pair().await?;
    let mut events = bob.network.events();
    let mut inbox = ada.network.register(CHAIN)?;
    drop(ada);
    let ended = timeout(PATIENCE, events.recv()).await??;
    assert!(matches!(ended, NetworkEvent::Disconnected { reason: CloseReason::RemoteClosed, .. }));
    assert!(timeout(PATIENCE, inbox.recv()).await?.is_none());
    let last = bob.network.shutdown().await;
    assert_eq!(last.closed, [("remote_closed", 1)].into());
    Ok(())
}
