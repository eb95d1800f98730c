//! Accounts that everybody has the keys of, for devnets: their money is there to play with.

use avalanche_consensus::Id;
use avalanche_vm::payments::Address;
use ed25519_dalek::SigningKey;

/// What the seed of every demo key begins with.
pub const DOMAIN: &str = "avalanche demo key, not secret, for devnets only, v1";

/// What names of demo accounts begin with: `demo:0` is the first one.
pub const PREFIX: &str = "demo:";

/// The key of a demo account. **It is not secret**: whoever reads this line can make it.
///
/// Its seed is the SHA-256 of [`DOMAIN`] and the big-endian index.
#[must_use]
pub fn key(index: u32) -> SigningKey {
    let seed = Id::hash(&[DOMAIN.as_bytes(), &index.to_be_bytes()].concat());
    SigningKey::from_bytes(seed.as_bytes())
}

/// The address of a demo account.
#[must_use]
pub fn address(index: u32) -> Address {
    Address::new(key(index).verifying_key().to_bytes())
}

/// The index that a name as `demo:7` has; `None` if it is no such name. Digits are read as they
/// are written by [`name`]: no sign, no zeros in front.
#[must_use]
pub fn index(name: &str) -> Option<u32> {
    let digits = name.strip_prefix(PREFIX)?;
    let index = digits.parse().ok()?;
    (self::name(index) == name).then_some(index)
}

/// The name of a demo account.
#[must_use]
pub fn name(index: u32) -> String {
    format!("{PREFIX}{index}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A genesis names these accounts: another derivation would leave them without money.
    #[test]
    fn demo_accounts_stay_what_they_are() {
        assert_eq!(
            format!("{:x}", address(0)),
            "88316705d0ebed696949a184b75ffbe937455bcb08aaa5c13a92c23f02fcd3f3"
        );
        assert_eq!(
            format!("{:x}", address(4_294_967_295)),
            "6909d4156758e3d34fa2e72aba6b6f09f21c4bfec02a78843aba00d5cb4b8897"
        );
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for wrong in ["demo:", "demo:-1", "demo:+1", "demo:01", "demo:4294967296", "demo", "0"] {
            assert_eq!(index(wrong), None, "{wrong}");
        }
        for right in [0, 1, 10, u32::MAX] {
            assert_eq!(index(&name(right)), Some(right));
        }
    }
}
