//! The engine as its shell sees it: inputs in, outputs out.

mod bootstrap;
mod catchup_harness;
mod harness;
mod normal;
mod state_sync;
