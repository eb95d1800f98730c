//! Programs whose reader goes away, as `head` does: a quiet end and no error.
#![cfg(test)]

use std::error::Error;
use std::process::{Command, Stdio};

#[test]
fn a_reader_that_went_away_ends_a_program_quietly() -> Result<(), Box<dyn Error>> {
    let (reader, writer) = std::io::pipe()?;
    drop(reader);
    let simulate = Command::new(env!("CARGO_BIN_EXE_simulate"))
        .arg("--help")
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()?;
    let ended = simulate.wait_with_output()?;
    assert_eq!(String::from_utf8(ended.stderr)?, "");
    assert!(ended.status.success(), "{}", ended.status);
    Ok(())
}

#[test]
fn a_wrong_command_line_is_exit_code_2() -> Result<(), Box<dyn Error>> {
    for (program, argument, says) in [
        (env!("CARGO_BIN_EXE_devnet"), "--validators=0", "0 is not in 1..=100"),
        (env!("CARGO_BIN_EXE_simulate"), "dance", "no command \"dance\""),
    ] {
        let ended = Command::new(program).arg(argument).output()?;
        let stderr = String::from_utf8(ended.stderr)?;
        assert!(stderr.contains(says), "{stderr}");
        assert_eq!(ended.status.code(), Some(2));
    }
    Ok(())
}
