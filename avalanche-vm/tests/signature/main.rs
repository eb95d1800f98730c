//! Signatures as dependants use them: rules, batches, and what is pinned.
#![cfg(test)]

mod batches;
mod cases;
mod rules;
mod support;
