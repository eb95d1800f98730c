//! Virtual machines: what a chain executes, and how it is kept running.
//!
//! ```text
//!   VmRegistry ---- VmFactory ---create---> Vm        a user's own program
//!       |                                    ^
//!       v                                    | one call at a time, with a deadline
//!   VmManager ----------------------> Instance        its thread, its life cycle, its restarts
//! ```
//!
//! The shortest way to a VM of one's own is a [`StateMachine`](machine::StateMachine).

mod block;
mod contents;
mod context;
mod error;
mod factory;
mod http;
pub mod key_value;
pub mod machine;
mod manager;
pub mod payments;
mod registry;
pub mod signature;
mod state_sync;
#[cfg(feature = "testing")]
pub mod testing;
mod transactions;
mod vm;

pub use block::{Block, Place};
pub use contents::BlockContents;
pub use context::{AppSender, BlockReader, ToEngine, VmContext};
pub use error::{Error, Invalid, InvalidKind};
pub use factory::{VmFactory, VmId, VmVersion};
pub use http::{HttpHandler, HttpRequest, HttpResponse};
pub use manager::{
    BackOff, CallKind, CallStats, Deadlines, Instance, InstanceState, InstanceStatus,
    ManagerConfig, ManagerError, VmManager, resume,
};
pub use registry::{ALIAS_BYTES_MAX, RegistryError, VmKind, VmRegistry};
pub use state_sync::{StateSummary, StateSync};
pub use transactions::{TransactionStatus, Transactions};
pub use vm::{AppMessage, BuildRequest, Vm};
