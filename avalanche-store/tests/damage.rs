//! Folders that cannot be opened, and files that the disk changed.
#![cfg(test)]

mod support;

use std::fs;
use std::path::Path;

use avalanche_store::{
    Error, KeyRange, KeyValue, Order, RedbConfig, RedbStore, SledConfig, SledStore,
};
use support::{Model, TempDir, batch, copy, model_apply};

type Boxed = Box<dyn KeyValue>;
type Open = fn(&Path) -> Result<Boxed, Error>;

fn sled(dir: &Path) -> Result<Boxed, Error> {
    Ok(Box::new(SledStore::open(dir, SledConfig::default())?))
}

fn redb(dir: &Path) -> Result<Boxed, Error> {
    Ok(Box::new(RedbStore::open(dir, RedbConfig::default())?))
}

const ENGINES: [(&str, Open); 2] = [("sled", sled), ("redb", redb)];

/// Changes that look random, from a number.
fn changes(number: u8) -> Vec<(u8, u8)> {
    (0..40_u8).map(|row| (row.wrapping_mul(31) ^ number, row.wrapping_mul(number | 1))).collect()
}

const BATCHES: u8 = 12;

/// Fills a store with flushed batches; its state after each.
fn fill(open: Open, dir: &Path) -> Vec<Model> {
    let mut states = vec![Model::new()];
    let mut state = Model::new();
    for half in [0..BATCHES / 2, BATCHES / 2..BATCHES] {
        let store = open(dir).unwrap();
        for number in half {
            model_apply(&mut state, &changes(number));
            store.commit(batch(&changes(number))).unwrap();
            store.flush().unwrap();
            states.push(state.clone());
        }
    }
    states
}

fn read(store: &dyn KeyValue) -> Result<Model, Error> {
    let ascending: Model =
        store.range(KeyRange::all(), Order::Ascending).collect::<Result<_, _>>()?;
    let descending: Model =
        store.range(KeyRange::all(), Order::Descending).collect::<Result<_, _>>()?;
    assert_eq!(ascending, descending);
    for (key, value) in &ascending {
        assert_eq!(store.get(key)?.as_ref(), Some(value));
    }
    Ok(ascending)
}

#[test]
fn a_folder_in_use_is_refused() {
    for (name, open) in ENGINES {
        let dir = TempDir::new("in-use");
        let first = open(dir.path()).unwrap();
        let error = open(dir.path()).unwrap_err();
        assert!(matches!(&error, Error::InUse { path } if path == dir.path()), "{name}: {error}");
        drop(first);
        open(dir.path()).unwrap();
    }
}

#[test]
fn a_folder_that_another_user_of_sled_has_open_is_in_use() {
    let dir = TempDir::new("in-use-by-sled");
    drop(sled(dir.path()).unwrap());
    let bare = ::sled::Config::new().path(dir.path()).segment_size(2 << 20).open().unwrap();
    let error = sled(dir.path()).unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    drop(bare);
    sled(dir.path()).unwrap();
}

#[test]
fn another_version_is_refused_before_anything_is_changed() {
    for (name, open) in ENGINES {
        let dir = TempDir::new("version");
        fill(open, dir.path());
        let mark = dir.path().join("format");
        assert_eq!(fs::read_to_string(&mark).unwrap(), format!("avalanche-store {name} 1\n"));
        fs::write(&mark, format!("avalanche-store {name} 2\n")).unwrap();
        let before = support::files(dir.path());
        let error = open(dir.path()).unwrap_err();
        assert!(
            matches!(&error, Error::Version { path, found: 2, supported: 1 } if *path == mark),
            "{name}: {error}"
        );
        assert_eq!(support::files(dir.path()), before);
        for damaged in ["", "avalanche-store", "avalanche-store sled 01\n", "\u{0}\u{0}"] {
            fs::write(&mark, damaged).unwrap();
            assert!(matches!(open(dir.path()).unwrap_err(), Error::Corrupt { .. }), "{name}");
        }
    }
}

#[test]
fn a_folder_of_somebody_else_is_refused_and_kept() {
    for ((name, open), (_, other)) in [(ENGINES[0], ENGINES[1]), (ENGINES[1], ENGINES[0])] {
        let dir = TempDir::new("foreign");
        other(dir.path()).unwrap();
        let error = open(dir.path()).unwrap_err();
        assert!(matches!(error, Error::Foreign { wanted, .. } if wanted == name), "{error}");
        other(dir.path()).unwrap();
        let dir = TempDir::new("foreign");
        fs::write(dir.path().join("letter"), "dear").unwrap();
        let error = open(dir.path()).unwrap_err();
        assert!(error.to_string().contains("letter"), "{error}");
        assert!(dir.path().join("letter").exists());
    }
    let dir = TempDir::new("foreign");
    drop(::sled::open(dir.path()).unwrap());
    assert!(matches!(sled(dir.path()).unwrap_err(), Error::Foreign { .. }));
}

#[test]
fn a_file_in_place_of_the_folder_is_named() {
    for (_, open) in ENGINES {
        let dir = TempDir::new("file");
        let path = dir.path().join("x");
        fs::write(&path, "x").unwrap();
        for path in [path.clone(), path.join("below")] {
            let error = open(&path).unwrap_err();
            assert!(matches!(error, Error::Io { .. }), "{error}");
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_folder_without_permission_is_named() {
    use std::os::unix::fs::PermissionsExt;
    for (name, open) in ENGINES {
        let dir = TempDir::new("permission");
        open(dir.path()).unwrap();
        let forbid = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let data = dir.path().join(if name == "sled" { "db" } else { "data.redb" });
        forbid(&data, 0o400);
        if fs::OpenOptions::new().write(true).open(&data).is_ok() {
            eprintln!("SKIPPED: this user may write whatever the mode says; run as another user");
            return;
        }
        let error = open(dir.path()).unwrap_err();
        assert!(error.to_string().contains("permission"), "{error}");
        forbid(&data, 0o600);
        forbid(dir.path(), 0o500);
        let inside = dir.path().join("new");
        for path in [dir.path(), inside.as_path()] {
            let opened = open(path);
            // An existing store with its files writable may well open in a read-only folder.
            if let Err(error) = opened {
                assert!(error.to_string().contains("permission"), "{error}");
            }
        }
        forbid(dir.path(), 0o700);
    }
}

#[test]
fn a_store_that_power_loss_left_half_made_is_made_anew() {
    for (name, open) in ENGINES {
        let dir = TempDir::new("half-made");
        fill(open, dir.path());
        // As if power had failed before the last step of making it.
        fs::rename(dir.path().join("format"), dir.path().join("creating")).unwrap();
        for file in ["db", "data.redb", "conf"] {
            if dir.path().join(file).exists() {
                fs::write(dir.path().join(file), "rubbish").unwrap();
            }
        }
        let store = open(dir.path()).unwrap();
        assert_eq!(read(&store).unwrap(), Model::new(), "{name}");
        store.commit(batch(&changes(1))).unwrap();
        store.flush().unwrap();
        drop(store);
        assert!(!dir.path().join("creating").exists());
        assert!(!read(&open(dir.path()).unwrap()).unwrap().is_empty(), "{name}");
    }
}

#[test]
fn a_snapshot_that_sled_did_not_finish_is_removed() {
    let dir = TempDir::new("snapshot");
    let states = fill(sled, dir.path());
    let copied = dir.path().join("copy");
    fs::write(dir.path().join("snap.00000000FFFFFFFF.generating"), "half").unwrap();
    copy(dir.path(), &copied);
    // On its own sled takes it for the newest snapshot.
    assert!(::sled::Config::new().path(&copied).segment_size(2 << 20).open().is_err());
    assert_eq!(read(&sled(dir.path()).unwrap()).unwrap(), *states.last().unwrap());
}

#[test]
fn no_page_of_sled_outgrows_a_segment_within_the_limits() {
    let write = |segment: Option<usize>, dir: &Path| {
        let limits = avalanche_store::Limits::COMMON;
        let row = |number: u16| {
            let mut key = vec![7; limits.key_bytes_max];
            key[limits.key_bytes_max - 2..].copy_from_slice(&number.to_be_bytes());
            (key, vec![number.to_be_bytes()[1]; limits.value_bytes_max])
        };
        let commit: Box<dyn Fn(Vec<u16>)> = match segment {
            None => {
                let store = SledStore::open(dir, SledConfig::default()).unwrap();
                Box::new(move |numbers| {
                    let mut batch = avalanche_store::Batch::new();
                    for (key, value) in numbers.into_iter().map(row) {
                        batch.put(key, value);
                    }
                    store.commit(batch).unwrap();
                    store.flush().unwrap();
                })
            }
            Some(bytes) => {
                let store = ::sled::Config::new().path(dir).segment_size(bytes).open().unwrap();
                Box::new(move |numbers| {
                    let mut batch = ::sled::Batch::default();
                    for (key, value) in numbers.into_iter().map(row) {
                        batch.insert(key, value);
                    }
                    store.apply_batch(batch).unwrap();
                    store.flush().unwrap();
                })
            }
        };
        let mut blobs = 0;
        for round in 0..12_u16 {
            // Ascending, scattered and again.
            commit((0..100).map(|number| number * 7 + round).collect());
            commit((0..100_u16).map(|number| number.wrapping_mul(40_503) ^ round).collect());
            commit((0..100).map(|number| number * 7).collect());
            blobs += fs::read_dir(dir.join("blobs")).unwrap().count();
        }
        blobs
    };
    let dir = TempDir::new("blobs");
    assert_eq!(write(None, &dir.fresh()), 0);
    assert!(write(Some(512 << 10), &dir.fresh()) > 0, "sled's own segments would have done");
}

/// What came of opening a damaged store.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcomes {
    right: u32,
    earlier: u32,
    refused: u32,
}

impl Outcomes {
    /// Opens and reads; never a panic, never rows that were not there together.
    fn add(&mut self, case: &str, open: Open, dir: &Path, states: &[Model]) {
        match open(dir).and_then(|store| read(&store)) {
            Ok(found) if found == *states.last().unwrap() => self.right += 1,
            Ok(found) => {
                assert!(states.contains(&found), "{case}: rows that were never there together");
                self.earlier += 1;
            }
            Err(
                error @ (Error::Corrupt { .. }
                | Error::Version { .. }
                | Error::Foreign { .. }
                | Error::Io { .. }),
            ) => {
                let text = error.to_string();
                assert!(text.contains(dir.to_str().unwrap()), "{case}: {text}");
                self.refused += 1;
            }
            Err(other) => panic!("{case}: {other}"),
        }
    }
}

#[test]
fn flipped_bits_are_refused_or_harmless() {
    for (name, open) in ENGINES {
        let dir = TempDir::new("flips");
        let full = dir.path().join("full");
        let states = fill(open, &full);
        let mut outcomes = Outcomes::default();
        let mut cases = 0_u32;
        for file in support::files(&full).into_keys().filter(|file| file != "lock") {
            let bytes = fs::read(full.join(&file)).unwrap();
            let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            let step = used.div_ceil(250).max(1);
            for (number, at) in (0..used).step_by(step).enumerate() {
                let copied = dir.path().join("copy");
                copy(&full, &copied);
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << (number % 8);
                fs::write(copied.join(&file), flipped).unwrap();
                outcomes.add(
                    &format!("{name}: bit of byte {at} of {file}"),
                    open,
                    &copied,
                    &states,
                );
                fs::remove_dir_all(&copied).unwrap();
                cases += 1;
            }
        }
        println!("{name}: {cases} flips: {outcomes:?}");
        assert!(outcomes.refused > 0 && outcomes.right > 0, "{name}: {outcomes:?}");
    }
}

#[test]
fn cut_files_are_refused_or_harmless() {
    for (name, open) in ENGINES {
        let dir = TempDir::new("cuts");
        let full = dir.path().join("full");
        let states = fill(open, &full);
        let mut outcomes = Outcomes::default();
        for file in support::files(&full).into_keys().filter(|file| file != "lock") {
            let length = fs::metadata(full.join(&file)).unwrap().len();
            for part in 0..20 {
                let copied = dir.path().join("copy");
                copy(&full, &copied);
                let cut = fs::OpenOptions::new().write(true).open(copied.join(&file)).unwrap();
                cut.set_len(length * part / 20).unwrap();
                drop(cut);
                outcomes.add(&format!("{name}: {file} cut to {part}/20"), open, &copied, &states);
                fs::remove_dir_all(&copied).unwrap();
            }
        }
        println!("{name}: cuts: {outcomes:?}");
        assert!(outcomes.refused > 0, "{name}: {outcomes:?}");
    }
}

/// As power loss leaves it behind sled's own flush: a part of the log is zeros, and no snapshot.
/// sled takes zeros for free space, so what it still finds may be anything (see [`SledStore`]):
/// only that a panic of it becomes an error is promised. Where its threads put a row differs from
/// run to run, so stores are made until one of their holes makes it panic.
#[test]
fn a_panic_of_sled_becomes_an_error() {
    const STORES_MAX: u32 = 20;
    let panics = (1..=STORES_MAX).find_map(|store| {
        let panics = panics_of_holes();
        println!("store {store}: {panics} panics");
        (panics > 0).then_some(panics)
    });
    assert!(panics.is_some(), "no hole of {STORES_MAX} stores made sled panic");
}

/// Fills a store, then opens a copy with a hole, for each segment. How many made sled panic.
fn panics_of_holes() -> u32 {
    const SEGMENT: usize = 2 << 20;
    let dir = TempDir::new("panics");
    let full = dir.path().join("full");
    let store = sled(&full).unwrap();
    for number in 0..60_u32 {
        let mut batch = avalanche_store::Batch::new();
        for row in 0..40_u32 {
            batch.put((row * 60 + number).to_be_bytes(), vec![1; 4_000]);
        }
        store.commit(batch).unwrap();
        store.flush().unwrap();
    }
    drop(store);
    let bytes = fs::read(full.join("db")).unwrap();
    let mut panics = 0;
    for segment in 0..bytes.len().div_ceil(SEGMENT) {
        let copied = dir.path().join("copy");
        copy(&full, &copied);
        let mut holed = bytes.clone();
        let end = ((segment + 1) * SEGMENT).min(holed.len());
        holed[segment * SEGMENT..end].fill(0);
        fs::write(copied.join("db"), holed).unwrap();
        for name in support::files(&copied).into_keys().filter(|name| name.starts_with("snap.")) {
            fs::remove_file(copied.join(name)).unwrap();
        }
        match sled(&copied).and_then(|store| scan(&store)) {
            Err(error) => {
                println!("{segment}: {error}");
                assert!(matches!(error, Error::Corrupt { .. }), "{error}");
                panics += u32::from(error.to_string().contains("panicked"));
            }
            Ok((ascending, descending)) => println!("{segment}: {ascending} {descending} rows"),
        }
        fs::remove_dir_all(&copied).unwrap();
    }
    panics
}

/// How many rows a scan finds in each order, and that each of them can be asked for.
fn scan(store: &dyn KeyValue) -> Result<(usize, usize), Error> {
    let count = |order| -> Result<usize, Error> {
        let mut rows = 0;
        for row in store.range(KeyRange::all(), order) {
            store.get(&row?.0)?;
            rows += 1;
        }
        Ok(rows)
    };
    Ok((count(Order::Ascending)?, count(Order::Descending)?))
}
