//! Staging: puts what an attempt reads into its private folder, and sees whether a command changed it.
//!
//! Inputs come verified from the store; declared project files are hashed while they are copied, so that
//! what is read is what was planned. Knows nothing of how the attempt is started.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::attempt::make;
use super::error::JobError;
use super::process::no_forks;
use crate::artifact::{ArtifactType, Coordinates, StageId};
use crate::digest::{Digest, Hasher};
use crate::plan;
use crate::stage::Input;
use crate::store::{LinkMode, Placed, Store, StoreError};

/// An artifact bound to a port, before it lies anywhere.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    /// The stage it comes from.
    pub(super) stage: StageId,
    /// Its label.
    pub(super) coordinates: Coordinates,
    /// Its type.
    pub(super) kind: ArtifactType,
    /// Its tree.
    pub(super) tree: Digest,
}

/// Artifacts by port, in the order of the manifest.
pub(super) type BoundInputs = BTreeMap<String, Vec<Bound>>;

/// Puts every input below `folder`: `<port>/`, or `<port>/<coordinates>/` where several are gathered.
pub(super) fn inputs(
    bound: &BoundInputs,
    folder: &Path,
    store: &Store,
) -> Result<Staged, JobError> {
    let mut staged = Staged::default();
    for (port, artifacts) in bound {
        let places = places(artifacts);
        let mut inputs = Vec::with_capacity(artifacts.len());
        for (i, (artifact, place)) in artifacts.iter().zip(places).enumerate() {
            let path = folder.join(port).join(place);
            let placed = store
                .place(&artifact.tree, &path, LinkMode::Auto)
                .map_err(|source| damaged_or_store(source, port, i))?;
            staged.placed.push((artifact.tree, path.clone(), placed));
            inputs.push(Input {
                stage: artifact.stage.clone(),
                coordinates: artifact.coordinates.clone(),
                kind: artifact.kind,
                tree: artifact.tree,
                path,
            });
        }
        staged.inputs.insert(port.clone(), inputs);
    }
    Ok(staged)
}

fn damaged_or_store(source: StoreError, port: &str, place: usize) -> JobError {
    match source {
        StoreError::Damaged { .. } => {
            JobError::DamagedInput { input: (port.to_owned(), place), source }
        }
        other => JobError::Store(other),
    }
}

/// Folders for the artifacts on one port, relative to the port's.
///
/// Labels are coordinates, never stage names, which are not content. Where they do not tell
/// the artifacts apart, the place on the port does.
fn places(artifacts: &[Bound]) -> Vec<PathBuf> {
    if let [only] = artifacts
        && only.coordinates.0.is_empty()
    {
        return vec![PathBuf::new()];
    }
    let labels: Vec<String> = artifacts
        .iter()
        .map(|artifact| plan::safe_name(&artifact.coordinates.to_string()))
        .collect();
    let distinct: BTreeSet<&String> = labels.iter().collect();
    if distinct.len() == labels.len() {
        return labels.into_iter().map(PathBuf::from).collect();
    }
    (1..=labels.len()).map(|place| PathBuf::from(place.to_string())).collect()
}

/// Copies project files to their relative paths below `folder`.
pub(super) fn files(
    files: &BTreeMap<String, Digest>,
    project: &Path,
    folder: &Path,
) -> Result<(), JobError> {
    for (path, digest) in files {
        let (from, to) = (project.join(path), folder.join(path));
        if let Some(parent) = to.parent() {
            make(parent)?;
        }
        // A copy that is open for writing in a child of another thread could not be executed.
        let executable = is_executable(&from);
        let _guard = executable.then(no_forks);
        let found = copy(&from, &to, executable).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => JobError::Changed { path: path.clone() },
            io::ErrorKind::AlreadyExists => JobError::FileOnInput { path: path.clone() },
            _ => JobError::io("cannot copy", &from)(error),
        })?;
        if found != *digest {
            return Err(JobError::Changed { path: path.clone() });
        }
    }
    Ok(())
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|facts| facts.permissions().mode() & 0o111 != 0)
}

/// Copies a file and returns the digest of the bytes that were copied.
fn copy(from: &Path, to: &Path, executable: bool) -> io::Result<Digest> {
    let mode = if executable { 0o755 } else { 0o644 };
    let mut source = File::open(from)?;
    let mut target = File::options().write(true).create_new(true).mode(mode).open(to)?;
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = source.read(&mut buffer)?;
        if read == 0 {
            return Ok(hasher.digest());
        }
        hasher.update(&buffer[..read]);
        target.write_all(&buffer[..read])?;
    }
}

/// Staged inputs, and how they looked when they were staged.
#[derive(Debug, Default)]
pub(super) struct Staged {
    /// By port.
    pub(super) inputs: BTreeMap<String, Vec<Input>>,
    placed: Vec<(Digest, PathBuf, Placed)>,
}

impl Staged {
    /// The first input file that a command has changed or removed.
    ///
    /// Where it was a link to a blob, the store looks at the blob again and puts a changed one
    /// into quarantine, so that whoever needs it next runs its producer again.
    pub(super) fn first_changed(&self, store: &Store) -> Option<PathBuf> {
        let mut first = None;
        for (tree, folder, placed) in &self.placed {
            if let Some(changed) = placed.changed().into_iter().next() {
                // That the input was modified is all there is to report.
                _ = store.verify(tree);
                first.get_or_insert_with(|| folder.join(changed));
            }
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(coordinates: &[(&str, &str)]) -> Bound {
        let pairs = coordinates.iter().map(|&(key, value)| (key.to_owned(), value.to_owned()));
        Bound {
            stage: StageId { name: "a".to_owned(), coordinates: Coordinates::default() },
            coordinates: Coordinates(pairs.collect()),
            kind: ArtifactType::Files,
            tree: Digest::of(b""),
        }
    }

    fn check(artifacts: &[Bound], expected: &[&str]) {
        let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
        assert_eq!(places(artifacts), expected);
    }

    #[test]
    fn inputs_lie_under_their_coordinates() {
        check(&[bound(&[])], &[""]);
        check(&[bound(&[("repeat", "1")])], &["repeat=1"]);
        check(&[bound(&[("path", "a/b")]), bound(&[("path", "c")])], &["path=a_b", "path=c"]);
        check(&[bound(&[]), bound(&[])], &["1", "2"]);
        check(&[bound(&[("x", "a/b")]), bound(&[("x", "a_b")])], &["1", "2"]);
    }

    #[test]
    fn a_file_that_is_not_as_planned_is_refused() {
        let project = tempfile::tempdir().unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(project.path().join("a.txt"), "new").unwrap();
        let planned = BTreeMap::from([("a.txt".to_owned(), Digest::of(b"old"))]);
        let result = files(&planned, project.path(), folder.path());
        assert!(matches!(result, Err(JobError::Changed { path }) if path == "a.txt"));
    }

    #[test]
    fn staged_files_keep_their_path_and_executable_bit() {
        let project = tempfile::tempdir().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let script = project.path().join("bin/run.sh");
        fs::create_dir(project.path().join("bin")).unwrap();
        fs::write(&script, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let planned = BTreeMap::from([("bin/run.sh".to_owned(), Digest::of(b"#!/bin/sh\n"))]);
        files(&planned, project.path(), folder.path()).unwrap();
        assert!(is_executable(&folder.path().join("bin/run.sh")));
    }
}
