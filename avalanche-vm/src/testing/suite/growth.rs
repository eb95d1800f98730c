//! Rules of a chain that nobody disturbs.

use avalanche_consensus::Timestamp;

use super::node::{Node, did, end, equal, holds};
use super::{Fixture, Kept};
use crate::BuildRequest;
use crate::testing::{Report, Stop};

/// Blocks of a long run.
const BLOCKS: u64 = 52;

pub(super) async fn grows(fixture: &dyn Fixture, report: &mut Report) -> Kept {
    let mut builder = Node::new(fixture, 0).await?;
    let idle = Node::new(fixture, 1).await?;
    let mut blocks = Vec::new();
    for number in 0..BLOCKS {
        let before = builder.digest().await?;
        let block = builder.propose(number).await?;
        builder.has(&before, "after a block was only verified").await?;
        builder.accept(&block).await?;
        idle.read(&block)?;
        blocks.push(block);
    }
    for block in &blocks {
        builder.read(block)?;
    }
    holds(
        blocks.iter().zip(blocks.iter().skip(1)).all(|(a, b)| a.timestamp() <= b.timestamp()),
        || "a block is older than its parent".to_owned(),
    )?;
    end(report, &[&builder]);
    Ok(())
}

pub(super) async fn is_deterministic(fixture: &dyn Fixture, report: &mut Report) -> Kept {
    let mut builder = Node::new(fixture, 0).await?;
    let mut follower = Node::new(fixture, 1).await?;
    let mut replayer = Node::new(fixture, 2).await?;
    follower.chain.advance(std::time::Duration::from_secs(7 * 86_400));
    follower.is_like(&mut builder, "at genesis").await?;
    for number in 0..BLOCKS {
        let block = builder.grow(number).await?;
        follower.follow(&block).await?;
        let when = format!("after block {}", block.height());
        follower.is_like(&mut builder, &when).await?;
        if number % 5 == 0 {
            let own = replayer.take(&block).await?;
            did("the log", replayer.chain.log_only(&own))?;
            replayer = replayer.restart(Stop::Kill).await?;
            replayer.is_like(&mut builder, &format!("{when}, which was replayed")).await?;
        } else {
            replayer.follow(&block).await?;
        }
    }
    end(report, &[&builder, &follower, &replayer]);
    Ok(())
}

pub(super) async fn is_idempotent(fixture: &dyn Fixture, report: &mut Report) -> Kept {
    let mut once = Node::new(fixture, 0).await?;
    let mut twice = Node::new(fixture, 1).await?;
    let mut blocks = Vec::new();
    for number in 0..6 {
        let block = once.propose(number).await?;
        let own = twice.take(&block).await?;
        twice.verify(&own).await?;
        let again = twice.read(&block)?;
        twice.verify(&again).await?;
        once.accept(&block).await?;
        twice.accept(&own).await?;
        blocks.push(own);
        for old in &blocks {
            did(&format!("accept {old:?} again"), twice.chain.vm().accept(old).await)?;
            let (found, wanted) = (twice.chain.vm().last_accepted(), twice.chain.tip());
            equal("the last accepted block after an old one came again", &found, &wanted)?;
        }
        twice.is_like(&mut once, "after everything came twice").await?;
    }
    end(report, &[&once, &twice]);
    Ok(())
}

pub(super) async fn builds_what_waits(fixture: &dyn Fixture, report: &mut Report) -> Kept {
    let mut node = Node::new(fixture, 0).await?;
    let request = |now: Timestamp| BuildRequest { now, bytes_max: 1 << 20, allow_empty: false };
    for number in 0..4 {
        let nothing = did("build", node.chain.build().await)?;
        equal("a block of nothing", &nothing, &None)?;
        let before = node.digest().await?;
        let now = node.chain.now();
        let empty = BuildRequest { allow_empty: true, ..request(now) };
        if let Some(block) = did("build", node.chain.build_with(empty).await)? {
            node.verify(&block).await?;
            node.accept(&block).await?;
        } else {
            node.has(&before, "after nothing was built").await?;
        }

        let before = node.digest().await?;
        node.chain.advance(std::time::Duration::from_secs(1));
        node.work(number).await?;
        let now = node.chain.now();
        let whole = node.build().await?;
        let late = whole.timestamp() > now;
        holds(!late, || format!("{whole:?} is later than the time, {now}"))?;
        for bytes_max in [0, 1, 16, 64, 128, 256, whole.bytes().len().saturating_sub(1)] {
            let short = BuildRequest { bytes_max, ..request(now) };
            did(&format!("build {bytes_max} bytes"), node.chain.build_with(short).await)?;
        }
        node.has(&before, "after blocks were only built").await?;
        let block = node.build().await?;
        node.verify(&block).await?;
        node.accept(&block).await?;
        for _ in 0..4 {
            let Some(more) = did("build", node.chain.build().await)? else { break };
            node.verify(&more).await?;
            node.accept(&more).await?;
        }
    }
    end(report, &[&node]);
    Ok(())
}

pub(super) async fn tells_the_engine(fixture: &dyn Fixture, report: &mut Report) -> Kept {
    let mut node = Node::new(fixture, 0).await?;
    for round in 0..3 {
        let before = node.chain.pending_signals();
        let block = node.propose(2 * round).await?;
        let told = node.chain.pending_signals() > before;
        holds(told, || "it does not tell of the first work".to_owned())?;
        node.work(2 * round + 1).await?;
        let before = node.chain.pending_signals();
        node.accept(&block).await?;
        let told = node.chain.pending_signals() > before;
        holds(told, || "it does not tell of the work that a block left".to_owned())?;
        let rest = node.build().await?;
        node.verify(&rest).await?;
        node.accept(&rest).await?;
    }
    end(report, &[&node]);
    Ok(())
}
