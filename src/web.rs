//! The web: files fetched by HTTP, with their SHA-256.
//!
//! Blocking, since whoever fetches waits anyway. Whether the bytes are the right ones is the caller's to judge by
//! the digest; so a plain `http` address, a mirror or a proxy is as good as any. Knows nothing of what is fetched.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek as _, Write as _};
use std::thread::sleep;
use std::time::Duration;

use sha2::Digest as _;
use ureq::Agent;

use crate::wording;

/// Attempts at one file.
const ATTEMPTS: u32 = 4;
/// Wait before the second attempt; it doubles before each further one.
const PAUSE: Duration = Duration::from_millis(500);
/// Silence of the other side after which a connection is taken for dead.
const SILENCE_MAX: Duration = Duration::from_mins(1);
const PIECE_BYTES: usize = 128 << 10;

/// SHA-256 of some bytes, the digest that people publish with data; shown as 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sha256([u8; 32]);

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Why a file could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The other side says no, and would say so again.
    #[error("the server answers {status}")]
    Refused {
        /// The HTTP status: 404.
        status: u16,
    },
    /// It is larger than it may be.
    #[error("it is larger than {limit}")]
    TooLarge {
        /// The limit, for people.
        limit: String,
    },
    /// No attempt got all of it.
    #[error("gave up after {ATTEMPTS} attempts: {reason}")]
    Unreachable {
        /// What the last one met.
        reason: String,
    },
    /// The address is none, or this program speaks no TLS.
    #[error("the address cannot be used: {reason}")]
    Address {
        /// Why.
        reason: String,
    },
    /// What was fetched could not be written.
    #[error("cannot keep it")]
    Keep(#[source] io::Error),
}

/// Fetches `url` into `file`, which is emptied first and stands at its beginning after, and returns its digest.
///
/// Tries again, with growing pauses, after broken connections, silence and answers that ask for it (429, 5xx).
///
/// # Errors
/// When it cannot be had or has more than `bytes_max` bytes.
pub fn download(url: &str, file: &mut File, bytes_max: u64) -> Result<Sha256, WebError> {
    let config = Agent::config_builder()
        .timeout_connect(Some(SILENCE_MAX))
        .timeout_recv_response(Some(SILENCE_MAX))
        .timeout_per_read(Some(SILENCE_MAX))
        .user_agent(concat!("phytotron/", env!("CARGO_PKG_VERSION")));
    #[cfg(feature = "https")]
    let config = config.tls_config(tls::config()?);
    let agent: Agent = config.build().into();
    let mut pause = PAUSE;
    let mut reason = String::new();
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            sleep(pause);
            pause *= 2;
        }
        file.rewind().and_then(|()| file.set_len(0)).map_err(WebError::Keep)?;
        match fetch(&agent, url, file, bytes_max) {
            Ok(digest) => {
                file.rewind().map_err(WebError::Keep)?;
                return Ok(digest);
            }
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::Passing(text)) => reason = text,
        }
    }
    Err(WebError::Unreachable { reason })
}

/// SHA-256 of a whole file, which stands at its beginning after.
///
/// # Errors
/// When it cannot be read.
pub fn sha256(file: &mut File) -> io::Result<Sha256> {
    file.rewind()?;
    let mut hasher = sha2::Sha256::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            file.rewind()?;
            return Ok(Sha256(hasher.finalize().into()));
        }
        hasher.update(&piece[..read]);
    }
}

/// What an attempt came to.
enum Failure {
    /// Another one would come to the same.
    Final(WebError),
    /// Another one may do better.
    Passing(String),
}

fn fetch(agent: &Agent, url: &str, file: &mut File, bytes_max: u64) -> Result<Sha256, Failure> {
    let passing = |error: io::Error| Failure::Passing(error.to_string());
    let mut response = agent.get(url).call().map_err(judge)?;
    let declared = response.body().content_length();
    let too_large = || Failure::Final(WebError::TooLarge { limit: wording::bytes(bytes_max) });
    if declared.is_some_and(|size| size > bytes_max) {
        return Err(too_large());
    }
    let mut body = response.body_mut().with_config().limit(u64::MAX).reader();
    let mut hasher = sha2::Sha256::new();
    let mut piece = vec![0; PIECE_BYTES];
    let mut total = 0;
    loop {
        let read = body.read(&mut piece).map_err(passing)?;
        if read == 0 {
            break;
        }
        total += read as u64;
        if total > bytes_max {
            return Err(too_large());
        }
        hasher.update(&piece[..read]);
        file.write_all(&piece[..read]).map_err(|error| Failure::Final(WebError::Keep(error)))?;
    }
    if declared.is_some_and(|size| size != total) {
        return Err(Failure::Passing("the connection broke".to_owned()));
    }
    Ok(Sha256(hasher.finalize().into()))
}

/// Whether an error is worth another attempt.
fn judge(error: ureq::Error) -> Failure {
    use ureq::Error as E;
    match error {
        E::StatusCode(status @ (408 | 429 | 500..)) => {
            Failure::Passing(format!("the server answers {status}"))
        }
        E::StatusCode(status) => Failure::Final(WebError::Refused { status }),
        E::Io(_) | E::Timeout(_) | E::HostNotFound | E::ConnectionFailed | E::Protocol(_) => {
            Failure::Passing(error.to_string())
        }
        other => Failure::Final(WebError::Address { reason: other.to_string() }),
    }
}

/// TLS by the library that the S3 client brings, trusting whom the machine trusts.
#[cfg(feature = "https")]
mod tls {
    use std::sync::Arc;

    use ureq::tls::{Certificate, RootCerts, TlsConfig};

    use super::WebError;

    pub(super) fn config() -> Result<TlsConfig, WebError> {
        let found = rustls_native_certs::load_native_certs();
        if found.certs.is_empty() {
            let reason = "this machine has no certificates: install `ca-certificates`".to_owned();
            return Err(WebError::Address { reason });
        }
        let roots: Vec<_> = found
            .certs
            .iter()
            .map(|certificate| Certificate::from_der(certificate).to_owned())
            .collect();
        Ok(TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(
                rustls::crypto::aws_lc_rs::default_provider(),
            ))
            .root_certs(RootCerts::Specific(Arc::new(roots)))
            .build())
    }
}
