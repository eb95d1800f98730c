//! Runs of the replayer inside the test, and traces to run it on.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::replay;

/// The checked-in subset, in the order of its names.
pub(crate) const SUBSET: [&str; 9] = [
    "bench-snowman",
    "boot",
    "engine",
    "interval",
    "poll",
    "sampler",
    "snowball",
    "snowman",
    "snowmanerr",
];

/// What a run gave.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// The last line, which is always the summary.
    pub(crate) fn summary(&self) -> Value {
        let last = self.out.lines().last().unwrap_or_default();
        let summary: Value = serde_json::from_str(last).unwrap();
        assert_eq!(summary["type"], "summary", "{self:?}");
        assert_eq!(summary["exit"], self.code);
        summary
    }

    /// All lines of a run with `--json`.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

pub(crate) fn run<A: Into<OsString>>(args: impl IntoIterator<Item = A>) -> Run {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let args = args.into_iter().map(Into::into);
    let code = replay::run(args, &mut out, &mut err).unwrap();
    let [out, err] = [out, err].map(|text| String::from_utf8(text).unwrap());
    Run { code, out, err }
}

pub(crate) fn subset(family: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance");
    folder.join(format!("{family}.jsonl.zst"))
}

/// The lines of a trace file.
pub(crate) fn read(path: &Path) -> Vec<String> {
    let mut lines = replay::reader::Lines::open(path).unwrap();
    let mut all = Vec::new();
    while let Some(line) = lines.next().unwrap() {
        all.push(String::from_utf8(line.to_vec()).unwrap());
    }
    all
}

/// The traces of a subset file, each as its lines.
pub(crate) fn traces(family: &str) -> Vec<Vec<String>> {
    let mut traces: Vec<Vec<String>> = Vec::new();
    for line in read(&subset(family)) {
        if line.contains(r#""op":"init""#) {
            traces.push(Vec::new());
        }
        traces.last_mut().unwrap().push(line);
    }
    traces
}

/// Writes a file of this name, which no other test may use.
pub(crate) fn file(name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).unwrap();
    path
}

/// Writes lines to a file of this name and replays it.
pub(crate) fn run_lines<L: AsRef<str>>(name: &str, lines: &[L]) -> Run {
    let content: String = lines.iter().map(|line| format!("{}\n", line.as_ref())).collect();
    run([file(name, content)])
}

/// The path of a file of this name, as reports show it.
pub(crate) fn tmp(name: &str) -> String {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name).display().to_string()
}
