//! What commands print: lines for people, or one JSON value for programs.

use std::fmt;
use std::io::Write;

use serde_json::Value;

use super::CliError;

/// Where a command writes its result, and in which form.
pub(super) struct Output<'a> {
    out: &'a mut dyn Write,
    as_json: bool,
}

impl<'a> Output<'a> {
    /// Writes to `out`, in JSON if `as_json`.
    pub(super) fn new(out: &'a mut dyn Write, as_json: bool) -> Self {
        Self { out, as_json }
    }

    /// Whether the form is JSON.
    #[must_use]
    pub(super) const fn is_json(&self) -> bool {
        self.as_json
    }

    /// Writes a result: `json` on one line, or `text` with a newline.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub(super) fn result(&mut self, json: &Value, text: impl fmt::Display) -> Result<(), CliError> {
        if self.as_json {
            writeln!(self.out, "{json}")?
        } else {
            writeln!(self.out, "{text}")?
        }
        self.out.flush()?;
        Ok(())
    }

    /// Writes bytes as they are, whatever the form.
    ///
    /// # Errors
    ///
    /// If they cannot be written.
    pub(super) fn raw(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.out.write_all(bytes)?;
        self.out.flush()?;
        Ok(())
    }
}

impl fmt::Debug for Output<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("as_json", &self.as_json).finish_non_exhaustive()
    }
}

/// Names and values below one another, the values in one column.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Vec<(&'static str, String)>);

impl Fields {
    /// One more row.
    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.0.push((name, value.to_string()));
        self
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (at, (name, value)) in self.0.iter().enumerate() {
            let newline = if at == 0 { "" } else { "\n" };
            write!(f, "{newline}{name:width$}  {value}")?;
        }
        Ok(())
    }
}

/// Rows below a head, each column as wide as its widest cell.
#[derive(Clone, Debug)]
pub(super) struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub(super) fn new(head: [&str; N]) -> Self {
        Self { rows: vec![head.map(str::to_owned)] }
    }

    pub(super) fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut widths = [0; N];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for (at, row) in self.rows.iter().enumerate() {
            let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
            let line = cells.collect::<Vec<_>>().join("  ");
            write!(f, "{}{}", if at == 0 { "" } else { "\n" }, line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_result_has_the_form_that_was_asked_for() {
        for (as_json, expected) in [(true, "{\"a\":\"1\"}\n"), (false, "a is 1\n")] {
            let mut bytes = Vec::new();
            Output::new(&mut bytes, as_json).result(&json!({ "a": "1" }), "a is 1").unwrap();
            assert_eq!(String::from_utf8(bytes).unwrap(), expected);
        }
    }

    #[test]
    fn columns_stand_below_one_another() {
        let fields = Fields::default().with("id", 1).with("height", 22);
        assert_eq!(fields.to_string(), "id      1\nheight  22");
        let mut table = Table::new(["node", "weight"]);
        table.row(["a-long-name".to_owned(), "4".to_owned()]);
        assert_eq!(table.to_string(), "node         weight\na-long-name  4");
    }
}
