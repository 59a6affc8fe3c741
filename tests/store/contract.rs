//! What every caller may rely on.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::Duration;

use phytotron::digest::Digest;
use phytotron::record::{Repeatability, StageRecord};
use phytotron::store::{
    Claim, LinkMode, Put, Store, StoreError, StoreOptions, is_locked, lock_folder, replace_file,
};
use serde_json::json;

use super::{Room, blobs_of, content, files_of, fill, mode, open, record, texts};

const FILES: [(&str, &str); 3] = [("a.txt", "leaf"), ("b/c.txt", "root"), ("b/ü d.txt", "")];

#[test]
fn a_folder_comes_back_as_it_went_in() {
    let room = Room::new();
    let folder = room.folder("incoming", &FILES);
    symlink("../a.txt", folder.join("b/link")).unwrap();
    fs::create_dir_all(folder.join("empty/inner")).unwrap();
    fs::set_permissions(folder.join("a.txt"), fs::Permissions::from_mode(0o700)).unwrap();
    let before = content(&folder);
    let taken = room.store.ingest(&folder).unwrap();
    assert_eq!((taken.files, taken.bytes), (3, 8));
    assert!(!folder.exists(), "a folder that was taken in is gone");
    for link_mode in [LinkMode::Auto, LinkMode::Copy] {
        let back = room.path(&format!("back-{link_mode:?}"));
        room.store.materialize(&taken.tree, &back, link_mode).unwrap();
        assert_eq!(content(&back), before);
        let is_executable = |name: &str| mode(&back.join(name)) & 0o111 != 0;
        assert!(is_executable("a.txt") && !is_executable("b/c.txt"));
        let is_writable = mode(&back.join("b/c.txt")) & 0o200 != 0;
        assert_eq!(is_writable, link_mode == LinkMode::Copy);
    }
}

#[test]
fn a_tree_depends_on_content_and_nothing_else() {
    let (room, other) = (Room::new(), Room::new());
    let first = room.artifact(&FILES);
    let mut reversed = FILES;
    reversed.reverse();
    assert_eq!(other.artifact(&reversed), first);
    let copied = other.folder("copied", &FILES);
    assert_eq!(other.store.ingest_copy(&copied).unwrap(), first);
    assert_eq!(content(&copied), texts(&FILES), "what is copied in stays");
    assert_ne!(other.artifact(&FILES[..2]).tree, first.tree);
}

#[test]
fn files_from_several_places_become_one_tree() {
    let room = Room::new();
    let loose = room.folder("loose", &[("x.bin", "one"), ("many/y.bin", "two")]);
    let items =
        [("first.bin".to_owned(), loose.join("x.bin")), ("deep/er".to_owned(), loose.join("many"))];
    let taken = room.store.ingest_items(&items).unwrap();
    let back = room.path("back");
    room.store.materialize(&taken.tree, &back, LinkMode::Auto).unwrap();
    assert_eq!(content(&back), texts(&[("first.bin", "one"), ("deep/er/y.bin", "two")]));
    assert!(!loose.join("x.bin").exists() && !loose.join("many").exists());
}

#[test]
fn equal_content_is_kept_once_and_read_only() {
    let room = Room::new();
    let taken = room.artifact(&[("one", "same"), ("two", "same"), ("three", "other")]);
    let blobs = files_of(&room.store.root().join("blobs"));
    assert_eq!(blobs.len(), 2);
    assert!(blobs.iter().all(|blob| mode(blob) == 0o444));
    assert_eq!(room.store.read(&taken.tree, "two").unwrap(), b"same");
    assert!(room.store.read(&taken.tree, "four").is_err());
}

#[test]
fn what_is_taken_in_again_is_young_again() {
    let room = Room::new();
    let taken = room.artifact(&FILES);
    let objects = || {
        let root = room.store.root();
        let mut files = files_of(&root.join("blobs"));
        files.extend(files_of(&root.join("trees")));
        files.into_iter().map(|path| fs::metadata(path).unwrap()).collect::<Vec<_>>()
    };
    let before = objects();
    // Times of files have the grain of the kernel's tick.
    thread::sleep(Duration::from_millis(20));
    assert_eq!(room.artifact(&FILES), taken);
    let copied = room.folder("copied", &FILES);
    for (before, after) in before.iter().zip(objects()) {
        let changed = |metadata: &fs::Metadata| (metadata.ctime(), metadata.ctime_nsec());
        assert!(changed(&after) > changed(before), "gc would not know that it is needed");
        assert_eq!(after.ino(), before.ino(), "what is small and whole is not written again");
    }
    thread::sleep(Duration::from_millis(20));
    let between = objects();
    room.store.ingest_copy(&copied).unwrap();
    assert!(objects().iter().zip(between).all(|(after, before)| {
        (after.ctime(), after.ctime_nsec()) > (before.ctime(), before.ctime_nsec())
    }));
}

#[test]
fn a_file_with_another_name_is_copied_not_moved() {
    let room = Room::new();
    let folder = room.folder("incoming", &[("a", "shared")]);
    let elsewhere = room.path("elsewhere");
    fs::hard_link(folder.join("a"), &elsewhere).unwrap();
    let taken = room.store.ingest(&folder).unwrap();
    fs::write(&elsewhere, "changed through the other name").unwrap();
    assert_eq!(room.store.read(&taken.tree, "a").unwrap(), b"shared");
}

#[test]
fn large_files_are_linked_whoever_asks() {
    let room = Room::new();
    let folder = room.folder("incoming", &[]);
    fs::File::create(folder.join("large")).unwrap().set_len((64 << 20) + 1).unwrap();
    let taken = room.store.ingest(&folder).unwrap();
    let inode = |path: &std::path::Path| fs::metadata(path).unwrap().ino();
    let blob = inode(&blobs_of(&room.store, &taken.tree)[0]);
    for (link_mode, is_link) in [(LinkMode::Auto, true), (LinkMode::Copy, false)] {
        let back = room.path(&format!("back-{link_mode:?}"));
        let before = room.store.place(&taken.tree, &back, link_mode).unwrap();
        assert_eq!(inode(&back.join("large")) == blob, is_link);
        assert!(before.changed().is_empty());
    }
}

#[test]
fn what_cannot_be_kept_is_named_and_nothing_is_moved() {
    type Make<'a> = &'a dyn Fn(&std::path::Path);
    let cases: [(&str, Make); 6] = [
        ("a socket", &|at| drop(UnixListener::bind(at).unwrap())),
        ("a named pipe", &|at| {
            nix::unistd::mkfifo(at, nix::sys::stat::Mode::S_IRWXU).unwrap();
        }),
        ("leaves the artifact", &|at| symlink("../../outside", at).unwrap()),
        ("absolute", &|at| symlink("/etc/passwd", at).unwrap()),
        ("ring", &|at| symlink(at.file_name().unwrap(), at).unwrap()),
        ("not UTF-8", &|at| {
            use std::os::unix::ffi::OsStrExt;
            fs::write(at.with_file_name(std::ffi::OsStr::from_bytes(b"\xff")), "x").unwrap();
        }),
    ];
    for (reason, make) in cases {
        let room = Room::new();
        let folder = room.folder("incoming", &FILES);
        make(&folder.join("b/odd"));
        let error = room.store.ingest(&folder).unwrap_err();
        assert!(matches!(error, StoreError::Unfit { .. }), "{reason}: {error}");
        assert!(error.to_string().contains(reason), "{error}");
        assert!(folder.join("a.txt").exists() && folder.join("b/c.txt").exists());
        assert!(files_of(&room.store.root().join("blobs")).is_empty());
    }
}

#[test]
fn materializing_overwrites_nothing() {
    let room = Room::new();
    let taken = room.artifact(&[("a", "ours")]);
    let there = room.folder("there", &[("a", "theirs")]);
    assert!(room.store.materialize(&taken.tree, &there, LinkMode::Auto).is_err());
    assert_eq!(content(&there), texts(&[("a", "theirs")]));
}

#[test]
fn present_means_every_blob() {
    let room = Room::new();
    let taken = room.artifact(&FILES);
    assert!(room.store.is_present(&taken.tree).unwrap());
    assert!(!room.store.is_present(&Digest::of(b"unknown")).unwrap());
    fs::remove_file(&blobs_of(&room.store, &taken.tree)[0]).unwrap();
    assert!(!room.store.is_present(&taken.tree).unwrap());
}

#[test]
fn a_command_that_changes_its_input_is_found_out() {
    let room = Room::new();
    let taken = room.artifact(&FILES);
    let inputs = room.path("inputs");
    let placed = room.store.place(&taken.tree, &inputs, LinkMode::Auto).unwrap();
    assert!(placed.changed().is_empty());
    super::overwrite(&inputs.join("a.txt"), |bytes| bytes.copy_from_slice(b"LEAF"));
    fs::remove_file(inputs.join("b/c.txt")).unwrap();
    assert_eq!(placed.changed(), ["a.txt", "b/c.txt"]);
}

#[test]
fn touching_an_input_is_not_changing_it() {
    let room = Room::new();
    let taken = room.artifact(&FILES);
    let inputs = room.path("inputs");
    let placed = room.store.place(&taken.tree, &inputs, LinkMode::Copy).unwrap();
    fs::write(inputs.join("a.txt"), "leaf").unwrap();
    assert!(placed.changed().is_empty());
}

#[test]
fn records_round_trip_and_are_immutable() {
    let room = Room::new();
    let first = record("search", room.artifact(&[("a", "1")]));
    let second = record("search", room.artifact(&[("a", "2")]));
    let fingerprint = first.fingerprint;
    assert_eq!(room.store.record(&fingerprint).unwrap(), None);
    assert_eq!(room.store.put_record(&first, false).unwrap(), Put::Added);
    assert_eq!(room.store.put_record(&first, false).unwrap(), Put::Same);
    let differs = Put::Nondeterministic { output: "files".to_owned() };
    assert_eq!(room.store.put_record(&second, false).unwrap(), differs);
    assert_eq!(room.store.record(&fingerprint).unwrap().as_ref(), Some(&first));
    let generation = room.store.generation().unwrap();
    assert_eq!(room.store.put_record(&second, true).unwrap(), differs);
    assert_eq!(room.reopened().record(&fingerprint).unwrap().as_ref(), Some(&second));
    assert!(room.store.generation().unwrap() > generation, "a snapshot saw the first");
    assert!(room.store.remove_record(&fingerprint).unwrap());
    assert!(!room.store.remove_record(&fingerprint).unwrap());
    assert_eq!(room.store.record(&fingerprint).unwrap(), None);
}

/// What no test has run on is unverified until a second computation agrees.
#[test]
fn a_second_computation_that_agrees_is_noted() {
    let room = Room::new();
    let made = record("train", room.artifact(&[("a", "1")]));
    let first = StageRecord { repeatability: Repeatability::Unverified, ..made };
    let kept = || room.store.record(&first.fingerprint).unwrap().unwrap().repeatability;
    assert_eq!(room.store.put_record(&first, false).unwrap(), Put::Added);
    assert_eq!(kept(), Repeatability::Unverified);
    assert_eq!(room.store.put_record(&first, false).unwrap(), Put::Same);
    assert_eq!(kept(), Repeatability::Agreed);
}

#[test]
fn a_later_format_is_neither_read_nor_overwritten() {
    let room = Room::new();
    let mut later = record("search", room.artifact(&[("a", "1")]));
    let ours = later.clone();
    later.format += 1;
    room.store.put_record(&later, false).unwrap();
    let error = room.store.record(&later.fingerprint).unwrap_err();
    assert!(matches!(error, StoreError::Newer { format: 2, .. }), "{error}");
    assert!(room.store.put_record(&ours, true).is_err());
    assert!(room.store.record(&later.fingerprint).is_err(), "it is still there");
}

#[test]
fn trials_round_trip_and_the_first_stays() {
    let room = Room::new();
    let key = Digest::of(b"trial");
    assert_eq!(room.store.trial(&key).unwrap(), None);
    let trial = json!({ "score": 0.123_456_789_012_345_68, "epochs": 2 });
    assert_eq!(room.store.put_trial(&key, &trial).unwrap(), Put::Added);
    assert_eq!(room.store.put_trial(&key, &trial).unwrap(), Put::Same);
    let other = room.store.put_trial(&key, &json!(1)).unwrap();
    assert!(matches!(other, Put::Nondeterministic { .. }));
    assert_eq!(room.reopened().trial(&key).unwrap(), Some(trial));
}

#[test]
fn a_claim_is_held_by_one_and_names_its_holder() {
    let room = Room::new();
    let fingerprint = Digest::of(b"stage");
    let Claim::Granted(guard) = room.store.claim(&fingerprint, "run 7").unwrap() else {
        panic!("nobody else is there");
    };
    let other = room.reopened();
    let Claim::Held(holder) = other.claim(&fingerprint, "run 8").unwrap() else {
        panic!("it was granted twice");
    };
    assert_eq!(holder, "run 7");
    assert_eq!(other.claimed_by(&fingerprint).unwrap().as_deref(), Some("run 7"));
    drop(guard);
    assert_eq!(other.claimed_by(&fingerprint).unwrap(), None);
    assert!(matches!(other.claim(&fingerprint, "run 8").unwrap(), Claim::Granted(_)));
}

#[test]
fn an_attempt_is_locked_until_its_last_descendant_ends() {
    let room = Room::new();
    let attempt = room.path("1");
    let lock = lock_folder(&attempt).unwrap();
    assert!(is_locked(&attempt).unwrap());
    assert!(lock_folder(&attempt).is_err());
    // The grandchild outlives the command that was started, and holds the pipe as long as it lives.
    let mut command = std::process::Command::new("/bin/sh");
    command.args(["-c", "exec 3<&0; (read line <&3) & exit 0"]);
    command.stdin(std::process::Stdio::piped());
    lock.inherit(&mut command).unwrap();
    let mut running = command.spawn().unwrap();
    let stdin = running.stdin.take();
    drop(command);
    assert!(running.wait().unwrap().success());
    drop(lock);
    assert!(is_locked(&attempt).unwrap(), "the grandchild still lives");
    drop(stdin);
    while is_locked(&attempt).unwrap() {
        thread::sleep(Duration::from_millis(1));
    }
    assert!(lock_folder(&attempt).is_ok());
}

#[test]
fn a_command_without_the_lock_does_not_hold_it() {
    let room = Room::new();
    let attempt = room.path("1");
    let lock = lock_folder(&attempt).unwrap();
    let mut bystander =
        std::process::Command::new("/bin/cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
    drop(lock);
    // Other tests fork too, and between fork and exec a child has every descriptor.
    let is_free = || {
        thread::sleep(Duration::from_millis(1));
        !is_locked(&attempt).unwrap()
    };
    assert!((0..2_000).any(|_| is_free()), "the bystander inherited the lock");
    assert!(bystander.try_wait().unwrap().is_none());
    drop(bystander.stdin.take());
    bystander.wait().unwrap();
}

#[test]
fn digests_of_files_follow_their_content() {
    let room = Room::new();
    let folder = room.folder("project", &[("a", "one"), ("b", "two")]);
    let paths = [folder.join("a"), folder.join("b")];
    let digests = |store: &Store| store.digest_files(&paths).unwrap();
    let expected = vec![Digest::of(b"one"), Digest::of(b"two")];
    assert_eq!(digests(&room.store), expected);
    fs::write(&paths[0], "ONE").unwrap();
    assert_eq!(digests(&room.store)[0], Digest::of(b"ONE"));
    assert!(room.store.digest_file(&folder).is_err(), "a folder has no digest");
    assert!(room.store.digest_file(&folder.join("gone")).is_err());
}

#[test]
fn roots_are_remembered_once() {
    let room = Room::new();
    let lock_file = room.path("project/leaves.lock");
    room.store.register_root("leaves", &lock_file).unwrap();
    room.store.register_root("leaves", &lock_file).unwrap();
    let roots = room.reopened().roots().unwrap();
    assert_eq!(roots.len(), 1);
    assert_eq!((roots[0].name.as_str(), roots[0].lock_file.as_ref()), ("leaves", Some(&lock_file)));
    room.store.remove_root(&lock_file).unwrap();
    assert!(room.store.roots().unwrap().is_empty());
}

#[test]
fn a_strict_store_gives_the_same_objects() {
    let room = Room::new();
    let options = StoreOptions { strict: true, ..StoreOptions::default() };
    let strict = Store::open(&room.path("strict"), options).unwrap();
    let taken = strict.ingest(&room.folder("incoming", &FILES)).unwrap();
    assert_eq!(taken, room.artifact(&FILES));
    strict.sync().unwrap();
}

#[test]
fn the_layout_is_the_documented_one() {
    let room = Room::new();
    let taken = room.artifact(&[("a", "x")]);
    let done = record("stage", taken);
    room.store.put_record(&done, false).unwrap();
    let key = Digest::of(b"trial");
    room.store.put_trial(&key, &json!(1)).unwrap();
    let root = room.store.root();
    let under = |room: &str, digest: &Digest, suffix: &str| {
        root.join(room).join(&digest.hex()[..2]).join(digest.hex() + suffix)
    };
    for path in [
        under("blobs", &Digest::of(b"x"), ""),
        under("trees", &taken.tree, ""),
        under("results", &done.fingerprint, ".json"),
        under("trials", &key, ".json"),
    ] {
        assert!(path.is_file(), "{}", path.display());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o444);
    }
    for folder in ["work", "runs", "state", "locks", "roots", "quarantine", "tmp"] {
        assert!(root.join(folder).is_dir(), "{folder}");
    }
    assert!(files_of(&root.join("tmp")).is_empty());
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(under("results", &done.fingerprint, ".json")).unwrap())
            .unwrap();
    assert_eq!(json["outputs"]["files"]["tree"], taken.tree.hex());
}

#[test]
fn a_file_is_replaced_in_one_step() {
    let room = Room::new();
    let path = room.path("study.lock");
    replace_file(&path, b"old").unwrap();
    replace_file(&path, b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert!(replace_file(&room.path("no/such/folder"), b"x").is_err());
}

#[test]
fn an_existing_store_is_opened_without_writing() {
    let room = Room::new();
    fill(&room.path("store/state"), &[("snapshot", "x")]);
    let before = files_of(room.store.root());
    open(room.store.root());
    assert_eq!(files_of(room.store.root()), before);
}
