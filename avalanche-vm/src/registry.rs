//! Which kinds of VMs a node can run: factories by name, alias and version.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::{error, fmt};

use crate::{VmFactory, VmId, VmVersion};

/// The most bytes of an alias.
pub const ALIAS_BYTES_MAX: usize = 64;

/// Factories by [`VmId`], each in one or more versions, with aliases for people.
#[derive(Clone, Default)]
pub struct VmRegistry {
    kinds: BTreeMap<VmId, Kind>,
    aliases: BTreeMap<String, VmId>,
}

#[derive(Clone, Default)]
struct Kind {
    versions: BTreeMap<VmVersion, Arc<dyn VmFactory>>,
}

/// One kind of VM, as a registry lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VmKind {
    /// Its name.
    pub id: VmId,
    /// What people call it, in the order of the alphabet.
    pub aliases: Vec<String>,
    /// Its versions, oldest first.
    pub versions: Vec<VmVersion>,
}

impl VmRegistry {
    /// A registry that knows no VM.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a factory. An alias that the kind has already is no error.
    ///
    /// # Errors
    ///
    /// [`RegistryError::AlreadyRegistered`], [`RegistryError::AliasInvalid`],
    /// [`RegistryError::AliasTaken`]. Nothing changes.
    pub fn register(
        &mut self,
        factory: Arc<dyn VmFactory>,
        aliases: &[&str],
    ) -> Result<(), RegistryError> {
        let (id, version) = (factory.id(), factory.version());
        if self.kinds.get(&id).is_some_and(|kind| kind.versions.contains_key(&version)) {
            return Err(RegistryError::AlreadyRegistered { id, version });
        }
        for alias in aliases {
            check_alias(alias)?;
            if let Some(by) = self.aliases.get(*alias).filter(|by| **by != id) {
                return Err(RegistryError::AliasTaken { alias: (*alias).to_owned(), by: *by });
            }
        }
        self.kinds.entry(id).or_default().versions.insert(version, factory);
        self.aliases.extend(aliases.iter().map(|alias| ((*alias).to_owned(), id)));
        Ok(())
    }

    /// Finds a factory: by alias or identifier, in its newest version, or in one that follows `@`,
    /// as in `payments@1.0.0`.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Unknown`], [`RegistryError::VersionUnknown`], both with what there is.
    pub fn resolve(&self, name: &str) -> Result<Arc<dyn VmFactory>, RegistryError> {
        let (kind_name, version) = match name.split_once('@') {
            Some((kind_name, version)) => (kind_name, Some(version)),
            None => (name, None),
        };
        let id = self.aliases.get(kind_name).copied().or_else(|| kind_name.parse().ok());
        let unknown = || RegistryError::Unknown { name: kind_name.to_owned(), known: self.names() };
        let kind = id.and_then(|id| self.kinds.get(&id)).ok_or_else(unknown)?;
        let mut newest_first = kind.versions.iter().rev();
        let found = match version {
            None => newest_first.next(),
            Some(version) => newest_first.find(|(one, _)| one.to_string() == version),
        };
        found.map(|(_, factory)| Arc::clone(factory)).ok_or_else(|| RegistryError::VersionUnknown {
            name: kind_name.to_owned(),
            version: version.unwrap_or_default().to_owned(),
            known: kind.versions.keys().copied().collect(),
        })
    }

    /// What a kind is called in messages: its first alias, or its identifier.
    #[must_use]
    pub fn name(&self, id: VmId) -> String {
        let alias = self.aliases.iter().find(|(_, of)| **of == id);
        alias.map_or_else(|| id.to_string(), |(alias, _)| alias.clone())
    }

    /// All kinds, in the order of their identifiers.
    #[must_use]
    pub fn list(&self) -> Vec<VmKind> {
        let aliases_of = |id: &VmId| {
            let own = self.aliases.iter().filter(|(_, of)| *of == id);
            own.map(|(alias, _)| alias.clone()).collect()
        };
        let kinds = self.kinds.iter().map(|(id, kind)| VmKind {
            id: *id,
            aliases: aliases_of(id),
            versions: kind.versions.keys().copied().collect(),
        });
        kinds.collect()
    }

    fn names(&self) -> Vec<String> {
        self.kinds.keys().map(|id| self.name(*id)).collect()
    }
}

impl fmt::Debug for VmRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list()).finish()
    }
}

fn check_alias(alias: &str) -> Result<(), RegistryError> {
    let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    let good = !alias.is_empty() && alias.len() <= ALIAS_BYTES_MAX && alias.bytes().all(fits);
    if good { Ok(()) } else { Err(RegistryError::AliasInvalid { alias: alias.to_owned() }) }
}

/// Why a registry refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryError {
    /// This version of this kind is there already. Register each once.
    AlreadyRegistered {
        /// The kind.
        id: VmId,
        /// The version.
        version: VmVersion,
    },
    /// An alias is of another kind. Choose another.
    AliasTaken {
        /// The alias.
        alias: String,
        /// Whose it is.
        by: VmId,
    },
    /// An alias has other characters than `a-z 0-9 - _`, is empty or too long.
    AliasInvalid {
        /// The alias.
        alias: String,
    },
    /// No kind has this name.
    Unknown {
        /// The name that was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The kind is there, the version is not.
    VersionUnknown {
        /// The kind.
        name: String,
        /// The version that was asked for.
        version: String,
        /// What there is, oldest first.
        known: Vec<VmVersion>,
    },
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyRegistered { id, version } => {
                write!(f, "VM {id} is registered in version {version} already")
            }
            Self::AliasTaken { alias, by } => {
                write!(f, "the alias {alias:?} is taken by VM {by}; choose another")
            }
            Self::AliasInvalid { alias } => write!(
                f,
                "{alias:?} is no alias: 1 to {ALIAS_BYTES_MAX} of the characters a-z 0-9 - _ are"
            ),
            Self::Unknown { name, known } if known.is_empty() => {
                write!(f, "there is no VM {name:?}: none is registered")
            }
            Self::Unknown { name, known } => {
                write!(f, "there is no VM {name:?}; registered are {}", known.join(", "))
            }
            Self::VersionUnknown { name, version, known } => {
                let known: Vec<_> = known.iter().map(ToString::to_string).collect();
                write!(f, "VM {name} has no version {version:?}; it has {}", known.join(", "))
            }
        }
    }
}

impl error::Error for RegistryError {}
