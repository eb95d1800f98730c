//! What the tests of signatures share: keys, and items that own their bytes.

use avalanche_vm::signature::{Item, PublicKey, Signature, SigningKey, Verifier};

/// An item that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) key: PublicKey,
    pub(crate) domain: Vec<u8>,
    pub(crate) message: Vec<u8>,
    pub(crate) signature: Signature,
}

impl Signed {
    /// Message `number`, signed by key `number`.
    pub(crate) fn new(number: usize) -> Self {
        Self::with(number, b"transfer", number.to_be_bytes().repeat(16).as_slice())
    }

    /// `message`, signed by key `number`.
    pub(crate) fn with(number: usize, domain: &[u8], message: &[u8]) -> Self {
        let key = key(number);
        let signature = key.sign(domain, message);
        let key = key.public_key();
        Self { key, domain: domain.to_vec(), message: message.to_vec(), signature }
    }

    /// The same with another signature.
    pub(crate) fn signed(self, signature: [u8; 64]) -> Self {
        Self { signature: Signature::new(signature), ..self }
    }

    /// As it is checked.
    pub(crate) fn item(&self) -> Item<'_> {
        let Self { key, domain, message, signature } = self;
        Item { key: *key, domain, message, signature: *signature }
    }
}

/// A key that is always the same for a number.
pub(crate) fn key(number: usize) -> SigningKey {
    let mut seed = [0x5a; 32];
    seed[..8].copy_from_slice(&u64::try_from(number).unwrap().to_le_bytes());
    SigningKey::from_seed(&seed)
}

/// All as they are checked.
pub(crate) fn items(signed: &[Signed]) -> Vec<Item<'_>> {
    signed.iter().map(Signed::item).collect()
}

/// The indices that a verifier finds bad.
pub(crate) fn bad(verifier: &dyn Verifier, items: &[Item<'_>]) -> Vec<usize> {
    let refused = verifier.verify_batch(items).err();
    assert!(refused.as_ref().is_none_or(|refused| refused.of() == items.len()));
    refused.map_or_else(Vec::new, |refused| refused.indices().to_vec())
}

/// The verifiers of this build.
pub(crate) fn verifiers() -> Vec<&'static dyn Verifier> {
    vec![&avalanche_vm::signature::Portable]
}
