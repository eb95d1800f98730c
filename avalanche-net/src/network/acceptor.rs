//! The task that takes connections in.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep, timeout};

use super::events::NetworkEvent;
use super::shared::Shared;
use crate::CloseReason;
use crate::control::Direction;
use crate::transport::{Listener, Pending};

/// The pause after the listener itself failed, as it does where the process has no descriptors
/// left.
const PAUSE: Duration = Duration::from_millis(100);

/// Takes connections in until it is dropped.
///
/// Connections that come too fast are closed before TLS, and no more than a bounded number is in
/// TLS at once: of those that come beyond, the newest are closed.
pub(crate) async fn run(shared: Arc<Shared>, mut listener: Box<dyn Listener>) {
    let slots = Arc::new(Semaphore::new(shared.limits.pending_upgrades));
    let mut tasks = JoinSet::new();
    loop {
        while tasks.try_join_next().is_some() {}
        shared.inbound.pace_accept().await;
        let pending = match listener.accept().await {
            Ok(pending) => pending,
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                sleep(PAUSE).await;
                continue;
            }
        };
        let remote = pending.remote();
        if !shared.inbound.may_upgrade(remote) {
            refuse(&shared, remote, CloseReason::ConnectionRate);
            continue;
        }
        let Ok(permit) = Arc::clone(&slots).try_acquire_owned() else {
            refuse(&shared, remote, CloseReason::ConnectionRate);
            continue;
        };
        let shared = Arc::clone(&shared);
        tasks.spawn(async move {
            let _permit = permit;
            upgrade(&shared, pending, remote).await;
        });
    }
}

async fn upgrade(shared: &Shared, pending: Pending, remote: SocketAddr) {
    match timeout(shared.limits.upgrade_timeout, pending.upgrade()).await {
        Ok(Ok(connection)) => {
            let event = shared.waiting.open(connection, Direction::Inbound);
            let _ = shared.tell(event).await;
        }
        Ok(Err(error)) => {
            tracing::debug!(%remote, %error, "connection refused");
            refuse(shared, remote, error.reason());
        }
        Err(_) => refuse(shared, remote, CloseReason::Timeout),
    }
}

/// Nothing is known of the peer yet but its address.
fn refuse(shared: &Shared, remote: SocketAddr, reason: CloseReason) {
    shared.counters.closed(reason);
    shared.publish(NetworkEvent::Disconnected {
        node_id: None,
        remote,
        was_connected: false,
        reason,
    });
}
