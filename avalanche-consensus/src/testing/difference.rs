//! What a runner reports when the library and a model disagree.

use std::fmt;

/// The first difference of a run, with both values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    operation: Option<String>,
    what: &'static str,
    expected: String,
    actual: String,
}

impl Difference {
    /// The model has `expected`, the library has `actual`.
    pub(crate) fn new(what: &'static str, expected: String, actual: String) -> Self {
        Self { operation: None, what, expected, actual }
    }

    /// Names the operation after which they differed.
    pub(crate) fn at(self, index: usize, operation: &impl fmt::Debug) -> Self {
        Self { operation: Some(format!("{index}: {operation:?}")), ..self }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, what, expected, actual } = self;
        let operation = operation.as_deref().unwrap_or("start");
        write!(f, "{what} differs after operation {operation}")?;
        write!(f, "\nmodel:   {expected}\nlibrary: {actual}")
    }
}

impl std::error::Error for Difference {}

/// Both values must be equal.
pub(crate) fn compare<T: PartialEq + fmt::Debug>(
    what: &'static str,
    expected: &T,
    actual: &T,
) -> Result<(), Difference> {
    if expected == actual {
        return Ok(());
    }
    Err(Difference::new(what, format!("{expected:?}"), format!("{actual:?}")))
}

/// Something must be so.
pub(crate) fn demand(
    what: &'static str,
    so: bool,
    found: impl FnOnce() -> String,
) -> Result<(), Difference> {
    if so { Ok(()) } else { Err(Difference::new(what, "to be so".to_owned(), found())) }
}

/// The printed forms of two trees must be equal, except that the library may print any confidence
/// where the model has none: it resets an instance when it next visits it, and not before.
pub(crate) fn same_print(expected: &str, actual: &str) -> Result<(), Difference> {
    let same = expected.lines().count() == actual.lines().count()
        && expected.lines().zip(actual.lines()).all(|(expected, actual)| {
            match (around_confidence(expected), around_confidence(actual)) {
                (Some((before, number, after)), Some((start, shown, end))) => {
                    before == start && after == end && (number == shown || number == "0")
                }
                _ => false,
            }
        });
    if same {
        return Ok(());
    }
    Err(Difference::new("printed tree", format!("\n{expected}"), format!("\n{actual}")))
}

/// A printed instance: what is before its confidence, the confidence, what is after it.
fn around_confidence(line: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = line.split_once("Confidence = [")?;
    let (number, after) = rest.split_once(']')?;
    Some((before, number, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_confidence_that_was_reset_may_print_differently() {
        let line = |confidence, bits| format!("SF(Confidence = [{confidence}], x) Bits = {bits}");
        assert!(same_print(&line(0, "[0, 256)"), &line(3, "[0, 256)")).is_ok());
        assert!(same_print(&line(3, "[0, 256)"), &line(3, "[0, 256)")).is_ok());
        assert!(same_print(&line(3, "[0, 256)"), &line(0, "[0, 256)")).is_err());
        assert!(same_print(&line(0, "[0, 256)"), &line(0, "[0, 255)")).is_err());
        assert!(same_print(&line(0, "[0, 256)"), "").is_err());
        assert!(same_print("x", "x").is_err());
    }

    #[test]
    fn a_difference_names_the_operation_and_both_values() {
        let text = compare("preference", &1, &2).unwrap_err().at(7, &"Fail").to_string();
        assert_eq!(text, "preference differs after operation 7: \"Fail\"\nmodel:   1\nlibrary: 2");
    }
}
