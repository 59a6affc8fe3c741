//! The contract of `Remote`, clause by clause, for every kind of it.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use phytotron::digest::Digest;
use phytotron::remote::{Inventory, Object, Remote, RemoteError, Room, Stored};

use super::{everywhere, noise};

/// More than one part of an upload in parts.
const LARGE: usize = (9 << 20) + 17;

fn put(remote: &dyn Remote, object: &Object, bytes: &[u8]) -> Stored {
    remote.write(object, bytes.len() as u64, &mut &*bytes, false).unwrap()
}

fn get(remote: &dyn Remote, object: &Object) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let size = remote.read(object, 0, &mut |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    });
    let size = size.unwrap()?;
    assert_eq!(size, bytes.len() as u64);
    Some(bytes)
}

fn blob(name: &str) -> Object {
    Object::blob(Digest::of(name.as_bytes()))
}

#[test]
fn what_was_written_is_read() {
    everywhere(|place| {
        let remote = (place.open)();
        for (name, size) in [("empty", 0), ("one", 1), ("small", 8 << 10), ("large", LARGE)] {
            let bytes = noise(1, size);
            assert_eq!(put(remote.as_ref(), &blob(name), &bytes), Stored::Written);
            assert!(get(remote.as_ref(), &blob(name)).as_ref() == Some(&bytes), "{name}");
        }
    });
}

#[test]
fn reading_begins_where_it_is_to() {
    everywhere(|place| {
        let remote = (place.open)();
        let bytes = noise(1, LARGE);
        put(remote.as_ref(), &blob("large"), &bytes);
        for from in [1, 8 << 20, LARGE - 1] {
            let mut rest = Vec::new();
            let size = remote.read(&blob("large"), from as u64, &mut |piece| {
                rest.extend_from_slice(piece);
                Ok(())
            });
            assert_eq!(size.unwrap(), Some(LARGE as u64));
            assert!(rest == bytes[from..], "{from}");
        }
        assert_eq!(remote.read(&blob("nobody"), 5, &mut |_| Ok(())).unwrap(), None);
    });
}

#[test]
fn absence_is_an_answer() {
    everywhere(|place| {
        let remote = (place.open)();
        assert_eq!(get(remote.as_ref(), &blob("nobody")), None);
        remote.remove(&[blob("nobody")]).unwrap();
        assert_eq!(remote.sweep_leavings(Duration::ZERO, false).unwrap(), 0);
        let inventory = Inventory::of(remote.as_ref()).unwrap();
        assert!(Room::ALL.into_iter().all(|room| inventory.room(room).next().is_none()));
    });
}

#[test]
fn who_comes_first_stays_unless_replaced() {
    everywhere(|place| {
        let remote = (place.open)();
        for size in [4, LARGE] {
            let object = blob(&size.to_string());
            let [first, second] = [1, 2].map(|seed| noise(seed, size));
            assert_eq!(put(remote.as_ref(), &object, &first), Stored::Written);
            assert_eq!(put(remote.as_ref(), &object, &second), Stored::Taken);
            assert!(get(remote.as_ref(), &object).as_ref() == Some(&first));
            let size = size as u64;
            let replaced = remote.write(&object, size, &mut second.as_slice(), true).unwrap();
            assert_eq!(replaced, Stored::Written);
            assert!(get(remote.as_ref(), &object).as_ref() == Some(&second));
        }
    });
}

#[test]
fn of_many_at_once_one_writes() {
    everywhere(|place| {
        let remote = (place.open)();
        let written = AtomicUsize::new(0);
        let object = Object::result(Digest::of(b"race"));
        std::thread::scope(|scope| {
            for seed in 0..8 {
                let (remote, written) = (&remote, &written);
                scope.spawn(move || {
                    if put(remote.as_ref(), &object, &noise(seed, 100)) == Stored::Written {
                        written.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        // A server that looks before it writes lets several through; then the last one's bytes are whole.
        assert!(written.load(Ordering::Relaxed) >= 1);
        let kept = get(remote.as_ref(), &object).unwrap();
        assert!((0..8).any(|seed| kept == noise(seed, 100)));
    });
}

/// Gives its bytes and then fails, as a file does that proves damaged at its end.
struct Failing(Vec<u8>, usize);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = (&self.0[self.1..]).read(buffer)?;
        self.1 += read;
        if read == 0 { Err(io::ErrorKind::InvalidData.into()) } else { Ok(read) }
    }
}

#[test]
fn a_source_that_fails_leaves_nothing() {
    everywhere(|place| {
        let remote = (place.open)();
        for size in [100, LARGE] {
            let object = blob("bad");
            let failed = remote.write(&object, size as u64, &mut Failing(noise(1, size), 0), false);
            let Err(RemoteError::Local { source, .. }) = failed else { panic!("{failed:?}") };
            assert_eq!(source.kind(), io::ErrorKind::InvalidData);
            let short = remote.write(&object, size as u64, &mut &noise(1, size - 1)[..], false);
            assert!(matches!(short, Err(RemoteError::Local { .. })), "{short:?}");
            assert_eq!(get(remote.as_ref(), &object), None);
            assert_eq!(remote.sweep_leavings(Duration::ZERO, true).unwrap(), 0);
        }
    });
}

#[test]
fn a_sink_that_fails_ends_the_reading() {
    everywhere(|place| {
        let remote = (place.open)();
        put(remote.as_ref(), &blob("large"), &noise(1, LARGE));
        let mut calls = 0;
        let failed = remote.read(&blob("large"), 0, &mut |_| {
            calls += 1;
            Err(io::ErrorKind::StorageFull.into())
        });
        let Err(RemoteError::Local { source, .. }) = failed else { panic!("{failed:?}") };
        assert_eq!((source.kind(), calls), (io::ErrorKind::StorageFull, 1));
    });
}

#[test]
fn the_listing_is_complete_and_passes_strangers_over() {
    everywhere(|place| {
        let remote = (place.open)();
        let before = SystemTime::now();
        let mut written = BTreeMap::new();
        // More than a page.
        for i in 0..1_050_usize {
            let digest = Digest::of(&i.to_le_bytes());
            let object = Object { room: Room::ALL[i % 4], digest };
            written.insert(object, (i % 7) as u64);
        }
        let objects: Vec<_> = written.iter().collect();
        std::thread::scope(|scope| {
            for objects in objects.chunks(140) {
                let remote = &remote;
                scope.spawn(move || {
                    for (object, size) in objects {
                        let bytes = noise(1, usize::try_from(**size).unwrap());
                        put(remote.as_ref(), object, &bytes);
                    }
                });
            }
        });
        for stranger in ["README.md", "blobs/x", "runs/index.jsonl", "blobs/00/not-a-digest"] {
            (place.spoil)(stranger, Some(b"stranger"));
        }
        let mut listed = BTreeMap::new();
        remote
            .list(&mut |object, held| {
                let age = held.written_at.duration_since(before - Duration::from_secs(2));
                assert!(age.is_ok_and(|age| age < Duration::from_mins(10)), "{held:?}");
                assert_eq!(listed.insert(object, held.size), None);
            })
            .unwrap();
        assert_eq!(listed, written);
        let some: Vec<Object> = written.keys().copied().take(1_020).collect();
        remote.remove(&some).unwrap();
        let mut left = 0;
        remote.list(&mut |_, _| left += 1).unwrap();
        assert_eq!(left, 30);
    });
}
