//! Records: the results of stages by fingerprint, immutable.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::objects::{Object, read_object};
use super::{Foreign, Store, StoreError, sealed};
use crate::manifest::Fingerprint;
use crate::record::{RECORD_FORMAT, Repeatability, StageRecord};

/// What became of a record that was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// It is new.
    Added,
    /// The same outputs were recorded before; the earlier record stays.
    Same,
    /// An earlier record has other outputs; it stays, unless replacing it was asked for. Names the
    /// first output that differs.
    Nondeterministic {
        /// The output's name.
        output: String,
    },
}

/// The one member that every version of the format has.
#[derive(Deserialize)]
struct Head {
    format: u32,
}

impl Store {
    /// The record of `fingerprint`, when it is here and whole. One that is torn, or that belongs to
    /// another fingerprint, is put into quarantine and is a miss.
    ///
    /// # Errors
    /// `StoreError::Newer` when a later version wrote it.
    pub fn record(&self, fingerprint: &Fingerprint) -> Result<Option<StageRecord>, StoreError> {
        let path = self.record_path(fingerprint);
        let Some(object) = read_object(&path)? else { return Ok(None) };
        let record = parse(&path, &object, fingerprint)?;
        if record.is_none() {
            self.quarantine(&path, &object.stamp);
        }
        Ok(record)
    }

    /// Keeps a record. An earlier record with other outputs stays unless `replace`.
    ///
    /// # Panics
    /// When the record's fingerprint is not that of its manifest.
    pub fn put_record(&self, record: &StageRecord, replace: bool) -> Result<Put, StoreError> {
        assert_eq!(
            record.fingerprint,
            record.manifest.fingerprint(),
            "BUG: a record under a fingerprint that its manifest does not have"
        );
        let _publishing = self.publishing()?;
        let path = self.record_path(&record.fingerprint);
        let bytes = sealed::seal(record);
        loop {
            let mut staged = self.stage()?;
            staged.write_all(&bytes).map_err(|error| self.storing(&path, error))?;
            // Not "look, then write": of two processes that finish at once, one must see the other.
            if self.commit_new(staged, &path)? {
                return Ok(Put::Added);
            }
            let Some(earlier) = self.record(&record.fingerprint)? else {
                // Out of the way already, unless quarantine could not be written.
                self.remove(&path)?;
                continue;
            };
            let Some(output) = first_difference(&earlier, record) else {
                self.note_agreement(&path, earlier)?;
                return Ok(Put::Same);
            };
            if replace {
                self.write_object(&path, &bytes)?;
                self.bump_generation()?;
            }
            return Ok(Put::Nondeterministic { output });
        }
    }

    /// The one thing that a record learns later: that a second computation agreed.
    fn note_agreement(&self, path: &Path, record: StageRecord) -> Result<(), StoreError> {
        if record.repeatability != Repeatability::Unverified {
            return Ok(());
        }
        let record = StageRecord { repeatability: Repeatability::Agreed, ..record };
        self.write_object(path, &sealed::seal(&record))
    }

    /// Forgets a record, so that its stage runs again. Says whether there was one.
    pub fn remove_record(&self, fingerprint: &Fingerprint) -> Result<bool, StoreError> {
        let path = self.record_path(fingerprint);
        if read_object(&path)?.is_none() {
            return Ok(false);
        }
        self.remove(&path)?;
        self.bump_generation()?;
        Ok(true)
    }

    /// `results/ab/<fingerprint>.json`.
    pub(super) fn record_path(&self, fingerprint: &Fingerprint) -> PathBuf {
        self.object_path("results", fingerprint, ".json")
    }
}

/// The record in a file; none when it is torn, or not the one that the file's name promises.
pub(super) fn parse(
    path: &Path,
    object: &Object,
    fingerprint: &Fingerprint,
) -> Result<Option<StageRecord>, StoreError> {
    match read(&object.bytes, fingerprint) {
        Ok(record) => Ok(Some(record)),
        Err(Foreign::Damaged) => Ok(None),
        Err(Foreign::Newer(format)) => Err(StoreError::Newer { path: path.to_owned(), format }),
    }
}

/// The record in a text.
pub(super) fn read(text: &[u8], fingerprint: &Fingerprint) -> Result<StageRecord, Foreign> {
    if !sealed::is_whole(text) {
        return Err(Foreign::Damaged);
    }
    if let Ok(Head { format }) = serde_json::from_slice(text)
        && format > RECORD_FORMAT
    {
        return Err(Foreign::Newer(format));
    }
    let record: Option<StageRecord> = serde_json::from_slice(text).ok();
    let is_it = |record: &StageRecord| {
        record.fingerprint == *fingerprint && record.manifest.fingerprint() == *fingerprint
    };
    record.filter(is_it).ok_or(Foreign::Damaged)
}

/// The first output, by name, that one has and the other has not, or whose content differs.
#[must_use]
pub fn first_difference(earlier: &StageRecord, later: &StageRecord) -> Option<String> {
    let tree = |record: &StageRecord, name: &String| record.outputs.get(name).map(|out| out.tree);
    let mut names: Vec<&String> = earlier.outputs.keys().chain(later.outputs.keys()).collect();
    names.sort_unstable();
    names.into_iter().find(|name| tree(earlier, name) != tree(later, name)).cloned()
}
