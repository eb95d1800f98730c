//! A call on its way to an instance's thread.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::oneshot;

use super::CallKind;
use crate::{Error, Vm};

/// What a call does with the VM.
pub(super) type Work<T> =
    Box<dyn for<'a> FnOnce(&'a mut dyn Vm) -> WorkFuture<'a, T> + Send + 'static>;

pub(super) type WorkFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// What a worker is sent.
pub(super) enum Command {
    Call(Job),
    Stop,
}

/// A call with its answer's address, whatever its type. Carried out and answered in two steps, so
/// that whoever asked finds the instance's status as the call left it.
pub(super) struct Job {
    pub(super) kind: CallKind,
    pub(super) deadline: Duration,
    call: Box<dyn Call>,
}

impl Job {
    /// The job, and where its answer will come.
    pub(super) fn new<T: Send + 'static>(
        kind: CallKind,
        deadline: Duration,
        work: Work<T>,
    ) -> (Self, oneshot::Receiver<Result<T, Error>>) {
        let (answer, answered) = oneshot::channel();
        let call = Typed { kind, work: Some(work), outcome: None, answer };
        (Self { kind, deadline, call: Box::new(call) }, answered)
    }

    /// Whether nobody waits for the answer any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.call.is_abandoned()
    }

    /// Carries the call out, once.
    pub(super) async fn run(&mut self, vm: &mut dyn Vm) -> Ran {
        self.call.run(vm).await
    }

    /// Sends the answer.
    pub(super) fn answer(self) {
        self.call.answer(None);
    }

    /// Answers with an error instead.
    pub(super) fn refuse(self, error: Error) {
        self.call.answer(Some(error));
    }
}

/// How a call went.
pub(super) struct Ran {
    pub(super) failed: bool,
    /// Why the instance cannot go on, if it cannot.
    pub(super) fatal: Option<String>,
}

trait Call: Send {
    fn is_abandoned(&self) -> bool;
    fn run<'a>(&'a mut self, vm: &'a mut dyn Vm) -> Pin<Box<dyn Future<Output = Ran> + 'a>>;
    fn answer(self: Box<Self>, instead: Option<Error>);
}

struct Typed<T> {
    kind: CallKind,
    work: Option<Work<T>>,
    outcome: Option<Result<T, Error>>,
    answer: oneshot::Sender<Result<T, Error>>,
}

impl<T: Send + 'static> Call for Typed<T> {
    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    fn run<'a>(&'a mut self, vm: &'a mut dyn Vm) -> Pin<Box<dyn Future<Output = Ran> + 'a>> {
        Box::pin(async move {
            let Some(work) = self.work.take() else { return Ran { failed: false, fatal: None } };
            let outcome =
                work(vm).await.map_err(|error| fatal_if_it_must_succeed(self.kind, error));
            let failure = outcome.as_ref().err();
            let ran = Ran {
                failed: failure.is_some(),
                fatal: failure.filter(|error| error.is_fatal()).map(ToString::to_string),
            };
            self.outcome = Some(outcome);
            ran
        })
    }

    fn answer(self: Box<Self>, instead: Option<Error>) {
        if let Some(answer) = instead.map(Err).or(self.outcome) {
            // Whoever asked may have gone.
            let _ = self.answer.send(answer);
        }
    }
}

fn fatal_if_it_must_succeed(kind: CallKind, error: Error) -> Error {
    if error.is_fatal() || !kind.must_succeed() {
        return error;
    }
    Error::Fatal { reason: format!("{} was refused", kind.name()), source: Some(Box::new(error)) }
}
