//! The format against pinned bytes and arbitrary ones, and files against damage.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;
use crate::identity::{Identity, UnsignedIp};
use crate::peers::Ban;

/// The same identity in each run.
static NODE: LazyLock<Identity> = LazyLock::new(|| {
    Identity::from_pem(
        include_bytes!("../../../tests/data/avalanchego/staker.crt"),
        include_bytes!("../../../tests/data/avalanchego/staker.key"),
        include_bytes!("../../../tests/data/avalanchego/signer.key"),
    )
    .expect("a fixed identity")
});

fn node(n: u16) -> NodeId {
    let mut bytes = [0; 20];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    NodeId::new(bytes)
}

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// A claim with any signature: the book verifies none.
fn claim(address: &str, timestamp: u64, signature: &[u8]) -> ClaimedIp {
    let ip = UnsignedIp { addr: addr(address), timestamp };
    ClaimedIp::new(NODE.certificate().clone(), ip, signature)
}

fn book() -> AddressBook {
    let mut book = AddressBook::new();
    book.seen(node(1), addr("[2001:db8::1]:9651"), 100);
    book.seen(node(0xffff), addr("1.2.3.4:80"), u64::MAX);
    book.claimed(&claim("203.0.113.7:9651", 1_700_000_000, &[1, 2, 3]), 200);
    book.bans.ban(node(2), Ban::new("malformed_ping", 300), 0);
    book.bans.ban(node(3), Ban::new("trübe", u64::MAX), 0);
    book
}

#[test]
fn the_format_is_pinned() {
    // Changing these bytes needs a new version number, and code that still reads the old one.
    let bytes = book().to_bytes();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(&bytes[..14]), "4156415850454552000100030002");
    let first = "0001000000000000000000000000000000000000\
                 0000000000000064\
                 20010db8000000000000000000000001\
                 25b3\
                 0000";
    assert_eq!(hex(&bytes[14..62]), first);
    let last = "0002000000000000000000000000000000000000\
                000000000000012c\
                0e6d616c666f726d65645f70696e67\
                0003000000000000000000000000000000000000\
                ffffffffffffffff\
                067472c3bc6265";
    let end = bytes.len() - 32;
    assert_eq!(hex(&bytes[end - last.len() / 2..end]), last);
    assert_eq!(bytes.len(), GOLDEN_LENGTH);
    assert_eq!(blake3::hash(&bytes).to_hex().as_str(), GOLDEN_HASH);
    assert_eq!(AddressBook::from_bytes(&bytes), Ok(book()));
    let empty = AddressBook::new().to_bytes();
    assert_eq!(empty.len(), 14 + 32);
    assert_eq!(AddressBook::from_bytes(&empty), Ok(AddressBook::new()));
}

const GOLDEN_LENGTH: usize = 574;
const GOLDEN_HASH: &str = "8f424071105017320c01085cd7b7f050f25e6aa323ec2a85566dfa9391a72b09";

#[test]
fn the_later_claim_and_the_latest_time_are_kept() {
    let mut book = AddressBook::new();
    let id = NODE.node_id();
    book.claimed(&claim("1.1.1.1:1", 10, &[1]), 100);
    book.claimed(&claim("2.2.2.2:2", 9, &[2]), 90);
    let known = book.get(&id).expect("known");
    assert_eq!((known.addr, known.last_seen_unix), (addr("1.1.1.1:1"), 100));
    book.claimed(&claim("3.3.3.3:3", 11, &[0; 513]), 110);
    assert_eq!(book.get(&id).and_then(KnownNode::claim).map(ClaimedIp::timestamp), Some(10));
    book.claimed(&claim("[::ffff:4.4.4.4]:4", 12, &[0; 512]), 110);
    book.seen(id, addr("[::ffff:5.5.5.5]:5"), 120);
    let known = book.get(&id).expect("known");
    assert_eq!((known.addr, known.last_seen_unix), (addr("5.5.5.5:5"), 120));
    assert_eq!(known.claim().map(ClaimedIp::addr), Some(addr("4.4.4.4:4")));
    assert_eq!(AddressBook::from_bytes(&book.to_bytes()).as_ref(), Ok(&book));
    book.seen(node(1), addr("1.1.1.1:1"), 130);
    let order: Vec<_> = book.latest().into_iter().map(|(node, _)| node).collect();
    assert_eq!(order, [node(1), id]);
    assert!(book.remove(&id).is_some() && book.remove(&id).is_none());
}

#[test]
fn the_node_seen_least_lately_makes_room() {
    let mut book = AddressBook::new();
    let count = u16::try_from(AddressBook::NODES_MAX).expect("small");
    for n in 0..count {
        book.seen(node(n), addr("1.2.3.4:1"), 1_000 + u64::from(n));
    }
    book.seen(node(0), addr("1.2.3.4:1"), 9_000);
    book.seen(node(count), addr("1.2.3.4:1"), 9_000);
    assert_eq!(book.len(), AddressBook::NODES_MAX);
    assert!(book.get(&node(0)).is_some() && book.get(&node(1)).is_none());
    assert_eq!(AddressBook::from_bytes(&book.to_bytes()), Ok(book));
}

/// The bytes of a body with a right checksum.
fn sealed(body: &[u8]) -> Vec<u8> {
    let mut bytes = body.to_vec();
    bytes.extend_from_slice(blake3::hash(body).as_bytes());
    bytes
}

#[test]
fn damage_is_told_and_never_read() {
    let whole = book().to_bytes();
    let mut changed = 0;
    for at in 0..whole.len() {
        assert!(AddressBook::from_bytes(&whole[..at]).is_err(), "cut at {at}");
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        let damage = AddressBook::from_bytes(&bytes).expect_err("changed");
        let expected = match at {
            0..8 => AddressBookDamage::NotAnAddressBook,
            8 => AddressBookDamage::Version { found: 0x1001, supported: 1 },
            9 => AddressBookDamage::Version { found: 0x0011, supported: 1 },
            _ => AddressBookDamage::Checksum,
        };
        assert_eq!(damage, expected, "changed at {at}");
        changed += 1;
    }
    assert!(changed > 500, "{changed}");
    let large = vec![0; AddressBook::FILE_BYTES_MAX + 1];
    assert_eq!(AddressBook::from_bytes(&large), Err(AddressBookDamage::TooLarge));
    assert_eq!(AddressBook::from_bytes(&[]), Err(AddressBookDamage::NotAnAddressBook));
}

#[test]
fn a_right_checksum_over_wrong_bytes_is_told_as_well() {
    let check = |what: &str, body: &[u8]| match AddressBook::from_bytes(&sealed(body)) {
        Err(AddressBookDamage::Malformed { what: found, .. }) => {
            assert!(found.contains(what), "{found:?} instead of {what:?}");
        }
        other => panic!("{what}: {other:?}"),
    };
    let header = |nodes: u16, bans: u16| {
        let mut body = b"AVAXPEER\x00\x01".to_vec();
        body.extend_from_slice(&nodes.to_be_bytes());
        body.extend_from_slice(&bans.to_be_bytes());
        body
    };
    let plain = |n: u16| [&node(n).as_bytes()[..], &[0; 8], &[0; 18], &[0, 0]].concat();
    let ban = |n: u16, until: u8, reason: &[u8]| {
        let length = u8::try_from(reason.len()).expect("short");
        [&node(n).as_bytes()[..], &[0; 7], &[until, length], reason].concat()
    };
    check("end too early", b"AVAXPEER\x00\x01");
    check("more nodes", &header(4_097, 0));
    check("more bans", &header(0, 1_025));
    check("end too early", &header(1, 0));
    check("after the last", &[header(0, 0), vec![0]].concat());
    check("nodes that are not in order", &[header(2, 0), plain(2), plain(1)].concat());
    check("nodes that are not in order", &[header(2, 0), plain(2), plain(2)].concat());
    check("bans that are not in order", &[header(0, 2), ban(2, 1, b""), ban(1, 1, b"")].concat());
    check("no text", &[header(0, 1), ban(1, 1, &[0xff])].concat());
    check("too long", &[header(0, 1), ban(1, 1, &[b'x'; 129])].concat());
    check("ends before", &[header(0, 1), ban(1, 0, b"")].concat());
    let mut foreign = [header(1, 0), plain(1)].concat();
    let at = foreign.len() - 2;
    let der = NODE.certificate().der();
    foreign.splice(at.., u16::try_from(der.len()).expect("short").to_be_bytes());
    foreign.extend_from_slice(der);
    check("not the node's", &foreign);
    // The longest of all that is allowed is read.
    let right = [header(1, 1), plain(1), ban(1, 1, &[b'x'; 128])].concat();
    assert!(AddressBook::from_bytes(&sealed(&right)).is_ok());
}

#[test]
fn whatever_is_read_is_written_as_it_was() {
    let (read, refused) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(ProptestConfig::with_cases(2_000));
    // A right book with some bytes changed, and the checksum mended or not.
    let changes = prop::collection::vec((any::<u16>(), any::<u8>()), 0..4);
    let inputs = (changes, prop::bool::weighted(0.9), prop::option::of(any::<u16>()));
    let whole = book().to_bytes();
    let run = |(changes, mend, cut): (Vec<(u16, u8)>, bool, Option<u16>)| {
        let mut body = whole[..whole.len() - 32].to_vec();
        for (at, byte) in changes {
            let at = usize::from(at) % body.len();
            body[at] = byte;
        }
        body.truncate(cut.map_or(usize::MAX, |cut| usize::from(cut) % (2 * whole.len())));
        let bytes = if mend { sealed(&body) } else { body };
        match AddressBook::from_bytes(&bytes) {
            Ok(book) => {
                prop_assert_eq!(book.to_bytes(), bytes);
                read.set(read.get() + 1);
            }
            Err(damage) => {
                prop_assert!(!damage.to_string().is_empty());
                refused.set(refused.get() + 1);
            }
        }
        Ok(())
    };
    runner.run(&inputs, run).expect("one form each");
    assert!(read.get() > 100 && refused.get() > 100, "{read:?} {refused:?}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = AddressBook::from_bytes(&bytes);
        bytes.splice(..0, *b"AVAXPEER\x00\x01");
        let _ = AddressBook::from_bytes(&sealed(&bytes));
    }
}

/// A folder of one test, which goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("peers-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).expect("a folder");
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("an entry").file_name();
        let mut names: Vec<_> =
            entries.map(|entry| name(entry).into_string().expect("UTF-8")).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_book_and_its_bans_survive_a_restart() {
    let folder = Folder::new("restart");
    let path = folder.0.join("peers");
    assert_eq!(AddressBook::load(&path).expect("no file yet"), AddressBook::new());
    book().save(&path).expect("saved");
    assert_eq!(AddressBook::load(&path).expect("a file"), book());
    // A later one replaces it, a leftover of a crash as well.
    std::fs::write(folder.0.join(".peers.tmp"), [0; 9_999]).expect("written");
    AddressBook::new().save(&path).expect("saved");
    let (loaded, error) = AddressBook::load_or_set_aside(&path).expect("a file");
    assert!(loaded.is_empty() && error.is_none());
    assert_eq!(folder.names(), ["peers"]);
}

#[test]
fn a_damaged_file_is_kept_aside_and_the_node_starts_without() {
    let folder = Folder::new("damaged");
    let path = folder.0.join("peers");
    let mut bytes = book().to_bytes();
    bytes[100] ^= 1;
    std::fs::write(&path, &bytes).expect("written");
    let error = AddressBook::load(&path).expect_err("damaged");
    let message = error.to_string();
    assert!(message.contains(path.to_str().expect("UTF-8")), "{message}");
    assert!(message.contains("checksum is wrong; move it away"), "{message}");
    assert_eq!(folder.names(), ["peers"], "it is left where it is");
    let (book, error) = AddressBook::load_or_set_aside(&path).expect("moved");
    assert!(book.is_empty() && book.bans.is_empty());
    let message = error.expect("what was wrong").to_string();
    assert!(message.contains("moved to") && message.contains("peers.damaged"), "{message}");
    assert_eq!(folder.names(), ["peers.damaged"]);
    assert_eq!(std::fs::read(folder.0.join("peers.damaged")).expect("kept"), bytes);
    assert!(AddressBook::load_or_set_aside(&path).expect("no file").1.is_none());
    // A file that is far too large is not read to its end.
    std::fs::File::create(&path).and_then(|file| file.set_len(1 << 40)).expect("a sparse file");
    let (_, error) = AddressBook::load_or_set_aside(&path).expect("moved");
    assert!(error.expect("too large").to_string().contains("bytes allowed"));
}

#[test]
fn what_the_system_refuses_names_the_file() {
    let folder = Folder::new("refused");
    let path = folder.0.join("missing").join("peers");
    let message = book().save(&path).expect_err("no folder").to_string();
    assert!(message.contains("cannot write") && message.contains("missing"), "{message}");
    let message = AddressBook::load(Path::new(&folder.0)).expect_err("a folder").to_string();
    assert!(message.contains("cannot read"), "{message}");
}
