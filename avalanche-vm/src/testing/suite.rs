//! The conformance suite of virtual machines: every promise of [`Vm`]'s contract that can be seen
//! from outside, asked of any implementation.
//!
//! ```
//! # use avalanche_vm::testing::{run, suite, Fixture};
//! fn keeps_the_contract(my_vm: impl Fixture) {
//!     let report = run(suite(my_vm));
//!     assert!(report.accepted > 0);
//! }
//! ```
//!
//! Each rule is a function of its own, too. Its instances differ in store, name, hash key and
//! threads.

mod growth;
mod hostile;
mod node;
mod restarts;
mod rivals;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use avalanche_consensus::Timestamp;

use super::{ChainOptions, Report};
use crate::{Block, Error, Vm, VmFactory};

/// Numbers of [`Fixture::work`] are below this.
pub const WORKS: u64 = 64;

/// What the suite has to know of a VM.
///
/// One of [`transactions`](Self::transactions) and [`work`](Self::work) has to be written.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// The VM.
    fn factory(&self) -> Arc<dyn VmFactory>;

    /// Genesis.
    fn genesis(&self) -> Vec<u8>;

    /// Another valid genesis. Blocks of its chain must be refused by ours.
    fn other_genesis(&self) -> Option<Vec<u8>> {
        None
    }

    /// The VM's settings, and the time at which chains begin.
    fn options(&self) -> ChainOptions {
        ChainOptions::new(self.genesis())
    }

    /// The transactions of a number below [`WORKS`]: always the same ones for a number, and valid
    /// whichever others came before, or none.
    fn transactions(&self, number: u64) -> Vec<Vec<u8>> {
        let _ = number;
        Vec::new()
    }

    /// Gives a VM something to build a block of. Submits [`transactions`](Self::transactions),
    /// unless written otherwise, under the same rules.
    ///
    /// # Errors
    ///
    /// Those of the VM.
    async fn work(&self, vm: &mut dyn Vm, number: u64, now: Timestamp) -> Result<(), Error> {
        let transactions = self.transactions(number);
        let transactions: Vec<_> = transactions.iter().map(Vec::as_slice).collect();
        let pool = vm.transactions().ok_or_else(|| Error::fatal("it takes no transactions"))?;
        for answer in pool.submit(&transactions, now).await {
            answer?;
        }
        Ok(())
    }

    /// All that can be seen of the accepted state, in any form in which equal states are equal
    /// bytes; not what waits or is processing. As `&dyn Any`, the VM is of its own type again.
    ///
    /// # Errors
    ///
    /// Those of the VM.
    async fn digest(&self, vm: &mut dyn Vm) -> Result<Vec<u8>, Error>;

    /// How far ahead of `now` a block is surely too new; `None` for a VM that never minds.
    fn too_new(&self) -> Option<Duration> {
        None
    }

    /// Bytes made from those of a valid block that break a rule of the VM: what the suite cannot
    /// guess. With a name each.
    fn forged(&self, block: &Block) -> Vec<(&'static str, Vec<u8>)> {
        let _ = block;
        Vec::new()
    }
}

/// A promise that a VM does not keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which promise.
    pub rule: &'static str,
    /// What the VM did instead.
    pub found: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the VM breaks the rule that {}: {}", self.rule, self.found)
    }
}

impl std::error::Error for Violation {}

/// Runs every rule.
///
/// # Panics
///
/// At the first promise that is not kept, and where the VM does.
#[expect(clippy::panic, reason = "a test's way to fail")]
pub async fn suite(fixture: impl Fixture) -> Report {
    match check(&fixture).await {
        Ok(report) => report,
        Err(violation) => panic!("{violation}"),
    }
}

/// As [`suite`], without panics of its own.
///
/// # Errors
///
/// The first promise that is not kept.
pub async fn check(fixture: &dyn Fixture) -> Result<Report, Violation> {
    let report = every_rule(fixture).await?;
    let Report { accepted, rejected, siblings, restarts, replayed, digests, garbage, .. } = report;
    let Report { refused_by_parse, refused_by_verify, .. } = report;
    let counts = [
        ("accepted", accepted),
        ("rejected", rejected),
        ("had a sibling", siblings),
        ("refused by parse", refused_by_parse),
        ("refused by verify", refused_by_verify),
        ("restarted over", restarts),
        ("replayed", replayed),
        ("digested", digests),
        ("garbage", garbage),
    ];
    match counts.into_iter().find(|(_, count)| *count == 0) {
        Some((what, _)) => {
            let rule = "the suite finds something to ask";
            Err(Violation { rule, found: format!("nothing was {what}") })
        }
        None => Ok(report),
    }
}

/// The end of a rule: kept, or what was found.
type Kept = Result<(), String>;

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident, $ask:path, $rule:literal;)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Errors
            ///
            /// The promise that is not kept.
            pub async fn $name(fixture: &dyn Fixture) -> Result<Report, Violation> {
                let mut report = Report::default();
                match $ask(fixture, &mut report).await {
                    Ok(()) => Ok(report),
                    Err(found) => Err(Violation { rule: $rule, found }),
                }
            }
        )*

        async fn every_rule(fixture: &dyn Fixture) -> Result<Report, Violation> {
            let mut report = Report::default();
            $(report += Box::pin($name(fixture)).await?;)*
            Ok(report)
        }
    };
}

rules! {
    /// Work becomes blocks, which any instance reads, whatever its state.
    grows, growth::grows, "work becomes blocks, and parsing them needs no state";
    /// Another instance gets to the same state, block by block, and so does one that only replays.
    is_deterministic, growth::is_deterministic, "equal blocks lead to equal states";
    /// Verifying a processing block and accepting an old one change nothing.
    is_idempotent, growth::is_idempotent, "what is repeated changes nothing";
    /// Without work there is no block, blocks are as long as is allowed, and what was built and
    /// not verified is built again.
    builds_what_waits, growth::builds_what_waits, "it builds what waits, as it was asked";
    /// The engine hears of new work, and of work that an accepted block left.
    tells_the_engine, growth::tells_the_engine, "the engine is told that there is work";
    /// Rejected blocks leave nothing behind.
    forgets_rejected, rivals::forgets_rejected, "a rejected block leaves no trace";
    /// Three branches of three blocks are built at once; one of them is accepted.
    reorganizes, rivals::reorganizes, "the winners alone make the state";
    /// Changed, cut, long, foreign, stale and forged blocks are refused.
    refuses_bad_blocks, hostile::refuses_bad_blocks, "a bad block is refused and changes nothing";
    /// A block from the future is refused until its time has come.
    refuses_the_future, hostile::refuses_the_future, "a block that is too new is valid later";
    /// Messages, transactions, requests and summaries of random bytes do no harm.
    survives_garbage, hostile::survives_garbage, "garbage does no harm";
    /// Two nodes make the same summaries of state.
    summarizes, hostile::summarizes, "equal states have equal summaries";
    /// A run with a stop at every step, of every kind, ends where one without does.
    restarts, restarts::restarts, "a state that stopped anywhere is found again";
}
