//! Lines of a trace file, plain or compressed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The longest line that is read, 256 MiB. Recorded lines are a thousand times shorter.
const LINE_BYTES_MAX: u64 = 256 << 20;

const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The magics of zstd's skippable frames differ in the last four bits.
const ZSTD_SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The lines of a file, one at a time.
pub(crate) struct Lines {
    source: Box<dyn BufRead>,
    line: Vec<u8>,
    number: u64,
}

impl Lines {
    /// Opens a file. Its first bytes decide how it is read; a name that promises a compressed form
    /// must keep the promise.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut file = BufReader::new(File::open(path)?);
        let head = file.fill_buf()?;
        let zstd = head.starts_with(&ZSTD_MAGIC)
            || (head.get(1..4) == Some(&ZSTD_SKIPPABLE)
                && head.first().is_some_and(|b| b >> 4 == 5));
        let gzip = head.starts_with(&GZIP_MAGIC);
        let named = |extension| path.extension().is_some_and(|found| found == extension);
        let source: Box<dyn BufRead> = if zstd {
            Box::new(BufReader::new(Zstd::new(file)))
        } else if gzip {
            Box::new(BufReader::new(MultiGzDecoder::new(file)))
        } else if named("zst") || named("gz") {
            return Err(invalid("neither zstd nor gzip data, although its name says so"));
        } else {
            Box::new(file)
        };
        Ok(Self { source, line: Vec::new(), number: 0 })
    }

    /// The next line without its end; `None` at the end of the file.
    pub(crate) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        let mut limited = self.source.by_ref().take(LINE_BYTES_MAX + 1);
        if limited.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        } else if limited.limit() == 0 {
            return Err(invalid("a line is longer than 256 MiB"));
        }
        Ok(Some(&self.line))
    }

    /// The number of the line that was read last, from 1; 0 before the first.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }
}

/// All frames of a zstd file, one after the other, with their checksums verified.
struct Zstd<R: BufRead> {
    source: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> Zstd<R> {
    fn new(source: R) -> Self {
        Self { source, decoder: FrameDecoder::new(), in_frame: false }
    }

    /// Begins the next frame that holds data; false at the end of the file.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.init(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    let mut skipped = self.source.by_ref().take(length);
                    if io::copy(&mut skipped, &mut io::sink())? < length {
                        return Err(invalid("zstd skippable frame is cut short"));
                    }
                }
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.in_frame {
                self.in_frame = self.next_frame()?;
                if !self.in_frame {
                    return Ok(0);
                }
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            }
            let count = self.decoder.read(out)?;
            if count > 0 || out.is_empty() {
                return Ok(count);
            }
            let stored = self.decoder.get_checksum_from_data();
            if stored.is_some() && stored != self.decoder.get_calculated_checksum() {
                return Err(invalid("zstd checksum does not match the data"));
            }
            self.in_frame = false;
        }
    }
}

fn invalid(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}
