//! What can be wrong with an archive.

use std::io;

/// Why an archive is refused.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The bytes are none of the formats.
    #[error("it is no tar, tar.gz, tar.zst or zip archive")]
    Unknown,
    /// An entry that must not be there.
    #[error("entry `{path}` {reason}")]
    Entry {
        /// Its path, what is not printable in it escaped.
        path: String,
        /// `leads outside`, for example.
        reason: &'static str,
    },
    /// The archive breaks its own format.
    #[error("it is damaged: {reason}")]
    Damaged {
        /// What is wrong.
        reason: &'static str,
    },
    /// More than anybody needs, or than the archive's size can honestly hold.
    #[error("it {what}, and more than {limit} is refused")]
    TooMuch {
        /// `unpacks to far more than its size`, for example.
        what: &'static str,
        /// The limit, for people.
        limit: String,
    },
    /// It could not be read.
    #[error("it cannot be read")]
    Io(#[source] io::Error),
}

impl ArchiveError {
    /// Refuses the entry at `path`, which is a stranger's text.
    pub(super) fn entry(path: impl AsRef<[u8]>, reason: &'static str) -> Self {
        /// Longer paths are cut: an error is for reading.
        const SHOWN_MAX: usize = 120;
        let path = path.as_ref();
        let shown = path[..path.len().min(SHOWN_MAX)].escape_ascii().to_string();
        Self::Entry { path: shown, reason }
    }

    /// The error behind what a reader of an entry's content returned.
    #[must_use]
    pub fn reading(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => own,
            Err(error) => match error.kind() {
                io::ErrorKind::UnexpectedEof => Self::Damaged { reason: "it is cut off" },
                // What decoders say of bytes that are not theirs.
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
                    Self::Damaged { reason: "its bytes do not unpack" }
                }
                _ => Self::Io(error),
            },
        }
    }
}

impl From<ArchiveError> for io::Error {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Io(error) => error,
            other => Self::other(other),
        }
    }
}
