//! Licences, banned crates and sources of everything that the lock files name, by the rules of
//! `deny.toml`. cargo-deny reads the same file; this test needs nothing but cargo.
#![cfg(test)]

mod support;
mod tracked;

use std::collections::BTreeMap;

use serde_json::Value as Json;
use spdx::{Expression, LicenseReq, Licensee, ParseMode};
use support::{Result, output, root};
use toml::{Table, Value};
use tracked::tracked;

/// The parts of `deny.toml` that this test applies.
struct Rules {
    allowed: Vec<Licensee>,
    /// Licences allowed for one crate only.
    exceptions: Vec<(String, Vec<Licensee>)>,
    /// Crates that must not appear.
    banned: Vec<Ban>,
}

/// One entry of `bans.deny`: a name, and the major version below which it holds, if not always.
struct Ban {
    name: String,
    below: Option<u64>,
    /// Crates that may depend on it all the same; whoever else does breaks the rule.
    wrappers: Vec<String>,
    reason: String,
}

impl Rules {
    fn read(text: &str) -> Result<Self> {
        let table: Table = text.parse()?;
        let licences = table.get("licenses").ok_or("no [licenses]")?;
        let allowed = licensees(licences.get("allow").ok_or("no licenses.allow")?)?;
        let mut exceptions = Vec::new();
        for entry in list(licences.get("exceptions").ok_or("no licenses.exceptions")?)? {
            let allow = licensees(entry.get("allow").ok_or("exception without allow")?)?;
            exceptions.push((text_of(entry, "crate")?, allow));
        }
        let bans = table.get("bans").and_then(|bans| bans.get("deny")).ok_or("no bans.deny")?;
        let mut banned = Vec::new();
        for entry in list(bans)? {
            let spec = text_of(entry, "crate")?;
            let (name, below) = match spec.split_once("@<") {
                Some((name, below)) => (name, Some(below.parse()?)),
                None => (spec.as_str(), None),
            };
            if !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
                return Err(format!("{spec}: only name and name@<major are understood").into());
            }
            let wrappers = match entry.get("wrappers") {
                Some(wrappers) => list(wrappers)?.iter().map(name_of).collect::<Result<_>>()?,
                None => Vec::new(),
            };
            let reason = text_of(entry, "reason")?;
            banned.push(Ban { name: name.to_owned(), below, wrappers, reason });
        }
        Ok(Self { allowed, exceptions, banned })
    }

    /// What is wrong with one package of `cargo metadata`.
    fn check(&self, package: &Json) -> Vec<String> {
        let text = |key: &str| package[key].as_str().unwrap_or_default();
        let (name, version) = (text("name"), text("version"));
        let mut wrong = Vec::new();

        let own = self.exceptions.iter().filter(|(exception, _)| exception == name);
        let allowed: Vec<_> = own.flat_map(|(_, allow)| allow).chain(&self.allowed).collect();
        let satisfied = |req: &LicenseReq| allowed.iter().any(|licensee| licensee.satisfies(req));
        match Expression::parse_mode(text("license"), ParseMode::LAX) {
            Ok(expression) if expression.evaluate(satisfied) => {}
            Ok(expression) => wrong.push(format!("{name} {version}: licence {expression}")),
            Err(_) => wrong.push(format!("{name} {version}: licence {:?}", text("license"))),
        }

        let major = version.split('.').next().and_then(|major| major.parse::<u64>().ok());
        for ban in self.banned.iter().filter(|ban| ban.name == name) {
            let parents = parents(package);
            let wrapped = !parents.is_empty()
                && parents.iter().all(|parent| ban.wrappers.iter().any(|name| name == parent));
            if !wrapped && ban.below.is_none_or(|below| major.is_none_or(|major| major < below)) {
                wrong.push(format!("{name} {version} is banned: {}", ban.reason));
            }
        }

        // A package of this repository has no source.
        let source = &package["source"];
        if !source.is_null() && !source.as_str().is_some_and(|s| s.starts_with("registry+")) {
            wrong.push(format!("{name} {version} comes from {source}"));
        }
        wrong
    }
}

fn list(value: &Value) -> Result<&[Value]> {
    Ok(value.as_array().ok_or("not a list")?)
}

fn name_of(value: &Value) -> Result<String> {
    Ok(value.as_str().ok_or("a crate is not text")?.to_owned())
}

/// The names of the crates that depend on a package.
fn parents(package: &Json) -> Vec<&str> {
    package["parents"].as_array().into_iter().flatten().filter_map(Json::as_str).collect()
}

fn text_of(entry: &Value, key: &str) -> Result<String> {
    let text = entry.get(key).and_then(Value::as_str);
    Ok(text.ok_or_else(|| format!("{entry:?} has no {key}"))?.to_owned())
}

fn licensees(names: &Value) -> Result<Vec<Licensee>> {
    let names = list(names)?.iter().map(|name| name.as_str().ok_or("a licence is not text"));
    names.map(|name| Ok(Licensee::parse(name?)?)).collect()
}

/// All packages that one manifest's lock file names, whatever the feature or target, each with the
/// names of its `parents`.
fn packages(manifest: &str) -> Result<Vec<Json>> {
    let args = ["metadata", "--locked", "--all-features", "--format-version=1", "--manifest-path"];
    let text = output(env!("CARGO"), &[args.as_slice(), &[manifest]].concat())?;
    let mut metadata: Json = serde_json::from_str(&text)?;
    let nodes = metadata["resolve"]["nodes"].take();
    let Json::Array(mut packages) = metadata["packages"].take() else {
        return Err("cargo metadata names no packages".into());
    };
    let names: BTreeMap<_, _> =
        packages.iter().map(|package| (package["id"].to_string(), &package["name"])).collect();
    let mut parents: BTreeMap<_, Vec<Json>> = BTreeMap::new();
    for node in nodes.as_array().ok_or("cargo metadata resolves nothing")? {
        let name = *names.get(&node["id"].to_string()).ok_or("a node without a package")?;
        for dependency in node["dependencies"].as_array().into_iter().flatten() {
            parents.entry(dependency.to_string()).or_default().push(name.clone());
        }
    }
    for package in &mut packages {
        let of_this = parents.remove(&package["id"].to_string()).unwrap_or_default();
        package["parents"] = of_this.into();
    }
    Ok(packages)
}

#[test]
fn every_package_keeps_to_the_rules() -> Result {
    let rules = Rules::read(&std::fs::read_to_string(root().join("deny.toml"))?)?;
    let mut used = Vec::new();
    for lock in tracked()?.iter().filter(|path| path.ends_with("Cargo.lock")) {
        let packages = packages(&lock.replace("Cargo.lock", "Cargo.toml"))?;
        let wrong: Vec<_> = packages.iter().flat_map(|package| rules.check(package)).collect();
        assert!(wrong.is_empty(), "{lock}: {wrong:#?}");
        assert!(packages.len() > 10, "{lock}: only {} packages seen", packages.len());
        used.extend(packages);
    }
    for (name, _) in &rules.exceptions {
        let named = used.iter().any(|package| package["name"] == name.as_str());
        assert!(named, "the exception for {name} in deny.toml is not needed");
    }
    for ban in &rules.banned {
        for wrapper in &ban.wrappers {
            let mut named = used.iter().filter(|package| package["name"] == ban.name.as_str());
            let needed = named.any(|package| parents(package).contains(&wrapper.as_str()));
            assert!(needed, "{wrapper} in deny.toml does not depend on {}", ban.name);
        }
    }
    Ok(())
}

/// A package as `cargo metadata` describes it.
fn package(name: &str, version: &str, licence: &str) -> Json {
    serde_json::json!({ "name": name, "version": version, "license": licence, "source": null })
}

const SAMPLE: &str = r#"
    [licenses]
    allow = ["MIT", "Apache-2.0 WITH LLVM-exception"]
    exceptions = [{ crate = "fuzzer", allow = ["NCSA"] }]
    [bans]
    deny = [
        { crate = "openssl", reason = "no system libraries" },
        { crate = "ed25519-dalek@<2", reason = "old" },
        { crate = "cell", wrappers = ["tls", "files"], reason = "in std" },
    ]
"#;

#[test]
fn packages_that_break_a_rule_are_found() -> Result {
    let rules = Rules::read(SAMPLE)?;
    let accepted = |name: &str, version: &str, licence: &str| {
        assert_eq!(rules.check(&package(name, version, licence)), [""; 0], "{name} {licence}");
    };
    let refused = |name: &str, version: &str, licence: &str, part: &str| {
        let wrong = rules.check(&package(name, version, licence));
        assert!(wrong.len() == 1 && wrong[0].contains(part), "{name} {licence}: {wrong:?}");
    };
    accepted("a", "1.0.0", "MIT");
    accepted("a", "1.0.0", "GPL-3.0-only OR MIT");
    accepted("a", "1.0.0", "MIT/GPL-2.0-only");
    accepted("a", "1.0.0", "Apache-2.0 WITH LLVM-exception");
    accepted("fuzzer", "1.0.0", "MIT AND NCSA");
    accepted("ed25519-dalek", "2.0.0", "MIT");
    refused("a", "1.0.0", "MIT AND NCSA", "licence MIT AND NCSA");
    refused("a", "1.0.0", "MIT AND GPL-3.0-only", "licence");
    refused("a", "1.0.0", "AGPL-3.0-only", "licence");
    refused("a", "1.0.0", "Apache-2.0", "licence");
    refused("a", "1.0.0", "", "licence \"\"");
    refused("a", "1.0.0", "Mine", "licence \"Mine\"");
    refused("openssl", "0.10.0", "MIT", "banned: no system libraries");
    refused("ed25519-dalek", "1.0.1", "MIT", "banned: old");
    let mut cell = package("cell", "1.0.0", "MIT");
    for (parents, wrong) in
        [(&["tls"][..], 0), (&["files", "tls"], 0), (&["tls", "a"], 1), (&["a"], 1), (&[], 1)]
    {
        cell["parents"] = parents.into();
        assert_eq!(rules.check(&cell).len(), wrong, "{parents:?}");
    }
    let mut git = package("a", "1.0.0", "MIT");
    git["source"] = "git+https://example.invalid/a".into();
    assert_eq!(rules.check(&git).len(), 1);
    git["source"] = "registry+https://example.invalid/index".into();
    assert_eq!(rules.check(&git), [""; 0]);
    Ok(())
}

#[test]
fn rules_that_cannot_be_read_are_refused() {
    let refused = |from: &str, to: &str| {
        assert!(Rules::read(&SAMPLE.replace(from, to)).is_err(), "{from} -> {to}");
    };
    refused("[licenses]", "[licences]");
    refused("\"MIT\"", "\"Mine\"");
    refused("reason = \"old\"", "why = \"old\"");
    refused("@<2", "@<2.1");
    refused("@<2", "@=1");
    refused("[\"tls\", \"files\"]", "\"tls\"");
    refused("\"files\"", "1");
    refused("deny =", "refuse =");
}
