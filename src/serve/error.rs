//! Why nothing is served.

use std::io;

/// Why a server cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The port cannot be had.
    #[error(
        "cannot take port {port}; another program may have it: choose with `--port`, 0 for any"
    )]
    Bind {
        /// The port.
        port: u16,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No key could be made.
    #[error("cannot read random bytes from `/dev/urandom`")]
    Random(#[source] io::Error),
    /// The network failed below us.
    #[error("cannot answer requests any more")]
    Answer(#[source] io::Error),
}
