//! What dependants test with.

pub mod suite;
