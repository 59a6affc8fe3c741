//! Limits: full disks, read-only stores, files that may not grow.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use phytotron::digest::Digest;
use phytotron::store::{Keep, LinkMode, Store, StoreError, StoreOptions};
use serde_json::json;

use crate::support::skip;

use super::{
    Room, another_process, blobs_of, content, expect_success, files_of, fill, flip_a_byte, is_root,
    open, record, texts,
};

/// A small file system in memory; gone when it is dropped.
struct Mount(PathBuf);

impl Mount {
    /// None, with a message, when this user or machine may not mount.
    fn new(path: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir_all(&path).unwrap();
        let options = format!("size={size},mode=0755");
        let mounted = is_root()
            && Command::new("mount")
                .args(["-t", "tmpfs", "-o", &options, "phytotron-test"])
                .arg(&path)
                .status()
                .is_ok_and(|status| status.success());
        if !mounted {
            skip("mounting a file system needs root, so a full or read-only one is not tried");
        }
        mounted.then_some(Self(path))
    }

    fn remount(&self, how: &str) {
        let status =
            Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(&self.0).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_said_and_corrupts_nothing() {
    let room = Room::new();
    let Some(mount) = Mount::new(room.path("small"), "1m") else { return };
    let root = mount.0.join("store");
    let store = open(&root);
    let large = "x".repeat(700 << 10);
    let folder = room.folder("incoming", &[("1", &large), ("2", &(large.clone() + "."))]);
    let before = content(&folder);
    let error = store.ingest(&folder).unwrap_err();
    assert!(matches!(&error, StoreError::Full { root: full } if *full == root), "{error}");
    assert!(error.to_string().contains("phytotron gc"), "{error}");
    assert_eq!(content(&folder), before, "what could not be kept is still where it was");
    assert!(store.fsck(true).unwrap().is_clean());
    assert!(files_of(&root.join("tmp")).is_empty());
    // To the last byte, with small objects.
    let mut trials = 0_u64;
    let error = loop {
        let key = Digest::of(&trials.to_le_bytes());
        match store.put_trial(&key, &json!("x".repeat(3_000))) {
            Ok(_) => trials += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    assert!(store.digest_file(&folder.join("1")).is_ok(), "a full stat cache is no failure");
    let report = store.fsck(true).unwrap();
    assert!(report.is_clean() && report.trials == trials, "{report:?}");
    mount.remount("size=8m");
    let taken = store.ingest(&folder).unwrap();
    store.materialize(&taken.tree, &room.path("back"), LinkMode::Auto).unwrap();
    assert_eq!(content(&room.path("back")), before);
}

#[test]
fn a_full_disk_elsewhere_is_said_and_leaves_no_half_file() {
    let room = Room::new();
    let Some(mount) = Mount::new(room.path("small"), "256k") else { return };
    let taken = room.artifact(&[("large", &"x".repeat(1 << 20))]);
    let out = mount.0.join("out");
    let error = room.store.materialize(&taken.tree, &out, LinkMode::Auto).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    assert!(!out.join("large").exists());
    let error = room.store.publish(&taken.tree, &out).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    assert!(files_of(&out).is_empty());
}

#[test]
fn a_read_only_store_is_read_and_says_what_it_cannot() {
    let room = Room::new();
    let Some(mount) = Mount::new(room.path("disk"), "8m") else { return };
    let root = mount.0.join("store");
    let store = open(&root);
    let files = [("a", "leaf"), ("b", "root")];
    let done = record("stage", store.ingest(&room.folder("incoming", &files)).unwrap());
    store.put_record(&done, false).unwrap();
    let bad = store.ingest(&room.folder("incoming", &[("c", "bad")])).unwrap().tree;
    let generation = store.generation().unwrap();
    flip_a_byte(&blobs_of(&store, &bad)[0]);
    mount.remount("ro");

    let store = open(&root);
    let tree = done.outputs["files"].tree;
    assert_eq!(store.record(&done.fingerprint).unwrap().as_ref(), Some(&done));
    store.materialize(&tree, &room.path("back"), LinkMode::Auto).unwrap();
    assert_eq!(content(&room.path("back")), texts(&files));
    let damaged = store.materialize(&bad, &room.path("bad"), LinkMode::Auto).unwrap_err();
    assert!(matches!(damaged, StoreError::Damaged { .. }), "{damaged}");
    assert!(damaged.to_string().contains("cannot be moved"), "{damaged}");
    assert_eq!(store.generation().unwrap(), generation);
    let source = room.folder("source", &[("x", "x")]).join("x");
    assert_eq!(store.digest_file(&source).unwrap(), Digest::of(b"x"));

    let incoming = room.folder("incoming", &files);
    let read_only = |what: &str, result: Result<(), StoreError>| {
        let error = result.unwrap_err();
        assert!(matches!(error, StoreError::ReadOnly { .. }), "{what}: {error:?}");
        assert!(error.to_string().contains("--store"), "{error}");
    };
    read_only("ingest", store.ingest(&incoming).map(drop));
    read_only("put_record", store.put_record(&done, true).map(drop));
    read_only("put_trial", store.put_trial(&tree, &json!(1)).map(drop));
    read_only("claim", store.claim(&tree, "me").map(drop));
    read_only("gc", store.gc(&Keep::default(), std::time::Duration::ZERO, false).map(drop));
    read_only("open", Store::open(&mount.0.join("new"), StoreOptions::default()).map(drop));
    assert_eq!(content(&incoming), texts(&files));
}

#[test]
fn a_store_of_somebody_else_is_read_only() {
    if !is_root() {
        skip("becoming another user needs root");
        return;
    }
    let room = Room::new();
    super::sharing::open_to_all(room.folder.path());
    room.artifact(&[("a", "leaf")]);
    let mut part = another_process("write as a stranger", room.store.root());
    expect_success(part.uid(super::sharing::STRANGER).gid(super::sharing::STRANGER));
    assert_eq!(files_of(&room.store.root().join("blobs")).len(), 1);
}

pub(super) fn write_as_a_stranger(root: &Path) {
    let store = open(root);
    let folder = root.parent().unwrap().join("strangers");
    fill(&folder, &[("a", "theirs")]);
    let error = store.ingest(&folder).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
    assert_eq!(content(&folder), texts(&[("a", "theirs")]));
    let error = store.claim(&Digest::of(b"stage"), "a stranger").unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
}

#[test]
fn a_write_that_is_cut_off_leaves_no_object() {
    let room = Room::new();
    let folder = room.folder("incoming", &[("a", &"x".repeat(1 << 20)), ("b", "small")]);
    expect_success(&mut another_process("write too much", room.store.root()));
    assert!(folder.join("a").exists());
    assert!(room.store.fsck(true).unwrap().is_clean());
    assert!(files_of(&room.store.root().join("tmp")).is_empty());
}

pub(super) fn write_too_much(root: &Path) {
    use nix::sys::resource::{Resource, setrlimit};
    use nix::sys::signal::{SigHandler, Signal, signal};
    // SAFETY: ignoring a signal runs no code.
    unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }.unwrap();
    setrlimit(Resource::RLIMIT_FSIZE, 64 << 10, 64 << 10).unwrap();
    let store = open(root);
    let error = store.ingest_copy(&root.parent().unwrap().join("incoming")).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
}
