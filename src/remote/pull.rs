//! Pulling: results that the remote has come into the store, only what is missing.
//!
//! Content first, then lists of files, then records: whatever ends a pull early, no record names what is
//! not here, and the next pull goes on with what is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::meter::Meter;
use super::tier::{Conflict, Hit, Lookup, Tier, Transferred, Unfetched};
use super::{Object, RemoteError, Room, verified};
use crate::digest::Digest;
use crate::event::Emit;
use crate::manifest::Fingerprint;
use crate::parallel;
use crate::store::{Put, read_trial};

/// Blobs on the way, by digest, with their sizes.
type Blobs = BTreeMap<Digest, u64>;

impl Tier<'_> {
    /// Every result that the remote has.
    pub fn results(&self) -> Result<Vec<Fingerprint>, RemoteError> {
        let mut results: Vec<_> =
            self.inventory()?.room(Room::Results).map(|(digest, _)| digest).collect();
        results.sort_unstable();
        Ok(results)
    }

    /// Brings results into the store, with everything that belongs to them. What the remote does not have
    /// whole is told in the report.
    ///
    /// # Errors
    /// When the remote or the store fails as such. What has come by then stays.
    pub fn fetch(
        &self,
        results: &[Fingerprint],
        events: &dyn Emit,
    ) -> Result<Transferred, RemoteError> {
        let mut report = Transferred::default();
        let hits = self.hits(results, &mut report)?;
        // `gc` must not sweep blobs that no record names yet.
        let _publishing = self.store.publishing()?;
        let wanted = self.wanted(&hits);
        let fetched = self.fetch_blobs(&wanted, events, &mut report);
        let bad = fetched.as_ref().cloned().unwrap_or_default();
        for hit in hits {
            self.take_in(&hit, &bad, &mut report)?;
        }
        fetched.map(|_| report)
    }

    fn hits(
        &self,
        results: &[Fingerprint],
        report: &mut Transferred,
    ) -> Result<Vec<Arc<Hit>>, RemoteError> {
        let mut wanted = Vec::new();
        for result in results {
            if self.is_whole_here(result)? {
                report.results += 1;
            } else {
                wanted.push(*result);
            }
        }
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let lookups = parallel::map(&wanted, self.remote()?.width(), |result| self.lookup(result))?;
        let mut hits = Vec::new();
        for (fingerprint, lookup) in wanted.into_iter().zip(lookups) {
            let reason = match lookup {
                Lookup::Hit(hit) => {
                    hits.push(hit);
                    continue;
                }
                Lookup::Absent => format!("{} does not have it", self.name()),
                Lookup::Unusable(reason) => reason,
            };
            report.left.push(Unfetched { fingerprint, reason });
        }
        Ok(hits)
    }

    /// Whether the store has the result with all its content, so that nothing is to be asked.
    fn is_whole_here(&self, result: &Fingerprint) -> Result<bool, RemoteError> {
        let Some(record) = self.store.record(result)? else { return Ok(false) };
        for output in record.outputs.values() {
            if !self.store.is_present(&output.tree)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn wanted(&self, hits: &[Arc<Hit>]) -> Blobs {
        let blobs = hits.iter().flat_map(|hit| &hit.trees).flat_map(crate::store::Tree::blobs);
        blobs.filter(|(digest, size)| !self.store.has_blob(digest, *size)).collect()
    }

    /// Fetches blobs; returns those that cannot be had, with the reason.
    fn fetch_blobs(
        &self,
        wanted: &Blobs,
        events: &dyn Emit,
        report: &mut Transferred,
    ) -> Result<BTreeMap<Digest, String>, RemoteError> {
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut blobs: Vec<(Digest, u64)> = wanted.iter().map(|(&d, &size)| (d, size)).collect();
        // What takes longest begins first.
        blobs.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
        let bytes = wanted.values().sum();
        let what = format!("pulling from {}", self.name());
        let meter = Meter::new(events, what, blobs.len() as u64, bytes);
        let remote = self.remote()?;
        let ends = parallel::map(&blobs, remote.width(), |(digest, size)| {
            match verified::blob(remote, self.store, digest, *size, &meter) {
                Ok(()) => {
                    meter.done();
                    Ok(None)
                }
                Err(error) if error.concerns_one() => Ok(Some(error.to_string())),
                Err(error) => Err(error),
            }
        });
        meter.end();
        let mut bad = BTreeMap::new();
        for ((digest, size), end) in blobs.into_iter().zip(ends?) {
            if let Some(reason) = end {
                self.forget(&Object::blob(digest));
                bad.insert(digest, reason);
            } else {
                report.objects += 1;
                report.bytes += size;
            }
        }
        Ok(bad)
    }

    /// Puts lists of files and the record of a result whose content is all here.
    fn take_in(
        &self,
        hit: &Hit,
        bad: &BTreeMap<Digest, String>,
        report: &mut Transferred,
    ) -> Result<(), RemoteError> {
        let fingerprint = hit.record.fingerprint;
        for (digest, size) in hit.trees.iter().flat_map(crate::store::Tree::blobs) {
            if let Some(reason) = bad.get(&digest) {
                report.left.push(Unfetched { fingerprint, reason: reason.clone() });
                return Ok(());
            }
            if !self.store.has_blob(&digest, size) {
                return Ok(());
            }
        }
        for tree in &hit.trees {
            self.store.put_tree(tree)?;
        }
        match self.store.put_record(&hit.record, false)? {
            Put::Added => {
                report.objects += 1;
                report.results += 1;
            }
            Put::Same => report.results += 1,
            Put::Nondeterministic { output } => {
                report.conflicts.push(Conflict { fingerprint, output });
            }
        }
        Ok(())
    }

    /// Brings every trained child that the remote has into the store's trial cache.
    pub fn fetch_trials(&self, report: &mut Transferred) -> Result<(), RemoteError> {
        let here: BTreeSet<Digest> = self.store.trial_keys()?.into_iter().collect();
        let keys: Vec<Digest> = self.inventory()?.room(Room::Trials).map(|(key, _)| key).collect();
        let missing: Vec<Digest> = keys.into_iter().filter(|key| !here.contains(key)).collect();
        let remote = self.remote()?;
        let fetched = parallel::map(&missing, remote.width(), |key| {
            let trial = verified::small(remote, &Object::trial(*key), |text| read_trial(text, key));
            match trial {
                Ok(Some(trial)) => Ok(self.store.put_trial(key, &trial)? == Put::Added),
                Ok(None) => Ok(false),
                // A trial that is lost is trained again.
                Err(error) if error.concerns_one() => Ok(false),
                Err(error) => Err(error),
            }
        })?;
        report.objects += fetched.into_iter().filter(|added| *added).count() as u64;
        Ok(())
    }
}
