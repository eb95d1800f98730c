//! The tutorial's VM: it passes the conformance suite, and the tutorial shows its real source.
#![cfg(test)]

#[path = "../quickstart/custom_vm.rs"]
#[expect(dead_code, reason = "its main is the example's")]
mod custom_vm;

use std::io;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use avalanche_consensus::Timestamp;
use avalanche_vm::testing::{Fixture, run, suite};
use avalanche_vm::{Error, Vm, VmFactory};
use custom_vm::{Factory, counter};

struct Counters;

#[async_trait]
impl Fixture for Counters {
    fn factory(&self) -> Arc<dyn VmFactory> {
        Arc::new(Factory)
    }

    fn genesis(&self) -> Vec<u8> {
        100_u64.to_be_bytes().to_vec()
    }

    fn other_genesis(&self) -> Option<Vec<u8>> {
        Some(200_u64.to_be_bytes().to_vec())
    }

    async fn work(&self, vm: &mut dyn Vm, number: u64, _: Timestamp) -> Result<(), Error> {
        counter(vm)?.add(number);
        Ok(())
    }

    async fn digest(&self, vm: &mut dyn Vm) -> Result<Vec<u8>, Error> {
        Ok(counter(vm)?.sum().to_be_bytes().to_vec())
    }
}

#[test]
fn the_counter_keeps_the_contract() {
    let report = run(suite(Counters));
    assert!(report.replayed > 0, "{report:?}");
}

#[test]
fn the_tutorial_shows_the_source() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/tutorial-vm.md"))?;
    let mut sources = std::fs::read_to_string(root.join("examples/quickstart/custom_vm.rs"))?;
    sources += &std::fs::read_to_string(root.join("examples/tests/custom_vm.rs"))?;
    let blocks = page.split("```rs\n").skip(1).filter_map(|rest| rest.split("```").next());
    let blocks: Vec<_> = blocks.collect();
    assert!(blocks.len() >= 6, "the tutorial shows {} pieces", blocks.len());
    for block in blocks {
        assert!(sources.contains(block), "this is not in the source:\n{block}");
    }
    Ok(())
}
