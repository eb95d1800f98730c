//! The edge over real sockets: a server of a node that is none, clients, a forwarder.
#![cfg(test)]

mod client;
mod events;
mod forward;
mod hostile;
mod routes;
mod support;
