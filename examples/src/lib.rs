//! What the example programs share, and the README as doctests. The rules of the repository are the
//! tests beside this library.

pub mod devnet;
pub mod simulate;

/// The Rust blocks of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// The Rust blocks of the core's README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../avalanche-consensus/README.md")]
pub struct CoreReadme;
