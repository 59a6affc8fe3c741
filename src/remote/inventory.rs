//! The inventory: what a remote held when it was listed, and what has come to it since.

use std::collections::HashMap;
use std::time::SystemTime;

use super::{Object, Remote, RemoteError, Room};
use crate::digest::Digest;

/// What a listing says of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Its bytes.
    pub size: u64,
    /// When it was written.
    pub written_at: SystemTime,
}

/// Every object of a remote, by one listing.
#[derive(Debug, Default)]
pub struct Inventory {
    rooms: [HashMap<Digest, Held>; 4],
}

impl Inventory {
    /// Lists `remote`.
    pub fn of(remote: &dyn Remote) -> Result<Self, RemoteError> {
        let mut inventory = Self::default();
        remote.list(&mut |object, held| inventory.add(object, held))?;
        Ok(inventory)
    }

    /// What is known of `object`; none when it is not there.
    #[must_use]
    pub fn get(&self, object: &Object) -> Option<Held> {
        self.rooms[object.room as usize].get(&object.digest).copied()
    }

    /// Whether it is there with this size: one of another size is damaged.
    #[must_use]
    pub fn has(&self, object: &Object, size: u64) -> bool {
        self.get(object).is_some_and(|held| held.size == size)
    }

    /// Whether there is any object of that name.
    #[must_use]
    pub fn has_any(&self, object: &Object) -> bool {
        self.get(object).is_some()
    }

    /// Everything of one sort, in no order.
    pub fn room(&self, room: Room) -> impl Iterator<Item = (Digest, Held)> + '_ {
        self.rooms[room as usize].iter().map(|(digest, held)| (*digest, *held))
    }

    /// Takes over that an object is there.
    pub(super) fn add(&mut self, object: Object, held: Held) {
        self.rooms[object.room as usize].insert(object.digest, held);
    }

    /// Takes over that an object is not there, or of no use.
    pub(super) fn forget(&mut self, object: &Object) {
        self.rooms[object.room as usize].remove(&object.digest);
    }
}
