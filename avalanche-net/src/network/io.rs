//! The stream of a connection, for the parts that read and write it.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};

use crate::transport::Stream;

pub(super) type BoxStream = Box<dyn Stream>;

/// A stream that two parts of one task use, so that its lock is never waited for. As
/// `tokio::io::split`, but that all of a write has one lock to pass.
pub(super) struct Io(Mutex<BoxStream>);

/// What reads it.
pub(super) struct Reader<'a>(&'a Io);

impl Io {
    pub(super) const fn new(stream: BoxStream) -> Self {
        Self(Mutex::new(stream))
    }

    fn lock(&self) -> MutexGuard<'_, BoxStream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) const fn reader(&self) -> Reader<'_> {
        Reader(self)
    }

    /// Writes all bytes, and sees that they are sent.
    pub(super) async fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        poll_fn(|cx| {
            let mut stream = self.lock();
            while !bytes.is_empty() {
                let written = ready!(Pin::new(&mut **stream).poll_write(cx, bytes))?;
                bytes = bytes.get(written..).unwrap_or_default();
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
            }
            Pin::new(&mut **stream).poll_flush(cx)
        })
        .await
    }

    /// Ends the stream.
    pub(super) async fn shut_down(self) -> io::Result<()> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner).shutdown().await
    }
}

impl AsyncRead for Reader<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut **self.0.lock()).poll_read(cx, into)
    }
}
