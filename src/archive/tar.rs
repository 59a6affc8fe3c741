//! Tar: one header after another, each with its content, as a stream.
//!
//! Reads raw headers and the two ways of writing long paths (GNU's `L`, pax's `x`), each bounded: left to
//! itself, a tar reader takes a path of gigabytes into memory.

use std::io::Read;

use tar::{Archive, EntryType, Header, PaxExtensions};

use super::bounds::Meter;
use super::content::Declared;
use super::paths::Paths;
use super::{ArchiveError, Entry, EntryKind, Limits, Visit};
use crate::wording;

/// Bytes of a header that only carries a path or properties.
const NOTE_BYTES_MAX: u64 = 64 << 10;

/// Whether `head` is a tar's first header: its checksum is right.
pub(super) fn begins(head: &[u8]) -> bool {
    /// Where the header's own checksum stands; it is taken for blanks while summing.
    const CHECKSUM: std::ops::Range<usize> = 148..156;
    let Some(head) = head.get(..512) else { return false };
    let byte =
        |(i, byte): (usize, &u8)| u32::from(if CHECKSUM.contains(&i) { b' ' } else { *byte });
    let sum: u32 = head.iter().enumerate().map(byte).sum();
    // A header of zeros is the end of an archive without entries.
    head.iter().all(|byte| *byte == 0)
        || Header::from_byte_slice(head).cksum().is_ok_and(|declared| declared == sum)
}

/// Reads every entry of the tar in `source`.
pub(super) fn read<E: From<ArchiveError>>(
    source: impl Read,
    limits: &Limits,
    meter: &mut Meter,
    visit: Visit<'_, E>,
) -> Result<(), E> {
    let mut archive = Archive::new(meter.over(source));
    let entries = archive.entries().map_err(ArchiveError::reading)?.raw(true);
    let mut paths = Paths::new(limits);
    let mut noted = None;
    for entry in entries {
        let mut entry = entry.map_err(ArchiveError::reading)?;
        let header = entry.header().clone();
        let size = header.entry_size().map_err(ArchiveError::reading)?;
        match note(&header, size, &mut entry)? {
            Note::Path(path) => noted = Some(path),
            Note::Nothing => {}
            Note::Entry => {
                let raw = noted.take().unwrap_or_else(|| header.path_bytes().into_owned());
                let Some(entry_found) = admit(&mut paths, &header, &raw, size, limits)? else {
                    continue;
                };
                visit(&entry_found, &mut Declared::new(&mut entry, size, None))?;
            }
        }
    }
    Ok(())
}

/// What a header says that is not an entry of its own.
enum Note {
    /// The next entry's path.
    Path(Vec<u8>),
    /// Nothing that matters here.
    Nothing,
    /// It is an entry.
    Entry,
}

fn note(header: &Header, size: u64, content: &mut impl Read) -> Result<Note, ArchiveError> {
    let kind = header.entry_type();
    if !matches!(kind, EntryType::GNULongName | EntryType::XHeader | EntryType::XGlobalHeader) {
        return Ok(Note::Entry);
    }
    if size > NOTE_BYTES_MAX {
        return Err(ArchiveError::entry(header.path_bytes(), "has too long a header"));
    }
    let mut bytes = Vec::new();
    Declared::new(content, size, None).read_to_end(&mut bytes).map_err(ArchiveError::reading)?;
    if kind == EntryType::GNULongName {
        while bytes.last() == Some(&0) {
            bytes.pop();
        }
        return Ok(Note::Path(bytes));
    }
    properties(&bytes, kind == EntryType::XGlobalHeader)
}

/// Reads pax properties; only paths matter, and what would change how content is read is refused.
fn properties(bytes: &[u8], is_global: bool) -> Result<Note, ArchiveError> {
    let damaged = |_| ArchiveError::Damaged { reason: "a tar header's properties are unreadable" };
    let mut path = Note::Nothing;
    for property in PaxExtensions::new(bytes) {
        let property = property.map_err(damaged)?;
        match property.key_bytes() {
            b"path" if !is_global => path = Note::Path(property.value_bytes().to_vec()),
            b"path" | b"linkpath" | b"size" => {
                let reason = "has a property in its header that is not read here: pack it by `tar --format=gnu`";
                return Err(ArchiveError::entry(property.value_bytes(), reason));
            }
            key if key.starts_with(b"GNU.sparse") => {
                return Err(ArchiveError::entry(
                    key,
                    "is a sparse file: pack it without `--sparse`",
                ));
            }
            _ => {}
        }
    }
    Ok(path)
}

/// The entry that a header describes; nothing for the folder that all lies in.
fn admit(
    paths: &mut Paths,
    header: &Header,
    raw: &[u8],
    size: u64,
    limits: &Limits,
) -> Result<Option<Entry>, ArchiveError> {
    let refuse = |reason| Err(ArchiveError::entry(raw, reason));
    let is_folder = match header.entry_type() {
        // Before there was a type for folders, a slash said it.
        EntryType::Regular => raw.ends_with(b"/"),
        EntryType::Directory => true,
        EntryType::Symlink | EntryType::Link => {
            return refuse("is a link: archives hold files and folders here");
        }
        EntryType::Char | EntryType::Block => return refuse("is a device"),
        EntryType::Fifo => return refuse("is a named pipe"),
        EntryType::GNUSparse => return refuse("is a sparse file: pack it without `--sparse`"),
        _ => return refuse("is neither a file nor a folder"),
    };
    if is_folder && size > 0 {
        return refuse("is a folder with content");
    }
    if size > limits.file_bytes {
        let limit = wording::bytes(limits.file_bytes);
        return Err(ArchiveError::TooMuch { what: "has too large a file", limit });
    }
    let executable = header.mode().is_ok_and(|mode| mode & 0o100 != 0);
    let kind = if is_folder { EntryKind::Folder } else { EntryKind::File { size, executable } };
    Ok(paths.admit(raw, is_folder)?.map(|path| Entry { path, kind }))
}
