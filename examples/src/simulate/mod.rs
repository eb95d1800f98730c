//! The commands of the program `simulate`.
//!
//! ```text
//!   run     runs seeds of a scenario on every processor, and adds up what came of them
//!   shrink  makes the schedule of a seed that fails smaller
//!   lab     measures parameters on the real engine
//!   safe    says what theory expects of them
//! ```
//!
//! A [`Choice`] is what a run is: scenario, seed, and what was left out of it. It prints itself as
//! the command that runs it again.

mod args;
mod choice;
mod command;
mod error;
mod json;
pub mod lab;
mod options;
mod progress;
mod run;
pub mod safe;
mod shrink;
pub mod svg;
#[cfg(test)]
mod tests;

pub use choice::Choice;
pub use command::{COMMANDS, Command, dispatch};
pub use error::CommandError;
pub use options::{OptionError, Options};
