//! Signatures: batches of our verifier, beside another crate's batches and single checks.

use std::convert::Infallible;

use avalanche_vm::signature::{self, Item, PublicKey, Signature, SigningKey, Verifier, framed};
use rand_core::{TryCryptoRng, TryRng};

/// Signatures in a batch.
pub const BATCH: usize = 1_024;

/// What all messages are signed for.
const DOMAIN: &[u8] = b"avalanche.transfer";
/// Bytes of a message.
const MESSAGE: usize = 128;

/// A batch of signatures, each by a key of its own over 128 bytes of its own.
#[derive(Debug)]
pub struct Batch {
    verifier: &'static dyn Verifier,
    signed: Vec<Signed>,
    /// What `BatchFloor` and `SinglesFloor` check.
    octets: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct Signed {
    key: PublicKey,
    message: Vec<u8>,
    signature: Signature,
}

impl Batch {
    /// A good batch for the best verifier.
    #[must_use]
    pub fn new(length: usize) -> Self {
        let signed: Vec<_> = (0..length).map(signed).collect();
        let octets = signed.iter().map(|signed| {
            let mut octets = Vec::new();
            framed(DOMAIN, &signed.message, &mut octets);
            octets
        });
        Self { verifier: signature::best(), octets: octets.collect(), signed }
    }

    /// The same with another message at one place.
    #[must_use]
    pub fn with_bad_at(mut self, place: usize) -> Self {
        if let Some(signed) = self.signed.get_mut(place) {
            signed.message.push(0);
        }
        self
    }

    /// Checks the batch by the verifier; how many are bad.
    #[must_use]
    pub fn verify(&self) -> usize {
        let items = self.signed.iter().map(|signed| {
            let Signed { key, message, signature } = signed;
            Item { key: *key, domain: DOMAIN, message, signature: *signature }
        });
        let verdict = self.verifier.verify_batch(&items.collect::<Vec<_>>());
        verdict.err().map_or(0, |bad| bad.indices().len())
    }

    /// Checks the batch by ed25519-zebra's batch call, which says only whether all are good.
    #[must_use]
    pub fn verify_by_crate(&self) -> bool {
        let mut batch = ed25519_zebra::batch::Verifier::new();
        for (Signed { key, signature, .. }, octets) in self.signed.iter().zip(&self.octets) {
            let key = ed25519_zebra::VerificationKeyBytes::from(key.to_bytes());
            let signature = ed25519_zebra::Signature::from_bytes(signature.as_bytes());
            batch.queue((key, signature, octets));
        }
        batch.verify(Draws(blake3::Hasher::new().finalize_xof())).is_ok()
    }

    /// Checks one after the other by ed25519-dalek's strict rule, from bytes.
    #[must_use]
    pub fn verify_strictly(&self) -> bool {
        self.signed.iter().zip(&self.octets).all(|(Signed { key, signature, .. }, octets)| {
            let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
            let key = ed25519_dalek::VerifyingKey::from_bytes(key.as_bytes());
            key.is_ok_and(|key| key.verify_strict(octets, &signature).is_ok())
        })
    }
}

/// What `number` signs.
fn signed(number: usize) -> Signed {
    let mut seed = [0x5a; 32];
    seed.iter_mut().zip(number.to_le_bytes()).for_each(|(to, from)| *to = from);
    let key = SigningKey::from_seed(&seed);
    let message: Vec<u8> = seed.iter().copied().cycle().take(MESSAGE).collect();
    let signature = key.sign(DOMAIN, &message);
    Signed { key: key.public_key(), message, signature }
}

/// Coefficients for the other crate, cheaper than those of a cipher.
struct Draws(blake3::OutputReader);

impl TryRng for Draws {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Draws {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_ways_check_what_they_should() {
        let good = Batch::new(20);
        assert!(good.verify() == 0 && good.verify_by_crate() && good.verify_strictly());
        assert_eq!(Batch::new(20).with_bad_at(7).verify(), 1);
    }
}
