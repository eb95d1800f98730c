//! Where the passphrase of a key comes from: a file, the environment, or a person at a terminal.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::CliError;
use super::secret::Secret;

/// The variable that holds the passphrase, if no file is named.
pub(super) const VARIABLE: &str = "AVALANCHE_PASSPHRASE";

/// The longest passphrase, in bytes.
pub(super) const BYTES_MAX: usize = 1_024;

/// Gets passphrases.
#[derive(Debug)]
pub(super) struct Passphrase<'a> {
    /// The file that was named on the command line.
    pub(super) file: Option<&'a Path>,
}

impl Passphrase<'_> {
    /// The passphrase of a key that is there.
    pub(super) fn existing(&self, key: &str) -> Result<Secret, CliError> {
        match self.given()? {
            Some(secret) => Ok(secret),
            None => prompt(&format!("Passphrase of key {key}: ")),
        }
    }

    /// A passphrase for a new key; a person types it twice.
    pub(super) fn new(&self, key: &str) -> Result<Secret, CliError> {
        if let Some(secret) = self.given()? {
            return Ok(secret);
        }
        let first = prompt(&format!("New passphrase of key {key}: "))?;
        let second = prompt("The same again: ")?;
        if first.bytes() == second.bytes() {
            Ok(first)
        } else {
            Err(CliError::failed("passphrase", "the two passphrases differ; nothing was written"))
        }
    }

    /// One that needs no person.
    fn given(&self) -> Result<Option<Secret>, CliError> {
        if let Some(path) = self.file {
            return read(path).map(Some);
        }
        let Some(text) = std::env::var_os(VARIABLE) else { return Ok(None) };
        let text = text.into_string().map_err(|_| wrong(VARIABLE, "it is not UTF-8"))?;
        check(VARIABLE, text.into_bytes()).map(Some)
    }
}

/// Reads a passphrase from a file: all of it but one newline at the end.
fn read(path: &Path) -> Result<Secret, CliError> {
    let place = path.display().to_string();
    let mut bytes = Vec::new();
    let limit = u64::try_from(BYTES_MAX + 3).unwrap_or(u64::MAX);
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|error| wrong(&place, &format!("it cannot be read: {error}")))?;
    if bytes.ends_with(b"\n") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    }
    check(&place, bytes)
}

fn prompt(text: &str) -> Result<Secret, CliError> {
    let typed = rpassword::prompt_password(text).map_err(|error| {
        let reason = format!(
            "no passphrase: there is no terminal to ask on ({error}); name a file with \
             --passphrase-file, or set {VARIABLE}"
        );
        CliError::failed("passphrase", reason)
    })?;
    check("what was typed", typed.into_bytes())
}

pub(super) fn check(place: &str, bytes: Vec<u8>) -> Result<Secret, CliError> {
    let secret = Secret::new(bytes);
    match secret.bytes().len() {
        0 => Err(wrong(place, "it is empty")),
        1..=BYTES_MAX => Ok(secret),
        _ => Err(wrong(place, "it is longer than 1024 bytes")),
    }
}

fn wrong(place: &str, reason: &str) -> CliError {
    CliError::failed("passphrase", format!("passphrase from {place}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_but_for_its_last_newline() {
        let path = std::env::temp_dir().join(format!("avalanche-pass-{}", std::process::id()));
        for (text, expected) in [("a b\n", "a b"), ("a b\r\n", "a b"), ("a\n\n", "a\n"), ("x", "x")]
        {
            std::fs::write(&path, text).unwrap();
            let read = Passphrase { file: Some(&path) }.existing("k").unwrap();
            assert_eq!(read.bytes(), expected.as_bytes());
        }
        for (text, says) in [(String::new(), "empty"), ("a".repeat(1_025), "longer than 1024")] {
            std::fs::write(&path, text).unwrap();
            let error = Passphrase { file: Some(&path) }.new("k").unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        std::fs::remove_file(&path).unwrap();
        let error = Passphrase { file: Some(&path) }.existing("k").unwrap_err().to_string();
        assert!(error.contains("cannot be read"), "{error}");
    }
}
