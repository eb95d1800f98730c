//! One connection: its parts, and the one that writes.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncWriteExt, WriteHalf};
use tokio::time::timeout;

use super::incoming::Incoming;
use super::link::Link;
use super::parts::Part;
use super::shared::Shared;
use super::waiting::Outgoing;
use super::watch::Watch;
use crate::CloseReason;
use crate::transport::Stream;

/// The time that the end of a connection may take.
const FAREWELL: Duration = Duration::from_secs(1);

pub(super) type BoxStream = Box<dyn Stream>;

/// Serves one connection until it ends; says why.
pub(crate) async fn run(shared: &Shared, link: &Arc<Link>, stream: BoxStream) -> CloseReason {
    // All parts are in one task: the lock between the halves is never waited for.
    let (reader, mut writer) = tokio::io::split(stream);
    let watch = Watch::new(shared.clock, shared.limits.read_timeout);
    let mut incoming = Incoming::new(shared, link, reader, &watch);
    let reason = {
        let mut parts: [Part; 4] = Default::default();
        let mut ends = pin!(link.closed());
        let mut reads = pin!(incoming.run());
        let mut writes = pin!(write(shared, link, &mut writer));
        let mut watches = pin!(watch.missed());
        poll_fn(|cx| {
            let [end, read, write, missed] = &mut parts;
            // Reading goes first: what is answered to it goes out in the write that follows.
            let mut polled = end.poll(cx, ends.as_mut());
            if polled.is_pending() {
                polled = read.poll(cx, reads.as_mut());
            }
            if polled.is_pending() {
                polled = write.poll(cx, writes.as_mut());
            }
            if polled.is_pending() {
                polled = missed.poll(cx, watches.as_mut());
            }
            polled
        })
        .await
    };
    let _ = timeout(FAREWELL, writer.shutdown()).await;
    reason
}

/// Writes what is queued: all that has gathered goes out in one write.
async fn write(shared: &Shared, link: &Link, writer: &mut WriteHalf<BoxStream>) -> CloseReason {
    let mut out = Outgoing::default();
    loop {
        poll_fn(|cx| link.poll_drain(cx, &mut out)).await;
        if let Err(reason) = send_in_time(shared, writer, out.bytes()).await {
            return reason;
        }
        shared.counters.sent(&mut out.tally);
        out.clear();
    }
}

/// Writes for as long as a write may take. Nearly all writes are done at once: only one that is not
/// gets a timer.
async fn send_in_time(
    shared: &Shared,
    writer: &mut WriteHalf<BoxStream>,
    bytes: &[u8],
) -> Result<(), CloseReason> {
    let mut sent = pin!(send(writer, bytes));
    let at_once = poll_fn(|cx| Poll::Ready(sent.as_mut().poll(cx))).await;
    let sent = match at_once {
        Poll::Ready(sent) => Ok(sent),
        Poll::Pending => timeout(shared.limits.write_timeout, sent).await,
    };
    match sent {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(CloseReason::RemoteClosed),
        Err(_) => Err(CloseReason::SlowWrite),
    }
}

async fn send(writer: &mut WriteHalf<BoxStream>, bytes: &[u8]) -> std::io::Result<()> {
    writer.write_all(bytes).await?;
    writer.flush().await
}
