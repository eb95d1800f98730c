//! The number in front of each request and gossip, which says what handles it.
//!
//! An unsigned varint; responses have none (AvalancheGo `network/p2p/router.go`, `handler.go`).

use bytes::{BufMut, Bytes, BytesMut};

/// Transactions: P-Chain, X-Chain, and those of the EVM.
pub const TX_GOSSIP: u64 = 0;
/// Atomic transactions of the C-Chain.
pub const ATOMIC_TX_GOSSIP: u64 = 1;
/// Requests for signatures of warp messages (ACP-118).
pub const SIGNATURE_REQUEST: u64 = 2;

/// Code of an app error: something went wrong.
pub const ERROR_UNEXPECTED: i32 = -1;
/// Code of an app error: no handler of that number.
pub const ERROR_UNREGISTERED_HANDLER: i32 = -2;
/// Code of an app error: only validators are served.
pub const ERROR_NOT_VALIDATOR: i32 = -3;
/// Code of an app error: the peer asks too often.
pub const ERROR_THROTTLED: i32 = -4;

/// Puts the number of a handler before a message.
///
/// ```
/// use avalanche_net::gossip::prefix;
/// use bytes::Bytes;
///
/// let message = prefix::add(300, b"tx");
/// assert_eq!(message[..], [0xac, 2, b't', b'x']);
/// assert_eq!(prefix::split(&message), Some((300, Bytes::from_static(b"tx"))));
/// ```
#[must_use]
pub fn add(handler: u64, message: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(VARINT_BYTES_MAX + message.len());
    let mut rest = handler;
    while rest >= 0x80 {
        bytes.put_u8(low_bits(rest) | 0x80);
        rest >>= 7;
    }
    bytes.put_u8(low_bits(rest));
    bytes.put_slice(message);
    bytes.freeze()
}

/// The number of the handler and the message behind it. `None` if there is no number, or one of
/// more than 64 bits.
#[must_use]
pub fn split(message: &Bytes) -> Option<(u64, Bytes)> {
    let (handler, length) = varint(message)?;
    Some((handler, message.slice(length..)))
}

/// An unsigned varint at the start of some bytes, and how many it takes.
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().take(VARINT_BYTES_MAX).enumerate() {
        let bits = u64::from(byte & 0x7f);
        let shifted = bits.checked_shl(u32::try_from(7 * at).ok()?)?;
        if shifted >> (7 * at) != bits {
            return None;
        }
        value |= shifted;
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

const VARINT_BYTES_MAX: usize = 10;

/// The lowest seven bits.
fn low_bits(value: u64) -> u8 {
    u8::try_from(value & 0x7f).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_of_more_than_64_bits_and_cut_ones_are_none() {
        let table: [(&[u8], _); 8] = [
            (&[], None),
            (&[0], Some((0, 1))),
            (&[0x80], None),
            (&[0x80, 0], Some((0, 2))),
            (&[0x7f, 1], Some((127, 1))),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], Some((u64::MAX, 10))),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], None),
            (&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0], None),
        ];
        for (bytes, value) in table {
            assert_eq!(varint(bytes), value, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn every_number_comes_back(handler: u64, message: Vec<u8>) {
            let bytes = add(handler, &message);
            prop_assert_eq!(split(&bytes), Some((handler, Bytes::from(message))));
        }
    }
}
