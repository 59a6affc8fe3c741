//! Pushing: results of the store go to the remote, only what is missing there.
//!
//! Content first, then lists of files, then records, so that nobody finds a record whose content is still
//! on its way. A record that is there already is never replaced: other outputs are a finding.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::meter::{Meter, Metered};
use super::tier::{Conflict, Tier, Transferred, Unfetched};
use super::{Object, RemoteError, Stored, verified};
use crate::digest::Digest;
use crate::event::Emit;
use crate::manifest::Fingerprint;
use crate::parallel;
use crate::record::StageRecord;
use crate::store::{Tree, first_difference, record_text, trial_text};

/// A result of the store that the remote is to have.
struct Parcel {
    record: StageRecord,
    trees: Vec<Tree>,
    /// Whether a record is there that is damaged.
    replace: bool,
}

/// What is to be done about a result.
enum Check {
    Send(Parcel),
    /// The remote has all of it.
    There,
    Conflict(Conflict),
    Left(Unfetched),
}

impl Tier<'_> {
    /// Sends results of the store, with everything that belongs to them, where the remote lacks them.
    ///
    /// # Errors
    /// When the remote or the store fails as such. What has gone by then is not sent again.
    pub fn send(
        &self,
        results: &[Fingerprint],
        events: &dyn Emit,
    ) -> Result<Transferred, RemoteError> {
        let mut report = Transferred::default();
        // `gc` must not sweep what is on its way.
        let _publishing = self.store.publishing()?;
        drop(self.inventory()?);
        let checks =
            parallel::map(results, self.remote()?.width(), |result| match self.check(result) {
                Err(error) if error.concerns_one() => Ok(left(result, &error.to_string())),
                other => other,
            })?;
        let mut parcels = Vec::new();
        for check in checks {
            match check {
                Check::Send(parcel) => parcels.push(parcel),
                Check::There => report.results += 1,
                Check::Conflict(conflict) => report.conflicts.push(conflict),
                Check::Left(left) => report.left.push(left),
            }
        }
        let unsent = self.send_blobs(&parcels, events, &mut report)?;
        parcels.retain(|parcel| match first_of(parcel, &unsent) {
            None => true,
            Some(reason) => {
                let fingerprint = parcel.record.fingerprint;
                report.left.push(Unfetched { fingerprint, reason });
                false
            }
        });
        self.send_trees(&parcels, &mut report)?;
        self.send_records(&parcels, &mut report)?;
        Ok(report)
    }

    /// Compares a result of the store with what is listed. Where record and lists of files are both there,
    /// they belong together: lists go before their record, and another record would have other lists.
    fn check(&self, fingerprint: &Fingerprint) -> Result<Check, RemoteError> {
        let Some(record) = self.store.record(fingerprint)? else {
            return Ok(left(fingerprint, "the store does not have it"));
        };
        let mut trees = Vec::with_capacity(record.outputs.len());
        for output in record.outputs.values() {
            match self.store.tree(&output.tree)? {
                Some(tree) => trees.push(tree),
                None => {
                    return Ok(left(fingerprint, "its list of files is not in the store any more"));
                }
            }
        }
        let inventory = self.inventory()?;
        let is_listed = inventory.has_any(&Object::result(*fingerprint));
        let has_trees =
            record.outputs.values().all(|out| inventory.has_any(&Object::tree(out.tree)));
        let has_blobs = trees
            .iter()
            .flat_map(Tree::blobs)
            .all(|(d, size)| inventory.has(&Object::blob(d), size));
        drop(inventory);
        if is_listed && has_trees && has_blobs {
            return Ok(Check::There);
        }
        let mut replace = false;
        if is_listed && !has_trees {
            match self.compare(&record)? {
                Comparison::Same => {}
                Comparison::Differs(conflict) => return Ok(Check::Conflict(conflict)),
                Comparison::Damaged => replace = true,
            }
        }
        Ok(Check::Send(Parcel { record, trees, replace }))
    }

    fn compare(&self, record: &StageRecord) -> Result<Comparison, RemoteError> {
        let fingerprint = record.fingerprint;
        match verified::record(self.remote()?, &fingerprint) {
            Ok(Some(there)) => Ok(match first_difference(&there, record) {
                None => Comparison::Same,
                Some(output) => Comparison::Differs(Conflict { fingerprint, output }),
            }),
            Ok(None) | Err(RemoteError::Damaged { .. }) => Ok(Comparison::Damaged),
            Err(error) => Err(error),
        }
    }

    /// Sends content; returns what is damaged or gone here, with the reason.
    fn send_blobs(
        &self,
        parcels: &[Parcel],
        events: &dyn Emit,
        report: &mut Transferred,
    ) -> Result<BTreeMap<Digest, String>, RemoteError> {
        let all: BTreeMap<Digest, u64> =
            parcels.iter().flat_map(|parcel| &parcel.trees).flat_map(Tree::blobs).collect();
        let inventory = self.inventory()?;
        let mut blobs: Vec<(Digest, u64, bool)> = all
            .into_iter()
            .filter(|(digest, size)| !inventory.has(&Object::blob(*digest), *size))
            .map(|(digest, size)| (digest, size, inventory.has_any(&Object::blob(digest))))
            .collect();
        drop(inventory);
        if blobs.is_empty() {
            return Ok(BTreeMap::new());
        }
        // What takes longest begins first.
        blobs.sort_by_key(|(_, size, _)| std::cmp::Reverse(*size));
        let bytes = blobs.iter().map(|(_, size, _)| size).sum();
        let what = format!("pushing to {}", self.name());
        let meter = Meter::new(events, what, blobs.len() as u64, bytes);
        let ends = parallel::map(&blobs, self.remote()?.width(), |(digest, size, replace)| {
            match self.send_blob(digest, *size, *replace, &meter) {
                Err(error) if error.concerns_one() => Ok(Some(error.to_string())),
                other => other.map(|()| None),
            }
        });
        meter.end();
        let mut unsent = BTreeMap::new();
        for ((digest, size, _), end) in blobs.into_iter().zip(ends?) {
            if let Some(reason) = end {
                unsent.insert(digest, reason);
            } else {
                report.objects += 1;
                report.bytes += size;
            }
        }
        Ok(unsent)
    }

    fn send_blob(
        &self,
        digest: &Digest,
        size: u64,
        replace: bool,
        meter: &Meter<'_>,
    ) -> Result<(), RemoteError> {
        let object = Object::blob(*digest);
        let unsendable = || RemoteError::Unsendable { object: object.to_string() };
        let source = self.store.outgoing(digest)?.ok_or_else(unsendable)?;
        let sent = self.remote()?.write(&object, size, &mut Metered { source, meter }, replace);
        match sent {
            // That somebody else was quicker is as good: the name says what it is.
            Ok(Stored::Written | Stored::Taken) => {
                self.note(object, size);
                meter.done();
                Ok(())
            }
            Err(RemoteError::Local { source, .. })
                if matches!(
                    source.kind(),
                    io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
                ) =>
            {
                Err(unsendable())
            }
            Err(error) => Err(error),
        }
    }

    fn send_trees(&self, parcels: &[Parcel], report: &mut Transferred) -> Result<(), RemoteError> {
        let all: BTreeMap<Digest, &Tree> = parcels
            .iter()
            .flat_map(|parcel| &parcel.trees)
            .map(|tree| (tree.digest(), tree))
            .collect();
        let inventory = self.inventory()?;
        let missing: Vec<(Digest, &Tree)> = all
            .into_iter()
            .filter(|(digest, _)| !inventory.has_any(&Object::tree(*digest)))
            .collect();
        drop(inventory);
        parallel::map(&missing, self.remote()?.width(), |(digest, tree)| {
            self.send_small(Object::tree(*digest), tree.text().as_bytes(), false)
        })?;
        report.objects += missing.len() as u64;
        Ok(())
    }

    fn send_records(
        &self,
        parcels: &[Parcel],
        report: &mut Transferred,
    ) -> Result<(), RemoteError> {
        let sent = parallel::map(parcels, self.remote()?.width(), |parcel| {
            let object = Object::result(parcel.record.fingerprint);
            if self.inventory()?.has_any(&object) && !parcel.replace {
                return Ok((false, None));
            }
            let text = record_text(&parcel.record);
            if self.send_small(object, &text, parcel.replace)? == Stored::Written {
                return Ok((true, None));
            }
            // Somebody was quicker.
            match self.compare(&parcel.record)? {
                Comparison::Differs(conflict) => Ok((false, Some(conflict))),
                Comparison::Same => Ok((false, None)),
                Comparison::Damaged => self.send_small(object, &text, true).map(|_| (true, None)),
            }
        })?;
        for (is_written, conflict) in sent {
            report.objects += u64::from(is_written);
            report.results += usize::from(conflict.is_none());
            report.conflicts.extend(conflict);
        }
        Ok(())
    }

    fn send_small(
        &self,
        object: Object,
        text: &[u8],
        replace: bool,
    ) -> Result<Stored, RemoteError> {
        let size = text.len() as u64;
        let stored = self.remote()?.write(&object, size, &mut &*text, replace)?;
        self.note(object, size);
        Ok(stored)
    }

    /// Sends every trained child of the store's trial cache that the remote lacks.
    pub fn send_trials(&self, report: &mut Transferred) -> Result<(), RemoteError> {
        let keys: BTreeSet<Digest> = self.store.trial_keys()?.into_iter().collect();
        let inventory = self.inventory()?;
        let missing: Vec<Digest> =
            keys.into_iter().filter(|key| !inventory.has_any(&Object::trial(*key))).collect();
        drop(inventory);
        let sent =
            parallel::map(&missing, self.remote()?.width(), |key| -> Result<_, RemoteError> {
                let Some(trial) = self.store.trial(key)? else { return Ok(false) };
                self.send_small(Object::trial(*key), &trial_text(key, &trial), false)?;
                Ok(true)
            })?;
        report.objects += sent.into_iter().filter(|sent| *sent).count() as u64;
        Ok(())
    }
}

/// How a record compares with the one at the remote.
enum Comparison {
    Same,
    Differs(Conflict),
    /// There is none that can be read.
    Damaged,
}

fn left(fingerprint: &Fingerprint, reason: &str) -> Check {
    Check::Left(Unfetched { fingerprint: *fingerprint, reason: reason.to_owned() })
}

/// Why content of `parcel` was not sent, when some was not.
fn first_of(parcel: &Parcel, unsent: &BTreeMap<Digest, String>) -> Option<String> {
    let mut blobs = parcel.trees.iter().flat_map(Tree::blobs);
    blobs.find_map(|(digest, _)| unsent.get(&digest).cloned())
}
