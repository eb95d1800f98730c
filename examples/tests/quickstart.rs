//! Quickstarts that promise a result: what they print is what their text says.
#![cfg(test)]

use std::error::Error;
use std::process::Command;

#[test]
fn a_counter_that_was_killed_counts_on() -> Result<(), Box<dyn Error>> {
    let ended = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--locked", "--example", "custom_vm"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    let text = String::from_utf8(ended.stdout)?;
    assert!(ended.status.success(), "{text}{}", String::from_utf8_lossy(&ended.stderr));
    let wanted = "block 1: 107\nblock 2: 127\nblock 3: 130\nkilled, and back at block 3: 130\n";
    assert_eq!(text, wanted);
    Ok(())
}

#[test]
fn a_log_whose_writer_died_misses_nothing() -> Result<(), Box<dyn Error>> {
    let ended = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--locked", "--example", "durable_log"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    let text = String::from_utf8(ended.stdout)?;
    assert!(ended.status.success(), "{text}{}", String::from_utf8_lossy(&ended.stderr));
    for line in ["it had acknowledged 429", "blocks 0 to 429 are there: true"] {
        assert!(text.contains(line), "no {line:?} in\n{text}");
    }
    assert!(text.contains("the log goes on at height 43"), "{text}");
    Ok(())
}
