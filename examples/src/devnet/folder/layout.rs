//! `devnet.json`: how many validators, and their ports.

use std::path::Path;

use avalanche_chain::node::StoreKind;
use serde::{Deserialize, Serialize};

use crate::devnet::args::{VALIDATORS, VALIDATORS_MAX};
use crate::devnet::{DevnetError, ports};

use super::Wanted;

/// The format of folders that this program writes, and the only one that it reads.
pub const FORMAT: u32 = 1;

/// `devnet.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// [`FORMAT`].
    pub format: u32,
    /// What keeps states and indexes.
    pub store: StoreKind,
    /// The ports of each validator, the first one's first.
    pub nodes: Vec<NodePorts>,
}

/// Where a validator listens, on loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodePorts {
    /// For its peers.
    pub peer: u16,
    /// For HTTP.
    pub api: u16,
}

/// What every format has.
#[derive(Deserialize)]
struct Head {
    format: u32,
}

impl Layout {
    /// A new one, with ports that are free now.
    ///
    /// # Errors
    ///
    /// [`DevnetError::Port`] if there are not enough.
    pub fn new(wanted: Wanted) -> Result<Self, DevnetError> {
        let validators = usize::from(wanted.validators.unwrap_or(VALIDATORS));
        let free = ports::free(2 * validators)?;
        let (pairs, _) = free.as_chunks::<2>();
        let nodes = pairs.iter().map(|&[peer, api]| NodePorts { peer, api }).collect();
        Ok(Self { format: FORMAT, store: wanted.store.unwrap_or_default(), nodes })
    }

    /// Reads what [`to_json`](Self::to_json) wrote to a file.
    ///
    /// # Errors
    ///
    /// [`DevnetError::Folder`] names the file: another format, or no such file at all.
    pub fn parse(file: &Path, bytes: &[u8]) -> Result<Self, DevnetError> {
        let broken = |reason: String| {
            let advice = "move the folder away to begin anew, or choose another with --data-dir";
            DevnetError::folder(file, format!("{reason}; {advice}"))
        };
        let not = |error: serde_json::Error| broken(format!("it is no devnet.json: {error}"));
        let Head { format } = serde_json::from_slice(bytes).map_err(not)?;
        if format != FORMAT {
            return Err(broken(format!(
                "its format is {format}, of another version of this program, which reads {FORMAT}"
            )));
        }
        let layout: Self = serde_json::from_slice(bytes).map_err(not)?;
        match layout.nodes.len() {
            1.. if layout.nodes.len() <= usize::from(VALIDATORS_MAX) => Ok(layout),
            found => {
                Err(broken(format!("it has {found} validators; 1 to {VALIDATORS_MAX} can be")))
            }
        }
    }

    /// Its JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).unwrap_or_default();
        json.push('\n');
        json
    }

    /// This network as the command line wants it, with other ports for those that were taken since.
    ///
    /// # Errors
    ///
    /// [`DevnetError::Folder`] if it has another number of validators; [`DevnetError::Port`].
    pub(super) fn wanted(mut self, folder: &Path, wanted: Wanted) -> Result<Self, DevnetError> {
        let found = self.nodes.len();
        if let Some(validators) = wanted.validators
            && usize::from(validators) != found
        {
            let reason = format!(
                "its network has {found} validators, and --validators wants {validators}: the \
                 number is part of genesis; say --validators {found} or nothing, or choose another \
                 folder with --data-dir"
            );
            return Err(DevnetError::folder(folder, reason));
        }
        self.store = wanted.store.unwrap_or(self.store);
        let mut taken: Vec<_> = (self.nodes.iter_mut())
            .flat_map(|node| [&mut node.peer, &mut node.api])
            .filter(|port| !ports::is_free(**port))
            .collect();
        let free = ports::free(taken.len())?;
        for (port, free) in taken.iter_mut().zip(free) {
            **port = free;
        }
        Ok(self)
    }
}
