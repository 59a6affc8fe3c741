//! Zip: a directory at the end that says where each file lies.
//!
//! A reader of its own, since the usual ones forgive what attacks are made of: files that overlap, names that
//! stand twice or differ between directory and file, directories larger than memory. Format: PKWARE APPNOTE 6.3.10.
//! Methods are stored and deflated, as every archiver writes them; 64-bit sizes are read.

use std::io::{Read, Seek, SeekFrom};

use flate2::read::DeflateDecoder;

use super::bounds::Meter;
use super::content::Declared;
use super::paths::Paths;
use super::{ArchiveError, Entry, EntryKind, Limits, Visit};
use crate::wording;

mod directory;

use directory::{Directory, Listed, number};

/// Signature of a file's own header, and its size without name and extra field.
const LOCAL: u64 = 0x0403_4b50;
const LOCAL_BYTES: usize = 30;

/// Compression methods.
const STORED: u64 = 0;
const DEFLATED: u64 = 8;

/// Reads every entry of the zip in `source`, in the order in which they lie there.
pub(super) fn read<S: Read + Seek, E: From<ArchiveError>>(
    source: &mut S,
    size: u64,
    limits: &Limits,
    meter: &mut Meter,
    visit: Visit<'_, E>,
) -> Result<(), E> {
    let directory = Directory::find(source, size, limits)?;
    let listed = directory.entries(source)?;
    let mut paths = Paths::new(limits);
    for (i, file) in listed.iter().enumerate() {
        let end = listed.get(i + 1).map_or(directory.start, |next| next.offset);
        let content = content(source, file, end)?;
        let Some(entry) = admit(&mut paths, file, limits)? else { continue };
        let packed = source.by_ref().take(content);
        let reader: &mut dyn Read = if file.method == STORED {
            &mut Declared::new(meter.over(packed), file.size, Some(file.checksum))
        } else {
            let unpacked = DeflateDecoder::new(packed);
            &mut Declared::new(meter.over(unpacked), file.size, Some(file.checksum))
        };
        visit(&entry, reader)?;
    }
    Ok(())
}

/// Goes to the content of `file`, whose place ends before `end`, and returns its packed size.
fn content(source: &mut (impl Read + Seek), file: &Listed, end: u64) -> Result<u64, ArchiveError> {
    let damaged = |reason| Err(ArchiveError::Damaged { reason });
    source.seek(SeekFrom::Start(file.offset)).map_err(ArchiveError::Io)?;
    let mut header = [0; LOCAL_BYTES];
    source.read_exact(&mut header).map_err(ArchiveError::reading)?;
    if number(&header[..4]) != LOCAL {
        return damaged("a zip's file has no header");
    }
    let (name_bytes, extra_bytes) = (number(&header[26..28]), number(&header[28..30]));
    let mut name = Vec::new();
    source.by_ref().take(name_bytes).read_to_end(&mut name).map_err(ArchiveError::reading)?;
    if name != file.name {
        return Err(ArchiveError::entry(&file.name, "has two names"));
    }
    let start = file.offset.saturating_add(LOCAL_BYTES as u64 + name_bytes + extra_bytes);
    if start.checked_add(file.packed).is_none_or(|content_end| content_end > end) {
        return Err(ArchiveError::entry(&file.name, "overlaps another one"));
    }
    source.seek(SeekFrom::Start(start)).map_err(ArchiveError::Io)?;
    Ok(file.packed)
}

fn admit(paths: &mut Paths, file: &Listed, limits: &Limits) -> Result<Option<Entry>, ArchiveError> {
    /// Bits of a file's mode that say what it is, on Unix.
    const KIND: u64 = 0o170_000;
    let refuse = |reason| Err(ArchiveError::entry(&file.name, reason));
    let is_folder = file.name.ends_with(b"/");
    match file.mode & KIND {
        0 | 0o100_000 => {}
        0o040_000 if is_folder => {}
        0o120_000 => return refuse("is a link: archives hold files and folders here"),
        _ => return refuse("is neither a file nor a folder"),
    }
    if file.is_encrypted {
        return refuse("is encrypted");
    }
    if ![STORED, DEFLATED].contains(&file.method)
        || (file.method == STORED && file.packed != file.size)
    {
        return refuse("is packed by a method other than deflate");
    }
    if is_folder && file.size > 0 {
        return refuse("is a folder with content");
    }
    if file.size > limits.file_bytes {
        let limit = wording::bytes(limits.file_bytes);
        return Err(ArchiveError::TooMuch { what: "has too large a file", limit });
    }
    let file_kind = EntryKind::File { size: file.size, executable: file.mode & 0o100 != 0 };
    let kind = if is_folder { EntryKind::Folder } else { file_kind };
    Ok(paths.admit(&file.name, is_folder)?.map(|path| Entry { path, kind }))
}
