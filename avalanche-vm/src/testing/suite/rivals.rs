//! Rules of blocks of which one wins.

use avalanche_consensus::Id;

use super::node::{Node, did, end, holds};
use super::{Fixture, Kept};
use crate::testing::Report;
use crate::{Block, TransactionStatus};

/// Branches that are built at once, and how long they get.
const BRANCHES: u64 = 3;
const DEPTH: usize = 3;
/// The branch that is accepted.
const WINNER: usize = 1;
/// Blocks after which nothing may be left.
const DRAIN_MAX: usize = 32;

pub(super) async fn forgets_rejected(fixture: &dyn Fixture, report: &mut Report) -> Kept {
    let mut winner = Node::new(fixture, 0).await?;
    let mut loser = Node::new(fixture, 1).await?;
    let mut both = Node::new(fixture, 2).await?;
    for round in 0..8 {
        let wins = winner.propose(3 * round).await?;
        loser.chain.advance(wins.timestamp().since(loser.chain.now()));
        let loses = loser.propose(3 * round + 1).await?;
        loser.prefer(loses.id())?;
        let above = loser.propose(3 * round + 2).await?;
        if wins == loses {
            return Err(format!("different work gives the same block, {wins:?}"));
        }

        let first = if round % 2 == 0 { &wins } else { &loses };
        both.take(first).await?;
        let own = both.take(&wins).await?;
        both.take(&loses).await?;
        both.take(&above).await?;
        both.prefer(if round % 3 == 0 { above.id() } else { wins.id() })?;
        let rejected = both.accept(&own).await?;
        holds(rejected == [loses, above], || format!("rejected were {rejected:?}"))?;

        winner.accept(&wins).await?;
        let own = loser.take(&wins).await?;
        loser.accept(&own).await?;
        both.is_like(&mut winner, "after a rival was rejected").await?;
        loser.is_like(&mut winner, "after its own block was rejected").await?;
    }
    end(report, &[&winner, &loser, &both]);
    Ok(())
}

pub(super) async fn reorganizes(fixture: &dyn Fixture, report: &mut Report) -> Kept {
    let mut node = Node::new(fixture, 0).await?;
    let mut witness = Node::new(fixture, 1).await?;
    let mut base = Vec::new();
    for number in 0..3 {
        let block = node.grow(number).await?;
        witness.follow(&block).await?;
        base.push(block);
    }
    let mut numbers = 3..;
    let mut next = || numbers.next().unwrap_or_default();
    let mut branches = Vec::new();
    for seed in 2..2 + BRANCHES {
        let mut builder = Node::new(fixture, seed).await?;
        for block in &base {
            builder.follow(block).await?;
        }
        let mut branch = Vec::new();
        for _ in 0..DEPTH {
            let number = next();
            // This node waits to build the same, and may have to in the end.
            node.work(number).await?;
            let block = builder.propose(number).await?;
            builder.prefer(block.id())?;
            branch.push(block);
        }
        branches.push(branch);
        end(report, &[&builder]);
    }

    let before = node.digest().await?;
    let root = node.chain.tip().id;
    for depth in 0..DEPTH {
        for branch in &branches {
            let Some(block) = branch.get(depth) else { continue };
            node.take(block).await?;
            node.prefer(block.id())?;
            node.build().await?;
        }
    }
    node.has(&before, "while nothing is decided").await?;
    let mut winners = branches.get(WINNER).cloned().unwrap_or_default();
    let fork = winners.first().map_or(root, Block::id);
    node.prefer(fork)?;
    let late = node.propose(next()).await?;

    let mut rejected = Vec::new();
    let mut decided = 0;
    while let Some(block) = winners.get(decided).cloned() {
        rejected.extend(node.accept(&block).await?);
        witness.follow(&block).await?;
        node.is_like(&mut witness, "after a reorganization").await?;
        if decided == 0 {
            // What was processing above the winner still is: it can be built on.
            node.prefer(winners.last().map_or(root, Block::id))?;
            winners.push(node.propose(next()).await?);
        }
        decided += 1;
    }
    let losers = branches.iter().enumerate().filter(|(at, _)| *at != WINNER);
    let late = [&late].into_iter().filter(|late| !winners.contains(late));
    let losers: Vec<&Block> = losers.flat_map(|(_, branch)| branch).chain(late).collect();
    let all = losers.iter().all(|block| rejected.contains(block));
    holds(all && rejected.len() == losers.len(), || format!("rejected were {rejected:?}"))?;

    drain(&mut node, &mut witness).await?;
    for block in &rejected {
        report.returned += came_back(&mut node, block)?;
    }
    end(report, &[&node, &witness]);
    Ok(())
}

/// Builds until nothing waits.
async fn drain(node: &mut Node<'_>, witness: &mut Node<'_>) -> Kept {
    for _ in 0..DRAIN_MAX {
        let Some(block) = did("build", node.chain.build().await)? else {
            let waits = node.chain.vm().transactions().map_or(0, |pool| pool.pending());
            return holds(waits == 0, || format!("{waits} transactions wait, and none is built"));
        };
        node.verify(&block).await?;
        node.accept(&block).await?;
        witness.follow(&block).await?;
        node.is_like(witness, "after rejected work came back").await?;
    }
    Err(format!("{DRAIN_MAX} blocks do not empty it"))
}

/// What this node admitted is in a later block, or it says why not.
fn came_back(node: &mut Node<'_>, block: &Block) -> Result<u64, String> {
    let Some(pool) = node.chain.vm().transactions() else { return Ok(0) };
    let names: Vec<Id> = did("in_block", pool.in_block(block))?;
    for name in &names {
        let status = pool.status(name);
        let ended = matches!(
            status,
            TransactionStatus::Accepted { .. } | TransactionStatus::Dropped { .. }
        );
        holds(ended, || format!("transaction {name} of a rejected block is {status:?}"))?;
    }
    Ok(u64::from(!names.is_empty()))
}
