//! A validator of a devnet, started as the devnet does it, with a clock beside it.

use std::io::{self, BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use avalanche_examples::node::Ready;
use avalanche_gateway::api::Phase;
use avalanche_gateway::client::Client;
use tokio::runtime::{Builder, Runtime};

use crate::network::devnet;
use crate::network::processes::used;
use crate::store::told;

/// The end of the wait for a validator.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is asked what it is at.
const LOOK: Duration = Duration::from_millis(2);

/// What is started.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) config: PathBuf,
}

/// One that runs. It is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Validator {
    child: Child,
    begun: Instant,
    times: Times,
    client: Client,
    runtime: Runtime,
}

/// When it did what, since it was spawned.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    /// It said that it is ready.
    pub(super) ready: Duration,
    /// It was connected with all others.
    pub(super) connected: Duration,
    /// It voted.
    pub(super) votes: Duration,
    /// Its processor time until it was ready.
    pub(super) cpu: Duration,
}

impl Validator {
    /// Starts one, and waits until it is ready.
    pub(super) fn start(program: &Program) -> io::Result<Self> {
        let mut command = Command::new(&program.path);
        command.arg("node").arg("--config").arg(&program.config);
        // It ends with its input.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let begun = Instant::now();
        let mut child = command.spawn()?;
        let out = child.stdout.take().ok_or_else(|| told("no output"))?;
        let mut line = String::new();
        let read = BufReader::new(out).read_line(&mut line);
        let ready = begun.elapsed();
        let said = read.ok().and_then(|_| Ready::parse(line.as_bytes()));
        let Some(said) = said else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(told("the validator ended before it was ready"));
        };
        let api = format!("http://{}", said.api);
        let pid = child.id();
        let cpu = used(&[devnet::Validator { pid, api: api.clone() }])?.cpu;
        let times = Times { ready, cpu, ..Times::default() };
        let client = Client::new(&api).map_err(told)?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { child, begun, times, client, runtime })
    }

    /// Waits until it votes.
    pub(super) fn vote(mut self) -> io::Result<Times> {
        self.wait(&async |client: &Client| {
            let phase = client.status().await.ok().and_then(|status| status.phase);
            phase == Some(Phase::NormalOperation)
        })?;
        self.times.votes = self.begun.elapsed();
        Ok(self.times)
    }

    /// Waits until it is connected with so many.
    pub(super) fn connected(mut self, others: usize) -> io::Result<Times> {
        self.wait(&async |client: &Client| {
            let peers = client.peers().await;
            peers.is_ok_and(|peers| peers.peers.len() >= others)
        })?;
        self.times.connected = self.begun.elapsed();
        Ok(self.times)
    }

    fn wait(&self, done: &impl AsyncFn(&Client) -> bool) -> io::Result<()> {
        while self.begun.elapsed() < PATIENCE {
            if self.runtime.block_on(done(&self.client)) {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
        Err(told("the validator does not come back"))
    }
}

impl Drop for Validator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
