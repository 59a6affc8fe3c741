//! Folders for people: equal to the tree, and nothing of theirs lost.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use phytotron::store::{Published, StoreError};

use super::{Room, blobs_of, content, flip_a_byte, overwrite, texts};

const FIRST: [(&str, &str); 4] =
    [("report.html", "old"), ("data/a.csv", "1"), ("data/b.csv", "2"), ("stale/x", "x")];
const SECOND: [(&str, &str); 3] =
    [("report.html", "new"), ("data/a.csv", "1"), ("data/c.csv", "3")];

fn done(written: u64, removed: u64) -> Published {
    Published { written, removed, edited: Vec::new() }
}

#[test]
fn the_folder_follows_the_result_with_the_least_work() {
    let room = Room::new();
    let (first, second) = (room.artifact(&FIRST).tree, room.artifact(&SECOND).tree);
    let out = room.path("out/study/report");
    assert!(!room.store.is_published(&first, &out).unwrap());
    assert_eq!(room.store.publish(&first, &out).unwrap(), done(4, 0));
    assert_eq!(content(&out), texts(&FIRST));
    assert!(room.store.is_published(&first, &out).unwrap());
    let inode = |name: &str| fs::metadata(out.join(name)).unwrap().ino();
    let kept = inode("data/a.csv");
    assert_eq!(room.store.publish(&first, &out).unwrap(), done(0, 0));
    assert_eq!(room.store.publish(&second, &out).unwrap(), done(2, 2));
    assert_eq!(content(&out), texts(&SECOND));
    assert_eq!(inode("data/a.csv"), kept, "what is the same is not touched");
    assert!(!out.join("stale").exists(), "a folder that became empty goes");
    assert!(!room.store.is_published(&first, &out).unwrap());
}

#[test]
fn an_edited_file_is_kept_beside_and_restored() {
    let room = Room::new();
    let tree = room.artifact(&FIRST).tree;
    let out = room.path("out");
    room.store.publish(&tree, &out).unwrap();
    for (serial, name) in [(1, "report.html.edited"), (2, "report.html.edited.2")] {
        overwrite(&out.join("report.html"), |bytes| *bytes = format!("mine {serial}").into());
        assert!(!room.store.is_published(&tree, &out).unwrap());
        let published = room.store.publish(&tree, &out).unwrap();
        assert_eq!((published.written, published.removed), (1, 0));
        assert_eq!(published.edited[0].path, out.join("report.html"));
        assert_eq!(published.edited[0].kept_as, out.join(name));
        assert_eq!(fs::read_to_string(out.join(name)).unwrap(), format!("mine {serial}"));
        assert_eq!(fs::read_to_string(out.join("report.html")).unwrap(), "old");
    }
    assert!(room.store.is_published(&tree, &out).unwrap());
}

#[test]
fn what_a_person_added_is_left_alone() {
    let room = Room::new();
    let (first, second) = (room.artifact(&FIRST).tree, room.artifact(&SECOND).tree);
    let out = room.path("out");
    room.store.publish(&first, &out).unwrap();
    fs::write(out.join("stale/notes.txt"), "mine").unwrap();
    fs::write(out.join("notes.txt"), "mine").unwrap();
    let published = room.store.publish(&second, &out).unwrap();
    assert!(published.edited.is_empty());
    assert_eq!(fs::read_to_string(out.join("stale/notes.txt")).unwrap(), "mine");
    assert_eq!(fs::read_to_string(out.join("notes.txt")).unwrap(), "mine");
    assert!(!out.join("stale/x").exists());
}

#[test]
fn an_edited_file_of_an_older_result_is_kept_beside() {
    let room = Room::new();
    let (first, second) = (room.artifact(&FIRST).tree, room.artifact(&SECOND).tree);
    let out = room.path("out");
    room.store.publish(&first, &out).unwrap();
    overwrite(&out.join("data/b.csv"), |bytes| *bytes = b"mine".to_vec());
    let published = room.store.publish(&second, &out).unwrap();
    assert_eq!(published.edited[0].kept_as, out.join("data/b.csv.edited"));
    assert!(!out.join("data/b.csv").exists());
}

#[test]
fn a_deleted_file_comes_back() {
    let room = Room::new();
    let tree = room.artifact(&FIRST).tree;
    let out = room.path("out");
    room.store.publish(&tree, &out).unwrap();
    fs::remove_dir_all(out.join("data")).unwrap();
    assert_eq!(room.store.publish(&tree, &out).unwrap(), done(2, 0));
    assert_eq!(content(&out), texts(&FIRST));
}

#[test]
fn files_and_folders_change_places() {
    let room = Room::new();
    let out = room.path("out");
    let shapes: [&[(&str, &str)]; 4] =
        [&[("a", "file")], &[("a/b", "below")], &[("a/b/c", "deeper")], &[("a", "file")]];
    for files in shapes {
        let tree = room.artifact(files).tree;
        let published = room.store.publish(&tree, &out).unwrap();
        assert!(published.edited.is_empty());
        assert_eq!(content(&out), texts(files));
    }
    let folder = room.folder("incoming", &[]);
    fs::create_dir(folder.join("a")).unwrap();
    symlink("a", folder.join("l")).unwrap();
    let empty = room.store.ingest(&folder).unwrap().tree;
    room.store.publish(&empty, &out).unwrap();
    assert_eq!(content(&out), texts(&[("a", "/"), ("l", "-> a")]));
    let below = room.artifact(&[("a/b", "below"), ("l", "a file")]).tree;
    assert!(room.store.publish(&below, &out).unwrap().edited.is_empty());
    assert_eq!(content(&out), texts(&[("a/b", "below"), ("l", "a file")]));
}

#[test]
fn nothing_is_written_through_a_link_that_a_person_made() {
    let room = Room::new();
    let (first, second) = (room.artifact(&FIRST).tree, room.artifact(&SECOND).tree);
    let out = room.path("out");
    room.store.publish(&first, &out).unwrap();
    let theirs = room.path("theirs");
    fs::rename(out.join("data"), &theirs).unwrap();
    symlink(&theirs, out.join("data")).unwrap();
    let published = room.store.publish(&second, &out).unwrap();
    assert_eq!(published.edited[0].kept_as, out.join("data.edited"));
    assert_eq!(content(&theirs), texts(&[("a.csv", "1"), ("b.csv", "2")]));
    assert_eq!(fs::read_to_string(out.join("data/c.csv")).unwrap(), "3");
}

#[test]
fn the_folder_itself_may_be_a_link() {
    let room = Room::new();
    let tree = room.artifact(&FIRST).tree;
    let (elsewhere, out) = (room.folder("elsewhere", &[]), room.path("out"));
    symlink(&elsewhere, &out).unwrap();
    room.store.publish(&tree, &out).unwrap();
    assert_eq!(content(&elsewhere), texts(&FIRST));
}

#[test]
fn a_damaged_result_leaves_the_folder_as_it_was() {
    let room = Room::new();
    let (first, second) = (room.artifact(&FIRST).tree, room.artifact(&SECOND).tree);
    let out = room.path("out");
    room.store.publish(&first, &out).unwrap();
    // The last entry of the second tree is the new report.
    flip_a_byte(blobs_of(&room.store, &second).last().unwrap());
    let error = room.store.publish(&second, &out).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert_eq!(content(&out), texts(&FIRST));
}
