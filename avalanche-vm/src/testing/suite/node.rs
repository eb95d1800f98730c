//! A chain in memory, as the rules use it: what must succeed says what it was when it does not.

use std::fmt;
use std::time::Duration;

use avalanche_consensus::Id;

use super::{Fixture, Kept};
use crate::testing::{Chain, Report, Stop};
use crate::{Block, Error};

/// A chain with its fixture.
pub(super) struct Node<'a> {
    pub(super) chain: Chain,
    pub(super) fixture: &'a dyn Fixture,
}

impl<'a> Node<'a> {
    pub(super) async fn new(fixture: &'a dyn Fixture, seed: u64) -> Result<Self, String> {
        Self::of(fixture, seed, fixture.genesis()).await
    }

    pub(super) async fn of(
        fixture: &'a dyn Fixture,
        seed: u64,
        genesis: Vec<u8>,
    ) -> Result<Self, String> {
        let mut options = fixture.options();
        (options.seed, options.genesis) = (options.seed.wrapping_add(seed), genesis);
        let chain = did("create", Chain::new(fixture.factory(), options).await)?;
        Ok(Self { chain, fixture })
    }

    pub(super) async fn restart(self, stop: Stop) -> Result<Self, String> {
        let chain = self.chain.restart(stop).await;
        Ok(Self { chain: did(&format!("a new instance after {stop:?}"), chain)?, ..self })
    }

    pub(super) async fn work(&mut self, number: u64) -> Kept {
        let now = self.chain.now();
        let done = self.fixture.work(self.chain.vm(), number, now).await;
        did(&format!("work {number}"), done)
    }

    /// A block, which there must be.
    pub(super) async fn build(&mut self) -> Result<Block, String> {
        let block = did("build", self.chain.build().await)?;
        block.ok_or_else(|| "work waits, and it builds nothing".to_owned())
    }

    pub(super) async fn verify(&mut self, block: &Block) -> Kept {
        did(&format!("verify {block:?}"), self.chain.verify(block).await)
    }

    pub(super) async fn accept(&mut self, block: &Block) -> Result<Vec<Block>, String> {
        did(&format!("accept {block:?}"), self.chain.accept(block).await)
    }

    /// One second later, a block of new work, verified.
    pub(super) async fn propose(&mut self, number: u64) -> Result<Block, String> {
        self.chain.advance(Duration::from_secs(1));
        self.work(number).await?;
        let block = self.build().await?;
        self.verify(&block).await?;
        Ok(block)
    }

    /// One second later, a block of new work, accepted.
    pub(super) async fn grow(&mut self, number: u64) -> Result<Block, String> {
        let block = self.propose(number).await?;
        self.accept(&block).await?;
        Ok(block)
    }

    /// Another node's block, parsed.
    pub(super) fn read(&self, block: &Block) -> Result<Block, String> {
        let own = did(&format!("parse {block:?}"), self.chain.parse(block.bytes()))?;
        let place = |it: &Block| (it.id(), it.parent(), it.height(), it.timestamp());
        equal("a parsed block", &place(&own), &place(block))?;
        Ok(own)
    }

    /// Another node's block, parsed and verified, not before its time.
    pub(super) async fn take(&mut self, block: &Block) -> Result<Block, String> {
        let own = self.read(block)?;
        self.chain.advance(block.timestamp().since(self.chain.now()));
        self.verify(&own).await?;
        Ok(own)
    }

    /// Another node's block, accepted.
    pub(super) async fn follow(&mut self, block: &Block) -> Kept {
        let own = self.take(block).await?;
        self.accept(&own).await.map(|_| ())
    }

    pub(super) fn prefer(&mut self, id: Id) -> Kept {
        did("a preference", self.chain.prefer(id))
    }

    pub(super) async fn digest(&mut self) -> Result<Vec<u8>, String> {
        self.chain.count_digest();
        did("digest", self.fixture.digest(self.chain.vm()).await)
    }

    /// Fails unless the state is the one that was digested before.
    pub(super) async fn has(&mut self, wanted: &[u8], when: &str) -> Kept {
        let found = self.digest().await?;
        equal(&format!("the state {when}"), &Hex(&found), &Hex(wanted))
    }

    /// Fails unless both have the same state.
    pub(super) async fn is_like(&mut self, other: &mut Node<'_>, when: &str) -> Kept {
        let wanted = other.digest().await?;
        self.has(&wanted, when).await
    }
}

/// Adds what nodes did.
pub(super) fn end(report: &mut Report, nodes: &[&Node<'_>]) {
    for node in nodes {
        *report += node.chain.report();
    }
}

/// Bytes for a message.
#[derive(PartialEq)]
struct Hex<'a>(&'a [u8]);

impl fmt::Debug for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 80;
        self.0.iter().take(SHOWN).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        if self.0.len() > SHOWN { write!(f, ".. ({} bytes)", self.0.len()) } else { Ok(()) }
    }
}

/// A call that must succeed.
pub(super) fn did<T>(call: &str, answer: Result<T, Error>) -> Result<T, String> {
    answer.map_err(|error| format!("{call} fails: {error}"))
}

pub(super) fn equal<T: PartialEq + fmt::Debug>(what: &str, found: &T, wanted: &T) -> Kept {
    holds(found == wanted, || format!("{what} is {found:?}, not {wanted:?}"))
}

pub(super) fn holds(holds: bool, found: impl FnOnce() -> String) -> Kept {
    if holds { Ok(()) } else { Err(found()) }
}
