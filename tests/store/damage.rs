//! Damage: whatever happens to a file of the store, what is read is right or missing.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use phytotron::digest::Digest;
use phytotron::store::{LinkMode, Put, Store, StoreError};
use proptest::prelude::*;
use serde_json::json;

use super::{Room, blobs_of, content, files_of, flip_a_byte, overwrite, record, texts};

const FILES: [(&str, &str); 3] = [("a.txt", "leaf"), ("b/c.txt", "root"), ("b/d.txt", "")];

#[test]
fn a_flipped_byte_is_found_on_restore_quarantined_and_healed() {
    let room = Room::new();
    let taken = room.artifact(&FILES);
    let bad = blobs_of(&room.store, &taken.tree)[0].clone();
    let generation = room.store.generation().unwrap();
    flip_a_byte(&bad);
    assert!(room.store.is_present(&taken.tree).unwrap(), "size and name still fit");
    let error = room.store.materialize(&taken.tree, &room.path("out"), LinkMode::Auto).unwrap_err();
    assert!(matches!(&error, StoreError::Damaged { tree, .. } if *tree == taken.tree), "{error}");
    assert!(!room.path("out/a.txt").exists(), "no wrong byte is left for anybody to read");
    assert!(!bad.exists());
    assert_eq!(files_of(&room.store.root().join("quarantine")).len(), 1);
    assert!(room.store.generation().unwrap() > generation);
    assert_eq!(room.artifact(&FILES).tree, taken.tree);
    room.store.materialize(&taken.tree, &room.path("again"), LinkMode::Auto).unwrap();
    assert_eq!(content(&room.path("again")), texts(&FILES));
}

#[test]
fn a_flipped_byte_is_found_by_fsck_with_the_results_it_costs() {
    let room = Room::new();
    let done = record("search", room.artifact(&FILES));
    room.store.put_record(&done, false).unwrap();
    assert!(room.store.fsck(true).unwrap().is_clean());
    let tree = done.outputs["files"].tree;
    let bad = blobs_of(&room.store, &tree)[0].clone();
    flip_a_byte(&bad);
    assert!(room.store.fsck(false).unwrap().is_clean(), "only hashing finds it");
    let report = room.store.fsck(true).unwrap();
    assert_eq!(report.problems.len(), 1);
    assert!(report.problems[0].path == bad && report.problems[0].quarantined);
    assert_eq!((report.dangling[0].tree, report.dangling[0].missing), (tree, 1));
    assert_eq!(report.lost[0].fingerprint, done.fingerprint);
    assert_eq!(report.lost[0].output, "files");
    assert_eq!((report.blobs, report.trees, report.records), (3, 1, 1));
}

#[test]
fn a_flipped_byte_under_an_old_mtime_is_found_too() {
    let room = Room::new();
    let large = "x".repeat(3 << 20);
    let taken = room.artifact(&[("large", &large)]);
    let bad = blobs_of(&room.store, &taken.tree)[0].clone();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let set_back = || File::open(&bad).unwrap().set_modified(long_ago).unwrap();
    set_back();
    room.store.materialize(&taken.tree, &room.path("before"), LinkMode::Auto).unwrap();
    flip_a_byte(&bad);
    set_back();
    let restored = room.store.materialize(&taken.tree, &room.path("after"), LinkMode::Auto);
    assert!(matches!(restored, Err(StoreError::Damaged { .. })));
}

#[test]
fn a_cut_blob_is_found_without_hashing() {
    let room = Room::new();
    let taken = room.artifact(&FILES);
    overwrite(&blobs_of(&room.store, &taken.tree)[0], |bytes| bytes.truncate(1));
    assert!(!room.store.is_present(&taken.tree).unwrap());
    let report = room.store.fsck(false).unwrap();
    assert_eq!((report.problems.len(), report.dangling.len()), (1, 1));
}

#[test]
fn a_record_under_a_foreign_name_is_a_miss() {
    let room = Room::new();
    let taken = room.artifact(&FILES);
    let (ours, theirs) = (record("ours", taken), record("theirs", taken));
    room.store.put_record(&ours, false).unwrap();
    room.store.put_record(&theirs, false).unwrap();
    let path = |of: &Digest| {
        room.store.root().join("results").join(&of.hex()[..2]).join(of.hex() + ".json")
    };
    fs::copy(path(&theirs.fingerprint), room.path("copy")).unwrap();
    fs::rename(room.path("copy"), path(&ours.fingerprint)).unwrap();
    assert_eq!(room.store.record(&ours.fingerprint).unwrap(), None);
    assert_eq!(room.store.put_record(&ours, false).unwrap(), Put::Added);
}

#[test]
fn a_lost_generation_never_comes_back() {
    let room = Room::new();
    let mut seen = vec![room.store.generation().unwrap()];
    let file = room.store.root().join("state/.generation");
    for damage in [0, 1, 2] {
        match damage {
            0 => fs::remove_file(&file).unwrap(),
            1 => overwrite(&file, Vec::clear),
            _ => overwrite(&file, |bytes| bytes.fill(0)),
        }
        let now = room.reopened().generation().unwrap();
        assert!(!seen.contains(&now), "{now} was seen before: {seen:?}");
        assert_eq!(room.store.generation().unwrap(), now);
        seen.push(now);
    }
}

#[test]
fn fsck_removes_what_killed_writers_left_but_not_what_is_being_written() {
    let room = Room::new();
    let tmp = room.store.root().join("tmp");
    fs::write(tmp.join("old"), "x").unwrap();
    fs::write(tmp.join("young"), "x").unwrap();
    let yesterday = SystemTime::now() - Duration::from_hours(24);
    File::options().write(true).open(tmp.join("old")).unwrap().set_modified(yesterday).unwrap();
    let report = room.store.fsck(false).unwrap();
    assert_eq!(report.strays_removed, 1);
    assert_eq!(files_of(&tmp), [tmp.join("young")]);
}

#[test]
fn strangers_among_the_objects_are_put_away() {
    let room = Room::new();
    room.artifact(&FILES);
    let stranger = room.store.root().join("blobs/zz/notes.txt");
    fs::create_dir_all(stranger.parent().unwrap()).unwrap();
    fs::write(&stranger, "?").unwrap();
    let report = room.store.fsck(true).unwrap();
    assert_eq!((report.problems.len(), report.problems[0].path.clone()), (1, stranger));
    assert!(room.store.fsck(true).unwrap().is_clean());
}

/// How a file is damaged.
#[derive(Debug, Clone, Copy)]
enum Harm {
    Zero,
    Cut(prop::sample::Index),
    Flip(prop::sample::Index, u8),
    Remove,
}

fn harms() -> impl Strategy<Value = Harm> {
    prop_oneof![
        Just(Harm::Zero),
        any::<prop::sample::Index>().prop_map(Harm::Cut),
        (any::<prop::sample::Index>(), 1_u8..).prop_map(|(at, bits)| Harm::Flip(at, bits)),
        Just(Harm::Remove),
    ]
}

/// A store with one of everything, all of it settled enough for the stat cache.
struct Furnished {
    room: Room,
    record: phytotron::record::StageRecord,
    key: Digest,
    source: std::path::PathBuf,
    generation: u64,
}

fn furnished() -> Furnished {
    let room = Room::new();
    let record = record("stage", room.artifact(&FILES));
    room.store.put_record(&record, false).unwrap();
    let key = Digest::of(b"trial");
    room.store.put_trial(&key, &json!({ "score": 0.5 })).unwrap();
    room.store.register_root("study", &room.path("study.lock")).unwrap();
    // Without root the files there are links, and what harms a blob harms them: an edit, by all signs.
    if super::is_root() {
        room.store.publish(&record.outputs["files"].tree, &room.path("out")).unwrap();
    }
    let source = room.folder("source", &[("x", "source")]).join("x");
    room.store.digest_file(&source).unwrap();
    let generation = room.store.generation().unwrap();
    Furnished { room, record, key, source, generation }
}

/// Reads everything; what is not right must be missing. Returns whether all was there.
fn read_all(furnished: &Furnished, store: &Store) -> bool {
    let Furnished { room, record, key, source, .. } = furnished;
    let tree = record.outputs["files"].tree;
    let mut is_whole = true;
    match store.record(&record.fingerprint).unwrap() {
        Some(found) => assert_eq!(&found, record),
        None => is_whole = false,
    }
    match store.trial(key).unwrap() {
        Some(found) => assert_eq!(found, json!({ "score": 0.5 })),
        None => is_whole = false,
    }
    let restored = room.path("restored");
    match store.materialize(&tree, &restored, LinkMode::Auto) {
        Ok(()) => assert_eq!(content(&restored), texts(&FILES)),
        Err(StoreError::Damaged { .. }) => is_whole = false,
        Err(other) => panic!("{other}"),
    }
    let _ = fs::remove_dir_all(&restored);
    match store.publish(&tree, &room.path("out")) {
        Ok(published) => {
            assert_eq!(content(&room.path("out")), texts(&FILES));
            assert!(published.edited.is_empty());
        }
        Err(StoreError::Damaged { .. }) => is_whole = false,
        Err(other) => panic!("{other}"),
    }
    assert_eq!(store.digest_file(source).unwrap(), Digest::of(b"source"));
    for root in store.roots().unwrap() {
        assert!(root.lock_file.is_none_or(|path| path == room.path("study.lock")));
    }
    is_whole
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_damage_to_any_file_is_a_miss_and_never_a_wrong_answer(
        which in any::<prop::sample::Index>(),
        harm in harms(),
    ) {
        let furnished = furnished();
        let files = files_of(furnished.room.store.root());
        let victim = which.get(&files);
        match harm {
            Harm::Remove => fs::remove_file(victim).unwrap(),
            Harm::Zero => overwrite(victim, |bytes| bytes.fill(0)),
            Harm::Cut(at) => overwrite(victim, |bytes| {
                let len = at.index(bytes.len().max(1));
                bytes.truncate(len);
            }),
            Harm::Flip(at, bits) => overwrite(victim, |bytes| {
                let len = bytes.len().max(1);
                if let Some(byte) = bytes.get_mut(at.index(len)) {
                    *byte ^= bits;
                }
            }),
        }
        let store = furnished.room.reopened();
        let was_whole = read_all(&furnished, &store);
        if !was_whole {
            // A record or trial that was removed by hand is simply not there; all else is noticed.
            let is_noticed = store.generation().unwrap() != furnished.generation;
            prop_assert!(is_noticed || matches!(harm, Harm::Remove), "{}", victim.display());
        }
        // Doing the work again heals it.
        furnished.room.artifact(&FILES);
        store.put_record(&furnished.record, false).unwrap();
        store.put_trial(&furnished.key, &json!({ "score": 0.5 })).unwrap();
        prop_assert!(read_all(&furnished, &store), "{} is not healed", victim.display());
        prop_assert!(store.fsck(true).unwrap().is_clean());
    }
}
