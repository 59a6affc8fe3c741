//! Results that go to a remote and come from one: only what is missing, and nothing that is bad.

use std::io::{Read, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use phytotron::digest::Digest;
use phytotron::event::{Emit, Event, Silent};
use phytotron::remote::{
    Conflict, Held, Object, Remote, RemoteError, RemoteGc, Room as RemoteRoom, Sink, Stored, Tier,
    Transferred,
};
use phytotron::store::Put;
use serde_json::json;

use super::{Place, Room, everywhere, noise};

const LEAF: &[(&str, &[u8])] = &[("leaf.txt", b"leaf"), ("deep/root.txt", b"root")];

fn tier<'r>(room: &'r Room, place: &Place) -> Tier<'r> {
    Tier::new(&room.store, (place.open)(), "lab", false)
}

fn push(room: &Room, place: &Place) -> Transferred {
    let results = room.store.fingerprints().unwrap();
    tier(room, place).send(&results, &Silent).unwrap()
}

fn pull(room: &Room, place: &Place) -> Transferred {
    let tier = tier(room, place);
    tier.fetch(&tier.results().unwrap(), &Silent).unwrap()
}

#[test]
fn a_result_arrives_whole_and_is_moved_once() {
    everywhere(|place| {
        let (here, there) = (Room::new(), Room::new());
        let leaf = here.result("leaf", LEAF);
        let large = here.result("large", &[("large", &noise(1, 9 << 20)), ("leaf.txt", b"leaf")]);
        let sent = push(&here, place);
        // Three contents, two lists, two records.
        assert_eq!((sent.objects, sent.results), (7, 2));
        assert_eq!(push(&here, place), Transferred { results: 2, ..Transferred::default() });
        let fetched = pull(&there, place);
        assert_eq!((fetched.bytes, fetched.results), (sent.bytes, 2));
        assert_eq!(pull(&there, place), Transferred { results: 2, ..Transferred::default() });
        for result in [leaf, large] {
            there.assert_has(&result);
            let [a, b] = [&here, &there].map(|room| room.store.record(&result).unwrap().unwrap());
            assert_eq!(a, b);
        }
    });
}

/// A remote that notes where reading began.
struct Noting {
    inner: Box<dyn Remote>,
    begun: Arc<Mutex<Vec<u64>>>,
}

impl Remote for Noting {
    fn place(&self) -> String {
        self.inner.place()
    }
    fn width(&self) -> usize {
        self.inner.width()
    }
    fn list(&self, each: &mut dyn FnMut(Object, Held)) -> Result<(), RemoteError> {
        self.inner.list(each)
    }
    fn read(
        &self,
        object: &Object,
        from: u64,
        sink: &mut Sink<'_>,
    ) -> Result<Option<u64>, RemoteError> {
        if object.room == RemoteRoom::Blobs {
            self.begun.lock().unwrap().push(from);
        }
        self.inner.read(object, from, sink)
    }
    fn write(
        &self,
        object: &Object,
        size: u64,
        source: &mut dyn Read,
        replace: bool,
    ) -> Result<Stored, RemoteError> {
        self.inner.write(object, size, source, replace)
    }
    fn remove(&self, objects: &[Object]) -> Result<(), RemoteError> {
        self.inner.remove(objects)
    }
    fn sweep_leavings(&self, grace: Duration, dry_run: bool) -> Result<u64, RemoteError> {
        self.inner.sweep_leavings(grace, dry_run)
    }
}

#[test]
fn a_large_file_is_gone_on_with_and_begun_anew_when_its_beginning_is_wrong() {
    everywhere(|place| {
        let (here, bytes) = (Room::new(), noise(1, 9 << 20));
        let large = here.result("large", &[("large", &bytes)]);
        push(&here, place);
        let size = bytes.len() as u64;
        for (beginning, expected) in [(&bytes[..1 << 20], vec![1 << 20]), (b"wrong", vec![5, 0])] {
            let there = Room::new();
            let mut incoming = there.store.incoming(&Digest::of(&bytes), size).unwrap();
            incoming.write_all(beginning).unwrap();
            drop(incoming);
            let begun = Arc::default();
            let remote = Noting { inner: (place.open)(), begun: Arc::clone(&begun) };
            let tier = Tier::new(&there.store, Box::new(remote), "lab", false);
            assert!(tier.fetch(&[large], &Silent).unwrap().left.is_empty());
            there.assert_has(&large);
            assert_eq!(*begun.lock().unwrap(), expected);
        }
    });
}

/// Counts what is said of a transfer.
#[derive(Default)]
struct Heard(Mutex<Vec<(u64, u64, u64, u64)>>);

impl Emit for Heard {
    fn emit(&self, event: Event) {
        if let Event::Transfer { done, total, bytes, bytes_total, .. } = event {
            self.0.lock().unwrap().push((done, total, bytes, bytes_total));
        }
    }
}

#[test]
fn progress_ends_at_all_of_it() {
    everywhere(|place| {
        let here = Room::new();
        let leaf = here.result("leaf", LEAF);
        let heard = Heard::default();
        tier(&here, place).send(&[leaf], &heard).unwrap();
        assert_eq!(heard.0.lock().unwrap().last(), Some(&(2, 2, 8, 8)));
    });
}

#[test]
fn a_record_whose_content_is_missing_is_no_hit_and_a_push_completes_it() {
    everywhere(|place| {
        let (here, there) = (Room::new(), Room::new());
        let leaf = here.result("leaf", LEAF);
        push(&here, place);
        let gone = Object::blob(Digest::of(b"root"));
        (place.spoil)(&gone.to_string(), None);
        let tier = tier(&there, place);
        assert_eq!(tier.record(&leaf).unwrap(), None);
        let fetched = tier.fetch(&[leaf], &Silent).unwrap();
        assert!(fetched.left[0].reason.contains("is missing"), "{fetched:?}");
        assert_eq!(there.store.record(&leaf).unwrap(), None);
        let healed = push(&here, place);
        assert_eq!((healed.objects, healed.results), (1, 1));
        pull(&there, place);
        there.assert_has(&leaf);
    });
}

#[test]
fn what_is_damaged_there_never_enters_the_store() {
    everywhere(|place| {
        let here = Room::new();
        let leaf = here.result("leaf", LEAF);
        let tree = here.store.record(&leaf).unwrap().unwrap().outputs["files"].tree;
        // Flipped, cut, longer; a blob, a list, a record.
        for (object, bytes) in [
            (Object::blob(Digest::of(b"root")), &b"rood"[..]),
            (Object::blob(Digest::of(b"root")), b"roo"),
            (Object::blob(Digest::of(b"root")), b"rooted"),
            (Object::tree(tree), b"phytotron tree 1\n"),
            (Object::result(leaf), b"{\"checksum\": \"\"}"),
        ] {
            push(&here, place);
            (place.spoil)(&object.to_string(), Some(bytes));
            let there = Room::new();
            let fetched = tier(&there, place).fetch(&[leaf], &Silent).unwrap();
            assert_eq!((fetched.left.len(), fetched.results), (1, 0), "{object}");
            assert_eq!(there.store.record(&leaf).unwrap(), None);
            there.assert_clean();
            (place.spoil)(&object.to_string(), None);
        }
    });
}

#[test]
fn a_push_never_replaces_a_record() {
    everywhere(|place| {
        let (here, other) = (Room::new(), Room::new());
        let leaf = here.result("leaf", LEAF);
        push(&here, place);
        other.result("leaf", &[("leaf.txt", b"another")]);
        let sent = push(&other, place);
        let conflict = Conflict { fingerprint: leaf, output: "files".to_owned() };
        assert_eq!((sent.conflicts.as_slice(), sent.objects), (&[conflict][..], 0));
        let there = Room::new();
        pull(&there, place);
        assert_eq!(there.store.record(&leaf).unwrap(), here.store.record(&leaf).unwrap());
    });
}

#[test]
fn damaged_content_is_not_sent() {
    everywhere(|place| {
        let here = Room::new();
        let leaf = here.result("leaf", LEAF);
        let fine = here.result("fine", &[("fine.txt", b"fine")]);
        super::spoil_file(&here.store.blob_path(&Digest::of(b"root")), Some(b"rood"));
        let sent = push(&here, place);
        assert_eq!((sent.left[0].fingerprint, sent.results), (leaf, 1));
        let there = Room::new();
        pull(&there, place);
        there.assert_has(&fine);
        assert_eq!(there.store.record(&leaf).unwrap(), None);
    });
}

#[test]
fn trials_go_both_ways() {
    everywhere(|place| {
        let (here, there) = (Room::new(), Room::new());
        let key = Digest::of(b"trial");
        let trial = json!({ "score": 0.5 });
        assert_eq!(here.store.put_trial(&key, &trial).unwrap(), Put::Added);
        let mut report = Transferred::default();
        tier(&here, place).send_trials(&mut report).unwrap();
        tier(&here, place).send_trials(&mut report).unwrap();
        assert_eq!(report.objects, 1);
        let torn = Object::trial(Digest::of(b"torn"));
        (place.spoil)(&torn.to_string(), Some(b"{}"));
        tier(&there, place).fetch_trials(&mut report).unwrap();
        assert_eq!(report.objects, 2);
        assert_eq!(there.store.trial(&key).unwrap(), Some(trial));
        there.assert_clean();
    });
}

#[test]
fn a_sweep_keeps_what_records_reach_and_what_is_young() {
    everywhere(|place| {
        let here = Room::new();
        let leaf = here.result("leaf", LEAF);
        let old = here.result("old", &[("old.txt", b"old"), ("leaf.txt", b"leaf")]);
        push(&here, place);
        let lost = Object::blob(Digest::of(b"lost"));
        (place.spoil)(&lost.to_string(), Some(b"lost"));
        let remote = (place.open)();
        let sweep = |grace: u64, wanted: Option<Digest>, dry_run: bool| {
            let wanted = wanted.map(|result| [result].into());
            let gc = RemoteGc { grace: Duration::from_secs(grace), wanted, dry_run };
            gc.sweep(remote.as_ref()).unwrap().rooms
        };
        assert_eq!(sweep(3_600, Some(leaf), true), [(0, 0); 4]);
        assert_eq!(sweep(0, None, true)[0], (1, 4));
        assert_eq!(sweep(0, None, false)[0], (1, 4));
        assert_eq!(sweep(0, None, false), [(0, 0); 4]);
        let there = Room::new();
        assert_eq!(pull(&there, place).results, 2);
        // Only results that somebody wants: `old` goes with all that nobody else has.
        let [blobs, trees, results, _] = sweep(0, Some(leaf), false);
        assert_eq!((blobs.0, trees.0, results.0), (1, 1, 1));
        let there = Room::new();
        pull(&there, place);
        there.assert_has(&leaf);
        assert_eq!(there.store.record(&old).unwrap(), None);
    });
}
