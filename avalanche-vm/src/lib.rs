//! Virtual machines: the trait that a user's own program implements, the registry, the supervised
//! life cycle and a payments VM. Today it holds [`signature`] alone; the rest is not written yet.

pub mod signature;
