//! What can go wrong with a bucket; each in one line that says what to do.

use std::io;

/// Why the bucket could not do it.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// No server answers.
    #[error("cannot reach {place}: {reason}")]
    Unreachable {
        /// `s3://bucket/prefix`.
        place: String,
        /// No route, refused, broken connection, unknown host.
        reason: String,
    },
    /// A server was reached and then said nothing, each time it was asked.
    #[error("{place} does not answer: it said nothing for {secs:.0} s, several times over")]
    Stalled {
        /// `s3://bucket/prefix`.
        place: String,
        /// How long each request was waited for.
        secs: f64,
    },
    /// There are no credentials, or the server does not take them.
    #[error("{place} needs other credentials: {reason}")]
    Credentials {
        /// `s3://bucket/prefix`.
        place: String,
        /// The server's code, or what was looked for.
        reason: String,
    },
    /// The credentials are known and do not allow it.
    #[error("{place} does not allow these credentials to {action}")]
    Forbidden {
        /// `s3://bucket/prefix`.
        place: String,
        /// `read`, `write`, `list`, `delete`.
        action: &'static str,
    },
    /// There is no such bucket.
    #[error("{place}: there is no such bucket at this server")]
    NoBucket {
        /// `s3://bucket/prefix`.
        place: String,
    },
    /// The server is there, and each time it was asked it failed or sent us away.
    #[error("{place} is overloaded or broken, trying again did not help: {reason}")]
    Busy {
        /// `s3://bucket/prefix`.
        place: String,
        /// The server's code.
        reason: String,
    },
    /// The object is not the version that was asked for.
    #[error("{place}: what is read has changed meanwhile")]
    OtherVersion {
        /// `s3://bucket/prefix`.
        place: String,
    },
    /// Any other answer.
    #[error("{place} refused to {action}: {reason}")]
    Refused {
        /// `s3://bucket/prefix`.
        place: String,
        /// `read`, `write`, `list`, `delete`.
        action: &'static str,
        /// The server's code and words.
        reason: String,
    },
    /// What was to be sent could not be read, or what came could not be kept: the fault is on this side.
    #[error(transparent)]
    Local(io::Error),
}

impl S3Error {
    /// Whether all other requests would end like this one.
    #[must_use]
    pub fn concerns_all(&self) -> bool {
        !matches!(self, Self::OtherVersion { .. } | Self::Refused { .. } | Self::Local(_))
    }
}
