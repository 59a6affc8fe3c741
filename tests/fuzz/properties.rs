//! What must hold of any bytes: shared by the fuzzers of the suite and the targets of `cargo fuzz`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use phytotron::archive::{self, ArchiveError, Entry, EntryKind, Limits};
use phytotron::spec::Project;
use phytotron::stage::Registry;
use phytotron::store::StoreOptions;
use phytotron::{bundle, cli, plan};
use tempfile::TempDir;

const LIMITS: Limits =
    Limits { entries: 100, file_bytes: 1 << 20, bytes: 4 << 20, ratio: 20, free_bytes: 1 << 16 };

/// A folder in memory where the machine has that: inputs are written by the million.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
    made.expect("a folder for inputs")
}

/// Paths are plain and stand there once, and no more comes out than the limits allow.
pub(crate) fn archive(bytes: &[u8]) {
    let (mut total, mut paths) = (0, BTreeSet::new());
    let mut visit = |entry: &Entry, content: &mut dyn Read| {
        let is_plain = entry.path.split('/').all(|part| !["", ".", ".."].contains(&part));
        assert!(is_plain, "{:?}", entry.path);
        if matches!(entry.kind, EntryKind::File { .. }) {
            assert!(paths.insert(entry.path.clone()), "{:?} stands there twice", entry.path);
        }
        let mut out = Vec::new();
        let read = content.read_to_end(&mut out).map_err(ArchiveError::reading);
        total += out.len() as u64;
        read.map(drop)
    };
    // Whether it is refused does not matter here.
    let _ = archive::read(&mut Cursor::new(bytes), &LIMITS, &mut visit);
    assert!(total <= LIMITS.of(bytes.len() as u64), "{total} bytes out of {}", bytes.len());
}

/// Unpacks bundles.
pub(crate) struct Bundles {
    folder: TempDir,
}

impl Bundles {
    /// With a folder to unpack into.
    pub(crate) fn new() -> Self {
        Self { folder: folder() }
    }

    /// It is unpacked whole or leaves nothing behind, and nothing is ever written beside its folder.
    pub(crate) fn check(&self, bytes: &[u8]) {
        let (bundle, there) = (self.folder.path().join("b.tar"), self.folder.path().join("there"));
        fs::write(&bundle, bytes).expect("an input can be written");
        if bundle::unpack(&bundle, &there, StoreOptions::default()).is_ok() {
            fs::remove_dir_all(&there).expect("what was unpacked can be removed");
        }
        let left = fs::read_dir(self.folder.path()).expect("the folder is there").count();
        assert_eq!(left, 1, "something was left behind");
    }
}

/// Reads pipelines.
pub(crate) struct Pipelines {
    _folder: TempDir,
    file: PathBuf,
    project: Project,
    registry: Registry,
}

impl Pipelines {
    /// In a project that has nothing else.
    pub(crate) fn new() -> Self {
        let folder = folder();
        fs::create_dir(folder.path().join(".phytotron")).expect("a new folder");
        let project = Project::find(folder.path()).expect("a project without settings");
        let file = folder.path().join("pipeline.yaml");
        Self { _folder: folder, file, project, registry: Registry::standard() }
    }

    /// It is bound, or refused with mistakes that can be shown.
    pub(crate) fn check(&self, bytes: &[u8]) {
        fs::write(&self.file, bytes).expect("an input can be written");
        if let Err(found) = plan::load(&self.project, &self.file, &[], &self.registry) {
            assert!(found.has_errors(), "refused for no reason");
            assert!(!cli::diagnostics::render(&found, false, 100).is_empty());
        }
    }
}
