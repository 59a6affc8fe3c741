//! The lock file: which results a pipeline had, for git and for other people.
//!
//! Sorted by stage and free of times and hosts, so that a diff of it shows just the results that
//! changed. Laid out for git: a stage is a block of three lines with a blank one after it. So two branches that
//! changed or added different stages merge by themselves unless they add at one place, and a conflict never begins
//! inside a block: git draws conflicts together over up to three equal lines.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::manifest::Fingerprint;
use crate::store::replace_file;

use super::PlanError;

/// Version of the file's format.
const LOCK_FORMAT: u32 = 1;

/// First lines of every lock file.
const HEAD: &str = "\
# The results that this pipeline had, by phytotron. Keep it in git: others see by it whether they
# get the same. It is written anew by `run`; never edit it.
";

/// A locked stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedStage {
    /// The cache key of its result.
    pub fingerprint: Fingerprint,
    /// Trees of its outputs by name.
    pub outputs: BTreeMap<String, Digest>,
}

/// The content of a `<pipeline>.lock`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockFile {
    /// Stages by the text of their id.
    pub stages: BTreeMap<String, LockedStage>,
    /// Pins of network sources by address: what they held at first use.
    pub sources: BTreeMap<String, String>,
}

/// How a lock file lies on disk.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "format")]
    _format: u32,
    #[serde(default)]
    stages: BTreeMap<String, LockedStage>,
    #[serde(default)]
    sources: BTreeMap<String, String>,
}

/// Only the version, to tell a newer file from a damaged one.
#[derive(Deserialize)]
struct Versioned {
    format: u32,
}

/// A stage whose result is not the locked one, for `run --locked` and `verify`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockDifference {
    /// The text of the stage's id.
    pub stage: String,
    /// What differs, for people.
    pub what: String,
}

/// The lock file of the pipeline at `file`: beside it, with the extension `lock`.
#[must_use]
pub fn lock_path(file: &Path) -> PathBuf {
    file.with_extension("lock")
}

impl LockFile {
    /// Reads the lock file at `path`; an empty one when there is none.
    pub fn read(path: &Path) -> Result<Self, PlanError> {
        let bad = |reason: String| PlanError::Lock { path: path.to_owned(), reason };
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text).map_err(bad),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(bad(format!("cannot be read: {error}"))),
        }
    }

    /// Reads the text of a lock file; the error says what to do.
    fn parse(text: &str) -> Result<Self, String> {
        lines::read(text).map_or_else(|| Self::parse_yaml(text), Ok)
    }

    fn parse_yaml(text: &str) -> Result<Self, String> {
        if text.lines().any(|line| line.starts_with("<<<<<<<")) {
            return Err("git could not merge it: keep either side whole, then run again".to_owned());
        }
        match serde_yaml::from_str::<Versioned>(text) {
            Ok(Versioned { format }) if format > LOCK_FORMAT => {
                return Err(format!(
                    "a newer phytotron wrote it (format {format}, this one reads {LOCK_FORMAT})"
                ));
            }
            _ => {}
        }
        let document: Document = serde_yaml::from_str(text)
            .map_err(|error| format!("{error}: take it back from git, or delete it"))?;
        Ok(Self { stages: document.stages, sources: document.sources })
    }

    /// The text of the file.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{HEAD}format: {LOCK_FORMAT}\n");
        if !self.stages.is_empty() {
            text.push_str("stages:\n");
        }
        for (id, stage) in &self.stages {
            let outputs: Vec<String> = stage
                .outputs
                .iter()
                .map(|(name, tree)| format!("{}: {tree}", key_in_braces(name)))
                .collect();
            let (id, fingerprint, outputs) = (key(id), stage.fingerprint, outputs.join(", "));
            let _ = write!(
                text,
                "  {id}:\n    fingerprint: {fingerprint}\n    outputs: {{{outputs}}}\n\n"
            );
        }
        if !self.sources.is_empty() {
            text.push_str("sources:\n");
        }
        for (address, pin) in &self.sources {
            let _ = write!(text, "  {}: {}\n\n", quoted(address), quoted(pin));
        }
        text
    }

    /// Takes over `fresh` stages and the pins `sources`, drops stages that `is_current` denies, and replaces the
    /// file at `path` in one step when that changes it. Returns whether it did.
    pub fn update(
        &self,
        path: &Path,
        fresh: BTreeMap<String, LockedStage>,
        sources: BTreeMap<String, String>,
        is_current: &dyn Fn(&str) -> bool,
    ) -> Result<bool, PlanError> {
        let mut new = Self { stages: self.stages.clone(), sources };
        new.stages.retain(|stage, _| is_current(stage));
        new.stages.extend(fresh);
        if new == *self {
            return Ok(false);
        }
        replace_file(path, new.text().as_bytes())?;
        Ok(true)
    }

    /// Where `found` differs from what is locked; a stage that is only in the lock file is none.
    #[must_use]
    pub fn differences(&self, found: &BTreeMap<String, LockedStage>) -> Vec<LockDifference> {
        let difference = |(stage, found): (&String, &LockedStage)| {
            let what = match self.stages.get(stage) {
                None => "it is not in the lock file".to_owned(),
                Some(locked) => locked.difference(found)?,
            };
            Some(LockDifference { stage: stage.clone(), what })
        };
        found.iter().filter_map(difference).collect()
    }
}

impl LockedStage {
    /// How `found` differs from what is locked.
    fn difference(&self, found: &Self) -> Option<String> {
        if self.fingerprint != found.fingerprint {
            return Some(format!(
                "what it depends on: fingerprint {} → {}",
                self.fingerprint.short(),
                found.fingerprint.short()
            ));
        }
        let other = |(name, tree): (&String, &Digest)| {
            (found.outputs.get(name) != Some(tree)).then(|| name.clone())
        };
        let outputs: Vec<String> = self.outputs.iter().filter_map(other).collect();
        if !outputs.is_empty() {
            return Some(format!("other content, though nothing changed: {}", outputs.join(", ")));
        }
        (self.outputs.len() != found.outputs.len()).then(|| "it has more outputs".to_owned())
    }
}

/// A key as it stands on a line of its own: plain where it cannot be taken for anything else.
fn key(text: &str) -> String {
    lines::word(text).map_or_else(|| quoted(text), str::to_owned)
}

/// A key as it stands in braces, where brackets and commas mean more.
fn key_in_braces(text: &str) -> String {
    lines::word_in_braces(text).map_or_else(|| quoted(text), str::to_owned)
}

/// Text in JSON's quotes, which are YAML's too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A reader of just the lines that [`LockFile::text`] writes: fifteen times as fast as a YAML reader,
/// which would take most of the time of a run that has nothing to do. Anything else is left to YAML.
mod lines {
    use std::collections::BTreeMap;
    use std::iter::Peekable;
    use std::str::Lines;

    use super::{LOCK_FORMAT, LockFile, LockedStage};
    use crate::digest::Digest;

    /// The line before the pins.
    const SOURCES: &str = "sources:";

    /// Everything, or nothing when one line is of another form.
    pub(super) fn read(text: &str) -> Option<LockFile> {
        let mut lines = text.lines().peekable();
        while lines.next_if(|line| line.starts_with('#')).is_some() {}
        if lines.next()?.strip_prefix("format: ")?.parse() != Ok(LOCK_FORMAT) {
            return None;
        }
        let mut lock = LockFile::default();
        if lines.next()? == "stages:" {
            while let Some(line) = lines.next_if(|line| *line != SOURCES) {
                let id = word(line.strip_prefix("  ")?.strip_suffix(':')?)?;
                let locked = stage(&mut lines)?;
                if lock.stages.insert(id.to_owned(), locked).is_some() {
                    return None;
                }
            }
            if lines.next().is_some() {
                lock.sources = sources(&mut lines)?;
            }
        }
        // Also where `stages: {}` stands.
        (lines.next().is_none() && !lock.stages.is_empty()).then_some(lock)
    }

    /// Pins in JSON's quotes, each with a blank line after it.
    fn sources(lines: &mut Peekable<Lines<'_>>) -> Option<BTreeMap<String, String>> {
        let mut sources = BTreeMap::new();
        while let Some(line) = lines.next() {
            let mut texts =
                serde_json::Deserializer::from_str(line.strip_prefix("  ")?).into_iter();
            let address: String = texts.next()?.ok()?;
            let rest = line.get(2 + texts.byte_offset()..)?.strip_prefix(": ")?;
            let pin: String = serde_json::from_str(rest).ok()?;
            // A quoted text as `text` writes it, and no other spelling of it.
            if line != format!("  {}: {}", super::quoted(&address), super::quoted(&pin))
                || sources.insert(address, pin).is_some()
            {
                return None;
            }
            lines.next_if(|line| line.is_empty());
        }
        (!sources.is_empty()).then_some(sources)
    }

    fn stage(lines: &mut Peekable<Lines<'_>>) -> Option<LockedStage> {
        let fingerprint = lines.next()?.strip_prefix("    fingerprint: ")?.parse().ok()?;
        let listed = lines.next()?.strip_prefix("    outputs: {")?.strip_suffix('}')?;
        let mut outputs: BTreeMap<String, Digest> = BTreeMap::new();
        for output in listed.split(", ").filter(|_| !listed.is_empty()) {
            let (name, tree) = output.split_once(": ")?;
            if outputs.insert(word_in_braces(name)?.to_owned(), tree.parse().ok()?).is_some() {
                return None;
            }
        }
        lines.next_if(|line| line.is_empty());
        Some(LockedStage { fingerprint, outputs })
    }

    /// A key that is text without quotes, whatever YAML's rules.
    pub(super) fn word(text: &str) -> Option<&str> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.[]=,/".contains(c);
        let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
        let means_more = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
        let is_word = begins && text.chars().all(is_plain);
        (is_word && !means_more.contains(&text.to_ascii_lowercase().as_str())).then_some(text)
    }

    /// The same between braces.
    pub(super) fn word_in_braces(text: &str) -> Option<&str> {
        word(text).filter(|text| !text.contains(['[', ']', ',']))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The quick reader beside its slow twin.
        #[test]
        fn lines_read_what_yaml_reads(
            stages in prop::collection::btree_map(
                "[a-z0-9_\\[\\]=, \"'#:~-]{1,6}|true|1e3|a: b",
                prop::collection::btree_map("[a-z0-9-]{1,4}|no", any::<u8>(), 0..3),
                0..4,
            ),
            sources in prop::collection::btree_map("[a-z:/.\\\\\"' é]{0,8}", "[a-z0-9:]{0,4}", 0..3),
            cut in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let stages = stages.into_iter().map(|(id, outputs)| {
                let digest = |n: u8| Digest::of(&[n]);
                let outputs = outputs.into_iter().map(|(name, n)| (name, digest(n))).collect();
                (id, LockedStage { fingerprint: digest(0), outputs })
            });
            let lock = LockFile { stages: stages.collect(), sources };
            let mut lines: Vec<String> = lock.text().lines().map(str::to_owned).collect();
            if let Some(cut) = cut {
                lines.remove(cut.index(lines.len()));
            }
            let text = lines.join("\n");
            if let Some(read) = lines::read(&text) {
                prop_assert_eq!(Ok(read), LockFile::parse_yaml(&text));
            }
            if cut.is_none() {
                prop_assert_eq!(LockFile::parse(&text), Ok(lock));
            }
        }
    }

    #[test]
    fn an_ordinary_lock_file_is_read_by_lines() {
        assert_eq!(lines::read(&lock().text()), Some(lock()));
    }

    fn locked(fingerprint: &str, outputs: &[(&str, &str)]) -> LockedStage {
        let output = |&(name, tree): &(&str, &str)| (name.to_owned(), Digest::of(tree.as_bytes()));
        LockedStage {
            fingerprint: Digest::of(fingerprint.as_bytes()),
            outputs: outputs.iter().map(output).collect(),
        }
    }

    fn lock() -> LockFile {
        let stages = [
            ("leaves", locked("1", &[("data", "a"), ("test", "b")])),
            ("search[repeat=1,strategy=random]", locked("2", &[("trials", "c")])),
        ];
        let stages = stages.map(|(id, stage)| (id.to_owned(), stage)).into_iter().collect();
        let pin = format!("sha256:{}", "0f".repeat(32));
        let sources = BTreeMap::from([("https://example.org/leaves.zip".to_owned(), pin)]);
        LockFile { stages, sources }
    }

    fn all(_: &str) -> bool {
        true
    }

    #[test]
    fn the_file_is_for_people() {
        insta::assert_snapshot!(lock().text());
    }

    #[test]
    fn it_reads_what_it_wrote() {
        assert_eq!(LockFile::parse(&lock().text()), Ok(lock()));
    }

    #[test]
    fn it_is_written_only_when_something_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        assert!(
            LockFile::read(&path)
                .unwrap()
                .update(&path, lock().stages, lock().sources, &all)
                .unwrap()
        );
        let read = LockFile::read(&path).unwrap();
        assert_eq!(read, lock());
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        assert!(!read.update(&path, lock().stages, lock().sources, &all).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), written);
    }

    #[test]
    fn stages_that_did_not_run_stay_and_those_that_are_gone_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        let fresh = BTreeMap::from([("leaves".to_owned(), locked("3", &[]))]);
        lock().update(&path, fresh.clone(), lock().sources, &all).unwrap();
        let kept = LockFile::read(&path).unwrap();
        assert_eq!(kept.stages.len(), 2);
        assert_eq!(kept.stages["leaves"], locked("3", &[]));
        lock().update(&path, fresh, BTreeMap::new(), &|stage| stage == "leaves").unwrap();
        let kept = LockFile::read(&path).unwrap();
        assert_eq!((kept.stages.len(), kept.sources.len()), (1, 0));
    }

    #[test]
    fn a_bad_file_says_what_to_do() {
        let check = |text: &str, words: &str| {
            let error = LockFile::parse(text).unwrap_err();
            assert!(error.contains(words), "{error}");
        };
        check("format: 9\nstagez: 1\n", "a newer phytotron wrote it (format 9");
        check("<<<<<<< HEAD\nformat: 1\n", "keep either side");
        check("format: 1\nstages: [1]\n", "take it back from git");
        check("format: 1\nstages:\n  a:\n    fingerprint: xyz\n    outputs: {}\n", "not a digest");
        check("", "take it back from git");
    }

    #[test]
    fn differences_name_the_stage_and_what_differs() {
        let mut found = lock().stages;
        assert_eq!(lock().differences(&found), []);
        found.insert("leaves".to_owned(), locked("1", &[("data", "x"), ("test", "b")]));
        found.insert("new".to_owned(), locked("4", &[]));
        found.insert("search[repeat=1,strategy=random]".to_owned(), locked("5", &[]));
        let texts: Vec<String> =
            lock().differences(&found).iter().map(|d| format!("{}: {}", d.stage, d.what)).collect();
        insta::assert_snapshot!(texts.join("\n"), @"
        leaves: other content, though nothing changed: data
        new: it is not in the lock file
        search[repeat=1,strategy=random]: what it depends on: fingerprint 813e9b729141 → b3372b584dc0
        ");
    }
}
