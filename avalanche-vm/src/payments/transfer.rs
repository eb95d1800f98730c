//! Signed transfers: 193 bytes, read in place.

use std::fmt;

use avalanche_consensus::Id;

use super::wire::{Reader, VERSION};
use super::{Address, Refusal};

/// Bytes of a transfer with its signature.
pub const TRANSFER_BYTES: usize = 193;

/// Bytes that a signature is over, without the frame of the domain.
pub const SIGNED_BYTES: usize = 129;

/// The domain of signatures: what is signed is one byte with its length, the domain, and the first
/// [`SIGNED_BYTES`] of the transfer.
pub const TRANSFER_DOMAIN: &str = "avalanche/payments/transfer/v1";

/// What a sender wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Transfer {
    /// The chain that it is for, so that no other chain can apply it.
    pub chain: Id,
    /// Who pays.
    pub sender: Address,
    /// Who is paid.
    pub recipient: Address,
    /// How much the recipient gets, in the smallest unit. At least 1.
    pub amount: u64,
    /// What the sender pays on top, in the smallest unit. It is burned.
    pub fee: u64,
    /// How many transfers the sender sent before.
    pub nonce: u64,
    /// The last second, since the Unix epoch, of the timestamp of a block that may hold it.
    pub expiry: u64,
}

impl Transfer {
    /// The bytes that a signature is over, without the frame of the domain.
    #[must_use]
    pub fn signed_bytes(&self) -> [u8; SIGNED_BYTES] {
        let mut bytes = [0; SIGNED_BYTES];
        bytes[0] = VERSION;
        bytes[1..33].copy_from_slice(self.chain.as_bytes());
        bytes[33..65].copy_from_slice(self.sender.as_bytes());
        bytes[65..97].copy_from_slice(self.recipient.as_bytes());
        bytes[97..105].copy_from_slice(&self.amount.to_be_bytes());
        bytes[105..113].copy_from_slice(&self.fee.to_be_bytes());
        bytes[113..121].copy_from_slice(&self.nonce.to_be_bytes());
        bytes[121..].copy_from_slice(&self.expiry.to_be_bytes());
        bytes
    }

    /// The octets that are given to ed25519: [`TRANSFER_DOMAIN`] framed, then the signed bytes.
    #[must_use]
    pub fn signing_message(&self) -> Vec<u8> {
        framed(&self.signed_bytes())
    }

    /// This transfer with a signature, which is not checked here.
    #[must_use]
    pub fn with_signature(&self, signature: &[u8; 64]) -> SignedTransfer {
        let mut bytes = [0; TRANSFER_BYTES];
        bytes[..SIGNED_BYTES].copy_from_slice(&self.signed_bytes());
        bytes[SIGNED_BYTES..].copy_from_slice(signature);
        SignedTransfer(bytes)
    }
}

/// A transfer with its signature, as bytes of its own.
///
/// | Bytes | What |
/// |---|---|
/// | 1 | version: 1 |
/// | 32 | chain |
/// | 32 | sender |
/// | 32 | recipient |
/// | 8 | amount |
/// | 8 | fee |
/// | 8 | nonce |
/// | 8 | expiry |
/// | 64 | signature |
///
/// Every 193 bytes that begin with the version are one. Fields are read through
/// [`view`](Self::view).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignedTransfer([u8; TRANSFER_BYTES]);

impl SignedTransfer {
    /// Reads a transfer, which has to be all of `bytes`.
    ///
    /// # Errors
    ///
    /// [`Refusal::TransferTooLarge`], [`Refusal::Malformed`], [`Refusal::WrongVersion`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        TransferRef::decode(bytes).map(|transfer| transfer.to_owned())
    }

    /// Its fields, in place.
    #[must_use]
    pub const fn view(&self) -> TransferRef<'_> {
        TransferRef(&self.0)
    }

    /// All of it.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; TRANSFER_BYTES] {
        &self.0
    }

    /// Its name: the SHA-256 of all its bytes.
    #[must_use]
    pub fn id(&self) -> Id {
        self.view().id()
    }

    /// Its fields but the signature, decoded.
    #[must_use]
    pub fn transfer(&self) -> Transfer {
        self.view().transfer()
    }
}

impl fmt::Debug for SignedTransfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

/// A [`SignedTransfer`] in somebody else's bytes, as those of a block: reading a field is a load.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TransferRef<'a>(&'a [u8; TRANSFER_BYTES]);

impl<'a> TransferRef<'a> {
    /// Reads a transfer, which has to be all of `bytes`.
    ///
    /// # Errors
    ///
    /// [`Refusal::TransferTooLarge`], [`Refusal::Malformed`], [`Refusal::WrongVersion`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Refusal> {
        if bytes.len() > TRANSFER_BYTES {
            return Err(Refusal::TransferTooLarge { bytes: bytes.len(), max: TRANSFER_BYTES });
        }
        Reader::new("transfer", bytes).version()?;
        Reader::new("transfer", bytes).array().map(Self)
    }

    /// A transfer in bytes of which a block has checked the version.
    pub(super) const fn checked(bytes: &'a [u8; TRANSFER_BYTES]) -> Self {
        Self(bytes)
    }

    /// The chain that it is for.
    #[must_use]
    pub fn chain(self) -> Id {
        Id::new(*field::<1, 32>(self.0))
    }

    /// Who pays, and whose key the signature is checked with.
    #[must_use]
    pub fn sender(self) -> Address {
        Address::new(*field::<33, 32>(self.0))
    }

    /// Who is paid.
    #[must_use]
    pub fn recipient(self) -> Address {
        Address::new(*field::<65, 32>(self.0))
    }

    /// How much the recipient gets.
    #[must_use]
    pub fn amount(self) -> u64 {
        u64::from_be_bytes(*field::<97, 8>(self.0))
    }

    /// What is burned.
    #[must_use]
    pub fn fee(self) -> u64 {
        u64::from_be_bytes(*field::<105, 8>(self.0))
    }

    /// Its place among the sender's transfers, from 0.
    #[must_use]
    pub fn nonce(self) -> u64 {
        u64::from_be_bytes(*field::<113, 8>(self.0))
    }

    /// The last second, since the Unix epoch, of the timestamp of a block that may hold it.
    #[must_use]
    pub fn expiry(self) -> u64 {
        u64::from_be_bytes(*field::<121, 8>(self.0))
    }

    /// The signature, unchecked.
    #[must_use]
    pub fn signature(self) -> &'a [u8; 64] {
        field::<129, 64>(self.0)
    }

    /// What the signature is over, without the frame of [`TRANSFER_DOMAIN`].
    #[must_use]
    pub fn signed_bytes(self) -> &'a [u8; SIGNED_BYTES] {
        field::<0, SIGNED_BYTES>(self.0)
    }

    /// The octets that are given to ed25519: [`TRANSFER_DOMAIN`] framed, then the signed bytes.
    #[must_use]
    pub fn signing_message(self) -> Vec<u8> {
        framed(self.signed_bytes())
    }

    /// All of it.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8; TRANSFER_BYTES] {
        self.0
    }

    /// Its name: the SHA-256 of all its bytes.
    #[must_use]
    pub fn id(self) -> Id {
        Id::hash(self.0)
    }

    /// A copy with bytes of its own.
    #[must_use]
    pub const fn to_owned(self) -> SignedTransfer {
        SignedTransfer(*self.0)
    }

    /// Its fields but the signature, decoded.
    #[must_use]
    pub fn transfer(self) -> Transfer {
        Transfer {
            chain: self.chain(),
            sender: self.sender(),
            recipient: self.recipient(),
            amount: self.amount(),
            fee: self.fee(),
            nonce: self.nonce(),
            expiry: self.expiry(),
        }
    }
}

impl fmt::Debug for TransferRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.transfer().fmt(f)
    }
}

/// The `N` bytes from `AT` on.
fn field<const AT: usize, const N: usize>(bytes: &[u8; TRANSFER_BYTES]) -> &[u8; N] {
    const { assert!(AT + N <= TRANSFER_BYTES, "a field lies in the transfer") };
    bytes.get(AT..).and_then(<[u8]>::first_chunk).unwrap_or(&[0; N])
}

/// `signed` behind the framed domain.
fn framed(signed: &[u8; SIGNED_BYTES]) -> Vec<u8> {
    const LENGTH: [u8; 1] = {
        assert!(TRANSFER_DOMAIN.len() < 128, "the varint of its length is one byte");
        [TRANSFER_DOMAIN.len().to_le_bytes()[0]]
    };
    [&LENGTH[..], TRANSFER_DOMAIN.as_bytes(), signed].concat()
}
