//! The engine as its shell sees it: inputs in, outputs out.

mod bootstrap;
mod catchup_harness;
mod catchup_hostile;
mod catchup_property;
mod explain;
mod fetch;
mod harness;
mod hostile;
mod hostile_votes;
mod issue;
mod normal;
mod oracles;
mod peers;
mod query;
mod state_sync;
mod steps;
mod stories;
mod votes;
