//! The edge of a node: HTTP and gRPC routes, authentication, limits, health and metrics. This crate
//! is still empty: nothing of it is written yet, and it holds no placeholder code.
