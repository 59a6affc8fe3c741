//! Project files that stages read: from declared paths, folders and globs to digests.
//!
//! Keeps what it saw of every file and folder, so that the snapshot can ask whether all is as it was.
//! Does not know ignore files: what git ignores is often just the data.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use globset::{GlobBuilder, GlobMatcher};

use crate::digest::{Digest, Hasher};
use crate::store::StoreError;

use super::World;
use super::stamp::Stamp;

/// Folders at the root that a glob never enters unless it names them: git's, ours, and what earlier
/// runs published, which would make every result depend on the one before.
const SKIPPED: [&str; 3] = [".git", ".phytotron", "out"];

/// Deepest folder that is walked; deeper ones are a link that leads back in disguise.
const DEPTH_MAX: usize = 100;

/// Everything that planning read from the project, as it was when it was read.
#[derive(Debug, Default)]
pub struct Reads {
    root: PathBuf,
    pub(super) files: BTreeMap<String, Seen>,
    pub(super) folders: BTreeMap<String, Seen>,
    pub(super) tools: BTreeMap<String, SeenTool>,
    patterns: HashMap<String, Arc<[String]>>,
}

/// A file, or a folder whose digest is that of its listing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) stamp: Stamp,
    pub(super) is_settled: bool,
    pub(super) digest: Digest,
    pub(super) executable: bool,
}

/// A program that was looked for on `PATH`.
#[derive(Debug, Clone)]
pub(super) struct SeenTool {
    pub(super) path: PathBuf,
    pub(super) seen: Seen,
}

/// Why a declared path cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("it lies outside the project: put a link to it into the project, or copy it")]
    Outside,
    #[error("there is no such file or folder")]
    Missing,
    #[error("no file matches")]
    Empty,
    #[error("`{0}` is neither a file nor a folder")]
    Odd(String),
    #[error("`{0}` has a name that is not UTF-8: rename it")]
    Name(String),
    #[error("`{0}` is a link that leads back to a folder around it")]
    Loop(String),
    #[error("{0}")]
    Glob(globset::Error),
    #[error("cannot read `{path}`: {source}")]
    Io { path: String, source: io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Reads {
    /// Nothing read yet below `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), ..Self::default() }
    }

    /// The project files that `pattern` declares, relative to the root, sorted.
    pub(super) fn expand(&mut self, pattern: &str) -> Result<Arc<[String]>, Unreadable> {
        if let Some(paths) = self.patterns.get(pattern) {
            return Ok(paths.clone());
        }
        let mut paths = self.find(pattern)?;
        if paths.is_empty() {
            return Err(Unreadable::Empty);
        }
        paths.sort();
        let paths: Arc<[String]> = paths.into();
        self.patterns.insert(pattern.to_owned(), paths.clone());
        Ok(paths)
    }

    fn find(&mut self, pattern: &str) -> Result<Vec<String>, Unreadable> {
        let path = inside(pattern)?;
        let Some(first_glob) = path.find(['*', '?', '[', '{']) else {
            return self.find_literal(path);
        };
        let glob = GlobBuilder::new(&path).literal_separator(true).build();
        let matcher = glob.map_err(Unreadable::Glob)?.compile_matcher();
        let base = path[..first_glob].rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut found = Vec::new();
        if self.root.join(base).is_dir() {
            self.walk(base, Some(&matcher), &mut Vec::new(), &mut found)?;
        }
        Ok(found)
    }

    fn find_literal(&mut self, path: String) -> Result<Vec<String>, Unreadable> {
        let metadata = match fs::metadata(self.root.join(&path)) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Unreadable::Missing);
            }
            Err(source) => return Err(Unreadable::Io { path, source }),
        };
        if metadata.is_file() {
            return Ok(vec![path]);
        }
        if !metadata.is_dir() {
            return Err(Unreadable::Odd(path));
        }
        let mut found = Vec::new();
        self.walk(&path, None, &mut Vec::new(), &mut found)?;
        Ok(found)
    }

    /// Adds every file below `folder` (that `matcher` takes) to `found`.
    fn walk(
        &mut self,
        folder: &str,
        matcher: Option<&GlobMatcher>,
        around: &mut Vec<(u64, u64)>,
        found: &mut Vec<String>,
    ) -> Result<(), Unreadable> {
        let absolute = self.root.join(folder);
        let io = |source| Unreadable::Io { path: folder.to_owned(), source };
        let metadata = fs::metadata(&absolute).map_err(io)?;
        let identity = (metadata.dev(), metadata.ino());
        if around.contains(&identity) || around.len() > DEPTH_MAX {
            return Err(Unreadable::Loop(folder.to_owned()));
        }
        around.push(identity);
        let listing = Listing::of(&absolute, folder)?;
        self.folders.insert(folder.to_owned(), Seen::now(&metadata, listing.digest()));
        for (name, is_folder) in listing.entries {
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            if is_folder {
                self.walk(&path, matcher, around, found)?;
            } else if matcher.is_none_or(|matcher| matcher.is_match(&path)) {
                found.push(path);
            }
        }
        around.pop();
        Ok(())
    }

    /// What the project files at `paths` are, each hashed at most once a plan.
    pub(super) fn files(
        &mut self,
        paths: &[String],
        world: &dyn World,
    ) -> Result<Vec<Seen>, Unreadable> {
        let new: Vec<String> =
            paths.iter().filter(|path| !self.files.contains_key(*path)).cloned().collect();
        let absolute: Vec<PathBuf> = new.iter().map(|path| self.root.join(path)).collect();
        let seen = look(&absolute, world)?;
        self.files.extend(new.into_iter().zip(seen));
        Ok(paths.iter().map(|path| self.files[path]).collect())
    }

    /// Digest of the program `name`; `None` when it is not on `PATH`.
    pub(super) fn tool(
        &mut self,
        name: &str,
        world: &dyn World,
    ) -> Result<Option<Digest>, Unreadable> {
        if let Some(tool) = self.tools.get(name) {
            return Ok(Some(tool.seen.digest));
        }
        let Some(path) = find_tool(name, &self.root) else { return Ok(None) };
        let [seen] = look(std::slice::from_ref(&path), world)?[..] else {
            unreachable!("BUG: one file was looked at")
        };
        self.tools.insert(name.to_owned(), SeenTool { path, seen });
        Ok(Some(seen.digest))
    }

    /// The programs that were found, and where.
    pub(super) fn tool_paths(&self) -> Vec<(String, String)> {
        let tool =
            |(name, tool): (&String, &SeenTool)| (name.clone(), tool.path.display().to_string());
        self.tools.iter().map(tool).collect()
    }
}

impl Seen {
    fn now(metadata: &Metadata, digest: Digest) -> Self {
        let stamp = Stamp::of(metadata);
        let executable = metadata.is_file() && is_executable(metadata);
        Self { stamp, is_settled: stamp.is_settled(SystemTime::now()), digest, executable }
    }
}

/// The stamps are taken before the content: a write in between leaves a stamp that does not fit.
fn look(paths: &[PathBuf], world: &dyn World) -> Result<Vec<Seen>, Unreadable> {
    let io = |path: &Path, source| Unreadable::Io { path: path.display().to_string(), source };
    let metadata: Result<Vec<Metadata>, Unreadable> = paths
        .iter()
        .map(|path| match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => Ok(metadata),
            Ok(_) => Err(Unreadable::Odd(path.display().to_string())),
            Err(source) => Err(io(path, source)),
        })
        .collect();
    let metadata = metadata?;
    let digests = world.digests(paths)?;
    Ok(metadata.iter().zip(digests).map(|(metadata, digest)| Seen::now(metadata, digest)).collect())
}

fn is_executable(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o111 != 0
}

/// `path` without `.` and doubled slashes, when it stays inside the project.
fn inside(path: &str) -> Result<String, Unreadable> {
    let parts: Vec<&str> =
        path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if path.starts_with('/') || parts.contains(&"..") {
        return Err(Unreadable::Outside);
    }
    Ok(parts.join("/"))
}

/// The program called `name`: on `PATH`, or relative to the project when it is a path.
pub(super) fn find_tool(name: &str, root: &Path) -> Option<PathBuf> {
    let is_program = |path: &PathBuf| {
        fs::metadata(path)
            .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        return Some(root.join(name)).filter(is_program);
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(is_program)
}

/// What lies in a folder, links followed.
#[derive(Debug)]
pub(super) struct Listing {
    entries: Vec<(String, bool)>,
}

impl Listing {
    /// Lists the folder at `absolute`, which is `folder` in the project.
    pub(super) fn of(absolute: &Path, folder: &str) -> Result<Self, Unreadable> {
        let io = |source| Unreadable::Io { path: folder.to_owned(), source };
        let mut entries = Vec::new();
        for entry in fs::read_dir(absolute).map_err(io)? {
            let entry = entry.map_err(io)?;
            let shown = || format!("{folder}/{}", entry.file_name().display());
            let Ok(name) = entry.file_name().into_string() else {
                return Err(Unreadable::Name(shown()));
            };
            if folder.is_empty() && SKIPPED.contains(&name.as_str()) {
                continue;
            }
            let mut kind = entry.file_type().map_err(io)?;
            if kind.is_symlink() {
                let target = fs::metadata(entry.path());
                kind =
                    target.map_err(|source| Unreadable::Io { path: shown(), source })?.file_type();
            }
            if !kind.is_file() && !kind.is_dir() {
                return Err(Unreadable::Odd(shown()));
            }
            entries.push((name, kind.is_dir()));
        }
        entries.sort();
        Ok(Self { entries })
    }

    /// Digest of the names and of which are folders.
    pub(super) fn digest(&self) -> Digest {
        let mut hasher = Hasher::new();
        for (name, is_folder) in &self.entries {
            hasher.update(&[u8::from(*is_folder)]);
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
        }
        hasher.digest()
    }
}

#[cfg(test)]
mod tests {
    use crate::manifest::Fingerprint;
    use crate::plan::PlanError;
    use crate::record::StageRecord;
    use crate::store::Tree;

    use super::*;

    struct Plain;

    impl World for Plain {
        fn record(&self, _: &Fingerprint) -> Result<Option<StageRecord>, PlanError> {
            Ok(None)
        }
        fn tree(&self, _: &Digest) -> Result<Option<Tree>, PlanError> {
            Ok(None)
        }
        fn digests(&self, paths: &[PathBuf]) -> Result<Vec<Digest>, StoreError> {
            Ok(paths.iter().map(|path| Digest::of(&fs::read(path).unwrap())).collect())
        }
    }

    fn project() -> tempfile::TempDir {
        let project = tempfile::tempdir().unwrap();
        for path in
            ["a.py", "src/b.py", "src/deep/c.py", "src/.hidden", "out/p/x.py", ".phytotron/y.py"]
        {
            let path = project.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, path.to_str().unwrap()).unwrap();
        }
        project
    }

    fn check(pattern: &str, expected: &[&str]) {
        let project = project();
        let paths = Reads::new(project.path()).expand(pattern).unwrap();
        assert_eq!(&*paths, expected, "{pattern}");
    }

    fn refused(pattern: &str) -> String {
        Reads::new(project().path()).expand(pattern).unwrap_err().to_string()
    }

    #[test]
    fn a_folder_is_all_its_files_hidden_ones_too() {
        check("src", &["src/.hidden", "src/b.py", "src/deep/c.py"]);
        check("./src//", &["src/.hidden", "src/b.py", "src/deep/c.py"]);
        check("a.py", &["a.py"]);
    }

    #[test]
    fn a_star_stays_in_its_folder_and_two_do_not() {
        check("src/*.py", &["src/b.py"]);
        check("**/*.py", &["a.py", "src/b.py", "src/deep/c.py"]);
    }

    #[test]
    fn earlier_results_are_read_only_by_name() {
        check("out/**/*.py", &["out/p/x.py"]);
        check("out", &["out/p/x.py"]);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        assert!(refused("../x").contains("outside the project"));
        assert!(refused("/etc/passwd").contains("outside the project"));
        assert!(refused("b.py").contains("no such file"));
        assert!(refused("*.rs").contains("no file matches"));
        assert!(refused("nowhere/*.rs").contains("no file matches"));
    }

    #[test]
    fn links_are_followed_but_not_in_circles() {
        let project = project();
        std::os::unix::fs::symlink("../a.py", project.path().join("src/link.py")).unwrap();
        let paths = Reads::new(project.path()).expand("src/*.py").unwrap();
        assert_eq!(&*paths, ["src/b.py", "src/link.py"]);
        std::os::unix::fs::symlink("..", project.path().join("src/up")).unwrap();
        let error = Reads::new(project.path()).expand("src").unwrap_err();
        assert!(error.to_string().contains("leads back"), "{error}");
    }

    #[test]
    fn a_file_is_hashed_once_a_plan() {
        let project = project();
        let mut reads = Reads::new(project.path());
        let paths = ["a.py".to_owned()];
        let first = reads.files(&paths, &Plain).unwrap()[0].digest;
        fs::write(project.path().join("a.py"), "other").unwrap();
        assert_eq!(reads.files(&paths, &Plain).unwrap()[0].digest, first);
    }

    #[test]
    fn a_tool_is_found_on_the_path_only_when_it_can_run() {
        let project = project();
        let mut reads = Reads::new(project.path());
        assert!(reads.tool("sh", &Plain).unwrap().is_some());
        assert!(reads.tool("no-such-program-at-all", &Plain).unwrap().is_none());
        assert!(reads.tool("./a.py", &Plain).unwrap().is_none());
    }
}
