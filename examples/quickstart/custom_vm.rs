//! A virtual machine of one's own in sixty lines: transactions add numbers to a sum.
//!
//! Run it with `cargo run --release --example custom_vm`; docs/tutorial-vm.md explains each part.
#![cfg_attr(not(test), expect(clippy::print_stdout, reason = "an example talks to its reader"))]

use std::{error::Error, sync::Arc, time::Duration};

use avalanche_vm::machine::{BlockFacts, MachineFactory, StateMachine};
use avalanche_vm::testing::{ChainOptions, MemoryLog, run};
use avalanche_vm::{HttpRequest, Instance, Invalid, InvalidKind, ManagerConfig};
use avalanche_vm::{VmFactory, VmId, VmManager, VmRegistry};

/// The rules: a sum, and what a transaction does to it.
pub(crate) struct Counter;

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

async fn sum(vm: &Instance) -> Result<u64, Box<dyn Error>> {
    let (_, route) = vm.handlers().await?.pop().ok_or("no route")?;
    let get = HttpRequest { method: "GET".to_owned(), ..HttpRequest::default() };
    Ok(number(&route.handle(get).await.body)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    run(async {
        let factory = Arc::new(MachineFactory::new(Counter));
        let log = Arc::new(MemoryLog::default());
        let options = ChainOptions::new(100_u64.to_be_bytes());
        log.push(&factory.genesis(&options.genesis)?);
        let mut registry = VmRegistry::new();
        registry.register(factory, &["counter"])?;
        let manager = VmManager::new(registry, ManagerConfig::default())?;
        let vm = manager.create("counter", options.context(&log))?;
        vm.start().await?;
        for add in [7_u64, 20, 3] {
            vm.submit(vec![add.to_be_bytes().to_vec()], options.now).await?;
            let block = vm.build(options.request()).await?.ok_or("nothing to build")?;
            vm.verify(block.clone(), options.now).await?;
            log.push(&block);
            vm.accept(block.clone()).await?;
            vm.set_preference(block.id()).await?;
            println!("block {}: {}", block.height(), sum(&vm).await?);
        }
        vm.stop(Duration::from_secs(5)).await?;
        vm.start().await?;
        println!("stopped, and back at {}", sum(&vm).await?);
        Ok(())
    })
}
