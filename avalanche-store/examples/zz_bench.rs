//! Throwaway bench.
use avalanche_store::*;
use redb::{Durability, ReadableDatabase};
use std::path::{Path, PathBuf};
use std::time::Instant;
const BATCHES: usize = 60;
const ROWS: usize = 1000;
fn key(i: u64) -> [u8; 32] {
    *blake3::hash(&i.to_le_bytes()).as_bytes()
}
fn val(i: u64) -> Vec<u8> {
    vec![i as u8; 256]
}
fn data(b: usize) -> Vec<([u8; 32], Vec<u8>)> {
    (0..ROWS)
        .map(|r| {
            let i = (b * ROWS + r) as u64;
            (key(i), val(i))
        })
        .collect()
}
const T: redb::TableDefinition<&[u8], &[u8]> = redb::TableDefinition::new("rows");
fn dir(n: &str) -> PathBuf {
    let p = PathBuf::from(std::env::args().nth(1).unwrap()).join(n);
    let _ = std::fs::remove_dir_all(&p);
    p
}
fn report(name: &str, w: f64, r: f64, s: f64) {
    println!(
        "{name:28} write {:8.0} rows/s  read {:8.0}/s  scan {:9.0} rows/s",
        (BATCHES * ROWS) as f64 / w,
        200_000.0 / r,
        (BATCHES * ROWS) as f64 / s
    );
}
fn reads(mut f: impl FnMut(&[u8]) -> usize) -> f64 {
    let n = (BATCHES * ROWS) as u64;
    let keys: Vec<_> = (0..200_000u64).map(|i| key(i * 7919 % n)).collect();
    let t = Instant::now();
    let mut s = 0;
    for k in &keys {
        s += f(k);
    }
    assert_eq!(s, 200_000 * 256);
    t.elapsed().as_secs_f64()
}
fn store(name: &str, s: &dyn KeyValue) {
    let mut w = 0.0;
    for b in 0..BATCHES {
        let d = data(b);
        let t = Instant::now();
        let mut batch = Batch::new();
        for (k, v) in d {
            batch.put(k, v);
        }
        s.commit(batch).unwrap();
        s.flush().unwrap();
        w += t.elapsed().as_secs_f64();
    }
    let r = reads(|k| s.get(k).unwrap().unwrap().len());
    let t = Instant::now();
    let n = s.range(KeyRange::all(), Order::Ascending).map(|r| r.unwrap().1.len()).count();
    assert_eq!(n, BATCHES * ROWS);
    report(name, w, r, t.elapsed().as_secs_f64());
}
fn bare_sled(name: &str, seg: Option<usize>) {
    let p = dir(name);
    let mut c =
        sled::Config::new().path(&p).mode(sled::Mode::HighThroughput).cache_capacity(256 << 20);
    if let Some(s) = seg {
        c = c.segment_size(s);
    }
    let db = c.open().unwrap();
    let f = std::fs::OpenOptions::new().write(true).open(p.join("db")).unwrap();
    let mut w = 0.0;
    for b in 0..BATCHES {
        let d = data(b);
        let t = Instant::now();
        let mut batch = sled::Batch::default();
        for (k, v) in d {
            batch.insert(&k, v);
        }
        db.apply_batch(batch).unwrap();
        db.flush().unwrap();
        f.sync_data().unwrap();
        w += t.elapsed().as_secs_f64();
    }
    let r = reads(|k| db.get(k).unwrap().unwrap().to_vec().len());
    let t = Instant::now();
    let n = db
        .iter()
        .map(|r| {
            let (k, v) = r.unwrap();
            (k.to_vec(), v.to_vec()).1.len()
        })
        .count();
    assert_eq!(n, BATCHES * ROWS);
    report(name, w, r, t.elapsed().as_secs_f64());
}
fn bare_redb(name: &str, held: bool) {
    let p = dir(name);
    std::fs::create_dir_all(&p).unwrap();
    let db = redb::Builder::new().set_cache_size(256 << 20).create(p.join("f")).unwrap();
    let mut w = 0.0;
    for b in 0..BATCHES {
        let d = data(b);
        let t = Instant::now();
        let mut tx = db.begin_write().unwrap();
        tx.set_durability(Durability::Immediate).unwrap();
        {
            let mut tb = tx.open_table(T).unwrap();
            for (k, v) in &d {
                tb.insert(&k[..], &v[..]).unwrap();
            }
        }
        tx.commit().unwrap();
        w += t.elapsed().as_secs_f64();
    }
    let table = db.begin_read().unwrap().open_table(T).unwrap();
    let r = if held {
        reads(|k| table.get(k).unwrap().unwrap().value().to_vec().len())
    } else {
        reads(|k| {
            db.begin_read()
                .unwrap()
                .open_table(T)
                .unwrap()
                .get(k)
                .unwrap()
                .unwrap()
                .value()
                .to_vec()
                .len()
        })
    };
    let t = Instant::now();
    let n = table
        .range::<&[u8]>(..)
        .unwrap()
        .map(|r| {
            let (k, v) = r.unwrap();
            (k.value().to_vec(), v.value().to_vec()).1.len()
        })
        .count();
    assert_eq!(n, BATCHES * ROWS);
    report(name, w, r, t.elapsed().as_secs_f64());
}
fn du(p: &Path) -> u64 {
    std::fs::read_dir(p)
        .unwrap()
        .map(|e| {
            let m = e.unwrap().metadata().unwrap();
            m.len()
        })
        .sum()
}
fn main() {
    for _ in 0..2 {
        bare_sled("bare sled 512K", None);
        bare_sled("bare sled 2M", Some(2 << 20));
        let p = dir("sled");
        store("SledStore", &SledStore::open(&p, SledConfig::default()).unwrap());
        println!("  {} bytes", du(&p));
        let t = Instant::now();
        drop(SledStore::open(&p, SledConfig::default()).unwrap());
        println!("  reopen {:?}", t.elapsed());
        bare_redb("bare redb, own txn", false);
        bare_redb("bare redb, held table", true);
        let p = dir("redb");
        store("RedbStore check", &RedbStore::open(&p, RedbConfig::default()).unwrap());
        println!("  {} bytes", du(&p));
        let t = Instant::now();
        let s = RedbStore::open(&p, RedbConfig::default()).unwrap();
        println!("  reopen check {:?}", t.elapsed());
        drop(s);
        let c = RedbConfig { check_on_open: false, ..RedbConfig::default() };
        let t = Instant::now();
        let s = RedbStore::open(&p, c).unwrap();
        println!("  reopen no check {:?}", t.elapsed());
        drop(s);
        let p = dir("redb2");
        store("RedbStore no check", &RedbStore::open(&p, c).unwrap());
        store("MemoryStore", &MemoryStore::new());
    }
}
