//! What the tests of signatures share: keys, and items that own their bytes.

use std::convert::Infallible;

use avalanche_vm::signature::{
    BadSignatures, Item, Portable, PublicKey, Signature, SigningKey, Verifier, framed,
};
use rand_core::{TryCryptoRng, TryRng};

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

/// The verifiers of this build, those that the processor can run.
pub(crate) fn verifiers() -> Vec<&'static dyn Verifier> {
    #[cfg(target_arch = "x86_64")]
    if let Some(ifma) = avalanche_vm::signature::Ifma::detect() {
        return vec![&Portable, ifma];
    }
    println!("not tested: ifma, because this processor has no AVX-512-IFMA");
    vec![&Portable]
}

/// An independent verifier, ed25519-zebra, to compare with.
#[derive(Debug)]
pub(crate) struct Zebra;

impl Verifier for Zebra {
    fn name(&self) -> &'static str {
        "zebra"
    }

    fn verify(&self, item: &Item<'_>) -> bool {
        let key = ed25519_zebra::VerificationKey::try_from(item.key.to_bytes());
        let signature = ed25519_zebra::Signature::from_bytes(item.signature.as_bytes());
        key.is_ok_and(|key| key.verify(&signature, &octets(item)).is_ok())
    }

    fn verify_batch(&self, items: &[Item<'_>]) -> Result<(), BadSignatures> {
        let mut batch = ed25519_zebra::batch::Verifier::new();
        for item in items {
            let key = ed25519_zebra::VerificationKeyBytes::from(item.key.to_bytes());
            let signature = ed25519_zebra::Signature::from_bytes(item.signature.as_bytes());
            batch.queue((key, signature, &octets(item)));
        }
        let bad = items.iter().enumerate().filter(|(_, item)| !self.verify(item));
        let bad: Vec<_> = bad.map(|(at, _)| at).collect();
        let whole = batch.verify(Draws(blake3::Hasher::new().finalize_xof())).is_ok();
        assert_eq!(whole, bad.is_empty(), "zebra disagrees with itself");
        BadSignatures::verdict(bad, items.len())
    }
}

/// What is signed.
fn octets(item: &Item<'_>) -> Vec<u8> {
    let mut octets = Vec::new();
    framed(item.domain, item.message, &mut octets);
    octets
}

/// Coefficients for the other crate's batches, always the same.
struct Draws(blake3::OutputReader);

impl TryRng for Draws {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Draws {}
