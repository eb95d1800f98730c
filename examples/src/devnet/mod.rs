//! A network of validators on one machine that a person can pay on, break, and ask why.
//!
//! ```text
//!   devnet (supervisor)                             devnet node --config node-N/config.toml
//!   +----------------------------------+   spawn    +--------------------------------------+
//!   | folder: keys, genesis, ports     |----------->| one validator: a process of its own  |
//!   | forwarder: port 8000             |   stdout   |  - one line when it is ready         |
//!   | control socket: kill, restart .. |<-----------|  - peers over TLS                    |
//!   | restarts with back-off           |   stdin    |  - HTTP on a port of its own         |
//!   | table, plain lines or JSON       |----------->|  - ends when its stdin ends          |
//!   +----------------------------------+            +--------------------------------------+
//! ```
//!
//! - [`args`] reads the command line.
//! - [`folder`] is what is kept between runs: two devnets never share one, and starting again on it
//!   goes on where it stopped.
//! - [`policy`] says what happens when a validator ends, or somebody breaks it: a value without
//!   I/O.
//! - [`supervisor`] carries it out, over processes ([`child`]) or, with `--in-process`, nodes of
//!   its own.
//! - [`control`] is how `devnet kill 3` finds the run.
//! - [`report`] tells people and programs.
//!
//! Everything listens on loopback only: there is no login.

pub mod args;
pub mod child;
pub mod command;
pub mod control;
mod error;
pub mod folder;
pub mod launcher;
pub mod payment;
pub mod policy;
pub mod ports;
pub mod probe;
pub mod report;
pub mod supervisor;
pub mod table;

pub use error::DevnetError;
