//! A virtual machine of one's own, decided by a network: five nodes with sockets, votes and logs,
//! in this process. Transactions add numbers to a sum. `cargo run --release --example own_vm`
#![cfg_attr(not(test), expect(clippy::print_stdout, reason = "an example talks to its reader"))]

use std::{error::Error, sync::Arc, time::Duration};

use avalanche_chain::Outcome;
use avalanche_chain::testing::{Cluster, ClusterOptions};
use avalanche_vm::machine::{BlockFacts, MachineFactory, StateMachine};
use avalanche_vm::{HttpRequest, Invalid, InvalidKind, VmId, VmRegistry};

/// The rules: a sum, and what a transaction does to it.
struct Counter;

fn number(bytes: &[u8]) -> Result<u64, Invalid> {
    let refusal = Invalid::new(InvalidKind::Malformed, "length", "a number has 8 bytes");
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| refusal)
}

impl StateMachine for Counter {
    type State = u64;

    fn id(&self) -> VmId {
        VmId::named("counter")
    }

    fn apply(&self, sum: &mut u64, transaction: &[u8], _: BlockFacts) -> Result<(), Invalid> {
        let refusal = Invalid::new(InvalidKind::State, "sum", "the sum has no room for it");
        *sum = sum.checked_add(number(transaction)?).ok_or(refusal)?;
        Ok(())
    }

    fn encode(&self, sum: &u64) -> Vec<u8> {
        sum.to_be_bytes().to_vec()
    }

    fn decode(&self, bytes: &[u8]) -> Result<u64, Invalid> {
        number(bytes)
    }
}

fn registry() -> VmRegistry {
    let mut registry = VmRegistry::new();
    // The name is free, and it is the only one.
    let _ = registry.register(Arc::new(MachineFactory::new(Counter)), &["counter"]);
    registry
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let (dir, patience) = (std::env::temp_dir().join("own-vm"), Duration::from_secs(30));
    let options = ClusterOptions::new("counter", 100_u64.to_be_bytes().to_vec());
    let _ = std::fs::remove_dir_all(&dir);
    let network = Cluster::start(&dir, &options, registry).await?;
    network.ready(patience).await?;
    for (chain, add) in network.chains().iter().zip([7_u64, 20, 3]) {
        let id = chain.submit(vec![add.to_be_bytes().to_vec()]).await?.remove(0)?;
        match chain.wait(id, patience).await? {
            Outcome::Accepted(info) => println!("{add} is final: {:?}", info.receipt),
            other => return Err(format!("{add} is not final: {other:?}").into()),
        }
    }
    network.accepted(3.into(), patience).await?;
    for (node, chain) in network.chains().iter().enumerate() {
        let get = HttpRequest { method: "GET".into(), path: "/state".into(), ..Default::default() };
        println!("node {node}: the sum is {}", number(&chain.vm_request(get).await.body)?);
    }
    network.stop().await;
    Ok(std::fs::remove_dir_all(&dir)?)
}
