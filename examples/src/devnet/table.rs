//! The validators as a table, and as one line.

use std::fmt::Write as _;

use super::report::{Seen, Status, ValidatorStatus};

/// The most validators that a table shows, so that it fits on a screen.
pub const ROWS_MAX: usize = 20;

const HEAD: &str =
    "validator  state          height      TPS  finality p50 / p99  processing  polls";
/// What is shown of a number that nobody knows.
const UNKNOWN: &str = "-";

/// The table, with an end of line behind each row.
///
/// Those that are not up come first if there are more than [`ROWS_MAX`].
#[must_use]
pub fn draw(status: &Status) -> String {
    let mut text = format!("{HEAD}\n");
    let mut rows: Vec<_> = status.validators.iter().collect();
    if rows.len() > ROWS_MAX {
        rows.sort_by_key(|one| (one.state == "up", one.number));
    }
    for one in rows.iter().take(ROWS_MAX) {
        row(&mut text, one);
    }
    if let Some(more @ 1..) = rows.len().checked_sub(ROWS_MAX) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "and {more} more");
    }
    text
}

fn row(text: &mut String, one: &ValidatorStatus) {
    let seen = one.seen.as_ref();
    let known = |what: fn(&Seen) -> String| seen.map_or_else(|| UNKNOWN.to_owned(), what);
    let tps = one.tps.map_or_else(|| UNKNOWN.to_owned(), |tps| format!("{tps:.0}"));
    let finality =
        known(|seen| format!("{} / {}", milliseconds(seen.p50_ms), milliseconds(seen.p99_ms)));
    let _ = writeln!(
        text,
        "{:>9}  {:<12}  {:>7}  {:>7}  {:>18}  {:>10}  {:>5}",
        one.number,
        state(one),
        known(|seen| seen.height.to_string()),
        tps,
        finality,
        known(|seen| seen.processing.to_string()),
        known(|seen| seen.polls.to_string()),
    );
}

/// What it is at, with what its engine is at if that is not the usual.
fn state(one: &ValidatorStatus) -> &str {
    match &one.seen {
        Some(Seen { stopped: Some(_), .. }) if one.state == "up" => "stopped",
        Some(Seen { voting: false, .. }) if one.state == "up" => "catching up",
        None if one.state == "up" => "silent",
        _ => &one.state,
    }
}

/// How everybody is, in one line without an end.
#[must_use]
pub fn summary(status: &Status) -> String {
    let all = status.validators.len();
    let voting = status.validators.iter().filter(|one| state(one) == "up").count();
    let seen = || status.validators.iter().filter_map(|one| one.seen.as_ref());
    let height = seen().map(|seen| seen.height).max();
    let height = height.map_or_else(|| UNKNOWN.to_owned(), |height| height.to_string());
    let tps = status.validators.iter().filter_map(|one| one.tps).fold(0.0, f64::max);
    let best = seen().max_by_key(|seen| (seen.height, seen.transactions));
    let mut text = format!("{voting} of {all} vote, height {height}, {tps:.0} TPS");
    if let Some(Seen { p50_ms, p99_ms, .. }) = best.filter(|seen| seen.p99_ms > 0.0) {
        let (p50, p99) = (milliseconds(*p50_ms), milliseconds(*p99_ms));
        let _ = write!(text, ", finality {p50} (p99 {p99})");
    }
    text
}

/// Milliseconds with as many digits as one wants to see.
fn milliseconds(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 10_000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1_000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(height: u64) -> Seen {
        Seen {
            voting: true,
            stopped: None,
            height,
            transactions: 10,
            p50_ms: 130.4,
            p99_ms: 12_345.0,
            processing: 2,
            polls: 4,
        }
    }

    fn one(number: u16, state: &str, seen: Option<Seen>) -> ValidatorStatus {
        ValidatorStatus {
            number,
            node_id: format!("NodeID-{number}"),
            state: state.to_owned(),
            pid: None,
            peer: "127.0.0.1:1".parse().unwrap(),
            api: "127.0.0.1:2".parse().unwrap(),
            tps: seen.as_ref().map(|_| 830.16),
            seen,
        }
    }

    fn status(validators: Vec<ValidatorStatus>) -> Status {
        Status {
            folder: "f".into(),
            api: "http://127.0.0.1:8000".to_owned(),
            pid: 1,
            in_process: false,
            validators,
        }
    }

    fn five() -> Status {
        status(vec![
            one(1, "up", Some(seen(128))),
            one(2, "up", Some(Seen { voting: false, height: 7, p50_ms: 0.0, ..seen(0) })),
            one(3, "down", None),
            one(4, "up", None),
            one(5, "up", Some(Seen { stopped: Some("disk full".to_owned()), ..seen(100) })),
        ])
    }

    #[test]
    fn a_table_has_a_row_for_each() {
        let expected = "\
validator  state          height      TPS  finality p50 / p99  processing  polls
        1  up                128      830     130 ms / 12.3 s           2      4
        2  catching up         7      830     0.0 ms / 12.3 s           2      4
        3  down                -        -                   -           -      -
        4  silent              -        -                   -           -      -
        5  stopped           100      830     130 ms / 12.3 s           2      4
";
        assert_eq!(draw(&five()), expected);
        assert!(draw(&five()).lines().all(|line| line.len() <= 80));
    }

    #[test]
    fn a_line_says_who_votes() {
        let expected = "1 of 5 vote, height 128, 830 TPS, finality 130 ms (p99 12.3 s)";
        assert_eq!(summary(&five()), expected);
        let nobody = status(vec![one(1, "starting", None)]);
        assert_eq!(summary(&nobody), "0 of 1 vote, height -, 0 TPS");
    }

    #[test]
    fn a_long_table_shows_those_that_are_not_well() {
        let state = |number| if number == 30 { "down" } else { "up" };
        let many = status((1..=30).map(|number| one(number, state(number), None)).collect());
        let text = draw(&many);
        assert_eq!(text.lines().count(), ROWS_MAX + 2);
        assert!(text.lines().nth(1).unwrap().contains("30  down"), "{text}");
        assert!(text.ends_with("and 10 more\n"), "{text}");
    }
}
