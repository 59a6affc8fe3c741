//! A page on this machine that shows runs while they go on: states, curves, logs, and the reports of past ones.
//!
//! It reads journals and the reports in `out/`, changes nothing, and knows no more of a run than its journal says:
//! a run may be started, killed or deleted while it is watched. Pages are whole without script; with it, the
//! server sends the parts that changed, drawn with the figures of the report.

mod access;
mod error;
mod feed;
mod log;
mod pages;
mod parts;
mod routes;
mod words;

pub use error::ServeError;

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use access::Key;

/// The port that is tried first, so that an address in a browser's history finds the next server, too.
const PORT: u16 = 8471;

/// What is served.
#[derive(Debug, Clone)]
pub struct Options {
    /// The project's root, with `out/` in it.
    pub root: PathBuf,
    /// The store's `runs/`.
    pub runs: PathBuf,
    /// The port; 0 for any. Without, a fixed one or, where that is taken, any.
    pub port: Option<u16>,
}

/// A server that has its address and does not answer yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    site: Arc<Site>,
}

/// What every request needs.
#[derive(Debug)]
struct Site {
    options: Options,
    port: u16,
    key: Key,
}

impl Server {
    /// Takes a port of this machine that no other machine can reach.
    ///
    /// # Errors
    /// When the port is taken, or the system gives no random bytes.
    pub fn bind(options: Options) -> Result<Self, ServeError> {
        let bind = |port| {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port))
                .map_err(|source| ServeError::Bind { port, source })
        };
        let listener = match options.port {
            Some(port) => bind(port),
            None => bind(PORT).or_else(|_| bind(0)),
        }?;
        let address = listener.local_addr().map_err(ServeError::Answer)?;
        listener.set_nonblocking(true).map_err(ServeError::Answer)?;
        let site = Site { options, port: address.port(), key: Key::random()? };
        Ok(Self { listener, site: Arc::new(site) })
    }

    /// The address to open, with the key in it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/?token={}", self.site.port, self.site.key.text())
    }

    /// Answers until the process ends.
    ///
    /// # Errors
    /// When the port stops to give connections.
    pub fn run(self) -> Result<(), ServeError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(8)
            .enable_all()
            .build()
            .map_err(ServeError::Answer)?;
        runtime.block_on(async {
            let listener =
                tokio::net::TcpListener::from_std(self.listener).map_err(ServeError::Answer)?;
            axum::serve(listener, routes::all(self.site)).await.map_err(ServeError::Answer)
        })
    }
}
