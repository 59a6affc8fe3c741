//! Sharing: several users of one machine, and what a user without root gets.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::Duration;

use phytotron::store::{Keep, LinkMode, Store, StoreOptions};

use crate::support::skip;

use super::{
    Room, another_process, blobs_of, content, expect_success, files_of, fill, is_root, mode, open,
    record, texts,
};

const GROUP: u32 = 61_000;
pub(super) const STRANGER: u32 = 61_009;

const FILES: [(&str, &str); 2] = [("a", "leaf"), ("tool", "#!/bin/sh\n")];

/// Temporary folders are their owner's alone; the users of these tests have to get in.
pub(super) fn open_to_all(folder: &Path) {
    fs::set_permissions(folder, Permissions::from_mode(0o777)).unwrap();
}

#[test]
fn members_of_a_group_share_a_store() {
    if !is_root() {
        skip("becoming another user needs root");
        return;
    }
    let room = Room::new();
    open_to_all(room.folder.path());
    let root = room.path("shared");
    fs::create_dir(&root).unwrap();
    std::os::unix::fs::chown(&root, None, Some(GROUP)).unwrap();
    fs::set_permissions(&root, Permissions::from_mode(0o2775)).unwrap();
    for user in [61_001, 61_002, 61_001] {
        expect_success(another_process("write as a member", &root).uid(user).gid(GROUP));
    }
}

pub(super) fn write_as_a_member(root: &Path) {
    // The strictest umask: what the group may do must not depend on it.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let options = StoreOptions { group_writable: true, strict: false };
    let store = Store::open(root, options).unwrap();
    let beside = root.parent().unwrap().join(format!("incoming-{}", std::process::id()));
    fill(&beside, &FILES);
    let own = std::process::id().to_string();
    let settled = beside.join("a");
    store.digest_file(&settled).unwrap();
    let same = store.ingest_copy(&beside).unwrap();
    fill(&beside, &[("own", &own)]);
    let taken = store.ingest(&beside).unwrap();
    store.put_record(&record("shared", same), false).unwrap();
    store.put_record(&record(&own, taken), false).unwrap();
    store.register_root(&own, Path::new("/projects/study.lock")).unwrap();
    assert!(store.remove_record(&record("shared", same).fingerprint).unwrap());
    assert!(matches!(
        store.claim(&same.tree, "a member").unwrap(),
        phytotron::store::Claim::Granted(_)
    ));
    assert!(store.fsck(true).unwrap().is_clean());
    store.gc(&Keep::default(), Duration::ZERO, false).unwrap();
    assert!(files_of(&root.join("blobs")).is_empty(), "a member may remove what another wrote");
    let taken = store.ingest(&fresh(root)).unwrap();
    store.put_record(&record("last", taken), true).unwrap();
    check_modes(root);
}

fn fresh(root: &Path) -> std::path::PathBuf {
    let folder = root.parent().unwrap().join(format!("fresh-{}", std::process::id()));
    fill(&folder, &FILES);
    folder
}

/// Folders are the group's to write, and no file is its owner's alone.
fn check_modes(folder: &Path) {
    for child in fs::read_dir(folder).unwrap() {
        let path = child.unwrap().path();
        let bits = mode(&path);
        if path.is_dir() {
            assert_eq!(bits, 0o2775, "{}", path.display());
            check_modes(&path);
        } else {
            assert_eq!(bits & 0o044, 0o044, "{} {bits:o}", path.display());
            let is_lock = path.parent().unwrap().ends_with("locks");
            assert!(!is_lock || bits & 0o020 != 0, "{} {bits:o}", path.display());
        }
        assert_eq!(fs::metadata(&path).unwrap().gid(), GROUP, "{}", path.display());
    }
}

#[test]
fn anybody_may_read_a_store() {
    if !is_root() {
        skip("becoming another user needs root");
        return;
    }
    let room = Room::new();
    open_to_all(room.folder.path());
    room.store.put_record(&record("stage", room.artifact(&FILES)), false).unwrap();
    let mut part = another_process("read as a stranger", room.store.root());
    expect_success(part.uid(STRANGER).gid(STRANGER));
}

pub(super) fn read_as_a_stranger(root: &Path) {
    let store = open(root);
    let report = store.fsck(true).unwrap();
    assert!(report.is_clean() && report.records == 1, "{report:?}");
    let back = root.parent().unwrap().join("back");
    let tree = store.record(&super::fingerprint("stage")).unwrap().unwrap().outputs["files"].tree;
    store.materialize(&tree, &back, LinkMode::Auto).unwrap();
    assert_eq!(content(&back), texts(&FILES));
}

#[test]
fn a_user_gets_hard_links_and_cannot_write_through_them() {
    if !is_root() {
        skip("becoming another user needs root");
        return;
    }
    let room = Room::new();
    open_to_all(room.folder.path());
    let mut part = another_process("link as a user", &room.path("own"));
    expect_success(part.uid(STRANGER).gid(STRANGER));
}

pub(super) fn link_as_a_user(root: &Path) {
    let store = open(root);
    let beside = root.parent().unwrap();
    let folder = fresh(root);
    fs::set_permissions(folder.join("tool"), Permissions::from_mode(0o755)).unwrap();
    let taken = store.ingest(&folder).unwrap();
    let out = beside.join("out");
    store.publish(&taken.tree, &out).unwrap();
    assert_eq!(content(&out), texts(&FILES));
    let blobs = blobs_of(&store, &taken.tree);
    let inode = |path: &Path| fs::metadata(path).unwrap().ino();
    assert_eq!(inode(&out.join("a")), inode(&blobs[0]), "a link costs no space");
    assert_ne!(inode(&out.join("tool")), inode(&blobs[1]), "an executable is a copy");
    assert_eq!((mode(&out.join("a")), mode(&out.join("tool"))), (0o444, 0o555));
    let refused = fs::write(out.join("a"), "mine").unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
    // Who makes it writable first changes the blob too. Both are noticed, and nothing is lost.
    super::overwrite(&out.join("a"), |bytes| *bytes = b"mine".to_vec());
    let error = store.publish(&taken.tree, &out).unwrap_err();
    assert!(matches!(error, phytotron::store::StoreError::Damaged { .. }), "{error:?}");
    store.ingest(&fresh(root)).unwrap();
    let again = fresh(root);
    fs::set_permissions(again.join("tool"), Permissions::from_mode(0o755)).unwrap();
    store.ingest(&again).unwrap();
    let published = store.publish(&taken.tree, &out).unwrap();
    assert_eq!(published.edited.len(), 1);
    assert_eq!(fs::read_to_string(out.join("a.edited")).unwrap(), "mine");
    assert_eq!(fs::read_to_string(out.join("a")).unwrap(), "leaf");
}
