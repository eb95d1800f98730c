//! Asks the operating system for more than rustls wants, and so less often; and for less than
//! rustls asks, where that is enough.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is read at once while much comes: four records of TLS.
const CHUNK_BYTES: usize = 64 * 1024;
/// What rustls reads at once, and so the end of a stretch in which much comes.
const SHORT_BYTES: usize = 4 * 1024;

/// A stream that reads ahead while its reader takes all that it is given, and writes a lone record
/// as one buffer.
///
/// rustls reads 4 KiB at a time, a quarter of a record. Once that many came, the next read is of
/// 64 KiB; what is less than 4 KiB is the end of that. So short messages are read as they would be
/// without this, and an idle stream keeps no buffer.
#[derive(Debug)]
pub(super) struct ReadAhead<S> {
    stream: S,
    /// Empty unless much comes.
    buffer: Vec<u8>,
    /// The part of the buffer that was read and not taken yet.
    start: usize,
    end: usize,
    /// The last read filled the room that it had.
    much: bool,
}

impl<S> ReadAhead<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new(), start: 0, end: 0, much: false }
    }
}

impl<S: AsyncRead + Unpin> ReadAhead<S> {
    /// Reads into the empty buffer; nothing at the end of the stream.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.buffer.resize(CHUNK_BYTES, 0);
        let mut room = ReadBuf::new(&mut self.buffer);
        let read = Pin::new(&mut self.stream).poll_read(cx, &mut room);
        if read.is_pending() {
            (self.buffer, self.much) = (Vec::new(), false);
            return Poll::Pending;
        }
        (self.start, self.end) = (0, room.filled().len());
        self.much = self.end >= SHORT_BYTES;
        read
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadAhead<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.start == this.end {
            if !this.much {
                let before = into.remaining();
                ready!(Pin::new(&mut this.stream).poll_read(cx, into))?;
                this.much = into.remaining() == 0 && before >= SHORT_BYTES;
                return Poll::Ready(Ok(()));
            }
            ready!(this.poll_fill(cx))?;
        }
        let read = this.buffer.get(this.start..this.end).unwrap_or_default();
        let taken = read.len().min(into.remaining());
        into.put_slice(read.get(..taken).unwrap_or_default());
        this.start += taken;
        if this.start == this.end && !this.much {
            this.buffer = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadAhead<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, from)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.get_mut().stream);
        // rustls gives each record by itself. One buffer is sent in less time than a list of one.
        let mut filled = from.iter().filter(|buffer| !buffer.is_empty());
        match (filled.next(), filled.next()) {
            (Some(one), None) => stream.poll_write(cx, one),
            _ => stream.poll_write_vectored(cx, from),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// However it is cut, all arrives in order; and the buffer is there only while much comes.
    #[tokio::test]
    async fn bytes_arrive_in_order_and_an_idle_stream_keeps_no_buffer() {
        let (mut near, far) = duplex(1 << 20);
        let mut ahead = ReadAhead::new(far);
        let sent: Vec<u8> = (0..300_000_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let (mut read, mut buffered) = (Vec::<u8>::new(), 0);
        for part in [10, 4_096, 200_000, 5, 4_095, 70_000, 21_794] {
            near.write_all(&sent[read.len()..][..part]).await.unwrap();
            let end = read.len() + part;
            while read.len() < end {
                let mut room = vec![0; 4_096.min(end - read.len())];
                let taken = ahead.read(&mut room).await.unwrap();
                read.extend(&room[..taken]);
                buffered += usize::from(!ahead.buffer.is_empty());
            }
            let mut room = [0; 4_096];
            let idle = tokio::time::timeout(std::time::Duration::ZERO, ahead.read(&mut room));
            assert!(idle.await.is_err(), "nothing is left");
            assert!(ahead.buffer.is_empty(), "a buffer is kept after {part} bytes");
        }
        assert!(read == sent && buffered > 50, "{buffered}");
        drop(near);
        assert_eq!(ahead.read(&mut [0; 4_096]).await.unwrap(), 0);
    }

    /// Keeps what was written, and whether it came as a list.
    #[derive(Debug, Default)]
    struct Calls(Vec<(bool, Vec<u8>)>);

    impl AsyncWrite for Calls {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            from: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.0.push((false, from.to_vec()));
            Poll::Ready(Ok(from.len()))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            from: &[io::IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all: Vec<u8> = from.iter().flat_map(|buffer| buffer.to_vec()).collect();
            let written = all.len();
            self.0.push((true, all));
            Poll::Ready(Ok(written))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn one_buffer_is_written_by_itself_and_several_as_a_list() {
        let mut ahead = ReadAhead::new(Calls::default());
        for buffers in [&["", "one", ""][..], &["two", "", "three"]] {
            let list: Vec<_> =
                buffers.iter().map(|buffer| io::IoSlice::new(buffer.as_bytes())).collect();
            let written = ahead.write_vectored(&list).await.unwrap();
            assert_eq!(written, buffers.concat().len());
        }
        let calls = [(false, b"one".to_vec()), (true, b"twothree".to_vec())];
        assert_eq!(ahead.stream.0, calls);
    }
}
