//! The tutorial's VMs: both pass the conformance suite, the short one is short, and the tutorial
//! shows their real source.
#![cfg(test)]

#[path = "../quickstart/custom_vm.rs"]
#[expect(dead_code, reason = "its main is the example's")]
mod custom_vm;
#[path = "../quickstart/custom_vm_by_hand.rs"]
#[expect(dead_code, reason = "its main is the example's")]
mod custom_vm_by_hand;

use std::any::Any;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use avalanche_consensus::Timestamp;
use avalanche_vm::machine::{MachineFactory, MachineVm};
use avalanche_vm::testing::{Fixture, run, suite};
use avalanche_vm::{Error, Vm, VmFactory};
use custom_vm::Counter;
use custom_vm_by_hand::{Factory, counter};

/// Lines of code of a whole VM with its `main`, at most.
const LINES_MAX: usize = 60;

struct Counters;

#[async_trait]
impl Fixture for Counters {
    fn factory(&self) -> Arc<dyn VmFactory> {
        Arc::new(MachineFactory::new(Counter))
    }

    fn genesis(&self) -> Vec<u8> {
        100_u64.to_be_bytes().to_vec()
    }

    fn other_genesis(&self) -> Option<Vec<u8>> {
        Some(200_u64.to_be_bytes().to_vec())
    }

    fn transactions(&self, number: u64) -> Vec<Vec<u8>> {
        vec![(number + 1).to_be_bytes().to_vec()]
    }

    async fn digest(&self, vm: &mut dyn Vm) -> Result<Vec<u8>, Error> {
        let vm: Option<&MachineVm<Counter>> = (vm as &dyn Any).downcast_ref();
        let vm = vm.ok_or_else(|| Error::fatal("it is not a counter"))?;
        Ok(vm.state().to_be_bytes().to_vec())
    }
}

struct ByHand;

#[async_trait]
impl Fixture for ByHand {
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
    assert!(report.lost_batches > 0 && report.summaries > 0, "{report:?}");
}

#[test]
fn the_counter_by_hand_keeps_the_contract() {
    let report = run(suite(ByHand));
    assert!(report.replayed > 0, "{report:?}");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Lines that are not empty and not comments.
fn lines_of_code(text: &str) -> usize {
    let code = |line: &&str| !line.is_empty() && !line.starts_with("//");
    text.lines().map(str::trim).filter(code).count()
}

#[test]
fn a_vm_is_written_in_sixty_lines() -> io::Result<()> {
    assert_eq!(lines_of_code("//! A\n\n/// B\nfn c() {\n    // D\n}\n"), 2);
    let text = std::fs::read_to_string(root().join("examples/quickstart/custom_vm.rs"))?;
    let lines = lines_of_code(&text);
    assert!((30..=LINES_MAX).contains(&lines), "{lines} lines, and {LINES_MAX} are promised");
    Ok(())
}

#[test]
fn the_tutorial_shows_the_source() -> io::Result<()> {
    let page = std::fs::read_to_string(root().join("docs/tutorial-vm.md"))?;
    let mut sources = String::new();
    for file in ["quickstart/custom_vm.rs", "quickstart/custom_vm_by_hand.rs", "tests/custom_vm.rs"]
    {
        sources += &std::fs::read_to_string(root().join("examples").join(file))?;
    }
    let blocks = page.split("```rs\n").skip(1).filter_map(|rest| rest.split("```").next());
    let blocks: Vec<_> = blocks.collect();
    assert!(blocks.len() >= 9, "the tutorial shows {} pieces", blocks.len());
    for block in blocks {
        assert!(sources.contains(block), "this is not in the source:\n{block}");
    }
    Ok(())
}
