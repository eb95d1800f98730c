//! Rules of input that means harm.

use std::time::Duration;

use avalanche_consensus::NodeId;

use super::node::{Node, did, end, equal, holds};
use super::{Fixture, Kept};
use crate::testing::Report;
use crate::testing::dice::Dice;
use crate::{AppMessage, Block, Error, HttpRequest};

/// Bytes of a block of which each is changed, and at each of which it is cut. Longer ones are
/// sampled.
const SAMPLES: usize = 600;
/// Lengths of garbage.
const LENGTHS: [usize; 12] = [0, 1, 2, 7, 8, 31, 32, 33, 64, 100, 1000, 5000];

/// What may be done to a block.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    /// Another block may come of it, even a valid one.
    Flipped,
    /// No block can come of it.
    Bad(&'static str),
}

pub(super) async fn refuses_bad_blocks(fixture: &dyn Fixture, report: &mut Report) -> Kept {
    let mut builder = Node::new(fixture, 0).await?;
    let mut target = Node::new(fixture, 1).await?;
    let mut stale = Node::new(fixture, 2).await?;
    for number in 0..4 {
        let block = builder.grow(number).await?;
        target.follow(&block).await?;
        if number < 2 {
            // It builds a rival of block 3, when that is long accepted.
            stale.follow(&block).await?;
        }
    }
    let good = builder.propose(4).await?;
    let block = builder.read(&good)?;
    target.chain.advance(good.timestamp().since(target.chain.now()));
    let before = target.digest().await?;

    let old = stale.propose(6).await?;
    refuse(&mut target, old.bytes(), Change::Bad("a rival of an accepted block"), report).await?;
    if let Some(genesis) = fixture.other_genesis() {
        let mut foreign = Node::of(fixture, 3, genesis).await?;
        for number in 0..6 {
            let block = foreign.grow(number).await?;
            let change = Change::Bad("a block of another chain");
            refuse(&mut target, block.bytes(), change, report).await?;
        }
    }
    for (name, bytes) in fixture.forged(&block) {
        refuse(&mut target, &bytes, Change::Bad(name), report).await?;
    }
    for (change, bytes) in changed(block.bytes()) {
        refuse(&mut target, &bytes, change, report).await?;
        target.has(&before, "after a bad block").await?;
    }
    // What came of it loses against the good one, which leaves the same as ever.
    let own = target.take(&good).await?;
    target.accept(&own).await?;
    builder.accept(&good).await?;
    target.is_like(&mut builder, "after bad blocks").await?;
    let next = builder.grow(5).await?;
    target.follow(&next).await?;
    target.is_like(&mut builder, "after bad blocks and a good one").await?;
    end(report, &[&builder, &target]);
    Ok(())
}

/// What may go wrong with the bytes of a block.
fn changed(bytes: &[u8]) -> Vec<(Change, Vec<u8>)> {
    let mut dice = Dice(1);
    let mut all = Vec::new();
    let step = bytes.len().div_ceil(SAMPLES).max(1);
    for at in (0..bytes.len()).step_by(step) {
        for flip in [1, 0x80, 0xff] {
            let mut copy = bytes.to_vec();
            if let Some(byte) = copy.get_mut(at) {
                *byte ^= flip;
            }
            all.push((Change::Flipped, copy));
        }
        let cut = bytes.get(..at).unwrap_or_default();
        all.push((Change::Bad("a block that is cut"), cut.to_vec()));
        let front = bytes.get(at + 1..).unwrap_or_default();
        all.push((Change::Bad("a block without its beginning"), front.to_vec()));
    }
    for more in [vec![0], vec![0xff], vec![0; 32], bytes.to_vec()] {
        all.push((Change::Bad("a block and more"), [bytes, &more].concat()));
    }
    for len in LENGTHS.into_iter().chain([bytes.len()]) {
        all.push((Change::Bad("garbage"), dice.bytes(len)));
        all.push((Change::Bad("zeros"), vec![0; len]));
        all.push((Change::Bad("ones"), vec![0xff; len]));
    }
    all
}

/// Parses, and verifies what parsed.
async fn refuse(node: &mut Node<'_>, bytes: &[u8], change: Change, report: &mut Report) -> Kept {
    let what = match change {
        Change::Flipped => "a block with a changed byte",
        Change::Bad(name) => name,
    };
    let block = match node.chain.parse(bytes) {
        Ok(block) => block,
        Err(Error::Invalid(_)) => {
            report.refused_by_parse += 1;
            return Ok(());
        }
        Err(error) => return Err(format!("parse of {what} ({} bytes): {error}", bytes.len())),
    };
    let tip = node.chain.tip();
    let on_tip = block.parent() == tip.id;
    let verdict = if on_tip {
        node.chain.verify(&block).await
    } else {
        // The caller's promise is broken here, and only refusal is expected.
        let now = node.chain.now();
        node.chain.vm().verify(&block, now).await
    };
    let next = Some(block.height()) == tip.height.next();
    match verdict {
        Ok(()) if change == Change::Flipped && on_tip && next => Ok(()),
        Ok(()) => Err(format!("{what} is valid: {block:?} on {} {}", tip.height, tip.id)),
        Err(Error::Invalid(_)) => {
            report.refused_by_verify += u64::from(!on_tip);
            Ok(())
        }
        Err(Error::NotReady { .. }) if !on_tip => Ok(()),
        Err(error) => Err(format!("verify of {what}, {block:?}: {error}")),
    }
}

pub(super) async fn refuses_the_future(fixture: &dyn Fixture, report: &mut Report) -> Kept {
    let Some(ahead) = fixture.too_new() else { return Ok(()) };
    let mut builder = Node::new(fixture, 0).await?;
    let mut target = Node::new(fixture, 1).await?;
    for number in 0..3 {
        let before = target.digest().await?;
        let asked = target.chain.now();
        builder.chain.advance(ahead);
        let block: Block = builder.grow(number).await?;
        let own = target.read(&block)?;
        for _ in 0..2 {
            let verdict = target.chain.verify(&own).await;
            let refused = matches!(verdict, Err(Error::Invalid(_)));
            holds(refused, || format!("{block:?} at {asked} gives {verdict:?}"))?;
        }
        target.has(&before, "after a block that is too new").await?;
        target.follow(&block).await?;
        target.is_like(&mut builder, "after its time came").await?;
        target.chain.advance(builder.chain.now().since(target.chain.now()));
    }
    end(report, &[&builder, &target]);
    Ok(())
}

pub(super) async fn survives_garbage(fixture: &dyn Fixture, report: &mut Report) -> Kept {
    let mut node = Node::new(fixture, 0).await?;
    let mut witness = Node::new(fixture, 1).await?;
    let mut dice = Dice(2);
    let from = NodeId::new([7; 20]);
    for (number, len) in (0..).zip(LENGTHS) {
        let before = node.digest().await?;
        let (bytes, request, deadline) = (dice.bytes(len), dice.roll(), node.chain.now());
        let messages = [
            AppMessage::Request { from, deadline, bytes: bytes.clone() },
            AppMessage::Response { from, request, bytes: bytes.clone() },
            AppMessage::Failed { from, request },
            AppMessage::Gossip { from, bytes: bytes.clone() },
        ];
        for message in messages {
            let answer = node.chain.vm().app_message(message).await;
            harmless("a message", &answer)?;
            report.garbage += 1;
        }
        garbled_transactions(&mut node, &bytes, report).await?;
        garbled_requests(&mut node, &bytes, report).await?;
        if let Some(sync) = node.chain.vm().state_sync() {
            let summary = sync.parse_summary(&bytes);
            report.garbage += 1;
            let refused = matches!(summary, Err(Error::Invalid(_)));
            holds(refused, || format!("a summary of garbage gives {summary:?}"))?;
        }
        node.has(&before, "after garbage").await?;
        let block = node.grow(number).await?;
        witness.follow(&block).await?;
        node.is_like(&mut witness, "after garbage and a block").await?;
    }
    end(report, &[&node, &witness]);
    Ok(())
}

async fn garbled_transactions(node: &mut Node<'_>, bytes: &[u8], report: &mut Report) -> Kept {
    let now = node.chain.now();
    let Some(pool) = node.chain.vm().transactions() else { return Ok(()) };
    let answers = pool.submit(&[bytes, &[], bytes], now).await;
    equal("the number of answers to 3 transactions", &answers.len(), &3)?;
    report.garbage += 3;
    for answer in &answers {
        harmless("a transaction", answer)?;
    }
    Ok(())
}

async fn garbled_requests(node: &mut Node<'_>, bytes: &[u8], report: &mut Report) -> Kept {
    let text = String::from_utf8_lossy(bytes).into_owned();
    for (path, handler) in node.chain.vm().handlers() {
        for method in ["GET", "POST", ""] {
            let request = HttpRequest {
                method: method.to_owned(),
                path: format!("/{text}"),
                query: text.clone(),
                body: bytes.to_vec(),
            };
            let status = handler.handle(request).await.status;
            report.garbage += 1;
            let known = (200..500).contains(&status);
            holds(known, || format!("a request of garbage below {path:?} gives {status}"))?;
        }
    }
    Ok(())
}

/// Taken or refused, and the chain goes on.
fn harmless<T>(what: &str, answer: &Result<T, Error>) -> Kept {
    match answer {
        Err(error) if error.is_fatal() => Err(format!("{what} of garbage gives: {error}")),
        Ok(_) | Err(_) => Ok(()),
    }
}

pub(super) async fn summarizes(fixture: &dyn Fixture, report: &mut Report) -> Kept {
    let mut builder = Node::new(fixture, 0).await?;
    let mut follower = Node::new(fixture, 1).await?;
    if builder.chain.vm().state_sync().is_none() {
        return Ok(());
    }
    for number in 0..8 {
        let block = builder.grow(number).await?;
        follower.follow(&block).await?;
        let Some(sync) = builder.chain.vm().state_sync() else { break };
        let Some(last) = did("the last summary", sync.last().await)? else { continue };
        let read = did("parse_summary", sync.parse_summary(&last.bytes))?;
        equal("a summary that was parsed", &read, &last)?;
        let at = did("a summary by height", sync.at(last.height).await)?;
        equal("a summary by height", &at.as_ref(), &Some(&last))?;
        let Some(other) = follower.chain.vm().state_sync() else { break };
        let theirs = did("a summary by height", other.at(last.height).await)?;
        let equal = theirs.as_ref().is_none_or(|theirs| *theirs == last);
        holds(equal, || format!("one node has {last:?}, another {theirs:?}"))?;
        report.summaries += u64::from(theirs.is_some());
    }
    follower.chain.advance(Duration::from_secs(1));
    end(report, &[&builder, &follower]);
    Ok(())
}
