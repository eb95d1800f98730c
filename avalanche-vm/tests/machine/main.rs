//! Machines as VMs: the suite, formats as literal values, a plain fold, and stores that lie.
#![cfg(test)]

mod fold;
mod formats;
mod rules;
mod stores;
mod support;
mod sync;
