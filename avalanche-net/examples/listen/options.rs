//! What the command line says.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use avalanche_consensus::Id;

pub(crate) const USAGE: &str = "\
usage: listen --addr IP:PORT --network-id N [options]

  --addr IP:PORT      where to listen for peers; port 0 takes a free one
  --network-id N      1 mainnet, 5 fuji, 12345 local; others are networks of your own
  --chain ID          the chain whose queries are answered, CB58 or hex (default: 32 bytes of 1)
  --identity DIR      keys are read from there, or made there the first time (default: new ones, not kept)
  --connect IP:PORT   a peer to dial, and to dial again; may be repeated
  --json              one JSON object a line instead of text";

/// What to run.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) addr: SocketAddr,
    pub(crate) network_id: u32,
    pub(crate) chain: Id,
    pub(crate) identity: Option<PathBuf>,
    pub(crate) connect: Vec<SocketAddr>,
    pub(crate) json: bool,
}

impl Options {
    /// Reads the arguments behind the name of the program; `None` if they ask for help.
    pub(crate) fn parse(
        mut arguments: impl Iterator<Item = String>,
    ) -> Result<Option<Self>, String> {
        let (mut addr, mut network_id) = (None, None);
        let mut chain = Id::new([1; 32]);
        let (mut identity, mut connect, mut json) = (None, Vec::new(), false);
        while let Some(flag) = arguments.next() {
            let mut value =
                || arguments.next().ok_or_else(|| format!("{flag} needs a value\n{USAGE}"));
            match flag.as_str() {
                "--addr" => addr = Some(read(&flag, &value()?, "IP:PORT, as 127.0.0.1:9651")?),
                "--network-id" => {
                    network_id = Some(read(&flag, &value()?, "a number from 0 to 4294967295")?);
                }
                "--chain" => chain = read(&flag, &value()?, "32 bytes in CB58 or hex")?,
                "--identity" => identity = Some(PathBuf::from(value()?)),
                "--connect" => {
                    connect.push(read(&flag, &value()?, "IP:PORT, as 127.0.0.1:9651")?);
                }
                "--json" => json = true,
                "--help" | "-h" => return Ok(None),
                _ => return Err(format!("{flag:?} is not an option\n{USAGE}")),
            }
        }
        let addr = addr.ok_or_else(|| format!("--addr is missing\n{USAGE}"))?;
        let network_id = network_id.ok_or_else(|| format!("--network-id is missing\n{USAGE}"))?;
        Ok(Some(Self { addr, network_id, chain, identity, connect, json }))
    }
}

fn read<T: FromStr>(flag: &str, text: &str, allowed: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{flag} {text:?}: must be {allowed}"))
}
