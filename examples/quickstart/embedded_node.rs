//! A node inside another program: a network of one validator, a payment, what is told of it, and an
//! end that leaves nothing running. `cargo run --release --example embedded_node`
#![cfg_attr(not(test), expect(clippy::print_stdout, reason = "an example talks to its reader"))]

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use avalanche_chain::node::{Node, NodeConfig, StoreKind};
use avalanche_chain::{ChainEvent, ChainGenesis, Genesis, GenesisValidator, NodeReader, Outcome};
use avalanche_net::identity::Identity;
use avalanche_vm::VmRegistry;
use avalanche_vm::payments::{self, Address, PaymentsFactory, Transfer};
use ed25519_dalek::{Signer, SigningKey};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::temp_dir().join("embedded-node");
    let _ = std::fs::remove_dir_all(&dir);
    let [ada, bob] = [[1; 32], [2; 32]].map(|secret| SigningKey::from_bytes(&secret));
    let address = |key: &SigningKey| Address::new(key.verifying_key().to_bytes());
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;

    // What the network begins with: who decides, and who has what. Keys are made the first time.
    let identity = Identity::load_or_create(&dir.join("node/staking"))?;
    let funds = payments::Genesis::new(0, 1, vec![(address(&ada), 1_000)])?.encode();
    let genesis = Genesis {
        network_id: 1337,
        validators: vec![GenesisValidator {
            node_id: identity.node_id(),
            weight: 100,
            bls_public_key: None,
        }],
        chains: vec![ChainGenesis {
            name: "payments".to_owned(),
            vm: "payments".to_owned(),
            genesis: funds.iter().map(|byte| format!("{byte:02x}")).collect(),
            proposers: Default::default(),
            consensus: Default::default(),
        }],
    };
    std::fs::write(dir.join("genesis.json"), genesis.to_json())?;

    let mut registry = VmRegistry::new();
    registry.register(Arc::new(PaymentsFactory::new()), &["payments"])?;
    let config = NodeConfig {
        data_dir: dir.join("node"),
        listen: "127.0.0.1:0".parse()?,
        store: StoreKind::Redb,
        ..NodeConfig::default()
    };
    let node = Node::start(config, registry).await?;
    let chain = node.chain(None).ok_or("no chain")?;
    let mut events = chain.events();

    let transfer = Transfer {
        chain: chain.id(),
        sender: address(&ada),
        recipient: address(&bob),
        amount: 5,
        fee: 1,
        nonce: 0,
        expiry: now.as_secs() + 60,
    };
    let signature = ada.sign(&transfer.signing_message()).to_bytes();
    let signed = transfer.with_signature(&signature).as_bytes().to_vec();
    let id = chain.submit(vec![signed]).await?.remove(0)?;
    match chain.wait(id, Duration::from_secs(10)).await? {
        Outcome::Accepted(info) => println!("final: {}", info.receipt.unwrap_or_default()),
        other => return Err(format!("not final: {other:?}").into()),
    }
    while let Ok(event) = events.recv().await {
        if let ChainEvent::Accepted(accepted) = event {
            println!("block {} is durable, executed and indexed", accepted.block.height);
            break;
        }
    }
    println!("all ended in time: {}", node.shutdown().await);
    Ok(std::fs::remove_dir_all(&dir)?)
}
