//! Takes connections, within the bounds of the configuration.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use avalanche_chain::NodeReader;
use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

use super::GatewayConfig;
use super::connections::{Admission, Connections, Place};
use super::edge::{self, Edge};
use super::failure::Failure;
use super::stall::Stalling;
use crate::refuse::{LINGER, REFUSALS_MAX, answer, refuse, too_many};
use crate::trace::TraceId;

/// How much is read at once, in bytes: larger makes fewer and larger pieces of large bodies.
const READ_BYTES_MAX: usize = 64 << 10;
/// The rest after the system could not accept, as for want of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Serves a node until `shutdown` comes: then nobody new is let in, WebSockets are told, requests
/// in work have [`GatewayConfig::drain`], and what is left is cut off.
pub async fn serve(
    listener: TcpListener,
    node: Arc<dyn NodeReader>,
    config: GatewayConfig,
    shutdown: impl Future<Output = ()>,
) {
    let edge = Edge::new(node, config);
    let server = Arc::new(Server::new(&edge));
    let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
    let mut tasks = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = tasks.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be taken");
                sleep(ACCEPT_REST).await;
                continue;
            }
        };
        let metrics = &edge.metrics;
        let place = match server.connections.admit() {
            Admission::Room(place) => place,
            Admission::Instead(place) => {
                metrics.connections_closed_idle.fetch_add(1, Ordering::Relaxed);
                place
            }
            Admission::Full => {
                metrics.connections_refused.fetch_add(1, Ordering::Relaxed);
                if let Ok(permit) = Arc::clone(&refusals).try_acquire_owned() {
                    let reason = too_many(edge.config.connections_max);
                    tasks.spawn(async move {
                        refuse(stream, "too_many_connections", &reason).await;
                        drop(permit);
                    });
                }
                continue;
            }
        };
        let server = Arc::clone(&server);
        tasks.spawn(async move { server.connection(stream, place).await });
    }
    drop(listener);
    edge.closing.send_replace(true);
    let drained = timeout(edge.config.drain, async { while tasks.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::warn!(left = tasks.len(), "requests in work are cut off");
    }
    tasks.shutdown().await;
}

struct Server {
    edge: Arc<Edge>,
    router: Router,
    http: http1::Builder,
    connections: Arc<Connections>,
    closing: watch::Receiver<bool>,
}

impl Server {
    fn new(edge: &Arc<Edge>) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(edge.config.header_timeout)
            .max_header_size(edge.config.header_bytes_max)
            .max_buf_size(READ_BYTES_MAX.max(edge.config.header_bytes_max));
        Self {
            edge: Arc::clone(edge),
            router: edge::router(edge),
            http,
            connections: Connections::new(edge.config.connections_max),
            closing: edge.closing.subscribe(),
        }
    }

    async fn connection(&self, stream: TcpStream, place: Arc<Place>) {
        let _open = Gauge::new(&self.edge.metrics.connections);
        // Without it, answers wait for acknowledgements; that is slower and no more.
        _ = stream.set_nodelay(true);
        let begun = Arc::new(AtomicBool::new(false));
        let io = Stalling::new(stream, self.edge.config.write_timeout, Arc::clone(&begun));
        let service = service_fn(|request: Request<Incoming>| {
            begun.store(false, Ordering::Relaxed);
            let (busy, router, begun) = (place.begin(), self.router.clone(), Arc::clone(&begun));
            async move {
                let Some(_busy) = busy else {
                    let failure = Failure::busy("this connection was closed to make room");
                    return Ok::<_, Infallible>(failure.render(TraceId::fresh()));
                };
                let response = router.oneshot(request.map(Body::new)).await;
                begun.store(false, Ordering::Relaxed);
                response
            }
        });
        let served = self.http.serve_connection(TokioIo::new(io), service);
        let mut served = served.with_upgrades();
        let mut closing = self.closing.clone();
        let outcome = tokio::select! {
            outcome = &mut served => outcome,
            () = place.ended() => return,
            () = closed(&mut closing) => {
                if place.is_idle() {
                    return;
                }
                std::pin::Pin::new(&mut served).graceful_shutdown();
                (&mut served).await
            }
        };
        let Err(error) = outcome else { return };
        tracing::debug!(%error, "a connection ended");
        if error.is_timeout()
            && begun.load(Ordering::Relaxed)
            && let Some(parts) = served.into_parts()
        {
            let message = format!(
                "the head of the request did not come within {:?}; send it faster",
                self.edge.config.header_timeout
            );
            let text = answer("408 Request Timeout", "header_timeout", &message);
            let mut io = parts.io.into_inner();
            let talk = async {
                io.write_all(text.as_bytes()).await?;
                io.shutdown().await
            };
            // Whoever has gone, or does not read, misses the answer.
            _ = timeout(LINGER, talk).await;
        }
    }
}

/// Waits until the server ends.
pub(super) async fn closed(closing: &mut watch::Receiver<bool>) {
    // It is gone when the server is, which is an end, too.
    _ = closing.wait_for(|closing| *closing).await;
}

/// Counts what is there.
pub(super) struct Gauge<'a>(&'a AtomicU64);

impl<'a> Gauge<'a> {
    pub(super) fn new(counter: &'a AtomicU64) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Gauge<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
