//! The tier: a store with a remote behind it.
//!
//! Lists the remote when it is first asked something that the store cannot answer, and never again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use super::{Held, Inventory, Object, Remote, RemoteError, verified};
use crate::digest::Digest;
use crate::manifest::Fingerprint;
use crate::record::StageRecord;
use crate::spec::RemoteSettings;
use crate::store::{Store, Tree};

/// A store with a remote behind it.
pub struct Tier<'a> {
    pub(super) store: &'a Store,
    /// Opened when something is first asked of it.
    remote: OnceLock<Box<dyn Remote>>,
    name: String,
    pushes: bool,
    /// How it is opened, and the root of the project.
    settings: Option<(RemoteSettings, PathBuf)>,
    inventory: Mutex<Option<Inventory>>,
    /// Results that were asked for, as they were found.
    lookups: Mutex<HashMap<Fingerprint, Lookup>>,
}

/// What a remote has of a result.
#[derive(Debug, Clone)]
pub(super) enum Lookup {
    /// Record, lists of files and all content, here or there.
    Hit(Arc<Hit>),
    /// No record.
    Absent,
    /// A record that is of no use, and why.
    Unusable(String),
}

/// A result that can be had whole.
#[derive(Debug)]
pub(super) struct Hit {
    pub(super) record: StageRecord,
    pub(super) trees: Vec<Tree>,
}

/// What a transfer came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transferred {
    /// Objects that moved.
    pub objects: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Results that are on both sides now.
    pub results: usize,
    /// Results that are on both sides with other outputs; both stay as they are.
    pub conflicts: Vec<Conflict>,
    /// Results that are not, and why.
    pub left: Vec<Unfetched>,
}

/// The same stage computed twice with other bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The result.
    pub fingerprint: Fingerprint,
    /// The first output that differs.
    pub output: String,
}

/// A result that did not move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfetched {
    /// The result.
    pub fingerprint: Fingerprint,
    /// Why.
    pub reason: String,
}

impl<'a> Tier<'a> {
    /// `store` with `remote` behind it, which people call `name`. `pushes` sends there what runs compute.
    #[must_use]
    pub fn new(store: &'a Store, remote: Box<dyn Remote>, name: &str, pushes: bool) -> Self {
        Self::with(store, remote.into(), name, pushes, None)
    }

    /// `store` with the remote of `settings` behind it, for the project at `root`. It is opened when
    /// something is first asked of it.
    #[must_use]
    pub fn of(
        store: &'a Store,
        settings: &RemoteSettings,
        root: &Path,
        name: &str,
        pushes: bool,
    ) -> Self {
        let settings = Some((settings.clone(), root.to_owned()));
        Self::with(store, OnceLock::new(), name, pushes, settings)
    }

    fn with(
        store: &'a Store,
        remote: OnceLock<Box<dyn Remote>>,
        name: &str,
        pushes: bool,
        settings: Option<(RemoteSettings, PathBuf)>,
    ) -> Self {
        let name = name.to_owned();
        let (inventory, lookups) = (Mutex::new(None), Mutex::new(HashMap::new()));
        Self { store, remote, name, pushes, settings, inventory, lookups }
    }

    /// The remote itself.
    pub(super) fn remote(&self) -> Result<&dyn Remote, RemoteError> {
        if let Some(remote) = self.remote.get() {
            return Ok(remote.as_ref());
        }
        let (settings, root) = self.settings.as_ref().expect("BUG: a tier without a remote");
        let opened = super::open(settings, root)?;
        Ok(self.remote.get_or_init(|| opened).as_ref())
    }

    /// How other processes open the same remote.
    #[must_use]
    pub fn settings(&self) -> Option<&RemoteSettings> {
        self.settings.as_ref().map(|(settings, _)| settings)
    }

    /// The store in front.
    #[must_use]
    pub fn store(&self) -> &'a Store {
        self.store
    }

    /// What people call the remote.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether runs send there what they compute.
    #[must_use]
    pub fn pushes(&self) -> bool {
        self.pushes
    }

    /// The record of `fingerprint` in the store, or at the remote when all its content can be had.
    pub fn record(&self, fingerprint: &Fingerprint) -> Result<Option<StageRecord>, RemoteError> {
        if let Some(record) = self.store.record(fingerprint)? {
            return Ok(Some(record));
        }
        Ok(match self.lookup(fingerprint)? {
            Lookup::Hit(hit) => Some(hit.record.clone()),
            Lookup::Absent | Lookup::Unusable(_) => None,
        })
    }

    /// Whether only the remote has a record of `fingerprint`, by what was asked before.
    #[must_use]
    pub fn is_remote(&self, fingerprint: &Fingerprint) -> bool {
        let lookups = self.lookups.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(lookups.get(fingerprint), Some(Lookup::Hit(_)))
            && !matches!(self.store.record(fingerprint), Ok(Some(_)))
    }

    /// The tree `digest` in the store or at the remote.
    pub fn tree(&self, digest: &Digest) -> Result<Option<Tree>, RemoteError> {
        if let Some(tree) = self.store.tree(digest)? {
            return Ok(Some(tree));
        }
        if !self.inventory()?.has_any(&Object::tree(*digest)) {
            return Ok(None);
        }
        verified::tree(self.remote()?, digest)
    }

    /// What the remote has of a result. What proves damaged is a miss; that it cannot be reached is an error.
    pub(super) fn lookup(&self, fingerprint: &Fingerprint) -> Result<Lookup, RemoteError> {
        let known = self.lookups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lookup) = known.get(fingerprint) {
            return Ok(lookup.clone());
        }
        drop(known);
        let lookup = match self.look_up(fingerprint) {
            Err(error) if error.concerns_one() => Lookup::Unusable(error.to_string()),
            other => other?,
        };
        if let Lookup::Unusable(reason) = &lookup {
            tracing::warn!(%fingerprint, reason, "a result at the remote is of no use");
        }
        let mut known = self.lookups.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(*fingerprint, lookup.clone());
        Ok(lookup)
    }

    fn look_up(&self, fingerprint: &Fingerprint) -> Result<Lookup, RemoteError> {
        if !self.inventory()?.has_any(&Object::result(*fingerprint)) {
            return Ok(Lookup::Absent);
        }
        let Some(record) = verified::record(self.remote()?, fingerprint)? else {
            return Ok(Lookup::Absent);
        };
        let mut trees = Vec::with_capacity(record.outputs.len());
        for (name, output) in &record.outputs {
            let Some(tree) = self.tree(&output.tree)? else {
                return Ok(Lookup::Unusable(format!("the list of files of `{name}` is missing")));
            };
            if let Some((digest, _)) = self.missing_blob(&tree)? {
                let blob = Object::blob(digest);
                return Ok(Lookup::Unusable(format!("`{blob}` of `{name}` is missing")));
            }
            trees.push(tree);
        }
        Ok(Lookup::Hit(Arc::new(Hit { record, trees })))
    }

    /// The first blob of `tree` that is neither here nor there.
    fn missing_blob(&self, tree: &Tree) -> Result<Option<(Digest, u64)>, RemoteError> {
        let inventory = self.inventory()?;
        Ok(tree.blobs().find(|(digest, size)| {
            !self.store.has_blob(digest, *size) && !inventory.has(&Object::blob(*digest), *size)
        }))
    }

    /// What the remote has; lists it when that is not known.
    pub(super) fn inventory(&self) -> Result<Listing<'_>, RemoteError> {
        let mut inventory = self.inventory.lock().unwrap_or_else(PoisonError::into_inner);
        if inventory.is_none() {
            *inventory = Some(Inventory::of(self.remote()?)?);
        }
        Ok(Listing(inventory))
    }

    /// Takes over that an object has come to the remote.
    pub(super) fn note(&self, object: Object, size: u64) {
        let mut inventory = self.inventory.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(inventory) = inventory.as_mut() {
            inventory.add(object, Held { size, written_at: SystemTime::now() });
        }
    }

    /// Takes over that an object at the remote is of no use, and so is every result that has it.
    pub(super) fn forget(&self, object: &Object) {
        let mut inventory = self.inventory.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(inventory) = inventory.as_mut() {
            inventory.forget(object);
        }
        drop(inventory);
        self.lookups.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// The inventory, while nobody changes it.
pub(super) struct Listing<'t>(MutexGuard<'t, Option<Inventory>>);

impl std::ops::Deref for Listing<'_> {
    type Target = Inventory;

    fn deref(&self) -> &Inventory {
        self.0.as_ref().expect("BUG: a listing is made before it is handed out")
    }
}
