//! Unpacking: from one file of a stranger to a project of its own with a store of its own.
//!
//! All is put into a folder beside the wanted one and renamed when it is whole, so a bundle that is refused leaves
//! nothing behind. Nothing is written that the card does not name, and nothing is kept whose digest does not fit.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{Read, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::card::{BUNDLE_FORMAT, Versioned};
use super::error::Stop;
use super::{BLOBS, BundleError, CARD, Card, LIMITS, PROJECT, RECORD, RESULTS, TREES, unfit};
use crate::archive::{self, ArchiveError, Entry, EntryKind};
use crate::digest::{Digest, Hasher};
use crate::spec::STORE_FOLDER;
use crate::store::{Store, StoreOptions};

/// Bytes of a card, a record or a tree's text, which lie in memory.
const SMALL_BYTES_MAX: u64 = 256 << 20;
const PIECE_BYTES: usize = 256 << 10;

/// What was unpacked.
#[derive(Debug, Clone, PartialEq)]
pub struct Unpacked {
    /// What the bundle said of itself, and held.
    pub card: Card,
    /// The project's folder.
    pub folder: PathBuf,
}

/// Unpacks `bundle` into the new or empty folder `folder`.
///
/// # Errors
/// When the bundle is not what it says, or names anything that no bundle may hold; `folder` is then as before.
pub fn unpack(
    bundle: &Path,
    folder: &Path,
    options: StoreOptions,
) -> Result<Unpacked, BundleError> {
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) || folder.is_file() {
        return Err(BundleError::Occupied { folder: folder.to_owned() });
    }
    let parent =
        folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = fs::File::open(bundle).map_err(BundleError::io("cannot read", bundle))?;
    let staging = tempfile::Builder::new()
        .prefix(".phytotron-unpack-")
        .tempdir_in(parent)
        .map_err(BundleError::io("cannot make a folder in", parent))?;
    let mut receiver =
        Receiver { root: staging.path(), options, begun: None, open: Open::default() };
    let read = archive::read(&mut file, &LIMITS, &mut |entry: &Entry, content: &mut dyn Read| {
        receiver.take(entry, content)
    });
    let card = read.and_then(|()| receiver.finish()).map_err(|stop| stop.at(bundle))?;
    let making = BundleError::io("cannot make", folder);
    fs::set_permissions(staging.path(), Permissions::from_mode(0o755))
        .and_then(|()| fs::rename(staging.path(), folder))
        .map_err(making)?;
    // It has left: there is nothing to remove any more.
    let _ = staging.keep();
    Ok(Unpacked { card, folder: folder.to_owned() })
}

/// What the card, records and trees name and has not come yet; nothing else may come.
#[derive(Default)]
struct Open {
    files: BTreeSet<String>,
    results: BTreeSet<Digest>,
    /// Trees that records name; not all of them need come.
    trees: BTreeSet<Digest>,
    /// Blobs of trees that came.
    blobs: BTreeSet<Digest>,
}

struct Receiver<'a> {
    root: &'a Path,
    options: StoreOptions,
    /// The card, and the store that results go to; nothing before the card came.
    begun: Option<(Card, Store)>,
    open: Open,
}

impl Receiver<'_> {
    fn take(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), Stop> {
        let path = entry.path.as_str();
        let EntryKind::File { executable, size } = entry.kind else {
            return refuse(format!("it holds an empty folder `{path}`"));
        };
        let Some((card, store)) = &self.begun else {
            return if path == CARD {
                self.card(content)
            } else {
                refuse(format!("`{path}` comes before its card"))
            };
        };
        let is_wanted;
        if let Some(path) = path.strip_prefix(PROJECT) {
            is_wanted = self.open.files.remove(path);
            if is_wanted {
                let wanted = card.files[path];
                if wanted.executable != executable {
                    return refuse(format!(
                        "the card and the archive disagree on who may execute `{path}`"
                    ));
                }
                self.file(path, &wanted.digest, executable, content)?;
            }
        } else if let Some(name) =
            path.strip_prefix(RESULTS).and_then(|name| name.strip_suffix(RECORD))
        {
            let fingerprint = digest(name)?;
            is_wanted = self.open.results.remove(&fingerprint);
            if is_wanted {
                let record = store.receive_record(&fingerprint, &small(content)?)?;
                self.open.trees.extend(record.outputs.values().map(|output| output.tree));
            }
        } else if let Some(name) = path.strip_prefix(TREES) {
            let name = digest(name)?;
            is_wanted = self.open.trees.remove(&name);
            if is_wanted {
                let tree = store.receive_tree(&name, &small(content)?)?;
                self.open.blobs.extend(tree.blobs().map(|(blob, _)| blob));
            }
        } else if let Some(name) = path.strip_prefix(BLOBS) {
            let name = digest(name)?;
            is_wanted = self.open.blobs.remove(&name);
            if is_wanted {
                store.receive_blob(&name, size, content)?;
            }
        } else {
            is_wanted = false;
        }
        if is_wanted { Ok(()) } else { refuse(format!("nothing in it names `{path}`")) }
    }

    fn card(&mut self, content: &mut dyn Read) -> Result<(), Stop> {
        let bytes = small(content)?;
        if let Ok(Versioned { format }) = serde_json::from_slice(&bytes)
            && format != BUNDLE_FORMAT
        {
            return refuse(format!(
                "it is of format {format}, and this phytotron reads {BUNDLE_FORMAT}"
            ));
        }
        let card: Card = match serde_json::from_slice(&bytes) {
            Ok(card) => card,
            Err(error) => return refuse(format!("its card cannot be read: {error}")),
        };
        if !card.files.contains_key(&card.pipeline) {
            return refuse("its pipeline is not in it".to_owned());
        }
        for path in card.files.keys() {
            if let Some(reason) = unfit(path) {
                return refuse(format!("`{path}` {reason}"));
            }
        }
        self.open.files = card.files.keys().cloned().collect();
        self.open.results = card.results.values().copied().collect();
        let store =
            Store::open(&self.root.join(STORE_FOLDER), self.options).map_err(Stop::Store)?;
        self.begun = Some((card, store));
        Ok(())
    }

    /// Writes a file of the project. Its path is plain, for the archive's reader lets no other through, and below
    /// the root there are only folders and files that were made here.
    fn file(
        &self,
        path: &str,
        digest: &Digest,
        executable: bool,
        content: &mut dyn Read,
    ) -> Result<(), Stop> {
        let target = self.root.join(path);
        let writing = |error| Stop::Io("cannot write", target.clone(), error);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(writing)?;
        }
        let mode = if executable { 0o755 } else { 0o644 };
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&target)
            .map_err(writing)?;
        let (mut hasher, mut piece) = (Hasher::new(), vec![0; PIECE_BYTES]);
        loop {
            let read = content.read(&mut piece).map_err(ArchiveError::reading)?;
            if read == 0 {
                break;
            }
            hasher.update(&piece[..read]);
            file.write_all(&piece[..read]).map_err(writing)?;
        }
        if hasher.digest() == *digest {
            Ok(())
        } else {
            refuse(format!("`{path}` has other content than the card says"))
        }
    }

    fn finish(self) -> Result<Card, Stop> {
        let Some((card, _)) = self.begun else { return refuse("it has no card".to_owned()) };
        if let Some(path) = self.open.files.first() {
            return refuse(format!("`{path}` is missing"));
        }
        if let Some(fingerprint) = self.open.results.first() {
            return refuse(format!("the result {} is missing", fingerprint.short()));
        }
        match self.open.blobs.first() {
            Some(blob) => refuse(format!("the blob {} is missing", blob.short())),
            None => Ok(card),
        }
    }
}

fn refuse<T>(reason: String) -> Result<T, Stop> {
    Err(Stop::Refused(reason))
}

fn digest(text: &str) -> Result<Digest, Stop> {
    text.parse().or_else(|error: crate::digest::DigestError| refuse(error.to_string()))
}

/// All of a small object.
fn small(content: &mut dyn Read) -> Result<Vec<u8>, Stop> {
    let mut bytes = Vec::new();
    content.take(SMALL_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(ArchiveError::reading)?;
    if bytes.len() as u64 > SMALL_BYTES_MAX {
        refuse("it holds an object too large to be one".to_owned())
    } else {
        Ok(bytes)
    }
}
