//! A recorded engine, run again: same decisions, and clear errors for damaged recordings.
#![cfg(test)]

use std::time::Duration;

use avalanche_consensus::engine::{
    Answer, Call, EngineConfig, Input, Message, Output, ParsedBlock, Recorder, RecordingError,
    Setup, Tip, Verdict, replay,
};
use avalanche_consensus::snowball::Parameters;
use avalanche_consensus::snowman::Block;
use avalanche_consensus::validators::{Validator, ValidatorSet};
use avalanche_consensus::{Height, Id, NodeId, Timestamp};

fn node(index: u8) -> NodeId {
    NodeId::new([index; 20])
}

fn block(parent: (Id, u64), name: u8) -> ParsedBlock<String> {
    let id = Id::hash(&[parent.0.as_bytes().as_slice(), &[name]].concat());
    let block = Block { id, parent: parent.0, height: Height::new(parent.1 + 1) };
    ParsedBlock { block, bytes: 7, handle: format!("handle {name}") }
}

/// Five peers that push two rivals a height and vote for one of them, over ten heights.
fn run() -> (Recorder<String>, u64) {
    let parameters = Parameters::new(5, 3, 4, 2).unwrap();
    let config = EngineConfig { parameters, ..EngineConfig::default() };
    let weights = (1..=5).map(|at| Validator { node_id: node(at), weight: 1 });
    let validators = ValidatorSet::try_from(weights.collect::<Vec<_>>()).unwrap();
    let tip = Tip { id: Id::hash(b"genesis"), height: Height::GENESIS };
    let setup = Setup { own: node(9), validators, tip, seed: [3; 32], ..Setup::default() };
    let mut recorder = Recorder::new(config, setup, Timestamp::from_millis(1)).unwrap();
    let (mut inputs, mut now) = (0, Timestamp::from_millis(1));
    let mut queue: Vec<Input<String>> = (1..=5).map(|at| Input::Connected(node(at))).collect();
    let (mut parent, mut accepted) = ((tip.id, 0), Vec::new());
    for height in 0..10 {
        let rivals = [block(parent, 0), block(parent, 1)];
        for (rival, from) in rivals.iter().zip([1, 2]) {
            let block = Some(rival.clone());
            let requested_height = Height::new(height);
            let message = Message::PushQuery { request_id: 900, block, requested_height };
            queue.push(Input::Message { from: node(from), message });
        }
        let [_, winner] = &rivals;
        while accepted.last() != Some(&winner.id()) {
            let input = if queue.is_empty() { Input::Tick } else { queue.remove(0) };
            now = now.after(Duration::from_millis(30));
            inputs += 1;
            recorder.handle(now, input).unwrap();
            while let Some(output) = recorder.poll_output() {
                match output {
                    Output::Call { id: call, call: Call::Verify(_) } => {
                        let answer = Answer::Verdict(Verdict::Valid);
                        queue.insert(0, Input::Answer { call, answer });
                    }
                    Output::Call { id: call, call: Call::EnterPhase(_) } => {
                        let answer = Answer::LastAccepted { tip, options: None };
                        queue.insert(0, Input::Answer { call, answer });
                    }
                    Output::Call { id: call, .. } => {
                        queue.insert(0, Input::Answer { call, answer: Answer::BlockId(None) });
                    }
                    Output::Send { to, message } if message.kind().answer().is_some() => {
                        let message = Message::Chits {
                            request_id: message.request_id(),
                            preferred: winner.id(),
                            preferred_at_height: winner.id(),
                            accepted: parent.0,
                            accepted_height: Height::new(parent.1),
                        };
                        queue.push(Input::Message { from: to, message });
                    }
                    Output::Accept(block) => accepted.push(block.id()),
                    _ => {}
                }
            }
        }
        parent = (winner.id(), parent.1 + 1);
    }
    (recorder, inputs)
}

#[test]
fn a_recorded_run_is_repeated_to_the_same_outputs() {
    let (mut recorder, inputs) = run();
    let bytes = recorder.take();
    let again = replay(&bytes).unwrap();
    assert_eq!((again.inputs, again.hashes), (inputs, recorder.hashes()));
    assert_eq!(again.engine.last_accepted(), recorder.engine().last_accepted());
    assert_eq!(again.engine.stats(), recorder.engine().stats());
    let stats = again.engine.stats();
    assert!(stats.accepted == 10 && stats.rejected == 10, "{stats:?}");
    assert!(recorder.take().is_empty());
    // One input less is another run.
    let (mut shorter, _) = run();
    let whole = shorter.take();
    shorter.handle(Timestamp::from_nanos(u64::MAX), Input::Tick).unwrap();
    while shorter.poll_output().is_some() {}
    assert_ne!(shorter.hashes().outputs, recorder.hashes().outputs);
    assert_eq!(replay(&whole).unwrap().hashes, recorder.hashes());
}

/// The form of recordings, pinned: a change of it needs a new version.
#[test]
fn the_form_is_pinned() {
    let (mut recorder, _) = run();
    let hashes = recorder.hashes();
    let found = [
        format!("{:x}", Id::hash(&recorder.take())),
        format!("{:x}", Id::new(hashes.decisions)),
        format!("{:x}", Id::new(hashes.outputs)),
    ];
    let known: Vec<&str> = include_str!("golden/recording.txt").lines().collect();
    assert_eq!(found.as_slice(), known);
}

#[test]
fn damaged_recordings_are_refused_where_they_are_damaged() {
    let (mut recorder, inputs) = run();
    let bytes = recorder.take();
    assert_eq!(replay(b"").unwrap_err(), RecordingError::NotARecording);
    assert_eq!(replay(b"something else").unwrap_err(), RecordingError::NotARecording);
    let mut newer = bytes.clone();
    newer[7] = 9;
    assert_eq!(replay(&newer).unwrap_err(), RecordingError::Version { found: 9, known: 1 });

    // Cut anywhere: what is before the torn record can be replayed.
    let (mut whole, mut torn) = (0, 0);
    for end in (8..bytes.len()).step_by(13) {
        match replay(&bytes[..end]) {
            Ok(part) => {
                assert!(part.inputs < inputs);
                whole += 1;
            }
            Err(RecordingError::Truncated { offset }) => {
                assert!(offset <= end);
                if offset > 8 {
                    assert!(replay(&bytes[..offset]).is_ok());
                }
                torn += 1;
            }
            Err(other) => panic!("cut at {end}: {other}"),
        }
    }
    assert!(whole > 5 && torn > 60, "{whole} {torn}");

    // A flipped bit is found, or is another run; it never panics.
    let (mut found, mut other) = (0, 0);
    for at in (8..bytes.len()).step_by(11) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x40;
        match replay(&flipped) {
            Ok(_) => other += 1,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                found += 1;
            }
        }
    }
    assert!(found > 50 && other > 50, "{found} {other}");
}
