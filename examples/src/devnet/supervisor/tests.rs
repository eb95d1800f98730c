//! A devnet of shells that say that they are ready: what it tells when they end or are broken.

use std::ffi::OsString;
use std::path::Path;

use avalanche_chain::node::NodeConfig;
use avalanche_consensus::{Id, NodeId};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::devnet::child::{self, Program, Started};
use crate::devnet::folder::NodePlan;
use crate::devnet::report::Style;
use crate::node::Ready;

/// Runs a script instead of a validator; in it `$READY` is the line that says that it is ready.
#[derive(Debug)]
struct Scripts {
    script: &'static str,
    inside: bool,
}

impl Launcher for Scripts {
    fn launch(&self, plan: &NodePlan, news: mpsc::Sender<News>) -> Result<Started, io::Error> {
        let (peer, api) = (plan.config.listen, plan.config.api);
        let line = Ready { node_id: plan.node_id, peer, api }.line();
        let script = self.script.replace("$READY", line.trim());
        let program = Program {
            path: "/bin/sh".into(),
            args: ["-c", &script].map(OsString::from).to_vec(),
            log: plan.log_path.clone(),
            patience: Duration::from_secs(30),
            threads: 1,
        };
        child::start(plan.number, &program, news)
    }

    fn in_process(&self) -> bool {
        self.inside
    }
}

/// Hands over whole lines.
struct Lines(mpsc::UnboundedSender<Value>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, io::Error> {
        let event = serde_json::from_slice(bytes)?;
        self.0.send(event).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), io::Error> {
        Ok(())
    }
}

/// A devnet that runs, from outside.
struct Outside {
    events: mpsc::UnboundedReceiver<Value>,
    asked: mpsc::Sender<Asked>,
    stop: mpsc::Sender<()>,
    living: watch::Receiver<Vec<SocketAddr>>,
    done: JoinHandle<Result<(), DevnetError>>,
}

impl Outside {
    fn start(name: &str, count: u16, launcher: Scripts) -> Self {
        let (asked_sender, asked) = mpsc::channel(1);
        let (stop_sender, stop) = mpsc::channel(2);
        let (living, receiver) = watch::channel(Vec::new());
        let nodes = (1..=count).map(|number| plan(name, number)).collect();
        let setup = Setup {
            folder: "folder".into(),
            network: Network { nodes, chain: Id::EMPTY },
            client: Client::new("http://127.0.0.1:1").unwrap(),
            api_port: 1,
            launcher: Box::new(launcher),
            payment: false,
            begun: Instant::now(),
            asked,
            stop,
            living,
        };
        let (sender, events) = mpsc::unbounded_channel();
        let supervisor = Supervisor::new(setup, Reporter::new(Lines(sender), Style::Json));
        let done = tokio::spawn(supervisor.run());
        Self { events, asked: asked_sender, stop: stop_sender, living: receiver, done }
    }

    /// The next event, which has to be of this kind.
    async fn event(&mut self, kind: &str) -> Value {
        let event = self.events.recv().await.unwrap();
        assert_eq!(event["event"], kind, "{event}");
        event
    }

    async fn ask(&self, request: Request) -> Answer {
        let (sender, receiver) = oneshot::channel();
        self.asked.send((request, sender)).await.unwrap();
        receiver.await.unwrap()
    }

    async fn done(&self, request: Request) {
        let answer = self.ask(request).await;
        assert!(matches!(answer, Answer::Done { .. }), "{request:?}: {answer:?}");
    }

    async fn refused(&self, request: Request, says: &str) {
        match self.ask(request).await {
            Answer::Refused { reason } => assert!(reason.contains(says), "{says:?}: {reason}"),
            other => panic!("{request:?}: {other:?}"),
        }
    }

    async fn status(&self) -> Status {
        match self.ask(Request::Status).await {
            Answer::Status { status } => status,
            other => panic!("{other:?}"),
        }
    }

    /// Ends it, and sees that nothing is left.
    async fn stop(mut self) {
        let before = self.status().await;
        self.stop.send(()).await.unwrap();
        self.event("stopping").await;
        self.event("stopped").await;
        self.done.await.unwrap().unwrap();
        for pid in before.validators.iter().filter_map(|one| one.pid) {
            assert!(!lives(pid), "process {pid} is left");
        }
    }
}

fn plan(name: &str, number: u16) -> NodePlan {
    let file = format!("devnet-supervisor-{name}-{number}-{}", std::process::id());
    let log_path = std::env::temp_dir().join(file);
    let _ = std::fs::remove_file(&log_path);
    let port = |of| super::super::ports::local(of + number);
    let config = NodeConfig { listen: port(100), api: port(200), ..NodeConfig::default() };
    NodePlan { number, node_id: NodeId::new([7; 20]), config, config_path: "c".into(), log_path }
}

fn lives(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    rustix::process::test_kill_process(pid.unwrap()).is_ok()
}

fn kill(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.unwrap(), rustix::process::Signal::KILL).unwrap();
}

const GOOD: Scripts = Scripts { script: "echo '$READY'; cat", inside: false };

#[tokio::test]
async fn one_that_is_killed_stays_down_until_restart_and_is_not_forwarded_to() {
    let mut outside = Outside::start("kill", 3, GOOD);
    let started = outside.event("started").await;
    assert_eq!(started["validators"].as_array().unwrap().len(), 3);
    assert_eq!(outside.living.borrow_and_update().len(), 3);

    outside.done(Request::Kill { validator: 2 }).await;
    let down = outside.event("validator_down").await;
    assert_eq!((&down["validator"], &down["reason"]), (&2.into(), &"devnet kill".into()));
    assert_eq!(down["again_in_ms"], Value::Null);
    let status = outside.status().await;
    let states: Vec<_> = status.validators.iter().map(|one| one.state.as_str()).collect();
    assert_eq!(states, ["up", "down", "up"]);
    assert_eq!(status.validators[1].pid, None);
    let living = outside.living.borrow_and_update().clone();
    assert_eq!(living, [status.validators[0].api, status.validators[2].api]);
    outside.refused(Request::Kill { validator: 2 }, "is down already").await;

    outside.done(Request::Restart { validator: 2 }).await;
    let up = outside.event("validator_up").await;
    assert_eq!(up["validator"], 2);
    assert_eq!(outside.living.borrow_and_update().len(), 3);
    outside.stop().await;
}

#[tokio::test]
async fn one_that_ends_by_itself_is_started_again_after_a_rest() {
    let mut outside = Outside::start("crash", 1, GOOD);
    let started = outside.event("started").await;
    let before = started["validators"][0]["pid"].as_u64().unwrap();
    kill(u32::try_from(before).unwrap());
    let down = outside.event("validator_down").await;
    assert_eq!(down["again_in_ms"], 500);
    assert!(down["reason"].as_str().unwrap().starts_with("signal: 9"), "{down}");
    let up = outside.event("validator_up").await;
    assert_ne!(up["pid"], before);
    outside.stop().await;
}

#[tokio::test]
async fn one_that_cannot_start_is_told_with_its_last_words_and_holds_nobody_up() {
    let script = "echo no disk >&2; exit 3";
    let mut outside = Outside::start("broken", 1, Scripts { script, inside: false });
    let down = outside.event("validator_down").await;
    let reason = down["reason"].as_str().unwrap();
    assert!(reason.starts_with("exit status: 3, and said last: no disk (log: "), "{reason}");
    outside.event("started").await;
    // While it rests.
    outside.done(Request::Kill { validator: 1 }).await;
    let down = outside.event("validator_down").await;
    assert_eq!(down["again_in_ms"], Value::Null);
    assert_eq!(outside.status().await.validators[0].state, "down");
    outside.stop().await;
}

#[tokio::test]
async fn one_that_is_paused_is_woken_by_resume_restart_and_the_end() {
    let mut outside = Outside::start("pause", 3, GOOD);
    outside.event("started").await;
    for validator in 1..=3 {
        outside.done(Request::Pause { validator }).await;
        outside.event("validator_paused").await;
    }
    assert_eq!(outside.living.borrow_and_update().len(), 0);
    outside.refused(Request::Pause { validator: 1 }, "is paused already").await;
    outside.done(Request::Resume { validator: 1 }).await;
    outside.event("validator_resumed").await;
    outside.refused(Request::Resume { validator: 1 }, "is not paused").await;
    outside.done(Request::Restart { validator: 2 }).await;
    let down = outside.event("validator_down").await;
    assert_eq!((&down["reason"], &down["again_in_ms"]), (&"devnet restart".into(), &0.into()));
    outside.event("validator_up").await;
    outside.stop().await;
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_with_what_can() {
    let mut outside = Outside::start("range", 2, GOOD);
    outside.event("started").await;
    for validator in [0, 3] {
        outside.refused(Request::Kill { validator }, "there are 1 to 2").await;
    }
    outside.stop().await;

    let inside = Scripts { inside: true, ..GOOD };
    let mut outside = Outside::start("inside", 1, inside);
    outside.event("started").await;
    for request in [
        Request::Kill { validator: 1 },
        Request::Restart { validator: 1 },
        Request::Pause { validator: 1 },
        Request::Resume { validator: 1 },
    ] {
        outside.refused(request, "start the devnet without --in-process").await;
    }
    assert!(outside.status().await.in_process);
    outside.stop().await;
}

#[tokio::test]
async fn a_second_wish_to_end_kills_those_that_do_not() {
    let script = "echo '$READY'; exec 0</dev/zero; while :; do read -r line; done";
    let mut outside = Outside::start("stubborn", 1, Scripts { script, inside: false });
    outside.event("started").await;
    let pid = outside.status().await.validators[0].pid.unwrap();
    outside.stop.send(()).await.unwrap();
    outside.event("stopping").await;
    assert!(lives(pid));
    outside.stop.send(()).await.unwrap();
    outside.event("stopped").await;
    outside.done.await.unwrap().unwrap();
    assert!(!lives(pid));
}

#[tokio::test]
async fn when_nobody_reads_any_more_it_ends_and_leaves_nothing() {
    let mut outside = Outside::start("pipe", 1, GOOD);
    outside.event("started").await;
    let pid = outside.status().await.validators[0].pid.unwrap();
    outside.events.close();
    while outside.events.recv().await.is_some() {}
    outside.done(Request::Kill { validator: 1 }).await;
    let error = outside.done.await.unwrap().unwrap_err();
    assert!(error.is_broken_pipe(), "{error}");
    assert!(!lives(pid));
}

#[test]
fn reasons_name_the_log() {
    let plan = plan("reasons", 1);
    let mut one = Validator::new(plan.clone());
    let reason = one.ended("exit status: 1");
    assert_eq!(reason, format!("exit status: 1 (log: {})", Path::display(&plan.log_path)));
}
