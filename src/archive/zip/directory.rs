//! The directory of a zip: where it is, and the files that it lists.

use std::io::{Read, Seek, SeekFrom};

use super::super::{ArchiveError, Limits};
use crate::wording;

/// The record at the end of the archive, the 64-bit one, and what leads to it.
const END: &[u8] = b"PK\x05\x06";
const END_BYTES: usize = 22;
const END64: &[u8] = b"PK\x06\x06";
const END64_BYTES: usize = 56;
const LOCATOR64: &[u8] = b"PK\x06\x07";
const LOCATOR64_BYTES: usize = 20;
/// A listed file, without name, extra field and comment.
const LISTED: &[u8] = b"PK\x01\x02";
const LISTED_BYTES: usize = 46;
/// A comment may follow the record at the end.
const COMMENT_BYTES_MAX: usize = 65_535;

/// Bytes of the whole directory, which is read through once.
const DIRECTORY_BYTES_MAX: u64 = 256 << 20;
/// Bytes of all names, which lie in memory.
const NAMES_BYTES_MAX: u64 = 64 << 20;
/// Numbers that stand for "see the 64-bit field".
const ELSEWHERE_16: u64 = 0xffff;
const ELSEWHERE_32: u64 = 0xffff_ffff;

/// Where the directory lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Directory {
    /// Its first byte; all files lie before it.
    pub(super) start: u64,
    size: u64,
    entries: u64,
}

/// A file as the directory lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) name: Vec<u8>,
    /// Where its own header lies.
    pub(super) offset: u64,
    pub(super) packed: u64,
    pub(super) size: u64,
    pub(super) checksum: u32,
    pub(super) method: u64,
    /// Unix mode; 0 when another system packed it.
    pub(super) mode: u64,
    pub(super) is_encrypted: bool,
}

/// A little-endian number of up to eight bytes.
pub(super) fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

fn damaged(reason: &'static str) -> ArchiveError {
    ArchiveError::Damaged { reason }
}

impl Directory {
    /// Finds the directory of an archive of `size` bytes.
    pub(super) fn find(
        source: &mut (impl Read + Seek),
        size: u64,
        limits: &Limits,
    ) -> Result<Self, ArchiveError> {
        let tail_bytes = size.min((END_BYTES + COMMENT_BYTES_MAX + LOCATOR64_BYTES) as u64);
        let tail_start = size - tail_bytes;
        let tail = bytes_at(source, tail_start, tail_bytes)?;
        let at =
            end_record(&tail).ok_or_else(|| damaged("a zip without a directory, or cut off"))?;
        let end = &tail[at..];
        let small = Self {
            entries: number(&end[10..12]),
            size: number(&end[12..16]),
            start: number(&end[16..20]),
        };
        let (directory, before) = if small.is_elsewhere() {
            Self::find64(source, &tail[..at])?
        } else {
            (small, tail_start + at as u64)
        };
        directory.check(before, limits)
    }

    fn is_elsewhere(&self) -> bool {
        self.entries == ELSEWHERE_16 || self.size == ELSEWHERE_32 || self.start == ELSEWHERE_32
    }

    /// The directory by the 64-bit record, and where that record begins.
    fn find64(source: &mut (impl Read + Seek), tail: &[u8]) -> Result<(Self, u64), ArchiveError> {
        let missing = || damaged("a zip without its 64-bit record");
        let locator = tail.len().checked_sub(LOCATOR64_BYTES).map(|at| &tail[at..]);
        let locator = locator.filter(|bytes| bytes.starts_with(LOCATOR64)).ok_or_else(missing)?;
        let at = number(&locator[8..16]);
        let end = bytes_at(source, at, END64_BYTES as u64)?;
        if end.len() < END64_BYTES || !end.starts_with(END64) {
            return Err(missing());
        }
        let entries = number(&end[32..40]);
        Ok((Self { entries, size: number(&end[40..48]), start: number(&end[48..56]) }, at))
    }

    /// The directory lies before `end` and is of a size that can be read.
    fn check(self, end: u64, limits: &Limits) -> Result<Self, ArchiveError> {
        if self.entries > limits.entries {
            let limit = wording::thousands(limits.entries);
            return Err(ArchiveError::TooMuch { what: "has too many entries", limit });
        }
        if self.size > DIRECTORY_BYTES_MAX {
            let limit = wording::bytes(DIRECTORY_BYTES_MAX);
            return Err(ArchiveError::TooMuch { what: "has too large a directory", limit });
        }
        if self.start.checked_add(self.size).is_none_or(|stop| stop > end) {
            return Err(damaged("a zip's directory lies beyond its end"));
        }
        Ok(self)
    }

    /// The listed files in the order in which they lie in the archive.
    pub(super) fn entries(
        &self,
        source: &mut (impl Read + Seek),
    ) -> Result<Vec<Listed>, ArchiveError> {
        source.seek(SeekFrom::Start(self.start)).map_err(ArchiveError::Io)?;
        let mut rest = std::io::BufReader::new(source.take(self.size));
        let mut listed = Vec::new();
        let mut names = 0;
        for _ in 0..self.entries {
            let file = Listed::read(&mut rest)?;
            names += file.name.len() as u64;
            if names > NAMES_BYTES_MAX {
                let limit = wording::bytes(NAMES_BYTES_MAX);
                return Err(ArchiveError::TooMuch { what: "has too many long paths", limit });
            }
            listed.push(file);
        }
        if rest.read(&mut [0]).map_err(ArchiveError::reading)? > 0 {
            return Err(damaged("a zip lists more files than it counts"));
        }
        listed.sort_by_key(|file| file.offset);
        Ok(listed)
    }
}

impl Listed {
    fn read(source: &mut impl Read) -> Result<Self, ArchiveError> {
        /// The system that packed the file, in the upper byte of the version.
        const UNIX: u8 = 3;
        /// Bits of the flags: encrypted, strongly encrypted, header masked.
        const ENCRYPTED: u64 = 1 | (1 << 6) | (1 << 13);
        let mut head = [0; LISTED_BYTES];
        source.read_exact(&mut head).map_err(ArchiveError::reading)?;
        if !head.starts_with(LISTED) {
            return Err(damaged("a zip's directory is unreadable"));
        }
        let lengths = [28..30, 30..32, 32..34].map(|range| number(&head[range]));
        let [name, extra, _comment] = lengths.map(|len| taken(&mut *source, len));
        let mut file = Self {
            name: name?,
            offset: number(&head[42..46]),
            packed: number(&head[20..24]),
            size: number(&head[24..28]),
            checksum: u32::try_from(number(&head[16..20])).expect("four bytes"),
            method: number(&head[10..12]),
            mode: if head[5] == UNIX { number(&head[40..42]) } else { 0 },
            is_encrypted: number(&head[8..10]) & ENCRYPTED != 0,
        };
        file.widen(&extra?)?;
        Ok(file)
    }

    /// Takes sizes and place from the 64-bit extra field where the plain ones point to it.
    fn widen(&mut self, extra: &[u8]) -> Result<(), ArchiveError> {
        /// The extra field with 64-bit numbers.
        const WIDE: u64 = 1;
        let missing = || damaged("a zip's 64-bit size is missing");
        let mut rest = extra;
        let mut wide: &[u8] = &[];
        while let [id_low, id_high, len_low, len_high, after @ ..] = rest {
            let len = usize::from(u16::from_le_bytes([*len_low, *len_high]));
            let field =
                after.get(..len).ok_or_else(|| damaged("a zip's extra field is cut off"))?;
            if number(&[*id_low, *id_high]) == WIDE {
                wide = field;
            }
            rest = &after[len..];
        }
        // In this order, and only those that do not fit.
        for value in [&mut self.size, &mut self.packed, &mut self.offset] {
            if *value == ELSEWHERE_32 {
                let (bytes, after) = wide.split_at_checked(8).ok_or_else(missing)?;
                *value = number(bytes);
                wide = after;
            }
        }
        Ok(())
    }
}

/// Where the last record begins, whose comment reaches just to the end.
fn end_record(tail: &[u8]) -> Option<usize> {
    let last = tail.len().checked_sub(END_BYTES)?;
    (0..=last).rev().find(|&at| {
        let record = &tail[at..];
        // Archives in several parts are of another century.
        let is_whole = number(&record[4..8]) == 0 && record[8..10] == record[10..12];
        record.starts_with(END)
            && is_whole
            && at + END_BYTES + usize::from(u16::from_le_bytes([record[20], record[21]]))
                == tail.len()
    })
}

fn bytes_at(source: &mut (impl Read + Seek), at: u64, len: u64) -> Result<Vec<u8>, ArchiveError> {
    source.seek(SeekFrom::Start(at)).map_err(ArchiveError::Io)?;
    taken(source, len)
}

fn taken(source: &mut impl Read, len: u64) -> Result<Vec<u8>, ArchiveError> {
    let mut bytes = Vec::new();
    source.take(len).read_to_end(&mut bytes).map_err(ArchiveError::reading)?;
    Ok(bytes)
}
