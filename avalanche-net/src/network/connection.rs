//! One connection: its parts, and the one that writes.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::timeout;

use super::incoming::Incoming;
use super::io::{BoxStream, Io};
use super::link::{Drained, Link};
use super::parts::Parts;
use super::shared::Shared;
use super::stats::Counters;
use super::waiting::Outgoing;
use super::watch::Watch;
use crate::CloseReason;

/// The time that the end of a connection may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves one connection until it ends; says why.
pub(crate) async fn run(shared: &Shared, link: &Arc<Link>, stream: BoxStream) -> CloseReason {
    let io = Io::new(stream);
    let watch = Watch::new(shared.clock, shared.limits.read_timeout);
    let reason = {
        let mut incoming = Incoming::new(shared, link, io.reader(), &watch);
        let mut parts = Parts::<4>::new();
        let mut ends = pin!(link.closed());
        let mut reads = pin!(incoming.run());
        let mut writes = pin!(write(&shared.counters, shared.limits.write_timeout, link, &io));
        let mut watches = pin!(watch.missed());
        poll_fn(|cx| {
            parts.begin(cx);
            // Reading goes first: what is answered to it goes out in the write that follows.
            let mut polled = parts.poll(0, ends.as_mut());
            if polled.is_pending() {
                polled = parts.poll(1, reads.as_mut());
            }
            if polled.is_pending() {
                polled = parts.poll(2, writes.as_mut());
            }
            if polled.is_pending() {
                polled = parts.poll(3, watches.as_mut());
            }
            polled
        })
        .await
    };
    let _ = timeout(FAREWELL, io.shut_down()).await;
    reason
}

/// Writes what is queued: all that has gathered goes out in one write.
async fn write(counters: &Counters, longest: Duration, link: &Link, io: &Io) -> CloseReason {
    let mut out = Outgoing::default();
    loop {
        let drained = poll_fn(|cx| link.poll_drain(cx, &mut out)).await;
        let at_once = match send_in_time(longest, io, out.bytes()).await {
            Ok(at_once) => at_once,
            Err(reason) => return reason,
        };
        counters.sent(&mut out.tally);
        out.clear();
        // Whoever queued a frame since it was drained has had this polled once more. That is still
        // to come, unless it came while the write went on.
        if drained == Drained::Last && at_once {
            pending_once().await;
        }
    }
}

/// Pending until it is polled again.
async fn pending_once() {
    let mut polled = false;
    poll_fn(|_| if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending })
        .await;
}

/// Writes for as long as a write may take; says whether it was done at once. Nearly all writes are:
/// only one that is not gets a timer.
async fn send_in_time(longest: Duration, io: &Io, bytes: &[u8]) -> Result<bool, CloseReason> {
    let mut sent = pin!(io.send(bytes));
    let at_once = poll_fn(|cx| Poll::Ready(sent.as_mut().poll(cx))).await;
    let is_at_once = at_once.is_ready();
    let sent = match at_once {
        Poll::Ready(sent) => Ok(sent),
        Poll::Pending => timeout(longest, sent).await,
    };
    match sent {
        Ok(Ok(())) => Ok(is_at_once),
        Ok(Err(_)) => Err(CloseReason::RemoteClosed),
        Err(_) => Err(CloseReason::SlowWrite),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::ConnectionId;
    use crate::network::Limits;
    use crate::network::driver::Clock;
    use crate::network::inbound::Inbound;
    use crate::queue::Pushed;
    use crate::wire::{Short, build};
    use avalanche_consensus::{Id, NodeId};
    use tokio::io::AsyncReadExt;

    /// Lone frames, each queued once the one before was written, while it is written, or at any
    /// other time: all come.
    #[tokio::test(start_paused = true)]
    async fn no_frame_stays_behind_whenever_it_is_queued() {
        let limits = Limits::default();
        let inbound = Arc::new(Inbound::new(&limits, Clock::new()));
        let body = build::app_gossip(Id::EMPTY, vec![1; 100].into());
        let short = Short::of(&body).unwrap().unwrap();
        // The other end takes a part of a frame, a frame and a part, or all of them.
        for room in [short.len() / 3, short.len() + 1, 10 * short.len()] {
            let (near, mut far) = tokio::io::duplex(room);
            let inbound = Arc::clone(&inbound);
            let link = Arc::new(Link::new(ConnectionId(1), NodeId::EMPTY, &limits, inbound));
            let of_task = Arc::clone(&link);
            // A task, whose waker stays the same.
            let writer = tokio::spawn(async move {
                let (io, counters) = (Io::new(Box::new(near)), Counters::default());
                let mut parts = Parts::<1>::new();
                let mut writes = pin!(write(&counters, Duration::from_secs(1), &of_task, &io));
                poll_fn(|cx| {
                    parts.begin(cx);
                    parts.poll(0, writes.as_mut())
                })
                .await
            });
            let frames = async {
                let mut read = vec![0; short.len()];
                for queued in [1, 1, 2, 1, 3, 1] {
                    for _ in 0..queued {
                        assert_eq!(link.push_short(&short), Pushed::Queued);
                        // The writer has its turn, and may be in the middle of it after that.
                        tokio::task::yield_now().await;
                    }
                    for _ in 0..queued {
                        far.read_exact(&mut read).await.expect("the writer goes on");
                    }
                }
            };
            timeout(Duration::from_secs(9), frames).await.expect("a frame stays behind");
            writer.abort();
        }
    }
}
