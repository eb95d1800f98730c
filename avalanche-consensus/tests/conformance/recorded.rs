//! The recorded traces match: the checked-in subset always, the full set where it is at hand.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::replay::reference::REFERENCES;
use super::support::{SUBSET, read, run, subset};

#[test]
fn the_checked_in_subset_matches_on_both_levels() {
    for family in SUBSET {
        let run = run([subset(family)]);
        assert_eq!(run.code, 0, "{run:?}");
        assert_eq!(run.err, "");
        let summary = run.summary();
        let count = |name: &str| summary[name].as_u64().unwrap();
        assert_eq!((count("files"), count("mismatches"), count("skipped")), (1, 0, 0));
        assert!(count("traces") > 3 && count("events") > 1_000, "{summary}");
        assert!(count("level1") >= count("events"), "{summary}");
        let has_layout = ["snowball", "snowman", "snowmanerr"].contains(&family);
        assert_eq!(count("level2") > 0, has_layout, "{summary}");
        assert_eq!(count("comparisons"), count("level1") + count("level2"));
    }
}

/// What a trace of the subset exercises, as labels.
fn labels(lines: &[String]) -> BTreeMap<String, u64> {
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    let mut kind = String::new();
    for line in lines {
        let event: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| event[name].as_str().unwrap_or("").to_owned();
        let (family, op) = (text("t"), text("op"));
        let mut note = |label: String| *found.entry(label).or_default() += 1;
        if op == "init" {
            let factory = text("factory");
            kind = text("kind");
            let conditions = event["tc"].as_array().map_or(0, Vec::len);
            note(format!("{family} {kind} {factory} {conditions}"));
            if event["reuse"] == true {
                note(format!("reuse {factory}"));
            }
            if event["out"] == "overflow" {
                note(format!("{kind} overflow"));
            }
        }
        note(format!("{family} {kind} {op}"));
        if let Some(bit) = event["choice"].as_u64() {
            note(format!("{op} bit {bit}"));
        }
        let out = &event["out"];
        if let Some(err) = out["err"].as_str() {
            note(format!("err {err}"));
        }
        for entry in out["dec"].as_array().into_iter().flatten() {
            let empty = |at: usize| entry[at].as_array().is_none_or(Vec::is_empty);
            match entry[0].as_str() {
                Some("E") => note(format!("failing {}", entry[1])),
                Some("R") if !empty(2) => note("descendants".to_owned()),
                Some("R") if !empty(1) => note("siblings".to_owned()),
                _ => {}
            }
        }
        for entry in out["log"].as_array().into_iter().flatten() {
            note(format!("log {} {}", entry[0], if entry[2] == false { "invalid" } else { "" }));
            if entry[0] == "build" && entry[1].is_null() {
                note("no build".to_owned());
            }
        }
        for block in event["blocks"].as_array().into_iter().flatten() {
            for member in ["rule", "options", "len", "stored", "tall"] {
                if !block[member].is_null() {
                    note(format!("{family} {member} {}", block["rule"][0]));
                }
            }
        }
        if out["final"] == true && out["result"].as_array().is_some_and(|ids| !ids.is_empty()) {
            note(format!("{family} {kind} final"));
        }
        if out["pu"] == true {
            note("pu".to_owned());
        }
        for (reason, count) in out["reasons"].as_array().into_iter().flatten().enumerate() {
            if count.as_u64() > Some(0) {
                note(format!("reason {reason}"));
            }
        }
    }
    found
}

#[test]
fn the_checked_in_subset_covers_every_kind() {
    let lines: Vec<String> = SUBSET.iter().flat_map(|family| read(&subset(family))).collect();
    let found = labels(&lines);
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    for factory in ["snowflake", "snowball"] {
        wanted.insert(format!("sm  {factory} 0"));
        wanted.insert(format!("reuse {factory}"));
        for kind in ["tree", "flat"] {
            wanted.insert(format!("sb {kind} {factory} 1"));
        }
        for kind in ["unary", "binary", "nnary"] {
            wanted.extend((1..=4).map(|conditions| format!("sb {kind} {factory} {conditions}")));
        }
    }
    let others = [
        "sb tree add",
        "sb tree poll",
        "sb tree fail",
        "sb flat poll",
        "sb flat fail",
        "sb nnary add",
        "sb nnary poll",
        "sb nnary fail",
        "sb unary clone",
        "sb unary extend",
        "sb unary poll",
        "sb unary fail",
        "sb binary poll",
        "sb binary fail",
        "init bit 0",
        "init bit 1",
        "poll bit 0",
        "poll bit 1",
        "extend bit 0",
        "extend bit 1",
        "sm  add",
        "sm  poll",
        "sm  q",
        "sm  inject",
        "pu",
        "err duplicate",
        "err unknown_parent",
        "err injected",
        "failing \"C\"",
        "failing \"A\"",
        "failing \"R\"",
        "siblings",
        "descendants",
        "poll  tree",
        "poll  new",
        "poll  vote",
        "poll  drop",
        "reason 0",
        "reason 1",
        "reason 2",
        "boot majority peers",
        "boot majority opinion",
        "boot minority peers",
        "boot minority opinion",
        "boot majority final",
        "boot minority final",
        "err overflow",
        "interval  add",
        "interval  remove",
        "interval  contains",
        "interval  reload",
        "engine  put",
        "engine  get_failed",
        "engine  push_query",
        "engine  pull_query",
        "engine  chits",
        "engine  query_failed",
        "engine  notify",
        "engine  gossip",
        "engine  connected",
        "engine  disconnected",
        "engine  weight",
        "log \"verify\" ",
        "log \"verify\" invalid",
        "log \"accept\" ",
        "log \"reject\" ",
        "log \"prefer\" ",
        "log \"build\" ",
        "log \"get\" ",
        "log \"push\" ",
        "log \"pull\" ",
        "log \"chits\" ",
        "no build",
        "engine rule \"never\"",
        "engine rule \"fails\"",
        "engine rule \"needs\"",
        "engine rule \"expires\"",
        "engine options null",
        "engine len null",
        "engine stored null",
        "engine tall \"never\"",
        "sampler rng u64",
        "sampler rng inclusive",
        "sampler uniform next",
        "sampler uniform reset",
        "sampler uniform sample",
        "sampler weighted at",
        "sampler wwr sample",
        "weighted overflow",
        "wwr overflow",
    ];
    wanted.extend(others.map(str::to_owned));
    let missing: Vec<&String> = wanted.iter().filter(|label| !found.contains_key(*label)).collect();
    assert!(missing.is_empty(), "missing {missing:?}, found {found:?}");
}

/// The full set, which lies beside the workspace where this project is developed.
fn full_set() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("note: no folder ../shared/conformance beside the workspace, so only the subset ran");
    None
}

#[test]
fn the_full_set_matches_where_it_is_at_hand() {
    let Some(folder) = full_set() else { return };
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.contains(".jsonl") {
            continue;
        }
        files += 1;
        let run = run([path]);
        let summary = run.summary();
        if name.starts_with("dag") {
            assert_eq!(run.code, 2, "{name}");
            assert!(run.err.contains("unknown trace kind: family `dag`"), "{}", run.err);
            assert_eq!(summary["skipped"], summary["traces"]);
        } else {
            assert_eq!(run.code, 0, "{name}: {run:?}");
            assert_eq!((&summary["mismatches"], &summary["skipped"]), (&0.into(), &0.into()));
            assert!(summary["comparisons"].as_u64() >= summary["events"].as_u64(), "{summary}");
        }
    }
    assert!(files > 0);
}

/// The figures of AvalancheGo that `--time` prints are those of the page they come from.
#[test]
fn reference_times_are_the_published_ones() {
    let Some(folder) = full_set() else { return };
    let page = std::fs::read_to_string(folder.join("reference-timing.md")).unwrap();
    let rows: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| chain-") || line.starts_with("| stream-"))
        .collect();
    assert_eq!(rows.len(), REFERENCES.len());
    for (row, known) in rows.iter().zip(REFERENCES) {
        let [adds, polls, accepted, rejected] = known.counts;
        let [median, min, max] = known.poll_ns;
        let expected = format!(
            "| {} | {adds} | {polls} | {accepted} | {rejected} | {median} ({min}-{max}) | {} | {} | \
             {:.1} |",
            known.trace, known.add_ns, known.block_ns, known.wall_ms
        );
        assert!(row.starts_with(&expected), "{row}\n{expected}");
    }
}

#[test]
fn bench_traces_are_measured_beside_the_reference() {
    let path = subset("bench-snowman").into_os_string();
    let run = run(["--time".into(), "--json".into(), path]);
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{run:?}");
    let lines = run.lines();
    let rows: Vec<&Value> = lines.iter().filter(|line| line["type"] == "time").collect();
    assert_eq!(rows.len(), 4);
    for row in rows {
        for time in ["record_poll_ns", "add_ns", "accepted_block_ns"] {
            let of = |name: &str| row[time][name].as_f64().unwrap();
            assert!(0.0 < of("min") && of("min") <= of("median") && of("median") <= of("max"));
        }
        let times_faster = row["times_faster"]["record_poll"].as_f64().unwrap();
        let theirs = row["reference"]["poll_ns"][0].as_f64().unwrap();
        let ours = row["record_poll_ns"]["median"].as_f64().unwrap();
        assert!((times_faster * ours - theirs).abs() < 1e-6 * theirs, "{row}");
    }
    assert_eq!(run.summary()["comparisons"], 8);
}
