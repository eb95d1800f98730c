//! One validator's process: started, listened to, signalled, and seen to its end.
//!
//! A task owns the process from its start to its end, and alone signals it: so no signal goes to a
//! stranger that has the number of a process that is gone. The process ends with the devnet,
//! however that ends: its standard input ends then, and one that is paused is woken by the kernel,
//! since its process group, which is its own, is left without a parent. Only one that was signalled
//! and has not stopped yet when the devnet is killed stays as it is.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::node::Ready;

/// Orders that may wait for a process: more than one person gives.
const ORDERS: usize = 16;
/// The most bytes of a line that is looked at.
const LINE_BYTES_MAX: usize = 4 << 10;
/// The last bytes of a log in which its last line is looked for.
const TAIL_BYTES: u64 = 2 << 10;

/// What the runtime reads how many threads it has from.
const THREADS: &str = "TOKIO_WORKER_THREADS";

/// What is written between the lines of a process.
const STARTS: &str = "-- it starts";
const ENDS: &str = "-- it ends: ";

/// What is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The program.
    pub path: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Where its output goes, behind what is there.
    pub log: PathBuf,
    /// How long it may take to end after it was asked to.
    pub patience: Duration,
    /// Threads of its runtime, unless the environment says how many.
    pub threads: usize,
}

/// What a validator is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// End by yourself; at once when patience ends.
    Finish,
    /// End at once.
    Kill,
    /// Stop in your tracks.
    Pause,
    /// Go on.
    Resume,
}

/// What a validator tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Its number.
    pub number: u16,
    /// What.
    pub what: What,
}

/// What a validator tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It is ready.
    Ready(Ready),
    /// It ended. The last that this start of it tells.
    Ended {
        /// How.
        how: String,
        /// How long it lived.
        lived: Duration,
    },
}

/// A validator that was started.
#[derive(Debug)]
pub struct Started {
    /// Its process.
    pub pid: u32,
    orders: mpsc::Sender<Order>,
}

impl Started {
    /// A validator without a process of its own, and what it is told.
    #[must_use]
    pub fn inside(pid: u32) -> (Self, mpsc::Receiver<Order>) {
        let (orders, receiver) = mpsc::channel(ORDERS);
        (Self { pid, orders }, receiver)
    }

    /// Tells it something; whether it can still be told.
    #[must_use]
    pub fn order(&self, order: Order) -> bool {
        self.orders.try_send(order).is_ok()
    }
}

/// Starts a process; what it does from then on comes as news.
///
/// # Errors
///
/// What the operating system says if it cannot be started, or has no log.
pub fn start(
    number: u16,
    program: &Program,
    news: mpsc::Sender<News>,
) -> Result<Started, io::Error> {
    let mut log = File::options().create(true).append(true).open(&program.log)?;
    let mut command = Command::new(&program.path);
    command
        .args(&program.args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log.try_clone()?)
        // Ctrl-C on a terminal is for the devnet, which then asks its validators to end.
        .process_group(0)
        .kill_on_drop(true);
    if std::env::var_os(THREADS).is_none() {
        command.env(THREADS, program.threads.to_string());
    }
    // Before it can say anything.
    writeln!(log, "{STARTS}")?;
    let mut child = command.spawn()?;
    let pid = child.id().unwrap_or_default();
    let (started, orders) = Started::inside(pid);
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let tended = Tended { number, child, stdin, patience: program.patience, finish: None };
    tokio::spawn(tended.tend(stdout, log, orders, news));
    Ok(started)
}

/// The last line that a process left in its log, if it said anything.
#[must_use]
pub fn last_line(log: &Path) -> Option<String> {
    let mut file = File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES))).ok()?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let said = |line: &&str| !line.is_empty() && !line.starts_with(ENDS);
    let line = text.lines().map(str::trim).rfind(said)?;
    (!line.starts_with(STARTS)).then(|| line.to_owned())
}

/// A process, and what its task knows of it.
struct Tended {
    number: u16,
    child: Child,
    /// Its end asks the process to end.
    stdin: Option<ChildStdin>,
    patience: Duration,
    /// When patience ends.
    finish: Option<Instant>,
}

impl Tended {
    async fn tend(
        mut self,
        mut stdout: Option<ChildStdout>,
        mut log: File,
        mut orders: mpsc::Receiver<Order>,
        news: mpsc::Sender<News>,
    ) {
        let begun = Instant::now();
        let number = self.number;
        let (mut lines, mut chunk) = (Lines::default(), [0; 1 << 10]);
        let how = loop {
            let finish = self.finish.unwrap_or(begun);
            tokio::select! {
                status = self.child.wait() => break match status {
                    Ok(status) => status.to_string(),
                    Err(error) => format!("its end cannot be told: {error}"),
                },
                read = read(&mut stdout, &mut chunk) => {
                    let bytes = chunk.get(..read).unwrap_or_default();
                    for line in lines.push(bytes) {
                        match Ready::parse(&line) {
                            Some(ready) => {
                                let _ = news.send(News { number, what: What::Ready(ready) }).await;
                            }
                            // A program that nobody here wrote may say more; a full disk loses it.
                            None => _ = log.write_all(&line),
                        }
                    }
                }
                order = orders.recv() => self.carry_out(order.unwrap_or(Order::Kill)),
                () = sleep_until(finish), if self.finish.is_some() => {
                    self.carry_out(Order::Kill);
                }
            }
        };
        let _ = writeln!(log, "{ENDS}{how}");
        let what = What::Ended { how, lived: begun.elapsed() };
        let _ = news.send(News { number, what }).await;
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Finish => {
                self.signal(Signal::CONT);
                self.stdin = None;
                self.finish.get_or_insert(Instant::now() + self.patience);
            }
            // It fails only if there is nothing left to kill.
            Order::Kill => {
                self.finish = None;
                let _ = self.child.start_kill();
            }
            Order::Pause => self.signal(Signal::STOP),
            Order::Resume => self.signal(Signal::CONT),
        }
    }

    /// Signals the process, which is there until this task has waited for its end.
    fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }
}

/// The next bytes of an output; waits for ever once it has ended.
async fn read(stdout: &mut Option<ChildStdout>, chunk: &mut [u8]) -> usize {
    if let Some(open) = stdout {
        match open.read(chunk).await {
            Ok(0) | Err(_) => *stdout = None,
            Ok(read) => return read,
        }
    }
    std::future::pending().await
}

/// Puts lines together. What is longer than [`LINE_BYTES_MAX`] comes in pieces.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    /// The lines that these bytes complete, with their ends.
    fn push(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for &byte in bytes {
            self.0.push(byte);
            if byte == b'\n' || self.0.len() == LINE_BYTES_MAX {
                lines.push(std::mem::take(&mut self.0));
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: &str = r#"{"event":"ready","node_id":"NodeID-111111111111111111116DBWJs","peer":"127.0.0.1:1","api":"127.0.0.1:2"}"#;

    /// A shell that runs a script, and its log.
    fn shell(name: &str, script: &str, patience: Duration) -> Program {
        let log = std::env::temp_dir().join(format!("devnet-child-{name}-{}", std::process::id()));
        let _ = std::fs::remove_file(&log);
        let args = ["-c", script].map(OsString::from).to_vec();
        Program { path: "/bin/sh".into(), args, log, patience, threads: 1 }
    }

    async fn ready(news: &mut mpsc::Receiver<News>) {
        let told = news.recv().await.unwrap();
        assert!(matches!(&told, News { number: 7, what: What::Ready(_) }), "{told:?}");
    }

    async fn ended(news: &mut mpsc::Receiver<News>) -> String {
        match news.recv().await.unwrap().what {
            What::Ended { how, .. } => how,
            other @ What::Ready(_) => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn one_that_is_asked_to_end_ends_by_itself() {
        let script = format!("echo noise; echo oops >&2; echo '{READY}'; cat; exit 3");
        let program = shell("finish", &script, Duration::from_secs(60));
        let (sender, mut news) = mpsc::channel(4);
        let started = start(7, &program, sender).unwrap();
        ready(&mut news).await;
        assert!(started.order(Order::Finish));
        assert_eq!(ended(&mut news).await, "exit status: 3");
        assert!(news.recv().await.is_none());
        let log = std::fs::read_to_string(&program.log).unwrap();
        for line in ["noise", "oops", "-- it ends: exit status: 3"] {
            assert!(log.lines().any(|one| one == line), "{line:?} is not in {log}");
        }
    }

    #[tokio::test]
    async fn one_that_does_not_end_is_killed_when_patience_ends() {
        let script = format!("echo '{READY}'; exec 0</dev/zero; while :; do read -r line; done");
        let program = shell("patience", &script, Duration::from_millis(1));
        let (sender, mut news) = mpsc::channel(4);
        let started = start(7, &program, sender).unwrap();
        ready(&mut news).await;
        assert!(started.order(Order::Finish));
        assert!(ended(&mut news).await.contains("signal: 9"));
    }

    #[tokio::test]
    async fn one_that_is_paused_is_woken_to_end_and_one_that_is_forgotten_is_killed() {
        let script = format!("echo '{READY}'; cat");
        let program = shell("pause", &script, Duration::from_secs(60));
        let (sender, mut news) = mpsc::channel(4);
        let started = start(7, &program, sender.clone()).unwrap();
        ready(&mut news).await;
        assert!(started.order(Order::Pause) && started.order(Order::Finish));
        assert_eq!(ended(&mut news).await, "exit status: 0");

        // It says nothing: whether it could before it was killed depends on the moment.
        let silent = Program { args: vec!["-c".into(), "cat".into()], ..program };
        drop(start(7, &silent, sender).unwrap());
        assert!(ended(&mut news).await.contains("signal: 9"));
    }

    #[tokio::test]
    async fn what_cannot_be_started_says_so_and_what_ends_says_its_last_words() {
        let (sender, mut news) = mpsc::channel(4);
        let program = shell("words", "echo first >&2; echo last words >&2; exit 1", Duration::ZERO);
        let unknown = Program { path: "/no/such".into(), ..program.clone() };
        assert!(start(7, &unknown, sender.clone()).is_err());
        let unwritable = Program { log: "/no/such".into(), ..program.clone() };
        assert!(start(7, &unwritable, sender.clone()).is_err());
        let started = start(7, &program, sender.clone()).unwrap();
        assert_eq!(ended(&mut news).await, "exit status: 1");
        assert_eq!(last_line(&program.log).as_deref(), Some("last words"));
        drop(started);

        let silent = Program { args: vec!["-c".into(), "exit 2".into()], ..program };
        let started = start(7, &silent, sender).unwrap();
        assert_eq!(ended(&mut news).await, "exit status: 2");
        assert_eq!(last_line(&silent.log), None);
        drop(started);
    }

    #[test]
    fn lines_are_put_together_and_bounded() {
        let mut lines = Lines::default();
        assert!(lines.push(b"one").is_empty());
        assert_eq!(lines.push(b" line\ntwo\nthr"), [b"one line\n".to_vec(), b"two\n".to_vec()]);
        let long = lines.push(&vec![b'x'; LINE_BYTES_MAX]);
        assert_eq!(long.len(), 1);
        assert_eq!(long[0].len(), LINE_BYTES_MAX);
    }
}
