//! Quickstarts that promise a result: what they print is what their text says.
#![cfg(test)]

use std::error::Error;
use std::process::Command;

/// What an example prints, which must succeed.
fn printed(example: &str) -> Result<String, Box<dyn Error>> {
    let ended = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--locked", "--example", example])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    let text = String::from_utf8(ended.stdout)?;
    assert!(ended.status.success(), "{text}{}", String::from_utf8_lossy(&ended.stderr));
    Ok(text)
}

const COUNTED: &str = "block 1: 107\nblock 2: 127\nblock 3: 130\n";

#[test]
fn a_counter_of_sixty_lines_counts_on() -> Result<(), Box<dyn Error>> {
    assert_eq!(printed("custom_vm")?, format!("{COUNTED}stopped, and back at 130\n"));
    Ok(())
}

#[test]
fn a_counter_that_was_killed_counts_on() -> Result<(), Box<dyn Error>> {
    let wanted = format!("{COUNTED}killed, and back at block 3: 130\n");
    assert_eq!(printed("custom_vm_by_hand")?, wanted);
    Ok(())
}

#[test]
fn a_log_whose_writer_died_misses_nothing() -> Result<(), Box<dyn Error>> {
    let text = printed("durable_log")?;
    for line in ["it had acknowledged 429", "blocks 0 to 429 are there: true"] {
        assert!(text.contains(line), "no {line:?} in\n{text}");
    }
    assert!(text.contains("the log goes on at height 43"), "{text}");
    Ok(())
}
