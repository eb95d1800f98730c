//! Programs whose reader goes away, as `head` does: a quiet end and no error.
#![cfg(test)]

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

#[test]
fn a_reader_that_goes_away_ends_the_devnet_quietly() -> Result<(), Box<dyn Error>> {
    let mut devnet = Command::new(env!("CARGO_BIN_EXE_devnet"))
        // So long that the pipe would fill up.
        .args(["--heights", "400", "--loss", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(devnet.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    let ended = devnet.wait_with_output()?;
    assert!(line.starts_with("devnet: "), "{line}");
    assert_eq!(String::from_utf8(ended.stderr)?, "");
    assert!(ended.status.success(), "{}", ended.status);
    Ok(())
}

#[test]
fn a_wrong_command_line_is_exit_code_2() -> Result<(), Box<dyn Error>> {
    let ended = Command::new(env!("CARGO_BIN_EXE_devnet")).arg("--nodes=0").output()?;
    let stderr = String::from_utf8(ended.stderr)?;
    assert_eq!(stderr, "devnet: --nodes \"0\" is not a whole number from 1 to 100\n");
    assert_eq!(ended.status.code(), Some(2));
    Ok(())
}
