//! The trial cache: what children cost and scored, by the digest of everything that decided it.
//!
//! Knows nothing of a trial's content.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::objects::{Object, read_object};
use super::{Foreign, Put, Store, StoreError, sealed};
use crate::digest::Digest;

const TRIAL_FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
pub(super) struct TrialFile {
    format: u32,
    key: Digest,
    trial: Value,
}

impl TrialFile {
    /// A trial in the form of today.
    pub(super) fn new(key: Digest, trial: Value) -> Self {
        Self { format: TRIAL_FORMAT, key, trial }
    }
}

#[derive(Deserialize)]
struct Head {
    format: u32,
}

impl Store {
    /// The trial under `key`, when it is here and whole; one that is torn goes to quarantine.
    pub fn trial(&self, key: &Digest) -> Result<Option<Value>, StoreError> {
        let path = self.trial_path(key);
        let Some(object) = read_object(&path)? else { return Ok(None) };
        let trial = parse(&path, &object, key)?;
        if trial.is_none() {
            self.quarantine(&path, &object.stamp);
        }
        Ok(trial)
    }

    /// Keeps a trial. An earlier one stays; `Nondeterministic` says that it was another.
    pub fn put_trial(&self, key: &Digest, trial: &Value) -> Result<Put, StoreError> {
        let _publishing = self.publishing()?;
        let path = self.trial_path(key);
        let bytes = sealed::seal(&TrialFile::new(*key, trial.clone()));
        loop {
            let mut staged = self.stage()?;
            staged.write_all(&bytes).map_err(|error| self.storing(&path, error))?;
            if self.commit_new(staged, &path)? {
                return Ok(Put::Added);
            }
            let Some(earlier) = self.trial(key)? else {
                // Out of the way already, unless quarantine could not be written.
                self.remove(&path)?;
                continue;
            };
            if earlier == *trial {
                return Ok(Put::Same);
            }
            return Ok(Put::Nondeterministic { output: "trial".to_owned() });
        }
    }

    /// `trials/ab/<key>.json`.
    pub(super) fn trial_path(&self, key: &Digest) -> PathBuf {
        self.object_path("trials", key, ".json")
    }
}

/// The trial in a file; none when it is torn or not the one that the file's name promises.
pub(super) fn parse(
    path: &Path,
    object: &Object,
    key: &Digest,
) -> Result<Option<Value>, StoreError> {
    match read(&object.bytes, key) {
        Ok(trial) => Ok(Some(trial)),
        Err(Foreign::Damaged) => Ok(None),
        Err(Foreign::Newer(format)) => Err(StoreError::Newer { path: path.to_owned(), format }),
    }
}

/// The trial in a text.
pub(super) fn read(text: &[u8], key: &Digest) -> Result<Value, Foreign> {
    if !sealed::is_whole(text) {
        return Err(Foreign::Damaged);
    }
    if let Ok(Head { format }) = serde_json::from_slice(text)
        && format > TRIAL_FORMAT
    {
        return Err(Foreign::Newer(format));
    }
    let file: Option<TrialFile> = serde_json::from_slice(text).ok();
    file.filter(|file| file.key == *key).map(|file| file.trial).ok_or(Foreign::Damaged)
}
