//! What a network begins with: the same file on every node.

use std::collections::BTreeSet;
use std::time::Duration;
use std::{error, fmt};

use avalanche_consensus::snowball::{Parameters, ParametersConfig};
use avalanche_consensus::validators::{Validator, ValidatorSet};
use avalanche_consensus::{Id, NodeId};
use avalanche_net::control::PeerValidator;
use avalanche_net::identity::BlsPublicKey;
use serde::{Deserialize, Serialize};

/// What begins the bytes that a chain's identifier is the hash of.
const DOMAIN: &[u8] = b"avalanche/chain/genesis/v1";
/// The most chains of a network's genesis.
const CHAINS_MAX: usize = 64;
/// The longest name of a chain, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// What a network begins with, as a file says it. [`check`](Self::check) it before use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// The number of the network, which peers of another one are refused by.
    pub network_id: u32,
    /// The validators of all its chains.
    pub validators: Vec<GenesisValidator>,
    /// Its chains; the first is the default one.
    pub chains: Vec<ChainGenesis>,
}

/// A validator from the beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisValidator {
    /// The node.
    pub node_id: NodeId,
    /// Its weight, above 0.
    pub weight: u64,
    /// Its BLS public key, compressed, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bls_public_key: Option<String>,
}

/// What a chain begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainGenesis {
    /// What people call it: lower-case letters, digits and hyphens.
    pub name: String,
    /// The alias of its VM.
    pub vm: String,
    /// The VM's genesis, in hexadecimal.
    pub genesis: String,
    /// Who may propose, and when.
    #[serde(default)]
    pub proposers: ProposerRules,
    /// The parameters of consensus. By default AvalancheGo's.
    #[serde(default)]
    pub consensus: ParametersConfig,
}

/// When a validator may propose a block: rules that all nodes share, since blocks are checked by
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProposerRules {
    /// How long a slot lasts, in milliseconds. Each has one proposer, drawn by weight. By default
    /// 5,000, AvalancheGo's.
    pub slot_ms: u32,
    /// Slots after the parent's time in which only the drawn proposer may propose; after them any
    /// validator may. By default 720, AvalancheGo's look-ahead. 0: any validator at any time.
    pub slots: u32,
}

impl Default for ProposerRules {
    fn default() -> Self {
        Self { slot_ms: 5_000, slots: 720 }
    }
}

impl ProposerRules {
    /// How long a slot lasts.
    #[must_use]
    pub const fn slot(self) -> Duration {
        Duration::from_millis(self.slot_ms as u64)
    }
}

/// What is wrong with a genesis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenesisError {
    /// Where, as `chains[0].name`.
    pub field: String,
    /// What is there, and what is allowed.
    pub reason: String,
}

impl Genesis {
    /// Reads the JSON of a genesis file and checks it.
    ///
    /// # Errors
    ///
    /// [`GenesisError`] names the first field that is wrong.
    pub fn parse(json: &[u8]) -> Result<Self, GenesisError> {
        let genesis: Self = serde_json::from_slice(json)
            .map_err(|error| wrong("the file", format!("{error}; it is JSON")))?;
        genesis.check()?;
        Ok(genesis)
    }

    /// Its JSON, for people too.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Checks what the types do not say.
    ///
    /// # Errors
    ///
    /// [`GenesisError`] names the first field that is wrong.
    pub fn check(&self) -> Result<(), GenesisError> {
        self.validator_set()?;
        self.peer_validators()?;
        if !(1..=CHAINS_MAX).contains(&self.chains.len()) {
            let found = self.chains.len();
            return Err(wrong(
                "chains",
                format!("there are {found}; 1 to {CHAINS_MAX} are allowed"),
            ));
        }
        let mut names = BTreeSet::new();
        for (at, chain) in self.chains.iter().enumerate() {
            let field = |name: &str| format!("chains[{at}].{name}");
            let plain =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            let name = &chain.name;
            if !(1..=NAME_BYTES_MAX).contains(&name.len()) || !name.bytes().all(plain) {
                let allowed = "lower-case letters, digits and hyphens, 1 to 64 of them";
                return Err(wrong(field("name"), format!("{name:?}; allowed are {allowed}")));
            }
            if !names.insert(name) {
                return Err(wrong(field("name"), format!("{name:?} is there twice")));
            }
            chain.vm_genesis().map_err(|error| wrong(field("genesis"), error.reason))?;
            chain.parameters().map_err(|error| wrong(field("consensus"), error.reason))?;
            if chain.proposers.slot_ms == 0 {
                return Err(wrong(field("proposers.slot_ms"), "0; at least 1 is allowed".into()));
            }
        }
        Ok(())
    }

    /// The validators, for consensus.
    ///
    /// # Errors
    ///
    /// [`GenesisError`] names a validator that is there twice, or weights that are wrong.
    pub fn validator_set(&self) -> Result<ValidatorSet, GenesisError> {
        let validators = self
            .validators
            .iter()
            .map(|one| Validator { node_id: one.node_id, weight: one.weight });
        if self.validators.is_empty() {
            return Err(wrong("validators", "there is none; at least one has to be".into()));
        }
        ValidatorSet::try_from(validators.collect::<Vec<_>>())
            .map_err(|error| wrong("validators", error.to_string()))
    }

    /// The validators, for the network.
    ///
    /// # Errors
    ///
    /// [`GenesisError`] names a BLS key that is none.
    pub fn peer_validators(&self) -> Result<Vec<PeerValidator>, GenesisError> {
        let mut validators = Vec::with_capacity(self.validators.len());
        for (at, one) in self.validators.iter().enumerate() {
            let field = || format!("validators[{at}].bls_public_key");
            let bls_key = match &one.bls_public_key {
                None => None,
                Some(text) => {
                    let bytes = unhex(text).map_err(|reason| wrong(field(), reason))?;
                    let key = BlsPublicKey::from_bytes(&bytes);
                    Some(key.map_err(|error| wrong(field(), error.to_string()))?)
                }
            };
            validators.push(PeerValidator { node_id: one.node_id, weight: one.weight, bls_key });
        }
        Ok(validators)
    }

    /// The identifier of a chain of this network: the SHA-256 of
    ///
    /// | Bytes | What |
    /// |---|---|
    /// | 26 | `avalanche/chain/genesis/v1` |
    /// | 4 | number of the network |
    /// | 4 + n | name of the chain, after its length |
    /// | 4 + n | alias of its VM, after its length |
    /// | 4, 4 | milliseconds of a slot, slots |
    /// | 4 + n | genesis of the VM, after its length |
    /// | 4 | number of validators |
    /// | 28 each | node (20) and weight (8), in rising order of nodes |
    ///
    /// with big-endian numbers. Parameters of consensus are not in it: they change no block.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check), for this chain.
    pub fn chain_id(&self, chain: &ChainGenesis) -> Result<Id, GenesisError> {
        let mut bytes = DOMAIN.to_vec();
        let text = |bytes: &mut Vec<u8>, text: &[u8]| {
            // Lengths beyond 32 bits do not pass the bounds of any VM.
            bytes.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend(text);
        };
        bytes.extend(self.network_id.to_be_bytes());
        text(&mut bytes, chain.name.as_bytes());
        text(&mut bytes, chain.vm.as_bytes());
        bytes.extend(chain.proposers.slot_ms.to_be_bytes());
        bytes.extend(chain.proposers.slots.to_be_bytes());
        text(&mut bytes, &chain.vm_genesis()?);
        let set = self.validator_set()?;
        bytes.extend(u32::try_from(set.len()).unwrap_or(u32::MAX).to_be_bytes());
        let mut validators: Vec<_> = set.iter().collect();
        validators.sort_unstable_by_key(|one| one.node_id);
        for Validator { node_id, weight } in validators {
            bytes.extend(node_id.as_bytes());
            bytes.extend(weight.to_be_bytes());
        }
        Ok(Id::hash(&bytes))
    }
}

impl ChainGenesis {
    /// The VM's genesis.
    ///
    /// # Errors
    ///
    /// [`GenesisError`] if it is not hexadecimal.
    pub fn vm_genesis(&self) -> Result<Vec<u8>, GenesisError> {
        unhex(&self.genesis).map_err(|reason| wrong("genesis", reason))
    }

    /// The parameters of consensus, checked.
    ///
    /// # Errors
    ///
    /// [`GenesisError`] names the rule that is broken.
    pub fn parameters(&self) -> Result<Parameters, GenesisError> {
        Parameters::try_from(self.consensus).map_err(|error| wrong("consensus", error.to_string()))
    }
}

fn wrong(field: impl Into<String>, reason: String) -> GenesisError {
    GenesisError { field: field.into(), reason }
}

/// Reads hexadecimal, with or without `0x`.
fn unhex(text: &str) -> Result<Vec<u8>, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let odd = || format!("{} characters; hexadecimal has two for each byte", digits.len());
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return Err(odd());
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |pair: &[u8; 2]| {
        let value = digit(pair[0])? << 4 | digit(pair[1])?;
        u8::try_from(value).ok()
    };
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    bytes.ok_or_else(|| "it has characters that are no hexadecimal digits".to_owned())
}

impl fmt::Display for GenesisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "genesis: {}: {}", self.field, self.reason)
    }
}

impl error::Error for GenesisError {}
