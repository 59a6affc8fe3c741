//! Pins: keeps from `gc` what a run counts on, from its first computation to its end.
//!
//! Nothing is written for a run that finds all cached: it is over before `gc` could matter.

use std::sync::{Mutex, PoisonError};

use crate::manifest::Fingerprint;
use crate::store::{Pin, Store};

/// The results that a run counts on.
#[derive(Debug)]
pub(super) struct Pins {
    run: String,
    held: Mutex<Held>,
}

#[derive(Debug)]
enum Held {
    /// Not written yet.
    Noted(Vec<Fingerprint>),
    Written(Pin),
    /// The store takes no pins; a swept result is computed again, so that costs time and no result.
    Impossible,
}

impl Pins {
    /// Nothing pinned yet.
    pub(super) fn new(run: &str) -> Self {
        Self { run: run.to_owned(), held: Mutex::new(Held::Noted(Vec::new())) }
    }

    /// Keeps the record of `fingerprint` and its outputs.
    pub(super) fn add(&self, fingerprint: Fingerprint) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *held {
            Held::Noted(noted) => noted.push(fingerprint),
            Held::Written(pin) => {
                if pin.add([fingerprint]).is_err() {
                    *held = Held::Impossible;
                }
            }
            Held::Impossible => {}
        }
    }

    /// Writes down what was noted; from now on everything is.
    pub(super) fn begin(&self, store: &Store) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Held::Noted(noted) = &mut *held {
            let noted = std::mem::take(noted);
            let pin = store.pin(&self.run).and_then(|pin| pin.add(noted).map(|()| pin));
            *held = pin.map_or(Held::Impossible, Held::Written);
        }
    }
}
