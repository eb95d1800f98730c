//! Peers that are authenticated and misbehave, over real sockets: each wrong ends as it should, is
//! counted, and touches nobody else.
//!
//! The node that is attacked with everything at once is this test program once more (see `child`),
//! so that its memory is its own. `HOSTILE=slow` runs the long form.
#![cfg(test)]

mod answers;
#[cfg(target_os = "linux")]
mod attack;
#[cfg(target_os = "linux")]
mod child;
mod isolation;
#[cfg(target_os = "linux")]
mod namespaces;
mod peer;
mod table;
mod times;
mod victim;

/// The side of this program that is attacked: does nothing unless a test started it for that.
#[cfg(target_os = "linux")]
#[test]
fn victim_process() {
    child::main();
}

/// The side of this program that is a node in a network of its own, likewise.
#[cfg(target_os = "linux")]
#[test]
fn node_process() {
    namespaces::main();
}
