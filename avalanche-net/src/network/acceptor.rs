//! The task that takes connections in.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};
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
/// TLS at once: for one that comes beyond, the one that is in it longest is closed. So whoever
/// opens connections and says nothing cannot keep others out: those have the time in which as many
/// come as are allowed, which is a second with the defaults.
pub(crate) async fn run(shared: Arc<Shared>, mut listener: Box<dyn Listener>) {
    let most = shared.limits.pending_upgrades;
    // Those that are through wait for the driver: as many again.
    let slots = Arc::new(Semaphore::new(most.saturating_mul(2).min(Semaphore::MAX_PERMITS)));
    // Those in TLS, oldest first; whose receiver is gone is through, or has failed.
    let mut in_tls: VecDeque<oneshot::Sender<()>> = VecDeque::new();
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
        in_tls.retain(|other| !other.is_closed());
        while in_tls.len() >= most {
            let _ = in_tls.pop_front().map(|oldest| oldest.send(()));
        }
        let (goes, must_go) = oneshot::channel();
        in_tls.push_back(goes);
        let shared = Arc::clone(&shared);
        tasks.spawn(async move {
            let _permit = permit;
            upgrade(&shared, pending, remote, must_go).await;
        });
    }
}

async fn upgrade(
    shared: &Shared,
    pending: Pending,
    remote: SocketAddr,
    must_go: oneshot::Receiver<()>,
) {
    let upgraded = tokio::select! {
        upgraded = timeout(shared.limits.upgrade_timeout, pending.upgrade()) => upgraded,
        Ok(()) = must_go => return refuse(shared, remote, CloseReason::ConnectionRate),
    };
    match upgraded {
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
