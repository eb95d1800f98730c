//! What dependants test with.

mod dice;
mod faulty;
pub mod suite;

pub use faulty::{Call, Crash, Failure, Faults, FaultyStore};
