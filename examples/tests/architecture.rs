//! The crate graph: every manifest against one table. A new edge is a design change, and edits it.
//!
//! ```text
//!  examples   benches
//!     |        |
//!     v        v
//!  avalanche-gateway
//!     |
//!     v
//!  avalanche-chain
//!     |        |
//!     v        v
//! avalanche-vm   avalanche-net
//!     |             |
//!     v             |
//! avalanche-store   |
//!     |             |
//!     v             v
//!  avalanche-consensus
//! ```
#![cfg(test)]

mod support;
mod tracked;

use std::collections::{BTreeMap, BTreeSet};

use support::{Result, root};
use toml::{Table, Value};
use tracked::tracked;

/// What one crate may name in its manifest.
struct Row {
    name: &'static str,
    /// Crates of this workspace.
    internal: &'static [&'static str],
    /// External crates that every user of the crate compiles.
    always: &'static [&'static str],
    /// External crates behind a feature.
    by_feature: &'static [&'static str],
    /// External crates of tests, examples and build scripts.
    development: &'static [&'static str],
}

const CONSENSUS: &str = "avalanche-consensus";
const STORE: &str = "avalanche-store";
const NET: &str = "avalanche-net";
const VM: &str = "avalanche-vm";
const CHAIN: &str = "avalanche-chain";
const GATEWAY: &str = "avalanche-gateway";

const TABLE: &[Row] = &[
    Row {
        name: CONSENSUS,
        internal: &[],
        always: &["blake3", "libm", "sha2"],
        by_feature: &["bincode", "proptest", "serde", "tracing"],
        development: &["bincode", "flate2", "proptest", "ruzstd", "serde", "serde_json"],
    },
    // Another workspace, so that its compiler flags touch nothing else.
    Row {
        name: "avalanche-consensus-fuzz",
        internal: &[CONSENSUS],
        always: &["libfuzzer-sys"],
        by_feature: &[],
        development: &[],
    },
    Row {
        name: "avalanche-consensus-wasm",
        internal: &[CONSENSUS],
        always: &[],
        by_feature: &[],
        development: &[],
    },
    Row {
        name: STORE,
        internal: &[CONSENSUS],
        always: &["bincode", "blake3", "tracing"],
        by_feature: &["redb", "sled"],
        development: &["proptest"],
    },
    Row {
        name: "avalanche-store-fuzz",
        internal: &[CONSENSUS, STORE],
        always: &["blake3", "libfuzzer-sys"],
        by_feature: &[],
        development: &[],
    },
    Row {
        name: NET,
        internal: &[CONSENSUS],
        always: &[
            "async-trait",
            "blake3",
            "blst",
            "bytes",
            "prost",
            "rcgen",
            "ring",
            "ripemd",
            "rustls",
            "sha2",
            "tokio",
            "tokio-rustls",
            "tracing",
            "zstd",
        ],
        by_feature: &[],
        development: &["proptest", "serde_json", "tokio"],
    },
    // Runs when the protocol's description changes, so nobody else compiles what it needs.
    Row {
        name: "avalanche-net-codegen",
        internal: &[],
        always: &["prost-build", "protox"],
        by_feature: &[],
        development: &[],
    },
    Row {
        name: "avalanche-net-fuzz",
        internal: &[NET],
        always: &["bytes", "libfuzzer-sys"],
        by_feature: &[],
        development: &[],
    },
    Row {
        name: VM,
        internal: &[CONSENSUS, STORE],
        always: &[
            "async-trait",
            "blake3",
            "curve25519-dalek",
            "ed25519-dalek",
            "sha2",
            "tokio",
            "tracing",
        ],
        by_feature: &[],
        development: &["ed25519-zebra", "proptest", "rand_core"],
    },
    Row {
        name: "avalanche-vm-fuzz",
        internal: &[CONSENSUS, VM],
        always: &["libfuzzer-sys"],
        by_feature: &[],
        development: &[],
    },
    Row {
        name: CHAIN,
        internal: &[CONSENSUS, STORE, NET, VM],
        always: &[
            "async-trait",
            "bytes",
            "ring",
            "serde",
            "serde_json",
            "tokio",
            "toml",
            "tracing",
        ],
        by_feature: &[],
        development: &["ed25519-dalek", "proptest", "tokio"],
    },
    Row {
        name: GATEWAY,
        internal: &[CONSENSUS, STORE, NET, VM, CHAIN],
        always: &[
            "axum",
            "bytes",
            "futures-util",
            "http-body-util",
            "hyper",
            "hyper-util",
            "serde",
            "serde_json",
            "tokio",
            "tokio-tungstenite",
            "tower",
            "tracing",
        ],
        by_feature: &[],
        development: &["async-trait", "proptest", "tokio"],
    },
    Row {
        name: "avalanche-examples",
        internal: &[CONSENSUS, STORE, NET, VM, CHAIN, GATEWAY],
        always: &[
            "argon2",
            "bytes",
            "clap",
            "clap_complete",
            "ed25519-dalek",
            "indicatif",
            "ring",
            "rpassword",
            "rustix",
            "serde",
            "serde_json",
            "tokio",
            "tracing",
            "tracing-subscriber",
        ],
        by_feature: &[],
        development: &["async-trait", "rustix", "spdx", "toml"],
    },
    Row {
        name: "avalanche-benches",
        // Whole networks are those of the examples.
        internal: &[CONSENSUS, STORE, NET, VM, CHAIN, GATEWAY, "avalanche-examples"],
        always: &[
            "blake3",
            "bytes",
            "ed25519-dalek",
            "ed25519-zebra",
            "prost",
            "rand_core",
            "redb",
            "rustix",
            "rustls",
            "sled",
            "tokio",
            "tokio-rustls",
        ],
        by_feature: &["axum", "serde_json"],
        development: &["criterion"],
    },
];

/// How a manifest depends on a crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Always,
    ByFeature,
    Development,
}

/// All dependencies that a manifest names, those of one target included, by their real names.
fn dependencies(manifest: &Table) -> BTreeSet<(Kind, String)> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let tables = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let mut found = BTreeSet::new();
    for table in tables.chain([manifest]) {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let entries = table.get(section).and_then(Value::as_table);
            for (name, entry) in entries.into_iter().flatten() {
                let kind = if section != "dependencies" {
                    Kind::Development
                } else if entry.get("optional").and_then(Value::as_bool) == Some(true) {
                    Kind::ByFeature
                } else {
                    Kind::Always
                };
                let renamed = entry.get("package").and_then(Value::as_str);
                found.insert((kind, renamed.unwrap_or(name).to_owned()));
            }
        }
    }
    found
}

/// Everything about one manifest that the table does not allow, and everything that the table
/// allows and the manifest no longer needs.
fn check(text: &str) -> Result<Vec<String>> {
    let manifest: Table = text.parse()?;
    let package = manifest.get("package").and_then(Value::as_table).ok_or("no [package]")?;
    let name = package.get("name").and_then(Value::as_str).ok_or("no name")?;
    let Some(row) = TABLE.iter().find(|row| row.name == name) else {
        return Ok(vec![format!("{name} is not in the table")]);
    };

    let mut wrong = Vec::new();
    let found = dependencies(&manifest);
    for (kind, dependency) in &found {
        let dependency = dependency.as_str();
        let allowed = if dependency.starts_with("avalanche-") {
            row.internal.contains(&dependency) || (*kind == Kind::Development && dependency == name)
        } else {
            allowed(row, *kind).contains(&dependency)
        };
        if !allowed {
            wrong.push(format!("{name} must not depend on {dependency} ({kind:?})"));
        }
    }
    for kind in [Kind::Always, Kind::ByFeature, Kind::Development] {
        for dependency in allowed(row, kind) {
            if !found.contains(&(kind, (*dependency).to_owned())) {
                wrong.push(format!("the table lists {dependency} for {name} ({kind:?}): unused"));
            }
        }
    }
    Ok(wrong)
}

/// The external crates that a row allows for one kind of dependency.
fn allowed(row: &Row, kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Always => row.always,
        Kind::ByFeature => row.by_feature,
        Kind::Development => row.development,
    }
}

/// A member takes edition, licence and lints from the workspace and is not published by accident.
fn check_inheritance(text: &str) -> Result<Vec<String>> {
    let manifest: Table = text.parse()?;
    let inherits = |table: &str, key: Option<&str>| {
        let value = manifest.get(table).and_then(|table| key.map_or(Some(table), |k| table.get(k)));
        value.and_then(|value| value.get("workspace")).and_then(Value::as_bool) == Some(true)
    };
    let mut wrong = Vec::new();
    for key in ["version", "edition", "rust-version", "license", "publish"] {
        if !inherits("package", Some(key)) {
            wrong.push(format!("package.{key} is not the workspace's"));
        }
    }
    if !inherits("lints", None) {
        wrong.push("lints are not the workspace's".to_owned());
    }
    Ok(wrong)
}

/// Manifests of packages below the root, by path.
fn manifests() -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for path in tracked()? {
        if path.ends_with("/Cargo.toml") {
            let text = std::fs::read_to_string(root().join(&path))?;
            found.insert(path, text);
        }
    }
    Ok(found)
}

#[test]
fn every_manifest_keeps_to_the_table() -> Result {
    let manifests = manifests()?;
    assert!(manifests.len() >= 8, "six crates, examples and benches: {:?}", manifests.keys());
    let mut wrong = Vec::new();
    for (path, text) in &manifests {
        wrong.extend(check(text)?.into_iter().map(|line| format!("{path}: {line}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

#[test]
fn every_row_has_its_crate() -> Result {
    let manifests = manifests()?;
    for row in TABLE {
        let line = format!("name = \"{}\"", row.name);
        let found = manifests.values().any(|text| text.lines().any(|l| l == line));
        assert!(found, "{} is in the table and nowhere else", row.name);
    }
    Ok(())
}

#[test]
fn every_member_inherits_from_the_workspace() -> Result {
    let text = std::fs::read_to_string(root().join("Cargo.toml"))?;
    let workspace: Table = text.parse()?;
    let members = workspace.get("workspace").and_then(|table| table.get("members"));
    let members = members.and_then(Value::as_array).ok_or("no members")?;
    assert!(members.len() >= 8);
    for member in members {
        let member = member.as_str().ok_or("a member is not text")?;
        let manifest = std::fs::read_to_string(root().join(member).join("Cargo.toml"))?;
        assert_eq!(check_inheritance(&manifest)?, [""; 0], "{member}");
    }
    Ok(())
}

#[test]
fn the_core_forbids_unsafe_code() -> Result {
    let text = std::fs::read_to_string(root().join("avalanche-consensus/src/lib.rs"))?;
    assert!(text.lines().any(|line| line == "#![forbid(unsafe_code)]"));
    Ok(())
}

#[test]
fn the_table_has_no_cycle() {
    for (at, row) in TABLE.iter().enumerate() {
        for name in row.internal {
            let below = TABLE.iter().position(|other| other.name == *name);
            assert!(below.is_some_and(|below| below < at), "{} -> {name} points up", row.name);
        }
    }
}

/// A manifest for `name` with everything that its row lists, and `more` at the end.
fn sample(name: &str, more: &str) -> String {
    let row = TABLE.iter().find(|row| row.name == name).expect("a row");
    let lines = |names: &[&str], value: &str| {
        names.iter().map(|name| format!("{name} = {value}\n")).collect::<String>()
    };
    format!(
        "[package]\nname = \"{name}\"\n[dependencies]\n{}{}[dev-dependencies]\n{}{more}",
        lines(row.always, "\"1\""),
        lines(row.by_feature, "{ version = \"1\", optional = true }"),
        lines(row.development, "\"1\""),
    )
}

#[test]
fn what_the_table_forbids_is_found() -> Result {
    let accepted = |name: &str, more: &str| -> Result {
        assert_eq!(check(&sample(name, more))?, [""; 0], "{name}: {more}");
        Ok(())
    };
    let refused = |name: &str, more: &str, part: &str| -> Result {
        let wrong = check(&sample(name, more))?;
        assert!(wrong.len() == 1 && wrong[0].contains(part), "{name}: {more}: {wrong:?}");
        Ok(())
    };
    accepted(CONSENSUS, "")?;
    accepted(CONSENSUS, "avalanche-consensus = { path = \".\" }")?;
    accepted(CHAIN, "avalanche-vm = { path = \"../avalanche-vm\" }")?;
    refused(CONSENSUS, "[build-dependencies]\ncc = \"1\"", "must not depend on cc (Development)")?;
    refused(CONSENSUS, "[target.'cfg(unix)'.dependencies]\nlibc = \"1\"", "on libc (Always)")?;
    refused(CONSENSUS, "[target.x.dependencies]\nserde = \"1\"", "on serde (Always)")?;
    refused(STORE, "avalanche-net = { path = \"../avalanche-net\" }", "on avalanche-net")?;
    refused(NET, "[build-dependencies]\navalanche-vm.workspace = true", "on avalanche-vm")?;
    refused(CHAIN, "avalanche-gateway.workspace = true", "on avalanche-gateway")?;
    refused(STORE, "x = { package = \"avalanche-vm\", version = \"0\" }", "on avalanche-vm")?;
    refused(STORE, "avalanche-stray.workspace = true", "on avalanche-stray")?;
    let unknown = check("[package]\nname = \"avalanche-types\"")?;
    assert_eq!(unknown, ["avalanche-types is not in the table"]);
    let unused = check(&sample(CONSENSUS, "").replace("libm = \"1\"\n", ""))?;
    assert_eq!(unused, ["the table lists libm for avalanche-consensus (Always): unused"]);
    Ok(())
}

#[test]
fn a_member_with_rules_of_its_own_is_found() -> Result {
    let manifest = std::fs::read_to_string(root().join("avalanche-store/Cargo.toml"))?;
    let check = |from: &str, to: &str| check_inheritance(&manifest.replace(from, to));
    assert_eq!(check("", "")?, [""; 0]);
    let own = check("license.workspace = true", "license = \"MIT\"")?;
    assert_eq!(own, ["package.license is not the workspace's"]);
    let lax = check("[lints]\nworkspace = true", "[lints.clippy]\npanic = \"allow\"")?;
    assert_eq!(lax, ["lints are not the workspace's"]);
    Ok(())
}
