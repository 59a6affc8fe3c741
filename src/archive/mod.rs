//! Archives from strangers: tar, tar.gz, tar.zst and zip, read entry by entry and trusted in nothing.
//!
//! Hands out plain relative paths and bounded content; whoever reads decides what becomes of them. It never
//! writes, so there is no folder to break out of, and it looks at the bytes, never at the archive's name. Knows
//! nothing of datasets or bundles.

mod bounds;
mod content;
mod error;
mod paths;
mod tar;
mod zip;

pub use bounds::Limits;
pub use error::ArchiveError;

use std::io::{Read, Seek, SeekFrom};

use bounds::Meter;
use flate2::read::MultiGzDecoder;

/// Bytes that tell the formats apart: a tar's mark stands at 257.
const HEAD_BYTES: usize = 512;

/// How the entries of an archive are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Plain tar.
    Tar,
    /// Tar in gzip.
    TarGz,
    /// Tar in Zstandard.
    TarZst,
    /// Zip, stored or deflated.
    Zip,
}

/// A file or folder in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Relative path with `/`; UTF-8, without `.`, `..` and empty parts, unique among files.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
}

/// What an entry is; links, devices and whatever else an archive may name are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A file.
    File {
        /// Its bytes, as declared; reading another number of them is an error.
        size: u64,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A folder.
    Folder,
}

/// Sees every entry with its content, which need not be read.
pub type Visit<'a, E> = &'a mut dyn FnMut(&Entry, &mut dyn Read) -> Result<(), E>;

/// Reads the whole archive in `source`, entry by entry.
///
/// # Errors
/// What is wrong with the archive, or what `visit` returned. A reader handed to `visit` fails with an
/// [`std::io::Error`] that [`ArchiveError::reading`] turns back.
pub fn read<S, E>(source: &mut S, limits: &Limits, visit: Visit<'_, E>) -> Result<(), E>
where
    S: Read + Seek,
    E: From<ArchiveError>,
{
    let (format, size) = look(source)?;
    let mut meter = Meter::new(limits, size);
    match format {
        Format::Zip => zip::read(source, size, limits, &mut meter, visit),
        Format::Tar => tar::read(source, limits, &mut meter, visit),
        Format::TarGz => tar::read(MultiGzDecoder::new(source), limits, &mut meter, visit),
        Format::TarZst => {
            let decoder =
                zstd::stream::read::Decoder::new(source).map_err(ArchiveError::reading)?;
            tar::read(decoder, limits, &mut meter, visit)
        }
    }
}

/// The format of an archive and its size; `source` stands at its beginning then.
fn look(source: &mut (impl Read + Seek)) -> Result<(Format, u64), ArchiveError> {
    let size = source.seek(SeekFrom::End(0)).map_err(ArchiveError::Io)?;
    source.rewind().map_err(ArchiveError::Io)?;
    let mut head = Vec::with_capacity(HEAD_BYTES);
    source.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(ArchiveError::Io)?;
    source.rewind().map_err(ArchiveError::Io)?;
    Ok((format_of(&head).ok_or(ArchiveError::Unknown)?, size))
}

/// The format that an archive's first bytes show.
fn format_of(head: &[u8]) -> Option<Format> {
    match head {
        [0x1f, 0x8b, ..] => Some(Format::TarGz),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Format::TarZst),
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Format::Zip),
        _ if tar::begins(head) => Some(Format::Tar),
        _ => None,
    }
}
