//! The counting of tests in `.ci/run`: a count that hides a failure would be worse than none.
#![cfg(test)]

mod support;

use std::process::Command;

use support::{Result, output, root};

const PASSED: &str = "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 7 filtered out";

/// Exit code and output of `scripts/count-tests` on a log.
fn count(name: &str, log: &str) -> Result<(Option<i32>, String)> {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, log)?;
    let done = Command::new(root().join("scripts/count-tests")).arg(&path).output()?;
    Ok((done.status.code(), String::from_utf8(done.stdout)?))
}

#[test]
fn results_of_all_runs_are_summed() -> Result {
    let log = format!("noise 9 passed; 9 failed;\n{PASSED}\ntest a ... ok\n{PASSED}\n");
    let expected = "2 test runs, 0 tests ignored, 0 layers skipped\n6 passed, 0 failed\n";
    assert_eq!(count("summed", &log)?, (Some(0), expected.to_owned()));
    Ok(())
}

#[test]
fn skipped_layers_are_named() -> Result {
    let log = format!("SKIPPED wasm: no Node. Install with: it\n{PASSED}\n");
    let (code, printed) = count("skipped", &log)?;
    assert_eq!(code, Some(0));
    assert!(printed.starts_with("SKIPPED wasm: no Node."), "{printed}");
    assert!(printed.contains("1 layers skipped\n3 passed, 0 failed\n"), "{printed}");
    Ok(())
}

#[test]
fn a_failed_an_ignored_or_no_test_at_all_fails() -> Result {
    for (name, log, line) in [
        ("failed", PASSED.replace("0 failed", "2 failed"), "3 passed, 2 failed\n"),
        ("ignored", PASSED.replace("0 ignored", "1 ignored"), "3 passed, 0 failed\n"),
        ("none", PASSED.replace("3 passed", "0 passed"), "0 passed, 0 failed\n"),
        ("empty", String::new(), "0 passed, 0 failed\n"),
    ] {
        let (code, printed) = count(name, &log)?;
        assert_eq!(code, Some(1), "{name}");
        assert!(printed.ends_with(line), "{name}: {printed}");
    }
    Ok(())
}

#[test]
fn every_layer_is_part_of_the_test_command() -> Result {
    let plan = output("make", &["-n", "test"])?;
    let parts = ["setup", "fmt", "shell", "proto", "lint", "cargo doc", "cargo test", "interop"];
    for part in parts.into_iter().chain(["wasm", "fuzz"]) {
        assert!(plan.lines().any(|line| line.contains(part)), "make test lacks {part}: {plan}");
    }
    let ci = std::fs::read_to_string(root().join(".ci/run"))?;
    assert!(ci.lines().any(|line| line.starts_with("make test ")));
    Ok(())
}
