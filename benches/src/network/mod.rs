//! Whole networks of processes, measured from outside and held against what their work costs alone.
//!
//! They are those of `devnet`, which has to be built beside this program. What is measured is
//! processor time of the validators, so that the ratios survive a machine that does other things,
//! too.

pub mod chart;
pub mod command;
pub mod devnet;
pub mod floor;
pub mod ingest;
pub mod load;
pub mod lone;
pub mod processes;
pub mod restart;
pub mod saturation;
pub mod stages;
