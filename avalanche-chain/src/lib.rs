//! Runs the consensus engine of a chain against a virtual machine, a store and peers: the driver
//! loop, recovery, mempool, indexer and node. This crate is still empty: nothing of it is written
//! yet, and it holds no placeholder code.
