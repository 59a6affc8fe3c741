//! Remotes from outside: one contract for folders and buckets, whole projects, and bad networks.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod contract;
#[cfg(feature = "s3")]
mod export;
#[cfg(feature = "s3")]
mod faults;
mod projects;
#[cfg(feature = "s3")]
mod proxy;
mod results;
#[cfg(feature = "s3")]
mod words;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use phytotron::artifact::ArtifactType;
use phytotron::digest::Digest;
use phytotron::manifest::{Fingerprint, Manifest};
use phytotron::record::{Cost, OutputRecord, RECORD_FORMAT, Repeatability, StageRecord};
use phytotron::remote::{Dir, Remote};
use phytotron::store::{Store, StoreOptions};
use tempfile::TempDir;

/// A store with results, in a folder of its own.
struct Room {
    folder: TempDir,
    store: Store,
}

impl Room {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store = Store::open(&folder.path().join("store"), StoreOptions::default()).unwrap();
        Self { folder, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a result of a stage called `name` with `files` into the store.
    fn result(&self, name: &str, files: &[(&str, &[u8])]) -> Fingerprint {
        let record = self.record(name, files);
        self.store.put_record(&record, false).unwrap();
        record.fingerprint
    }

    /// The record of such a result, whose files are in the store.
    fn record(&self, name: &str, files: &[(&str, &[u8])]) -> StageRecord {
        let folder = self.path("incoming");
        for (path, content) in files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let taken = self.store.ingest(&folder).unwrap();
        let mut manifest = Manifest::default();
        manifest.line("kind", &name);
        let output = OutputRecord {
            kind: ArtifactType::Files,
            tree: taken.tree,
            files: taken.files,
            bytes: taken.bytes,
        };
        StageRecord {
            format: RECORD_FORMAT,
            fingerprint: manifest.fingerprint(),
            manifest,
            outputs: BTreeMap::from([("files".to_owned(), output)]),
            metrics: BTreeMap::from([("score".to_owned(), 0.1 + 0.2)]),
            reproducible: true,
            repeatability: Repeatability::Tested,
            cost: Cost { wall_secs: 1.5, cpu_secs: 1.25, peak_memory_bytes: 1 << 20 },
            host: "bench".to_owned(),
            versions: BTreeMap::new(),
            finished_at: 1_800_000_000,
        }
    }

    /// Content and lists of a result, all verified, and nothing else wrong in the store.
    fn assert_has(&self, fingerprint: &Fingerprint) {
        let record = self.store.record(fingerprint).unwrap().expect("the record is here");
        for output in record.outputs.values() {
            self.store.verify(&output.tree).unwrap();
        }
        self.assert_clean();
    }

    fn assert_clean(&self) {
        let report = self.store.fsck(true).unwrap();
        assert!(report.is_clean(), "{report:?}");
    }
}

/// Bytes that no compression and no luck makes equal to others.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 32);
    let mut block = 0_u64;
    while bytes.len() < len {
        let text = format!("{seed} {block}");
        bytes.extend_from_slice(Digest::of(text.as_bytes()).bytes());
        block += 1;
    }
    bytes.truncate(len);
    bytes
}

/// Writes an object by its name, or removes it.
type Spoil = dyn Fn(&str, Option<&[u8]>);

/// A place of one kind, for as many openings as a test likes.
struct Place {
    open: Box<dyn Fn() -> Box<dyn Remote>>,
    /// Changes or removes an object behind the remote's back.
    spoil: Box<Spoil>,
}

/// Runs a test at a folder and, where a server can be had, in a bucket.
fn everywhere(test: impl Fn(&Place)) {
    let folder = TempDir::new().unwrap();
    test(&in_folder(folder.path().join("shared")));
    #[cfg(feature = "s3")]
    if let Some(place) = in_bucket() {
        test(&place);
    }
}

fn in_folder(root: PathBuf) -> Place {
    let there = root.clone();
    let spoil = move |name: &str, bytes: Option<&[u8]>| spoil_file(&there.join(name), bytes);
    Place { open: Box::new(move || Box::new(Dir::new(root.clone()))), spoil: Box::new(spoil) }
}

fn spoil_file(path: &Path, bytes: Option<&[u8]>) {
    let _ = fs::remove_file(path);
    if let Some(bytes) = bytes {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

#[cfg(feature = "s3")]
fn in_bucket() -> Option<Place> {
    use crate::support::moto;

    let server = moto::moto()?;
    let bucket = server.bucket();
    let there = bucket.clone();
    let open = move || {
        let location = location(server.port, &bucket);
        Box::new(open_bucket(location)) as Box<dyn Remote>
    };
    let spoil = move |name: &str, bytes: Option<&[u8]>| match bytes {
        Some(bytes) => server.put(&there, &format!("a/prefix/{name}"), bytes),
        None => server.delete(&there, &format!("a/prefix/{name}")),
    };
    Some(Place { open: Box::new(open), spoil: Box::new(spoil) })
}

#[cfg(feature = "s3")]
fn location(port: u16, bucket: &str) -> phytotron::s3::Location {
    let mut location = phytotron::s3::Location::new(bucket, "a/prefix");
    location.endpoint = Some(format!("http://127.0.0.1:{port}"));
    location
}

#[cfg(feature = "s3")]
fn open_bucket(location: phytotron::s3::Location) -> phytotron::remote::Bucket {
    let (id, secret) = crate::support::moto::KEYS;
    phytotron::remote::Bucket::open_with_keys(location, id, secret).unwrap()
}
