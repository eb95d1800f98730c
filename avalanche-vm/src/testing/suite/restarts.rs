//! Rules of a state that stops anywhere.

use super::node::{Node, did, end};
use super::{Fixture, Kept};
use crate::Block;
use crate::testing::{Report, Stop};

/// Heights of the run that is interrupted.
const HEIGHTS: u64 = 4;

/// What a chain does between two stops.
enum Step {
    Build(u64),
    Verify(Block),
    Accept(Block),
    Reject,
}

/// What stops a run, and after which step.
#[derive(Clone, Copy)]
struct Plan {
    /// After which step; after each if there is none. 0 is before the first.
    at: Option<usize>,
    stop: Stop,
    /// Whether the step, if it accepts, gets no further than the log.
    log_only: bool,
}

pub(super) async fn restarts(fixture: &dyn Fixture, report: &mut Report) -> Kept {
    let steps = steps(fixture, report).await?;
    let calm = Plan { at: Some(usize::MAX), stop: Stop::Kill, log_only: false };
    let digests = walk(fixture, &steps, calm, 0, None, report).await?;
    let mut seed = 100;
    for stop in [Stop::Shutdown, Stop::Kill, Stop::PowerLoss] {
        for log_only in [false, true] {
            for at in (0..=steps.len()).map(Some).chain([None]) {
                seed += 1;
                let plan = Plan { at, stop, log_only };
                walk(fixture, &steps, plan, seed, Some(&digests), report).await?;
            }
        }
    }
    Ok(())
}

/// A run of blocks that all have a rival.
async fn steps(fixture: &dyn Fixture, report: &mut Report) -> Result<Vec<Step>, String> {
    let mut winner = Node::new(fixture, 0).await?;
    let mut loser = Node::new(fixture, 1).await?;
    let mut steps = Vec::new();
    for round in 0..HEIGHTS {
        let wins = winner.propose(3 * round).await?;
        let loses = loser.propose(3 * round + 1).await?;
        winner.accept(&wins).await?;
        loser.follow(&wins).await?;
        steps.push(Step::Build(3 * round + 2));
        steps.extend([loses, wins.clone()].map(Step::Verify));
        steps.extend([Step::Accept(wins), Step::Reject]);
    }
    end(report, &[&winner, &loser]);
    Ok(steps)
}

/// Takes the steps, stops as planned, and returns the state after each.
async fn walk(
    fixture: &dyn Fixture,
    steps: &[Step],
    plan: Plan,
    seed: u64,
    wanted: Option<&[Vec<u8>]>,
    report: &mut Report,
) -> Result<Vec<Vec<u8>>, String> {
    let mut node = Node::new(fixture, seed).await?;
    let mut digests = Vec::new();
    for taken in 0..=steps.len() {
        let stops = plan.at.is_none_or(|at| at == taken);
        let step = taken.checked_sub(1).and_then(|last| steps.get(last));
        if let Some(step) = step {
            take(&mut node, step, stops && plan.log_only).await?;
        }
        if stops {
            node = node.restart(plan.stop).await?;
            // What was processing comes again, as from a peer.
            for step in steps.iter().take(taken) {
                if let Step::Verify(block) = step
                    && block.parent() == node.chain.tip().id
                {
                    node.take(block).await?;
                }
            }
        }
        let digest = node.digest().await?;
        if let Some(wanted) = wanted.and_then(|wanted| wanted.get(taken)) {
            let when = format!("{taken} steps into a run, stopped by {:?}", plan.stop);
            node.has(wanted, &when).await?;
        }
        digests.push(digest);
    }
    end(report, &[&node]);
    Ok(digests)
}

async fn take(node: &mut Node<'_>, step: &Step, log_only: bool) -> Kept {
    match step {
        Step::Build(number) => {
            node.work(*number).await?;
            node.build().await?;
        }
        Step::Verify(block) => _ = node.take(block).await?,
        Step::Accept(block) => {
            let own = node.read(block)?;
            if log_only {
                did("the log", node.chain.log_only(&own))?;
            } else {
                did("accept", node.chain.accept_only(&own).await)?;
            }
        }
        Step::Reject => while did("reject", node.chain.reject_next().await)?.is_some() {},
    }
    Ok(())
}
