//! Export: outputs for people to open, under a stable prefix of a bucket.
//!
//! Names are those of `out/`, and each file has the content type that makes a browser show it. A list of
//! what was exported lies beside, so that only what changed is sent and what is no longer an output goes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{RemoteError, locate};
use crate::digest::Digest;
use crate::event::Emit;
use crate::spec::RemoteSettings;
use crate::store::Store;

/// A file to export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its name below the pipeline's folder: `search/trials.csv`.
    pub name: String,
    /// Where it comes from.
    pub content: Content,
}

/// Where an exported file comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The store.
    Blob {
        /// Its digest.
        digest: Digest,
        /// Its bytes.
        size: u64,
    },
    /// A page that is not stored.
    File(PathBuf),
}

/// What an export came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// Where the files are.
    pub place: String,
    /// Files that were sent.
    pub sent: usize,
    /// Files that were there already.
    pub same: usize,
    /// Files of earlier exports that are gone now.
    pub removed: usize,
}

/// What lies at the place of an export.
#[derive(Debug, Default, Serialize, Deserialize)]
#[cfg_attr(not(feature = "s3"), expect(dead_code, reason = "there is no export without S3"))]
struct Listed {
    /// Digests by name.
    files: BTreeMap<String, Digest>,
}

/// The name of the list of exported files.
#[cfg(feature = "s3")]
const LIST: &str = ".phytotron-export.json";

/// Refuses an address that no export can go to, before a run rather than after it.
pub fn check_address(url: &str) -> Result<(), RemoteError> {
    locate(url, &BTreeMap::new()).map(drop)
}

/// Puts `pieces` under `url`, in the folder `pipeline`.
#[cfg(feature = "s3")]
pub fn export(
    url: &str,
    remotes: &BTreeMap<String, RemoteSettings>,
    pipeline: &str,
    pieces: &[Piece],
    store: &Store,
    events: &dyn Emit,
) -> Result<Exported, RemoteError> {
    use super::meter::Meter;
    use crate::parallel;

    let mut location = locate(url, remotes)?;
    location.prefix = location.key(pipeline);
    let client = crate::s3::Client::open(location).map_err(RemoteError::S3)?;
    let before: Listed = client
        .read(LIST)
        .map_err(RemoteError::S3)?
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default();
    let mut now = Listed::default();
    let mut sizes = Vec::new();
    for piece in pieces {
        let (digest, size) = piece.facts()?;
        now.files.insert(piece.name.clone(), digest);
        sizes.push(size);
    }
    let changed: Vec<(&Piece, u64)> = pieces
        .iter()
        .zip(sizes)
        .filter(|(piece, _)| before.files.get(&piece.name) != now.files.get(&piece.name))
        .collect();
    let bytes = changed.iter().map(|(_, size)| size).sum();
    let what = format!("exporting to {}", client.location());
    let meter = Meter::new(events, what, changed.len() as u64, bytes);
    parallel::map(&changed, 16, |(piece, size)| piece.send(*size, &client, store, &meter))?;
    meter.end();
    let stale: Vec<String> =
        before.files.keys().filter(|name| !now.files.contains_key(*name)).cloned().collect();
    client.remove(&stale).map_err(RemoteError::S3)?;
    if !changed.is_empty() || !stale.is_empty() {
        write_list(&client, &now)?;
    }
    Ok(Exported {
        place: client.location().to_string(),
        sent: changed.len(),
        same: pieces.len() - changed.len(),
        removed: stale.len(),
    })
}

/// There is no export without S3.
#[cfg(not(feature = "s3"))]
pub fn export(
    url: &str,
    remotes: &BTreeMap<String, RemoteSettings>,
    _: &str,
    _: &[Piece],
    _: &Store,
    _: &dyn Emit,
) -> Result<Exported, RemoteError> {
    let place = locate(url, remotes)?.to_string();
    Err(RemoteError::WithoutS3 { place })
}

#[cfg(feature = "s3")]
fn write_list(client: &crate::s3::Client, list: &Listed) -> Result<(), RemoteError> {
    let text = serde_json::to_vec_pretty(list).expect("BUG: names and digests serialize");
    let upload = crate::s3::Upload {
        name: LIST,
        size: text.len() as u64,
        content_type: Some("application/json"),
        only_new: false,
    };
    client.upload(&upload, &mut text.as_slice()).map(drop).map_err(RemoteError::S3)
}

#[cfg(feature = "s3")]
impl Piece {
    /// Digest and size.
    fn facts(&self) -> Result<(Digest, u64), RemoteError> {
        match &self.content {
            Content::Blob { digest, size } => Ok((*digest, *size)),
            Content::File(path) => {
                let bytes = std::fs::read(path).map_err(RemoteError::io("cannot read", path))?;
                Ok((Digest::of(&bytes), bytes.len() as u64))
            }
        }
    }

    fn send(
        &self,
        size: u64,
        client: &crate::s3::Client,
        store: &Store,
        meter: &super::meter::Meter<'_>,
    ) -> Result<(), RemoteError> {
        use super::meter::Metered;

        let gone = || RemoteError::Unsendable { object: self.name.clone() };
        let source: Box<dyn std::io::Read> = match &self.content {
            Content::Blob { digest, .. } => Box::new(store.outgoing(digest)?.ok_or_else(gone)?),
            Content::File(path) => {
                let file = std::fs::File::open(path);
                Box::new(file.map_err(RemoteError::io("cannot read", path))?)
            }
        };
        let upload = crate::s3::Upload {
            name: &self.name,
            size,
            content_type: Some(content_type(&self.name)),
            only_new: false,
        };
        let sent = client.upload(&upload, &mut Metered { source, meter });
        sent.map_err(|error| match error {
            crate::s3::S3Error::Local(_) => gone(),
            other => RemoteError::S3(other),
        })?;
        meter.done();
        Ok(())
    }
}

/// What a browser is to take a file for, by its ending.
#[cfg(feature = "s3")]
fn content_type(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
    match ending.as_str() {
        "html" => "text/html; charset=utf-8",
        "md" => "text/markdown; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "txt" | "log" | "py" | "yaml" | "yml" | "jsonl" => "text/plain; charset=utf-8",
        "json" => "application/json",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "pdf" => "application/pdf",
        _ => "application/octet-stream",
    }
}

#[cfg(all(test, feature = "s3"))]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_a_page_and_weights_are_bytes() {
        assert_eq!(content_type("report.HTML"), "text/html; charset=utf-8");
        assert_eq!(content_type("a.b/curve.svg"), "image/svg+xml");
        assert_eq!(content_type("01/weights.safetensors"), "application/octet-stream");
        assert_eq!(content_type("README"), "application/octet-stream");
    }
}
