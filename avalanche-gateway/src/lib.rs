//! The HTTP edge of a node, as a library: routes, limits, health and metrics, and their client.
//!
//! ```text
//!   client, browser --HTTP/1.1, WebSocket--> serve --> NodeReader, ChainReader, Submit
//!                          ^
//!                          |
//!                      Forwarder: one address in front of several nodes
//! ```
//!
//! Whoever serves knows no VM: receipts and accounts are passed on as the VM wrote them.

pub mod api;
pub mod client;
pub mod forward;
mod refuse;
mod server;
mod trace;

pub use server::{GatewayConfig, Principal, router, routes, serve};
