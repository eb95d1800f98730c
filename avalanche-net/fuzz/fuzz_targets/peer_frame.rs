//! Any stream, cut anywhere, is split into the frames that its lengths say. The buffer is bounded
//! by what came, and whatever a frame holds, decoding it answers.
#![no_main]

use avalanche_net::wire::{Decoder, FrameReader, MAX_MESSAGE_BYTES};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

const CHUNK_BYTES: usize = 16 * 1024;

fuzz_target!(|bytes: &[u8]| {
    let Some((&cut, stream)) = bytes.split_first() else { return };
    let cut = usize::from(cut) + 1;
    check(stream, cut);

    // The same bytes as frames that are whole: a length, and as many bytes as there are.
    let (mut whole, mut frames, mut rest) = (Vec::new(), Vec::new(), stream);
    while let Some((&len, after)) = rest.split_first() {
        let (frame, after) = after.split_at(after.len().min(len.into()));
        whole.extend_from_slice(&(frame.len() as u32).to_be_bytes());
        whole.extend_from_slice(frame);
        frames.push(frame);
        rest = after;
    }
    assert_eq!(check(&whole, cut), frames, "all of them");
});

/// The frames of a stream that comes in pieces of `cut` bytes.
fn check(stream: &[u8], cut: usize) -> Vec<Bytes> {
    let (mut reader, mut decoder) = (FrameReader::new(), Decoder::new());
    let (mut frames, mut expected, mut whole) = (Vec::new(), stream, true);
    for piece in stream.chunks(cut) {
        let space = reader.space();
        assert!(space.capacity() - space.len() >= piece.len(), "room for a read");
        assert!(space.capacity() <= 2 * (space.len() + CHUNK_BYTES), "and no more than may come");
        space.extend_from_slice(piece);
        while whole {
            match reader.next_frame() {
                Ok(Some(frame)) => {
                    assert_eq!(Some(&frame[..]), split(&mut expected));
                    let _ = decoder.decode(frame.clone());
                    frames.push(frame);
                }
                Ok(None) => break,
                Err(oversized) => {
                    assert!(oversized.len as usize > MAX_MESSAGE_BYTES);
                    assert!(expected.starts_with(&oversized.len.to_be_bytes()));
                    whole = false;
                }
            }
        }
        if !whole {
            assert!(reader.next_frame().is_err(), "it cannot be followed any more");
            return frames;
        }
    }
    assert_eq!(split(&mut expected), None, "nothing is kept back");
    assert_eq!(reader.waiting(), expected.len());
    frames
}

/// The next frame of a stream that is all there.
fn split<'a>(stream: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, rest) = stream.split_first_chunk()?;
    let (frame, rest) = rest.split_at_checked(u32::from_be_bytes(*len) as usize)?;
    *stream = rest;
    Some(frame)
}
