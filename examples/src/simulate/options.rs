//! Command lines of `--name value`, `--name=value` and flags, read one option after the other.

use std::fmt;
use std::str::FromStr;

/// What is wrong with a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionError {
    /// No option has this name.
    Unknown(String),
    /// No command has this name, or there is none.
    Command(String),
    /// The option's value is missing.
    Missing(String),
    /// Something that must be given is not.
    Absent(&'static str),
    /// The option has a value that it cannot have.
    Value {
        /// The option.
        option: String,
        /// What was given.
        value: String,
        /// What it must be, as in "a whole number from 1 to 9".
        wanted: String,
    },
    /// Options do not fit together.
    Together(String),
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(option) => write!(f, "unknown option {option:?}; see --help"),
            Self::Command(name) if name.is_empty() => {
                f.write_str("a command is missing; see --help")
            }
            Self::Command(name) => write!(f, "no command {name:?}; see --help"),
            Self::Absent(what) => write!(f, "{what} is missing; see --help"),
            Self::Missing(option) => write!(f, "{option} needs a value; see --help"),
            Self::Value { option, value, wanted } => {
                write!(f, "{option} {value:?} is not {wanted}")
            }
            Self::Together(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for OptionError {}

/// The options of a command line, in order.
#[derive(Debug)]
pub struct Options<I> {
    args: I,
    /// The argument of the present option.
    arg: String,
    name: String,
    /// What stands behind its equals sign.
    inline: Option<String>,
}

impl<I: Iterator<Item = String>> Options<I> {
    /// Reads the arguments that follow the program's name and its command.
    pub fn new(args: impl IntoIterator<Item = String, IntoIter = I>) -> Self {
        Self { args: args.into_iter(), arg: String::new(), name: String::new(), inline: None }
    }

    /// The name of the next option, dashes included; `None` at the end.
    pub fn next_name(&mut self) -> Option<String> {
        self.arg = self.args.next()?;
        let parts = self.arg.split_once('=');
        (self.name, self.inline) = match parts {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (self.arg.clone(), None),
        };
        Some(self.name.clone())
    }

    /// That the present option is not one.
    pub fn unknown(&self) -> OptionError {
        OptionError::Unknown(self.arg.clone())
    }

    /// Takes the present option as a flag, which has no value.
    ///
    /// # Errors
    ///
    /// If it has one.
    pub fn flag(&self) -> Result<bool, OptionError> {
        if self.inline.is_none() { Ok(true) } else { Err(self.unknown()) }
    }

    /// The value of the present option.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn text(&mut self) -> Result<String, OptionError> {
        let value = self.inline.take().or_else(|| self.args.next());
        value.ok_or_else(|| OptionError::Missing(self.name.clone()))
    }

    /// The value of the present option as a whole number from `least` to `greatest`.
    ///
    /// # Errors
    ///
    /// If it is missing or something else.
    pub fn number<T>(&mut self, least: T, greatest: T) -> Result<T, OptionError>
    where
        T: FromStr + PartialOrd + Copy + fmt::Display,
    {
        let value = self.text()?;
        self.parse(&value, least, greatest, "a whole number")
    }

    /// The value of the present option as a fraction, from a number of percent.
    ///
    /// # Errors
    ///
    /// If it is missing or something else.
    pub fn percent(&mut self) -> Result<f64, OptionError> {
        let value = self.text()?;
        Ok(self.parse(&value, 0.0, 100.0, "a number")? / 100.0)
    }

    /// The value of the present option as whole numbers from `least` to `greatest` with commas
    /// between them.
    ///
    /// # Errors
    ///
    /// If it is missing or something else.
    pub fn numbers<T>(&mut self, least: T, greatest: T) -> Result<Vec<T>, OptionError>
    where
        T: FromStr + PartialOrd + Copy + fmt::Display,
    {
        let value = self.text()?;
        let parts = value.split(',');
        parts.map(|part| self.parse(part, least, greatest, "a whole number")).collect()
    }

    fn parse<T>(&self, value: &str, least: T, greatest: T, what: &str) -> Result<T, OptionError>
    where
        T: FromStr + PartialOrd + Copy + fmt::Display,
    {
        match value.parse::<T>() {
            Ok(number) if (least..=greatest).contains(&number) => Ok(number),
            _ => Err(OptionError::Value {
                option: self.name.clone(),
                value: value.to_owned(),
                wanted: format!("{what} from {least} to {greatest}"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Options<std::vec::IntoIter<String>> {
        Options::new(line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn values_stand_behind_a_space_or_an_equals_sign() {
        let mut options = options("--k 7 --k=8 --share 12.5 --list 1,2,3 --out a=b --fast");
        let mut name = || options.next_name();
        assert_eq!(name().as_deref(), Some("--k"));
        assert_eq!(options.number(1_u64, 9), Ok(7));
        options.next_name();
        assert_eq!(options.number(1_u64, 9), Ok(8));
        options.next_name();
        assert_eq!(options.percent(), Ok(0.125));
        options.next_name();
        assert_eq!(options.numbers(1_u32, 9), Ok(vec![1, 2, 3]));
        options.next_name();
        assert_eq!(options.text().as_deref(), Ok("a=b"));
        assert_eq!(options.next_name().as_deref(), Some("--fast"));
        assert_eq!(options.flag(), Ok(true));
        assert_eq!(options.next_name(), None);
    }

    #[test]
    fn wrong_values_say_what_is_wrong() {
        let number = |line: &str| {
            let mut options = options(line);
            options.next_name();
            options.number(1_u64, 9).unwrap_err().to_string()
        };
        assert_eq!(number("--k"), "--k needs a value; see --help");
        for (line, value) in
            [("--k 0", "0"), ("--k 10", "10"), ("--k=", ""), ("--k -1", "-1"), ("--k 1.5", "1.5")]
        {
            let wanted = format!("--k {value:?} is not a whole number from 1 to 9");
            assert_eq!(number(line), wanted, "{line}");
        }
        let mut options = options("--share 101 --list 1,,2 --fast=yes --x=1");
        options.next_name();
        let wrong = options.percent().unwrap_err();
        assert_eq!(wrong.to_string(), "--share \"101\" is not a number from 0 to 100");
        options.next_name();
        let wrong = options.numbers(1_u32, 9).unwrap_err();
        assert_eq!(wrong.to_string(), "--list \"\" is not a whole number from 1 to 9");
        for option in ["--fast=yes", "--x=1"] {
            options.next_name();
            let wrong = options.flag().unwrap_err().to_string();
            assert_eq!(wrong, format!("unknown option {option:?}; see --help"));
        }
    }
}
