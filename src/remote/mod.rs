//! Remotes: stores behind the store, in a shared folder or a bucket.
//!
//! A remote has the layout of a store's four rooms (`blobs/`, `trees/`, `results/`, `trials/`) and nothing
//! else of it. It is never trusted: whatever comes from it is verified before it enters the store, and a
//! record whose content is not all there is no hit. Knows nothing of pipelines; never prints.

mod dir;
mod error;
mod export;
mod gc;
mod inventory;
mod meter;
mod object;
mod open;
mod pull;
mod push;
#[cfg(feature = "s3")]
mod s3;
mod tier;
mod trials;
mod verified;

pub use dir::Dir;
pub use error::RemoteError;
pub use export::{Content, Exported, Piece, check_address, export};
pub use gc::{RemoteGc, RemoteGcReport};
pub use inventory::{Held, Inventory};
pub use object::{Object, Room};
pub use open::{find, locate, open};
#[cfg(feature = "s3")]
pub use s3::Bucket;
pub use tier::{Conflict, Tier, Transferred, Unfetched};
pub use trials::SharedTrials;

use std::io::{self, Read};
use std::time::Duration;

/// Takes pieces of an object's content, in order.
pub type Sink<'a> = dyn FnMut(&[u8]) -> io::Result<()> + 'a;

/// What became of an object that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// It is there now.
    Written,
    /// An object has the name already, and stays.
    Taken,
}

/// A place for objects. The contract, which one suite of tests holds for every kind of remote:
///
/// 1. *Whole or not at all.* Nobody sees an object of which not all has come, whether the writer failed,
///    was killed or lost its connection.
/// 2. *What was written is read*: byte for byte, in order, each byte once, or an error is returned.
/// 3. *Absence is an answer*, not an error: `read` of what is not there is none, and `remove` of it is well.
/// 4. *First come, first kept.* Of several who write one name with `replace` off, one writes and the others
///    are told `Taken`, where the server is able to tell; else the last one's bytes are kept whole.
/// 5. *The listing is complete*: what was written before it began and is not removed is in it once, with its
///    size and the time when it was written. Names that are no object's are passed over.
/// 6. *Errors end.* Passing failures are tried again; what does not pass ends in one error within minutes.
///    An error of the caller's source or sink ends the operation at once and is handed back.
/// 7. *Bounded.* Memory does not grow with the size of an object. All of it may be called by many threads.
pub trait Remote: Send + Sync {
    /// Where it is, for people: a folder, or `s3://bucket/prefix`.
    fn place(&self) -> String;

    /// How many operations at once are worth it.
    fn width(&self) -> usize;

    /// Tells every object with its size and age, in any order.
    fn list(&self, each: &mut dyn FnMut(Object, Held)) -> Result<(), RemoteError>;

    /// Hands an object's content from byte `from` on, which there must be, to `sink` and returns the object's
    /// size; none when it is not there.
    fn read(
        &self,
        object: &Object,
        from: u64,
        sink: &mut Sink<'_>,
    ) -> Result<Option<u64>, RemoteError>;

    /// Writes an object of `size` bytes that come from `source`; `replace` overwrites one of that name.
    fn write(
        &self,
        object: &Object,
        size: u64,
        source: &mut dyn Read,
        replace: bool,
    ) -> Result<Stored, RemoteError>;

    /// Removes objects.
    fn remove(&self, objects: &[Object]) -> Result<(), RemoteError>;

    /// Removes what writers that were killed left behind `grace` ago or earlier, or only counts it.
    fn sweep_leavings(&self, grace: Duration, dry_run: bool) -> Result<u64, RemoteError>;
}
