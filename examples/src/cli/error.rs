//! Why a command failed, for people and for programs.

use std::{error, fmt, io};

use serde_json::json;

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CliError {
    code: String,
    message: String,
    exit: u8,
}

impl CliError {
    /// Something was refused or failed: exit code 1. `code` is a stable name for programs.
    #[must_use]
    pub fn failed(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), exit: 1 }
    }

    /// The command line is wrong: exit code 2.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: "usage".to_owned(), message: message.into(), exit: 2 }
    }

    /// The reader of the output went away, as `head` does, which is no failure: exit code 0, and
    /// nothing is said.
    #[must_use]
    pub(super) fn reader_gone() -> Self {
        Self { code: "reader_gone".to_owned(), message: String::new(), exit: 0 }
    }

    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The exit code that goes with it: 1 refused or failed, 2 wrong command line, 0 if only the
    /// reader of the output went away.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        self.exit
    }

    /// The line that is written to the standard error; `None` if nothing is to be said.
    #[must_use]
    pub fn line(&self, as_json: bool) -> Option<String> {
        if self.exit == 0 {
            None
        } else if as_json {
            let (code, message) = (&self.code, &self.message);
            Some(json!({ "error": { "code": code, "message": message } }).to_string())
        } else {
            Some(format!("avalanche: {}", self.message))
        }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl error::Error for CliError {}

/// Errors of writing the output.
impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::reader_gone()
        } else {
            Self::failed("output", format!("the output cannot be written: {error}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_a_text_and_a_json_form() {
        let error = CliError::failed("nonce_too_low", "nonce 1 is used \"already\"");
        assert_eq!(error.line(false).as_deref(), Some("avalanche: nonce 1 is used \"already\""));
        let line = error.line(true).unwrap();
        let parsed: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(parsed["error"]["code"], "nonce_too_low");
        assert_eq!(parsed["error"]["message"], "nonce 1 is used \"already\"");
        assert_eq!((error.exit_code(), CliError::usage("x").exit_code()), (1, 2));
    }

    #[test]
    fn a_reader_that_goes_away_is_no_failure() {
        let gone = CliError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((gone.exit_code(), gone.line(true)), (0, None));
        let full = CliError::from(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(full.exit_code(), 1);
    }
}
