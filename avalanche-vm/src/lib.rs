//! Virtual machines: the trait that a user's own program implements, the registry, the supervised
//! life cycle and a payments VM. This crate is still empty: nothing of it is written yet, and it
//! holds no placeholder code.
