//! The state file: what a snapshot holds, its bytes, and the comparison with what is there.
//!
//! One line with version and checksum, then JSON that is read without copying: five thousand stages
//! are a megabyte and some milliseconds.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Hasher};
use crate::manifest::Fingerprint;

use super::reads::{Listing, Seen, SeenTool, find_tool};
use super::snapshot::holds;
use super::stamp::Stamp;

/// Begins every state file; the number is the format's version.
const MAGIC: &str = "phytotron-state 1 ";

/// Bytes read at once.
const PIECE_BYTES: usize = 128 << 10;

/// Everything in a state file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct State<'a> {
    /// Digest of options and program.
    pub(super) question: Digest,
    /// The store's.
    pub(super) generation: u64,
    /// Whether every selected stage ended well.
    pub(super) complete: bool,
    /// The pipeline's name.
    #[serde(borrow)]
    pub(super) pipeline: Cow<'a, str>,
    /// Number of selected stages.
    pub(super) selected: usize,
    #[serde(borrow)]
    pub(super) stages: Vec<StageState<'a>>,
    #[serde(borrow)]
    pub(super) sources: Vec<Source<'a>>,
    #[serde(borrow)]
    pub(super) files: Vec<WatchedFile<'a>>,
    #[serde(borrow)]
    pub(super) folders: Vec<WatchedFolder<'a>>,
    #[serde(borrow)]
    pub(super) tools: Vec<Tool<'a>>,
    #[serde(borrow)]
    pub(super) published: Vec<WatchedFile<'a>>,
}

/// A stage's id, its last fingerprint, and the seconds that its result took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct StageState<'a>(
    #[serde(borrow)] pub(super) Cow<'a, str>,
    pub(super) Fingerprint,
    pub(super) f64,
);

/// A file that formed the plan, relative to the root; without digest it must not be there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Source<'a>(#[serde(borrow)] pub(super) Cow<'a, str>, pub(super) Option<Digest>);

/// A file with its stamp, and with its digest while the stamp is no evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct WatchedFile<'a>(#[serde(borrow)] Cow<'a, str>, Option<Stamp>, Option<Digest>);

/// A folder with its stamp, whether that is evidence, and the digest of its listing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct WatchedFolder<'a>(#[serde(borrow)] Cow<'a, str>, Stamp, bool, Digest);

/// A program's name, where it was found, and its file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Tool<'a>(#[serde(borrow)] Cow<'a, str>, Cow<'a, Path>, Stamp, Option<Digest>);

/// How what is there compares with a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checked {
    /// Something is other than it was.
    Changed,
    /// All is as it was.
    Same,
    /// All is as it was, and the state now knows stamps for what had to be read this time.
    Settled,
}

impl<'a> State<'a> {
    /// Reads a state file; nothing when it is torn or of another version.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC.as_bytes())?;
        let (checksum, rest) = rest.split_at_checked(64)?;
        let json = rest.strip_prefix(b"\n")?;
        let checksum: Digest = std::str::from_utf8(checksum).ok()?.parse().ok()?;
        if Digest::of(json) != checksum {
            return None;
        }
        serde_json::from_slice(json).ok()
    }

    /// The bytes of the file.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let json = serde_json::to_vec(self).expect("BUG: a state is plain JSON");
        let mut bytes = format!("{MAGIC}{}\n", Digest::of(&json)).into_bytes();
        bytes.extend(json);
        bytes
    }

    /// Compares with the project at `root`; `now` decides which stamps are evidence.
    pub(super) fn check(&mut self, root: &Path, now: SystemTime) -> Checked {
        let mut settled = false;
        let same = self.sources.iter().all(|Source(path, digest)| holds(root, path, *digest))
            && self.files.iter_mut().all(|file| file.is_same(root, now, false, &mut settled))
            && self.folders.iter_mut().all(|folder| folder.is_same(root, now, &mut settled))
            && self.tools.iter_mut().all(|tool| tool.is_same(root, now, &mut settled))
            && self.published.iter_mut().all(|file| file.is_same(root, now, true, &mut settled));
        match (same, settled) {
            (false, _) => Checked::Changed,
            (true, false) => Checked::Same,
            (true, true) => Checked::Settled,
        }
    }
}

impl<'a> WatchedFile<'a> {
    /// A project file as planning saw it.
    pub(super) fn read(path: &'a str, seen: &Seen) -> Self {
        let digest = (!seen.is_settled).then_some(seen.digest);
        Self(path.into(), Some(seen.stamp), digest)
    }

    /// A published file as it is now. A missing one has no stamp, which no file equals.
    pub(super) fn published(path: &'a str, digest: Digest, root: &Path) -> Self {
        let metadata = fs::metadata(root.join(path)).ok();
        let stamp = metadata.map(|metadata| Stamp::of(&metadata).without_links());
        let settled = stamp.is_some_and(|stamp| stamp.is_settled(SystemTime::now()));
        Self(path.into(), stamp, (!settled).then_some(digest))
    }

    fn is_same(
        &mut self,
        root: &Path,
        now: SystemTime,
        ignores_links: bool,
        settled: &mut bool,
    ) -> bool {
        let path = root.join(self.0.as_ref());
        let Ok(metadata) = fs::metadata(&path) else { return false };
        let stamp = Stamp::of(&metadata);
        let stamp = if ignores_links { stamp.without_links() } else { stamp };
        self.1 == Some(stamp) && is_content(&path, stamp, now, &mut self.2, settled)
    }
}

/// Whether a file whose stamp is the same still has its content. Once the stamp has become evidence
/// the digest is dropped.
fn is_content(
    path: &Path,
    stamp: Stamp,
    now: SystemTime,
    digest: &mut Option<Digest>,
    settled: &mut bool,
) -> bool {
    let Some(expected) = *digest else { return true };
    if !digest_of(path).is_ok_and(|digest| digest == expected) {
        return false;
    }
    if stamp.is_settled(now) {
        *digest = None;
        *settled = true;
    }
    true
}

/// Digest of a file read in pieces: published weights may be larger than the memory a no-op may take.
fn digest_of(path: &Path) -> io::Result<Digest> {
    let mut file = fs::File::open(path)?;
    let mut hasher = Hasher::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hasher.digest()),
            n => hasher.update(&piece[..n]),
        }
    }
}

impl<'a> WatchedFolder<'a> {
    /// A folder as planning saw it.
    pub(super) fn of(path: &'a str, seen: &Seen) -> Self {
        Self(path.into(), seen.stamp, seen.is_settled, seen.digest)
    }

    /// A folder may change its stamp and hold the same names: the run itself makes `out/`.
    fn is_same(&mut self, root: &Path, now: SystemTime, settled: &mut bool) -> bool {
        let path = root.join(self.0.as_ref());
        let Ok(metadata) = fs::metadata(&path) else { return false };
        let stamp = Stamp::of(&metadata);
        if self.2 && self.1 == stamp {
            return true;
        }
        if !Listing::of(&path, &self.0).is_ok_and(|listing| listing.digest() == self.3) {
            return false;
        }
        if stamp.is_settled(now) {
            (self.1, self.2) = (stamp, true);
            *settled = true;
        }
        true
    }
}

impl<'a> Tool<'a> {
    /// A program as planning found it.
    pub(super) fn of(name: &'a str, tool: &'a SeenTool) -> Self {
        let digest = (!tool.seen.is_settled).then_some(tool.seen.digest);
        Self(name.into(), tool.path.as_path().into(), tool.seen.stamp, digest)
    }

    /// The program must still be the first of its name on `PATH`.
    fn is_same(&mut self, root: &Path, now: SystemTime, settled: &mut bool) -> bool {
        let Some(path) = find_tool(&self.0, root).filter(|path| *path == self.1) else {
            return false;
        };
        let Ok(metadata) = fs::metadata(&path) else { return false };
        let stamp = Stamp::of(&metadata);
        stamp == self.2 && is_content(&path, stamp, now, &mut self.3, settled)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A project with one file of its own and one published, and its state.
    fn project() -> (tempfile::TempDir, State<'static>) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.csv"), "1").unwrap();
        fs::write(folder.path().join("b.csv"), "1").unwrap();
        let metadata = fs::metadata(folder.path().join("a.csv")).unwrap();
        let state = State {
            question: Digest::of(b"question"),
            generation: 1,
            complete: true,
            pipeline: "demo".into(),
            selected: 1,
            stages: vec![StageState("a[x=\"y\"]".into(), Digest::of(b"a"), 0.5)],
            sources: vec![
                Source("a.csv".into(), Some(Digest::of(b"1"))),
                Source("stages/mine.yaml".into(), None),
            ],
            files: vec![WatchedFile(
                "a.csv".into(),
                Some(Stamp::of(&metadata)),
                Some(Digest::of(b"1")),
            )],
            folders: Vec::new(),
            tools: Vec::new(),
            published: vec![WatchedFile::published("b.csv", Digest::of(b"1"), folder.path())],
        };
        (folder, state)
    }

    fn later() -> SystemTime {
        SystemTime::now() + Duration::from_secs(10)
    }

    #[test]
    fn a_state_reads_back_and_a_torn_one_is_none() {
        let (_folder, state) = project();
        let bytes = state.bytes();
        assert_eq!(State::parse(&bytes), Some(state));
        for end in 0..bytes.len() {
            assert!(State::parse(&bytes[..end]).is_none(), "torn at {end}");
        }
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(State::parse(&flipped).is_none(), "flipped at {at}");
        }
    }

    #[test]
    fn fresh_stamps_are_no_evidence_and_settle_once() {
        let (folder, mut state) = project();
        assert_eq!(state.check(folder.path(), SystemTime::now()), Checked::Same);
        assert!(state.files[0].2.is_some() && state.published[0].2.is_some());
        assert_eq!(state.check(folder.path(), later()), Checked::Settled);
        assert!(state.files[0].2.is_none() && state.published[0].2.is_none());
        assert_eq!(state.check(folder.path(), later()), Checked::Same);
    }

    #[test]
    fn an_edit_is_seen_before_and_after_stamps_settle() {
        for settles in [false, true] {
            for (path, text) in [("a.csv", "2"), ("b.csv", "2"), ("stages/mine.yaml", "")] {
                let (folder, mut state) = project();
                if settles {
                    state.check(folder.path(), later());
                }
                fs::create_dir_all(folder.path().join("stages")).unwrap();
                fs::write(folder.path().join(path), text).unwrap();
                assert_eq!(state.check(folder.path(), later()), Checked::Changed, "{path}");
            }
        }
    }

    #[test]
    fn a_file_put_back_with_its_old_time_is_seen() {
        let (folder, mut state) = project();
        state.check(folder.path(), later());
        state.sources.clear();
        let path = folder.path().join("a.csv");
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        io::Write::write_all(&mut &file, b"2").unwrap();
        file.set_modified(modified).unwrap();
        assert_eq!(state.check(folder.path(), later()), Checked::Changed);
    }

    #[test]
    fn another_link_to_a_published_file_changes_nothing() {
        let (folder, mut state) = project();
        state.check(folder.path(), later());
        let path = |name: &str| folder.path().join(name);
        fs::hard_link(path("b.csv"), path("c.csv")).unwrap();
        assert_eq!(state.check(folder.path(), later()), Checked::Same);
        fs::remove_file(path("b.csv")).unwrap();
        assert_eq!(state.check(folder.path(), later()), Checked::Changed);
    }
}
