//! Reads DER elements one after another, with the rules of Go's `cryptobyte`: tags of one byte,
//! lengths of up to four bytes in their shortest form. What follows the last element that is asked
//! for is not looked at.

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
/// `[0]`, constructed: where a certificate has its version.
pub(super) const VERSION: u8 = 0xa0;

/// The low bits of a tag that say: more bytes of tag follow.
const LONG_TAG: u8 = 0x1f;
/// Bits of an object identifier's part that fit before the next seven.
const OID_PART_MAX: u32 = 1 << (31 - 7);
/// Bytes of an object identifier's part.
const OID_PART_BYTES: u32 = 5;

/// The rest of some DER.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

/// The bits of a bit string.
#[derive(Clone, Copy, Debug)]
pub(super) struct BitString<'a> {
    bytes: &'a [u8],
    padding: u8,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The content of the next element, which must have this tag.
    pub(super) fn read(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&[found, first], after) = self.0.split_first_chunk::<2>()?;
        if found & LONG_TAG == LONG_TAG {
            return None;
        }
        let (len, after) = match first {
            0..=0x7f => (usize::from(first), after),
            _ => long_length(first & 0x7f, after)?,
        };
        let (content, rest) = after.split_at_checked(len)?;
        self.0 = rest;
        (found == tag).then_some(content)
    }

    /// As [`read`](Self::read), if the next element has this tag at all; `None` if it is broken.
    pub(super) fn skip_optional(&mut self, tag: u8) -> Option<()> {
        if self.0.first() == Some(&tag) {
            self.read(tag)?;
        }
        Some(())
    }

    /// The bytes of the next integer: two's complement, big-endian, in the shortest form.
    pub(super) fn integer(&mut self) -> Option<&'a [u8]> {
        let content = self.read(INTEGER)?;
        let shortest = match content {
            [] => false,
            [0, next, ..] => next & 0x80 != 0,
            [0xff, next, ..] => next & 0x80 == 0,
            _ => true,
        };
        shortest.then_some(content)
    }

    /// The bytes of the next object identifier, whose parts must be below 2^31.
    pub(super) fn object_identifier(&mut self) -> Option<&'a [u8]> {
        let content = self.read(OBJECT_IDENTIFIER)?;
        let (mut part, mut len) = (0_u32, 0_u32);
        for &byte in content {
            if len == OID_PART_BYTES || part >= OID_PART_MAX || (len == 0 && byte == 0x80) {
                return None;
            }
            part = part << 7 | u32::from(byte & 0x7f);
            len += 1;
            if byte & 0x80 == 0 {
                (part, len) = (0, 0);
            }
        }
        (!content.is_empty() && len == 0).then_some(content)
    }

    /// The next bit string. Its padding must be zero.
    pub(super) fn bit_string(&mut self) -> Option<BitString<'a>> {
        let (&padding, bytes) = self.read(BIT_STRING)?.split_first()?;
        let last = bytes.last().copied();
        let valid = match (padding, last) {
            (0, _) => true,
            (1..=7, Some(last)) => last & ((1 << padding) - 1) == 0,
            _ => false,
        };
        valid.then_some(BitString { bytes, padding })
    }
}

impl BitString<'_> {
    /// The bits as bytes, with the padding moved to the front.
    pub(super) fn right_align(&self) -> Vec<u8> {
        if self.padding == 0 {
            return self.bytes.to_vec();
        }
        let mut before = 0;
        let shift = |&byte: &u8| {
            let aligned = before << (8 - self.padding) | byte >> self.padding;
            before = byte;
            aligned
        };
        self.bytes.iter().map(shift).collect()
    }
}

/// A length of `count` bytes, and what follows it.
fn long_length(count: u8, bytes: &[u8]) -> Option<(usize, &[u8])> {
    if !(1..=4).contains(&count) {
        return None;
    }
    let (length, rest) = bytes.split_at_checked(usize::from(count))?;
    if length.first() == Some(&0) {
        return None;
    }
    let len = length.iter().fold(0_u32, |len, &byte| len << 8 | u32::from(byte));
    // Below 128 the short form has to be used.
    (len >= 128).then_some((usize::try_from(len).ok()?, rest))
}
