//! Artifacts in the store: trees as files, and what can be asked of a tree and its blobs.

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::objects::{Object, read_object};
use super::tree::{EntryKind, Tree, TreeFault, newer_format};
use super::{Store, StoreError};
use crate::digest::Digest;

/// Blobs that one thread looks at before another is worth waking.
const SPREAD_MIN: usize = 64;

impl Store {
    /// Keeps a tree; its blobs are kept apart.
    pub fn put_tree(&self, tree: &Tree) -> Result<Digest, StoreError> {
        let _publishing = self.publishing()?;
        let text = tree.text();
        let digest = Digest::of(text.as_bytes());
        let path = self.tree_path(&digest);
        if !self.has_small(&path, &digest, text.len() as u64) {
            self.write_object(&path, text.as_bytes())?;
        }
        Ok(digest)
    }

    /// The tree that `digest` names, when it is here and whole; one that is torn goes to quarantine.
    pub fn tree(&self, digest: &Digest) -> Result<Option<Tree>, StoreError> {
        let path = self.tree_path(digest);
        let Some(object) = read_object(&path)? else { return Ok(None) };
        let tree = parse(&path, &object, digest)?;
        if tree.is_none() {
            self.quarantine(&path, &object.stamp);
        }
        Ok(tree)
    }

    /// `trees/ab/<digest>`.
    pub(super) fn tree_path(&self, digest: &Digest) -> PathBuf {
        self.object_path("trees", digest, "")
    }

    /// [`Store::tree`] for callers that cannot go on without it.
    pub(super) fn whole_tree(&self, digest: &Digest) -> Result<Tree, StoreError> {
        self.tree(digest)?.ok_or_else(|| {
            let _ = self.bump_generation();
            let detail = "its list of files is missing or torn".to_owned();
            StoreError::Damaged { tree: *digest, detail }
        })
    }

    /// Whether the tree and all its blobs are here (by their presence and size, not their content).
    pub fn is_present(&self, tree: &Digest) -> Result<bool, StoreError> {
        let Some(tree) = self.tree(tree)? else { return Ok(false) };
        let blobs: Vec<(Digest, u64)> = tree.blobs().collect();
        let is_here = |(digest, size): (Digest, u64)| {
            fs::symlink_metadata(self.blob_path(&digest))
                .is_ok_and(|metadata| metadata.is_file() && metadata.len() == size)
        };
        // A plan asks this of every published stage: waking threads costs more than a few looks.
        Ok(if blobs.len() < SPREAD_MIN {
            blobs.into_iter().all(is_here)
        } else {
            blobs.into_par_iter().with_min_len(SPREAD_MIN).all(is_here)
        })
    }

    /// Hashes every blob of the tree, whatever the stat cache says.
    ///
    /// # Errors
    /// `StoreError::Damaged` when one is missing or has other content; it is then in quarantine.
    pub fn verify(&self, tree: &Digest) -> Result<(), StoreError> {
        let blobs: Vec<(Digest, u64)> = self.whole_tree(tree)?.blobs().collect();
        blobs.into_par_iter().try_for_each(|(digest, size)| {
            self.verify_blob(&digest, size, false)?
                .map_err(|fault| self.damaged(tree, &digest, fault))
        })
    }

    /// The content of the file at `path` in the tree, verified.
    ///
    /// # Errors
    /// `StoreError::Damaged` also when the tree has no such file.
    pub fn read(&self, tree: &Digest, path: &str) -> Result<Vec<u8>, StoreError> {
        let entries = self.whole_tree(tree)?;
        let Some(EntryKind::File { digest, .. }) = entries.entry(path).map(|entry| &entry.kind)
        else {
            let detail = format!("it has no file `{path}`");
            return Err(StoreError::Damaged { tree: *tree, detail });
        };
        self.read_blob(digest)?.map_err(|fault| self.damaged(tree, digest, fault))
    }
}

/// The tree in a file; none when the file is torn.
pub(super) fn parse(
    path: &Path,
    object: &Object,
    digest: &Digest,
) -> Result<Option<Tree>, StoreError> {
    if Digest::of(&object.bytes) != *digest {
        return Ok(None);
    }
    let Ok(text) = std::str::from_utf8(&object.bytes) else { return Ok(None) };
    if let Some(format) = newer_format(text) {
        return Err(StoreError::Newer { path: path.to_owned(), format });
    }
    // The digest holds, so the bytes are what was written, and they name a place outside the artifact
    // or the like: somebody means harm. It is never used.
    let harmful = |fault: TreeFault| StoreError::Damaged {
        tree: *digest,
        detail: format!("its list of files must not be used: {fault}"),
    };
    Tree::parse(text).map(Some).map_err(harmful)
}
