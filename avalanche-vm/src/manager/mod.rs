//! Instances of VMs in one process: made, supervised, reported on.
//!
//! Each instance has a thread of its own, so that one that computes for long, waits for its disk
//! or never returns holds up its own chain and no other. A thread cannot be killed: an instance
//! whose call does not return fails, is reported by name, and is made anew only when the call has
//! come back, since until then it still holds its store.

mod calls;
mod config;
mod instance;
mod job;
mod resume;
mod status;
mod worker;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{error, fmt};

use avalanche_consensus::Id;

pub use config::{BackOff, Deadlines, ManagerConfig};
pub use instance::Instance;
pub use resume::resume;
pub use status::{CallKind, CallStats, InstanceState, InstanceStatus};

use crate::{RegistryError, VmContext, VmRegistry};

/// The instances of a node, by chain.
#[derive(Debug)]
pub struct VmManager {
    registry: VmRegistry,
    config: ManagerConfig,
    instances: Mutex<BTreeMap<Id, Instance>>,
}

impl VmManager {
    /// A manager without instances.
    ///
    /// # Errors
    ///
    /// [`ManagerError::Config`].
    pub fn new(registry: VmRegistry, config: ManagerConfig) -> Result<Self, ManagerError> {
        config.check()?;
        Ok(Self { registry, config, instances: Mutex::default() })
    }

    /// What it can run.
    #[must_use]
    pub const fn registry(&self) -> &VmRegistry {
        &self.registry
    }

    /// Its settings.
    #[must_use]
    pub const fn config(&self) -> &ManagerConfig {
        &self.config
    }

    /// Adds an instance of the VM of that name for the chain of the context. Nothing runs until
    /// [`Instance::start`].
    ///
    /// # Errors
    ///
    /// [`ManagerError::Registry`], [`ManagerError::ChainTaken`], [`ManagerError::Full`].
    pub fn create(&self, vm: &str, context: VmContext) -> Result<Instance, ManagerError> {
        let factory = self.registry.resolve(vm)?;
        let chain = context.chain_id;
        let mut instances = self.lock();
        if instances.contains_key(&chain) {
            return Err(ManagerError::ChainTaken { chain });
        }
        if instances.len() >= self.config.vms_max {
            return Err(ManagerError::Full { max: self.config.vms_max });
        }
        let name = self.registry.name(factory.id());
        let instance = Instance::new(name, factory, context, self.config);
        instances.insert(chain, instance.clone());
        Ok(instance)
    }

    /// The instance of a chain.
    #[must_use]
    pub fn instance(&self, chain: &Id) -> Option<Instance> {
        self.lock().get(chain).cloned()
    }

    /// What each instance is at, in the order of the chains' identifiers: the health of a node
    /// names those that are not [well](InstanceStatus::is_healthy).
    #[must_use]
    pub fn health(&self) -> Vec<InstanceStatus> {
        self.lock().values().map(Instance::status).collect()
    }

    /// Forgets an instance that does not run. What it stored stays where it is.
    ///
    /// # Errors
    ///
    /// [`ManagerError::ChainUnknown`], [`ManagerError::StillRunning`].
    pub fn remove(&self, chain: &Id) -> Result<(), ManagerError> {
        let mut instances = self.lock();
        let instance = instances.get(chain).ok_or(ManagerError::ChainUnknown { chain: *chain })?;
        if instance.has_thread() {
            let state = instance.status().state.name();
            return Err(ManagerError::StillRunning { chain: *chain, state });
        }
        instances.remove(chain);
        Ok(())
    }

    /// Stops all instances at once and waits for each up to `patience`. Those that did not end by
    /// then are returned: a call of theirs has not come back.
    pub async fn shutdown(&self, patience: Duration) -> Vec<InstanceStatus> {
        let instances: Vec<_> = self.lock().values().cloned().collect();
        for instance in &instances {
            instance.ask_to_stop();
        }
        let until = tokio::time::Instant::now() + patience;
        let mut late = Vec::new();
        for instance in instances {
            if tokio::time::timeout_at(until, instance.ended()).await.is_err() {
                late.push(instance.status());
            }
        }
        late
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Id, Instance>> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a manager refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ManagerError {
    /// A setting makes no sense.
    Config {
        /// Its name.
        name: &'static str,
        /// Its value.
        found: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// The VM's name leads nowhere.
    Registry(RegistryError),
    /// The chain has an instance. Remove that one first.
    ChainTaken {
        /// The chain.
        chain: Id,
    },
    /// No instance executes that chain.
    ChainUnknown {
        /// The chain.
        chain: Id,
    },
    /// The node runs as many VMs as it may. Remove one, or raise `MAX_VMS_PER_NODE`.
    Full {
        /// How many it may.
        max: usize,
    },
    /// It has to be stopped before this.
    StillRunning {
        /// The chain.
        chain: Id,
        /// Its state.
        state: &'static str,
    },
    /// It did not stop in time: a call of its VM has not returned.
    StopLate {
        /// The chain.
        chain: Id,
        /// How long was waited.
        after: Duration,
    },
}

impl fmt::Display for ManagerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config { name, found, allowed } => {
                write!(f, "{name} is {found:?}; allowed is {allowed}")
            }
            Self::Registry(error) => error.fmt(f),
            Self::ChainTaken { chain } => {
                write!(f, "chain {chain} has an instance already; remove it first")
            }
            Self::ChainUnknown { chain } => write!(f, "no instance executes chain {chain}"),
            Self::Full { max } => write!(
                f,
                "this node runs {max} VMs, as many as MAX_VMS_PER_NODE allows; remove one or raise it"
            ),
            Self::StillRunning { chain, state } => {
                write!(f, "the instance of chain {chain} is {state}; stop it first")
            }
            Self::StopLate { chain, after } => write!(
                f,
                "the instance of chain {chain} did not stop within {after:?}: a call of its VM has \
                 not returned"
            ),
        }
    }
}

impl error::Error for ManagerError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Registry(error) => Some(error),
            _ => None,
        }
    }
}

impl From<RegistryError> for ManagerError {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}
