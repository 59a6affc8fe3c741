//! Paths in archives: plain, relative, in UTF-8, and no two for one place.

use std::collections::HashMap;

use super::{ArchiveError, Limits};
use crate::wording;

/// Bytes of a path; the kernel's own limit.
const PATH_BYTES_MAX: usize = 4096;
/// Bytes of one part of a path; the limit of every file system in use.
const PART_BYTES_MAX: usize = 255;
/// Folders above a file.
const DEPTH_MAX: usize = 64;
/// Bytes of all paths, which lie in memory.
const ALL_BYTES_MAX: u64 = 64 << 20;

/// What stands at a path so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    File,
    Folder,
}

/// Every path of an archive that was seen.
pub(super) struct Paths {
    seen: HashMap<String, Standing>,
    entries_max: u64,
    entries: u64,
    bytes: u64,
}

impl Paths {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { seen: HashMap::new(), entries_max: limits.entries, entries: 0, bytes: 0 }
    }

    /// The plain form of an entry's path; nothing for the folder that all lies in (`./`).
    pub(super) fn admit(
        &mut self,
        raw: &[u8],
        is_folder: bool,
    ) -> Result<Option<String>, ArchiveError> {
        self.count(raw)?;
        let Some(path) = plain(raw, is_folder)? else { return Ok(None) };
        let refuse = |reason| Err(ArchiveError::entry(&path, reason));
        for (at, _) in path.match_indices('/') {
            if self.seen.get(&path[..at]) == Some(&Standing::File) {
                return refuse("lies below a file");
            }
            if !self.seen.contains_key(&path[..at]) {
                self.bytes += at as u64;
                self.seen.insert(path[..at].to_owned(), Standing::Folder);
            }
        }
        let standing = if is_folder { Standing::Folder } else { Standing::File };
        match self.seen.insert(path.clone(), standing) {
            // Archivers do name a folder again.
            Some(Standing::Folder) if is_folder => Ok(Some(path)),
            Some(_) => refuse("stands there twice"),
            None => Ok(Some(path)),
        }
    }

    fn count(&mut self, raw: &[u8]) -> Result<(), ArchiveError> {
        self.entries += 1;
        self.bytes += raw.len() as u64;
        if self.entries > self.entries_max {
            let limit = wording::thousands(self.entries_max);
            return Err(ArchiveError::TooMuch { what: "has too many entries", limit });
        }
        if self.bytes > ALL_BYTES_MAX {
            let limit = wording::bytes(ALL_BYTES_MAX);
            return Err(ArchiveError::TooMuch { what: "has too many long paths", limit });
        }
        Ok(())
    }
}

fn plain(raw: &[u8], is_folder: bool) -> Result<Option<String>, ArchiveError> {
    let refuse = |reason| Err(ArchiveError::entry(raw, reason));
    if raw.len() > PATH_BYTES_MAX {
        return refuse("has too long a path");
    }
    let Ok(text) = std::str::from_utf8(raw) else {
        return refuse("has a path that is not UTF-8: rename it and pack again");
    };
    if text.starts_with('/') {
        return refuse("has an absolute path");
    }
    if text.contains('\\') {
        return refuse("has a backslash in its path: pack it where paths have `/`");
    }
    if text.chars().any(char::is_control) {
        return refuse("has a control character in its path");
    }
    let text = if is_folder { text.strip_suffix('/').unwrap_or(text) } else { text };
    // `tar -C folder .` writes `./` before every path.
    let text = text.strip_prefix("./").unwrap_or(text);
    if is_folder && (text == "." || text.is_empty()) {
        return Ok(None);
    }
    for part in text.split('/') {
        match part {
            ".." => return refuse("leads outside by `..`"),
            "" | "." => return refuse("has an empty part in its path"),
            part if part.len() > PART_BYTES_MAX => return refuse("has too long a name"),
            _ => {}
        }
    }
    if text.matches('/').count() > DEPTH_MAX {
        return refuse("lies too deep");
    }
    Ok(Some(text.to_owned()))
}
