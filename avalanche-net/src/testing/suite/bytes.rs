//! Rules on what goes over a connection.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use std::{io, mem};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time;

use super::{Node, Report, ensure, pair};
use crate::transport::Stream;

/// Bytes of the large transfers: more than fits into any buffer on the way.
const LARGE: usize = 8 * 1024 * 1024;
/// More than any transport may take from who writes to one that does not read.
const BUFFERS: usize = 64 * 1024 * 1024;

/// Bytes of which no part is like another one.
fn pattern(len: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes().first().copied().unwrap_or_default()
    };
    (0..len).map(|_| next()).collect()
}

/// Writes all of this and ends the direction.
async fn write_all(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await?;
    stream.shutdown().await
}

async fn read_all(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    Ok(bytes)
}

pub(super) async fn both_ways(nodes: (Node, Node)) -> Result<Report, String> {
    let (near, far) = pair(nodes).await?;
    let (there, back) = (pattern(LARGE, 1), pattern(LARGE, 2));
    let (mut near_read, mut near_write) = tokio::io::split(near.stream);
    let (mut far_read, mut far_write) = tokio::io::split(far.stream);
    let (_, _, came_back, came_there) = tokio::try_join!(
        write_all(&mut near_write, &there),
        write_all(&mut far_write, &back),
        read_all(&mut near_read),
        read_all(&mut far_read),
    )
    .map_err(|error| error.to_string())?;
    ensure(came_there == there, || format!("{} other bytes came there", came_there.len()))?;
    ensure(came_back == back, || format!("{} other bytes came back", came_back.len()))?;
    let bytes = u64::try_from(2 * LARGE).unwrap_or(u64::MAX);
    Ok(Report { connections: 1, bytes, ..Report::default() })
}

pub(super) async fn ping_pong(nodes: (Node, Node)) -> Result<Report, String> {
    const ROUNDS: u8 = 100;
    let (mut near, mut far) = pair(nodes).await?;
    for round in 0..ROUNDS {
        for _ in 0..2 {
            let sent = async {
                near.stream.write_u8(round).await?;
                near.stream.flush().await?;
                far.stream.read_u8().await
            };
            let came = sent.await.map_err(|error| format!("round {round}: {error}"))?;
            ensure(came == round, || format!("{came} came in round {round}"))?;
            mem::swap(&mut near, &mut far);
        }
    }
    Ok(Report { connections: 1, bytes: 2 * u64::from(ROUNDS), ..Report::default() })
}

/// One end of a conversation that is polled by one task, without a split.
struct Conversation<'a> {
    stream: &'a mut dyn Stream,
    to_write: &'a [u8],
    to_read: usize,
    flushed: bool,
    read: Vec<u8>,
}

impl Conversation<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let reading = self.poll_read(cx)?;
        let writing = self.poll_write(cx)?;
        ready!(reading);
        ready!(writing);
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut buffer = [0; 16 * 1024];
        while self.read.len() < self.to_read {
            let mut buffer = ReadBuf::new(&mut buffer);
            ready!(Pin::new(&mut *self.stream).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            self.read.extend_from_slice(buffer.filled());
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.to_write.is_empty() {
            let taken = ready!(Pin::new(&mut *self.stream).poll_write(cx, self.to_write))?;
            self.to_write = self.to_write.get(taken..).unwrap_or_default();
        }
        if !self.flushed {
            ready!(Pin::new(&mut *self.stream).poll_flush(cx))?;
            self.flushed = true;
        }
        Poll::Ready(Ok(()))
    }
}

pub(super) async fn one_task(nodes: (Node, Node)) -> Result<Report, String> {
    let (mut near, mut far) = pair(nodes).await?;
    let (there, back) = (pattern(LARGE, 3), pattern(LARGE, 4));
    let conversation = |stream, to_write| Conversation {
        stream,
        to_write,
        to_read: LARGE,
        flushed: false,
        read: Vec::new(),
    };
    let mut near = conversation(near.stream.as_mut(), &there);
    let mut far = conversation(far.stream.as_mut(), &back);
    // Both ends in one task, even: neither may wait for the other's.
    poll_fn(|cx| {
        let (near, far) = (near.poll(cx)?, far.poll(cx)?);
        ready!(near);
        ready!(far);
        Poll::Ready(Ok::<_, io::Error>(()))
    })
    .await
    .map_err(|error| error.to_string())?;
    ensure(far.read == there, || "other bytes came there".to_owned())?;
    ensure(near.read == back, || "other bytes came back".to_owned())?;
    let bytes = u64::try_from(2 * LARGE).unwrap_or(u64::MAX);
    Ok(Report { connections: 1, bytes, ..Report::default() })
}

pub(super) async fn half_close(nodes: (Node, Node)) -> Result<Report, String> {
    let (mut near, mut far) = pair(nodes).await?;
    let question = pattern(100_000, 5);
    let failed = |error: io::Error| error.to_string();
    let (_, came) =
        tokio::try_join!(write_all(&mut near.stream, &question), read_all(&mut far.stream))
            .map_err(failed)?;
    ensure(came == question, || format!("{} bytes came before the end", came.len()))?;
    let (_, answer) =
        tokio::try_join!(write_all(&mut far.stream, &came), read_all(&mut near.stream))
            .map_err(failed)?;
    ensure(answer == question, || format!("{} bytes came after the end", answer.len()))?;
    Ok(Report { connections: 1, bytes: 200_000, ..Report::default() })
}

pub(super) async fn dropped((from, to): (Node, Node)) -> Result<Report, String> {
    for dialling_end in [true, false] {
        let (dialled, accepted) = pair((from.clone(), to.clone())).await?;
        let (gone, mut left) = if dialling_end { (dialled, accepted) } else { (accepted, dialled) };
        drop(gone);
        let read = left.stream.read(&mut [0]).await;
        ensure(!matches!(read, Ok(1..)), || format!("read {read:?} from a dropped end"))?;
        // It may take some writes until the news is here, but not for ever.
        let write = async {
            while left.stream.write_all(&[0; 1024]).await.is_ok() {
                if left.stream.flush().await.is_err() {
                    break;
                }
                time::sleep(Duration::from_millis(1)).await;
            }
        };
        write.await;
    }
    Ok(Report { connections: 2, ..Report::default() })
}

pub(super) async fn not_read(nodes: (Node, Node)) -> Result<Report, String> {
    let (mut near, mut far) = pair(nodes).await?;
    let chunk = pattern(64 * 1024, 6);
    let mut taken = 0;
    // Stopped means: nothing more is taken for a while.
    while let Ok(written) =
        time::timeout(Duration::from_millis(500), near.stream.write(&chunk)).await
    {
        taken += written.map_err(|error| error.to_string())?;
        ensure(taken <= BUFFERS, || format!("{taken} bytes were taken that nobody read"))?;
    }
    // And it goes on as soon as somebody reads.
    let mut came = vec![0; taken];
    let flush = async {
        near.stream.flush().await?;
        Ok(near)
    };
    let (near, _) = tokio::try_join!(flush, far.stream.read_exact(&mut came))
        .map_err(|error| error.to_string())?;
    drop(near);
    let whole = came.chunks(chunk.len()).all(|came| chunk.starts_with(came) || came.len() < 65_536);
    ensure(whole, || "other bytes came".to_owned())?;
    let bytes = u64::try_from(taken).unwrap_or(u64::MAX);
    Ok(Report { connections: 1, bytes, ..Report::default() })
}
