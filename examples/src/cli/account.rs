//! Accounts and receipts as the payments VM writes them.

use avalanche_consensus::{Height, Id};
use avalanche_gateway::api::HexBytes;
use avalanche_gateway::client::{Client, ClientError};
use avalanche_store::Proof;
use avalanche_vm::payments::{Account, AccountProof, Address};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::CliError;

/// An account, perhaps with a proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AccountAnswer {
    #[serde(with = "text")]
    pub(super) address: Address,
    #[serde(with = "avalanche_gateway::api::decimal")]
    pub(super) balance: u64,
    #[serde(with = "avalanche_gateway::api::decimal")]
    pub(super) nonce: u64,
    #[serde(with = "avalanche_gateway::api::decimal")]
    pub(super) height: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) root: Option<HexBytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) proof: Option<HexBytes>,
}

/// What became of a payment, from an accepted block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReceiptAnswer {
    pub(super) id: Id,
    #[serde(with = "avalanche_gateway::api::decimal")]
    pub(super) height: u64,
    pub(super) index: u32,
    pub(super) block: Id,
    #[serde(with = "text")]
    pub(super) sender: Address,
    #[serde(with = "text")]
    pub(super) recipient: Address,
    #[serde(with = "avalanche_gateway::api::decimal")]
    pub(super) amount: u64,
    #[serde(with = "avalanche_gateway::api::decimal")]
    pub(super) fee: u64,
    #[serde(with = "avalanche_gateway::api::decimal")]
    pub(super) nonce: u64,
}

/// Asks for an account, and makes sure that the answer is about it.
pub(super) async fn ask(
    client: &Client,
    address: &Address,
    proof: bool,
) -> Result<AccountAnswer, ClientError> {
    let answer: AccountAnswer = client.account(&address.to_string(), proof).await?;
    if answer.address == *address {
        return Ok(answer);
    }
    let reason = format!("it answers about {} when asked about {address}", answer.address);
    Err(ClientError::Unexpected { url: client.url().to_owned(), reason })
}

impl AccountAnswer {
    /// Whether the state has no such account.
    pub(super) const fn is_absent(&self) -> bool {
        self.balance == 0 && self.nonce == 0
    }

    /// Checks the proof against the root that came with it, and returns that root.
    pub(super) fn verify(&self) -> Result<[u8; 32], CliError> {
        let missing = |what: &str| {
            let reason = format!("the node sent no {what}: its VM has no proofs");
            CliError::failed("no_proof", reason)
        };
        let wrong = |reason: String| {
            let reason = format!("the proof shows nothing: {reason}; do not trust this balance");
            CliError::failed("wrong_proof", reason)
        };
        let root = self.root.as_ref().ok_or_else(|| missing("root"))?;
        let root = <[u8; 32]>::try_from(root.0.as_slice())
            .map_err(|_| wrong(format!("its root has {} bytes, not 32", root.0.len())))?;
        let proof = self.proof.as_ref().ok_or_else(|| missing("proof"))?;
        let proof = Proof::decode(&proof.0).map_err(|fault| wrong(fault.to_string()))?;
        let account = Account { balance: self.balance, nonce: self.nonce };
        let (address, height) = (self.address, Height::new(self.height));
        let shown = AccountProof { address, account, height, root, proof };
        shown.verify(&root).map_err(|fault| wrong(fault.to_string()))?;
        Ok(root)
    }
}

/// Values whose JSON form is their text.
mod text {
    use std::borrow::Cow;
    use std::fmt::Display;
    use std::str::FromStr;

    use super::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<T: Display, S: Serializer>(
        value: &T,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
