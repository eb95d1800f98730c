//! Whether a block may stand on its parent, as far as its header says.

use std::time::Duration;
use std::{error, fmt};

use avalanche_consensus::{Height, Id, NodeId, Timestamp};

use super::{BlockError, ChainBlock};
use crate::{MayNotPropose, Proposers};

/// How far a block's timestamp may be ahead of the clock of whoever verifies it (AvalancheGo
/// `vms/proposervm/block.go`, `maxSkew`).
pub const TIMESTAMP_AHEAD_MAX: Duration = Duration::from_secs(10);

/// What is wrong with a block on its parent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderFault {
    /// It stands on another block.
    Parent {
        /// The one that it names.
        found: Id,
        /// The one that it was verified on.
        expected: Id,
    },
    /// Its height is not one more than the parent's.
    Height {
        /// Its own.
        found: Height,
        /// The parent's.
        parent: Height,
    },
    /// It was made before its parent.
    BeforeParent {
        /// By how much.
        by: Duration,
    },
    /// It was made later than the clock here and [`TIMESTAMP_AHEAD_MAX`] allow.
    Ahead {
        /// How far it is ahead of the clock.
        by: Duration,
    },
    /// Its proposer had no right to it.
    Proposer {
        /// Who it is.
        proposer: NodeId,
        /// Why not.
        reason: MayNotPropose,
    },
    /// Its certificate or signature is wrong.
    Block(BlockError),
}

impl HeaderFault {
    /// Whether the same block may pass later: it is from the future.
    #[must_use]
    pub const fn passes_later(&self) -> bool {
        matches!(self, Self::Ahead { .. })
    }
}

/// Checks a block's header against its parent and the clock; what is cheap first, the signature
/// last. The VM's block in it is the VM's to verify.
///
/// # Errors
///
/// The first rule that is broken.
pub fn verify_header(
    block: &ChainBlock,
    parent: &ChainBlock,
    now: Timestamp,
    proposers: &Proposers,
) -> Result<(), HeaderFault> {
    if block.parent() != parent.id() {
        return Err(HeaderFault::Parent { found: block.parent(), expected: parent.id() });
    }
    if Some(block.height()) != parent.height().next() {
        return Err(HeaderFault::Height { found: block.height(), parent: parent.height() });
    }
    let time = block.timestamp();
    if time < parent.timestamp() {
        return Err(HeaderFault::BeforeParent { by: parent.timestamp().since(time) });
    }
    let by = time.since(now);
    if by > TIMESTAMP_AHEAD_MAX {
        return Err(HeaderFault::Ahead { by });
    }
    // Without a node of the certificate, the signature's verification says why.
    if let Some(proposer) = block.proposer() {
        proposers
            .may_propose(proposer, block.height(), parent.timestamp(), time)
            .map_err(|reason| HeaderFault::Proposer { proposer, reason })?;
    }
    block.verify_signature().map_err(HeaderFault::Block)
}

impl fmt::Display for HeaderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parent { found, expected } => {
                write!(f, "the block stands on {found}; it was verified on {expected}")
            }
            Self::Height { found, parent } => {
                write!(f, "height {found} on a parent of height {parent}; one more is allowed")
            }
            Self::BeforeParent { by } => {
                write!(f, "the timestamp is {by:?} before the parent's; not before is allowed")
            }
            Self::Ahead { by } => write!(
                f,
                "the timestamp is {by:?} ahead of the clock here; {TIMESTAMP_AHEAD_MAX:?} are \
                 allowed: compare the clocks"
            ),
            Self::Proposer { proposer, reason } => {
                write!(f, "{proposer} may not propose this block: {reason}")
            }
            Self::Block(error) => error.fmt(f),
        }
    }
}

impl error::Error for HeaderFault {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Proposer { reason, .. } => Some(reason),
            Self::Block(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use avalanche_consensus::validators::{Validator, ValidatorSet};
    use avalanche_net::identity::Identity;

    use super::*;
    use crate::ProposerRules;

    const BASE: u64 = 1_700_000_000_000;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(BASE + millis)
    }

    struct Bench {
        nodes: Vec<Identity>,
        stranger: Identity,
        parent: ChainBlock,
        proposers: Proposers,
    }

    impl Bench {
        fn new() -> Self {
            let nodes: Vec<_> = (0..3).map(|_| Identity::generate().unwrap()).collect();
            let validators =
                nodes.iter().map(|node| Validator { node_id: node.node_id(), weight: 4 });
            let set = ValidatorSet::try_from(validators.collect::<Vec<_>>()).unwrap();
            let rules = ProposerRules { slot_ms: 100, slots: 8 };
            let proposers = Proposers::new(Id::new([9; 32]), rules, &set).unwrap();
            let parent = ChainBlock::genesis(Id::new([9; 32]), at(0), b"genesis").unwrap();
            Self { nodes, stranger: Identity::generate().unwrap(), parent, proposers }
        }

        /// Who may, or who may not, propose in the slot.
        fn node(&self, slot: u64, may: bool) -> &Identity {
            let expected = self.proposers.expected(Height::new(1), slot).unwrap();
            self.nodes.iter().find(|node| (node.node_id() == expected) == may).unwrap()
        }

        fn block(&self, parent: Id, height: u64, time: Timestamp, by: &Identity) -> ChainBlock {
            ChainBlock::build(parent, Height::new(height), time, b"vm", by).unwrap()
        }

        fn verify(&self, block: &ChainBlock) -> Result<(), HeaderFault> {
            verify_header(block, &self.parent, at(250), &self.proposers)
        }
    }

    #[test]
    fn each_rule_refuses_what_breaks_it_alone() {
        let bench = Bench::new();
        let on = bench.parent.id();
        let right = bench.node(2, true);
        let good = bench.block(on, 1, at(299), right);
        assert_eq!(bench.verify(&good), Ok(()));

        let other = Id::new([1; 32]);
        let wrong = bench.block(other, 1, at(250), right);
        let fault = HeaderFault::Parent { found: other, expected: on };
        assert_eq!(bench.verify(&wrong), Err(fault));

        let wrong = bench.block(on, 2, at(250), right);
        let fault = HeaderFault::Height { found: Height::new(2), parent: Height::GENESIS };
        assert_eq!(bench.verify(&wrong), Err(fault));

        let early = Timestamp::from_millis(BASE - 1);
        let wrong = bench.block(on, 1, early, bench.node(0, true));
        let fault = HeaderFault::BeforeParent { by: Duration::from_millis(1) };
        assert_eq!(bench.verify(&wrong), Err(fault));

        let wrong = bench.block(on, 1, at(10_251), right);
        let fault = bench.verify(&wrong).unwrap_err();
        assert_eq!(fault, HeaderFault::Ahead { by: Duration::from_millis(10_001) });
        assert!(fault.passes_later());
        assert_eq!(bench.verify(&bench.block(on, 1, at(10_250), right)), Ok(()));

        let not = bench.node(2, false);
        let wrong = bench.block(on, 1, at(299), not);
        let reason = MayNotPropose::Slot { slot: 2, expected: right.node_id() };
        let fault = HeaderFault::Proposer { proposer: not.node_id(), reason };
        assert_eq!(bench.verify(&wrong), Err(fault));

        let mut bytes = good.bytes().to_vec();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        let wrong = ChainBlock::decode(bytes.into()).unwrap();
        let fault = BlockError::Signature { proposer: right.node_id() };
        assert_eq!(bench.verify(&wrong), Err(HeaderFault::Block(fault)));

        let mut bytes = good.bytes().to_vec();
        bytes[53] ^= 1;
        let wrong = ChainBlock::decode(bytes.into()).unwrap();
        let fault = bench.verify(&wrong).unwrap_err();
        assert!(matches!(fault, HeaderFault::Block(BlockError::Certificate(_))), "{fault}");
    }

    #[test]
    fn after_the_last_slot_any_validator_may_and_nobody_else() {
        let bench = Bench::new();
        for node in &bench.nodes {
            assert_eq!(bench.verify(&bench.block(bench.parent.id(), 1, at(800), node)), Ok(()));
        }
        let node = bench.stranger.node_id();
        for time in [0, 799, 800, 5_000] {
            let wrong = bench.block(bench.parent.id(), 1, at(time), &bench.stranger);
            let reason = MayNotPropose::NotValidator { node };
            let fault = HeaderFault::Proposer { proposer: node, reason };
            assert_eq!(bench.verify(&wrong), Err(fault));
        }
    }
}
