//! Reading what proves itself: small objects whole, blobs on their way into the store.
//!
//! A network may flip a bit that its own checks let through, so what proves wrong is read again; what stays
//! wrong is damaged where it lies.

use std::io::{self, Write as _};

use super::meter::Meter;
use super::{Object, Remote, RemoteError};
use crate::digest::Digest;
use crate::manifest::Fingerprint;
use crate::record::StageRecord;
use crate::store::{Foreign, Store, Tree, read_record, read_tree};

/// How often something wrong is read before its place is to blame.
const READS: u32 = 3;

/// No record and no list of files is larger.
const SMALL_BYTES_MAX: usize = 512 << 20;

/// A small object, made of its text by `parse`; none when it is not there.
pub(super) fn small<T>(
    remote: &dyn Remote,
    object: &Object,
    parse: impl Fn(&[u8]) -> Result<T, Foreign>,
) -> Result<Option<T>, RemoteError> {
    for _ in 0..READS {
        let mut text = Vec::new();
        let found = remote.read(object, 0, &mut |piece| {
            if text.len() + piece.len() > SMALL_BYTES_MAX {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            text.extend_from_slice(piece);
            Ok(())
        });
        if found?.is_none() {
            return Ok(None);
        }
        match parse(&text) {
            Ok(value) => return Ok(Some(value)),
            Err(Foreign::Damaged) => {}
            Err(Foreign::Newer(format)) => {
                let (object, place) = (object.to_string(), remote.place());
                return Err(RemoteError::Newer { object, place, format });
            }
        }
    }
    Err(damaged(remote, object))
}

/// A stage's record; none when it is not there.
pub(super) fn record(
    remote: &dyn Remote,
    fingerprint: &Fingerprint,
) -> Result<Option<StageRecord>, RemoteError> {
    small(remote, &Object::result(*fingerprint), |text| read_record(text, fingerprint))
}

/// A list of files; none when it is not there.
pub(super) fn tree(remote: &dyn Remote, digest: &Digest) -> Result<Option<Tree>, RemoteError> {
    small(remote, &Object::tree(*digest), |text| read_tree(text, digest))
}

/// Takes a blob of `size` bytes into the store, and goes on where an earlier try ended.
pub(super) fn blob(
    remote: &dyn Remote,
    store: &Store,
    digest: &Digest,
    size: u64,
    meter: &Meter<'_>,
) -> Result<(), RemoteError> {
    let object = Object::blob(*digest);
    for _ in 0..READS {
        let mut incoming = store.incoming(digest, size)?;
        let begun = incoming.done();
        meter.moved(begun);
        let found = if begun < size || size == 0 {
            remote.read(&object, begun, &mut |piece| {
                meter.moved(piece.len() as u64);
                incoming.write_all(piece)
            })
        } else {
            Ok(Some(size))
        };
        match found {
            Ok(None) => {
                let (object, place) = (object.to_string(), remote.place());
                return Err(RemoteError::Gone { object, place });
            }
            Ok(Some(_)) => {
                if incoming.keep()? {
                    return Ok(());
                }
            }
            // It has more than there should be, or less than what is begun.
            Err(error) if is_too_much(&error) || (begun > 0 && error.concerns_one()) => {
                incoming.discard();
            }
            Err(error) => return Err(error),
        }
    }
    Err(damaged(remote, &object))
}

fn is_too_much(error: &RemoteError) -> bool {
    matches!(error, RemoteError::Local { source, .. } if source.kind() == io::ErrorKind::InvalidData)
}

fn damaged(remote: &dyn Remote, object: &Object) -> RemoteError {
    RemoteError::Damaged { object: object.to_string(), place: remote.place() }
}
