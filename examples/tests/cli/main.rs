//! The client `avalanche` as a whole, against a node that decides alone.
#![cfg(test)]

mod commands;
mod load;
mod node;
