//! Any bytes are answered as a message, alone, as the fields of each kind, and compressed; what was
//! decoded is decoded again from its usual form.
#![no_main]

use avalanche_net::wire::{
    Body, Compression, DecodeError, Decoded, Decoder, Encoder, MAX_MESSAGE_BYTES, Op, build, route,
};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

/// The numbers of all kinds in the outermost message.
const KINDS: [u8; 25] = [
    11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 34, 35,
    36,
];

fuzz_target!(|bytes: &[u8]| {
    let mut decoder = Decoder::new();
    let alone = decode(&mut decoder, bytes);

    // Compressed, it is the same message, unless it was compressed before.
    let zstd = decode(&mut decoder, &field(2, &stored(bytes)));
    match alone {
        Ok(decoded) if decoded.compressed => assert_eq!(zstd, Err(DecodeError::Nested)),
        Ok(decoded) => {
            // What it takes in memory depends on how it came.
            let memory = zstd.as_ref().map_or(0, |zstd| zstd.memory);
            assert_eq!(zstd, Ok(Decoded { compressed: true, memory, ..decoded }));
        }
        // A compressed message that is no good is nested first.
        Err(_) => assert!(zstd.is_err()),
    }
    // As zstd, whatever it is.
    let _ = decode(&mut decoder, &field(2, bytes));

    // As the fields of a kind, and after a chain and with a field of the future.
    if let Some((&kind, fields)) = bytes.split_first() {
        let kind = KINDS[usize::from(kind) % KINDS.len()];
        let _ = decode(&mut decoder, &field(kind, fields));
        let routed = [&field(1, &[7; 32])[..], fields].concat();
        let once = decode(&mut decoder, &field(kind, &routed));
        let future = [&field(kind, &routed)[..], &field(60, fields)].concat();
        let twice = decode(&mut decoder, &future);
        match (once, twice) {
            (Ok(once), Ok(twice)) => {
                let (unknown_fields, memory) = (once.unknown_fields + 1, twice.memory);
                assert!(memory > once.memory, "the frame is longer");
                assert_eq!(twice, Decoded { unknown_fields, memory, ..once });
            }
            (once, twice) => assert_eq!(once, twice),
        }
    }

    // As what an application sends: always good.
    let gossip = build::app_gossip(Default::default(), Bytes::copy_from_slice(bytes));
    for compression in [Compression::None, Compression::Zstd { level: 1 }] {
        let frame = Encoder::new(compression).encode(&gossip).expect("short");
        let decoded = decode(&mut decoder, &frame.bytes()[4..]).expect("just made");
        assert_eq!((decoded.op, &decoded.body), (Op::AppGossip, &gossip));
        assert_eq!((decoded.unknown_fields, decoded.compressed), (0, frame.saved() > 0));
    }
});

fn decode(decoder: &mut Decoder, bytes: &[u8]) -> Result<Decoded, DecodeError> {
    let decoded = decoder.decode(Bytes::copy_from_slice(bytes))?;
    assert_eq!(Op::of(&decoded.body), Some(decoded.op));
    assert_eq!(route(&decoded.body), Ok(decoded.route));
    assert!(decoded.body.encoded_len() <= 2 * MAX_MESSAGE_BYTES);
    let usual = usual(decoder, &decoded.body);
    assert_eq!((usual.body, usual.unknown_fields), (decoded.body.clone(), 0));
    Ok(decoded)
}

fn usual(decoder: &mut Decoder, body: &Body) -> Decoded {
    let frame = Encoder::new(Compression::None).encode(body).expect("short");
    decoder.decode(frame.bytes().slice(4..)).expect("just made")
}

/// A field with a length.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for mut rest in [u32::from(number) << 3 | 2, bytes.len() as u32] {
        while rest >= 0x80 {
            out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }
    [&out, bytes].concat()
}

/// The bytes as a zstd frame of one block that is not compressed.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let len = bytes.len() as u32;
    let [low, middle, high, _] = (len << 3 | 1).to_le_bytes();
    let header = [0x28, 0xb5, 0x2f, 0xfd, 0xa0];
    [&header[..], &len.to_le_bytes(), &[low, middle, high], bytes].concat()
}
