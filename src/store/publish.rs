//! Publishing: keeps a folder for people equal to a tree, with as little work as can be.
//!
//! A list of what was put there, with the stamps of the files, tells our files from those of a person
//! and makes "nothing has changed" cheap. What a person edited is kept beside as `NAME.edited`; what
//! a person added is left alone. The folder itself may be a link (`out` on another disk); what lies in
//! it is never written through a link.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::hashing::digest_of_file;
use super::locks;
use super::materialize::Placer;
use super::objects::read_object;
use super::stamp::Stamp;
use super::tree::{Entry, EntryKind, Tree, ancestors};
use super::{LinkMode, Store, StoreError, sealed};
use crate::digest::Digest;

/// New files are made here and renamed, so that nobody sees half of one. Gone when all is done.
const STAGING: &str = ".phytotron-staging";

/// What publishing did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Published {
    /// Files, links and folders that were put there.
    pub written: u64,
    /// Those of older results that were removed.
    pub removed: u64,
    /// Files that a person had changed, to be told in a warning.
    pub edited: Vec<Edited>,
}

/// A file that a person had changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// Where it was.
    pub path: PathBuf,
    /// Where it is now.
    pub kept_as: PathBuf,
}

/// What we put into one destination.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Shown {
    destination: PathBuf,
    /// None while a publication is under way.
    tree: Option<Digest>,
    places: BTreeMap<String, Ours>,
}

/// What we put into one place.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Ours {
    /// What may be there by our doing; more than one after an interruption.
    contents: Vec<EntryKind>,
    /// How it looked when we had put the first of them there.
    stamp: Option<Stamp>,
}

/// What is found in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finding {
    Nothing,
    /// Just what is wanted, whoever put it there.
    Wanted,
    /// Something else that we put there.
    Ours,
    /// Something that we did not put there.
    Foreign,
}

impl Store {
    /// Brings `destination` to equal `tree`, made when missing: puts what is missing or different
    /// there, and removes what an older result of ours left.
    ///
    /// # Errors
    /// `StoreError::Damaged` when a blob is bad; the destination then still is as it was.
    pub fn publish(&self, tree: &Digest, destination: &Path) -> Result<Published, StoreError> {
        let shown_at = self.shown_path(destination)?;
        let name = format!("out-{}", stem_of(&shown_at));
        let _lock = locks::wait_exclusive(self, &name)?;
        let before = read_shown(&shown_at)?;
        // A folder outlives what the store has lost, but nobody else could take the result from it.
        if !self.is_present(tree)? {
            let detail = "some of its content is missing".to_owned();
            return Err(StoreError::Damaged { tree: *tree, detail });
        }
        if before.is_intact(tree, destination) {
            return Ok(Published::default());
        }
        let entries = self.whole_tree(tree)?;
        let mut publication = Publication {
            store: self,
            destination,
            before: &before,
            published: Published::default(),
            real_folders: HashSet::new(),
        };
        publication.bring(tree, &entries, &shown_at)?;
        let published = publication.published;
        self.write_object(&shown_at, &sealed::seal(&shown(tree, &entries, destination)))?;
        Ok(published)
    }

    /// Whether `destination` still is what [`Store::publish`] of `tree` made it, by `stat` alone.
    pub fn is_published(&self, tree: &Digest, destination: &Path) -> Result<bool, StoreError> {
        let before = read_shown(&self.shown_path(destination)?)?;
        Ok(before.is_intact(tree, destination))
    }

    /// `state/.published/<key>.json`; the dot keeps it apart from a pipeline that is called so.
    fn shown_path(&self, destination: &Path) -> Result<PathBuf, StoreError> {
        let absolute = std::path::absolute(destination)
            .map_err(|error| StoreError::reading(destination, error))?;
        let key = Digest::of(absolute.as_os_str().as_encoded_bytes()).short();
        Ok(self.root.join("state/.published").join(key + ".json"))
    }
}

impl Shown {
    fn is_intact(&self, tree: &Digest, destination: &Path) -> bool {
        self.tree == Some(*tree)
            && fs::symlink_metadata(destination.join(STAGING)).is_err()
            && self.places.iter().all(|(path, ours)| {
                let now = fs::symlink_metadata(destination.join(path));
                now.is_ok_and(|now| match ours.contents.first() {
                    // A folder's times change with what a person puts into it.
                    Some(EntryKind::Folder) => now.is_dir(),
                    _ => ours.stamp == Some(Stamp::of(&now)),
                })
            })
    }
}

struct Publication<'a> {
    store: &'a Store,
    destination: &'a Path,
    before: &'a Shown,
    published: Published,
    /// Folders below the destination that were seen to be no links.
    real_folders: HashSet<String>,
}

impl Publication<'_> {
    fn bring(&mut self, tree: &Digest, entries: &Tree, shown_at: &Path) -> Result<(), StoreError> {
        let writing = |error| StoreError::writing(self.destination, error);
        fs::create_dir_all(self.destination).map_err(writing)?;
        let wanted = self.not_there_yet(entries)?;
        let staging = self.destination.join(STAGING);
        // Left by a publication that was killed.
        let _ = fs::remove_dir_all(&staging);
        if !wanted.is_empty() {
            fs::create_dir(&staging).map_err(writing)?;
            let staged = self.stage(tree, &wanted, &staging);
            if let Err(error) = staged {
                let _ = fs::remove_dir_all(&staging);
                return Err(error);
            }
        }
        let intent = self.intent(entries);
        self.store.write_object(shown_at, &sealed::seal(&intent))?;
        self.remove_stale(entries)?;
        for (serial, entry) in wanted.iter().enumerate() {
            self.put(entry, &staging.join(serial.to_string()))?;
        }
        let _ = fs::remove_dir_all(&staging);
        Ok(())
    }

    /// Entries whose place holds something else, or nothing.
    fn not_there_yet<'t>(&mut self, entries: &'t Tree) -> Result<Vec<&'t Entry>, StoreError> {
        let mut wanted = Vec::new();
        for entry in &entries.entries {
            if self.find(&entry.path, Some(&entry.kind))? != Finding::Wanted {
                wanted.push(entry);
            }
        }
        Ok(wanted)
    }

    /// Makes all that is wanted under numbers, so that a bad blob is found before anything is touched.
    fn stage(&self, tree: &Digest, wanted: &[&Entry], staging: &Path) -> Result<(), StoreError> {
        let placer = Placer::new(self.store, tree, LinkMode::Auto);
        wanted.par_iter().enumerate().try_for_each(|(serial, entry)| {
            placer.place(&entry.kind, &staging.join(serial.to_string()))
        })
    }

    /// Both what was there and what will be: after an interruption either is ours.
    fn intent(&self, entries: &Tree) -> Shown {
        let mut places = self.before.places.clone();
        for entry in &entries.entries {
            let ours = places.entry(entry.path.clone()).or_default();
            if !ours.contents.contains(&entry.kind) {
                ours.contents.push(entry.kind.clone());
            }
        }
        Shown { destination: self.destination.to_owned(), tree: None, places }
    }

    /// Removes what we once put there and what is not wanted any more.
    fn remove_stale(&mut self, entries: &Tree) -> Result<(), StoreError> {
        let before = self.before;
        // From the last: what lies in a folder goes before the folder.
        for path in before.places.keys().rev().filter(|path| entries.entry(path).is_none()) {
            let place = self.destination.join(path);
            match self.find(path, None)? {
                Finding::Nothing => {}
                Finding::Wanted | Finding::Ours => self.remove_ours(path, &place)?,
                Finding::Foreign => self.keep_edited(&place)?,
            }
            self.remove_empty_above(path);
        }
        Ok(())
    }

    fn remove_ours(&mut self, path: &str, place: &Path) -> Result<(), StoreError> {
        if is_folder(place) {
            // One with things of a person in it stays.
            if fs::remove_dir(place).is_err() {
                return Ok(());
            }
            self.real_folders.remove(path);
        } else {
            fs::remove_file(place).map_err(|error| StoreError::writing(place, error))?;
        }
        self.published.removed += 1;
        Ok(())
    }

    fn remove_empty_above(&mut self, path: &str) {
        let mut folders: Vec<&str> = ancestors(path).collect();
        while let Some(folder) = folders.pop() {
            if fs::remove_dir(self.destination.join(folder)).is_err() {
                return;
            }
            self.real_folders.remove(folder);
        }
    }

    /// Moves a staged entry to its place.
    fn put(&mut self, entry: &Entry, staged: &Path) -> Result<(), StoreError> {
        self.make_room_above(&entry.path)?;
        let place = self.destination.join(&entry.path);
        let writing = |error| StoreError::writing(&place, error);
        match self.find(&entry.path, Some(&entry.kind))? {
            // Folders are the only wanted things that can have come about meanwhile.
            Finding::Wanted => return Ok(()),
            // No rename replaces a folder by a file. One with things of a person in it is theirs now.
            Finding::Ours if is_folder(&place) => {
                if fs::remove_dir(&place).is_err() {
                    self.keep_edited(&place)?;
                }
            }
            Finding::Ours if entry.kind == EntryKind::Folder => {
                fs::remove_file(&place).map_err(writing)?;
            }
            Finding::Nothing | Finding::Ours => {}
            Finding::Foreign => self.keep_edited(&place)?,
        }
        fs::rename(staged, &place).map_err(writing)?;
        self.published.written += 1;
        Ok(())
    }

    /// Makes the folders above `path`; what stands in their way is kept beside.
    fn make_room_above(&mut self, path: &str) -> Result<(), StoreError> {
        for folder in ancestors(path) {
            if self.real_folders.contains(folder) {
                continue;
            }
            let place = self.destination.join(folder);
            match fs::symlink_metadata(&place) {
                Ok(metadata) if metadata.is_dir() => {}
                Ok(_) => {
                    self.keep_edited(&place)?;
                    fs::create_dir(&place).map_err(|error| StoreError::writing(&place, error))?;
                }
                Err(_) => {
                    fs::create_dir(&place).map_err(|error| StoreError::writing(&place, error))?;
                }
            }
            self.real_folders.insert(folder.to_owned());
        }
        Ok(())
    }

    /// Renames what a person made to `NAME.edited`, or the first such name that is free.
    fn keep_edited(&mut self, place: &Path) -> Result<(), StoreError> {
        let name = |suffix: &str| {
            let mut name = place.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        let mut kept_as = name(".edited");
        let mut serial = 1;
        while kept_as.symlink_metadata().is_ok() {
            serial += 1;
            kept_as = name(&format!(".edited.{serial}"));
        }
        fs::rename(place, &kept_as).map_err(|error| StoreError::writing(place, error))?;
        self.published.edited.push(Edited { path: place.to_owned(), kept_as });
        Ok(())
    }

    /// What lies at `path`, compared with what is wanted there and with what we put there.
    fn find(&mut self, path: &str, wanted: Option<&EntryKind>) -> Result<Finding, StoreError> {
        if !self.is_real_folder_above(path) {
            return Ok(Finding::Nothing);
        }
        let place = self.destination.join(path);
        let Ok(metadata) = fs::symlink_metadata(&place) else { return Ok(Finding::Nothing) };
        let ours = self.before.places.get(path);
        let contents = ours.map_or(&[][..], |ours| &ours.contents);
        let is_untouched = ours.is_some_and(|ours| ours.stamp == Some(Stamp::of(&metadata)));
        let found = match contents.first() {
            Some(content) if is_untouched => content.clone(),
            _ => match read_place(&place, &metadata)? {
                Some(found) => found,
                None => return Ok(Finding::Foreign),
            },
        };
        if wanted == Some(&found) {
            return Ok(Finding::Wanted);
        }
        // A person who only made a file executable has not edited it.
        let is_ours = contents.iter().any(|content| is_same_content(content, &found));
        let is_wanted = wanted.is_some_and(|wanted| is_same_content(wanted, &found));
        Ok(if is_ours || is_wanted { Finding::Ours } else { Finding::Foreign })
    }

    /// Whether every folder above `path` is there and no link.
    fn is_real_folder_above(&mut self, path: &str) -> bool {
        ancestors(path).all(|folder| {
            if self.real_folders.contains(folder) {
                return true;
            }
            let is_real = fs::symlink_metadata(self.destination.join(folder))
                .is_ok_and(|metadata| metadata.is_dir());
            if is_real {
                self.real_folders.insert(folder.to_owned());
            }
            is_real
        })
    }
}

fn is_folder(place: &Path) -> bool {
    fs::symlink_metadata(place).is_ok_and(|metadata| metadata.is_dir())
}

/// Same bytes, same target, or both folders.
fn is_same_content(a: &EntryKind, b: &EntryKind) -> bool {
    match (a, b) {
        (EntryKind::File { digest: a, .. }, EntryKind::File { digest: b, .. }) => a == b,
        _ => a == b,
    }
}

/// What lies at `place`, as an entry; none for sockets and the like.
fn read_place(place: &Path, metadata: &fs::Metadata) -> Result<Option<EntryKind>, StoreError> {
    let reading = |error| StoreError::reading(place, error);
    if metadata.is_dir() {
        return Ok(Some(EntryKind::Folder));
    }
    if metadata.is_symlink() {
        let target = fs::read_link(place).map_err(reading)?.into_os_string().into_string();
        return Ok(target.ok().map(|target| EntryKind::Link { target }));
    }
    if !metadata.is_file() {
        return Ok(None);
    }
    let executable = metadata.mode() & 0o111 != 0;
    let hashed = digest_of_file(place).map_err(reading)?;
    Ok(hashed.map(|(digest, stamp)| EntryKind::File { digest, size: stamp.size, executable }))
}

/// The list after a publication. What a person has taken away meanwhile has no stamp, and is put back
/// next time.
fn shown(tree: &Digest, entries: &Tree, destination: &Path) -> Shown {
    let place = |entry: &Entry| {
        let metadata = fs::symlink_metadata(destination.join(&entry.path));
        let stamp = metadata.ok().map(|metadata| Stamp::of(&metadata));
        (entry.path.clone(), Ours { contents: vec![entry.kind.clone()], stamp })
    };
    let places = entries.entries.iter().map(place).collect();
    Shown { destination: destination.to_owned(), tree: Some(*tree), places }
}

/// A list that is torn or missing makes every file be hashed once.
fn read_shown(path: &Path) -> Result<Shown, StoreError> {
    match read_object(path) {
        Ok(object) => {
            Ok(object.and_then(|object| sealed::unseal(&object.bytes)).unwrap_or_default())
        }
        Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotADirectory => {
            Ok(Shown::default())
        }
        Err(error) => Err(error),
    }
}

fn stem_of(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_stem().unwrap_or_default().to_string_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreOptions;

    #[test]
    fn what_an_interrupted_publication_left_is_not_taken_for_an_edit() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store"), StoreOptions::default()).unwrap();
        let out = folder.path().join("out");
        let tree = |report: &str, other: &str| {
            let incoming = folder.path().join("incoming");
            fs::create_dir(&incoming).unwrap();
            fs::write(incoming.join("report"), report).unwrap();
            fs::write(incoming.join(other), report).unwrap();
            store.ingest(&incoming).unwrap().tree
        };
        let (first, second, third) = (tree("1", "a"), tree("2", "b"), tree("3", "c"));
        store.publish(&first, &out).unwrap();
        // The second is killed between its first file and its second.
        let shown_at = store.shown_path(&out).unwrap();
        let before = read_shown(&shown_at).unwrap();
        let mut killed = Publication {
            store: &store,
            destination: &out,
            before: &before,
            published: Published::default(),
            real_folders: HashSet::new(),
        };
        let entries = store.whole_tree(&second).unwrap();
        let wanted: Vec<&Entry> = entries.entries.iter().rev().collect();
        let staging = out.join(STAGING);
        fs::create_dir(&staging).unwrap();
        killed.stage(&second, &wanted, &staging).unwrap();
        store.write_object(&shown_at, &sealed::seal(&killed.intent(&entries))).unwrap();
        killed.put(wanted[0], &staging.join("0")).unwrap();
        assert_eq!(fs::read_to_string(out.join("report")).unwrap(), "2");

        assert!(!store.is_published(&second, &out).unwrap());
        let published = store.publish(&third, &out).unwrap();
        assert_eq!(published, Published { written: 2, removed: 1, edited: Vec::new() });
        let mut left: Vec<_> =
            fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["c", "report"]);
    }
}
