//! Unknown fields put anywhere into a message are counted exactly and change nothing else, however
//! unusually the known fields are encoded.
//!
//! A random message is encoded, its bytes are rewritten field by field with other bytes of the same
//! meaning, and unknown fields are put between them, at any depth.
#![cfg(test)]

mod wire_support;

use avalanche_net::wire::{Body, Compression, Decoder, Encoder, Op};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::encoding::{decode_varint, encode_varint};
use wire_support::{Counts, body, run};

/// Decisions, one byte each; all are zero when none is left, which changes nothing.
struct Dice<'a> {
    bytes: std::slice::Iter<'a, u8>,
    counts: &'a Counts,
}

impl Dice<'_> {
    fn roll(&mut self) -> u8 {
        self.bytes.next().copied().unwrap_or(0)
    }
}

/// A varint, sometimes with more bytes than it needs.
fn put_varint(value: u64, dice: &mut Dice<'_>, out: &mut Vec<u8>) {
    encode_varint(value, out);
    if dice.roll() >= 230 && value < 1 << 28 {
        *out.last_mut().expect("at least one") |= 0x80;
        out.push(0);
        dice.counts.see("longer varint");
    }
}

/// The message that a field holds, by the numbers of the fields around it; none for a field of
/// another type.
fn inner_message(path: &[u64]) -> bool {
    matches!(path, [11..=36] | [13, 9 | 12] | [14, 1] | [35, 1])
}

/// Numbers that the message at `path` has no field for.
fn unknown_numbers(path: &[u64]) -> &'static [u64] {
    match path {
        [] => &[1, 3, 10, 33, 37, 50, (1 << 29) - 1],
        [11] | [14] => &[2, 3, 50],
        [12] => &[1, 2, 50],
        [27 | 28] => &[5, 7, 50],
        [35] | [32] | [_, 12] | [35, 1] => &[3, 50],
        [13] => &[15, 50],
        [36] => &[11, 50],
        [_, 9] => &[5, 19, 50],
        _ => &[7, 8, 50, 1 << 28],
    }
}

fn put_unknown(path: &[u64], dice: &mut Dice<'_>, out: &mut Vec<u8>) {
    let numbers = unknown_numbers(path);
    let number = numbers[usize::from(dice.roll()) % numbers.len()];
    let wire_type = [0, 1, 2, 3, 5][usize::from(dice.roll() % 5)];
    put_varint(number << 3 | wire_type, dice, out);
    match wire_type {
        0 => put_varint(u64::from(dice.roll()), dice, out),
        1 => out.extend_from_slice(&[dice.roll(); 8]),
        2 => {
            let len = dice.roll() % 20;
            put_varint(len.into(), dice, out);
            // Its bytes would be fields if they were read.
            out.extend_from_slice(&[8; 20][..len.into()]);
        }
        5 => out.extend_from_slice(&[dice.roll(); 4]),
        _ => {
            // A group with a field and a group in it.
            encode_varint(1 << 3 | 2, out);
            out.extend_from_slice(&[1, 255]);
            out.extend_from_slice(&[9 << 3 | 3, 9 << 3 | 4]);
            put_varint(number << 3 | 4, dice, out);
            dice.counts.see("group");
        }
    }
    dice.counts.see(match path.len() {
        0 => "outermost",
        1 => "in a message",
        _ => "in a message of a message",
    });
}

/// The message at `path` rewritten, and how many unknown fields it has now.
fn rewrite(mut bytes: &[u8], path: &[u64], dice: &mut Dice<'_>) -> (Vec<u8>, u32) {
    let (mut out, mut unknown) = (Vec::new(), 0);
    loop {
        while dice.roll() >= 200 {
            put_unknown(path, dice, &mut out);
            unknown += 1;
        }
        if bytes.is_empty() {
            return (out, unknown);
        }
        let key = decode_varint(&mut bytes).expect("a key");
        let (number, value) = (key >> 3, decode_varint(&mut bytes).expect("a value"));
        let path = [path, &[number]].concat();
        match key & 7 {
            0 => {
                if dice.roll() >= 230 {
                    // The last one counts.
                    encode_varint(key, &mut out);
                    put_varint(77, dice, &mut out);
                    dice.counts.see("field twice");
                }
                put_varint(key, dice, &mut out);
                put_varint(value, dice, &mut out);
            }
            2 => {
                let (field, rest) = bytes.split_at(usize::try_from(value).expect("short"));
                bytes = rest;
                if inner_message(&path) {
                    let (inner, more) = rewrite(field, &path, dice);
                    unknown += more;
                    put_varint(key, dice, &mut out);
                    put_varint(inner.len() as u64, dice, &mut out);
                    out.extend_from_slice(&inner);
                } else if matches!(path[..], [13, 10 | 11] | [17, 4]) && dice.roll() >= 100 {
                    unpack(field, number, dice, &mut out);
                } else {
                    put_varint(key, dice, &mut out);
                    put_varint(field.len() as u64, dice, &mut out);
                    out.extend_from_slice(field);
                }
            }
            other => panic!("wire type {other} is not in this protocol"),
        }
    }
}

/// A list of numbers as a field for each.
fn unpack(mut list: &[u8], number: u64, dice: &mut Dice<'_>, out: &mut Vec<u8>) {
    while !list.is_empty() {
        encode_varint(number << 3, out);
        encode_varint(decode_varint(&mut list).expect("a number"), out);
        dice.counts.see("unpacked");
    }
}

#[test]
fn unknown_fields_are_counted_exactly_and_change_nothing_else() {
    let counts = Counts::default();
    run(8000, &(body(), vec(any::<u8>(), 0..60), any::<bool>()), |(body, dice, zstd)| {
        let op = Op::of(&body).expect("a kind");
        let frame = Encoder::new(Compression::None).encode(&body).expect("short");
        let mut dice = Dice { bytes: dice.iter(), counts: &counts };
        let (mut bytes, mut unknown) = rewrite(&frame.bytes()[4..], &[], &mut dice);
        if zstd {
            let compressed = zstd::bulk::compress(&bytes, 1).expect("compresses");
            let mut outer = vec![2 << 3 | 2];
            encode_varint(compressed.len() as u64, &mut outer);
            outer.extend_from_slice(&compressed);
            let (rewritten, more) = rewrite(&outer, &[], &mut dice);
            (bytes, unknown) = (rewritten, unknown + more);
        }
        let decoded = Decoder::new().decode(bytes.into()).expect("means the same");
        prop_assert_eq!(decoded.body, body);
        prop_assert_eq!(decoded.unknown_fields, unknown);
        if unknown > 0 {
            counts.see(op.as_str());
        }
        Ok(())
    });
    counts.assert_seen(Op::ALL.iter().map(|op| op.as_str()));
    counts.assert_seen(["outermost", "in a message", "in a message of a message", "group"]);
    counts.assert_seen(["longer varint", "field twice", "unpacked"]);
}

/// The few ways to encode known fields in fewer bytes than usual, and unknown ones in the gap.
#[test]
fn unknown_fields_do_not_hide_behind_short_encodings() {
    let decode = |bytes: Vec<u8>| Decoder::new().decode(bytes.into()).expect("good");
    // Two lists of one number, a byte shorter each than usual, and a field of two bytes.
    let decoded = decode([&[0x6a, 6][..], &[10 << 3, 1, 11 << 3, 2, 15 << 3, 0]].concat());
    let Body::Handshake(handshake) = &decoded.body else { panic!("{decoded:?}") };
    assert_eq!((&handshake.supported_acps[..], &handshake.objected_acps[..]), (&[1][..], &[2][..]));
    assert_eq!(decoded.unknown_fields, 1);

    // A negative engine type in five bytes rather than ten.
    let mut ancestors = vec![0xba, 0x01, 34 + 34 + 6 + 5, 10, 32];
    ancestors.extend_from_slice(&[1; 32]);
    ancestors.extend_from_slice(&[4 << 3 | 2, 32]);
    ancestors.extend_from_slice(&[2; 32]);
    ancestors.extend_from_slice(&[5 << 3, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    ancestors.extend_from_slice(&[7 << 3 | 5, 0, 0, 0, 0]);
    let decoded = decode(ancestors);
    let Body::GetAncestors(message) = &decoded.body else { panic!("{decoded:?}") };
    assert_eq!((message.engine_type, decoded.unknown_fields), (-1, 1));
}
