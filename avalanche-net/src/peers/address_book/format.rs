//! The bytes of an address book; the layout is drawn at [`AddressBook`].

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr};

use avalanche_consensus::NodeId;
use bytes::BufMut;

use super::{AddressBook, AddressBookDamage, KnownNode};
use crate::identity::{Certificate, MAX_CERTIFICATE_BYTES, UnsignedIp};
use crate::peers::hello::ip_bytes;
use crate::peers::{Ban, Bans, ClaimedIp};

const MAGIC: &[u8; 8] = b"AVAXPEER";
const VERSION: u16 = 1;
const CHECKSUM_BYTES: usize = 32;
const HEADER_BYTES: usize = 8 + 2 + 2 + 2;
const ADDR_BYTES: usize = 16 + 2;
const CLAIM_BYTES_MAX: usize =
    MAX_CERTIFICATE_BYTES + 8 + ADDR_BYTES + 2 + AddressBook::SIGNATURE_BYTES_MAX;
const NODE_BYTES_MAX: usize = 20 + 8 + ADDR_BYTES + 2 + CLAIM_BYTES_MAX;
const BAN_BYTES_MAX: usize = 20 + 8 + 1 + Ban::REASON_BYTES_MAX;

impl AddressBook {
    /// Bytes of the greatest address book, about 11 MB. Larger files are not read.
    pub const FILE_BYTES_MAX: usize = HEADER_BYTES
        + Self::NODES_MAX * NODE_BYTES_MAX
        + Bans::MAX * BAN_BYTES_MAX
        + CHECKSUM_BYTES;

    /// The book as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.put_slice(MAGIC);
        bytes.put_u16(VERSION);
        // Both are bounded far below.
        bytes.put_u16(u16::try_from(self.nodes.len()).unwrap_or(u16::MAX));
        bytes.put_u16(u16::try_from(self.bans.len()).unwrap_or(u16::MAX));
        for (node, known) in &self.nodes {
            bytes.put_slice(node.as_bytes());
            bytes.put_u64(known.last_seen_unix);
            put_addr(&mut bytes, known.addr);
            let Some(claim) = &known.claim else {
                bytes.put_u16(0);
                continue;
            };
            put_long(&mut bytes, claim.certificate().der());
            bytes.put_u64(claim.timestamp());
            put_addr(&mut bytes, claim.addr());
            put_long(&mut bytes, claim.tls_signature());
        }
        for (node, ban) in self.bans.iter() {
            bytes.put_slice(node.as_bytes());
            bytes.put_u64(ban.until_unix);
            bytes.put_u8(u8::try_from(ban.reason().len()).unwrap_or(u8::MAX));
            bytes.put_slice(ban.reason().as_bytes());
        }
        let checksum = blake3::hash(&bytes);
        bytes.put_slice(checksum.as_bytes());
        bytes
    }

    /// Reads a book. Signatures of claims are not verified.
    ///
    /// # Errors
    ///
    /// [`AddressBookDamage`] says what is wrong, whatever the bytes are.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AddressBookDamage> {
        use AddressBookDamage as Damage;
        if bytes.len() > Self::FILE_BYTES_MAX {
            return Err(Damage::TooLarge);
        }
        let rest = bytes.strip_prefix(MAGIC).ok_or(Damage::NotAnAddressBook)?;
        let (version, _) = rest.split_first_chunk().ok_or(Damage::Checksum)?;
        let found = u16::from_be_bytes(*version);
        if found != VERSION {
            return Err(Damage::Version { found, supported: VERSION });
        }
        let (body, checksum) =
            bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(Damage::Checksum)?;
        if blake3::hash(body) != *checksum {
            return Err(Damage::Checksum);
        }
        let mut reader = Reader { bytes: body, offset: 10 };
        let (nodes, bans) = (reader.u16()?, reader.u16()?);
        let nodes = read_nodes(&mut reader, nodes.into())?;
        let bans = read_bans(&mut reader, bans.into())?;
        if reader.offset != body.len() {
            return Err(reader.malformed("bytes after the last ban"));
        }
        Ok(Self { nodes, bans })
    }
}

fn read_nodes(
    reader: &mut Reader<'_>,
    count: usize,
) -> Result<BTreeMap<NodeId, KnownNode>, AddressBookDamage> {
    if count > AddressBook::NODES_MAX {
        return Err(reader.malformed("more nodes than are allowed"));
    }
    let mut nodes = BTreeMap::new();
    for _ in 0..count {
        let node = NodeId::new(reader.array()?);
        if nodes.last_key_value().is_some_and(|(last, _)| *last >= node) {
            return Err(reader.malformed("nodes that are not in order"));
        }
        let last_seen_unix = reader.u64()?;
        let addr = reader.addr()?;
        let claim = read_claim(reader, node)?;
        nodes.insert(node, KnownNode { addr, last_seen_unix, claim });
    }
    Ok(nodes)
}

fn read_claim(
    reader: &mut Reader<'_>,
    node: NodeId,
) -> Result<Option<ClaimedIp>, AddressBookDamage> {
    let der = reader.long()?;
    if der.is_empty() {
        return Ok(None);
    }
    let certificate = Certificate::parse(der)
        .ok()
        .filter(|certificate| certificate.node_id() == node)
        .ok_or_else(|| reader.malformed("a certificate that is not the node's"))?;
    let timestamp = reader.u64()?;
    let addr = reader.addr()?;
    let signature = reader.long()?;
    if signature.len() > AddressBook::SIGNATURE_BYTES_MAX {
        return Err(reader.malformed("a signature that is too long"));
    }
    Ok(Some(ClaimedIp::new(certificate, UnsignedIp { addr, timestamp }, signature)))
}

fn read_bans(reader: &mut Reader<'_>, count: usize) -> Result<Bans, AddressBookDamage> {
    if count > Bans::MAX {
        return Err(reader.malformed("more bans than are allowed"));
    }
    let (mut bans, mut last) = (Bans::new(), None);
    for _ in 0..count {
        let node = NodeId::new(reader.array()?);
        if last.replace(node).is_some_and(|last| last >= node) {
            return Err(reader.malformed("bans that are not in order"));
        }
        let until_unix = reader.u64()?;
        let [length] = reader.array()?;
        let reason = std::str::from_utf8(reader.take(length.into())?).ok();
        let reason = reason
            .filter(|reason| reason.len() <= Ban::REASON_BYTES_MAX)
            .ok_or_else(|| reader.malformed("a reason that is too long, or no text"))?;
        // A ban that is over is kept all the same, but one that never held cannot be.
        if !bans.ban(node, Ban::new(reason, until_unix), 0) {
            return Err(reader.malformed("a ban that ends before it begins"));
        }
    }
    Ok(bans)
}

fn put_addr(bytes: &mut Vec<u8>, addr: SocketAddr) {
    bytes.put_slice(&ip_bytes(addr));
    bytes.put_u16(addr.port());
}

/// The length, of which all that can be written are small, and the bytes.
fn put_long(bytes: &mut Vec<u8>, value: &[u8]) {
    bytes.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
    bytes.put_slice(value);
}

/// Reads from a place on.
struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], AddressBookDamage> {
        let end = self.offset.checked_add(length);
        let taken = end.and_then(|end| self.bytes.get(self.offset..end));
        let taken = taken.ok_or_else(|| self.malformed("the bytes end too early"))?;
        self.offset += length;
        Ok(taken)
    }

    fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], AddressBookDamage> {
        let taken = self.take(LENGTH)?;
        taken.try_into().map_err(|_| self.malformed("the bytes end too early"))
    }

    fn u16(&mut self) -> Result<u16, AddressBookDamage> {
        self.array().map(u16::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, AddressBookDamage> {
        self.array().map(u64::from_be_bytes)
    }

    fn addr(&mut self) -> Result<SocketAddr, AddressBookDamage> {
        let ip = Ipv6Addr::from(self.array::<16>()?).to_canonical();
        Ok(SocketAddr::new(ip, self.u16()?))
    }

    fn long(&mut self) -> Result<&'a [u8], AddressBookDamage> {
        let length = self.u16()?;
        self.take(length.into())
    }

    const fn malformed(&self, what: &'static str) -> AddressBookDamage {
        AddressBookDamage::Malformed { offset: self.offset, what }
    }
}
