//! What is refused, and that nothing is made of it.

use super::*;

/// A frame without a content size, made by hand: a window, then blocks.
fn frame(window: u8, blocks: &[u8]) -> Vec<u8> {
    [&[0x28, 0xb5, 0x2f, 0xfd, 0, window][..], blocks].concat()
}

/// A block of one byte repeated, as many times as a block may have.
fn run_block(last: bool) -> [u8; 4] {
    let header = (128_u32 << 10) << 3 | 1 << 1 | u32::from(last);
    let [low, middle, high, _] = header.to_le_bytes();
    [low, middle, high, 7]
}

fn zstd(plain: &[u8]) -> Vec<u8> {
    Compressor::new(3).and_then(|mut zstd| zstd.compress(plain).map(<[u8]>::to_vec)).expect("fits")
}

#[test]
fn what_is_no_sequence_of_whole_frames_is_refused() {
    let mut decompressor = Decompressor::default();
    let good = zstd(b"a message that is a little longer than nothing");
    assert!(decompressor.decompress(&good).is_ok());
    let mut refused = |bytes: &[u8]| {
        assert_eq!(decompressor.decompress(bytes), Err(Refusal::Malformed), "{bytes:?}");
    };
    for cut in 0..good.len() {
        refused(&good[..cut]);
    }
    for garbage in [&[0][..], &[1, 2, 3], &[7; 20], &good[..5], &good[..good.len() - 1]] {
        refused(&[&good[..], garbage].concat());
    }
    // Another content size than there is.
    let mut lies = zstd(&[5; 300]);
    assert_eq!(lies[4] >> 6, 1, "the size in two bytes, less 256");
    lies[5] += 1;
    refused(&lies);
    assert!(decompressor.decompress(&good).is_ok(), "the context is as before");
}

#[test]
fn nothing_over_the_limit_comes_out() {
    let mut decompressor = Decompressor::default();
    let mut length = |bytes: &[u8]| decompressor.decompress(bytes).map(|plain| plain.len());
    let max = MAX_MESSAGE_BYTES;
    assert_eq!(length(&zstd(&vec![0; max])), Ok(max));
    let declared = |sum: usize| Err(Refusal::TooLong(Some(sum as u64)));
    assert_eq!(length(&zstd(&vec![0; max + 1])), declared(max + 1));
    let half = zstd(&vec![0; max / 2 + 1]);
    assert_eq!(length(&[&half[..], &half].concat()), declared(max + 2));

    // 64 MiB in two KiB that do not say so; then exactly the limit, and a byte over.
    let blocks = |count: usize| [run_block(false)].repeat(count).concat();
    let bomb = frame(0x50, &[&blocks(511)[..], &run_block(true)].concat());
    assert_eq!(length(&bomb), Err(Refusal::TooLong(None)));
    let exact = frame(0x50, &[&blocks(15)[..], &run_block(true)].concat());
    assert_eq!(length(&exact), Ok(max));
    let over = frame(0x50, &[&blocks(16)[..], &[0x09, 0, 0, 1]].concat());
    assert_eq!(length(&over), Err(Refusal::TooLong(None)));
}

#[test]
fn a_huge_window_needs_no_memory() {
    // AvalancheGo takes windows up to 2^27 bytes, zstd knows them up to 2^31.
    for log in [10, 27, 30, 31] {
        let bytes = frame((log - 10) << 3, &[0x19, 0, 0, b'a', b'b', b'c']);
        let plain = Decompressor::default().decompress(&bytes);
        assert_eq!(plain.as_deref(), Ok(&b"abc"[..]), "{log}");
    }
}

#[test]
fn levels_out_of_range_are_moved_into_it() {
    for level in [i32::MIN, -7, 0, 22, i32::MAX] {
        let mut compressor = Compressor::new(level).expect("memory");
        let compressed = compressor.compress(&[7; 1000]).expect("fits").to_vec();
        let plain = Decompressor::default().decompress(&compressed);
        assert_eq!(plain.as_deref(), Ok(&[7; 1000][..]), "{level}");
    }
}
