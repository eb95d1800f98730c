//! What the state holds: accounts by address, and the fees that were burned.

use super::Refusal;
use super::wire::{Reader, VERSION};

/// Bytes of an account in the state.
pub const ACCOUNT_BYTES: usize = 17;

/// Bytes of the burned fees in the state.
pub const BURNED_BYTES: usize = 9;

/// The key of the burned fees in the state. It is 33 bytes long, so it is no address.
pub const BURNED_KEY: [u8; 33] = *b"avalanche/payments/state/v1/burns";

/// What one address has. An account that is not in the state is the same as one of all zeros.
///
/// Its key in the state is its address, its value is:
///
/// | Bytes | What |
/// |---|---|
/// | 1 | version: 1 |
/// | 8 | balance |
/// | 8 | nonce |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Account {
    /// What it can spend, in the smallest unit.
    pub balance: u64,
    /// How many transfers it has sent, and so the nonce of its next one.
    pub nonce: u64,
}

impl Account {
    /// The account of an address that the state does not hold.
    pub const ABSENT: Self = Self { balance: 0, nonce: 0 };

    /// Whether the state holds no such account: one that was never credited. Whoever spends it all
    /// keeps an account, for its nonce.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        self.balance == 0 && self.nonce == 0
    }

    /// Its value in the state.
    #[must_use]
    pub fn encode(&self) -> [u8; ACCOUNT_BYTES] {
        let mut bytes = [0; ACCOUNT_BYTES];
        bytes[0] = VERSION;
        bytes[1..9].copy_from_slice(&self.balance.to_be_bytes());
        bytes[9..].copy_from_slice(&self.nonce.to_be_bytes());
        bytes
    }

    /// The account of a value in the state.
    ///
    /// # Errors
    ///
    /// [`Refusal::Malformed`], also for the absent account, which is written by not writing it;
    /// [`Refusal::WrongVersion`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        let what = "account";
        let mut reader = Reader::new(what, bytes);
        reader.version()?;
        let account = Self { balance: reader.u64()?, nonce: reader.u64()? };
        reader.end()?;
        if account.is_absent() {
            let reason = "balance and nonce together";
            return Err(Refusal::Malformed { what, reason, at: 1, expected: 1, found: 0 });
        }
        Ok(account)
    }
}

/// The fees burned since genesis, under [`BURNED_KEY`] in the state, from the first one on.
///
/// | Bytes | What |
/// |---|---|
/// | 1 | version: 1 |
/// | 8 | sum of fees |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Burned(pub u64);

impl Burned {
    /// Its value in the state.
    #[must_use]
    pub fn encode(self) -> [u8; BURNED_BYTES] {
        let mut bytes = [0; BURNED_BYTES];
        bytes[0] = VERSION;
        bytes[1..].copy_from_slice(&self.0.to_be_bytes());
        bytes
    }

    /// The fees of a value in the state.
    ///
    /// # Errors
    ///
    /// [`Refusal::Malformed`], also for zero, which is written by not writing it;
    /// [`Refusal::WrongVersion`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        let what = "burned fees";
        let mut reader = Reader::new(what, bytes);
        reader.version()?;
        let burned = reader.u64()?;
        reader.end()?;
        if burned == 0 {
            let reason = "sum";
            return Err(Refusal::Malformed { what, reason, at: 1, expected: 1, found: 0 });
        }
        Ok(Self(burned))
    }
}
