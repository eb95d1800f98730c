//! Rules about files that no compiler checks: headers, words that must not be committed, widths,
//! sizes, files that nothing reaches, the change log and the decision records.
//!
//! Every rule is a function of text, so that each is tested on text that breaks it.
#![cfg(test)]

mod support;
mod tracked;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use support::{Result, output, root};
use tracked::tracked;

/// Longest line of a comment, in characters; rows of tables cannot be broken and may be longer.
/// Code is as wide as rustfmt makes it.
const COMMENT_WIDTH_MAX: usize = 100;
/// Longest Rust file, in lines. Beyond 400 a file wants splitting; beyond this it must be.
const FILE_LINES_MAX: usize = 600;

/// Files that may be longer, each with the reason.
const LONG_FILES: &[(&str, &str)] = &[];

/// Files that are not text: folder, ending, reason.
const BINARY_FILES: &[(&str, &str, &str)] = &[
    ("avalanche-consensus/conformance/", ".zst", "recorded traces of AvalancheGo"),
    ("avalanche-consensus/fuzz/corpus/", "", "inputs that fuzzing found"),
    ("avalanche-net/fuzz/corpus/", "", "inputs that fuzzing found"),
    ("avalanche-net/tests/data/avalanchego/", "signer.key", "a BLS key as AvalancheGo keeps it"),
    ("avalanche-store/fuzz/corpus/", "", "inputs that fuzzing found"),
    ("avalanche-vm/fuzz/corpus/", "", "inputs that fuzzing found"),
    ("avalanche-store/tests/golden/", "", "files on disk as each format version has them"),
];

/// Words that must not be committed, each with the reason. Spelt in halves, since this file obeys.
const BANNED: &[(&str, &str)] = &[
    (concat!("TO", "DO"), "unfinished work belongs in an issue"),
    (concat!("FIX", "ME"), "unfinished work belongs in an issue"),
    (concat!("XX", "X"), "unfinished work belongs in an issue"),
    (concat!("un", "implemented!"), "a crate without a feature has no code for it"),
    (concat!("to", "do!"), "a crate without a feature has no code for it"),
    (concat!("db", "g!"), "left over from debugging"),
    (concat!("#[al", "low"), "use #[expect(lint, reason = \"..\")]"),
    (concat!("#![al", "low"), "use #![expect(lint, reason = \"..\")]"),
    (concat!("#[ig", "nore"), "a test runs or does not exist; slow ones have a profile"),
    (concat!("rust,ig", "nore"), "an example compiles or is marked as text"),
    ("\u{2014}", "an em-dash; write two sentences"),
    ("\u{2013}", "an en-dash; write a hyphen or a word"),
    (concat!("/wo", "rk/"), "a path of one machine"),
    (concat!("/ro", "ot/"), "a path of one machine"),
    (concat!("/ho", "me/"), "a path of one machine"),
    (concat!("crates", ".io"), "a registry host; mirrors differ"),
    (concat!("pypi", ".org"), "a registry host; mirrors differ"),
    (concat!("npmjs", ".org"), "a registry host; mirrors differ"),
    (concat!("deb.debian", ".org"), "a registry host; mirrors differ"),
];

/// What is wrong with the text of any file.
fn check_words(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for (word, reason) in BANNED {
            if line.contains(word) {
                wrong.push(format!("{number}: {word:?}: {reason}"));
            }
        }
        if line.ends_with([' ', '\t']) {
            wrong.push(format!("{number}: white space at the end"));
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        wrong.push("no newline at the end".to_owned());
    }
    wrong
}

/// What is wrong with the text of a Rust file, `lines_max` apart from [`check_words`].
fn check_rust(text: &str, lines_max: usize) -> Vec<String> {
    let mut wrong = Vec::new();
    // Only a shebang may stand above the header, or an attribute, which rustfmt lets stand there.
    let first = text.lines().find(|line| !line.starts_with("#!"));
    if !first.is_some_and(|line| line.starts_with("//! ") && line.len() > 10) {
        wrong.push("1: does not begin with a //! sentence".to_owned());
    }
    for (number, line) in (1..).zip(text.lines()) {
        let comment = line.trim_start().strip_prefix("//");
        let table =
            comment.is_some_and(|text| text.trim_start_matches(['/', '!', ' ']).starts_with('|'));
        let width = line.chars().count();
        if comment.is_some() && !table && width > COMMENT_WIDTH_MAX {
            wrong.push(format!("{number}: {width} characters wide, at most {COMMENT_WIDTH_MAX}"));
        }
    }
    let lines = text.lines().count();
    if lines > lines_max {
        wrong.push(format!("{lines} lines, at most {lines_max}: split it"));
    }
    wrong
}

/// Whether a file may hold bytes that are not text.
fn may_be_binary(path: &str) -> bool {
    BINARY_FILES.iter().any(|(folder, end, _)| path.starts_with(folder) && path.ends_with(end))
}

/// Where the modules that a file declares may live: the folder of a root, of a `mod.rs`, or the
/// folder named after the file.
fn module_folder(file: &Path, is_root: bool) -> PathBuf {
    let folder = file.parent().unwrap_or(Path::new("")).to_path_buf();
    if is_root || file.ends_with("mod.rs") {
        folder
    } else {
        folder.join(file.file_stem().unwrap_or_default())
    }
}

/// The files that `text` declares as modules, and the other files that it includes as Rust.
fn declared(file: &Path, is_root: bool, text: &str) -> Vec<[PathBuf; 2]> {
    let folder = module_folder(file, is_root);
    let mut named = None;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(path) = line.strip_prefix("#[path = \"").and_then(|l| l.strip_suffix("\"]")) {
            named = Some(path.to_owned());
            continue;
        }
        let bare = line.strip_prefix("pub(crate) ").or_else(|| line.strip_prefix("pub(super) "));
        let bare = bare.or_else(|| line.strip_prefix("pub ")).unwrap_or(line);
        let Some(name) = bare.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) else {
            continue;
        };
        found.push(match named.take() {
            Some(path) => {
                let path = normal(&file.parent().unwrap_or(Path::new("")).join(path));
                [path.clone(), path]
            }
            None => [folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")],
        });
    }
    found
}

/// The path without `..`, by its text alone.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = out.pop(),
            other => out.push(other),
        }
    }
    out
}

/// The Rust files that no target root reaches through `mod` declarations.
fn dead_files(roots: &BTreeSet<PathBuf>, files: &BTreeMap<PathBuf, String>) -> Vec<PathBuf> {
    let mut alive = BTreeSet::new();
    let mut left: Vec<_> = roots.iter().cloned().collect();
    while let Some(file) = left.pop() {
        let Some(text) = files.get(&file) else { continue };
        if alive.insert(file.clone()) {
            left.extend(declared(&file, roots.contains(&file), text).into_iter().flatten());
        }
    }
    files.keys().filter(|file| !alive.contains(*file)).cloned().collect()
}

/// What is wrong with the change log: entries say what kind they are, and a breaking one shows what
/// was and what is.
fn check_change_log(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut entries = 0;
    for (number, line) in (1..).zip(text.lines()) {
        let Some(entry) = line.strip_prefix("- ") else { continue };
        entries += 1;
        match entry.split_once(": ").map(|(kind, _)| kind) {
            Some("added" | "changed" | "fixed") => {}
            Some("breaking") if entry.contains(" -> ") => {}
            Some("breaking") => wrong.push(format!("{number}: breaking needs \"old -> new\"")),
            _ => wrong.push(format!("{number}: not breaking, added, changed or fixed")),
        }
    }
    if entries == 0 {
        wrong.push("no entry".to_owned());
    }
    wrong
}

/// What is wrong with the names of the decision records: numbered from 1 without a gap.
fn check_numbers(names: &[&str]) -> Vec<String> {
    let numbered = (1..).zip(names);
    let wrong = numbered.filter(|(n, name)| !name.starts_with(&format!("{n:04}-")));
    wrong.map(|(n, name)| format!("{name}: expected number {n:04}")).collect()
}

/// Roots of all targets of all packages, below the workspace's root.
fn target_roots(tracked: &[String]) -> Result<BTreeSet<PathBuf>> {
    let mut roots = BTreeSet::new();
    for manifest in tracked.iter().filter(|path| path.ends_with("Cargo.toml")) {
        let args = ["metadata", "--no-deps", "--format-version=1", "--manifest-path", manifest];
        let metadata: serde_json::Value = serde_json::from_str(&output(env!("CARGO"), &args)?)?;
        let packages = metadata["packages"].as_array().ok_or("no packages")?;
        for target in packages.iter().filter_map(|p| p["targets"].as_array()).flatten() {
            let path = Path::new(target["src_path"].as_str().ok_or("no src_path")?);
            if let Ok(path) = path.strip_prefix(root()) {
                roots.insert(path.to_path_buf());
            }
        }
    }
    Ok(roots)
}

#[test]
fn every_file_is_tidy() -> Result {
    let mut wrong = Vec::new();
    let mut rust_files = 0;
    for path in tracked()? {
        // cargo writes it, hosts included.
        if path.ends_with("Cargo.lock") {
            continue;
        }
        let bytes = std::fs::read(root().join(&path))?;
        let Ok(text) = String::from_utf8(bytes) else {
            if !may_be_binary(&path) {
                wrong.push(format!("{path}: not text, and not listed as anything else"));
            }
            continue;
        };
        if may_be_binary(&path) {
            continue;
        }
        let mut found = check_words(&text);
        if path.ends_with(".rs") {
            rust_files += 1;
            let long = LONG_FILES.iter().any(|(long, _)| *long == path);
            found.extend(check_rust(&text, if long { usize::MAX } else { FILE_LINES_MAX }));
        }
        wrong.extend(found.into_iter().map(|line| format!("{path}:{line}")));
    }
    assert!(rust_files > 20, "only {rust_files} Rust files seen");
    assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

#[test]
fn lists_of_exceptions_hold_nothing_stale() -> Result {
    for (path, _) in LONG_FILES {
        let text = std::fs::read_to_string(root().join(path))?;
        assert!(text.lines().count() > FILE_LINES_MAX, "{path} is short by now");
    }
    Ok(())
}

#[test]
fn every_rust_file_is_reached() -> Result {
    let tracked = tracked()?;
    let mut files = BTreeMap::new();
    for path in tracked.iter().filter(|path| path.ends_with(".rs")) {
        files.insert(PathBuf::from(path), std::fs::read_to_string(root().join(path))?);
    }
    let roots = target_roots(&tracked)?;
    assert!(roots.len() >= 8, "{roots:?}");
    let dead = dead_files(&roots, &files);
    assert!(dead.is_empty(), "no target reaches {dead:#?}");
    Ok(())
}

#[test]
fn the_change_log_and_the_decisions_keep_their_form() -> Result {
    let log = std::fs::read_to_string(root().join("CHANGELOG.md"))?;
    assert_eq!(check_change_log(&log), [""; 0]);
    let tracked = tracked()?;
    let names: Vec<_> = tracked.iter().filter_map(|path| path.strip_prefix("docs/adr/")).collect();
    assert!(!names.is_empty());
    assert_eq!(check_numbers(&names), [""; 0]);
    Ok(())
}

#[test]
fn banned_words_are_found_with_their_line() {
    assert_eq!(check_words("a\nb\n"), [""; 0]);
    assert_eq!(check_words(""), [""; 0]);
    for (word, reason) in BANNED {
        let wrong = check_words(&format!("fine\nbefore {word} after\n"));
        assert!(
            wrong.iter().any(|line| line.starts_with("2: ") && line.contains(reason)),
            "{word}"
        );
    }
    assert_eq!(check_words("a \n"), ["1: white space at the end"]);
    assert_eq!(check_words("a"), ["no newline at the end"]);
}

#[test]
fn rust_files_without_header_or_shape_are_found() {
    let check = |text: &str| check_rust(text, 3);
    assert_eq!(check("//! Says what it is.\n"), [""; 0]);
    assert_eq!(check("#!/usr/bin/env cargo\n//! Says what it is.\n"), [""; 0]);
    assert_eq!(check("#![no_main]\n//! Says what it is.\n"), [""; 0]);
    for text in ["", "fn main() {}\n", "// A comment.\n//! Late header.\n", "//! x\n"] {
        assert_eq!(check(text), ["1: does not begin with a //! sentence"], "{text:?}");
    }
    let wide = format!("//! Says what it is.\n// {}\n", "é".repeat(98));
    assert_eq!(check(&wide), ["2: 101 characters wide, at most 100"]);
    assert_eq!(check(&wide.replace("é\n", "\n")), [""; 0]);
    assert_eq!(check(&wide.replace("// é", "/// | é")), [""; 0]);
    assert_eq!(check(&wide.replace("// é", "const E: &str = \"é")), [""; 0]);
    let long = format!("//! Says what it is.{}", "\n".repeat(4));
    assert_eq!(check(&long), ["4 lines, at most 3: split it"]);
}

#[test]
fn unreached_files_are_found() {
    let roots = BTreeSet::from([PathBuf::from("a/src/lib.rs"), PathBuf::from("a/tests/t.rs")]);
    let files = |files: &[(&str, &str)]| {
        files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect()
    };
    let alive = files(&[
        ("a/src/lib.rs", "mod one;\npub mod two;\n    pub(crate) mod three;\n"),
        ("a/src/one.rs", "#[cfg(test)]\nmod tests;"),
        ("a/src/one/tests.rs", ""),
        ("a/src/two/mod.rs", "mod inner;"),
        ("a/src/two/inner.rs", "#[path = \"../odd.rs\"]\nmod even;"),
        ("a/src/odd.rs", ""),
        ("a/src/three.rs", ""),
        ("a/tests/t.rs", "mod support;"),
        ("a/tests/support/mod.rs", ""),
    ]);
    assert_eq!(dead_files(&roots, &alive), [""; 0].map(PathBuf::from));
    for dead in ["a/src/four.rs", "a/src/one/two.rs", "a/src/tests.rs", "b/src/lib.rs"] {
        let mut files = alive.clone();
        files.insert(PathBuf::from(dead), String::new());
        assert_eq!(dead_files(&roots, &files), [PathBuf::from(dead)]);
    }
    let mentioned = files(&[("a/src/lib.rs", "// mod one;\n"), ("a/src/one.rs", "")]);
    assert_eq!(dead_files(&roots, &mentioned), [PathBuf::from("a/src/one.rs")]);
}

#[test]
fn binary_files_stand_only_where_they_are_listed() {
    assert!(may_be_binary("avalanche-consensus/conformance/a.jsonl.zst"));
    for path in ["avalanche-consensus/conformance/a.bin", "avalanche-consensus/src/a.zst", "a.zst"]
    {
        assert!(!may_be_binary(path), "{path}");
    }
}

#[test]
fn change_log_entries_without_a_kind_are_found() {
    let check = |entry: &str| check_change_log(&format!("# Log\n\n{entry}\n  more text\n"));
    for entry in ["- added: a", "- changed: a", "- fixed: a", "- breaking: `a` -> `b`"] {
        assert_eq!(check(entry), [""; 0], "{entry}");
    }
    for entry in ["- a", "- removed: a", "- Added: a", "- added a"] {
        assert_eq!(check(entry), ["3: not breaking, added, changed or fixed"], "{entry}");
    }
    assert_eq!(check("- breaking: b"), ["3: breaking needs \"old -> new\""]);
    assert_eq!(check_change_log("# Log\n"), ["no entry"]);
}

#[test]
fn gaps_between_decision_records_are_found() {
    assert_eq!(check_numbers(&["0001-a.md", "0002-b.md"]), [""; 0]);
    assert_eq!(check_numbers(&["0001-a.md", "0003-b.md"]), ["0003-b.md: expected number 0002"]);
    assert_eq!(check_numbers(&["a.md"]), ["a.md: expected number 0001"]);
}
