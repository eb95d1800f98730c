//! Inputs written down, to be run again.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Engine, EngineConfig, Fatal, Input, Output, Setup};
use crate::{Error, Timestamp};

/// An engine that writes down every input, so that a run can be repeated elsewhere to the same
/// decisions.
///
/// It is an ordinary wrapper: use it in the place of the [`Engine`] and append what
/// [`Recorder::take`] gives to a file, as often as you like. What was written before a crash can be
/// replayed.
///
/// A recording holds the seed of the engine, so who reads it while the engine runs can predict its
/// samples. It holds names, parents, heights and sizes of blocks, not their bytes.
///
/// # Format
///
/// Eight bytes, the last of which is the version. Then records, each with its length in bytes in
/// front (32 bits, little-endian): the configuration, setup and time first, then every input with
/// the nanoseconds since the one before. A record is bincode in its standard configuration. The
/// form is for one version of this crate: replay with what recorded.
///
/// # Limits
///
/// What was written and not taken is held: take it after every few inputs. A record has at most
/// [`Recorder::RECORD_BYTES_MAX`] bytes.
///
/// ```
/// use avalanche_consensus::Timestamp;
/// use avalanche_consensus::engine::{Engine, EngineConfig, Input, Recorder, Setup, replay};
///
/// let (config, setup) = (EngineConfig::default(), Setup::default());
/// let mut recorder = Recorder::<()>::new(config, setup, Timestamp::ZERO)?;
/// while recorder.poll_output().is_some() {}
/// recorder.handle(Timestamp::from_millis(5), Input::Tick)?;
///
/// let again = replay(&recorder.take())?;
/// assert_eq!((again.inputs, again.hashes), (1, recorder.hashes()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Recorder<H> {
    engine: Engine<H>,
    bytes: Vec<u8>,
    last: Timestamp,
    hasher: OutputHasher,
}

/// What distinguishes two runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hashes {
    /// Of every accept and reject, in order.
    pub decisions: [u8; 32],
    /// Of every output, in order.
    pub outputs: [u8; 32],
}

/// A run that was repeated.
#[derive(Debug)]
pub struct Replay {
    /// The engine as it was after the last input.
    pub engine: Engine<()>,
    /// Inputs that were handled.
    pub inputs: u64,
    /// Of all outputs that were drained, which are those up to the last input.
    pub hashes: Hashes,
    /// What stopped the engine, if something did.
    pub fatal: Option<Fatal>,
}

/// Why a recording cannot be replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordingError {
    /// The bytes do not begin like a recording. Give a file that a [`Recorder`] wrote.
    NotARecording,
    /// The recording is of another version of this crate.
    Version {
        /// The version that it has.
        found: u8,
        /// The version that can be read.
        known: u8,
    },
    /// The bytes end within a record. What is before it can be replayed: cut there.
    Truncated {
        /// Where the record begins.
        offset: usize,
    },
    /// A record cannot be read: the recording is damaged.
    Damaged {
        /// Where the record begins.
        offset: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The engine refuses the configuration that was recorded.
    Setup(Error),
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotARecording => f.write_str("not a recording of an engine"),
            Self::Version { found, known } => {
                write!(f, "recording of version {found}; only version {known} can be replayed")
            }
            Self::Truncated { offset } => {
                write!(f, "recording ends within the record at byte {offset}; cut it there")
            }
            Self::Damaged { offset, reason } => {
                write!(f, "recording is damaged at byte {offset}: {reason}")
            }
            Self::Setup(error) => write!(f, "recorded setup is refused: {error}"),
        }
    }
}

impl std::error::Error for RecordingError {}

/// What a recording begins with, but for the version.
const MAGIC: [u8; 7] = *b"snowrec";
/// Of the format. Any change of a recorded type is a new one.
const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Header {
    config: EngineConfig,
    setup: Setup,
    now: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(bound(serialize = "", deserialize = "H: Default"))]
struct Record<H> {
    /// Nanoseconds since the record before.
    elapsed: u64,
    input: Input<H>,
}

impl<H: Clone> Recorder<H> {
    /// Bytes of one record: 64 MiB.
    pub const RECORD_BYTES_MAX: usize = 64 << 20;

    /// An engine at its beginning, as [`Engine::new`].
    ///
    /// # Errors
    ///
    /// As [`Engine::new`].
    pub fn new(config: EngineConfig, setup: Setup, now: Timestamp) -> Result<Self, Error> {
        let mut bytes = [MAGIC.as_slice(), &[VERSION]].concat();
        let header = Header { config, setup, now };
        write(&mut bytes, &header);
        let Header { config, setup, .. } = header;
        let engine = Engine::new(config, setup, now)?;
        Ok(Self { engine, bytes, last: now, hasher: OutputHasher::new() })
    }

    /// Writes an input down and hands it in, as [`Engine::handle`].
    ///
    /// # Errors
    ///
    /// As [`Engine::handle`].
    pub fn handle(&mut self, now: Timestamp, input: Input<H>) -> Result<(), Fatal> {
        let now = now.max(self.last);
        let elapsed = now.as_nanos() - self.last.as_nanos();
        self.last = now;
        let record = Record { elapsed, input };
        write(&mut self.bytes, &record);
        self.engine.handle(now, record.input)
    }

    /// As [`Engine::poll_output`].
    pub fn poll_output(&mut self) -> Option<Output<H>> {
        let output = self.engine.poll_output()?;
        self.hasher.update(&output);
        Some(output)
    }

    /// As [`Engine::poll_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.engine.poll_timeout()
    }

    /// The engine, to look at.
    #[must_use]
    pub const fn engine(&self) -> &Engine<H> {
        &self.engine
    }

    /// What was written since the last call.
    #[must_use = "what is taken and not kept is missing from the recording"]
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// The hashes of the outputs so far.
    #[must_use]
    pub fn hashes(&self) -> Hashes {
        self.hasher.hashes()
    }
}

/// Repeats a recorded run.
///
/// # Errors
///
/// [`RecordingError`] says where the recording cannot be read. An engine that stops is no error:
/// see [`Replay::fatal`].
pub fn replay(bytes: &[u8]) -> Result<Replay, RecordingError> {
    let rest = bytes.strip_prefix(&MAGIC).ok_or(RecordingError::NotARecording)?;
    let (version, rest) = rest.split_first().ok_or(RecordingError::NotARecording)?;
    if *version != VERSION {
        return Err(RecordingError::Version { found: *version, known: VERSION });
    }
    let mut reader = Reader { rest, offset: MAGIC.len() + 1 };
    let offset = reader.offset;
    let header = reader.next::<Header>()?.ok_or(RecordingError::Truncated { offset })?;
    let Header { config, setup, mut now } = header;
    let engine = Engine::new(config, setup, now).map_err(RecordingError::Setup)?;
    let hasher = OutputHasher::new();
    let hashes = hasher.hashes();
    let mut replay = Replay { engine, inputs: 0, hashes, fatal: None };
    let mut hasher = hasher;
    loop {
        while let Some(output) = replay.engine.poll_output() {
            hasher.update(&output);
        }
        let Some(Record { elapsed, input }) = reader.next::<Record<()>>()? else { break };
        now = Timestamp::from_nanos(now.as_nanos().saturating_add(elapsed));
        replay.inputs += 1;
        if let Err(fatal) = replay.engine.handle(now, input) {
            replay.fatal = Some(fatal);
            break;
        }
    }
    replay.hashes = hasher.hashes();
    Ok(replay)
}

/// Reads one record after another.
struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl Reader<'_> {
    fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, RecordingError> {
        let offset = self.offset;
        if self.rest.is_empty() {
            return Ok(None);
        }
        let truncated = RecordingError::Truncated { offset };
        let (length, rest) = self.rest.split_first_chunk::<4>().ok_or(truncated.clone())?;
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let (record, rest) = rest.split_at_checked(length).ok_or(truncated)?;
        let damaged = |reason| RecordingError::Damaged { offset, reason };
        let (value, read) = bincode::serde::decode_from_slice(record, configuration())
            .map_err(|error| damaged(error.to_string()))?;
        if read != length {
            return Err(damaged(format!("{} bytes are left over", length - read)));
        }
        self.rest = rest;
        self.offset += 4 + length;
        Ok(Some(value))
    }
}

/// Appends a record. All types of a record have a bincode form; one that had none would be an empty
/// record, which a reader finds.
fn write(bytes: &mut Vec<u8>, record: &impl Serialize) {
    let encoded = bincode::serde::encode_to_vec(record, configuration()).unwrap_or_default();
    let length = u32::try_from(encoded.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&encoded);
}

const fn configuration() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<{ Recorder::<()>::RECORD_BYTES_MAX }>()
}

/// Hashes outputs as they come. Handles are not part of it.
#[derive(Debug)]
struct OutputHasher {
    decisions: blake3::Hasher,
    outputs: blake3::Hasher,
}

impl OutputHasher {
    fn new() -> Self {
        let new = blake3::Hasher::new_derive_key;
        Self {
            decisions: new("avalanche/consensus/recording/decisions/v1"),
            outputs: new("avalanche/consensus/recording/outputs/v1"),
        }
    }

    fn update<H>(&mut self, output: &Output<H>) {
        let mut bytes = Vec::new();
        write(&mut bytes, output);
        self.outputs.update(&bytes);
        if matches!(output, Output::Accept(_) | Output::Reject(_)) {
            self.decisions.update(&bytes);
        }
    }

    fn hashes(&self) -> Hashes {
        let [decisions, outputs] =
            [&self.decisions, &self.outputs].map(|hasher| *hasher.finalize().as_bytes());
        Hashes { decisions, outputs }
    }
}
