//! Commands as a person gives them.

use super::dispatch;

fn run(line: &str) -> (Option<bool>, String) {
    let mut out = Vec::new();
    let done = dispatch(line.split_whitespace().map(str::to_owned), &mut out);
    let text = String::from_utf8(out).unwrap();
    match done {
        Ok(passed) => (Some(passed), text),
        Err(error) => (None, format!("{text}{error} {}", error.exit_code())),
    }
}

#[test]
fn a_summary_is_one_line_of_json_with_everything_in_it() {
    let (passed, text) = run("run --seeds 3..7 --json --threads 2");
    assert_eq!(passed, Some(true), "{text}");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let number = |name: &str| json[name].as_u64().unwrap_or_else(|| panic!("{name} in {json}"));
    assert_eq!(["seeds", "pass", "no_progress", "diverged"].map(number), [4, 4, 0, 0]);
    assert!(number("accepted") >= 4 * 4 * 50);
    for name in ["rejected", "conflicts", "crashes", "partitions"] {
        number(name);
    }
    assert_eq!(json["event_hash"].as_str().map(str::len), Some(64));
    // The same on one thread, and for people.
    let (_, again) = run("run --seeds 3..7 --json --threads 1");
    let again: serde_json::Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again["event_hash"], json["event_hash"]);
    let (_, text) = run("run --seeds 3..7");
    assert!(text.contains("pass 4, no progress 0, diverged 0"), "{text}");
    assert!(text.contains(json["event_hash"].as_str().unwrap()));
}

#[test]
fn failures_say_how_to_run_them_again_and_the_command_does() {
    let (passed, text) = run("run --scenario stalled --seeds 1..2");
    assert_eq!(passed, Some(false));
    assert!(text.contains("no progress 1, diverged 0"), "{text}");
    let command = text.lines().find_map(|line| line.split_once("simulate -- ")).unwrap().1;
    assert_eq!(run(command).0, Some(false));
}

#[test]
fn a_run_can_stop_at_the_first_failure() {
    let (passed, text) = run("run --scenario stalled --seeds 1..9 --stop --threads 2");
    assert_eq!(passed, Some(false));
    assert!(text.contains("scenario stalled: 1 seeds"), "{text}");
}

#[test]
fn a_failing_schedule_becomes_smaller_and_still_fails() {
    // One of two nodes is as bad as two of five.
    let (passed, text) = run("shrink 1 --scenario stalled");
    assert_eq!(passed, Some(false));
    assert!(text.contains("1 of 2 faults, 2 of 5 nodes, 1 of 5 heights"), "{text}");
    let command = text.lines().find_map(|line| line.split_once("simulate -- ")).unwrap().1;
    assert_eq!(run(command).0, Some(false));
    let (passed, text) = run("shrink 1");
    assert_eq!(
        (passed, text.as_str()),
        (Some(true), "seed 1 passes; there is nothing to make smaller\n")
    );
}

#[test]
fn wrong_commands_are_named() {
    assert_eq!(run("go"), (None, "no command \"go\"; see --help 2".to_owned()));
    assert_eq!(run(""), (None, "a command is missing; see --help 2".to_owned()));
    assert_eq!(run("run"), (None, "--seeds A..B is missing; see --help 2".to_owned()));
    for line in ["--help", "run --help", "shrink --help", "lab --help", "safe --help"] {
        let (passed, text) = run(line);
        assert!(passed == Some(true) && text.contains("Usage:"), "{line}");
    }
}
