//! A state is rebuilt from range proofs, or from a checkpoint, and from nothing that is wrong.
#![cfg(test)]

mod state_support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use avalanche_store::{
    Checkpoints, Disk, EMPTY, Error, Hash, Import, OsDisk, RangeLimits, RangeProof, State,
    StateOptions, key_hash,
};
use state_support::{Memory, Random, golden};

fn options() -> StateOptions {
    StateOptions { memory_bytes: 20_000, ..StateOptions::new("memory") }
}

/// A state with `count` entries at height 1, and others at height 0.
fn state(count: usize) -> State<Memory> {
    let mut state = State::open(Memory::default(), options()).unwrap();
    for height in 0..2 {
        let mut draft = state.begin();
        for i in 0..count {
            let long = if i == 3 { 300_000 } else { 1 + i % 50 };
            draft.put(format!("key {i}"), vec![height + 1; long]).unwrap();
        }
        for i in 0..count / 3 {
            let key = format!("gone {i}");
            if height == 0 { draft.put(key, *b"x").unwrap() } else { draft.delete(key).unwrap() }
        }
        state.commit(&draft.seal().unwrap(), u64::from(height)).unwrap();
    }
    state
}

/// All values of a state at its height.
fn values(state: &State<Memory>) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let all = RangeLimits { entries: usize::MAX, bytes: usize::MAX };
    let proof = state.prove_range(&[0; 32], None, all, state.height().unwrap()).unwrap();
    proof.verify(&state.root(), &[0; 32], None).unwrap().into_entries().into_iter().collect()
}

#[test]
fn a_client_rebuilds_a_state_from_range_proofs_alone() {
    let mut random = Random(1);
    let (mut chunks, mut resumed, mut lies) = (0, 0, 0);
    for count in [0, 1, 2, 40, 700] {
        let server = state(count);
        let (root, height) = (server.root(), 1);
        let limits = RangeLimits { entries: 60, bytes: 2000 };
        let client = Memory::default();
        let mut import = Import::open(client.clone(), options(), height, root).unwrap();
        while let Some(from) = import.position() {
            assert!(matches!(
                State::open(client.clone(), options()),
                Err(Error::ImportUnfinished { .. }) | Ok(_)
            ));
            let bytes = server.prove_range(&from, None, limits, height).unwrap().encode();
            // A lying server: any changed byte is noticed.
            for _ in 0..50 {
                let mut wrong = bytes.clone();
                let at = random.below(wrong.len());
                wrong[at] ^= 1 << random.below(8);
                let shown =
                    RangeProof::decode(&wrong, limits).and_then(|p| p.verify(&root, &from, None));
                assert!(shown.is_err(), "byte {at}");
                lies += 1;
            }
            // An old state, and another place.
            let old = server.prove_range(&from, None, limits, 0).unwrap();
            assert!(old.clone().verify(&root, &from, None).is_err() || count == 0);
            if count > 0 {
                let old = old.verify(&server.root_at(0).unwrap(), &from, None).unwrap();
                assert!(matches!(import.add(&old), Err(Error::ImportOutOfPlace { .. })));
                let place = random.hash();
                let other = server.prove_range(&place, None, limits, height).unwrap();
                let other = other.verify(&root, &place, None).unwrap();
                assert!(matches!(import.add(&other), Err(Error::ImportOutOfPlace { .. })));
            }
            let proof = RangeProof::decode(&bytes, limits).unwrap();
            import.add(&proof.verify(&root, &from, None).unwrap()).unwrap();
            chunks += 1;
            assert!(import.memory_bytes() <= 20_000);
            if random.below(3) == 0 {
                let position = import.position();
                drop(import);
                assert!(matches!(
                    Import::open(client.clone(), options(), height + 1, root),
                    Err(Error::StoreNotEmpty { .. })
                ));
                import = Import::open(client.clone(), options(), height, root).unwrap();
                assert_eq!(import.position(), position);
                resumed += 1;
            }
        }
        let mut built = import.finish().unwrap();
        assert_eq!((built.root(), built.height(), built.oldest_height()), (root, Some(1), Some(1)));
        assert_eq!(values(&built), values(&server));
        // The same nodes as those of a state that was executed: the next block has the same root.
        let mut server = server;
        let [a, b] = [&mut server, &mut built].map(|state| {
            let mut draft = state.begin();
            draft.put(*b"key 1", *b"next").unwrap();
            draft.delete(*b"key 2").unwrap();
            let view = draft.seal().unwrap();
            state.commit(&view, 2).unwrap();
            view.root()
        });
        assert_eq!(a, b);
        assert!(matches!(built.root_at(0), Err(Error::Pruned { .. })));
        let again = Import::open(client, options(), height, root);
        assert!(matches!(again, Err(Error::StoreNotEmpty { .. })));
    }
    assert!(chunks > 15 && resumed > 3 && lies > 700, "{chunks} {resumed} {lies}");
}

/// Whether entries come one by one or at once, the same rows are left: the root is a leaf, then a
/// node, and twigs become nodes; what went on the way leaves none.
#[test]
fn an_import_leaves_the_same_rows_however_its_entries_come() {
    for count in [2, 3, 4, 5, 60] {
        let server = state(count);
        let root = server.root();
        let rows = |entries| {
            let client = Memory::default();
            let mut import = Import::open(client.clone(), options(), 1, root).unwrap();
            while let Some(from) = import.position() {
                let limits = RangeLimits { entries, bytes: 1 << 20 };
                let proof = server.prove_range(&from, None, limits, 1).unwrap();
                import.add(&proof.verify(&root, &from, None).unwrap()).unwrap();
                import = Import::open(client.clone(), options(), 1, root).unwrap();
            }
            assert_eq!(values(&import.finish().unwrap()), values(&server));
            let rows = client.rows.lock().unwrap();
            rows.clone()
        };
        assert_eq!(rows(1), rows(usize::MAX), "{count} entries");
    }
}

#[test]
fn an_import_that_stops_anywhere_goes_on() {
    let server = state(200);
    let (root, limits) = (server.root(), RangeLimits { entries: 30, bytes: 1 << 20 });
    let mut failures = 0;
    for step in 1..12 {
        let client = Memory::default();
        let mut import = Import::open(client.clone(), options(), 1, root).unwrap();
        client.fail_after.store(step, Ordering::SeqCst);
        while let Some(from) = import.position() {
            let proof = server.prove_range(&from, None, limits, 1).unwrap();
            if import.add(&proof.verify(&root, &from, None).unwrap()).is_err() {
                client.fail_after.store(0, Ordering::SeqCst);
                import = Import::open(client.clone(), options(), 1, root).unwrap();
                failures += 1;
            }
        }
        client.fail_after.store(0, Ordering::SeqCst);
        let built = import.finish().unwrap();
        assert_eq!(values(&built), values(&server));
    }
    assert!(failures > 5, "{failures}");
}

/// A folder below the system's temporary one, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("avalanche-state-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn checkpoints(&self) -> Checkpoints<OsDisk> {
        Checkpoints::open(OsDisk, self.0.clone()).unwrap()
    }

    fn file(&self, height: u64) -> PathBuf {
        self.0.join(format!("checkpoint-{height:020}"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_checkpoint_restores_the_state_that_it_was_made_of() {
    let folder = Folder::new("restores");
    let checkpoints = folder.checkpoints();
    for count in [0, 1, 2, 100, 5000] {
        let server = state(count);
        // What an interrupted one left is in nobody's way.
        std::fs::write(folder.file(1).with_extension("tmp"), b"half").unwrap();
        for height in [0, 1] {
            let made = checkpoints.write(&server, height).unwrap();
            assert_eq!(*made.root(), server.root_at(height).unwrap());
            assert_eq!((made.height(), made.path()), (height, folder.file(height).as_path()));
            assert_eq!(checkpoints.verify(height).unwrap(), made);
            let restored = checkpoints.restore(height, Memory::default(), options()).unwrap();
            assert_eq!(restored.root(), *made.root());
            assert_eq!(values(&restored).len() as u64, made.entries());
            if height == 1 {
                assert_eq!(values(&restored), values(&server));
                assert_eq!(made.entries(), count as u64);
            }
        }
        assert_eq!(checkpoints.list().unwrap(), [0, 1]);
    }
    let full = checkpoints.restore(1, state(2).store().clone(), options());
    assert!(matches!(full, Err(Error::StoreNotEmpty { .. })));
    assert!(matches!(checkpoints.write(&state(2), 2), Err(Error::HeightUnknown { .. })));
}

#[test]
fn a_restore_that_stops_anywhere_goes_on() {
    let folder = Folder::new("stops");
    let checkpoints = folder.checkpoints();
    // More entries than a batch has, so that a stop can lie within a chunk.
    let server = state(9000);
    checkpoints.write(&server, 1).unwrap();
    let mut failures = 0;
    for step in 1..5 {
        let client = Memory::default();
        client.fail_after.store(step, Ordering::SeqCst);
        failures += u64::from(checkpoints.restore(1, client.clone(), options()).is_err());
        client.fail_after.store(0, Ordering::SeqCst);
        let built = match checkpoints.restore(1, client.clone(), options()) {
            Ok(built) => built,
            Err(Error::StoreNotEmpty { .. }) => State::open(client, options()).unwrap(),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(values(&built), values(&server));
    }
    assert!(failures > 1, "{failures}");
}

#[test]
fn a_damaged_checkpoint_is_refused_with_the_place() {
    let folder = Folder::new("damaged");
    let checkpoints = folder.checkpoints();
    let server = state(3);
    checkpoints.write(&server, 1).unwrap();
    let bytes = std::fs::read(folder.file(1)).unwrap();
    let read = |bytes: &[u8]| {
        std::fs::write(folder.file(1), bytes).unwrap();
        let restored = checkpoints.restore(1, Memory::default(), options()).map(|_| ());
        let error = checkpoints.verify(1).unwrap_err();
        assert_eq!(restored.unwrap_err().to_string(), error.to_string());
        error
    };
    let mut versions = 0;
    for at in 0..bytes.len() {
        for bit in [0, 7] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            match read(&damaged) {
                Error::Corrupt { offset, .. } => assert!(offset <= bytes.len() as u64),
                Error::Version { supported: 1, .. } => versions += 1,
                error => panic!("{error}"),
            }
        }
    }
    assert_eq!(versions, 8);
    for cut in 0..bytes.len() {
        let error = read(&bytes[..cut]);
        assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    }
    let longer = read(&[bytes.as_slice(), &[0]].concat());
    assert!(matches!(longer, Error::Corrupt { offset, .. } if offset == bytes.len() as u64));
    // Intact, but its entries are of another root than it states.
    let root = server.root();
    let at = bytes.windows(32).position(|window| window == root).unwrap();
    let mut forged = bytes.clone();
    forged[at] ^= 1;
    rehash(&mut forged);
    assert!(matches!(read(&forged), Error::RootDiffers { height: 1, .. }));
    let mut same = bytes.clone();
    rehash(&mut same);
    assert_eq!(same, bytes);
    let missing = checkpoints.verify(7).unwrap_err();
    assert!(matches!(missing, Error::Io { .. }));
    assert!(missing.to_string().contains("checkpoint-00000000000000000007"));
}

/// Makes all checks of a checkpoint anew, as its definition says.
fn rehash(file: &mut [u8]) {
    let domain = b"avalanche/store/checkpoint/v1\0\0\0";
    let mut before = Vec::new();
    let (mut at, mut len) = (0, 52);
    loop {
        let part = [before.as_slice(), &file[at..at + len]].concat();
        before = blake3::keyed_hash(domain, &part).as_bytes().to_vec();
        file[at + len..at + len + 32].copy_from_slice(&before);
        at += len + 32;
        if at == file.len() {
            return;
        }
        let payload = u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
        len = if payload == 0 { 12 } else { 4 + payload };
    }
}

#[test]
fn old_checkpoints_are_removed_and_foreign_files_are_not() {
    let folder = Folder::new("old");
    let checkpoints = folder.checkpoints();
    let mut state = State::open(Memory::default(), options()).unwrap();
    for height in [3, 20, 100] {
        state.commit(&state.begin_at(height).seal().unwrap(), height).unwrap();
        assert_eq!(*checkpoints.write(&state, height).unwrap().root(), EMPTY);
    }
    for name in ["checkpoint-7", "notes.tmp", "checkpoint-00000000000000000003.tmp"] {
        std::fs::write(folder.0.join(name), b"").unwrap();
    }
    assert_eq!(checkpoints.list().unwrap(), [3, 20, 100]);
    assert_eq!(checkpoints.remove_old(2).unwrap(), [3]);
    assert_eq!(checkpoints.list().unwrap(), [20, 100]);
    assert_eq!(checkpoints.remove_old(5).unwrap(), [0; 0]);
    let left = OsDisk.list(&folder.0).unwrap();
    assert_eq!(left.len(), 4, "{left:?}");
}

#[test]
fn checkpoint_files_are_pinned() {
    let folder = Folder::new("pinned");
    let checkpoints = folder.checkpoints();
    let server = state(3);
    checkpoints.write(&server, 1).unwrap();
    let file = golden("checkpoint.hex", &std::fs::read(folder.file(1)).unwrap());
    std::fs::write(folder.file(1), file).unwrap();
    let restored = checkpoints.restore(1, Memory::default(), options()).unwrap();
    assert_eq!(restored.root(), server.root());
    let key: Hash = key_hash(b"key 1");
    assert_eq!(values(&restored).keys().filter(|k| key_hash(k) == key).count(), 1);
}
