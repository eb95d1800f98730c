//! A whole state in a file, verified against its root before anybody relies on it.
//!
//! ```text
//!   header   "AVCHKPT\0" | version u32 = 1 | height u64 | root 32 | check 32
//!   chunk    payload length u32 | payload | check 32            as often as needed
//!   end      0 u32 | number of entries u64 | check 32           and nothing after it
//!
//!   payload  entries in the order of key hashes: key length u32 | value length u32 | key | value
//!   check    BLAKE3 keyed "avalanche/store/checkpoint/v1" of the check before (none for the
//!            header) and of what it stands behind
//! ```
//!
//! Each check covers the one before, so that chunks of other files, or in another order, do not
//! pass. Numbers are little-endian. A chunk holds 256 KiB, or one entry that is longer.

use std::path::{Path, PathBuf};

use super::{Import, State, StateOptions};
use crate::merkle::{Stream, leaf_hash, successor};
use crate::{
    Disk, DiskFile, Error, Hash, KeyValue, OpenMode, Pair, RangeLimits, key_hash, value_hash,
};

const DOMAIN: &Hash = b"avalanche/store/checkpoint/v1\0\0\0";
const MAGIC: &[u8; 8] = b"AVCHKPT\0";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 8 + 4 + 8 + 32 + 32;
/// The least payload after which a chunk ends.
const CHUNK_BYTES: usize = 256 << 10;
/// The longest payload that is read.
const PAYLOAD_BYTES_MAX: usize = 64 << 20;
/// Entries that are read from a state at once.
const READ: RangeLimits = RangeLimits { entries: 1024, bytes: CHUNK_BYTES };

/// A checkpoint that was read back and whose entries have the root of its state. Only the
/// functions of [`Checkpoints`] make one: whoever has one may prune the log below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCheckpoint {
    height: u64,
    root: Hash,
    path: PathBuf,
    entries: u64,
}

impl VerifiedCheckpoint {
    /// The height of the state.
    #[must_use]
    pub const fn height(&self) -> u64 {
        self.height
    }

    /// Its root.
    #[must_use]
    pub const fn root(&self) -> &Hash {
        &self.root
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many entries it has.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.entries
    }
}

/// A folder of checkpoints.
#[derive(Clone, Debug)]
pub struct Checkpoints<D> {
    disk: D,
    dir: PathBuf,
}

impl<D: Disk> Checkpoints<D> {
    /// Uses a folder, made if it is absent.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn open(disk: D, dir: impl Into<PathBuf>) -> Result<Self, Error> {
        let dir = dir.into();
        disk.create_dir_all(&dir).map_err(Error::io("make the folder", &dir))?;
        Ok(Self { disk, dir })
    }

    /// Writes the state at a height that is kept. The file gets its name when it is durable and has
    /// been read back with the state's root: a crash leaves a whole checkpoint or none.
    ///
    /// # Errors
    ///
    /// As [`State::get_at`]; [`Error::Io`]; [`Error::RootDiffers`] if what is on disk does not have
    /// the root, which then is not kept.
    pub fn write<K: KeyValue>(
        &self,
        state: &State<K>,
        height: u64,
    ) -> Result<VerifiedCheckpoint, Error> {
        let root = state.root_at(height)?;
        let path = self.dir.join(name(height));
        let temporary = self.dir.join(format!("{}.tmp", name(height)));
        let names = self.disk.list(&self.dir).map_err(Error::io("list", &self.dir))?;
        if names.iter().any(|found| self.dir.join(found) == temporary) {
            self.disk.remove(&temporary).map_err(Error::io("remove", &temporary))?;
        }
        let file = self.disk.open(&temporary, OpenMode::CreateNew);
        let file = file.map_err(Error::io("make", &temporary))?;
        let mut writer = Writer { file: &file, path: &temporary, offset: 0, check: None };
        write_all(&mut writer, state, height, &root)?;
        file.sync_data().map_err(Error::io("sync", &temporary))?;
        drop(file);
        let found = self.read_file(&temporary, |_| Ok(()))?;
        if found.root != root || found.height != height {
            return Err(Error::RootDiffers { path: temporary, height });
        }
        self.disk.rename(&temporary, &path).map_err(Error::io("rename", &temporary))?;
        self.disk.sync_dir(&self.dir).map_err(Error::io("sync the folder", &self.dir))?;
        Ok(VerifiedCheckpoint { path, ..found })
    }

    /// Heights of the checkpoints in the folder, ascending. Nothing says that they are intact.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn list(&self) -> Result<Vec<u64>, Error> {
        let names = self.disk.list(&self.dir).map_err(Error::io("list", &self.dir))?;
        let mut heights: Vec<_> = names.iter().filter_map(|name| height_of(name)).collect();
        heights.sort_unstable();
        Ok(heights)
    }

    /// Reads the checkpoint of a height, and computes its root anew.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], [`Error::Corrupt`] with the offset of the damage, [`Error::Version`],
    /// [`Error::RootDiffers`].
    pub fn verify(&self, height: u64) -> Result<VerifiedCheckpoint, Error> {
        self.read_file(&self.dir.join(name(height)), |_| Ok(()))
    }

    /// Builds the state of a checkpoint in an empty store, with bounded memory. Call it again with
    /// the same store to go on after a stop.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify), and as [`Import`].
    pub fn restore<K: KeyValue>(
        &self,
        height: u64,
        store: K,
        options: StateOptions,
    ) -> Result<State<K>, Error> {
        let path = self.dir.join(name(height));
        let (height, root) = self.header(&path)?;
        let mut import = Import::open(store, options, height, root)?;
        self.read_file(&path, |mut pairs| {
            let Some(position) = import.position() else { return Ok(()) };
            pairs.retain(|(key, _)| key_hash(key) >= position);
            let last = pairs.last().map(|(key, _)| key_hash(key));
            let Some(last) = last else { return Ok(()) };
            import.add_pairs(&pairs, successor(&last))
        })?;
        if import.position().is_some() {
            import.add_pairs(&[], None)?;
        }
        import.finish()
    }

    /// Removes all checkpoints but the `keep` newest, and files that were never finished. Gives the
    /// heights of those removed.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn remove_old(&self, keep: usize) -> Result<Vec<u64>, Error> {
        let names = self.disk.list(&self.dir).map_err(Error::io("list", &self.dir))?;
        let unfinished = names
            .iter()
            .filter(|name| name.strip_suffix(".tmp").is_some_and(|name| height_of(name).is_some()));
        for file in unfinished {
            let path = self.dir.join(file);
            self.disk.remove(&path).map_err(Error::io("remove", &path))?;
        }
        let mut heights = self.list()?;
        heights.truncate(heights.len().saturating_sub(keep));
        for height in &heights {
            let path = self.dir.join(name(*height));
            self.disk.remove(&path).map_err(Error::io("remove", &path))?;
        }
        self.disk.sync_dir(&self.dir).map_err(Error::io("sync the folder", &self.dir))?;
        Ok(heights)
    }

    fn header(&self, path: &Path) -> Result<(u64, Hash), Error> {
        let file = self.disk.open(path, OpenMode::Read).map_err(Error::io("open", path))?;
        let header = Reader::open(&file, path)?.header()?;
        Ok((header.0, header.1))
    }

    /// Reads a file from end to end. `each` gets the entries of one chunk after another.
    fn read_file(
        &self,
        path: &Path,
        mut each: impl FnMut(Vec<Pair>) -> Result<(), Error>,
    ) -> Result<VerifiedCheckpoint, Error> {
        let file = self.disk.open(path, OpenMode::Read).map_err(Error::io("open", path))?;
        let mut reader = Reader::open(&file, path)?;
        let (height, root) = reader.header()?;
        let mut stream = Stream::default();
        let mut entries = 0;
        loop {
            let begin = reader.offset;
            let Some(payload) = reader.chunk(entries)? else { break };
            let malformed = "an entry of the checkpoint is malformed";
            let pairs = parse(&payload).ok_or_else(|| reader.corrupt(begin, malformed))?;
            for (key, value) in &pairs {
                let key = key_hash(key);
                if !stream.push(&key, leaf_hash(&key, &value_hash(value))) {
                    return Err(reader.corrupt(begin, "entries of the checkpoint are unordered"));
                }
                entries += 1;
            }
            each(pairs)?;
        }
        if stream.finish(0).hash() != root {
            return Err(Error::RootDiffers { path: path.to_path_buf(), height });
        }
        Ok(VerifiedCheckpoint { height, root, path: path.to_path_buf(), entries })
    }
}

fn name(height: u64) -> String {
    format!("checkpoint-{height:020}")
}

fn height_of(file: &str) -> Option<u64> {
    let height = file.strip_prefix("checkpoint-")?.parse().ok()?;
    (name(height) == file).then_some(height)
}

fn write_all<K: KeyValue, F: DiskFile>(
    writer: &mut Writer<'_, F>,
    state: &State<K>,
    height: u64,
    root: &Hash,
) -> Result<(), Error> {
    let mut header = MAGIC.to_vec();
    header.extend(VERSION.to_le_bytes());
    header.extend(height.to_le_bytes());
    header.extend(root);
    writer.put(&header)?;
    let tree = state.tree_at(height)?;
    let (mut from, mut count, mut payload) = ([0; 32], 0_u64, vec![0; 4]);
    loop {
        let (pairs, stop) = state.entries(&tree, &from, None, READ, height)?;
        count += pairs.len() as u64;
        for (key, value) in &pairs {
            let entry = 8 + key.len() + value.len();
            if payload.len() > 4 && payload.len() + entry > CHUNK_BYTES {
                writer.chunk(&mut payload)?;
            }
            for part in [key, value] {
                payload.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
            }
            payload.extend(key);
            payload.extend(value);
        }
        match stop {
            Some(stop) => from = stop,
            None => break,
        }
    }
    if payload.len() > 4 {
        writer.chunk(&mut payload)?;
    }
    writer.put(&[[0; 4].as_slice(), &count.to_le_bytes()].concat())
}

/// Appends parts, each with its check.
struct Writer<'a, F> {
    file: &'a F,
    path: &'a Path,
    offset: u64,
    check: Option<Hash>,
}

impl<F: DiskFile> Writer<'_, F> {
    fn put(&mut self, part: &[u8]) -> Result<(), Error> {
        let check = check(self.check.as_ref(), part);
        let bytes = [part, &check].concat();
        self.file.write_at(&bytes, self.offset).map_err(Error::io("write", self.path))?;
        self.offset += bytes.len() as u64;
        self.check = Some(check);
        Ok(())
    }

    /// Writes a chunk whose first four bytes are left for the length, and begins another.
    fn chunk(&mut self, payload: &mut Vec<u8>) -> Result<(), Error> {
        let length = u32::try_from(payload.len() - 4).unwrap_or(u32::MAX).to_le_bytes();
        for (to, from) in payload.iter_mut().zip(length) {
            *to = from;
        }
        self.put(payload)?;
        payload.truncate(4);
        Ok(())
    }
}

fn check(before: Option<&Hash>, part: &[u8]) -> Hash {
    let mut hasher = blake3::Hasher::new_keyed(DOMAIN);
    if let Some(before) = before {
        hasher.update(before);
    }
    *hasher.update(part).finalize().as_bytes()
}

/// Reads parts, and compares each with its check.
struct Reader<'a, F> {
    file: &'a F,
    path: &'a Path,
    offset: u64,
    len: u64,
    check: Option<Hash>,
}

impl<'a, F: DiskFile> Reader<'a, F> {
    fn open(file: &'a F, path: &'a Path) -> Result<Self, Error> {
        let len = file.len().map_err(Error::io("read the length of", path))?;
        Ok(Self { file, path, offset: 0, len, check: None })
    }

    fn corrupt(&self, offset: u64, what: &'static str) -> Error {
        Error::Corrupt { path: self.path.to_path_buf(), offset, what }
    }

    fn bytes(&self, offset: u64, count: usize) -> Result<Vec<u8>, Error> {
        if self.len.saturating_sub(offset) < count as u64 {
            return Err(self.corrupt(self.len, "the checkpoint ends too early"));
        }
        let mut bytes = vec![0; count];
        self.file.read_at(&mut bytes, offset).map_err(Error::io("read", self.path))?;
        Ok(bytes)
    }

    /// The next part, which is `count` bytes long.
    fn part(&mut self, count: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = self.bytes(self.offset, count + 32)?;
        let found = bytes.split_off(count);
        let check = check(self.check.as_ref(), &bytes);
        if found != check {
            return Err(self.corrupt(self.offset, "the checksum of a part does not match"));
        }
        self.offset += count as u64 + 32;
        self.check = Some(check);
        Ok(bytes)
    }

    fn header(&mut self) -> Result<(u64, Hash), Error> {
        let start = self.bytes(0, 12)?;
        let (magic, version) = start.split_at(8);
        if magic != MAGIC {
            return Err(self.corrupt(0, "the file is no checkpoint"));
        }
        let found = version.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        if found != VERSION {
            let path = self.path.to_path_buf();
            return Err(Error::Version { path, found, supported: VERSION });
        }
        let header = self.part(HEADER_BYTES - 32)?;
        let parse = || {
            let (height, root) = header.get(12..)?.split_first_chunk()?;
            Some((u64::from_le_bytes(*height), *root.first_chunk()?))
        };
        parse().ok_or_else(|| self.corrupt(0, "the header of the checkpoint is malformed"))
    }

    /// The payload of the next chunk; `None` at the end, which states `entries`.
    fn chunk(&mut self, entries: u64) -> Result<Option<Vec<u8>>, Error> {
        let begin = self.offset;
        let length = self.bytes(begin, 4)?;
        let length = length.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes)) as usize;
        if length > PAYLOAD_BYTES_MAX {
            return Err(self.corrupt(begin, "a part of the checkpoint is longer than any can be"));
        }
        if length > 0 {
            return Ok(Some(self.part(4 + length)?.split_off(4)));
        }
        let end = self.part(12)?;
        if end.get(4..) != Some(entries.to_le_bytes().as_slice()) {
            return Err(self.corrupt(begin, "the checkpoint has another number of entries"));
        }
        if self.offset != self.len {
            return Err(self.corrupt(self.offset, "the checkpoint has bytes after its end"));
        }
        Ok(None)
    }
}

fn parse(mut payload: &[u8]) -> Option<Vec<Pair>> {
    let mut pairs = Vec::new();
    while !payload.is_empty() {
        let (key_len, rest) = payload.split_first_chunk()?;
        let (value_len, rest) = rest.split_first_chunk()?;
        let (key, rest) = rest.split_at_checked(u32::from_le_bytes(*key_len) as usize)?;
        let (value, rest) = rest.split_at_checked(u32::from_le_bytes(*value_len) as usize)?;
        pairs.push((key.to_vec(), value.to_vec()));
        payload = rest;
    }
    Some(pairs)
}
