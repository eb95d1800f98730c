//! Views: what looks like a store and lies over one.

mod prefixed;

pub use prefixed::Prefixed;
