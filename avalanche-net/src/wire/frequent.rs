//! The kinds of which there are most, read and written without the generated code.
//!
//! Votes, queries, blocks and messages of applications are nearly all that a node sends, and nearly
//! all of them come in the one encoding that everybody uses: fields in order, each at most once.
//! The generated code takes any encoding, and shares the frame anew for each field that it passes;
//! each sharing counts in memory that all cores see. What it read is measured again for fields that
//! it skipped, and lists are weighed before. Here a frame is looked through once.
//!
//! Whatever is unusual is left to the generated code: an unknown field, another order, a field that
//! comes twice, an id of another length. So nothing is decided here; the tests hold both against
//! each other.

use std::ops::Range;
use std::time::Duration;

use bytes::{Buf, Bytes};
use prost::encoding::encoded_len_varint;

use super::decode::Decoded;
use super::p2p::message::Message as Body;
use super::{Op, Route, id, p2p};

/// Types of fields on the wire: a number, and bytes behind their length.
const NUMBER: u64 = 0;
const BYTES: u64 = 2;
const ID_BYTES: usize = 32;
/// The most byte fields that a kind has besides its chain.
const PARTS: usize = 3;
/// The field of a height.
const HEIGHT: u64 = 6;

/// What a kind is made of. Field 1 is the chain; what follows has the next numbers, but for the
/// height.
struct Shape {
    op: Op,
    /// The request has a number, of 32 bits.
    numbered: bool,
    deadline: bool,
    /// Byte fields, and whether those are ids.
    parts: usize,
    ids: bool,
    height: bool,
}

impl Shape {
    const fn of(kind: u64) -> Option<Self> {
        let (op, [numbered, deadline, ids, height], parts) = match kind {
            25 => (Op::Get, [true, true, true, false], 1),
            26 => (Op::Put, [true, false, false, false], 1),
            27 => (Op::PushQuery, [true, true, false, true], 1),
            28 => (Op::PullQuery, [true, true, true, true], 1),
            29 => (Op::Chits, [true, false, true, true], 3),
            30 => (Op::AppRequest, [true, true, false, false], 1),
            31 => (Op::AppResponse, [true, false, false, false], 1),
            32 => (Op::AppGossip, [false, false, false, false], 1),
            _ => return None,
        };
        Some(Self { op, numbered, deadline, parts, ids, height })
    }
}

/// A message, by where its fields are in the frame.
pub(super) struct Found {
    op: Op,
    chain: Range<usize>,
    request_id: u32,
    deadline: u64,
    parts: [Range<usize>; PARTS],
    height: u64,
}

/// Finds the fields of a frame; none if it is of another kind, or unusual.
pub(super) fn find(frame: &[u8]) -> Option<Found> {
    let mut cursor = Cursor { frame, at: 0 };
    let key = cursor.varint()?;
    let shape = Shape::of(key >> 3).filter(|_| key & 7 == BYTES)?;
    let len = usize::try_from(cursor.varint()?).ok()?;
    if cursor.at.checked_add(len)? != frame.len() {
        return None;
    }
    let chain = cursor.bytes(1)?;
    if chain.len() != ID_BYTES {
        return None;
    }
    let mut field = 2;
    let mut request_id = 0;
    if shape.numbered {
        request_id = u32::try_from(cursor.number(field)?).ok()?;
        field += 1;
    }
    let mut deadline = 0;
    if shape.deadline {
        deadline = cursor.number(field)?;
        field += 1;
    }
    let mut parts = [const { 0..0 }; PARTS];
    for part in parts.iter_mut().take(shape.parts) {
        *part = cursor.bytes(field)?;
        if shape.ids && part.len() != ID_BYTES {
            return None;
        }
        field += 1;
    }
    let height = if shape.height { cursor.number(HEIGHT)? } else { 0 };
    let all = cursor.at == frame.len();
    all.then_some(Found { op: shape.op, chain, request_id, deadline, parts, height })
}

impl Found {
    /// The message. Most are of one chain: its id is shared by them, apart from the frames.
    #[inline]
    pub(super) fn decoded(self, frame: Bytes, chain: &mut Bytes) -> Option<Decoded> {
        let Self { op, chain: at, request_id, deadline, parts: [first, second, third], height } =
            self;
        let of_chain = frame.get(at)?;
        let route_chain = id(of_chain)?;
        if chain[..] != *of_chain {
            *chain = Bytes::copy_from_slice(of_chain);
        }
        let (memory, chain_id) = (frame.len(), chain.clone());
        let mut route = Route { chain: route_chain, request_id: Some(request_id), deadline: None };
        let body = match op {
            Op::AppGossip => {
                route.request_id = None;
                Body::AppGossip(p2p::AppGossip { chain_id, app_bytes: last(frame, first) })
            }
            Op::AppResponse => {
                let app_bytes = last(frame, first);
                Body::AppResponse(p2p::AppResponse { chain_id, request_id, app_bytes })
            }
            Op::Put => {
                let container = last(frame, first);
                Body::Put(p2p::Put { chain_id, request_id, container })
            }
            Op::Chits => Body::Chits(p2p::Chits {
                chain_id,
                request_id,
                preferred_id: frame.slice(first),
                accepted_id: frame.slice(second),
                preferred_id_at_height: last(frame, third),
                accepted_height: height,
            }),
            request => {
                route.deadline = Some(Duration::from_nanos(deadline));
                let bytes = last(frame, first);
                match request {
                    Op::AppRequest => Body::AppRequest(p2p::AppRequest {
                        chain_id,
                        request_id,
                        deadline,
                        app_bytes: bytes,
                    }),
                    Op::Get => {
                        Body::Get(p2p::Get { chain_id, request_id, deadline, container_id: bytes })
                    }
                    Op::PullQuery => Body::PullQuery(p2p::PullQuery {
                        chain_id,
                        request_id,
                        deadline,
                        container_id: bytes,
                        requested_height: height,
                    }),
                    _ => Body::PushQuery(p2p::PushQuery {
                        chain_id,
                        request_id,
                        deadline,
                        container: bytes,
                        requested_height: height,
                    }),
                }
            }
        };
        Some(Decoded { op, body, route: Some(route), unknown_fields: 0, compressed: false, memory })
    }
}

/// The last part of a frame that is shared; at its end, it takes the frame's own share.
fn last(mut frame: Bytes, range: Range<usize>) -> Bytes {
    if range.end == frame.len() {
        frame.advance(range.start);
        return frame;
    }
    frame.slice(range)
}

/// What is left of a frame.
struct Cursor<'a> {
    frame: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    /// A number of any length that has no more bytes than it needs at most.
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..63).step_by(7) {
            let byte = *self.frame.get(self.at)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        // One with a bit of the 64th place is longer, and seldom.
        None
    }

    /// Passes the key of a field; false if that is not what comes.
    fn passes(&mut self, key: u64) -> bool {
        let comes = self.frame.get(self.at).is_some_and(|byte| u64::from(*byte) == key);
        self.at += usize::from(comes);
        comes
    }

    /// The number in a field; zero if it is left out.
    fn number(&mut self, field: u64) -> Option<u64> {
        if self.passes(field << 3 | NUMBER) { self.varint() } else { Some(0) }
    }

    /// Where the bytes of a field are; nowhere if it is left out.
    fn bytes(&mut self, field: u64) -> Option<Range<usize>> {
        if !self.passes(field << 3 | BYTES) {
            return Some(self.at..self.at);
        }
        let len = usize::try_from(self.varint()?).ok()?;
        let (start, end) = (self.at, self.at.checked_add(len)?);
        self.at = end;
        (end <= self.frame.len()).then_some(start..end)
    }
}

/// Takes the fields of a message that is to be written, in order. What is zero or empty is left
/// out, as everybody leaves it out.
trait Sink {
    fn put_number(&mut self, field: u64, value: u64);
    fn put_bytes(&mut self, field: u64, bytes: &[u8]);

    fn number(&mut self, field: u64, value: u64) {
        if value != 0 {
            self.put_number(field, value);
        }
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.put_bytes(field, bytes);
        }
    }
}

/// Counts what is written.
struct Length(usize);

impl Sink for Length {
    fn put_number(&mut self, _field: u64, value: u64) {
        // Keys of fields are one byte long.
        self.0 += 1 + encoded_len_varint(value);
    }

    fn put_bytes(&mut self, _field: u64, bytes: &[u8]) {
        self.0 += 1 + encoded_len_varint(bytes.len() as u64) + bytes.len();
    }
}

/// Writes behind what is there.
impl Sink for Vec<u8> {
    fn put_number(&mut self, field: u64, value: u64) {
        put_varint(field << 3 | NUMBER, self);
        put_varint(value, self);
    }

    fn put_bytes(&mut self, field: u64, bytes: &[u8]) {
        put_varint(field << 3 | BYTES, self);
        put_varint(bytes.len() as u64, self);
        self.extend_from_slice(bytes);
    }
}

/// The number of a frequent kind; none for others.
const fn kind(body: &Body) -> Option<u64> {
    Some(match body {
        Body::Get(_) => 25,
        Body::Put(_) => 26,
        Body::PushQuery(_) => 27,
        Body::PullQuery(_) => 28,
        Body::Chits(_) => 29,
        Body::AppRequest(_) => 30,
        Body::AppResponse(_) => 31,
        Body::AppGossip(_) => 32,
        _ => return None,
    })
}

/// Puts the fields of a body of a frequent kind; nothing of another.
#[inline]
fn put_fields(body: &Body, out: &mut impl Sink) {
    match body {
        Body::Get(m) => {
            request(&m.chain_id, m.request_id, m.deadline, &m.container_id, out);
        }
        Body::PushQuery(m) => {
            request(&m.chain_id, m.request_id, m.deadline, &m.container, out);
            out.number(HEIGHT, m.requested_height);
        }
        Body::PullQuery(m) => {
            request(&m.chain_id, m.request_id, m.deadline, &m.container_id, out);
            out.number(HEIGHT, m.requested_height);
        }
        Body::AppRequest(m) => {
            request(&m.chain_id, m.request_id, m.deadline, &m.app_bytes, out);
        }
        Body::Put(m) => answer(&m.chain_id, m.request_id, &m.container, out),
        Body::AppResponse(m) => answer(&m.chain_id, m.request_id, &m.app_bytes, out),
        Body::Chits(m) => {
            answer(&m.chain_id, m.request_id, &m.preferred_id, out);
            out.bytes(4, &m.accepted_id);
            out.bytes(5, &m.preferred_id_at_height);
            out.number(HEIGHT, m.accepted_height);
        }
        Body::AppGossip(m) => {
            out.bytes(1, &m.chain_id);
            out.bytes(2, &m.app_bytes);
        }
        _ => {}
    }
}

fn request(chain: &[u8], number: u32, deadline: u64, bytes: &[u8], out: &mut impl Sink) {
    out.bytes(1, chain);
    out.number(2, number.into());
    out.number(3, deadline);
    out.bytes(4, bytes);
}

fn answer(chain: &[u8], number: u32, bytes: &[u8], out: &mut impl Sink) {
    out.bytes(1, chain);
    out.number(2, number.into());
    out.bytes(3, bytes);
}

/// The length of a body of a frequent kind, all and of its fields alone; none of another.
#[inline]
pub(super) fn encoded_len(body: &Body) -> Option<(usize, usize)> {
    let kind = kind(body)?;
    let mut len = Length(0);
    put_fields(body, &mut len);
    let Length(fields) = len;
    let key = encoded_len_varint(kind << 3 | BYTES);
    Some((key + encoded_len_varint(fields as u64) + fields, fields))
}

/// Writes a body of a frequent kind, whose fields have this length.
#[inline]
pub(super) fn write(body: &Body, fields: usize, out: &mut Vec<u8>) {
    let Some(kind) = kind(body) else { return };
    put_varint(kind << 3 | BYTES, out);
    put_varint(fields as u64, out);
    put_fields(body, out);
}

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests;
