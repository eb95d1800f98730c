//! Ed25519 signatures over framed messages: one rule of validity, several ways to check it.
//!
//! # The rule
//!
//! All nodes of a chain must agree which signatures are valid, whether they check one or a
//! thousand at a time, so the rule is ZIP-215 (<https://zips.z.cash/zip-0215>):
//!
//! - `A` (the key) and `R` (the first half of a signature) may be any 32 bytes whose 255-bit
//!   number, taken modulo p, is the y of a point, with any sign bit: encodings need not be
//!   canonical;
//! - `s` (the second half) must be below the order L, so that nobody can change a signature;
//! - `[8][s]B = [8]R + [8][k]A` with `k = SHA-512(R || A || framed message)`.
//!
//! RFC 8032 leaves open whether the eights are there. Without them a batch can accept what a
//! single check refuses, and a chain would split where one node batches and another does not.
//! A key of small order passes for any message: it is a key that everybody can sign with, which
//! harms nobody but its owner.
//!
//! # What is signed
//!
//! Never the message alone, but [`framed`] with the domain it was meant for.
//!
//! # Batches
//!
//! Many equations are summed, each with a coefficient of 128 bits, and checked at once. The
//! coefficients come from a hash of everything in the batch, so nothing here is random: the same
//! batch has the same verdict everywhere. A batch of which some equation is false passes with
//! probability 2^-128; who wants to construct one has to try about that many batches, because
//! any change to a key, message or signature draws all coefficients anew.
//!
//! # Verifiers
//!
//! [`best`] chooses when it runs: `Ifma` where the processor has AVX-512-IFMA, else [`Portable`].
//! The former is for batches, and exists on x86-64 only.
//!
//! ```
//! use avalanche_vm::signature::{self, Item, SigningKey};
//!
//! let key = SigningKey::from_seed(&[7; 32]);
//! let signature = key.sign(b"transfer", b"ten to Ann");
//! let (domain, message) = (b"transfer".as_slice(), b"ten to Ann".as_slice());
//! let good = Item { key: key.public_key(), domain, message, signature };
//! let bad = Item { message: b"ten to Bob", ..good };
//!
//! let verifier = signature::best();
//! assert!(verifier.verify(&good));
//! assert!(verifier.verify_batch(&[good, good]).is_ok());
//! let refused = verifier.verify_batch(&[good, bad, good]).unwrap_err();
//! assert_eq!(refused.indices(), [1]);
//! ```

mod bytes;
mod equation;
mod error;
mod frame;
#[cfg(target_arch = "x86_64")]
mod ifma;
mod key;
mod parallel;
mod portable;
mod search;

use std::fmt::Debug;

pub use bytes::{PublicKey, Signature};
pub use error::BadSignatures;
pub use frame::framed;
#[cfg(target_arch = "x86_64")]
pub use ifma::Ifma;
pub use key::SigningKey;
pub use parallel::verify_chunks;
pub use portable::Portable;

/// One signature to check, with what it should belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// Who should have signed. Any bytes; those that are no point never verify.
    pub key: PublicKey,
    /// What the message was meant for; see [`framed`].
    pub domain: &'a [u8],
    /// What should have been signed. The caller bounds its length.
    pub message: &'a [u8],
    /// The signature. Any bytes.
    pub signature: Signature,
}

/// A way to check signatures. All of them give the same verdict on everything.
pub trait Verifier: Debug + Send + Sync {
    /// A short name for logs and benches.
    fn name(&self) -> &'static str;

    /// Whether one signature is valid.
    #[must_use]
    fn verify(&self, item: &Item<'_>) -> bool;

    /// Checks many at once, on the thread of the caller. No items are a valid batch.
    ///
    /// A batch of any length is worked off in parts of a fixed size, which bounds the memory.
    /// One bad signature in 1,024 costs at most twice the time of a good batch; however many are
    /// bad, the sums have at most 2.5 times as many terms, and no signature is checked singly
    /// twice.
    ///
    /// # Errors
    ///
    /// [`BadSignatures`] names every item that is not valid by its index.
    fn verify_batch(&self, items: &[Item<'_>]) -> Result<(), BadSignatures>;
}

/// The fastest verifier that this build has for this processor; [`reason`] says why.
#[must_use]
pub fn best() -> &'static dyn Verifier {
    #[cfg(target_arch = "x86_64")]
    if let Some(ifma) = Ifma::detect() {
        return ifma;
    }
    &Portable
}

/// Why [`best`] chose what it chose, in a line for logs and benches.
#[must_use]
pub fn reason() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if Ifma::detect().is_some() {
            return "ifma: with AVX-512-IFMA";
        }
        if std::is_x86_feature_detected!("avx2") {
            return "portable: with AVX2";
        }
    }
    "portable: without vectors"
}
