//! How many crates a user of avalanche-consensus compiles. A dependency is somebody else's code in
//! the part that must never be wrong, so there is a budget, counted without the crate itself.
#![cfg(test)]

mod support;

use std::collections::BTreeSet;

use support::{Result, output};

/// The most crates with `--no-default-features`.
const BARE_MAX: usize = 15;
/// The most crates with the default features.
const DEFAULT_MAX: usize = 25;

/// The packages of a `cargo tree --prefix none` other than its first line, the crate itself.
fn packages(tree: &str) -> Result<BTreeSet<String>> {
    let mut lines = tree.lines().map(str::trim).filter(|line| !line.is_empty());
    let own = lines.next().ok_or("cargo tree printed nothing")?;
    if !own.starts_with("avalanche-consensus v") {
        return Err(format!("expected avalanche-consensus first: {own}").into());
    }
    // A line is a name and a version, then remarks such as "(proc-macro)" and "(*)".
    let named = lines.map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "));
    Ok(named.filter(|package| !own.starts_with(package.as_str())).collect())
}

/// The normal dependencies of the core on `target`, or on any target at all.
fn tree(features: &[&str], target: &[&str]) -> Result<BTreeSet<String>> {
    let args =
        ["tree", "--locked", "-p", "avalanche-consensus", "-e", "normal", "--prefix", "none"];
    packages(&output(
        env!("CARGO"),
        &[args.as_slice(), &["--no-dedupe"], features, target].concat(),
    )?)
}

#[test]
fn the_core_keeps_to_its_budget_on_every_target() -> Result {
    let bare = tree(&["--no-default-features"], &["--target", "all"])?;
    assert!(bare.len() <= BARE_MAX, "{} crates, at most {BARE_MAX}: {bare:#?}", bare.len());
    let default = tree(&[], &["--target", "all"])?;
    assert!(
        default.len() <= DEFAULT_MAX,
        "{} crates, at most {DEFAULT_MAX}: {default:#?}",
        default.len()
    );
    assert!(bare.is_subset(&default) && !bare.is_empty());
    Ok(())
}

#[test]
fn features_add_what_they_say_and_nothing_else() -> Result {
    let bare = tree(&["--no-default-features"], &[])?;
    for (feature, names) in [
        ("serde", ["serde ", "serde_core ", "serde_derive "].as_slice()),
        ("bincode", &["bincode "]),
        ("tracing", &["tracing "]),
        ("testing", &["proptest "]),
    ] {
        let with = tree(&["--no-default-features", "--features", feature], &[])?;
        assert!(bare.is_subset(&with), "{feature} removes crates");
        for name in names {
            assert!(with.iter().any(|package| package.starts_with(name)), "{feature}: no {name}");
            assert!(
                !bare.iter().any(|package| package.starts_with(name)),
                "{name} without {feature}"
            );
        }
    }
    Ok(())
}

#[test]
fn packages_are_counted_once_and_without_the_crate_itself() -> Result {
    let tree = "avalanche-consensus v0.1.0 (somewhere)\n\
        blake3 v1.8.7\ncfg-if v1.0.5\ncfg-if v1.0.5 (*)\nserde_derive v1.0.229 (proc-macro)\n\
        cfg-if v0.1.0\navalanche-consensus v0.1.0 (somewhere)\n";
    let counted = packages(tree)?;
    let expected = ["blake3 v1.8.7", "cfg-if v0.1.0", "cfg-if v1.0.5", "serde_derive v1.0.229"];
    assert!(counted.iter().eq(expected), "{counted:?}");
    assert!(packages("").is_err());
    assert!(packages("blake3 v1.8.7\n").is_err());
    Ok(())
}
