//! The store from outside: its contract, its damage, its neighbours and its limits.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what clippy allows in tests, in their helpers and child processes too"
)]

mod collection;
mod contract;
mod crowd;
mod damage;
mod limits;
mod publishing;
mod sharing;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use phytotron::artifact::ArtifactType;
use phytotron::digest::Digest;
use phytotron::manifest::Manifest;
use phytotron::record::{Cost, OutputRecord, RECORD_FORMAT, Repeatability, StageRecord};
use phytotron::store::{Ingested, Store, StoreOptions};
use tempfile::TempDir;

use crate::support::skip;

/// A store and a place for files beside it, on one file system.
struct Room {
    folder: TempDir,
    store: Store,
}

impl Room {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store = open(&folder.path().join("store"));
        Self { folder, store }
    }

    /// A path beside the store.
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A folder beside the store with `files` in it.
    fn folder(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let folder = self.path(name);
        fill(&folder, files);
        folder
    }

    /// Takes `files` in as one artifact.
    fn artifact(&self, files: &[(&str, &str)]) -> Ingested {
        self.store.ingest(&self.folder("incoming", files)).unwrap()
    }

    /// The store as another process sees it: nothing is remembered.
    fn reopened(&self) -> Store {
        open(self.store.root())
    }
}

fn open(root: &Path) -> Store {
    Store::open(root, StoreOptions::default()).unwrap()
}

fn fill(folder: &Path, files: &[(&str, &str)]) {
    fs::create_dir_all(folder).unwrap();
    for (path, content) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

/// Every file below `folder` with its content, by relative path; links as `-> target`, empty folders
/// as `/`.
fn content(folder: &Path) -> BTreeMap<String, String> {
    fn add(root: &Path, folder: &Path, all: &mut BTreeMap<String, String>) {
        let children: Vec<PathBuf> =
            fs::read_dir(folder).unwrap().map(|child| child.unwrap().path()).collect();
        let name = |path: &Path| path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        if children.is_empty() && folder != root {
            all.insert(name(folder), "/".to_owned());
        }
        for path in children {
            if path.is_symlink() {
                let target = fs::read_link(&path).unwrap();
                all.insert(name(&path), format!("-> {}", target.display()));
            } else if path.is_dir() {
                add(root, &path, all);
            } else {
                all.insert(name(&path), String::from_utf8_lossy(&fs::read(&path).unwrap()).into());
            }
        }
    }
    let mut all = BTreeMap::new();
    add(folder, folder, &mut all);
    all
}

fn texts(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

/// All regular files of a store.
fn files_of(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for child in fs::read_dir(root).unwrap() {
        let path = child.unwrap().path();
        if path.is_dir() {
            files.extend(files_of(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn manifest(name: &str) -> Manifest {
    let mut manifest = Manifest::default();
    manifest.line("kind", &name);
    manifest
}

fn fingerprint(name: &str) -> Digest {
    manifest(name).fingerprint()
}

/// A record of a stage called `name` whose only output is `output`.
fn record(name: &str, output: Ingested) -> StageRecord {
    let manifest = manifest(name);
    StageRecord {
        format: RECORD_FORMAT,
        fingerprint: manifest.fingerprint(),
        manifest,
        outputs: BTreeMap::from([(
            "files".to_owned(),
            OutputRecord {
                kind: ArtifactType::Files,
                tree: output.tree,
                files: output.files,
                bytes: output.bytes,
            },
        )]),
        metrics: BTreeMap::from([("score".to_owned(), 0.1 + 0.2)]),
        reproducible: true,
        repeatability: Repeatability::Tested,
        cost: Cost { wall_secs: 1.5, cpu_secs: 1.25, peak_memory_bytes: 1 << 20 },
        host: "bench".to_owned(),
        versions: BTreeMap::new(),
        finished_at: 1_800_000_000,
    }
}

fn blobs_of(store: &Store, tree: &Digest) -> Vec<PathBuf> {
    let tree = store.tree(tree).unwrap().unwrap();
    tree.blobs().map(|(blob, _)| store.blob_path(&blob)).collect()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Changes one byte of a file, read-only or not.
fn flip_a_byte(path: &Path) {
    overwrite(path, |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x20;
    });
}

/// Rewrites a file in place, read-only or not.
fn overwrite(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let permissions = fs::metadata(path).unwrap().permissions();
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, permissions).unwrap();
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// A command that performs `action` with the store at `root` in a process of its own: this binary
/// again, with only the test below, which knows what to do from its environment.
fn another_process(action: &str, root: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["store::another_process_does_its_part", "--exact", "--nocapture"]);
    command.env("STORE_ACTION", action).env("STORE_ROOT", root);
    command
}

/// Runs `part` to its end; when another user may not reach this binary, nothing can be tried, and it is
/// said. Its words go through a pipe: a part that may not write large files could not add to a long log.
fn expect_success(part: &mut Command) {
    match part.output() {
        Ok(done) => {
            print!("{}", String::from_utf8_lossy(&done.stdout));
            eprint!("{}", String::from_utf8_lossy(&done.stderr));
            assert!(done.status.success(), "{}", done.status);
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            skip("another user cannot run this test's binary");
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn another_process_does_its_part() {
    let (Ok(action), Some(root)) = (std::env::var("STORE_ACTION"), std::env::var_os("STORE_ROOT"))
    else {
        return;
    };
    let root = PathBuf::from(root);
    match action.as_str() {
        "compute" => crowd::compute(&root),
        "ingest forever" => crowd::ingest_forever(&root),
        "publish forever" => crowd::publish_forever(&root),
        "write too much" => limits::write_too_much(&root),
        "write as a stranger" => limits::write_as_a_stranger(&root),
        "link as a user" => sharing::link_as_a_user(&root),
        "write as a member" => sharing::write_as_a_member(&root),
        "read as a stranger" => sharing::read_as_a_stranger(&root),
        other => panic!("no such action: {other}"),
    }
}
