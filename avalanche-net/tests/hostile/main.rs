//! Peers that are authenticated and misbehave, over real sockets: each wrong ends as it should, is
//! counted, and touches nobody else.
#![cfg(test)]

mod answers;

mod peer;
mod table;
mod times;
mod victim;
