//! A key at rest: a JSON file whose secret is encrypted with a passphrase.
//!
//! ```text
//!   passphrase, salt --argon2id--> 32 bytes --ChaCha20-Poly1305--> the seed, encrypted
//! ```
//!
//! What is not encrypted is authenticated with it: version, address, cost and salt. A checksum over
//! all of it tells a damaged file from a wrong passphrase. The checksum is no secret: whoever can
//! write the file can write another key into it, but not this address with another key.

use std::fmt::Write as _;

use argon2::{Algorithm, Argon2, Params, Version};
use avalanche_consensus::Id;
use avalanche_vm::payments::Address;
use ed25519_dalek::SigningKey;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::cli::CliError;
use crate::cli::secret::Secret;

/// The version that is written.
const VERSION: u32 = 1;
const SALT_BYTES: usize = 16;
const SEED_BYTES: usize = 32;
/// The seed and the tag.
const SEALED_BYTES: usize = SEED_BYTES + 16;
/// What the authenticated bytes begin with.
const DOMAIN: &[u8] = b"avalanche/cli/key/v1";
/// The largest file that is read.
pub(super) const FILE_BYTES_MAX: u64 = 4_096;

/// What an attempt to guess a passphrase costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cost {
    /// Memory, in KiB.
    pub(super) memory_kib: u32,
    /// Passes over it.
    pub(super) passes: u32,
    /// Parts of it that are filled beside one another.
    pub(super) lanes: u32,
}

impl Cost {
    /// What new keys have: 64 MiB, 3 passes, one lane. RFC 9106 names these for programs that have
    /// little memory, with 4 lanes; one lane takes a person as long and a guesser, too.
    pub(super) const NEW: Self = Self { memory_kib: 64 << 10, passes: 3, lanes: 1 };

    /// The most that is read from a file: 1 GiB, 16 passes, 16 lanes. A file must not be able to
    /// take all memory or a day.
    const MAX: Self = Self { memory_kib: 1 << 20, passes: 16, lanes: 16 };

    fn check(self) -> Result<(), String> {
        let Self { memory_kib, passes, lanes } = self;
        let max = Self::MAX;
        let fits = memory_kib <= max.memory_kib && passes <= max.passes && lanes <= max.lanes;
        if fits && memory_kib >= 8 && passes >= 1 && lanes >= 1 {
            return Ok(());
        }
        Err(format!(
            "its cost is {memory_kib} KiB, {passes} passes, {lanes} lanes; at most {} KiB, {} \
             passes and {} lanes are allowed",
            max.memory_kib, max.passes, max.lanes
        ))
    }
}

/// A key as its file has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyFile {
    version: u32,
    /// CB58. It can be read without the passphrase.
    address: String,
    /// `argon2id`, version 0x13.
    kdf: String,
    cost: Cost,
    salt: String,
    /// `chacha20poly1305`.
    cipher: String,
    nonce: String,
    sealed: String,
    checksum: String,
}

const KDF: &str = "argon2id";
const CIPHER: &str = "chacha20poly1305";

/// The parts of a file, decoded.
struct Parts {
    address: Address,
    cost: Cost,
    salt: [u8; SALT_BYTES],
    nonce: [u8; NONCE_LEN],
    sealed: [u8; SEALED_BYTES],
}

impl Parts {
    /// What is authenticated: domain, address, cost and salt.
    fn associated(&self) -> Vec<u8> {
        let Cost { memory_kib, passes, lanes } = self.cost;
        let mut bytes = DOMAIN.to_vec();
        bytes.extend(self.address.as_bytes());
        for number in [memory_kib, passes, lanes] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(self.salt);
        bytes
    }

    fn checksum(&self) -> Id {
        Id::hash(&[&self.associated()[..], &self.nonce, &self.sealed].concat())
    }

    fn key(&self, passphrase: &Secret) -> Result<LessSafeKey, CliError> {
        let Cost { memory_kib, passes, lanes } = self.cost;
        let mut key = [0; 32];
        let derived = Params::new(memory_kib, passes, lanes, Some(key.len())).and_then(|params| {
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            argon2.hash_password_into(passphrase.bytes(), &self.salt, &mut key)
        });
        derived.map_err(|error| broken(&format!("its cost cannot be paid: {error}")))?;
        let key = Secret::new(key.to_vec());
        UnboundKey::new(&CHACHA20_POLY1305, key.bytes())
            .map(LessSafeKey::new)
            .map_err(|_| broken("the cipher does not take its key"))
    }
}

impl KeyFile {
    /// Encrypts a key.
    pub(super) fn seal(
        key: &SigningKey,
        passphrase: &Secret,
        cost: Cost,
    ) -> Result<Self, CliError> {
        let (mut salt, mut nonce) = ([0; SALT_BYTES], [0; NONCE_LEN]);
        let random = SystemRandom::new();
        random
            .fill(&mut salt)
            .and_then(|()| random.fill(&mut nonce))
            .map_err(|_| CliError::failed("random", "the system gives no random bytes"))?;
        Self::seal_with(key, passphrase, cost, salt, nonce)
    }

    fn seal_with(
        key: &SigningKey,
        passphrase: &Secret,
        cost: Cost,
        salt: [u8; SALT_BYTES],
        nonce: [u8; NONCE_LEN],
    ) -> Result<Self, CliError> {
        let address = Address::new(key.verifying_key().to_bytes());
        let mut parts = Parts { address, cost, salt, nonce, sealed: [0; SEALED_BYTES] };
        let mut seed = key.to_bytes().to_vec();
        let sealed = parts.key(passphrase)?.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(parts.associated()),
            &mut seed,
        );
        sealed.map_err(|_| broken("it cannot be encrypted"))?;
        parts.sealed = <[u8; SEALED_BYTES]>::try_from(seed).map_err(|_| broken("its length"))?;
        Ok(Self {
            version: VERSION,
            address: address.to_string(),
            kdf: KDF.to_owned(),
            cost,
            salt: hex(&salt),
            cipher: CIPHER.to_owned(),
            nonce: hex(&nonce),
            sealed: hex(&parts.sealed),
            checksum: format!("{:x}", parts.checksum()),
        })
    }

    /// Reads a file. Whether it is whole is checked; the secret stays encrypted.
    pub(super) fn parse(text: &str) -> Result<Self, CliError> {
        // Another version may have other fields, so it is looked at first.
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let damaged = |error: serde_json::Error| broken(&format!("it is no key file: {error}"));
        let Versioned { version } = serde_json::from_str(text).map_err(damaged)?;
        if version != VERSION {
            let reason = format!("its version is {version}; this program reads version {VERSION}");
            return Err(CliError::failed("key_version", format!("the key file: {reason}")));
        }
        let file: Self = serde_json::from_str(text).map_err(damaged)?;
        file.parts()?;
        Ok(file)
    }

    /// The text of the file.
    pub(super) fn to_text(&self) -> Result<String, CliError> {
        let text = serde_json::to_string_pretty(self);
        text.map(|text| text + "\n").map_err(|error| broken(&error.to_string()))
    }

    /// The address, which needs no passphrase.
    pub(super) fn address(&self) -> Result<Address, CliError> {
        self.parts().map(|parts| parts.address)
    }

    /// Decrypts the key.
    pub(super) fn open(&self, passphrase: &Secret) -> Result<SigningKey, CliError> {
        let parts = self.parts()?;
        let mut sealed = parts.sealed;
        let nonce = Nonce::assume_unique_for_key(parts.nonce);
        let opened =
            parts.key(passphrase)?.open_in_place(nonce, Aad::from(parts.associated()), &mut sealed);
        let seed = opened.map_err(|_| {
            CliError::failed("wrong_passphrase", "the passphrase is wrong: the file is whole")
        })?;
        let seed = Secret::new(seed.to_vec());
        let seed = <&[u8; SEED_BYTES]>::try_from(seed.bytes()).map_err(|_| broken("its length"))?;
        let key = SigningKey::from_bytes(seed);
        if key.verifying_key().as_bytes() == parts.address.as_bytes() {
            Ok(key)
        } else {
            Err(broken("its key is not that of its address"))
        }
    }

    fn parts(&self) -> Result<Parts, CliError> {
        if self.kdf != KDF || self.cipher != CIPHER {
            let (kdf, cipher) = (&self.kdf, &self.cipher);
            return Err(broken(&format!(
                "it says {kdf:?} and {cipher:?}; {KDF:?} and {CIPHER:?} are allowed"
            )));
        }
        self.cost.check().map_err(|reason| broken(&reason))?;
        let address = self.address.parse().map_err(|error| broken(&format!("address: {error}")))?;
        let parts = Parts {
            address,
            cost: self.cost,
            salt: unhex("salt", &self.salt)?,
            nonce: unhex("nonce", &self.nonce)?,
            sealed: unhex("sealed", &self.sealed)?,
        };
        if format!("{:x}", parts.checksum()) != self.checksum {
            return Err(broken("its checksum does not fit"));
        }
        Ok(parts)
    }
}

fn broken(reason: &str) -> CliError {
    let advice = "restore it from a copy, or import the key again";
    CliError::failed("damaged_key", format!("the key file is damaged: {reason}; {advice}"))
}

/// Hexadecimal, without a prefix.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// `N` bytes of hexadecimal, with or without `0x`.
pub(super) fn unhex_bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.strip_prefix("0x").unwrap_or(text).as_bytes();
    let (pairs, rest) = digits.as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |[high, low]: &[u8; 2]| u8::try_from(digit(*high)? << 4 | digit(*low)?).ok();
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    bytes.filter(|_| rest.is_empty())?.try_into().ok()
}

fn unhex<const N: usize>(field: &str, text: &str) -> Result<[u8; N], CliError> {
    unhex_bytes(text).ok_or_else(|| broken(&format!("{field} is not {N} bytes in hexadecimal")))
}

#[cfg(test)]
mod tests;
