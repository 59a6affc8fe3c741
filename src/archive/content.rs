//! Content: readers that hold an entry to what it declares.

use std::io::{self, Read};

use flate2::Crc;

use super::ArchiveError;

/// A reader that must have just as many bytes as declared, and their checksum where there is one.
pub(super) struct Declared<R> {
    inner: R,
    left: u64,
    checksum: Option<(Crc, u32)>,
    is_over: bool,
}

impl<R: Read> Declared<R> {
    /// `size` bytes of `inner`, with this CRC-32.
    pub(super) fn new(inner: R, size: u64, checksum: Option<u32>) -> Self {
        let checksum = checksum.map(|checksum| (Crc::new(), checksum));
        Self { inner, left: size, checksum, is_over: false }
    }

    fn end(&mut self) -> io::Result<usize> {
        if std::mem::replace(&mut self.is_over, true) {
            return Ok(0);
        }
        // The inner reader may have more than it declared, and says so only when asked.
        if self.inner.read(&mut [0])? > 0 {
            return damaged("a file is longer than declared");
        }
        match &self.checksum {
            Some((found, declared)) if found.sum() != *declared => {
                damaged("a file has another checksum than declared")
            }
            _ => Ok(0),
        }
    }
}

impl<R: Read> Read for Declared<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.left == 0 {
            return self.end();
        }
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.inner.read(&mut buffer[..wanted])?;
        if read == 0 {
            return damaged("it is cut off");
        }
        self.left -= read as u64;
        if let Some((crc, _)) = &mut self.checksum {
            crc.update(&buffer[..read]);
        }
        Ok(read)
    }
}

fn damaged(reason: &'static str) -> io::Result<usize> {
    Err(ArchiveError::Damaged { reason }.into())
}
