//! What can be wrong with an archive.

use std::error::Error;
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
        if let Some(own) = error.get_ref().and_then(|inner| buried(inner)) {
            return own;
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Damaged { reason: "it is cut off" },
            // What decoders say of bytes that are not theirs.
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
                Self::Damaged { reason: "its bytes do not unpack" }
            }
            _ => Self::Io(error),
        }
    }

    /// The same refusal once more; nothing of a failed read, which cannot be copied.
    fn again(&self) -> Option<Self> {
        Some(match self {
            Self::Unknown => Self::Unknown,
            Self::Entry { path, reason } => Self::Entry { path: path.clone(), reason },
            Self::Damaged { reason } => Self::Damaged { reason },
            Self::TooMuch { what, limit } => Self::TooMuch { what, limit: limit.clone() },
            Self::Io(_) => return None,
        })
    }
}

/// A refusal of ours among the causes of an error: readers between us and the archive wrap what they pass on.
fn buried(error: &(dyn Error + 'static)) -> Option<ArchiveError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(own) = error.downcast_ref::<ArchiveError>() {
            return own.again();
        }
        // An I/O error names the cause of what it holds as its own, and so would hide ours.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

impl From<ArchiveError> for io::Error {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Io(error) => error,
            other => Self::other(other),
        }
    }
}
