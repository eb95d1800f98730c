//! What the program `devnet` does.

use std::env;
use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use avalanche_chain::node::NodeConfig;
use avalanche_gateway::client::Client;
use avalanche_gateway::forward::{ForwardConfig, Forwarder};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::args::{API_PORT, Args, Command};
use super::control::{self, Answer, Request};
use super::folder::{self, Folder, Wanted};
use super::launcher::{Inside, Launcher, Processes};
use super::report::{self, Reporter, Style};
use super::supervisor::{Setup, Supervisor};
use super::{DevnetError, ports};
use crate::node::{self, Until};

/// Signals and requests that may wait.
const WAITING: usize = 8;
/// How long after a signal that ends the devnet another one says the same.
const SAME_STOP: Duration = Duration::from_secs(1);

/// Does what the command line says.
///
/// # Errors
///
/// [`DevnetError`] says what is wrong and what to do.
pub fn run(args: Args) -> Result<(), DevnetError> {
    let path =
        args.data_dir.clone().unwrap_or_else(|| folder::default_path(|name| env::var(name).ok()));
    let request = match args.command {
        None => return start(&args, &path),
        Some(Command::Node { config }) => {
            return run_node(&config);
        }
        Some(Command::Kill { validator }) => Request::Kill { validator },
        Some(Command::Restart { validator }) => Request::Restart { validator },
        Some(Command::Pause { validator }) => Request::Pause { validator },
        Some(Command::Resume { validator }) => Request::Resume { validator },
        Some(Command::Status) => Request::Status,
    };
    let mut out = io::stdout().lock();
    match control::ask(&path, request)? {
        Answer::Status { status } => report::show(&mut out, &status, args.json)?,
        answer if args.json => {
            let json = serde_json::to_string(&answer).map_err(io::Error::from)?;
            writeln!(out, "{json}")?;
        }
        Answer::Done { message } => writeln!(out, "{message}")?,
        // `ask` makes an error of it.
        Answer::Refused { reason } => return Err(DevnetError::Refused(reason)),
    }
    Ok(())
}

/// Runs a devnet until it has to end.
fn start(args: &Args, path: &Path) -> Result<(), DevnetError> {
    let begun = Instant::now();
    let wanted = Wanted { validators: args.validators, store: args.store };
    // Before anything is made: a port that is taken is the most usual mistake.
    let listener = ports::listen(args.api_port.unwrap_or(API_PORT))?;
    let folder = Folder::open(path, wanted)?;
    let network = folder::plan(&folder)?;
    let launcher: Box<dyn Launcher> = if args.in_process {
        log_to(&folder.path().join("log"))?;
        Box::new(Inside)
    } else {
        Box::new(Processes::sharing(program()?, network.nodes.len()))
    };
    let unusable = |error: io::Error| DevnetError::Node(format!("there is no runtime: {error}"));
    let runtime = Runtime::new().map_err(unusable)?;
    let style = match (args.json, io::stdout().is_terminal()) {
        (true, _) => Style::Json,
        (false, true) => Style::Live,
        (false, false) => Style::Plain,
    };
    let reporter = Reporter::new(io::stdout(), style);
    runtime.block_on(async {
        let address = listener.local_addr().map_err(unusable)?;
        let (living, addresses) = watch::channel(Vec::new());
        let _forwarder = forward(listener, addresses).map_err(unusable)?;
        let (sender, asked) = mpsc::channel(WAITING);
        let _socket = control::serve(&folder.control(), sender)?;
        let client = Client::new(&format!("http://{address}"))
            .map_err(|error| DevnetError::Node(error.to_string()))?;
        let setup = Setup {
            folder: folder.path().to_owned(),
            network,
            client,
            api_port: address.port(),
            launcher,
            payment: !args.no_payment,
            begun,
            asked,
            stop: stops().map_err(unusable)?,
            living,
        };
        Supervisor::new(setup, reporter).run().await
    })
}

/// Runs one validator. The environment is not looked at: a port there would be everybody's.
fn run_node(config: &Path) -> Result<(), DevnetError> {
    let config = NodeConfig::load(Some(config), [], &[])
        .map_err(|error| DevnetError::Node(error.to_string()))?;
    node::run(config, Until::StdinEnds).map_err(|error| DevnetError::Node(error.to_string()))
}

/// Serves the API in front of the validators that live.
fn forward(
    listener: TcpListener,
    living: watch::Receiver<Vec<SocketAddr>>,
) -> Result<Forwarder, io::Error> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    Forwarder::start(listener, living, ForwardConfig::default())
}

/// This program.
fn program() -> Result<PathBuf, DevnetError> {
    env::current_exe()
        .map_err(|error| DevnetError::Node(format!("this program cannot find itself: {error}")))
}

/// Comes for Ctrl-C, a request to end, and the end of the terminal. Those that follow within a
/// second say the same: some programs send one to the process, and one to its group.
fn stops() -> Result<mpsc::Receiver<()>, io::Error> {
    let (sender, receiver) = mpsc::channel(WAITING);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        let mut last: Option<Instant> = None;
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            if last.is_none_or(|last| last.elapsed() > SAME_STOP) {
                last = Some(Instant::now());
                // Two are enough.
                let _ = sender.try_send(());
            }
        }
    });
    Ok(receiver)
}

/// Writes what nodes in this process say to a file.
fn log_to(path: &Path) -> Result<(), DevnetError> {
    let file = File::options().create(true).append(true).open(path);
    let file =
        file.map_err(|error| DevnetError::folder(path, format!("it cannot be written: {error}")))?;
    node::log(Mutex::new(file), "info").map_err(|error| DevnetError::Node(error.to_string()))
}
