//! Filters against AvalancheGo's bytes, and against a set.

use std::cell::Cell;

use proptest::prelude::*;

use super::*;
use crate::peers::SeedStream;

/// A filter that AvalancheGo 1.14.2 made of three hashes and five bytes, with the salt "salt" and
/// the keys [0], [1], [2], [3].
const SMALL: &str = "0303f1a3bc9d1b986bea94e00b6d5a799016e505bd6dad9bbe40ae20400a";

/// Another one of ten hashes and 230 bytes, the size for 128 keys; its 128 keys are [n, 7].
const LARGE: &str = "0a3c809dc6813fcef92e0eb8511985957c9b86bddc87a91c125e60f78ec77a7a30139e56fede8d166234 \
     08a8e25b70b3f88305d97dd9bfe5ca6481f0ddc0c8ecd1645df62046e7e1924debcb1fa8184f4a672e87 \
     b32547b4a1809884ede903bb8483382cb4c5251c9f819160fb0add85fdd3f1e50ef485d64e844f186504 \
     dd5e01cca24b5b50f766a1e0cd24ce7b707539f9a8b0e829c156730bcd3f784ed387ee54010c3d17644b \
     6e9cbf30cddc5cb20c3f7284b1707d317bf3c25afdf2de8fb597b3e8717a8bcdc43e7693798e4720626e \
     071849e1cdbfada24a5909b2035b67c956c44fbbf0caef2d9e93283454c94b3427e3e6925c5bc373024c \
     6ecc02ff103b9915d18ab685b27b597fbe4695765403743402d6870256fe80cb3d13a279c165c18ca72c \
     7f533e94b5d3f3f4c2ddd2791ec328d0ad";

fn unhex(text: &str) -> Bytes {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let value = |digit: u8| u8::try_from(char::from(digit).to_digit(16).expect("hex")).expect("4");
    digits.chunks(2).map(|pair| value(pair[0]) << 4 | value(pair[1])).collect()
}

fn salt(bytes: &'static [u8]) -> Bytes {
    Bytes::from_static(bytes)
}

#[test]
fn hashes_are_those_of_avalanchego() {
    let check = |key: &str, plain: u64, salted: u64| {
        assert_eq!(hash(key.as_bytes(), &[]), plain, "{key:?}");
        assert_eq!(hash(key.as_bytes(), &[1, 2, 3]), salted, "{key:?} with salt");
    };
    check("", 0xe3b0_c442_98fc_1c14, 0x0390_58c6_f2c0_cb49);
    check("a", 0xca97_8112_ca1b_bdca, 0xeaa8_0b3f_8c36_eda7);
    check("hello", 0x2cf2_4dba_5fb0_a30e, 0x78eb_a9c0_3282_30b0);
}

#[test]
fn gossip_ids_hash_forty_bytes() {
    let node = NodeId::from_hex("342c8e31a73411d36ec213ba1370ced213e57b77").expect("a node");
    let expected = unhex("3fa2ec67c393173d70570cd7dfae93c122055d108f64abf1d550d6e35d420a70");
    assert_eq!(gossip_id(&node, 1_700_000_000)[..], expected[..]);
}

#[test]
fn sizes_are_those_of_avalanchego() {
    let check = |count, hashes, entries, estimate| {
        let parameters = Parameters::optimal(count, 0.001);
        assert_eq!((parameters.hashes(), parameters.entries()), (hashes, entries), "{count} keys");
        assert_eq!(parameters.estimate_count(0.01), estimate, "{count} keys");
    };
    check(0, 16, 1, 1);
    check(1, 12, 2, 2);
    check(2, 12, 4, 4);
    check(100, 10, 180, 144);
    check(128, 10, 230, 184);
    check(129, 10, 232, 186);
    check(256, 10, 460, 367);
    check(1_000, 10, 1_798, 1_434);
    check(4_096, 10, 7_362, 5_872);
    check(131_072, 10, 235_563, 187_856);
    let estimate = |hashes, entries, p| Parameters { hashes, entries }.estimate_count(p);
    assert_eq!(estimate(1, 1, 0.01), 1);
    assert_eq!(estimate(16, 1, 0.5), 2);
    assert_eq!(estimate(3, 1_000, 0.2), 2_345);
    assert_eq!((estimate(3, 9, 0.0), estimate(3, 9, -1.0), estimate(3, 9, f64::NAN)), (0, 0, 0));
    assert_eq!(estimate(3, 9, 1.0), usize::MAX);
    // Impossible wishes end at the bounds.
    for wish in [0.0, -1.0, f64::MIN_POSITIVE] {
        assert_eq!(Parameters::optimal(1 << 30, wish).entries(), Parameters::ENTRIES_MAX);
    }
    let few = Parameters::optimal(usize::MAX, 1.0);
    assert_eq!((few.hashes(), few.entries()), (1, 1));
}

#[test]
fn the_same_keys_give_the_bytes_of_avalanchego() {
    // An own filter has a salt of 32 bytes, these have one of 4: bits are set by hand.
    let rebuild = |golden: &str, keys: &[Vec<u8>]| {
        let golden = unhex(golden);
        let filter = Filter::parse(&golden, &salt(b"salt")).expect("a filter");
        let mut bloom = Bloom::from_parts(
            Parameters { hashes: filter.seeds.len(), entries: filter.entries.len() },
            0.01,
            filter.seeds.clone(),
            [0; 32],
        );
        for key in keys {
            assert!(filter.contains(key));
            let bits = 8 * bloom.entries.len() as u64;
            for (byte, mask) in places(&bloom.seeds, bits, hash(key, b"salt")) {
                bloom.entries[byte] |= mask;
            }
        }
        assert_eq!(bloom.to_bytes(), golden);
    };
    rebuild(SMALL, &(0..4).map(|n| vec![n]).collect::<Vec<_>>());
    rebuild(LARGE, &(0..128).map(|n| vec![n, 7]).collect::<Vec<_>>());
    let small = Filter::parse(&unhex(SMALL), &salt(b"salt")).expect("a filter");
    assert!((4..64_u8).all(|n| !small.contains(&[n])));
    let other = Filter::parse(&unhex(SMALL), &Bytes::new()).expect("a filter");
    assert!((0..4_u8).all(|n| !other.contains(&[n])), "the salt matters");
}

#[test]
fn a_malformed_filter_is_refused_with_the_rule_it_breaks() {
    let check = |bytes: &[u8], salt_bytes: usize, expected: BloomError| {
        let salt = Bytes::from(vec![0; salt_bytes]);
        let found = Filter::parse(&Bytes::copy_from_slice(bytes), &salt);
        assert_eq!(found, Err(expected), "{bytes:?}");
        assert!(!expected.to_string().is_empty());
    };
    check(&[], 0, BloomError::Empty);
    check(&[0], 0, BloomError::Hashes { hashes: 0 });
    check(&[0, 1, 1, 1, 1, 1, 1, 1, 1, 1], 0, BloomError::Hashes { hashes: 0 });
    check(&[17; 200], 0, BloomError::Hashes { hashes: 17 });
    check(&[255; 4_000], 0, BloomError::Hashes { hashes: 255 });
    check(&[1], 0, BloomError::Entries { bytes: 1 });
    check(&[1; 9], 0, BloomError::Entries { bytes: 9 });
    check(&[16; 129], 0, BloomError::Entries { bytes: 129 });
    check(&[1; 10], 33, BloomError::Salt { bytes: 33 });
    check(&[0; 10], 33, BloomError::Hashes { hashes: 0 });
    for (bytes, salt) in [(vec![1; 10], 0), (vec![1; 10], 32), (vec![16; 130], 32)] {
        assert!(Filter::parse(&bytes.into(), &vec![0; salt].into()).is_ok());
    }
}

#[test]
fn false_positives_are_about_as_frequent_as_was_asked_for() {
    let mut source = SeedStream::new(&[5; 32]);
    let mut found = 0;
    for _ in 0..10 {
        let mut bloom = Bloom::new(Parameters::optimal(1_000, 0.01), 0.1, &mut source);
        for key in 0..1_000_u32 {
            bloom.add(&key.to_be_bytes());
        }
        found += (1_000..11_000_u32).filter(|key| bloom.contains(&key.to_be_bytes())).count();
    }
    // 1,000 of the 100,000 are expected; the standard deviation is about 32.
    assert!((800..1_200).contains(&found), "{found}");
}

#[test]
fn a_filter_is_full_when_its_estimate_is_reached() {
    let mut bloom =
        Bloom::new(Parameters::optimal(128, 0.001), 0.01, &mut SeedStream::new(&[1; 32]));
    let mut key = 0_u32;
    while !bloom.is_full() {
        let before = bloom.count();
        let added = bloom.add(&key.to_be_bytes());
        assert_eq!(bloom.count(), before + usize::from(added));
        key += 1;
    }
    assert_eq!(bloom.count(), 184);
    assert!(!bloom.add(&0_u32.to_be_bytes()), "a key is added once");
}

#[test]
fn filters_of_different_draws_differ() {
    let mut source = SeedStream::new(&[2; 32]);
    let parameters = Parameters::optimal(128, 0.001);
    let (a, b) =
        (Bloom::new(parameters, 0.01, &mut source), Bloom::new(parameters, 0.01, &mut source));
    assert_ne!(a.salt(), b.salt());
    assert_ne!(a.to_bytes(), b.to_bytes());
}

#[test]
fn what_was_added_is_always_found_and_survives_the_wire() {
    let (keys_added, absent) = (Cell::new(0), Cell::new(0));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(200));
    let inputs = (
        any::<[u8; 32]>(),
        1..300_usize,
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..100),
    );
    runner
        .run(&inputs, |(seed, size, keys)| {
            let mut source = SeedStream::new(&seed);
            let mut bloom = Bloom::new(Parameters::optimal(size, 0.01), 0.1, &mut source);
            for key in &keys {
                let known = bloom.contains(key);
                prop_assert_eq!(bloom.add(key), !known);
            }
            let salt = Bytes::copy_from_slice(bloom.salt());
            let filter = Filter::parse(&bloom.to_bytes(), &salt).expect("own bytes");
            for key in &keys {
                prop_assert!(bloom.contains(key) && filter.contains(key));
                keys_added.set(keys_added.get() + 1);
            }
            for n in 0..20_u64 {
                let key = n.to_be_bytes().repeat(8);
                prop_assert_eq!(bloom.contains(&key), filter.contains(&key));
                absent.set(absent.get() + usize::from(!filter.contains(&key)));
            }
            Ok(())
        })
        .expect("no false negatives");
    assert!(keys_added.get() > 1_000 && absent.get() > 1_000, "{keys_added:?} {absent:?}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..300),
        hashes in 0..20_u8,
        salt in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        if let Some(first) = bytes.first_mut() {
            *first = hashes;
        }
        if let Ok(filter) = Filter::parse(&bytes.into(), &salt.into()) {
            let _ = filter.contains(b"key");
        }
    }
}
