//! What the example programs share, and the README as doctests. The rules of the repository are the
//! tests beside this library.

pub mod cli;
pub mod demo;
pub mod devnet;
pub mod node;
pub mod simulate;

/// The Rust blocks of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// The Rust blocks of the page on simulation, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/simulation.md")]
pub struct SimulationPage;

/// The Rust blocks of the core's README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../avalanche-consensus/README.md")]
pub struct CoreReadme;
