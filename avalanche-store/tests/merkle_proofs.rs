//! Proofs show what is true, and nothing that is changed in them passes.
#![cfg(test)]

mod state_support;

use std::collections::{BTreeMap, BTreeSet};

use avalanche_store::testing::RawTree;
use avalanche_store::{
    Hash, Proof, ProofFault, RangeLimits, RangeProof, VerifiedRange, key_hash, value_hash,
};
use proptest::prelude::*;
use state_support::{Random, golden};

const LIMITS: RangeLimits = RangeLimits { entries: 1000, bytes: 1 << 20 };

/// A tree of real keys, with its pairs by key hash.
struct Map {
    tree: RawTree,
    pairs: BTreeMap<Hash, (Vec<u8>, Vec<u8>)>,
}

impl Map {
    fn new(count: u64) -> Self {
        let pair =
            |i: u64| (format!("key {i}").into_bytes(), format!("value {}", i * i).into_bytes());
        let pairs = (0..count).map(pair).map(|pair| (key_hash(&pair.0), pair));
        let pairs: BTreeMap<_, _> = pairs.collect();
        let changes = pairs.iter().map(|(hash, (_, value))| (*hash, Some(value_hash(value))));
        Self { tree: RawTree::default().apply(changes, 1), pairs }
    }

    fn root(&self) -> Hash {
        self.tree.root()
    }

    /// The proof of a range, stopped after `max` entries.
    fn range(&self, from: &Hash, end: Option<&Hash>, max: usize) -> (RangeProof, Option<Hash>) {
        let inside = |hash: &Hash| hash >= from && end.is_none_or(|end| hash < end);
        let mut found: Vec<_> = self.pairs.iter().filter(|(hash, _)| inside(hash)).collect();
        let stop = (found.len() > max).then(|| {
            found.truncate(max);
            RawTree::successor(found.last().unwrap().0).unwrap()
        });
        let pairs = found.into_iter().map(|(_, pair)| pair.clone()).collect();
        (self.tree.prove_range(from, stop.as_ref().or(end), pairs), stop)
    }
}

#[test]
fn proofs_of_presence_and_absence_are_accepted_and_their_opposites_are_not() {
    let (mut shared, mut empty) = (0, 0);
    for count in [0, 1, 2, 3, 5, 17, 100, 1000] {
        let map = Map::new(count);
        for (key, value) in map.pairs.values() {
            let proof = map.tree.prove(&key_hash(key));
            assert!(proof.is_inclusion());
            assert_eq!(proof.verify(&map.root(), key, Some(value)), Ok(()));
            assert_eq!(proof.verify(&map.root(), key, None), Err(ProofFault::WrongClaim));
            assert_eq!(proof.verify(&map.root(), key, Some(b"other")), Err(ProofFault::WrongRoot));
            assert_eq!(Proof::decode(&proof.encode()), Ok(proof));
        }
        for i in 0..300 {
            let key = format!("absent {i}").into_bytes();
            let proof = map.tree.prove(&key_hash(&key));
            assert!(!proof.is_inclusion());
            assert_eq!(proof.verify(&map.root(), &key, None), Ok(()));
            assert_eq!(proof.verify(&map.root(), &key, Some(b"")), Err(ProofFault::WrongClaim));
            let bytes = proof.encode();
            shared += u64::from(bytes[1] == 2);
            empty += u64::from(bytes[1] == 1);
            assert_eq!(Proof::decode(&bytes), Ok(proof));
        }
    }
    assert!(shared > 300 && empty > 300, "{shared} {empty}");
}

#[test]
fn proofs_of_key_hashes_that_share_long_prefixes_are_accepted() {
    let mut random = Random(3);
    let (mut deep, mut checked) = (0, 0);
    for _ in 0..60 {
        let mut keys = Vec::new();
        for _ in 0..40 {
            let key = random.near(&keys);
            keys.push(key);
        }
        let (present, absent) = keys.split_at(20);
        let present: BTreeSet<_> = present.iter().copied().collect();
        let tree = RawTree::default().apply(present.iter().map(|key| (*key, Some(*key))), 1);
        for key in present.iter().chain(absent) {
            let proof = tree.prove(key);
            let value = present.contains(key).then_some(key);
            assert_eq!(proof.verify_hashes(&tree.root(), key, value), Ok(()));
            assert_eq!(Proof::decode(&proof.encode()), Ok(proof.clone()));
            deep += u64::from(proof.depth() > 200);
            checked += 1;
        }
    }
    assert!(deep > 100 && checked > 2300, "{deep} {checked}");
}

/// Whether bytes pass as the proof of a claim.
fn passes(bytes: &[u8], root: &Hash, key: &[u8], value: Option<&[u8]>) -> bool {
    Proof::decode(bytes).is_ok_and(|proof| proof.verify(root, key, value).is_ok())
}

#[test]
fn a_proof_with_any_byte_changed_passes_for_nothing() {
    let map = Map::new(40);
    let mut forms = [0; 3];
    let mut tried = 0;
    for i in 0..60 {
        let key = format!("key {i}").into_bytes();
        let value = map.pairs.get(&key_hash(&key)).map(|(_, value)| value.as_slice());
        let bytes = map.tree.prove(&key_hash(&key)).encode();
        forms[usize::from(bytes[1])] += 1;
        assert!(passes(&bytes, &map.root(), &key, value));
        for at in 0..bytes.len() {
            for bit in 0_u32..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1_u8 << bit;
                assert!(!passes(&changed, &map.root(), &key, value), "byte {at} bit {bit}");
                assert!(!passes(&changed, &map.root(), &key, None) || value.is_none());
                tried += 1;
            }
        }
        for cut in 0..bytes.len() {
            assert!(!passes(&bytes[..cut], &map.root(), &key, value));
        }
        for extra in [0, 1, 255] {
            assert_eq!(
                Proof::decode(&[bytes.as_slice(), &[extra]].concat()),
                Err(ProofFault::TrailingBytes)
            );
        }
        let other = Map::new(41);
        assert!(!passes(&bytes, &other.root(), &key, value));
        for j in (0..60).filter(|j| *j != i) {
            let wrong = format!("key {j}").into_bytes();
            let value = map.pairs.get(&key_hash(&wrong)).map(|(_, value)| value.as_slice());
            // A proof of absence may show that of a neighbour, too; one of presence cannot.
            assert!(!passes(&bytes, &map.root(), &wrong, value) || value.is_none());
        }
    }
    assert!(forms.iter().all(|form| *form > 3) && tried > 10_000, "{forms:?} {tried}");
}

#[test]
fn a_root_and_a_key_have_one_proof() {
    // Forms that say the same in more words are refused: an empty sibling below a leaf, a listed
    // empty sibling, a bit beyond the depth.
    let map = Map::new(1);
    let (key, value) = map.pairs.values().next().unwrap();
    let root = map.root();
    assert!(passes(&[1, 0, 0, 0], &root, key, Some(value)));
    let longer = Proof::decode(&[1, 0, 1, 0, 0]).unwrap();
    assert_eq!(longer.verify(&root, key, Some(value)), Err(ProofFault::NotCanonical));
    let listed = [[1, 0, 1, 0, 1].as_slice(), &[0; 32]].concat();
    assert_eq!(Proof::decode(&listed), Err(ProofFault::NotCanonical));
    assert_eq!(Proof::decode(&[1, 0, 1, 0, 2]), Err(ProofFault::NotCanonical));
    assert_eq!(Proof::decode(&[1, 0, 1, 1]), Err(ProofFault::TooDeep));
    assert_eq!(Proof::decode(&[2, 0, 0, 0]), Err(ProofFault::Version(2)));
    assert_eq!(Proof::decode(&[1, 3, 0, 0]), Err(ProofFault::UnknownForm(3)));
    assert_eq!(Proof::decode(&[1, 0, 0]), Err(ProofFault::Truncated));
    // The only leaf as a sibling of nothing: absence of its own key.
    let hash = map.tree.root();
    let side = [[1, 1, 1, 0, 1].as_slice(), &hash].concat();
    let absent = Proof::decode(&side).unwrap();
    for i in 0..64 {
        let key = format!("x {i}").into_bytes();
        assert!(absent.verify(&root, &key, None).is_err());
    }
    // Its own leaf as "another" one.
    let own = [[1, 2, 0, 0].as_slice(), &key_hash(key), &value_hash(value)].concat();
    assert_eq!(Proof::decode(&own).unwrap().verify(&root, key, None), Err(ProofFault::WrongLeaf));
}

#[test]
fn ranges_are_complete_and_say_where_to_go_on() {
    let mut random = Random(11);
    let (mut stopped, mut empty, mut whole) = (0, 0, 0);
    for count in [0, 1, 2, 3, 10, 300] {
        let map = Map::new(count);
        for round in 0..200 {
            let keys: Vec<_> = map.pairs.keys().copied().collect();
            let mut ends = [random.near(&keys), random.near(&keys)];
            if round % 3 == 0 && !keys.is_empty() {
                ends[0] = keys[random.below(keys.len())];
            }
            ends.sort_unstable();
            let from = if round % 5 == 0 { [0; 32] } else { ends[0] };
            let end = (round % 4 != 0).then_some(ends[1]);
            let max = [1, 2, 20, 1000][random.below(4)];
            let (proof, stop) = map.range(&from, end.as_ref(), max);
            let bytes = proof.encode();
            assert_eq!(RangeProof::decode(&bytes, LIMITS), Ok(proof.clone()));
            let shown = proof.verify(&map.root(), &from, end.as_ref()).unwrap();
            let until = stop.or(end);
            let inside = map
                .pairs
                .iter()
                .filter(|(hash, _)| **hash >= from && until.is_none_or(|until| **hash < until));
            let expected: Vec<_> = inside.map(|(_, pair)| pair.clone()).collect();
            assert_eq!(shown.entries(), expected);
            assert_eq!(shown.next(), stop);
            stopped += u64::from(stop.is_some());
            empty += u64::from(expected.is_empty());
            whole += u64::from(expected.len() as u64 == count && count > 3);
        }
    }
    assert!(stopped > 100 && empty > 100 && whole > 5, "{stopped} {empty} {whole}");
}

/// What bytes show as the proof of a range, if anything.
fn shows(bytes: &[u8], root: &Hash, from: &Hash, end: Option<&Hash>) -> Option<VerifiedRange> {
    RangeProof::decode(bytes, LIMITS).ok()?.verify(root, from, end).ok()
}

#[test]
fn a_range_proof_with_any_byte_changed_shows_nothing() {
    let mut random = Random(23);
    let mut tried = 0_u64;
    let mut marks = BTreeSet::new();
    for (count, max) in [(0, 9), (1, 9), (2, 9), (3, 1), (12, 3), (60, 4), (60, 100)] {
        let map = Map::new(count);
        for _ in 0..6 {
            let keys: Vec<_> = map.pairs.keys().copied().collect();
            let mut ends = [random.near(&keys), random.near(&keys)];
            ends.sort_unstable();
            let [from, end] = ends;
            let (proof, _) = map.range(&from, Some(&end), max);
            let bytes = proof.encode();
            assert!(shows(&bytes, &map.root(), &from, Some(&end)).is_some());
            for at in 0..bytes.len() {
                let bit = random.below(8);
                for mask in [1 << bit, 1 << ((bit + 1 + random.below(7)) % 8), 1, 2, 3, 4, 5, 6, 7]
                {
                    let mut changed = bytes.clone();
                    changed[at] ^= mask;
                    let shown = shows(&changed, &map.root(), &from, Some(&end));
                    if let Some(shown) = shown {
                        // Only its end can be another, if it says to go on after the last entry.
                        let entries = map.range(&from, Some(&end), max).0.len();
                        assert!((34..66).contains(&at) && shown.entries().len() == entries);
                        let (last, _) = shown.entries().last().unwrap();
                        assert_eq!(shown.next(), RawTree::successor(&key_hash(last)));
                    }
                    tried += 1;
                }
            }
            for cut in 0..bytes.len() {
                assert!(RangeProof::decode(&bytes[..cut], LIMITS).is_err());
            }
            let longer = [bytes.as_slice(), &[0]].concat();
            assert_eq!(RangeProof::decode(&longer, LIMITS), Err(ProofFault::TrailingBytes));
            marks.extend(forms(&bytes));
            // Of another range, or root.
            let more = Map::new(count + 1);
            assert_eq!(shows(&bytes, &more.root(), &from, Some(&end)), None);
            assert_eq!(shows(&bytes, &map.root(), &random.hash(), Some(&end)), None);
            let longer = shows(&bytes, &map.root(), &from, None);
            assert!(longer.is_none_or(|shown| shown.next()
                == RawTree::successor(&key_hash(&shown.entries().last().unwrap().0))));
        }
    }
    assert!(tried > 50_000 && marks.len() == 5, "{tried} {marks:?}");
}

/// Where the counts, the entries and the marks of a range proof begin, and its entries.
fn split(bytes: &[u8]) -> (usize, Vec<&[u8]>, usize) {
    let counts = if bytes[33] == 1 { 66 } else { 34 };
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let mut at = counts + 6;
    let mut entries = Vec::new();
    for _ in 0..number(counts) {
        let len = 8 + number(at) + number(at + 4);
        entries.push(&bytes[at..at + len]);
        at += len;
    }
    (counts, entries, at)
}

/// The forms of the marks of a range proof.
fn forms(bytes: &[u8]) -> Vec<u8> {
    let (_, _, mut at) = split(bytes);
    let mut forms = Vec::new();
    while at < bytes.len() {
        forms.push(bytes[at]);
        at += [1, 65, 33, 1, 1][usize::from(bytes[at])];
    }
    forms
}

fn with_entries(bytes: &[u8], entries: &[&[u8]]) -> Vec<u8> {
    let (counts, _, marks) = split(bytes);
    let mut out = bytes[..counts].to_vec();
    out.extend(u32::try_from(entries.len()).unwrap().to_le_bytes());
    out.extend(&bytes[counts + 4..counts + 6]);
    out.extend(entries.concat());
    out.extend(&bytes[marks..]);
    out
}

#[test]
fn entries_cannot_be_left_out_added_swapped_or_repeated() {
    let mut tried = 0;
    for (count, max) in [(1, 10), (2, 10), (30, 8), (30, 100), (200, 50)] {
        let map = Map::new(count);
        let from = [0x30; 32];
        for (from, end) in [(from, Some([0xb0; 32])), ([0; 32], None), (from, None)] {
            let bytes = map.range(&from, end.as_ref(), max).0.encode();
            let (_, entries, _) = split(&bytes);
            let check = |entries: &[&[u8]]| {
                let changed = with_entries(&bytes, entries);
                assert_eq!(shows(&changed, &map.root(), &from, end.as_ref()), None);
            };
            assert_eq!(with_entries(&bytes, &entries), bytes);
            for i in 0..entries.len() {
                let mut less = entries.clone();
                less.remove(i);
                check(&less);
                let mut twice = entries.clone();
                twice.insert(i, entries[i]);
                check(&twice);
                if i > 0 {
                    let mut swapped = entries.clone();
                    swapped.swap(i - 1, i);
                    check(&swapped);
                }
                tried += 1;
            }
            let new = [&[1, 0, 0, 0, 1, 0, 0, 0][..], b"kv"].concat();
            for i in 0..=entries.len() {
                let mut more = entries.clone();
                more.insert(i, &new);
                check(&more);
            }
        }
    }
    assert!(tried > 200, "{tried}");
}

#[test]
fn a_leaf_in_the_range_cannot_be_passed_off_as_one_outside() {
    // One entry. Its hash stands beside the range as an inner node's, or as a leaf's with a key
    // hash that lies outside or inside.
    let map = Map::new(1);
    let (hash, (_, value)) = map.pairs.first_key_value().unwrap();
    let from = *hash;
    let head = |marks: u16| {
        let mut bytes = vec![1];
        bytes.extend(from);
        bytes.push(0);
        bytes.extend([0; 4]);
        bytes.extend(marks.to_le_bytes());
        bytes
    };
    for key in [*hash, [0; 32]] {
        let bytes = [head(1).as_slice(), &[1], &key, &value_hash(value)].concat();
        assert_eq!(shows(&bytes, &map.root(), &from, None), None);
    }
    for forms in [vec![0], vec![2], vec![4], vec![3, 2, 2], vec![3, 0, 2], vec![3, 2, 0]] {
        let mut bytes = head(u16::try_from(forms.len()).unwrap());
        for form in forms {
            bytes.push(form);
            if form == 2 {
                bytes.extend(map.root());
            }
        }
        assert_eq!(shows(&bytes, &map.root(), &from, None), None);
    }
}

#[test]
fn a_root_and_a_range_have_one_proof() {
    // The only leaf is on the edge. Going down to it says the same in more words.
    let map = Map::new(1);
    let from = *map.pairs.first_key_value().unwrap().0;
    let bytes = map.range(&from, None, 10).0.encode();
    let (counts, _, at) = split(&bytes);
    assert_eq!(bytes[at..], [4]);
    let mut honest = 0;
    for marks in [vec![4], vec![3, 4], vec![3, 0, 4], vec![3, 4, 0]] {
        let mut other = bytes[..at].to_vec();
        other[counts + 4] = u8::try_from(marks.len()).unwrap();
        other.extend(&marks);
        let result = RangeProof::decode(&other, LIMITS).unwrap().verify(&map.root(), &from, None);
        honest += u64::from(result.is_ok());
        assert_eq!(result.is_ok(), marks == [4], "{marks:?}");
    }
    assert_eq!(honest, 1);
}

#[test]
fn what_a_peer_says_is_bounded_before_anything_is_allocated() {
    let mut bytes = vec![1];
    bytes.extend([0; 33]);
    bytes.extend(u32::MAX.to_le_bytes());
    bytes.extend([0; 2]);
    assert_eq!(RangeProof::decode(&bytes, LIMITS), Err(ProofFault::TooLarge));
    let huge = RangeLimits { entries: usize::MAX, bytes: usize::MAX };
    assert_eq!(RangeProof::decode(&bytes, huge), Err(ProofFault::Truncated));
    let map = Map::new(30);
    let bytes = map.range(&[0; 32], None, 30).0.encode();
    let few = RangeLimits { entries: 29, ..LIMITS };
    assert_eq!(RangeProof::decode(&bytes, few), Err(ProofFault::TooLarge));
    let small = RangeLimits { bytes: 100, ..LIMITS };
    assert_eq!(RangeProof::decode(&bytes, small), Err(ProofFault::TooLarge));
    let one = map.range(&[0; 32], None, 1).0;
    let none = RangeLimits { entries: 1, bytes: 0 };
    assert_eq!(RangeProof::decode(&one.encode(), none), Ok(one));
}

#[test]
fn proofs_are_pinned() {
    let map = Map::new(20);
    let mut seen = BTreeSet::new();
    for (form, name) in [(0, "own"), (1, "empty"), (2, "other")] {
        let keys = (0..).map(|i| format!("key {i}"));
        let proofs = keys.map(|key| (map.tree.prove(&key_hash(key.as_bytes())).encode(), key));
        let (bytes, key) = proofs.into_iter().find(|(bytes, _)| bytes[1] == form).unwrap();
        seen.insert(bytes[1]);
        let file = golden(&format!("merkle-proof-{name}.hex"), &bytes);
        let value = map.pairs.get(&key_hash(key.as_bytes())).map(|(_, value)| value.as_slice());
        assert!(passes(&file, &map.root(), key.as_bytes(), value));
    }
    assert_eq!(seen.len(), 3);
    let (from, end) = ([0x40; 32], [0x90; 32]);
    let file = golden("merkle-range.hex", &map.range(&from, Some(&end), 4).0.encode());
    let shown = shows(&file, &map.root(), &from, Some(&end)).unwrap();
    assert_eq!(shown.entries().len(), 4);
    assert!(shown.next().is_some());
}

proptest! {
    #[test]
    fn arbitrary_bytes_prove_nothing_false(bytes in prop::collection::vec(any::<u8>(), 0..400), flip in 0_usize..4000, bit in 0_u32..8) {
        let map = Map::new(25);
        avalanche_store::testing::check_proof_bytes(&bytes);
        for i in 20..30 {
            let mut proof = map.tree.prove(&key_hash(format!("key {i}").as_bytes())).encode();
            let at = flip % proof.len();
            proof[at] ^= 1_u8 << bit;
            avalanche_store::testing::check_proof_bytes(&proof);
        }
        let mut range = map.range(&[0x20; 32], None, 5).0.encode();
        let at = flip % range.len();
        range[at] ^= 1_u8 << bit;
        avalanche_store::testing::check_proof_bytes(&range);
    }
}
