//! Starting validators: as processes, or in this one.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;
use std::{fmt, io, thread};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::child::{self, News, Order, Program, Started, What};
use super::folder::NodePlan;
use crate::node::Running;

/// What a validator may take to end beyond its own bound, before it is killed.
const MARGIN: Duration = Duration::from_secs(3);

/// Starts validators.
pub trait Launcher: fmt::Debug + Send {
    /// Starts one; what it does from then on comes as news, and its end last.
    ///
    /// # Errors
    ///
    /// What the operating system says if it cannot be started.
    fn launch(&self, plan: &NodePlan, news: mpsc::Sender<News>) -> Result<Started, io::Error>;

    /// Whether all are in this process, so that none can end alone.
    fn in_process(&self) -> bool;
}

/// Each validator is a process: this program again, with the command `node`.
#[derive(Clone, Debug)]
pub struct Processes {
    /// The program.
    pub program: PathBuf,
    /// Threads of the runtime of each.
    pub threads: usize,
}

impl Processes {
    /// So many processes of a program. They share the processors: with more threads than those they
    /// would wait for each other.
    #[must_use]
    pub fn sharing(program: PathBuf, validators: usize) -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self { program, threads: (processors / validators.max(1)).max(1) }
    }
}

impl Launcher for Processes {
    fn launch(&self, plan: &NodePlan, news: mpsc::Sender<News>) -> Result<Started, io::Error> {
        let program = Program {
            path: self.program.clone(),
            args: vec!["node".into(), "--config".into(), plan.config_path.clone().into()],
            log: plan.log_path.clone(),
            patience: plan.config.drain() + MARGIN,
            threads: self.threads,
        };
        child::start(plan.number, &program, news)
    }

    fn in_process(&self) -> bool {
        false
    }
}

/// All validators are in this process.
#[derive(Clone, Copy, Debug)]
pub struct Inside;

impl Launcher for Inside {
    fn launch(&self, plan: &NodePlan, news: mpsc::Sender<News>) -> Result<Started, io::Error> {
        let (started, orders) = Started::inside(std::process::id());
        tokio::spawn(run(plan.clone(), orders, news));
        Ok(started)
    }

    fn in_process(&self) -> bool {
        true
    }
}

async fn run(plan: NodePlan, mut orders: mpsc::Receiver<Order>, news: mpsc::Sender<News>) {
    let (number, begun) = (plan.number, Instant::now());
    let patience = plan.config.drain() + MARGIN;
    let how = match Running::start(plan.config).await {
        Err(error) => error.to_string(),
        Ok(mut running) => {
            let ready = *running.ready();
            let _ = news.send(News { number, what: What::Ready(ready) }).await;
            let how = tokio::select! {
                why = running.ended() => why,
                // Nobody orders more than its end: a devnet in one process refuses the rest.
                _ = orders.recv() => "it was asked to end".to_owned(),
            };
            let mut shutdown: JoinHandle<_> = tokio::spawn(running.shutdown());
            if timeout(patience, &mut shutdown).await.is_err() {
                shutdown.abort();
            }
            how
        }
    };
    let what = What::Ended { how, lived: begun.elapsed() };
    let _ = news.send(News { number, what }).await;
}
