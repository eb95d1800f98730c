//! What a devnet tells: events, as lines for people or JSON for programs, and how everybody is.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::table;

/// Frames between two lines where there is no terminal to draw on.
const PLAIN_EVERY: u32 = 10;

/// How a devnet is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Its folder.
    pub folder: PathBuf,
    /// Where its API is.
    pub api: String,
    /// The process of the devnet itself.
    pub pid: u32,
    /// Whether its validators are in that process, too.
    pub in_process: bool,
    /// They.
    pub validators: Vec<ValidatorStatus>,
}

/// How a validator is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValidatorStatus {
    /// Its number, from 1.
    pub number: u16,
    /// Who it is.
    pub node_id: String,
    /// `starting`, `up`, `paused`, `ending`, `resting` or `down`.
    pub state: String,
    /// Its process, while there is one.
    pub pid: Option<u32>,
    /// Where it listens for peers.
    pub peer: SocketAddr,
    /// Where its own API is.
    pub api: SocketAddr,
    /// Transactions per second that became final on it, lately.
    pub tps: Option<f64>,
    /// What it said last of its chain.
    pub seen: Option<Seen>,
}

/// What a validator said of its chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Whether it takes part in decisions, as it does once it has caught up.
    pub voting: bool,
    /// Why its chain does not run, if it does not.
    pub stopped: Option<String>,
    /// The height of its last accepted block.
    pub height: u64,
    /// Transactions that became final on it since its chain started.
    pub transactions: u64,
    /// The median time to finality of its last blocks, in milliseconds.
    pub p50_ms: f64,
    /// The 99th percentile of it.
    pub p99_ms: f64,
    /// Blocks that are verified and not decided.
    pub processing: u32,
    /// Open polls.
    pub polls: u32,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event<'a> {
    /// All validators are ready, and the API listens.
    Started {
        /// How everybody is.
        #[serde(flatten)]
        status: &'a Status,
        /// Since the start of the devnet, in milliseconds.
        took_ms: u64,
    },
    /// The first payment is final.
    FirstFinal {
        /// Its name.
        transaction: String,
        /// The height of its block.
        height: u64,
        /// From its submission, in milliseconds.
        payment_ms: u64,
        /// Since the start of the devnet, in milliseconds.
        took_ms: u64,
    },
    /// There is no first payment.
    NoFirstPayment {
        /// Why.
        reason: String,
    },
    /// A validator is ready: again, after [`Started`](Event::Started).
    ValidatorUp {
        /// Which.
        validator: u16,
        /// Its process.
        pid: u32,
    },
    /// A validator ended.
    ValidatorDown {
        /// Which.
        validator: u16,
        /// How, and what it said last.
        reason: String,
        /// When it is started again, in milliseconds from now; `null`: when somebody says so.
        again_in_ms: Option<u64>,
    },
    /// A validator is stopped in its tracks.
    ValidatorPaused {
        /// Which.
        validator: u16,
    },
    /// A validator goes on.
    ValidatorResumed {
        /// Which.
        validator: u16,
    },
    /// The devnet is about to end.
    Stopping,
    /// The devnet ended, and nothing of it runs any more.
    Stopped,
}

impl Event<'_> {
    /// It in lines for people, each with its end.
    fn text(&self) -> String {
        match self {
            Self::Started { status, took_ms } => {
                let count = status.validators.len();
                let place = if status.in_process { "in this process" } else { "as processes" };
                format!(
                    "{count} validators run {place}, after {} s\n  folder  {}\n  API     {}   \
                     (on loopback only: there is no login)\n",
                    seconds(*took_ms),
                    status.folder.display(),
                    status.api,
                )
            }
            Self::FirstFinal { transaction, height, payment_ms, took_ms } => format!(
                "first payment final at height {height}, {} s after the start, {payment_ms} ms \
                 after it was submitted\n  {transaction}\n",
                seconds(*took_ms),
            ),
            Self::NoFirstPayment { reason } => format!("no first payment: {reason}\n"),
            Self::ValidatorUp { validator, pid } => {
                format!("validator {validator} is ready (process {pid})\n")
            }
            Self::ValidatorDown { validator, reason, again_in_ms: Some(ms) } => {
                let rest = seconds(*ms);
                format!("validator {validator} ended: {reason}; it starts again in {rest} s\n")
            }
            Self::ValidatorDown { validator, reason, again_in_ms: None } => {
                format!("validator {validator} is down: {reason}\n")
            }
            Self::ValidatorPaused { validator } => format!("validator {validator} is paused\n"),
            Self::ValidatorResumed { validator } => format!("validator {validator} goes on\n"),
            Self::Stopping => "stopping (Ctrl-C again ends it at once)\n".to_owned(),
            Self::Stopped => "stopped; the same command goes on from here\n".to_owned(),
        }
    }
}

/// Seconds with two digits behind the point.
fn seconds(ms: u64) -> String {
    format!("{}.{:02}", ms / 1_000, ms % 1_000 / 10)
}

/// How a devnet tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Lines, and below them a table that is drawn again and again.
    Live,
    /// Lines.
    Plain,
    /// Events as JSON, one a line.
    Json,
}

/// Tells whoever reads the output.
#[derive(Debug)]
pub struct Reporter<W> {
    out: W,
    style: Style,
    /// The table that stands below the lines.
    drawn: String,
    frames: u32,
}

impl<W: Write> Reporter<W> {
    /// Tells on an output, in a style.
    pub const fn new(out: W, style: Style) -> Self {
        Self { out, style, drawn: String::new(), frames: 0 }
    }

    /// Tells what happened.
    ///
    /// # Errors
    ///
    /// What the output says.
    pub fn event(&mut self, event: &Event<'_>) -> Result<(), io::Error> {
        match self.style {
            Style::Json => {
                let mut line = serde_json::to_vec(event)?;
                line.push(b'\n');
                self.out.write_all(&line)?;
            }
            Style::Plain => self.out.write_all(event.text().as_bytes())?,
            Style::Live => self.above(&event.text())?,
        }
        self.out.flush()
    }

    /// Writes lines that are for people only.
    ///
    /// # Errors
    ///
    /// What the output says.
    pub fn text(&mut self, text: &str) -> Result<(), io::Error> {
        match self.style {
            Style::Json => return Ok(()),
            Style::Plain => self.out.write_all(text.as_bytes())?,
            Style::Live => self.above(text)?,
        }
        self.out.flush()
    }

    /// Shows how everybody is: a table, or a line now and then.
    ///
    /// # Errors
    ///
    /// What the output says.
    pub fn frame(&mut self, status: &Status) -> Result<(), io::Error> {
        match self.style {
            Style::Json => return Ok(()),
            Style::Plain => {
                if self.frames.is_multiple_of(PLAIN_EVERY) {
                    writeln!(self.out, "{}", table::summary(status))?;
                }
                self.frames = self.frames.wrapping_add(1);
            }
            Style::Live => {
                self.erase()?;
                self.drawn = table::draw(status);
                self.out.write_all(self.drawn.as_bytes())?;
            }
        }
        self.out.flush()
    }

    /// Writes lines above the table.
    fn above(&mut self, text: &str) -> Result<(), io::Error> {
        self.erase()?;
        self.out.write_all(text.as_bytes())?;
        self.out.write_all(self.drawn.as_bytes())
    }

    fn erase(&mut self) -> Result<(), io::Error> {
        match self.drawn.lines().count() {
            0 => Ok(()),
            // Up to its first line, then everything below.
            lines => write!(self.out, "\x1b[{lines}F\x1b[J"),
        }
    }
}

/// How everybody is, for `devnet status`: as text, or as a line of JSON.
///
/// # Errors
///
/// What the output says.
pub fn show(out: &mut impl Write, status: &Status, json: bool) -> Result<(), io::Error> {
    if json {
        return writeln!(out, "{}", serde_json::to_string(status)?);
    }
    let (folder, summary) = (Path::display(&status.folder), table::summary(status));
    writeln!(out, "{folder}, API {}\n{summary}\n\n{}", status.api, table::draw(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        Status {
            folder: "f".into(),
            api: "http://127.0.0.1:8000".to_owned(),
            pid: 7,
            in_process: false,
            validators: vec![ValidatorStatus {
                number: 1,
                node_id: "NodeID-1".to_owned(),
                state: "up".to_owned(),
                pid: Some(8),
                peer: "127.0.0.1:1".parse().unwrap(),
                api: "127.0.0.1:2".parse().unwrap(),
                tps: None,
                seen: None,
            }],
        }
    }

    fn told(style: Style, tell: impl Fn(&mut Reporter<&mut Vec<u8>>)) -> String {
        let mut out = Vec::new();
        tell(&mut Reporter::new(&mut out, style));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn events_are_lines_of_json() {
        let status = status();
        for (event, expected) in [
            (
                Event::Started { status: &status, took_ms: 1_234 },
                r#"{"event":"started","folder":"f","api":"http://127.0.0.1:8000","pid":7,"in_process":false,"validators":[{"number":1,"node_id":"NodeID-1","state":"up","pid":8,"peer":"127.0.0.1:1","api":"127.0.0.1:2","tps":null,"seen":null}],"took_ms":1234}"#,
            ),
            (
                Event::FirstFinal {
                    transaction: "t".to_owned(),
                    height: 1,
                    payment_ms: 130,
                    took_ms: 1_999,
                },
                r#"{"event":"first_final","transaction":"t","height":1,"payment_ms":130,"took_ms":1999}"#,
            ),
            (
                Event::ValidatorUp { validator: 3, pid: 9 },
                r#"{"event":"validator_up","validator":3,"pid":9}"#,
            ),
            (
                Event::ValidatorDown { validator: 3, reason: "r".to_owned(), again_in_ms: None },
                r#"{"event":"validator_down","validator":3,"reason":"r","again_in_ms":null}"#,
            ),
            (Event::Stopped, r#"{"event":"stopped"}"#),
        ] {
            let json = told(Style::Json, |reporter| {
                reporter.text("for people").unwrap();
                reporter.frame(&status).unwrap();
                reporter.event(&event).unwrap();
            });
            assert_eq!(json, format!("{expected}\n"));
        }
    }

    #[test]
    fn people_are_told_where_it_is_and_that_there_is_no_login() {
        let status = status();
        let event = Event::Started { status: &status, took_ms: 1_234 };
        let text = told(Style::Plain, |reporter| reporter.event(&event).unwrap());
        for says in ["1 validators", "1.23 s", "f\n", "http://127.0.0.1:8000", "no login"] {
            assert!(text.contains(says), "{says:?} is not in {text}");
        }
    }

    #[test]
    fn plain_frames_are_a_line_now_and_then() {
        let text = told(Style::Plain, |reporter| {
            for _ in 0..=PLAIN_EVERY {
                reporter.frame(&status()).unwrap();
            }
        });
        assert_eq!(text, "0 of 1 vote, height -, 0 TPS\n".repeat(2));
    }

    #[test]
    fn a_live_table_stays_below_the_lines() {
        let text = told(Style::Live, |reporter| {
            reporter.text("one\n").unwrap();
            reporter.frame(&status()).unwrap();
            reporter.text("two\n").unwrap();
            reporter.frame(&status()).unwrap();
        });
        let table = table::draw(&status());
        let back = "\x1b[2F\x1b[J";
        assert_eq!(text, format!("one\n{table}{back}two\n{table}{back}{table}"));
    }
}
