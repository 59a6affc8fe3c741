//! Checking the whole store: every object against its name, every reference against what is there.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::gc::{digest_in, is_stray};
use super::hashing::digest_of_file;
use super::objects::{Object, files_by_prefix, list, read_object};
use super::stamp::Stamp;
use super::tree::Tree;
use super::{Store, StoreError, artifacts, records, trials};
use crate::digest::Digest;
use crate::manifest::Fingerprint;
use crate::record::StageRecord;

/// Something in the store that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// `has other content than its name says`.
    pub what: String,
    /// Whether it was moved away.
    pub quarantined: bool,
}

/// A tree whose content is not all here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dangling {
    /// The tree.
    pub tree: Digest,
    /// How many of its blobs are missing.
    pub missing: u64,
}

/// A result that lost an output: its stage runs again when the output is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The result.
    pub fingerprint: Fingerprint,
    /// The output's name.
    pub output: String,
    /// `its list of files is missing`, `2 of its files are missing`.
    pub detail: String,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FsckReport {
    /// Blobs looked at.
    pub blobs: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Whole trees.
    pub trees: u64,
    /// Whole records.
    pub records: u64,
    /// Whole trials.
    pub trials: u64,
    /// Bad files.
    pub problems: Vec<Problem>,
    /// Trees with missing blobs.
    pub dangling: Vec<Dangling>,
    /// Results with missing outputs.
    pub lost: Vec<Lost>,
    /// Leavings of killed processes that were removed.
    pub strays_removed: u64,
}

impl FsckReport {
    /// Whether nothing is bad and nothing is missing.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty() && self.dangling.is_empty() && self.lost.is_empty()
    }
}

impl Store {
    /// Checks every object; bad ones are put into quarantine. Blobs are hashed only when `deep`, else
    /// their sizes must do. Reports in the order of names.
    pub fn fsck(&self, deep: bool) -> Result<FsckReport, StoreError> {
        let _no_gc = match self.publishing() {
            // A store that cannot be written can still be checked.
            Err(StoreError::ReadOnly { .. }) => None,
            locked => Some(locked?),
        };
        let mut check = Check { store: self, report: FsckReport::default() };
        let mut blobs = check.blobs(deep)?;
        let trees = check.trees()?;
        if !deep {
            check.wrong_sizes(&trees, &mut blobs);
        }
        let missing = check.dangling(&trees, &blobs);
        check.records(&missing)?;
        check.trials()?;
        check.strays()?;
        if !check.report.lost.is_empty() {
            // What a plan remembers of these results no longer holds. A store that cannot be written has
            // no such memory.
            let _ = self.bump_generation();
        }
        Ok(check.report)
    }
}

/// Trees by digest; those that are not here have no entry.
type Trees = Vec<(Digest, Tree)>;

struct Check<'a> {
    store: &'a Store,
    report: FsckReport,
}

impl Check<'_> {
    /// Sizes of the good blobs.
    fn blobs(&mut self, deep: bool) -> Result<HashMap<Digest, u64>, StoreError> {
        let files = files_by_prefix(&self.store.root.join("blobs"))?;
        let looked: Vec<_> = files.par_iter().map(|path| look_at_blob(path, deep)).collect();
        let mut sizes = HashMap::with_capacity(files.len());
        for (path, looked) in files.iter().zip(looked) {
            self.report.blobs += 1;
            match looked {
                Looked::Good { digest, size } => {
                    self.report.bytes += size;
                    sizes.insert(digest, size);
                }
                Looked::Bad { what, stamp } => self.problem(path, what, stamp),
                Looked::Gone => {}
            }
        }
        Ok(sizes)
    }

    fn trees(&mut self) -> Result<Trees, StoreError> {
        let mut trees = Trees::new();
        for path in files_by_prefix(&self.store.root.join("trees"))? {
            if let Some((digest, tree)) = self.object(&path, artifacts::parse)? {
                self.report.trees += 1;
                trees.push((digest, tree));
            }
        }
        Ok(trees)
    }

    /// Blobs whose size is not the one that trees give: without hashing, cut ones are found so.
    fn wrong_sizes(&mut self, trees: &Trees, blobs: &mut HashMap<Digest, u64>) {
        for (blob, size) in trees.iter().flat_map(|(_, tree)| tree.blobs()) {
            if blobs.get(&blob).is_some_and(|&found| found != size) {
                blobs.remove(&blob);
                let path = self.store.blob_path(&blob);
                let stamp = fs::symlink_metadata(&path).ok().map(|it| Stamp::of(&it));
                self.problem(&path, "has another size than a tree says".to_owned(), stamp);
            }
        }
    }

    /// How many blobs each tree lacks.
    fn dangling(&mut self, trees: &Trees, blobs: &HashMap<Digest, u64>) -> HashMap<Digest, u64> {
        let mut missing = HashMap::with_capacity(trees.len());
        for (digest, tree) in trees {
            let lacks = tree.blobs().filter(|(blob, _)| !blobs.contains_key(blob)).count() as u64;
            missing.insert(*digest, lacks);
            if lacks > 0 {
                self.report.dangling.push(Dangling { tree: *digest, missing: lacks });
            }
        }
        missing
    }

    fn records(&mut self, missing: &HashMap<Digest, u64>) -> Result<(), StoreError> {
        for path in files_by_prefix(&self.store.root.join("results"))? {
            if let Some((_, record)) = self.object(&path, records::parse)? {
                self.report.records += 1;
                self.report.lost.extend(lost_outputs(&record, missing));
            }
        }
        Ok(())
    }

    fn trials(&mut self) -> Result<(), StoreError> {
        for path in files_by_prefix(&self.store.root.join("trials"))? {
            if self.object(&path, trials::parse)?.is_some() {
                self.report.trials += 1;
            }
        }
        Ok(())
    }

    fn strays(&mut self) -> Result<(), StoreError> {
        for path in list(&self.store.root.join("tmp"))?.iter().filter(|path| is_stray(path)) {
            match self.store.remove(path) {
                Err(StoreError::ReadOnly { .. }) => return Ok(()),
                removed => removed?,
            }
            self.report.strays_removed += 1;
        }
        Ok(())
    }

    /// Reads an object and its name; one that is bad becomes a problem.
    fn object<T>(
        &mut self,
        path: &Path,
        parse: fn(&Path, &Object, &Digest) -> Result<Option<T>, StoreError>,
    ) -> Result<Option<(Digest, T)>, StoreError> {
        let Some(object) = read_object(path)? else { return Ok(None) };
        let Some(digest) = digest_in(path) else {
            self.problem(path, "has no digest for a name".to_owned(), Some(object.stamp));
            return Ok(None);
        };
        match parse(path, &object, &digest) {
            Ok(Some(value)) => return Ok(Some((digest, value))),
            Ok(None) => {
                let what = "is torn, or belongs under another name".to_owned();
                self.problem(path, what, Some(object.stamp));
            }
            // What a later version wrote is whole: it stays where it is.
            Err(StoreError::Newer { format, .. }) => {
                self.problem(path, format!("has format {format}, of a newer phytotron"), None);
            }
            Err(StoreError::Damaged { detail, .. }) => {
                self.problem(path, detail, Some(object.stamp));
            }
            Err(other) => return Err(other),
        }
        Ok(None)
    }

    /// Notes a problem, and moves the file away if it still has `stamp`.
    fn problem(&mut self, path: &Path, what: String, stamp: Option<Stamp>) {
        let quarantined = stamp.is_some_and(|stamp| self.store.quarantine(path, &stamp));
        self.report.problems.push(Problem { path: path.to_owned(), what, quarantined });
    }
}

enum Looked {
    Good { digest: Digest, size: u64 },
    Bad { what: String, stamp: Option<Stamp> },
    Gone,
}

fn look_at_blob(path: &Path, deep: bool) -> Looked {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Looked::Gone };
    let stamp = Some(Stamp::of(&metadata));
    let bad = |what: &str| Looked::Bad { what: what.to_owned(), stamp };
    let Some(digest) = digest_in(path) else { return bad("has no digest for a name") };
    if !metadata.is_file() {
        return bad("is no file");
    }
    if !deep {
        return Looked::Good { digest, size: metadata.len() };
    }
    match digest_of_file(path) {
        Ok(Some((found, _))) if found == digest => Looked::Good { digest, size: metadata.len() },
        Ok(_) => bad("has other content than its name says"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Looked::Gone,
        Err(error) => bad(&format!("cannot be read: {error}")),
    }
}

fn lost_outputs(record: &StageRecord, missing: &HashMap<Digest, u64>) -> Vec<Lost> {
    let lost = |(name, output): (&String, &crate::record::OutputRecord)| {
        let detail = match missing.get(&output.tree) {
            Some(0) => return None,
            Some(count) => format!("{count} of its {} files are missing", output.files),
            None => "its list of files is missing".to_owned(),
        };
        let output = name.clone();
        Some(Lost { fingerprint: record.fingerprint, output, detail })
    };
    record.outputs.iter().filter_map(lost).collect()
}
