//! Durable storage for chains: the append-only block log that is the source of truth, key-value
//! back-ends, authenticated state and the recovery rule. This crate is still empty: nothing of it
//! is written yet, and it holds no placeholder code.
