//! Bounds: how much an archive may hold, and the meter that every unpacked byte passes.

use std::io::{self, Read};

use super::ArchiveError;
use crate::wording;

/// How much an archive may hold. What is beyond is refused as soon as it is seen, not after it was unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Entries, folders counted.
    pub entries: u64,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Bytes of all that is unpacked.
    pub bytes: u64,
    /// How many times its own size an archive may unpack to, beyond `free_bytes`. Pictures hardly shrink and
    /// text shrinks tenfold, but a bomb shrinks a thousandfold.
    pub ratio: u64,
    /// Bytes that are unpacked whatever the archive's size: small archives of small files shrink well.
    pub free_bytes: u64,
}

impl Limits {
    /// The most that an archive of `size` bytes may unpack to.
    #[must_use]
    pub fn of(&self, size: u64) -> u64 {
        size.saturating_mul(self.ratio).saturating_add(self.free_bytes).min(self.bytes)
    }
}

/// Counts what one archive unpacks to.
pub(super) struct Meter {
    left: u64,
    limit: u64,
}

impl Meter {
    /// For an archive of `size` bytes.
    pub(super) fn new(limits: &Limits, size: u64) -> Self {
        let limit = limits.of(size);
        Self { left: limit, limit }
    }

    /// `inner`, with every byte counted.
    pub(super) fn over<R: Read>(&mut self, inner: R) -> Metered<'_, R> {
        Metered { inner, meter: self }
    }
}

/// A reader whose bytes are counted.
pub(super) struct Metered<'a, R> {
    inner: R,
    meter: &'a mut Meter,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.meter.left.checked_sub(read as u64) {
            Some(left) => {
                self.meter.left = left;
                Ok(read)
            }
            None => Err(ArchiveError::TooMuch {
                what: "unpacks to far more than its size allows",
                limit: wording::bytes(self.meter.limit),
            }
            .into()),
        }
    }
}
