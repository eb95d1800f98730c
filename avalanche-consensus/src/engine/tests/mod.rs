//! The engine as its shell sees it: inputs in, outputs out.

mod harness;
mod normal;
