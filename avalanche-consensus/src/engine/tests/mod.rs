//! The engine as its shell sees it: inputs in, outputs out.

mod fetch;
mod harness;
mod issue;
mod normal;
mod oracles;
mod peers;
mod query;
mod steps;
mod stories;
mod votes;
