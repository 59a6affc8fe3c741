//! Packing: from a project and its store to one file.
//!
//! Everything is written in an order and under headers that depend on the content alone: no times, no owners.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tar::{Builder, EntryType, Header};

use super::card::BUNDLE_FORMAT;
use super::{
    BLOBS, BundleError, CARD, Card, CardFile, LIMITS, Outputs, PROJECT, RECORD, RESULTS, TREES,
    unfit,
};
use crate::digest::{Digest, Hasher};
use crate::plan::{Planner, StageIndex, lock_path};
use crate::record::StageRecord;
use crate::spec::builtin;
use crate::stage::Launch;
use crate::store::{Store, StoreError, Tree, record_text};

/// Zstandard's level: beyond it bundles of weights take minutes and hardly shrink.
const LEVEL: i32 = 6;

/// What to pack of a pipeline.
pub struct Contents<'a, 'p> {
    /// The project's root.
    pub root: &'a Path,
    /// The pipeline, relative to the root.
    pub file: &'a Path,
    /// Its planner, nothing known yet.
    pub planner: &'a mut Planner<'p>,
    /// The store that has its results.
    pub store: &'a Store,
    /// Which results.
    pub outputs: Outputs,
    /// Leaves out results and whatever stages other than commands declare: data.
    pub spec_only: bool,
}

/// What was packed.
#[derive(Debug, Clone, PartialEq)]
pub struct Packed {
    /// What is in it.
    pub card: Card,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Packs a pipeline into the file `bundle`, as a tar in Zstandard, or as a plain tar when it is called so.
///
/// # Errors
/// When a wanted result is not there, a file cannot be read, or the bundle cannot be written.
pub fn pack(contents: Contents<'_, '_>, bundle: &Path) -> Result<Packed, BundleError> {
    let (root, store) = (contents.root, contents.store);
    let parts = contents.collect()?;
    let folder =
        bundle.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let writing = |error| BundleError::io("cannot write", bundle)(error);
    let mut staged = tempfile::Builder::new()
        .prefix(".phytotron-")
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(writing)?;
    let is_plain = bundle.extension().is_some_and(|ending| ending == "tar");
    let unpacked = if is_plain {
        parts.write(root, store, Counted::new(staged.as_file_mut()))?.count
    } else {
        let encoder =
            zstd::stream::write::Encoder::new(staged.as_file_mut(), LEVEL).map_err(writing)?;
        let counted = parts.write(root, store, Counted::new(encoder))?;
        counted.inner.finish().map_err(writing)?;
        counted.count
    };
    let bytes = staged.as_file().metadata().map_err(writing)?.len();
    if unpacked > LIMITS.of(bytes) {
        return Err(BundleError::TooDense);
    }
    staged.persist(bundle).map_err(|failed| writing(failed.error))?;
    Ok(Packed { card: parts.card, bytes })
}

/// Everything that goes into a bundle, found and named.
struct Parts {
    card: Card,
    /// Texts that lie in no file of the project: presets of the program.
    texts: BTreeMap<String, &'static str>,
    records: BTreeMap<Digest, StageRecord>,
    trees: BTreeMap<Digest, Tree>,
}

impl Contents<'_, '_> {
    fn collect(self) -> Result<Parts, BundleError> {
        let mut parts = Parts {
            card: Card {
                format: BUNDLE_FORMAT,
                phytotron: env!("CARGO_PKG_VERSION").to_owned(),
                pipeline: self.file.display().to_string(),
                outputs: if self.spec_only { Outputs::None } else { self.outputs },
                files: BTreeMap::new(),
                left_out: BTreeMap::new(),
                results: BTreeMap::new(),
            },
            texts: BTreeMap::new(),
            records: BTreeMap::new(),
            trees: BTreeMap::new(),
        };
        self.spec(&mut parts)?;
        let root = self.root;
        if parts.card.outputs != Outputs::None {
            parts.results(self.planner, self.store)?;
        }
        self.declared(&mut parts)?;
        for path in parts.card.files.keys() {
            if let Some(reason) = unfit(path) {
                return Err(BundleError::Unfit { path: path.clone(), reason });
            }
        }
        parts.note_executables(root)?;
        Ok(parts)
    }

    /// The files that formed the pipeline, and its lock file.
    fn spec(&self, parts: &mut Parts) -> Result<(), BundleError> {
        for (name, digest) in &self.planner.study().pipeline.files {
            let preset = name.strip_prefix("builtin:");
            let built_in =
                preset.and_then(|path| path.strip_prefix("stages/")?.strip_suffix(".yaml"));
            if let (Some(path), Some(preset)) = (preset, built_in.and_then(builtin::preset)) {
                parts.texts.insert(path.to_owned(), preset.text);
            }
            parts.file(preset.unwrap_or(name), *digest);
        }
        let lock = lock_path(self.file);
        match fs::read(self.root.join(&lock)) {
            Ok(bytes) => parts.file(&lock.display().to_string(), Digest::of(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(BundleError::io("cannot read", &lock)(error)),
        }
        Ok(())
    }

    fn declared(self, parts: &mut Parts) -> Result<(), BundleError> {
        let study = self.planner.study();
        for (index, stage) in study.iter() {
            let is_program = matches!(stage.stage.launch(), Launch::Command(_));
            for (path, digest) in self.planner.files(index)? {
                if self.spec_only && !is_program {
                    parts.card.left_out.insert(path, digest);
                } else {
                    parts.file(&path, digest);
                }
            }
        }
        let Card { files, left_out, .. } = &mut parts.card;
        left_out.retain(|path, _| !files.contains_key(path));
        Ok(())
    }
}

impl Parts {
    fn file(&mut self, path: &str, digest: Digest) {
        self.card.files.insert(path.to_owned(), CardFile { digest, executable: false });
    }

    fn note_executables(&mut self, root: &Path) -> Result<(), BundleError> {
        for (path, file) in
            self.card.files.iter_mut().filter(|(path, _)| !self.texts.contains_key(*path))
        {
            let path = root.join(path);
            let metadata = fs::metadata(&path).map_err(BundleError::io("cannot read", &path))?;
            file.executable = metadata.permissions().mode() & 0o111 != 0;
        }
        Ok(())
    }

    /// The result of every stage, and the trees of those that are wanted whole.
    fn results(&mut self, planner: &mut Planner<'_>, store: &Store) -> Result<(), BundleError> {
        let study = planner.study();
        for (index, stage) in study.iter() {
            let resolved = planner.resolve(index)?;
            let Some(record) = resolved.record else {
                return Err(BundleError::NoResult { stage: stage.id.to_string() });
            };
            planner.know(index, &record.outputs);
            if self.wants_whole(study, index) {
                for output in record.outputs.values() {
                    let missing = || BundleError::NoResult { stage: stage.id.to_string() };
                    let tree = store.tree(&output.tree)?.ok_or_else(missing)?;
                    self.trees.insert(output.tree, tree);
                }
            }
            self.card.results.insert(stage.id.to_string(), resolved.fingerprint);
            self.records.insert(resolved.fingerprint, record);
        }
        Ok(())
    }

    fn wants_whole(&self, study: &crate::plan::Study, index: StageIndex) -> bool {
        match self.card.outputs {
            Outputs::All => true,
            Outputs::Final => study.is_published(index),
            Outputs::None => false,
        }
    }

    /// Writes everything to `out` and returns it.
    fn write<W: Write>(&self, root: &Path, store: &Store, out: W) -> Result<W, BundleError> {
        let mut tar = Tar(Builder::new(out));
        tar.bytes(CARD, self.card.text().as_bytes())?;
        for (path, file) in &self.card.files {
            let name = format!("{PROJECT}{path}");
            match self.texts.get(path) {
                Some(text) => tar.bytes(&name, text.as_bytes())?,
                None => tar.checked(&name, &root.join(path), file).map_err(|error| {
                    error.unwrap_or_else(|| BundleError::Changed { path: path.clone() })
                })?,
            }
        }
        for (fingerprint, record) in &self.records {
            tar.bytes(&format!("{RESULTS}{fingerprint}{RECORD}"), &record_text(record))?;
        }
        for (digest, tree) in &self.trees {
            tar.bytes(&format!("{TREES}{digest}"), tree.text().as_bytes())?;
        }
        for (blob, tree) in self.blobs() {
            let file = CardFile { digest: blob, executable: false };
            tar.checked(&format!("{BLOBS}{blob}"), &store.blob_path(&blob), &file).map_err(
                |error| {
                    let detail = format!("blob {} is missing or has other content", blob.short());
                    error.unwrap_or_else(|| StoreError::Damaged { tree, detail }.into())
                },
            )?;
        }
        tar.0.into_inner().map_err(BundleError::io("cannot write", Path::new("the bundle")))
    }

    /// Every blob once, with a tree that it belongs to.
    fn blobs(&self) -> BTreeMap<Digest, Digest> {
        let blobs = self
            .trees
            .iter()
            .flat_map(|(digest, tree)| tree.blobs().map(|(blob, _)| (blob, *digest)));
        blobs.collect()
    }
}

/// Writes a tar whose bytes depend on content alone.
struct Tar<W: Write>(Builder<W>);

impl<W: Write> Tar<W> {
    fn bytes(&mut self, name: &str, bytes: &[u8]) -> Result<(), BundleError> {
        let mut header = header(bytes.len() as u64, false);
        let written = self.0.append_data(&mut header, name, bytes);
        written.map_err(BundleError::io("cannot write", Path::new(name)))
    }

    /// Writes the file at `path`; fails with nothing when it is missing or not what `file` says.
    fn checked(
        &mut self,
        name: &str,
        path: &Path,
        file: &CardFile,
    ) -> Result<(), Option<BundleError>> {
        let failed = |action, error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => None,
            _ => Some(BundleError::io(action, path)(error)),
        };
        let source = File::open(path).map_err(|error| failed("cannot read", error))?;
        let size = source.metadata().map_err(|error| failed("cannot read", error))?.len();
        // A file that grows meanwhile is read no further, and one that shrinks is filled up: its digest tells.
        let mut hashed = Hashed {
            inner: source.take(size).chain(io::repeat(0)).take(size),
            hasher: Hasher::new(),
        };
        let mut header = header(size, file.executable);
        let written = self.0.append_data(&mut header, name, &mut hashed);
        written.map_err(|error| failed("cannot write", error))?;
        if hashed.hasher.digest() == file.digest { Ok(()) } else { Err(None) }
    }
}

fn header(size: u64, executable: bool) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(size);
    header.set_mode(if executable { 0o755 } else { 0o644 });
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// Hashes what is read through it.
struct Hashed<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}

/// Counts what is written through it.
struct Counted<W> {
    inner: W,
    count: u64,
}

impl<W> Counted<W> {
    fn new(inner: W) -> Self {
        Self { inner, count: 0 }
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.count += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
