//! Garbage collection: what is needed stays, what is not goes, and it says so first.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use phytotron::digest::Digest;
use phytotron::record::StageRecord;
use phytotron::store::{Claim, Freed, Keep, LinkMode, lock_folder};
use serde_json::json;

use super::{Room, files_of, flip_a_byte, record};

const NOW: Duration = Duration::ZERO;

/// A recorded stage whose output holds its own file and one that all share.
fn stage(room: &Room, name: &str) -> StageRecord {
    let taken = room.artifact(&[("own", name), ("shared", "shared")]);
    let done = record(name, taken);
    room.store.put_record(&done, false).unwrap();
    done
}

fn keep(records: &[&StageRecord]) -> Keep {
    let fingerprints = records.iter().map(|record| record.fingerprint).collect();
    Keep { fingerprints, work_grace: NOW, ..Keep::default() }
}

fn is_whole(room: &Room, record: &StageRecord) -> bool {
    let tree = record.outputs["files"].tree;
    room.store.record(&record.fingerprint).unwrap().is_some()
        && room.store.is_present(&tree).unwrap()
}

#[test]
fn what_is_kept_stays_and_all_else_goes() {
    let room = Room::new();
    let (kept, dropped) = (stage(&room, "kept"), stage(&room, "dropped"));
    let generation = room.store.generation().unwrap();
    let tried = room.store.gc(&keep(&[&kept]), NOW, true).unwrap();
    assert!(is_whole(&room, &dropped), "a dry run removes nothing");
    let report = room.store.gc(&keep(&[&kept]), NOW, false).unwrap();
    assert_eq!(report, tried, "a dry run tells what will be");
    assert_eq!((report.results.count, report.trees.count), (1, 1));
    assert_eq!(report.blobs, Freed { count: 1, bytes: "dropped".len() as u64 });
    assert!(is_whole(&room, &kept) && !is_whole(&room, &dropped));
    assert!(room.store.generation().unwrap() > generation);
    room.store.materialize(&kept.outputs["files"].tree, &room.path("out"), LinkMode::Auto).unwrap();
    assert!(room.store.fsck(true).unwrap().is_clean());
    assert_eq!(room.store.gc(&keep(&[&kept]), NOW, false).unwrap().total(), Freed::default());
}

#[test]
fn a_locked_tree_stays_without_its_record() {
    let room = Room::new();
    let done = stage(&room, "locked");
    let tree = done.outputs["files"].tree;
    let keep = Keep { trees: BTreeSet::from([tree]), ..keep(&[]) };
    room.store.gc(&keep, NOW, false).unwrap();
    assert!(room.store.is_present(&tree).unwrap());
    assert_eq!(room.store.record(&done.fingerprint).unwrap(), None);
}

#[test]
fn what_is_young_stays() {
    let room = Room::new();
    let done = stage(&room, "young");
    // What was moved in has an old mtime; it is young in the store all the same.
    let report = room.store.gc(&keep(&[]), Duration::from_hours(1), false).unwrap();
    assert_eq!(report.total(), Freed::default());
    assert!(is_whole(&room, &done));
}

#[test]
fn what_live_runs_pin_or_claim_stays() {
    let room = Room::new();
    let (pinned, claimed, dropped) =
        (stage(&room, "pinned"), stage(&room, "claimed"), stage(&room, "dropped"));
    let pin = room.store.pin("run-1").unwrap();
    pin.add([pinned.fingerprint]).unwrap();
    assert!(room.reopened().pin("run-1").is_err(), "two live runs of one name");
    let Claim::Granted(claim) = room.store.claim(&claimed.fingerprint, "me").unwrap() else {
        panic!("nobody else is there");
    };
    fs::create_dir_all(room.store.work(&claimed.fingerprint)).unwrap();
    fs::create_dir_all(room.store.work(&dropped.fingerprint)).unwrap();
    room.reopened().gc(&keep(&[]), NOW, false).unwrap();
    assert!(is_whole(&room, &pinned) && is_whole(&room, &claimed) && !is_whole(&room, &dropped));
    assert!(room.store.work(&claimed.fingerprint).exists());
    assert!(!room.store.work(&dropped.fingerprint).exists());
    drop((pin, claim));
    room.store.gc(&keep(&[]), NOW, false).unwrap();
    assert!(!is_whole(&room, &pinned) && !is_whole(&room, &claimed));
}

#[test]
fn work_stays_for_its_grace_and_while_an_orphan_lives() {
    let room = Room::new();
    let work = room.store.work(&Digest::of(b"stage"));
    fs::create_dir_all(work.join("1")).unwrap();
    fs::write(work.join("1/checkpoint"), "x".repeat(100)).unwrap();
    let patient = Keep { work_grace: Duration::from_hours(1), ..Keep::default() };
    assert_eq!(room.store.gc(&patient, NOW, false).unwrap().work.count, 0);
    let orphan = lock_folder(&work.join("1")).unwrap();
    assert_eq!(room.store.gc(&keep(&[]), NOW, false).unwrap().work.count, 0);
    drop(orphan);
    let freed = room.store.gc(&keep(&[]), NOW, false).unwrap().work;
    assert_eq!(freed, Freed { count: 1, bytes: 100 });
    assert!(!work.exists());
}

#[test]
fn trials_stay_unless_they_are_named() {
    let room = Room::new();
    let (wanted, unwanted) = (Digest::of(b"wanted"), Digest::of(b"unwanted"));
    for key in [&wanted, &unwanted] {
        room.store.put_trial(key, &json!(1)).unwrap();
    }
    assert_eq!(room.store.gc(&keep(&[]), NOW, false).unwrap().trials.count, 0);
    let named = Keep { trials: Some(BTreeSet::from([wanted])), ..keep(&[]) };
    assert_eq!(room.store.gc(&named, NOW, false).unwrap().trials.count, 1);
    assert!(room.store.trial(&wanted).unwrap().is_some());
    assert!(room.store.trial(&unwanted).unwrap().is_none());
}

#[test]
fn quarantine_is_emptied_after_its_grace() {
    let room = Room::new();
    let done = stage(&room, "bad");
    flip_a_byte(&super::blobs_of(&room.store, &done.outputs["files"].tree)[0]);
    room.store.fsck(true).unwrap();
    let quarantine = room.store.root().join("quarantine");
    assert_eq!(files_of(&quarantine).len(), 1);
    room.store.gc(&keep(&[&done]), Duration::from_hours(1), false).unwrap();
    assert_eq!(files_of(&quarantine).len(), 1);
    assert_eq!(room.store.gc(&keep(&[&done]), NOW, false).unwrap().quarantine.count, 1);
    assert!(files_of(&quarantine).is_empty());
}

#[test]
fn a_newer_result_that_is_needed_stops_the_sweep() {
    let room = Room::new();
    let mut newer = record("newer", room.artifact(&[("a", "1")]));
    newer.format += 1;
    room.store.put_record(&newer, false).unwrap();
    let dropped = stage(&room, "dropped");
    assert!(room.store.gc(&keep(&[&newer]), NOW, false).is_err());
    assert!(is_whole(&room, &dropped), "what it names is not known, so nothing goes");
}

#[test]
fn a_sweep_waits_for_those_who_publish() {
    let room = Room::new();
    let publishing = room.store.publishing().unwrap();
    let other = room.reopened();
    std::thread::scope(|scope| {
        let sweep = scope.spawn(|| other.gc(&keep(&[]), NOW, false).unwrap());
        let taken = room.artifact(&[("a", "published")]);
        room.store.put_record(&record("stage", taken), false).unwrap();
        assert!(room.store.is_present(&taken.tree).unwrap());
        assert!(!sweep.is_finished());
        drop(publishing);
        assert!(sweep.join().unwrap().blobs.count > 0);
    });
}

#[test]
fn locks_of_the_dead_keep_nothing_and_are_cleared_away() {
    let room = Room::new();
    let (claimed, pinned) = (stage(&room, "claimed"), stage(&room, "pinned"));
    let locks = room.store.root().join("locks");
    let name = claimed.fingerprint.hex();
    fs::write(locks.join(&name), "pid 1").unwrap();
    fs::write(locks.join("pin-dead"), pinned.fingerprint.hex() + "\n").unwrap();
    room.store.gc(&keep(&[]), NOW, false).unwrap();
    assert!(!is_whole(&room, &claimed) && !is_whole(&room, &pinned));
    let left = |file: &str| Path::new(&locks).join(file).exists();
    assert!(!left(&name) && !left("pin-dead") && left("gc"));
}
