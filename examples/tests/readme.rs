//! The documents: every command in them is run, every Rust block is compiled somewhere, and every
//! link to a file leads to one.
//!
//! Commands stand in `sh` blocks, one a line, and run at the root of the workspace. A command that
//! takes long, writes to the tree or is this very test run is listed in [`BOUNDED`] with the form
//! that runs in its place.
//!
//! Commands are those of a reader, but release builds are the quicker ones of [`PROFILE`]: what is
//! shown is that a command builds, runs and succeeds. Times that it prints are not those of a
//! release, and no test reads them.
#![cfg(test)]

mod support;
mod tracked;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use support::{Result, root};
use tracked::tracked;

/// Commands that do not run as they stand: command, what runs instead, why.
const BOUNDED: &[(&str, &str, &str)] = &[
    ("make test", "make -n test", "CI runs it, and this test with it"),
    (".ci/run", "bash -n .ci/run", "is what runs this test in CI"),
    ("make devnet", "make -n devnet", "runs until it is interrupted; tests/devnet.rs runs it"),
    (
        "cargo run --release --bin avalanche -- pay --from demo:0 --to demo:1 --amount 5",
        "cargo run --release --bin avalanche -- pay --help",
        "needs a devnet that runs; tests/devnet.rs and tests/cli run it",
    ),
    (
        "cargo run --release --bin avalanche -- balance demo:1 --proof",
        "cargo run --release --bin avalanche -- balance --help",
        "needs a devnet that runs; tests/devnet.rs and tests/cli run it",
    ),
    (
        "cargo run --release --bin avalanche -- load --rate 500 --duration 10",
        "cargo run --release --bin avalanche -- load --help",
        "needs a devnet that runs; tests/devnet.rs and tests/cli run it",
    ),
    (
        "cargo run --release --bin avalanche -- explain",
        "cargo run --release --bin avalanche -- explain --help",
        "needs a devnet that runs; tests/devnet.rs and tests/cli run it",
    ),
    (
        "cargo run --release --bin devnet -- kill 2",
        "cargo run --release --bin devnet -- kill --help",
        "needs a devnet that runs; tests/devnet.rs and tests/cli run it",
    ),
    (
        "cargo run --release --bin devnet -- pause 3",
        "cargo run --release --bin devnet -- pause --help",
        "needs a devnet that runs; tests/devnet.rs and tests/cli run it",
    ),
    (
        "cargo run --release --bin devnet -- resume 3",
        "cargo run --release --bin devnet -- resume --help",
        "needs a devnet that runs; tests/devnet.rs and tests/cli run it",
    ),
    (
        "cargo run --release --bin devnet -- restart 2",
        "cargo run --release --bin devnet -- restart --help",
        "needs a devnet that runs; tests/devnet.rs and tests/cli run it",
    ),
    ("make verify", "make -n verify", "a part of make test"),
    ("make docs", "make -n docs", "a part of make test"),
    ("make proto", "make -n proto", "a part of make test"),
    ("make lint", "make -n lint", "a part of make test"),
    ("make unit", "make -n unit", "a part of make test"),
    (
        "cargo run --release -p avalanche-net --example listen -- --addr 127.0.0.1:9651 \
         --network-id 12345",
        "cargo run --all-features --example listen -- --help",
        "runs until it is interrupted; make interop runs it",
    ),
    ("make interop", "make -n interop", "a part of make test"),
    ("make wasm", "make -n wasm", "a part of make test"),
    ("make fuzz-smoke", "make -n fuzz-smoke", "a part of make test"),
    ("make fix", "make -n fix", "writes to the tree"),
    ("make slow", "make -n slow", "takes hours"),
    ("make bench", "make -n bench", "takes many minutes; make lint compiles it"),
    (
        "cargo run --release -p avalanche-benches",
        "cargo build --release -p avalanche-benches --bin ratios",
        "takes minutes; with --quick each line runs",
    ),
    (
        "cargo run --release -p avalanche-benches -- store::",
        "cargo run --release -p avalanche-benches -- --quick store::append",
        "takes a minute; with --quick each line runs",
    ),
    (
        "cargo run --release -p avalanche-benches -- vm::",
        "cargo run --release -p avalanche-benches -- --quick vm::",
        "takes minutes; with --quick each line runs",
    ),
    (
        "cargo run --release -p avalanche-benches -- net::",
        "cargo run --release -p avalanche-benches -- --quick net::",
        "takes a minute; with --quick each line runs",
    ),
    ("target/release/network one", "target/release/network one 100000", "takes a minute"),
    ("target/release/network five", "target/release/network five 60000", "takes a minute"),
    ("target/release/network lone", "target/release/network --help", "takes minutes"),
    ("target/release/network restart", "target/release/network --help", "takes minutes"),
    ("target/release/network chart", "target/release/network --help", "takes minutes"),
    (
        "cargo bench -p avalanche-benches",
        "cargo bench -p avalanche-benches --bench snowman -- --test",
        "takes many minutes, most of them to build; make lint compiles it",
    ),
    (
        "cargo run --release -p avalanche-consensus --example replay -- \
            avalanche-consensus/conformance/snowman.jsonl.zst",
        "cargo check -p avalanche-consensus --example replay && \
            cargo run --release --example replay -- avalanche-consensus/conformance/snowman.jsonl.zst",
        "compiles the core once more; checked so, and run from the build of the other examples",
    ),
    (
        "cargo run --release -p avalanche-consensus --example replay -- --time \
            avalanche-consensus/conformance/bench-snowman.jsonl.zst",
        "cargo run --release --example replay -- --time \
            avalanche-consensus/conformance/bench-snowman.jsonl.zst",
        "as above",
    ),
    (
        "cargo run --release -p avalanche-consensus --example replay -- \
            avalanche-consensus/conformance/*.zst",
        "cargo run --release --example replay -- avalanche-consensus/conformance/*.zst",
        "as above",
    ),
];

/// Profile settings for the commands. Link-time optimisation over one unit a crate is most of what
/// a release build of an example takes. Both profiles alike, so that they share dependencies.
const PROFILE: &[(&str, &str)] = &[
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "0"),
    ("CARGO_PROFILE_BENCH_LTO", "off"),
    ("CARGO_PROFILE_BENCH_CODEGEN_UNITS", "16"),
    ("CARGO_PROFILE_BENCH_DEBUG", "0"),
];

/// The contents of the fenced blocks of one language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<(bool, String)> = None;
    for line in text.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => {
                let first = info.split([',', ' ']).next().unwrap_or_default();
                open = Some((first == language, String::new()));
            }
            (Some(_), Some("")) => {
                found.extend(open.take().and_then(|(wanted, block)| wanted.then_some(block)));
            }
            (Some((_, block)), _) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

/// The commands of a block: lines joined at a backslash, without comments.
fn commands(block: &str) -> Vec<String> {
    let joined = block.replace("\\\n", " ");
    let lines = joined.lines().map(|line| match line.split_once(" #") {
        Some((command, _)) => command.trim(),
        None => line.trim(),
    });
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// What runs in place of a command.
fn bounded(command: &str) -> &str {
    BOUNDED.iter().find(|(listed, _, _)| *listed == command).map_or(command, |(_, form, _)| form)
}

/// Runs one command at the root of the workspace; its output is part of the error.
fn run(command: &str) -> Result {
    // Cargo describes this test's package to it; a command of a reader has no such variables.
    let inherited = std::env::vars().map(|(name, _)| name);
    let described = inherited.filter(|name| {
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_BIN_") || {
            ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_CRATE_NAME"].contains(&&**name)
        }
    });
    let mut shell = Command::new("bash");
    for name in described {
        shell.env_remove(name);
    }
    shell.envs(PROFILE.iter().copied()).current_dir(root());
    let done = shell.args(["-euo", "pipefail", "-c", command]).output()?;
    if done.status.success() {
        return Ok(());
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&done.stdout), text(&done.stderr));
    Err(format!("`{command}` ended with {}\n{stdout}\n{stderr}", done.status).into())
}

/// The targets of the links in a document that name a file of the repository.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let targets = targets.map(|target| target.split('#').next().unwrap_or_default());
    targets.filter(|target| !target.is_empty() && !target.contains("://")).collect()
}

/// All documents of the repository, by path.
fn documents() -> Result<BTreeMap<String, String>> {
    let paths = tracked()?.into_iter().filter(|path| path.ends_with(".md"));
    paths.map(|path| Ok((path.clone(), std::fs::read_to_string(root().join(path))?))).collect()
}

#[test]
fn every_command_runs() -> Result {
    let mut ran = BTreeSet::new();
    for (path, text) in documents()? {
        for command in blocks(&text, "sh").iter().flat_map(|block| commands(block)) {
            if ran.insert(command.clone()) {
                run(bounded(&command)).map_err(|error| format!("{path}: {error}"))?;
            }
        }
    }
    for command in ["make devnet", "make test"] {
        assert!(ran.contains(command), "the README lost {command}");
    }
    for (command, _, _) in BOUNDED {
        assert!(ran.contains(*command), "no document names {command} any more");
    }
    Ok(())
}

#[test]
fn every_rust_block_is_compiled() -> Result {
    let tracked = tracked()?;
    let mut sources = Vec::new();
    for path in tracked.iter().filter(|path| path.ends_with(".rs")) {
        sources.push(std::fs::read_to_string(root().join(path))?);
    }
    for (path, text) in documents()? {
        if blocks(&text, "rust").is_empty() {
            continue;
        }
        // A document is a doctest of the library that includes it, by a path that goes up.
        let name = path.strip_prefix("avalanche-consensus/").unwrap_or(&path);
        let included = format!("include_str!(\"../{name}\")");
        let from_examples = format!("include_str!(\"../../{path}\")");
        let compiled = |text: &String| text.contains(&included) || text.contains(&from_examples);
        assert!(sources.iter().any(compiled), "nothing compiles the Rust blocks of {path}");
    }
    Ok(())
}

#[test]
fn every_link_to_a_file_leads_to_one() -> Result {
    let mut seen = 0;
    for (path, text) in documents()? {
        let folder = root().join(&path);
        let folder = folder.parent().unwrap_or(Path::new("."));
        for link in links(&text) {
            seen += 1;
            assert!(folder.join(link).exists(), "{path} links to {link}, which does not exist");
        }
    }
    assert!(seen > 10, "only {seen} links seen");
    Ok(())
}

#[test]
fn blocks_and_commands_are_read_as_a_reader_would() {
    let text = "a\n```sh\none   two\n\n# why\nthree \\\n  four # why\n```\n```text\nsh\n```\n\
        ```rust,no_run\nfn main() {}\n```\n";
    assert_eq!(blocks(text, "sh").len(), 1);
    assert_eq!(blocks(text, "rust"), ["fn main() {}\n"]);
    assert_eq!(
        blocks(text, "sh").iter().flat_map(|b| commands(b)).collect::<Vec<_>>(),
        ["one two", "three four"]
    );
    assert_eq!(bounded("make test"), "make -n test");
    assert_eq!(bounded("make testing"), "make testing");
}

#[test]
fn a_command_that_fails_is_found_with_what_it_said() {
    assert!(run("true").is_ok());
    for command in ["false", "false | true", "echo $UNSET_BY_EVERYBODY", "no-such-command"] {
        assert!(run(command).is_err(), "{command}");
    }
    let error = run("echo out; echo err >&2; exit 3").unwrap_err().to_string();
    assert!(error.contains("out") && error.contains("err") && error.contains('3'), "{error}");
}

#[test]
fn links_are_found_without_hosts_and_anchors() {
    let text = "[a](b.md) [c](d/e.rs#L1) [f](https://example.invalid) [g](#h)";
    assert_eq!(links(text), ["b.md", "d/e.rs"]);
}
