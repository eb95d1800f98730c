//! What a node is told: a file, then the environment, then flags.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{error, fmt, fs};

use avalanche_consensus::NodeId;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

/// How a node runs. Every field has a default that suits a network on one machine.
///
/// Sources, each over the one before: a TOML file, the environment ([`VARIABLES`]), flags
/// `--set name=value`. Names that do not exist are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeConfig {
    /// Where keys, logs and states are kept. By default `./node`.
    pub data_dir: PathBuf,
    /// The genesis file. By default `genesis.json` in the folder above `data_dir`.
    pub genesis: Option<PathBuf>,
    /// Where to listen for peers; port 0 takes a free one. By default 127.0.0.1:9651.
    pub listen: SocketAddr,
    /// The address that peers are told, if it is not the one that is listened on.
    pub public: Option<SocketAddr>,
    /// Whom to dial at start.
    pub bootstrap: Vec<BootstrapPeer>,
    /// Where a program that serves the node over HTTP listens. By default 127.0.0.1:8080.
    pub api: SocketAddr,
    /// What keeps states and indexes.
    pub store: StoreKind,
    /// The most peers at once.
    pub max_peers: usize,
    /// Bytes a second that are read from one peer; a faster one is not read for a while. By default
    /// 64 MiB. AvalancheGo's is 512 KiB, which is some 2,000 transfers a second.
    pub peer_bytes_per_second: u64,
    /// Whether messages are compressed. By default not: signatures and keys do not become shorter.
    pub compress: bool,
    /// The most VMs.
    pub max_vms_per_node: usize,
    /// What is written to the log of the program: `error`, `warn`, `info`, `debug` or `trace`, or
    /// directives as `avalanche_chain=debug`.
    pub log_level: String,
    /// How long the end may take, in milliseconds, before what is left is given up. By default
    /// 10,000.
    pub drain_ms: u64,
    /// How blocks are built.
    pub build: BuildConfig,
    /// Settings of VMs, by the chain's name, in the form of the VM.
    pub vm: BTreeMap<String, String>,
}

/// A node to dial at start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootstrapPeer {
    /// Who it is.
    pub node_id: NodeId,
    /// Where it listens.
    pub address: SocketAddr,
}

/// What keeps states and indexes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum StoreKind {
    /// sled, with a sync of its own.
    #[default]
    Sled,
    /// redb.
    Redb,
    /// Nothing: lost at the end, and built again from the block log at the next start.
    Memory,
}

/// How a node builds blocks. It changes no rule: nodes with different ones agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BuildConfig {
    /// How long after its parent a block that is not full is built at the earliest, in
    /// milliseconds, so that blocks under load hold more. By default 0.
    pub interval_ms: u64,
    /// How long a node waits with transactions that it knows from others, in milliseconds, where
    /// any validator may propose: whoever took them in proposes at once. By default 50.
    pub others_ms: u64,
    /// Whether blocks without transactions are built. By default false.
    pub empty: bool,
    /// The most bytes of a VM's block. By default 1,900,000: a message has 2 MiB.
    pub bytes_max: usize,
}

impl Default for BuildConfig {
    fn default() -> Self {
        Self { interval_ms: 0, others_ms: 50, empty: false, bytes_max: 1_900_000 }
    }
}

impl Default for NodeConfig {
    fn default() -> Self {
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            data_dir: PathBuf::from("node"),
            genesis: None,
            listen: local(9651),
            public: None,
            bootstrap: Vec::new(),
            api: local(8080),
            store: StoreKind::default(),
            max_peers: 4_096,
            peer_bytes_per_second: 64 << 20,
            compress: false,
            max_vms_per_node: 16,
            log_level: "info".to_owned(),
            drain_ms: 10_000,
            build: BuildConfig::default(),
            vm: BTreeMap::new(),
        }
    }
}

/// Variables of the environment, and the field that each sets.
pub const VARIABLES: [(&str, &str); 8] = [
    ("AVALANCHE_DATA_DIR", "data_dir"),
    ("AVALANCHE_GENESIS", "genesis"),
    ("TCP_PORT", "listen"),
    ("PORT", "api"),
    ("BOOTSTRAP_NODES", "bootstrap"),
    ("MAX_PEERS", "max_peers"),
    ("MAX_VMS_PER_NODE", "max_vms_per_node"),
    ("LOG_LEVEL", "log_level"),
];

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Where it was found: a file, a variable, a flag.
    pub place: String,
    /// What is there, and what is allowed.
    pub reason: String,
}

impl NodeConfig {
    /// Puts the sources together.
    ///
    /// `environment` is that of the process; what is not in [`VARIABLES`] is not looked at. `flags`
    /// are pairs of a name, with dots for parts as `build.empty`, and a value as in TOML, where the
    /// quotes of text may be left out.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the source and the field, its value and what is allowed.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &[(String, String)],
    ) -> Result<Self, ConfigError> {
        let mut table = match file {
            Some(path) => read(path)?,
            None => Table::new(),
        };
        let place = file.map_or_else(|| "defaults".to_owned(), |path| path.display().to_string());
        let mut config = Self::from_table(&table, &place)?;
        for (name, value) in environment {
            let Some((_, field)) = VARIABLES.iter().find(|(variable, _)| *variable == name) else {
                continue;
            };
            config.set_variable(&mut table, &name, field, &value)?;
            config = Self::from_table(&table, &name)?;
        }
        for (name, value) in flags {
            let place = format!("--set {name}={value}");
            set(&mut table, name, literal(value), &place)?;
            config = Self::from_table(&table, &place)?;
        }
        config.check()?;
        Ok(config)
    }

    /// All fields, as a file that gives this configuration again. It has no secrets: keys are in
    /// files of their own.
    #[must_use]
    pub fn to_toml(&self) -> String {
        // Every field is text, a number, a flag, or a table or list of those.
        toml::to_string(self).unwrap_or_default()
    }

    /// The genesis file.
    #[must_use]
    pub fn genesis_path(&self) -> PathBuf {
        self.genesis.clone().unwrap_or_else(|| {
            self.data_dir.parent().unwrap_or_else(|| Path::new(".")).join("genesis.json")
        })
    }

    /// How long the end may take.
    #[must_use]
    pub const fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_ms)
    }

    fn from_table(table: &Table, place: &str) -> Result<Self, ConfigError> {
        Self::deserialize(table.clone()).map_err(|error| wrong(place, error.to_string()))
    }

    /// Variables of the documented services say some things shorter than the file does.
    fn set_variable(
        &self,
        table: &mut Table,
        name: &str,
        field: &str,
        value: &str,
    ) -> Result<(), ConfigError> {
        let port = |address: SocketAddr| {
            let port: u16 = value.parse().map_err(|_| {
                wrong(name, format!("it is {value:?}; allowed is a port from 0 to 65535"))
            })?;
            Ok(Value::String(SocketAddr::new(address.ip(), port).to_string()))
        };
        let value = match field {
            "listen" => port(self.listen)?,
            "api" => port(self.api)?,
            "bootstrap" => peers(name, value)?,
            _ => literal(value),
        };
        set(table, field, value, name)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let zero = [
            ("max_peers", self.max_peers == 0),
            ("peer_bytes_per_second", self.peer_bytes_per_second == 0),
            ("max_vms_per_node", self.max_vms_per_node == 0),
            ("drain_ms", self.drain_ms == 0),
            ("log_level", self.log_level.is_empty()),
        ];
        if let Some((field, _)) = zero.into_iter().find(|(_, zero)| *zero) {
            return Err(wrong(field, "it is empty or 0; at least 1 is allowed".to_owned()));
        }
        if !(1_000..=2_000_000).contains(&self.build.bytes_max) {
            let found = self.build.bytes_max;
            let reason = format!("it is {found}; 1000 to 2000000 are allowed");
            return Err(wrong("build.bytes_max", reason));
        }
        Ok(())
    }
}

/// Reads `NodeID-..@IP:PORT`, separated by commas.
fn peers(place: &str, text: &str) -> Result<Value, ConfigError> {
    let one = |text: &str| {
        let (node_id, address) = text.trim().split_once('@').ok_or_else(|| {
            wrong(
                place,
                format!("{text:?} is no peer; allowed is NodeID-...@IP:PORT, and commas between"),
            )
        })?;
        let mut peer = Table::new();
        peer.insert("node_id".to_owned(), Value::String(node_id.to_owned()));
        peer.insert("address".to_owned(), Value::String(address.to_owned()));
        Ok(Value::Table(peer))
    };
    let parts = text.split(',').filter(|part| !part.trim().is_empty());
    parts.map(one).collect::<Result<Vec<_>, _>>().map(Value::Array)
}

fn read(path: &Path) -> Result<Table, ConfigError> {
    let place = path.display().to_string();
    let text = fs::read_to_string(path)
        .map_err(|error| wrong(&place, format!("it cannot be read: {error}")))?;
    text.parse().map_err(|error: toml::de::Error| wrong(&place, error.to_string()))
}

/// A value as TOML has it, or text.
fn literal(text: &str) -> Value {
    let line = format!("value = {text}").parse::<Table>();
    let value = line.ok().and_then(|mut table| table.remove("value"));
    value.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn set(table: &mut Table, name: &str, value: Value, place: &str) -> Result<(), ConfigError> {
    let mut parts: Vec<&str> = name.split('.').collect();
    let last = parts.pop().unwrap_or_default();
    let mut at = table;
    for part in parts {
        let inner = at.entry(part).or_insert_with(|| Value::Table(Table::new()));
        at = inner.as_table_mut().ok_or_else(|| wrong(place, format!("{part} has no parts")))?;
    }
    at.insert(last.to_owned(), value);
    Ok(())
}

fn wrong(place: impl Into<String>, reason: String) -> ConfigError {
    ConfigError { place: place.into(), reason }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "configuration: {}: {}", self.place, self.reason.trim_end())
    }
}

impl error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn later_sources_win_and_what_comes_out_goes_in_again() {
        let environment = pairs(&[("PORT", "9000"), ("MAX_PEERS", "7"), ("HOME", "/x")]);
        let flags = pairs(&[("max_peers", "8"), ("build.empty", "true"), ("store", "redb")]);
        let config = NodeConfig::load(None, environment, &flags).unwrap();
        assert_eq!((config.api.port(), config.max_peers), (9000, 8));
        assert_eq!((config.build.empty, config.store), (true, StoreKind::Redb));
        let again: NodeConfig = toml::from_str(&config.to_toml()).unwrap();
        assert_eq!(again, config);
    }

    #[test]
    fn peers_come_from_the_environment() {
        let node = NodeId::new([7; 20]);
        let text = format!("{node}@127.0.0.1:1, {node}@[::1]:2");
        let config = NodeConfig::load(None, pairs(&[("BOOTSTRAP_NODES", &text)]), &[]).unwrap();
        assert_eq!(config.bootstrap.len(), 2);
        assert_eq!(config.bootstrap[1].address, "[::1]:2".parse().unwrap());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_source() {
        for (environment, flags, says) in [
            (pairs(&[("PORT", "many")]), Vec::new(), "PORT: it is \"many\""),
            (pairs(&[("BOOTSTRAP_NODES", "me")]), Vec::new(), "NodeID-...@IP:PORT"),
            (pairs(&[("MAX_PEERS", "0")]), Vec::new(), "max_peers"),
            (Vec::new(), pairs(&[("buildd.empty", "true")]), "unknown field `buildd`"),
            (Vec::new(), pairs(&[("store", "oracle")]), "oracle"),
            (Vec::new(), pairs(&[("max_peers.x", "1"), ("max_peers", "1")]), "max_peers"),
            (Vec::new(), pairs(&[("build.bytes_max", "3")]), "1000 to 2000000"),
        ] {
            let text = NodeConfig::load(None, environment, &flags).unwrap_err().to_string();
            assert!(text.contains(says), "{says:?} in {text}");
        }
    }
}
