//! Views: what looks like a store and lies over one.

mod layout;
mod overlay;
mod prefixed;
mod scan;
mod versioned;

pub use overlay::Overlay;
pub use prefixed::Prefixed;
pub use versioned::{Pruning, Versioned};
