//! The trial cache as an evaluator sees it: the store's, and a remote's behind it where the run has one.
//!
//! Losing an entry loses time of a later run and no result, so nothing here is an error.

use std::sync::OnceLock;

use crate::digest::Digest;
use crate::event::Event;
use crate::remote::{self, RemoteError, SharedTrials};
use crate::search::Evaluation;
use crate::stage::Job;
use crate::store::{Put, Store, StoreError, StoreOptions};

/// Trained children by key.
pub(super) struct TrialCache<'a> {
    job: &'a Job<'a>,
    store: Store,
    /// Opened for the first child that the store does not have: a network is not touched before.
    shared: OnceLock<Option<SharedTrials>>,
}

impl<'a> TrialCache<'a> {
    /// The cache of the job's store, and of the remote that the job names.
    pub(super) fn open(job: &'a Job<'a>) -> Result<Self, StoreError> {
        let store = Store::open(&job.file.paths.store, StoreOptions::default())?;
        Ok(Self { job, store, shared: OnceLock::new() })
    }

    /// What an earlier training came to; an entry that cannot be read is a miss.
    pub(super) fn known(&self, key: &Digest) -> Option<Evaluation> {
        match self.store.trial(key) {
            Ok(Some(trial)) => serde_json::from_value(trial).ok(),
            Ok(None) => self.known_elsewhere(key),
            Err(error) => {
                self.warn(format!("trial {} is trained again: {error}", key.short()));
                None
            }
        }
    }

    /// What the remote has; kept in the store from now on.
    fn known_elsewhere(&self, key: &Digest) -> Option<Evaluation> {
        match self.shared()?.get(key) {
            Ok(trial) => {
                let trial = trial?;
                let evaluation = serde_json::from_value(trial.clone()).ok()?;
                self.told(key, self.store.put_trial(key, &trial));
                Some(evaluation)
            }
            Err(error) => {
                self.warn(format!("trial {} is not looked for elsewhere: {error}", key.short()));
                None
            }
        }
    }

    /// Keeps what a training came to, also at the remote if the run is to.
    pub(super) fn keep(&self, key: &Digest, evaluation: &Evaluation) {
        let value = serde_json::to_value(evaluation).expect("an evaluation has text and numbers");
        self.told(key, self.store.put_trial(key, &value));
        let pushes = self.job.file.shared_trials.as_ref().is_some_and(|shared| shared.push);
        if pushes
            && let Some(shared) = self.shared()
            && let Err(error) = shared.put(key, &value)
        {
            self.warn(format!("trial {} is not shared: {error}", key.short()));
        }
    }

    fn told(&self, key: &Digest, put: Result<Put, StoreError>) {
        match put {
            Ok(Put::Added | Put::Same) => {}
            Ok(Put::Nondeterministic { .. }) => {
                self.warn(format!("trial {} came out differently before", key.short()));
            }
            Err(error) => self.warn(format!("trial {} is not kept: {error}", key.short())),
        }
    }

    fn shared(&self) -> Option<&SharedTrials> {
        let open = || match self.try_open_shared() {
            Ok(shared) => shared,
            Err(error) => {
                self.warn(format!("no trials are shared: {error}"));
                None
            }
        };
        self.shared.get_or_init(open).as_ref()
    }

    fn try_open_shared(&self) -> Result<Option<SharedTrials>, RemoteError> {
        let file = self.job.file;
        let Some(shared) = &file.shared_trials else { return Ok(None) };
        let remote = remote::open(&shared.remote, &file.paths.project)?;
        Ok(Some(SharedTrials::new(remote)))
    }

    fn warn(&self, text: String) {
        let stage = Some(self.job.file.stage.clone());
        self.job.events.emit(Event::Warning { stage, text });
    }
}
