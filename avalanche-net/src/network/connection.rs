//! The two loops of one connection: what is read, and what is written.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::{Instant, timeout, timeout_at};

use super::inbox::{Delivery, InboxShared};
use super::link::Link;
use super::shared::Shared;
use super::stats::{self, Tally};
use super::ticket::Ticket;
use crate::CloseReason;
use crate::control::Event;
use crate::transport::BoxStream;
use crate::wire::{self, Class, Decoded, Decoder, Frame, FrameReader, Route};

/// Room asked for before each read: what one TLS record holds.
const READ_CHUNK: usize = 16 * 1024;
/// Frames are gathered into one write up to this many bytes; a larger frame is written by itself.
const WRITE_CHUNK: usize = 64 * 1024;
/// Complete frames of more bytes are used where they lie; fewer are copied, so that a small message
/// which is kept does not keep a large buffer.
const COPY_MAX: usize = 64 * 1024;
/// The time that the end of a connection may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves one connection until it ends; says why.
pub(crate) async fn run(shared: &Shared, link: &Arc<Link>, stream: BoxStream) -> CloseReason {
    // Both loops are in one task: the lock between the halves is never waited for.
    let (reader, mut writer) = tokio::io::split(stream);
    let mut incoming = Incoming::new(shared, link, reader);
    let reason = tokio::select! {
        reason = incoming.run() => reason,
        reason = write(shared, link, &mut writer) => reason,
        reason = link.closed() => reason,
    };
    let _ = timeout(FAREWELL, writer.shutdown()).await;
    reason
}

/// Writes what is queued: all that has gathered goes out in one write.
async fn write(shared: &Shared, link: &Link, writer: &mut WriteHalf<BoxStream>) -> CloseReason {
    let (mut frames, mut gathered) = (Vec::new(), BytesMut::new());
    let mut tally = Tally::default();
    loop {
        frames.clear();
        link.queue().drain(&mut frames, WRITE_CHUNK);
        if frames.is_empty() {
            // An idle connection keeps no buffer.
            gathered = BytesMut::new();
            link.filled().await;
            continue;
        }
        frames.iter().for_each(|frame: &Frame| tally.add(frame.op(), frame.len()));
        let written = timeout(shared.limits.write_timeout, send(writer, &mut frames, &mut gathered));
        match written.await {
            Ok(Ok(())) => shared.counters.sent(&mut tally),
            Ok(Err(_)) => return CloseReason::RemoteClosed,
            Err(_) => return CloseReason::SlowWrite,
        }
    }
}

async fn send(
    writer: &mut WriteHalf<BoxStream>,
    frames: &mut Vec<Frame>,
    gathered: &mut BytesMut,
) -> std::io::Result<()> {
    for frame in frames.drain(..) {
        if frame.len() >= WRITE_CHUNK {
            writer.write_all(gathered).await?;
            gathered.clear();
            writer.write_all(frame.bytes()).await?;
        } else {
            gathered.extend_from_slice(frame.bytes());
        }
    }
    writer.write_all(gathered).await?;
    gathered.clear();
    writer.flush().await
}

/// The reading half of a connection.
struct Incoming<'a> {
    shared: &'a Shared,
    link: &'a Arc<Link>,
    reader: ReadHalf<BoxStream>,
    decoder: Decoder,
    buffer: BytesMut,
    /// For chains, in the order of arrival, and the inbox that they go to.
    pending: VecDeque<Delivery>,
    inbox: Option<Arc<InboxShared>>,
    tally: Tally,
}

impl<'a> Incoming<'a> {
    fn new(shared: &'a Shared, link: &'a Arc<Link>, reader: ReadHalf<BoxStream>) -> Self {
        Self {
            shared,
            link,
            reader,
            decoder: Decoder::new(),
            buffer: BytesMut::new(),
            pending: VecDeque::new(),
            inbox: None,
            tally: Tally::default(),
        }
    }

    async fn run(&mut self) -> CloseReason {
        loop {
            // A whole frame has so long, however slowly its bytes come.
            let deadline = Instant::now() + self.shared.limits.read_timeout;
            let complete = match self.fill(deadline).await {
                Ok(complete) => complete,
                Err(reason) => return reason,
            };
            let frames = if complete > COPY_MAX {
                self.buffer.split_to(complete).freeze()
            } else {
                let frames = Bytes::copy_from_slice(self.buffer.get(..complete).unwrap_or_default());
                bytes::Buf::advance(&mut self.buffer, complete);
                frames
            };
            if let Err(reason) = self.take(frames).await {
                return reason;
            }
        }
    }

    /// Reads until there is a complete frame; returns how many bytes of complete frames there are.
    async fn fill(&mut self, deadline: Instant) -> Result<usize, CloseReason> {
        loop {
            let complete = FrameReader::complete(&self.buffer)
                .map_err(|_| CloseReason::OversizedFrame)?;
            if complete > 0 {
                return Ok(complete);
            }
            if self.buffer.is_empty() && self.buffer.capacity() > COPY_MAX {
                self.buffer = BytesMut::new();
            }
            self.buffer.reserve(READ_CHUNK);
            match timeout_at(deadline, self.reader.read_buf(&mut self.buffer)).await {
                Ok(Ok(0) | Err(_)) => return Err(CloseReason::RemoteClosed),
                Ok(Ok(read)) => self.shared.inbound.bandwidth(self.link, read).await,
                Err(_) if self.buffer.is_empty() => return Err(CloseReason::Timeout),
                Err(_) => return Err(CloseReason::SlowRead),
            }
        }
    }

    /// Handles complete frames.
    async fn take(&mut self, mut frames: Bytes) -> Result<(), CloseReason> {
        let ticket = self.shared.inbound.acquire(self.link, frames.len()).await;
        while let Ok(Some(frame)) = FrameReader::next(&mut frames) {
            let len = frame.len() + wire::LENGTH_BYTES;
            match self.decoder.decode(frame) {
                Ok(decoded) => {
                    self.tally.add(decoded.op, len);
                    stats::add(
                        &self.shared.counters.unknown_fields,
                        u64::from(decoded.unknown_fields),
                    );
                    self.route(decoded, len, &ticket).await?;
                }
                Err(error) => {
                    tracing::debug!(node = %self.link.node_id, %error, "frame skipped");
                    stats::add(&self.shared.counters.undecodable, 1);
                }
            }
        }
        self.shared.counters.received(&mut self.tally);
        self.flush().await;
        Ok(())
    }

    async fn route(
        &mut self,
        decoded: Decoded,
        len: usize,
        ticket: &Ticket,
    ) -> Result<(), CloseReason> {
        let Decoded { op, body, .. } = decoded;
        if op.class() == Class::Control {
            let event = Event::Received { connection: self.link.id, body };
            return self.shared.tell(event).await;
        }
        let Some(Route { chain, deadline, .. }) = wire::route(&body) else { return Ok(()) };
        if !self.link.is_established() {
            stats::add(&self.shared.counters.undeliverable, 1);
            return Ok(());
        }
        let Some(body) = self.shared.requests.answer(self.link.node_id, op, body) else {
            return Ok(());
        };
        if self.inbox.as_ref().is_none_or(|inbox| inbox.chain() != chain) {
            self.flush().await;
            self.inbox = self.shared.inbox(&chain);
        }
        let Some(inbox) = &self.inbox else {
            stats::add(&self.shared.counters.undeliverable, 1);
            return Ok(());
        };
        let expires = deadline.map(|left| Instant::now() + left.min(inbox.maximum_deadline()));
        self.pending.push_back(Delivery {
            node_id: self.link.node_id,
            op,
            body,
            expires,
            len,
            _ticket: ticket.clone(),
        });
        Ok(())
    }

    /// Delivers what is pending for one chain.
    async fn flush(&mut self) {
        if let Some(inbox) = &self.inbox
            && !self.pending.is_empty()
        {
            inbox.deliver(&mut self.pending).await;
        }
    }
}
