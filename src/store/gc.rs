//! Garbage collection: removes what no lock file, run or live process needs any more.
//!
//! What is needed for good is the caller's to say ([`Keep`]); what live processes hold, and what is too
//! young to be judged, is found here. Marks from records to trees to blobs, then sweeps in the
//! same order, so that a sweep that is killed leaves blobs without names and no name without blobs.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::artifacts;
use super::objects::{files_by_prefix, list, read_object};
use super::stamp::Stamp;
use super::{Store, StoreError, is_locked, locks, pins, records};
use crate::digest::Digest;
use crate::manifest::Fingerprint;

/// A file in `tmp/` that nobody has written to for so long belongs to a process that was killed.
pub(super) const STRAY_AFTER: Duration = Duration::from_hours(1);

/// The folder of archives that were fetched from a network, each under its SHA-256. Who fetches them writes
/// them; here they are only swept.
pub const DOWNLOADS: &str = "downloads";

/// What `gc` must leave alone, whatever its age.
#[derive(Debug, Clone)]
pub struct Keep {
    /// Results whose records and outputs are needed.
    pub fingerprints: BTreeSet<Fingerprint>,
    /// Trees that are needed by themselves: locked outputs.
    pub trees: BTreeSet<Digest>,
    /// Trials that are needed; all of them when none: they are small and were dear.
    pub trials: Option<BTreeSet<Digest>>,
    /// Fetched archives that are needed, by their SHA-256.
    pub downloads: BTreeSet<String>,
    /// How long checkpoints and failed attempts stay after their last change.
    pub work_grace: Duration,
}

impl Default for Keep {
    fn default() -> Self {
        Self {
            fingerprints: BTreeSet::new(),
            trees: BTreeSet::new(),
            trials: None,
            downloads: BTreeSet::new(),
            work_grace: Duration::from_hours(7 * 24),
        }
    }
}

/// What was removed of one sort, or would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Freed {
    /// How many.
    pub count: u64,
    /// Bytes that the disk gets back; a blob that is also linked elsewhere gives none.
    pub bytes: u64,
}

/// What a sweep removed, or would remove.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GcReport {
    /// Stage records.
    pub results: Freed,
    /// Lists of files.
    pub trees: Freed,
    /// Contents.
    pub blobs: Freed,
    /// Trial records.
    pub trials: Freed,
    /// Archives that were fetched.
    pub downloads: Freed,
    /// Checkpoints and attempts.
    pub work: Freed,
    /// Damaged objects.
    pub quarantine: Freed,
    /// Leavings of killed processes.
    pub tmp: Freed,
}

impl GcReport {
    /// All sorts together.
    #[must_use]
    pub fn total(&self) -> Freed {
        let sorts = [
            self.results,
            self.trees,
            self.blobs,
            self.trials,
            self.downloads,
            self.work,
            self.quarantine,
            self.tmp,
        ];
        let add = |a: Freed, b: Freed| Freed { count: a.count + b.count, bytes: a.bytes + b.bytes };
        sorts.into_iter().fold(Freed::default(), add)
    }
}

impl Store {
    /// Removes everything that `keep` does not name, that no live process holds, and that has not been
    /// changed for `grace`; only tells what it would remove when `dry_run`. Waits for running
    /// publications; those that begin meanwhile wait for it.
    ///
    /// # Errors
    /// `StoreError::Newer` when a needed object was written by a later version: what it names is not
    /// known, so nothing is removed.
    pub fn gc(&self, keep: &Keep, grace: Duration, dry_run: bool) -> Result<GcReport, StoreError> {
        let _lock = match locks::wait_exclusive(self, "gc") {
            Err(StoreError::ReadOnly { .. }) if dry_run => None,
            locked => Some(locked?),
        };
        let live = pins::live(self)?;
        let marks = self.mark(keep, &live, grace)?;
        let sweep = Sweep { store: self, grace, dry_run };
        // Counted up on both sides: before, since a sweep may be killed half-way; after, since a
        // snapshot made during the sweep has seen what is gone now.
        if !dry_run {
            self.bump_generation()?;
        }
        let report = sweep.everything(&marks, keep, &live)?;
        if !dry_run {
            pins::remove_stale(self)?;
            self.bump_generation()?;
        }
        Ok(report)
    }

    fn mark(
        &self,
        keep: &Keep,
        live: &HashSet<Digest>,
        grace: Duration,
    ) -> Result<Marks, StoreError> {
        let mut marks =
            Marks { trees: keep.trees.iter().chain(live).copied().collect(), ..Marks::default() };
        for path in files_by_prefix(&self.root.join("results"))? {
            let Some(fingerprint) = digest_in(&path) else { continue };
            let is_kept = keep.fingerprints.contains(&fingerprint)
                || live.contains(&fingerprint)
                || is_young(&path, grace);
            if !is_kept {
                continue;
            }
            marks.results.insert(fingerprint);
            let Some(object) = read_object(&path)? else { continue };
            if let Some(record) = records::parse(&path, &object, &fingerprint)? {
                marks.trees.extend(record.outputs.values().map(|output| output.tree));
            }
        }
        for path in files_by_prefix(&self.root.join("trees"))? {
            let Some(digest) = digest_in(&path) else { continue };
            if !marks.trees.contains(&digest) && !is_young(&path, grace) {
                continue;
            }
            marks.trees.insert(digest);
            let Some(object) = read_object(&path)? else { continue };
            if let Some(tree) = artifacts::parse(&path, &object, &digest)? {
                marks.blobs.extend(tree.blobs().map(|(blob, _)| blob));
            }
        }
        Ok(marks)
    }
}

/// What is reachable.
#[derive(Default)]
struct Marks {
    results: HashSet<Digest>,
    trees: HashSet<Digest>,
    blobs: HashSet<Digest>,
}

struct Sweep<'a> {
    store: &'a Store,
    grace: Duration,
    dry_run: bool,
}

impl Sweep<'_> {
    fn everything(
        &self,
        marks: &Marks,
        keep: &Keep,
        live: &HashSet<Digest>,
    ) -> Result<GcReport, StoreError> {
        let is_trial_kept = |key: &Digest| match &keep.trials {
            None => true,
            Some(trials) => trials.contains(key) || live.contains(key),
        };
        Ok(GcReport {
            results: self.objects("results", |digest| marks.results.contains(digest))?,
            trees: self.objects("trees", |digest| marks.trees.contains(digest))?,
            blobs: self.objects("blobs", |digest| marks.blobs.contains(digest))?,
            trials: self.objects("trials", is_trial_kept)?,
            downloads: self.files(DOWNLOADS, |path| {
                let name = path.file_name().and_then(|name| name.to_str());
                let is_kept = name.is_some_and(|name| keep.downloads.contains(name));
                !is_kept && !is_young(path, self.grace)
            })?,
            work: self.work(keep.work_grace, live)?,
            quarantine: self.files("quarantine", |path| !is_young(path, self.grace))?,
            tmp: self.files("tmp", is_stray)?,
        })
    }

    /// Objects of one sort that are not kept and not young. A file with another name is not ours.
    fn objects(&self, room: &str, is_kept: impl Fn(&Digest) -> bool) -> Result<Freed, StoreError> {
        let mut freed = Freed::default();
        for path in files_by_prefix(&self.store.root.join(room))? {
            let is_garbage = digest_in(&path).is_some_and(|digest| !is_kept(&digest));
            if is_garbage && !is_young(&path, self.grace) {
                self.remove_file(&path, &mut freed)?;
            }
        }
        Ok(freed)
    }

    fn files(&self, folder: &str, is_old: impl Fn(&Path) -> bool) -> Result<Freed, StoreError> {
        let mut freed = Freed::default();
        for path in list(&self.store.root.join(folder))?.iter().filter(|path| is_old(path)) {
            self.remove_file(path, &mut freed)?;
        }
        Ok(freed)
    }

    fn remove_file(&self, path: &Path, freed: &mut Freed) -> Result<(), StoreError> {
        let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
        freed.count += 1;
        freed.bytes += bytes_freed(&metadata);
        if self.dry_run { Ok(()) } else { self.store.remove(path) }
    }

    /// Work of fingerprints that nobody computes and whose folders nobody has touched for long.
    fn work(&self, grace: Duration, live: &HashSet<Digest>) -> Result<Freed, StoreError> {
        let mut freed = Freed::default();
        for folder in list(&self.store.root.join("work"))? {
            let is_ours = digest_in(&folder).is_some_and(|digest| !live.contains(&digest));
            if !is_ours || has_orphan(&folder)? {
                continue;
            }
            let mut size = Size::default();
            size.add(&folder);
            if size.newest.is_some_and(|newest| age_of(newest) < grace) {
                continue;
            }
            freed.count += 1;
            freed.bytes += size.bytes;
            if !self.dry_run {
                let removed = fs::remove_dir_all(&folder);
                removed.map_err(|error| self.store.storing(&folder, error))?;
            }
        }
        Ok(freed)
    }
}

/// Whether a process that outlived its run still holds one of the attempts in `folder`.
fn has_orphan(folder: &Path) -> Result<bool, StoreError> {
    for path in list(folder)? {
        if path.extension().is_some_and(|it| it == "lock") && is_locked(&path.with_extension(""))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Bytes below a folder and the time of the last change.
#[derive(Default)]
struct Size {
    bytes: u64,
    newest: Option<SystemTime>,
}

impl Size {
    fn add(&mut self, path: &Path) {
        let Ok(metadata) = fs::symlink_metadata(path) else { return };
        if metadata.is_file() {
            self.bytes += bytes_freed(&metadata);
        }
        self.newest = self.newest.max(Some(changed_at(&metadata)));
        if metadata.is_dir() {
            for child in list(path).unwrap_or_default() {
                self.add(&child);
            }
        }
    }
}

fn bytes_freed(metadata: &Metadata) -> u64 {
    if metadata.nlink() > 1 { 0 } else { metadata.len() }
}

/// When a file came to its name or was changed: a file that was moved in keeps its old mtime.
fn changed_at(metadata: &Metadata) -> SystemTime {
    let nanos = u64::try_from(Stamp::of(metadata).changed_ns()).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos)
}

/// Time since then; a time in the future is as young as can be.
fn age_of(time: SystemTime) -> Duration {
    SystemTime::now().duration_since(time).unwrap_or_default()
}

fn is_young(path: &Path, grace: Duration) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| age_of(changed_at(&metadata)) < grace)
}

/// Whether a file in `tmp/` has no writer any more.
pub(super) fn is_stray(path: &Path) -> bool {
    let modified = fs::symlink_metadata(path).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|time| age_of(time) >= STRAY_AFTER)
}

/// The digest that an object's file name is.
pub(super) fn digest_in(path: &Path) -> Option<Digest> {
    let name = path.file_name()?.to_str()?;
    name.strip_suffix(".json").unwrap_or(name).parse().ok()
}
