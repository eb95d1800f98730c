//! A node that serves HTTP: what a process of one validator is, and a devnet in one process has
//! several of.

mod ready;
mod running;

use std::io::{self, Write as _};
use std::{error, fmt, thread};

use avalanche_chain::node::NodeConfig;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

pub use ready::Ready;
pub use running::Running;

/// Why a node does not start, or could not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFailure(pub String);

/// When a node of its own process ends, beside signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// When its standard input ends, as it does with the process that holds the other end.
    StdinEnds,
    /// Only by signals.
    Signalled,
}

/// Runs one node in this process until SIGINT, SIGTERM, or what else is said; it prints a line of
/// JSON when it is [`Ready`], and writes its log to standard error.
///
/// The end takes at most the configuration's `drain_ms`.
///
/// # Errors
///
/// Why it does not start, or ended by itself.
pub fn run(config: NodeConfig, until: Until) -> Result<(), NodeFailure> {
    log(io::stderr, &config.log_level)?;
    let failure = |error: io::Error| NodeFailure(format!("there is no runtime: {error}"));
    let runtime = Runtime::new().map_err(failure)?;
    let drain = config.drain();
    let outcome = runtime.block_on(async {
        let mut ends = ends(until).map_err(failure)?;
        let mut running = Running::start(config).await?;
        // Whoever started it may not want to know.
        let _ = write_now(&running.ready().line());
        let outcome = tokio::select! {
            why = ends.recv() => {
                tracing::info!(why = why.unwrap_or_default(), "the node ends");
                Ok(())
            }
            why = running.ended() => Err(NodeFailure(why)),
        };
        if tokio::time::timeout(drain, running.shutdown()).await.is_err() {
            tracing::warn!(?drain, "not all was done in time; what is durable is not affected");
        }
        outcome
    });
    // Threads that block are not waited for.
    runtime.shutdown_background();
    outcome
}

/// Writes the log of this process somewhere.
///
/// # Errors
///
/// What is wrong with the directives, or that there is a log already.
pub fn log<W>(writer: W, directives: &str) -> Result<(), NodeFailure>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(directives)
        .map_err(|error| NodeFailure(format!("log_level is {directives:?}: {error}")))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(writer)
        .try_init()
        .map_err(|error| NodeFailure(format!("there is a log already: {error}")))
}

fn write_now(line: &str) -> Result<(), io::Error> {
    let mut out = io::stdout().lock();
    out.write_all(line.as_bytes())?;
    out.flush()
}

/// Says why the process is to end.
fn ends(until: Until) -> Result<mpsc::Receiver<&'static str>, io::Error> {
    let (sender, receiver) = mpsc::channel(4);
    for (kind, why) in [(SignalKind::interrupt(), "SIGINT"), (SignalKind::terminate(), "SIGTERM")] {
        let (mut signals, sender) = (signal(kind)?, sender.clone());
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                // Once is enough.
                let _ = sender.try_send(why);
            }
        });
    }
    if until == Until::StdinEnds {
        // A thread, since there is no other way to read it: it ends with the process.
        thread::spawn(move || {
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            let _ = sender.try_send("its standard input ended");
        });
    }
    Ok(receiver)
}

impl fmt::Display for NodeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for NodeFailure {}
