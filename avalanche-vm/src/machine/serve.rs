//! What clients see: answers about the accepted state, beside the VM.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;

use super::StateMachine;
use crate::{Error, HttpHandler, HttpRequest, HttpResponse};

/// The accepted state, as the VM last published it.
pub(super) struct Published<M: StateMachine> {
    pub(super) machine: Arc<M>,
    state: Mutex<Arc<M::State>>,
}

/// Asks the machine, as long as the instance is there. The question is the body of a `POST`, or the
/// query of a `GET`.
pub(super) struct StateHandler<M: StateMachine>(pub(super) Weak<Published<M>>);

impl<M: StateMachine> Published<M> {
    pub(super) fn new(machine: Arc<M>, state: Arc<M::State>) -> Arc<Self> {
        Arc::new(Self { machine, state: Mutex::new(state) })
    }

    pub(super) fn set(&self, state: &Arc<M::State>) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(state);
    }

    fn get(&self) -> Arc<M::State> {
        Arc::clone(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl<M: StateMachine> HttpHandler for StateHandler<M> {
    async fn handle(&self, request: HttpRequest) -> HttpResponse {
        let Some(published) = self.0.upgrade() else {
            return text(&Error::not_ready("the instance has gone"));
        };
        let question = match request.method.as_str() {
            "GET" => request.query.as_bytes(),
            "POST" => &request.body,
            _ => return HttpResponse { status: 405, content_type: "text/plain", body: Vec::new() },
        };
        match published.machine.query(&published.get(), question) {
            Ok(body) => {
                HttpResponse { status: 200, content_type: "application/octet-stream", body }
            }
            Err(invalid) => text(&invalid.into()),
        }
    }
}

fn text(error: &Error) -> HttpResponse {
    let body = error.to_string().into_bytes();
    HttpResponse { status: error.status(), content_type: "text/plain", body }
}
