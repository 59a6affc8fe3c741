//! The trial cache of a remote, one trial at a time: for a search that asks as it goes.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::{Object, Remote, RemoteError, verified};
use crate::digest::Digest;
use crate::store::{read_trial, trial_text};

/// Trained children at a remote. After its first failure it is not asked again: a search is not to wait
/// for a broken network with each of its trials.
pub struct SharedTrials {
    remote: Box<dyn Remote>,
    is_broken: AtomicBool,
}

impl SharedTrials {
    /// The trials at `remote`.
    #[must_use]
    pub fn new(remote: Box<dyn Remote>) -> Self {
        Self { remote, is_broken: AtomicBool::new(false) }
    }

    /// The trial under `key`, verified; none when it is not there.
    pub fn get(&self, key: &Digest) -> Result<Option<Value>, RemoteError> {
        self.unless_broken(None, || {
            verified::small(self.remote.as_ref(), &Object::trial(*key), |text| {
                read_trial(text, key)
            })
        })
    }

    /// Sends a trial; one that is there stays.
    pub fn put(&self, key: &Digest, trial: &Value) -> Result<(), RemoteError> {
        self.unless_broken((), || {
            let text = trial_text(key, trial);
            let size = text.len() as u64;
            self.remote.write(&Object::trial(*key), size, &mut text.as_slice(), false).map(drop)
        })
    }

    fn unless_broken<T>(
        &self,
        otherwise: T,
        work: impl FnOnce() -> Result<T, RemoteError>,
    ) -> Result<T, RemoteError> {
        if self.is_broken.load(Ordering::Relaxed) {
            return Ok(otherwise);
        }
        work().inspect_err(|error| {
            if !error.concerns_one() {
                self.is_broken.store(true, Ordering::Relaxed);
            }
        })
    }
}
