//! What the example programs share. Nothing yet but the README's Rust blocks, which are compiled
//! and run here as doctests; the rules of the repository are the tests beside this library.

/// The Rust blocks of the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
