//! The commands of the program `simulate`.

mod error;
pub mod lab;
mod options;
pub mod safe;
pub mod svg;

pub use error::CommandError;
pub use options::{OptionError, Options};
