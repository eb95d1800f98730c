//! AvalancheGo's own times for the `bench-snowman` traces.
//!
//! Source: `reference-timing.md`, which comes with the conformance traces: avalanchego commit
//! 1cf1fc3d1711, go1.27.3, linux/amd64, 2 logical CPUs, k = 20, both alphas 15, beta 20, Snowflake.
//! CPU time of the executing thread, one clock pair around each uninterrupted run of equal
//! operations, median of 9 runs. That machine was shared: expect 20 per cent more or less.

use serde::Serialize;

/// Where and how the times were measured, for the printed table.
pub(crate) const SOURCE: &str = "avalanchego 1cf1fc3d1711, go1.27.3, linux/amd64, 2 logical CPUs, \
    thread CPU time, a clock pair of about 864 ns included once per run of equal operations";

/// One line of AvalancheGo's table.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Reference {
    #[serde(skip)]
    pub(crate) trace: &'static str,
    /// Adds, polls, accepted, rejected.
    #[serde(skip)]
    pub(crate) counts: [u64; 4],
    /// Nanoseconds per `RecordPoll`: median, least, greatest.
    pub(crate) poll_ns: [u64; 3],
    /// Nanoseconds per `Add`.
    pub(crate) add_ns: u64,
    /// Nanoseconds of adds and polls together per accepted block.
    pub(crate) block_ns: u64,
    /// Wall time of the whole trace.
    pub(crate) wall_ms: f64,
}

/// The line for a trace, if AvalancheGo was measured on it.
pub(crate) fn find(trace: &str) -> Option<&'static Reference> {
    REFERENCES.iter().find(|reference| reference.trace == trace)
}

pub(crate) const REFERENCES: [Reference; 12] = [
    Reference {
        trace: "chain-depth-1-unanimous",
        counts: [100, 2_000, 100, 0],
        poll_ns: [1_532, 1_489, 1_599],
        add_ns: 1_438,
        block_ns: 32_034,
        wall_ms: 3.3,
    },
    Reference {
        trace: "chain-depth-4-unanimous",
        counts: [240, 1_200, 240, 0],
        poll_ns: [4_945, 4_866, 5_155],
        add_ns: 659,
        block_ns: 25_415,
        wall_ms: 6.2,
    },
    Reference {
        trace: "chain-depth-16-unanimous",
        counts: [640, 800, 640, 0],
        poll_ns: [18_098, 17_431, 18_774],
        add_ns: 521,
        block_ns: 23_106,
        wall_ms: 14.9,
    },
    Reference {
        trace: "chain-depth-64-unanimous",
        counts: [1_280, 400, 1_280, 0],
        poll_ns: [70_414, 69_500, 71_867],
        add_ns: 416,
        block_ns: 22_419,
        wall_ms: 29.0,
    },
    Reference {
        trace: "chain-depth-1-split-16-4",
        counts: [200, 2_000, 100, 100],
        poll_ns: [2_807, 2_740, 3_105],
        add_ns: 1_051,
        block_ns: 58_200,
        wall_ms: 6.0,
    },
    Reference {
        trace: "chain-depth-4-split-16-4",
        counts: [480, 1_200, 240, 240],
        poll_ns: [8_174, 8_023, 8_371],
        add_ns: 602,
        block_ns: 42_164,
        wall_ms: 10.2,
    },
    Reference {
        trace: "chain-depth-16-split-16-4",
        counts: [1_280, 800, 640, 640],
        poll_ns: [28_199, 27_718, 28_659],
        add_ns: 421,
        block_ns: 36_069,
        wall_ms: 23.2,
    },
    Reference {
        trace: "chain-depth-64-split-16-4",
        counts: [2_560, 400, 1_280, 1_280],
        poll_ns: [121_950, 108_793, 130_031],
        add_ns: 423,
        block_ns: 39_008,
        wall_ms: 51.3,
    },
    Reference {
        trace: "stream-sequential-2000",
        counts: [2_000, 40_000, 2_000, 0],
        poll_ns: [1_484, 1_463, 1_565],
        add_ns: 1_287,
        block_ns: 30_968,
        wall_ms: 64.4,
    },
    Reference {
        trace: "stream-pipelined-2000",
        counts: [2_000, 2_000, 1_981, 0],
        poll_ns: [22_971, 22_547, 23_355],
        add_ns: 1_159,
        block_ns: 24_350,
        wall_ms: 50.3,
    },
    Reference {
        trace: "stream-sequential-2000-split-16-4",
        counts: [4_000, 40_000, 2_000, 2_000],
        poll_ns: [2_981, 2_887, 3_254],
        add_ns: 1_006,
        block_ns: 61_624,
        wall_ms: 129.0,
    },
    Reference {
        trace: "stream-pipelined-2000-noise-16-2-2",
        counts: [2_000, 2_000, 1_981, 0],
        poll_ns: [23_513, 23_234, 25_586],
        add_ns: 1_162,
        block_ns: 24_909,
        wall_ms: 51.5,
    },
];
