//! The forms that input and arguments can have.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::support::{file, read, run, run_lines, subset, traces};

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn plain_zstd_and_gzip_files_read_the_same() {
    let lines = read(&subset("sampler"));
    let text = lines.join("\n") + "\n";
    let zstd = std::fs::read(subset("sampler")).unwrap();
    let skippable = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..], &zstd].concat();
    let (head, tail) = text.split_at(text.len() / 2);
    let files = [
        file("form.jsonl", &text),
        file("form-without-last-end.jsonl", text.trim_end()),
        file("form.jsonl.zst", &zstd),
        file("form-named-otherwise", &zstd),
        file("form-skippable.jsonl.zst", skippable),
        file("form.jsonl.gz", gzip(&text)),
        file("form-of-two-members.jsonl.gz", [gzip(head), gzip(tail)].concat()),
        file("form-named-wrongly.jsonl.zst", gzip(&text)),
    ];
    let expected = run([subset("sampler")]).summary();
    for path in &files {
        let mut summary = run([path]).summary();
        assert_eq!(summary, expected, "{}", path.display());
        assert_eq!(summary["traces"].take(), 107);
    }
    let twice = run([file("form-of-two-frames.jsonl.zst", [&zstd[..], &zstd].concat())]).summary();
    assert_eq!((&twice["traces"], &twice["exit"]), (&214.into(), &0.into()));
}

#[test]
fn damaged_compressed_files_are_faults_after_what_could_be_read() {
    let zstd = std::fs::read(subset("sampler")).unwrap();
    let gz = gzip(&(read(&subset("sampler")).join("\n") + "\n"));
    let changed = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        bytes
    };
    let cut = |bytes: &[u8]| bytes[..bytes.len() - 9].to_vec();
    let table = [
        // Shorter than the window, so a decoder that is cut short hands out nothing.
        ("damaged-cut.zst", cut(&zstd), "cannot be read", false),
        ("damaged-checksum.zst", changed(&zstd, zstd.len() - 1), "checksum", true),
        ("damaged-head.zst", zstd[..5].to_vec(), "cannot be read", false),
        ("damaged-tail.zst", [&zstd[..], b"more"].concat(), "cannot be read", true),
        ("damaged-skippable.zst", vec![0x50, 0x2a, 0x4d, 0x18, 9, 0, 0, 0, 1], "cut short", false),
        ("damaged-cut.gz", cut(&gz), "cannot be read", true),
        ("damaged-checksum.gz", changed(&gz, gz.len() - 8), "cannot be read", true),
        ("damaged-name.zst", b"{}".to_vec(), "neither zstd nor gzip", false),
        ("damaged-name.gz", Vec::new(), "neither zstd nor gzip", false),
    ];
    for (name, bytes, message, readable) in table {
        let run = run([file(name, bytes)]);
        assert_eq!(run.code, 2, "{name}: {run:?}");
        assert!(run.err.contains(message) && run.err.contains(name), "{name}: {run:?}");
        assert_eq!(run.summary()["traces"].as_u64() > Some(50), readable, "{name}: {run:?}");
        assert_eq!(run.summary()["mismatches"], 0);
    }
    let folder = run([env!("CARGO_TARGET_TMPDIR")]);
    assert_eq!(folder.code, 2, "{folder:?}");
    let binary = run([file("binary.jsonl", [0xff, 0xfe, b'\n', 0])]);
    assert!(binary.code == 2 && binary.err.contains("invalid JSON"), "{binary:?}");
}

/// Spaces, unknown members, long lines, decimal strings for numbers and the other way round.
#[test]
fn what_carries_no_meaning_is_ignored() {
    let mut changed = 0;
    for family in ["snowball", "snowman", "poll", "sampler"] {
        let trace = &traces(family)[0];
        let comment = "c".repeat(3 << 20);
        let mut lines = trace.clone();
        for line in &mut lines {
            let text = line.replacen('{', r#" { "note" : [{"t":"x"}, null] , "#, 1);
            let text = text.replace(r#""len":"#, r#""info":{"len":0},"len":"#);
            *line = quoted_numbers(&text);
            changed += usize::from(*line != text);
        }
        lines[1] = lines[1].replacen('{', &format!(r#"{{"long":"{comment}","#), 1);
        let (as_recorded, now) =
            (run_lines("meaning.jsonl", trace), run_lines("meaning.jsonl", &lines));
        assert_eq!(now.code, 0, "{now:?}");
        assert_eq!(now.summary(), as_recorded.summary());
    }
    assert!(changed > 100, "{changed}");
}

/// Puts a number after `":` into quotes.
fn quoted_numbers(text: &str) -> String {
    let mut out = String::new();
    for (at, part) in text.split("\":").enumerate() {
        if at > 0 {
            out.push_str("\":");
        }
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = part.split_at(digits);
        let quoted = at > 0 && digits > 0;
        out.push_str(&if quoted { format!("\"{number}\"{rest}") } else { part.to_owned() });
    }
    out
}

#[test]
fn arguments_that_make_no_sense_are_faults() {
    for (args, message) in [
        (vec![], "no trace files given"),
        (vec!["--json"], ""),
        (vec!["--time"], "no trace files given"),
        (vec!["--tim", "x"], "unknown option `--tim`"),
        (vec!["--", "--help"], "--help: cannot be read"),
    ] {
        let run = run(&args);
        assert_eq!(run.code, 2, "{args:?}: {run:?}");
        assert!(run.err.contains(message), "{args:?}: {run:?}");
        assert_eq!(run.summary()["faults"], 1);
    }
    let help = run(["x", "-h"]);
    assert!(help.code == 0 && help.out.starts_with("Replays") && help.err.is_empty(), "{help:?}");
}

#[test]
fn json_output_is_one_object_a_line_and_says_the_same() {
    let mut trace = traces("poll").swap_remove(0);
    let last = trace.len() - 1;
    trace[last] = trace[last].replace(r#""len":"#, r#""len":9,"was":"#);
    trace.push("{".to_owned());
    let path = file("json.jsonl", trace.join("\n"));
    let run = run(["--json".into(), path.clone().into_os_string()]);
    assert_eq!((run.code, run.err.as_str()), (2, ""));
    let lines = run.lines();
    let kinds: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["mismatch", "fault", "file", "summary"]);
    let (mismatch, fault) = (&lines[0], &lines[1]);
    assert_eq!(mismatch["file"], path.to_str().unwrap());
    assert_eq!(
        (&mismatch["line"], &mismatch["member"]),
        (&trace.len().saturating_sub(1).into(), &"len".into())
    );
    assert_eq!((&mismatch["expected"], mismatch["state"].is_object()), (&9.into(), true));
    assert_eq!(fault["line"], trace.len());
    assert_eq!((&lines[2]["mismatches"], &lines[2]["faults"]), (&1.into(), &1.into()));
}

/// Only bench traces are measured, and only if they decide what they should.
#[test]
fn measuring_refuses_other_traces_and_reports_differences() {
    let time = |path: std::path::PathBuf| run(["--time".into(), path.into_os_string()]);
    for (family, message) in [("snowman", "only bench-snowman traces"), ("sampler", "only bench")] {
        let run = time(subset(family));
        assert!(run.code == 2 && run.err.contains(message), "{run:?}");
    }
    let empty = time(file("time-empty.jsonl", ""));
    assert!(empty.code == 2 && empty.err.contains("no trace"), "{empty:?}");
    let mut trace = traces("bench-snowman").swap_remove(0);
    trace.retain(|line| !line.contains(r#""R""#) || !line.contains("poll"));
    assert!(trace.len() > 100);
    let run_without_decisions = time(file("time-same.jsonl", trace.join("\n")));
    assert_eq!(run_without_decisions.code, 1, "{run_without_decisions:?}");
    assert!(run_without_decisions.out.contains("op (whole trace), member"));
}
