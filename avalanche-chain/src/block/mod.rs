//! A block of a chain: a VM's block, and above it who proposed it, when, and on what.

mod error;
mod low_s;
mod rules;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use avalanche_consensus::snowman;
use avalanche_consensus::{Height, Id, NodeId, Timestamp};
use avalanche_net::identity::{Certificate, CertificateError, Identity, MAX_CERTIFICATE_BYTES};
use bytes::Bytes;
use ring::digest::{Context, SHA256};

pub use error::BlockError;
pub use rules::{HeaderFault, TIMESTAMP_AHEAD_MAX, verify_header};

/// The most bytes of a block: 2 MiB, what a message between peers can hold.
pub const BLOCK_BYTES_MAX: usize = 2 << 20;
/// The most bytes of a signature: RSA with 4,096 bits.
pub const SIGNATURE_BYTES_MAX: usize = 512;
/// The one version that there is.
const VERSION: u8 = 1;
/// What begins the bytes that a proposer signs.
const DOMAIN: &[u8; 24] = b"avalanche/chain/block/v1";
/// Bytes of a block without certificate, VM's block and signature.
const FRAME_BYTES: usize = 1 + 32 + 8 + 8 + 4 + 4 + 2;
const NANOS_PER_MILLI: u64 = 1_000_000;
/// The last timestamp that nanoseconds can hold: in the year 2554.
const MILLIS_MAX: u64 = u64::MAX / NANOS_PER_MILLI;
/// Signing is tried so often until `s` is low: each time with one chance in two.
const SIGN_TRIES: usize = 128;

/// A block of a chain. Cheap to clone.
///
/// Its bytes have the right form, and nothing else about it was checked: see
/// [`verify_signature`](Self::verify_signature) and [`verify_header`](crate::verify_header).
///
/// # Layout
///
/// | At | Bytes | What |
/// |---|---|---|
/// | 0 | 1 | version, 1 |
/// | 1 | 32 | name of the parent; of the chain for genesis |
/// | 33 | 8 | height |
/// | 41 | 8 | timestamp: milliseconds since the Unix epoch |
/// | 49 | 4 | length `c` of the certificate; 0 for genesis and for nothing else |
/// | 53 | c | the proposer's staking certificate, DER |
/// | 53 + c | 4 | length `n` of the VM's block |
/// | 57 + c | n | the VM's block |
/// | 57 + c + n | 2 | length `s` of the signature; 0 for genesis and for nothing else |
/// | 59 + c + n | s | the signature |
///
/// Numbers are big-endian, and nothing follows. The name of a block is the SHA-256 of all of it.
/// The key of the certificate signs `avalanche/chain/block/v1` and the SHA-256 of all bytes before
/// the length of the signature, 56 bytes together, as a node signs anything with it: ECDSA or RSA
/// PKCS#1 v1.5 over SHA-256 (AvalancheGo `staking/verify.go`).
///
/// The signature is a part of what is named. So that nobody but the proposer can make a sibling of
/// a block, an ECDSA signature has the lower of its two values of `s`; RSA has one form only.
#[derive(Clone)]
pub struct ChainBlock(Arc<Inner>);

struct Inner {
    bytes: Bytes,
    id: Id,
    /// The SHA-256 of what the proposer signs.
    signed: [u8; 32],
    parent: Id,
    height: Height,
    timestamp: Timestamp,
    parts: Parts,
    /// Parsed when it is first asked for.
    certificate: OnceLock<Result<Certificate, CertificateError>>,
}

/// Where the parts of changing length are. All are within the bytes.
struct Parts {
    certificate: Range<usize>,
    payload: Range<usize>,
    signature: Range<usize>,
}

/// What stands before the certificate.
struct Head {
    parent: Id,
    height: Height,
    timestamp: Timestamp,
}

impl ChainBlock {
    /// The first block of a chain, which nobody signs. It stands on the identifier of the chain, so
    /// that no block of one chain follows on a block of another. Fractions of a millisecond are cut
    /// off the timestamp.
    ///
    /// # Errors
    ///
    /// [`BlockError::TooLarge`].
    pub fn genesis(chain: Id, timestamp: Timestamp, payload: &[u8]) -> Result<Self, BlockError> {
        let head = Head { parent: chain, height: Height::GENESIS, timestamp };
        let bytes = head.write(&[], payload, 0)?;
        Self::finish(bytes, |_| Ok(Vec::new()))
    }

    /// A block that this node proposes and signs. Fractions of a millisecond are cut off the
    /// timestamp.
    ///
    /// # Errors
    ///
    /// [`BlockError::TooLarge`], [`BlockError::GenesisSigned`] for height 0, and
    /// [`BlockError::Key`] if the key cannot sign.
    pub fn build(
        parent: Id,
        height: Height,
        timestamp: Timestamp,
        payload: &[u8],
        identity: &Identity,
    ) -> Result<Self, BlockError> {
        if height == Height::GENESIS {
            return Err(BlockError::GenesisSigned);
        }
        let head = Head { parent, height, timestamp };
        let certificate = identity.certificate().der();
        let bytes = head.write(certificate, payload, SIGNATURE_BYTES_MAX)?;
        Self::finish(bytes, |digest| sign(identity, digest))
    }

    /// Reads a block, and keeps its bytes without a copy. It costs one SHA-256 of them: signature
    /// and certificate are not looked at.
    ///
    /// # Errors
    ///
    /// The first rule of the [layout](Self#layout) that is broken.
    pub fn decode(bytes: Bytes) -> Result<Self, BlockError> {
        Self::read(bytes, None)
    }

    /// As [`decode`](Self::decode); `hashed` has what is signed behind it, if somebody had to hash
    /// that already.
    fn read(bytes: Bytes, hashed: Option<Context>) -> Result<Self, BlockError> {
        if bytes.len() > BLOCK_BYTES_MAX {
            return Err(BlockError::TooLarge { len: bytes.len() });
        }
        let mut reader = Reader { bytes: &bytes, at: 0 };
        let [version] = reader.array("the version")?;
        if version != VERSION {
            return Err(BlockError::Version { found: version });
        }
        let parent = Id::new(reader.array("the parent")?);
        let height = Height::new(u64::from_be_bytes(reader.array("the height")?));
        let millis = u64::from_be_bytes(reader.array("the timestamp")?);
        if millis > MILLIS_MAX {
            return Err(BlockError::Timestamp { millis });
        }
        let certificate = reader.long("the certificate", MAX_CERTIFICATE_BYTES)?;
        let payload = reader.long("the VM's block", BLOCK_BYTES_MAX)?;
        let signed = payload.end;
        let len = usize::from(u16::from_be_bytes(reader.array("the length of the signature")?));
        let signature = reader.part("the signature", len, SIGNATURE_BYTES_MAX)?;
        if signature.end != bytes.len() {
            return Err(BlockError::Trailing { len: bytes.len() - signature.end });
        }
        if height == Height::GENESIS {
            if !certificate.is_empty() || !signature.is_empty() {
                return Err(BlockError::GenesisSigned);
            }
        } else if certificate.is_empty() || signature.is_empty() {
            return Err(BlockError::Unsigned { height });
        }
        let mut hash = hashed.unwrap_or_else(|| {
            let mut hash = Context::new(&SHA256);
            hash.update(bytes.get(..signed).unwrap_or_default());
            hash
        });
        let digest = digest(hash.clone());
        hash.update(bytes.get(signed..).unwrap_or_default());
        let id = Id::new(self::digest(hash));
        Ok(Self(Arc::new(Inner {
            bytes,
            id,
            signed: digest,
            parent,
            height,
            timestamp: Timestamp::from_millis(millis),
            parts: Parts { certificate, payload, signature },
            certificate: OnceLock::new(),
        })))
    }

    /// Signs what is written and reads it: built and received blocks come from the same code.
    fn finish(
        mut bytes: Vec<u8>,
        sign: impl FnOnce(&[u8; 32]) -> Result<Vec<u8>, BlockError>,
    ) -> Result<Self, BlockError> {
        let mut hash = Context::new(&SHA256);
        hash.update(&bytes);
        let signature = sign(&digest(hash.clone()))?;
        let len = u16::try_from(signature.len());
        let len = len.map_err(|_| BlockError::TooLarge { len: signature.len() })?;
        bytes.extend(len.to_be_bytes());
        bytes.extend(signature);
        Self::read(bytes.into(), Some(hash))
    }

    /// Its name: the SHA-256 of its bytes.
    #[must_use]
    pub fn id(&self) -> Id {
        self.0.id
    }

    /// The block below; the chain for genesis.
    #[must_use]
    pub fn parent(&self) -> Id {
        self.0.parent
    }

    /// Its height.
    #[must_use]
    pub fn height(&self) -> Height {
        self.0.height
    }

    /// When its proposer says that it was made: whole milliseconds.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        self.0.timestamp
    }

    /// Who made it, as its certificate says: true only if the signature is. `None` for genesis, and
    /// for a certificate that no node may have.
    #[must_use]
    pub fn proposer(&self) -> Option<NodeId> {
        self.certificate().as_ref().ok().map(Certificate::node_id)
    }

    /// All of it.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.0.bytes
    }

    /// The VM's block: a part of the bytes, not a copy.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        self.0.bytes.slice(self.0.parts.payload.clone())
    }

    /// What consensus has to know of it.
    #[must_use]
    pub fn as_consensus_block(&self) -> snowman::Block {
        snowman::Block { id: self.0.id, parent: self.0.parent, height: self.0.height }
    }

    /// Checks that the node of the certificate signed this block. Genesis passes: its name is what
    /// it is known by.
    ///
    /// # Errors
    ///
    /// [`BlockError::Certificate`] or [`BlockError::Signature`].
    pub fn verify_signature(&self) -> Result<(), BlockError> {
        if self.0.height == Height::GENESIS {
            return Ok(());
        }
        let certificate = self.certificate().as_ref().map_err(|&e| BlockError::Certificate(e))?;
        let signature = self.part(&self.0.parts.signature);
        match low_s::is_low(signature) && certificate.verify(&message(&self.0.signed), signature) {
            true => Ok(()),
            false => Err(BlockError::Signature { proposer: certificate.node_id() }),
        }
    }

    fn certificate(&self) -> &Result<Certificate, CertificateError> {
        let inner = &self.0;
        let parse = || Certificate::parse(self.part(&inner.parts.certificate));
        inner.certificate.get_or_init(parse)
    }

    fn part(&self, part: &Range<usize>) -> &[u8] {
        self.0.bytes.get(part.clone()).unwrap_or_default()
    }
}

impl PartialEq for ChainBlock {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for ChainBlock {}

impl fmt::Debug for ChainBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainBlock")
            .field("id", &self.0.id)
            .field("parent", &self.0.parent)
            .field("height", &self.0.height)
            .field("timestamp", &self.0.timestamp)
            .field("bytes", &self.0.bytes.len())
            .finish_non_exhaustive()
    }
}

impl Head {
    /// All bytes before the signature, with room for one of so many.
    fn write(
        &self,
        certificate: &[u8],
        payload: &[u8],
        signature: usize,
    ) -> Result<Vec<u8>, BlockError> {
        let len = FRAME_BYTES + certificate.len() + payload.len() + signature;
        if len > BLOCK_BYTES_MAX {
            return Err(BlockError::TooLarge { len });
        }
        let mut bytes = Vec::with_capacity(len);
        bytes.push(VERSION);
        bytes.extend(self.parent.as_bytes());
        bytes.extend(self.height.get().to_be_bytes());
        bytes.extend((self.timestamp.as_nanos() / NANOS_PER_MILLI).to_be_bytes());
        for part in [certificate, payload] {
            let len = u32::try_from(part.len()).map_err(|_| BlockError::TooLarge { len })?;
            bytes.extend(len.to_be_bytes());
            bytes.extend(part);
        }
        Ok(bytes)
    }
}

/// Reads from the front.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], BlockError> {
        let short = BlockError::Truncated { what, len: self.bytes.len() };
        let bytes = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk);
        self.at += N;
        bytes.copied().ok_or(short)
    }

    /// A part after its length in four bytes.
    fn long(&mut self, what: &'static str, max: usize) -> Result<Range<usize>, BlockError> {
        let len = u32::from_be_bytes(self.array(what)?);
        self.part(what, usize::try_from(len).unwrap_or(usize::MAX), max)
    }

    fn part(
        &mut self,
        what: &'static str,
        len: usize,
        max: usize,
    ) -> Result<Range<usize>, BlockError> {
        if len > max {
            return Err(BlockError::PartTooLarge { what, len, max });
        }
        let part = self.at..self.at + len;
        self.at = part.end;
        match part.end > self.bytes.len() {
            true => Err(BlockError::Truncated { what, len: self.bytes.len() }),
            false => Ok(part),
        }
    }
}

fn digest(hash: Context) -> [u8; 32] {
    // SHA-256 has 32 bytes.
    hash.finish().as_ref().first_chunk().copied().unwrap_or_default()
}

/// What is signed: the domain, and the digest of the bytes before the signature.
fn message(digest: &[u8; 32]) -> [u8; 56] {
    let mut message = [0; 56];
    let (domain, rest) = message.split_at_mut(DOMAIN.len());
    domain.copy_from_slice(DOMAIN);
    rest.copy_from_slice(digest);
    message
}

/// ECDSA draws a new nonce each time, so that a low `s` comes soon.
fn sign(identity: &Identity, digest: &[u8; 32]) -> Result<Vec<u8>, BlockError> {
    let message = message(digest);
    for _ in 0..SIGN_TRIES {
        let signature = identity.sign_tls(&message).map_err(BlockError::Key)?;
        if low_s::is_low(&signature) {
            return Ok(signature);
        }
    }
    Err(BlockError::Key(avalanche_net::identity::KeyError::Signing))
}
