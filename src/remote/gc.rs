//! Garbage collection at a remote.
//!
//! Others share it, and nobody knows what their lock files name. So what every record there reaches is
//! kept, unless the caller says which results are wanted; and what is young is kept in any case, since
//! somebody may be pushing. Right before it removes anything it looks again.

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, SystemTime};

use super::{Held, Inventory, Object, Remote, RemoteError, Room, verified};
use crate::digest::Digest;
use crate::manifest::Fingerprint;
use crate::parallel;

/// What a sweep of a remote goes by.
#[derive(Debug, Clone)]
pub struct RemoteGc {
    /// What is younger stays.
    pub grace: Duration,
    /// Results that are wanted; all that are there when none.
    pub wanted: Option<BTreeSet<Fingerprint>>,
    /// Only say what would be removed.
    pub dry_run: bool,
}

/// What was removed, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemoteGcReport {
    /// Objects and bytes by room, in the order of [`Room::ALL`].
    pub rooms: [(u64, u64); 4],
    /// Uploads that were never finished.
    pub leavings: u64,
}

impl RemoteGcReport {
    /// Objects and bytes of all rooms.
    #[must_use]
    pub fn total(&self) -> (u64, u64) {
        self.rooms.iter().fold((0, 0), |sum, room| (sum.0 + room.0, sum.1 + room.1))
    }
}

impl RemoteGc {
    /// Sweeps `remote`.
    ///
    /// # Errors
    /// When it cannot be read; nothing is removed then. Also when a record there is of a later version: what
    /// it reaches is not known.
    pub fn sweep(&self, remote: &dyn Remote) -> Result<RemoteGcReport, RemoteError> {
        let mut marks = Marks::default();
        let listed = Inventory::of(remote)?;
        self.mark(remote, &listed, &mut marks)?;
        let mut garbage = self.garbage(&listed, &marks);
        if !self.dry_run && !garbage.is_empty() {
            let again = Inventory::of(remote)?;
            self.mark(remote, &again, &mut marks)?;
            garbage = self.garbage(&again, &marks);
            remove(remote, &garbage)?;
        }
        let mut report = RemoteGcReport {
            leavings: remote.sweep_leavings(self.grace, self.dry_run)?,
            ..RemoteGcReport::default()
        };
        for (object, size) in garbage {
            let room = &mut report.rooms[object.room as usize];
            *room = (room.0 + 1, room.1 + size);
        }
        Ok(report)
    }

    /// Marks what is reached. What was read before is not read again.
    fn mark(
        &self,
        remote: &dyn Remote,
        inventory: &Inventory,
        marks: &mut Marks,
    ) -> Result<(), RemoteError> {
        let is_wanted = |(digest, held): &(Digest, Held)| {
            self.is_young(*held) || self.wanted.as_ref().is_none_or(|it| it.contains(digest))
        };
        let results = inventory.room(Room::Results).filter(is_wanted).map(|(digest, _)| digest);
        let results: Vec<Digest> =
            results.filter(|result| !marks.results.contains(result)).collect();
        let trees = parallel::map(&results, remote.width(), |result| -> Result<_, RemoteError> {
            let record = unless_damaged(verified::record(remote, result))?;
            Ok(record.map(|record| record.outputs.values().map(|out| out.tree).collect()))
        })?;
        // A damaged record is no hit for anybody, and not kept for itself.
        for (result, trees) in results.into_iter().zip(trees) {
            let trees: Option<Vec<Digest>> = trees;
            marks.results.extend(trees.is_some().then_some(result));
            marks.trees.extend(trees.into_iter().flatten());
        }
        let young = inventory.room(Room::Trees).filter(|(_, held)| self.is_young(*held));
        marks.trees.extend(young.map(|(digest, _)| digest));
        let unread: Vec<Digest> =
            marks.trees.iter().filter(|tree| !marks.read.contains(tree)).copied().collect();
        let blobs = parallel::map(&unread, remote.width(), |tree| -> Result<_, RemoteError> {
            let tree = unless_damaged(verified::tree(remote, tree))?;
            Ok(tree.map(|tree| tree.blobs().map(|(blob, _)| blob).collect::<Vec<_>>()))
        })?;
        marks.blobs.extend(blobs.into_iter().flatten().flatten());
        marks.read.extend(unread);
        Ok(())
    }

    /// What is neither reached nor young, in the order of its removal, with sizes. Trials are small and
    /// were dear: they stay.
    fn garbage(&self, inventory: &Inventory, marks: &Marks) -> Vec<(Object, u64)> {
        let mut garbage = Vec::new();
        let rooms = [
            (Room::Results, &marks.results),
            (Room::Trees, &marks.trees),
            (Room::Blobs, &marks.blobs),
        ];
        for (room, marked) in rooms {
            let unmarked = inventory.room(room).filter(|(digest, _)| !marked.contains(digest));
            let old = unmarked.filter(|(_, held)| !self.is_young(*held));
            garbage.extend(old.map(|(digest, held)| (Object { room, digest }, held.size)));
        }
        garbage
    }

    fn is_young(&self, held: Held) -> bool {
        let age = SystemTime::now().duration_since(held.written_at).unwrap_or_default();
        age < self.grace
    }
}

/// What is reachable.
#[derive(Default)]
struct Marks {
    results: HashSet<Digest>,
    trees: HashSet<Digest>,
    blobs: HashSet<Digest>,
    /// Trees whose blobs are marked.
    read: HashSet<Digest>,
}

/// Records before trees before blobs: a sweep that is killed leaves content without names and no name
/// without content.
fn remove(remote: &dyn Remote, garbage: &[(Object, u64)]) -> Result<(), RemoteError> {
    for room in [Room::Results, Room::Trees, Room::Blobs] {
        let objects = garbage.iter().map(|(object, _)| *object);
        let objects: Vec<Object> = objects.filter(|object| object.room == room).collect();
        remote.remove(&objects)?;
    }
    Ok(())
}

fn unless_damaged<T>(read: Result<Option<T>, RemoteError>) -> Result<Option<T>, RemoteError> {
    match read {
        Err(RemoteError::Damaged { .. }) => Ok(None),
        other => other,
    }
}
