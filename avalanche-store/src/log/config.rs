//! How a log is kept.

/// How a log is kept. Every field can differ from one opening to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// A segment that would grow beyond this many bytes is closed, and the next one begun.
    /// Default 256 MiB. Opening reads the last segment whole, pruning removes whole segments. A
    /// block that is longer has a segment of its own.
    pub segment_bytes: u64,
    /// The longest block, in bytes. Default 32 MiB, at most
    /// [`BLOCK_BYTES_MAX`](Self::BLOCK_BYTES_MAX). Longer blocks that are in the log already can be
    /// read.
    pub block_bytes_max: usize,
    /// Whether blocks can be removed. Default [`Retention::Archive`].
    pub retention: Retention,
    /// How many closed segments stay open for reads, with their indexes in memory: for each, a file
    /// handle and 20 bytes a block, which is at most 2.5 MiB. Default 16, at least 1.
    pub open_segments_max: usize,
    /// How many bytes of a torn tail are kept aside, at most. Default 16 MiB. Only the newest torn
    /// tail is kept.
    pub torn_bytes_max: u64,
    /// `Some` makes files that depend on nothing but their content, for tests. Default `None`: the
    /// operating system draws it, as a log that is used needs it.
    pub identity_seed: Option<[u8; 32]>,
}

impl LogConfig {
    /// The greatest [`block_bytes_max`](Self::block_bytes_max): 1 GiB.
    pub const BLOCK_BYTES_MAX: usize = 1 << 30;
    /// Blocks in a segment, at most, however short they are.
    pub const SEGMENT_BLOCKS_MAX: usize = 1 << 17;

    /// The longest block that can be appended.
    pub(super) fn longest_block(&self) -> usize {
        self.block_bytes_max.min(Self::BLOCK_BYTES_MAX)
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 256 << 20,
            block_bytes_max: 32 << 20,
            retention: Retention::Archive,
            open_segments_max: 16,
            torn_bytes_max: 16 << 20,
            identity_seed: None,
        }
    }
}

/// Whether a log keeps every block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retention {
    /// Every block is kept; pruning is refused.
    #[default]
    Archive,
    /// Blocks below a verified checkpoint can be removed.
    Prune,
}
