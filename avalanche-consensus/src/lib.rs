//! Snowman consensus as a pure library (crate page under construction).
#![forbid(unsafe_code)]

mod error;
pub mod poll;
pub mod sampler;
pub mod snowball;
pub mod snowman;
mod vocabulary;

pub use error::Error;
pub use vocabulary::{Bag, HashKey, Height, Id, NodeId, ParseError, Timestamp};
