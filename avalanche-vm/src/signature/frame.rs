//! What is signed: a message behind the domain it was meant for.

/// The most bytes of a length of 64 bits, seven bits a byte.
const LENGTH_MAX: usize = 10;

/// Appends the octets that a signature covers: `varint(length of domain) || domain || message`.
///
/// The length is in LEB128: seven bits a byte, the lowest first, the top bit set in all bytes but
/// the last; so one byte for domains of up to 127. No two pairs of domain and message have the
/// same octets, so a signature for one purpose is never one for another. Signatures are plain
/// Ed25519 over these octets: any library can check them.
pub fn framed(domain: &[u8], message: &[u8], out: &mut Vec<u8>) {
    out.reserve(LENGTH_MAX + domain.len() + message.len());
    length(domain.len(), |byte| out.push(byte));
    out.extend_from_slice(domain);
    out.extend_from_slice(message);
}

/// Gives the bytes of a length to `push`, one at a time.
pub(super) fn length(length: usize, mut push: impl FnMut(u8)) {
    let mut rest = length;
    while rest >= 0x80 {
        push(low_bits(rest) | 0x80);
        rest >>= 7;
    }
    push(low_bits(rest));
}

/// The lowest seven bits.
fn low_bits(value: usize) -> u8 {
    value.to_le_bytes().first().map_or(0, |byte| byte & 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(domain: &[u8], message: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        framed(domain, message, &mut out);
        out
    }

    #[test]
    fn frames_are_these_octets() {
        assert_eq!(octets(b"", b""), [0]);
        assert_eq!(octets(b"transfer", b"ten"), b"\x08transferten");
        let head = |length: usize| octets(&vec![9; length], b"m")[..3].to_vec();
        assert_eq!(head(127), [0x7f, 9, 9]);
        assert_eq!(head(128), [0x80, 0x01, 9]);
        assert_eq!(head(300), [0xac, 0x02, 9]);
        assert_eq!(head(16_384), [0x80, 0x80, 0x01]);
    }

    #[test]
    fn a_byte_moved_between_domain_and_message_changes_the_frame() {
        assert_ne!(octets(b"ab", b"c"), octets(b"a", b"bc"));
    }

    #[test]
    fn a_frame_is_appended() {
        let mut out = vec![1];
        framed(b"d", b"m", &mut out);
        assert_eq!(out, b"\x01\x01dm");
    }
}
