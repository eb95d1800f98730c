//! Laws of frames and messages, on random ones: what is encoded is decoded, however the stream is
//! cut; any bytes are answered; unknown fields are counted exactly, and change nothing else.
#![cfg(test)]

mod wire_support;

use avalanche_consensus::Id;
use avalanche_net::wire::{
    Body, Compression, DecodeError, Decoder, Encoder, Frame, FrameReader, MAX_MESSAGE_BYTES, Op,
    Oversized, build, route,
};
use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use wire_support::{Counts, body, run};

fn encode(compression: Compression, body: &Body) -> Frame {
    Encoder::new(compression).encode(body).expect("short")
}

/// The message without its length.
fn inner(frame: &Frame) -> Bytes {
    frame.bytes().slice(4..)
}

#[test]
fn what_is_encoded_is_decoded_compressed_or_not() {
    let counts = Counts::default();
    run(3000, &(body(), -7..=19_i32), |(body, level)| {
        let op = Op::of(&body).expect("a kind");
        let plain = encode(Compression::None, &body);
        let zstd = encode(Compression::Zstd { level }, &body);
        prop_assert_eq!(plain.len() - zstd.len(), zstd.saved());
        for frame in [&plain, &zstd] {
            let announced = u32::from_be_bytes(*frame.bytes().first_chunk().expect("a length"));
            prop_assert_eq!(announced as usize, frame.len() - 4);
            let decoded = Decoder::new().decode(inner(frame)).expect("just made");
            prop_assert_eq!(&decoded.body, &body);
            prop_assert_eq!((decoded.op, frame.op()), (op, op));
            prop_assert_eq!(decoded.unknown_fields, 0);
            prop_assert_eq!(decoded.compressed, frame.saved() > 0);
            prop_assert_eq!(Ok(decoded.route), route(&body));
        }
        prop_assert!(zstd.saved() == 0 || op.is_compressed());
        counts.see(op.as_str());
        counts.see(if zstd.saved() > 0 { "compressed" } else { "plain" });
        Ok(())
    });
    counts.assert_seen(Op::ALL.iter().map(|op| op.as_str()));
    counts.assert_seen(["compressed", "plain"]);
}

/// Gives a reader all of `stream` in pieces, and returns the frames.
fn read(stream: &[u8], cuts: &[usize]) -> (Vec<Bytes>, usize) {
    let mut reader = FrameReader::new();
    let mut frames = Vec::new();
    let (mut rest, mut cuts, mut short) = (stream, cuts.iter().cycle(), 0);
    loop {
        let space = reader.space();
        let waiting = space.len();
        assert!(space.capacity() - waiting >= 1, "no room");
        // Allocators round up: a little over the bound is theirs.
        assert!(space.capacity() <= 2 * (waiting + 16 * 1024), "{waiting}: {}", space.capacity());
        let len = cuts.next().map_or(rest.len(), |cut| *cut).min(rest.len());
        let len = len.min(space.capacity() - waiting);
        let (piece, after) = rest.split_at(len);
        space.extend_from_slice(piece);
        rest = after;
        while let Some(frame) = reader.next_frame().expect("short") {
            frames.push(frame);
        }
        short += usize::from(reader.waiting() > 0);
        if rest.is_empty() {
            assert_eq!(reader.waiting(), 0, "whole frames");
            return (frames, short);
        }
    }
}

#[test]
fn where_a_stream_is_cut_does_not_matter() {
    let counts = Counts::default();
    let lens = prop_oneof![8 => 0..100_usize, 2 => 0..20_000_usize, 1 => 0..200_000_usize];
    let strategy =
        (vec((any::<u8>(), lens), 0..12), vec(prop_oneof![1..9_usize, 1..70_000_usize], 1..9));
    run(400, &strategy, |(frames, cuts)| {
        let frames: Vec<_> = frames.into_iter().map(|(byte, len)| vec![byte; len]).collect();
        let mut stream = Vec::new();
        for frame in &frames {
            stream.extend_from_slice(&u32::try_from(frame.len()).expect("short").to_be_bytes());
            stream.extend_from_slice(frame);
        }
        let (read, short) = read(&stream, &cuts);
        prop_assert_eq!(&read, &frames);
        counts.add("cut within a frame", short as u64);
        counts.add("empty frames", frames.iter().filter(|frame| frame.is_empty()).count() as u64);
        counts.add("long", frames.iter().filter(|frame| frame.len() > 65_536).count() as u64);
        Ok(())
    });
    counts.assert_seen(["cut within a frame", "empty frames", "long"]);
}

#[test]
fn a_length_over_the_limit_is_refused_before_anything_is_allocated() {
    let max = u32::try_from(MAX_MESSAGE_BYTES).expect("32 bits");
    for len in [max + 1, 1 << 24, u32::MAX] {
        let mut reader = FrameReader::new();
        assert_eq!(reader.capacity(), 0);
        reader.space().extend_from_slice(&len.to_be_bytes());
        for _ in 0..3 {
            assert_eq!(reader.next_frame(), Err(Oversized { len }));
            assert!(reader.space().capacity() <= 2 * 16 * 1024);
        }
    }
}

#[test]
fn the_longest_message_is_sent_and_read_and_one_byte_more_is_not() {
    let message = |len| build::put(Default::default(), 1, vec![7; len].into());
    // Two keys and lengths, the chain, the request and the length of the container.
    let around = 4 + 34 + 2 + 4 + 1;
    let frame = encode(Compression::None, &message(MAX_MESSAGE_BYTES - around));
    assert_eq!(frame.len(), 4 + MAX_MESSAGE_BYTES);
    let (frames, _) = read(frame.bytes(), &[65_536]);
    assert_eq!(frames, [inner(&frame)]);
    assert!(Decoder::new().decode(inner(&frame)).is_ok());
    let zstd = encode(Compression::Zstd { level: 1 }, &message(MAX_MESSAGE_BYTES - around));
    assert!(zstd.saved() > 2_000_000);
    assert!(Decoder::new().decode(inner(&zstd)).is_ok());
    for compression in [Compression::None, Compression::Zstd { level: 1 }] {
        let refused = Encoder::new(compression).encode(message(MAX_MESSAGE_BYTES - around + 1));
        assert!(refused.is_err(), "{compression:?}");
    }
}

#[test]
fn what_does_not_shrink_is_sent_as_it_is() {
    let noise = |len: usize| -> Vec<u8> {
        (0_u32..).flat_map(|n| *Id::hash(&n.to_be_bytes()).as_bytes()).take(len).collect()
    };
    let mut encoder = Encoder::new(Compression::default());
    let mut send = |payload: Vec<u8>| {
        let message = build::app_gossip(Default::default(), payload.into());
        encoder.encode(message).expect("short").saved()
    };
    for len in [0, 100, 1000, 100_000] {
        assert!(send(noise(len)) <= 30, "{len}: more than the zeroes of the chain");
        let one = Id::hash(b"a chain");
        let message = build::app_gossip(one, noise(len).into());
        let frame = encode(Compression::default(), &message);
        let plain = encode(Compression::None, &message);
        assert_eq!((frame.saved(), frame.bytes()), (0, plain.bytes()), "{len}");
    }
    assert_eq!(send(vec![7; 200]), 0, "too short to try");
    assert!(send(vec![7; 300]) > 250);
}

#[test]
fn a_long_frame_leaves_no_long_buffer() {
    let mut reader = FrameReader::new();
    let mut stream = BytesMut::new();
    stream.extend_from_slice(&1_000_000_u32.to_be_bytes());
    stream.extend_from_slice(&[1; 1_000_000]);
    while !stream.is_empty() {
        let space = reader.space();
        let len = stream.len().min(space.capacity() - space.len());
        space.extend_from_slice(&stream.split_to(len));
    }
    drop(reader.next_frame().expect("short").expect("whole"));
    for _ in 0..10 {
        let space = reader.space();
        assert!(space.capacity() <= 2 * 16 * 1024, "{}", space.capacity());
        let len = space.capacity() - space.len();
        space.extend_from_slice(&[0; 4].repeat(len / 4));
        while reader.next_frame().expect("short").is_some() {}
    }
}

#[test]
fn a_long_frame_that_trickles_in_is_moved_a_few_times_only() {
    let len = 1_000_000_u32;
    let mut reader = FrameReader::new();
    reader.space().extend_from_slice(&len.to_be_bytes());
    let (mut moved, mut at) = (0, reader.space().as_ptr());
    for _ in 0..len {
        let space = reader.space();
        moved += usize::from(space.as_ptr() != at);
        at = space.as_ptr();
        space.extend_from_slice(&[1]);
    }
    assert_eq!(reader.next_frame().map(|frame| frame.map_or(0, |f| f.len())), Ok(1_000_000));
    assert!((1..10).contains(&moved), "{moved}");
}

#[test]
fn any_bytes_are_answered_and_what_is_decoded_has_its_usual_form() {
    let counts = Counts::default();
    let change = (0..4_u8, any::<prop::sample::Index>(), any::<u8>());
    let strategy = (body(), any::<bool>(), any::<bool>(), vec(change, 0..6));
    run(6000, &strategy, |(body, zstd, nest, changes)| {
        let compression = if zstd { Compression::Zstd { level: 3 } } else { Compression::None };
        let mut bytes = inner(&encode(compression, &body)).to_vec();
        if nest {
            bytes = nested(&bytes);
        }
        for (kind, at, byte) in changes {
            let at = at.index(bytes.len() + 1);
            match kind {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, byte),
                2 if at < bytes.len() => bytes[at] = byte,
                _ if at < bytes.len() => bytes[at] ^= 1 << (byte % 8),
                _ => {}
            }
        }
        let mut decoder = Decoder::new();
        let before = decoder.decode(bytes.clone().into());
        match &before {
            Ok(decoded) => {
                let again = inner(&encode(Compression::None, &decoded.body));
                let again = decoder.decode(again).expect("just made");
                prop_assert_eq!(&again.body, &decoded.body);
                prop_assert_eq!(again.unknown_fields, 0);
                counts.see(if decoded.unknown_fields > 0 { "unknown" } else { "decoded" });
            }
            Err(error) => {
                prop_assert!(DecodeError::NAMES.contains(&error.as_str()));
                counts.see(error.as_str());
            }
        }
        prop_assert_eq!(decoder.decode(bytes.into()), before, "the decoder is as before");
        Ok(())
    });
    let found = DecodeError::NAMES.iter().filter(|name| !["bomb", "lists"].contains(name)).copied();
    counts.assert_seen(found.chain(["decoded", "unknown"]));
}

/// The bytes as the compressed message of another one.
fn nested(bytes: &[u8]) -> Vec<u8> {
    let zstd = zstd::bulk::compress(bytes, 3).expect("compresses");
    let mut outer = vec![2 << 3 | 2];
    prost::encoding::encode_varint(zstd.len() as u64, &mut outer);
    outer.extend_from_slice(&zstd);
    outer
}

#[test]
fn purely_random_bytes_are_answered() {
    let counts = Counts::default();
    run(4000, &vec(any::<u8>(), 0..64), |bytes| {
        let decoded = Decoder::new().decode(bytes.into());
        counts.see(decoded.map_or_else(|error| error.as_str(), |decoded| decoded.op.as_str()));
        Ok(())
    });
    counts.assert_seen(["protobuf", "empty"]);
}
