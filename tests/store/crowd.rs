//! Many at once, and some of them killed.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use phytotron::digest::Digest;
use phytotron::store::{Claim, Put};
use serde_json::json;

use super::{Room, another_process, content, fill, open, record};

const CROWD: usize = 8;

#[test]
fn eight_threads_take_the_same_content_in_and_one_record_is_new() {
    let room = Room::new();
    let barrier = Barrier::new(CROWD);
    let puts: Vec<Put> = thread::scope(|scope| {
        let part = |number: usize| {
            let (room, barrier) = (&room, &barrier);
            move || {
                let folder = room.folder(&format!("incoming-{number}"), &[]);
                for file in 0..50 {
                    fs::write(folder.join(file.to_string()), format!("content {file}")).unwrap();
                }
                barrier.wait();
                let taken = room.store.ingest(&folder).unwrap();
                room.store.put_record(&record("stage", taken), false).unwrap()
            }
        };
        let running: Vec<_> = (0..CROWD).map(|number| scope.spawn(part(number))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(puts.iter().filter(|put| **put == Put::Added).count(), 1);
    assert_eq!(puts.iter().filter(|put| **put == Put::Same).count(), CROWD - 1);
    let report = room.store.fsck(true).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.blobs, report.trees, report.records), (50, 1, 1));
}

#[test]
fn of_different_results_at_once_one_is_kept_and_all_others_are_told() {
    let room = Room::new();
    let results: Vec<_> =
        (0..CROWD).map(|number| room.artifact(&[("a", &number.to_string())])).collect();
    for round in 0..40 {
        let barrier = Barrier::new(CROWD);
        let name = format!("stage {round}");
        let puts: Vec<Put> = thread::scope(|scope| {
            let put = |taken| {
                let (room, barrier, record) = (&room, &barrier, record(&name, taken));
                move || {
                    barrier.wait();
                    room.store.put_record(&record, false).unwrap()
                }
            };
            let running: Vec<_> = results.iter().map(|taken| scope.spawn(put(*taken))).collect();
            running.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let added: Vec<usize> = (0..CROWD).filter(|&i| puts[i] == Put::Added).collect();
        assert_eq!(added.len(), 1, "{puts:?}");
        let kept = room.store.record(&super::fingerprint(&name)).unwrap().unwrap();
        assert_eq!(kept.outputs["files"].tree, results[added[0]].tree);
    }
}

#[test]
fn a_claim_is_never_granted_twice() {
    let room = Room::new();
    let (holders, granted) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..CROWD {
            scope.spawn(|| {
                // Guards unlink their files while others open, lock and look at them.
                for _ in 0..4_000 {
                    let claim = room.store.claim(&super::fingerprint("stage"), "me").unwrap();
                    if let Claim::Granted(guard) = claim {
                        assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                        thread::yield_now();
                        holders.fetch_sub(1, Ordering::SeqCst);
                        granted.fetch_add(1, Ordering::Relaxed);
                        drop(guard);
                    }
                }
            });
        }
    });
    assert!(granted.into_inner() > CROWD);
}

#[test]
fn eight_processes_compute_a_stage_once() {
    let room = Room::new();
    let parts: Vec<Child> = (0..CROWD)
        .map(|_| another_process("compute", room.store.root()).spawn().unwrap())
        .collect();
    for mut part in parts {
        assert!(part.wait().unwrap().success());
    }
    let log = fs::read_to_string(room.path("computed")).unwrap();
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(room.store.fsck(true).unwrap().is_clean());
}

/// What a run does for a stage: share the work, or do it.
pub(super) fn compute(root: &Path) {
    let store = open(root);
    let beside = root.parent().unwrap();
    let fingerprint = super::fingerprint("stage");
    loop {
        if store.record(&fingerprint).unwrap().is_some() {
            return;
        }
        let Claim::Granted(_claim) = store.claim(&fingerprint, "a process").unwrap() else {
            thread::sleep(Duration::from_millis(2));
            continue;
        };
        if store.record(&fingerprint).unwrap().is_some() {
            return;
        }
        let mut log =
            OpenOptions::new().append(true).create(true).open(beside.join("computed")).unwrap();
        writeln!(log, "{}", std::process::id()).unwrap();
        let folder = beside.join(format!("outputs-{}", std::process::id()));
        fill(&folder, &[("a", "result"), ("b", "other")]);
        let taken = store.ingest(&folder).unwrap();
        store.put_record(&record("stage", taken), false).unwrap();
    }
}

#[test]
fn threads_may_put_the_same_trial() {
    let room = Room::new();
    let key = Digest::of(b"trial");
    let puts: Vec<Put> = thread::scope(|scope| {
        let put = || room.store.put_trial(&key, &json!({ "score": 1.0 })).unwrap();
        let running: Vec<_> = (0..CROWD).map(|_| scope.spawn(put)).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(puts.iter().filter(|put| **put == Put::Added).count(), 1);
}

/// Starts `action`, waits until it is well under way, and kills it after some more milliseconds.
fn kill_amid(action: &str, root: &Path, after: Duration) {
    let mut part = another_process(action, root).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(part.stdout.take().unwrap()).lines();
    let begun = said.by_ref().any(|line| line.unwrap().contains("begun"));
    assert!(begun, "the other process ended by itself");
    thread::sleep(after);
    part.kill().unwrap();
    part.wait().unwrap();
}

const MANY: usize = 300;

fn many(folder: &Path, word: &str) {
    fs::create_dir_all(folder).unwrap();
    for file in 0..MANY {
        fs::write(folder.join(file.to_string()), format!("{word} {file}")).unwrap();
    }
}

#[test]
fn killing_an_ingest_leaves_nothing_wrong() {
    let room = Room::new();
    for round in 0..6 {
        kill_amid("ingest forever", room.store.root(), Duration::from_millis(round * 3));
        let report = room.store.fsck(true).unwrap();
        assert!(report.is_clean(), "{report:?}");
    }
    let (again, fresh) = (room.path("again"), Room::new());
    many(&again, "round 0");
    let taken = room.store.ingest(&again).unwrap();
    many(&again, "round 0");
    assert_eq!(taken, fresh.store.ingest(&again).unwrap());
    assert!(room.store.is_present(&taken.tree).unwrap());
}

pub(super) fn ingest_forever(root: &Path) {
    let store = open(root);
    let folder = root.parent().unwrap().join(format!("incoming-{}", std::process::id()));
    for round in 0.. {
        many(&folder, &format!("round {round}"));
        println!("begun");
        store.ingest(&folder).unwrap();
        fs::create_dir_all(&folder).unwrap();
        many(&folder, &format!("copied {round}"));
        store.ingest_copy(&folder).unwrap();
    }
}

#[test]
fn killing_a_publication_loses_nothing_and_warns_of_nothing() {
    let room = Room::new();
    let out = room.path("out");
    let trees = ["one", "two", "three"].map(|word| {
        many(&room.path("incoming"), word);
        room.store.ingest(&room.path("incoming")).unwrap().tree
    });
    for round in 0..6 {
        kill_amid("publish forever", room.store.root(), Duration::from_millis(round * 4 + 1));
        let published = room.store.publish(&trees[2], &out).unwrap();
        assert!(published.edited.is_empty(), "{published:?}");
        let there = content(&out);
        assert_eq!(there.len(), MANY);
        assert!(there.values().all(|text| text.starts_with("three ")));
    }
}

pub(super) fn publish_forever(root: &Path) {
    let store = open(root);
    let beside = root.parent().unwrap();
    let trees = ["one", "two"].map(|word| {
        let folder = beside.join(format!("incoming-{}", std::process::id()));
        many(&folder, word);
        store.ingest(&folder).unwrap().tree
    });
    println!("begun");
    for tree in trees.iter().cycle() {
        store.publish(tree, &beside.join("out")).unwrap();
    }
}
