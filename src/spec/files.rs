//! The files that form a pipeline: read once, hashed while read, parsed to nodes.
//!
//! Paths are relative to the project's root in every file. Knows nothing of what the files say.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use super::{Node, builtin, yaml};
use crate::diagnostic::Diagnostic;
use crate::digest::Digest;
use crate::span::{Sources, Span};
use crate::wording;

/// A pipeline, preset or settings file may have this many bytes: a hundred times the largest sensible
/// one, and few enough to read in a second.
pub(super) const FILE_BYTES_MAX: u64 = 16 << 20;

/// Everything read for one pipeline.
pub(super) struct Files<'p> {
    root: &'p Path,
    pub(super) sources: Sources,
    /// Name and digest of each file in the order of reading, for the snapshot.
    pub(super) read: Vec<(String, Digest)>,
    pub(super) mistakes: Vec<Diagnostic>,
    /// Trees by path; nothing where the file was refused, so that it is refused once.
    trees: HashMap<String, Option<Rc<Node>>>,
}

impl<'p> Files<'p> {
    /// No file yet; `root` is what paths are relative to.
    pub(super) fn new(root: &'p Path) -> Self {
        Self {
            root,
            sources: Sources::default(),
            read: Vec::new(),
            mistakes: Vec::new(),
            trees: HashMap::new(),
        }
    }

    /// Reads the file that a command names, wherever it lies.
    pub(super) fn open(&mut self, file: &Path) -> Option<Rc<Node>> {
        let name = display_name(self.root, file);
        match read_limited(file) {
            Ok(bytes) => self.take(name, bytes),
            Err(reason) => {
                self.mistakes.push(unreadable(&name, &reason));
                None
            }
        }
    }

    /// Reads `path`, relative to the root, because of the words at `at`.
    pub(super) fn follow(&mut self, path: &str, at: Span) -> Option<Rc<Node>> {
        if let Some(tree) = self.trees.get(path) {
            return tree.clone();
        }
        let tree = match self.inside(path) {
            Err(mistake) => {
                self.mistakes.push(mistake.label(at, "named here"));
                None
            }
            Ok(file) => match read_limited(&file) {
                Ok(bytes) => self.take(path.to_owned(), bytes),
                Err(reason) => {
                    let help =
                        format!("paths are relative to the project's root, {}", self.root_name());
                    let mistake = unreadable(path, &reason).label(at, "named here").help(help);
                    self.mistakes.push(mistake);
                    None
                }
            },
        };
        self.trees.insert(path.to_owned(), tree.clone());
        tree
    }

    /// The preset `name` shipped in the binary.
    pub(super) fn follow_built_in(&mut self, name: &str) -> Option<Rc<Node>> {
        let preset = builtin::preset(name)?;
        let path = preset.path();
        if let Some(tree) = self.trees.get(&path) {
            return tree.clone();
        }
        let source = self.sources.add(format!("preset {name} (built in)"), preset.text);
        self.read.push((path.clone(), Digest::of(preset.text.as_bytes())));
        let tree = yaml::parse(source, preset.text, &mut self.mistakes).map(Rc::new);
        self.trees.insert(path, tree.clone());
        tree
    }

    /// Whether the project has the file `path`.
    pub(super) fn has(&self, path: &str) -> bool {
        self.inside(path).is_ok_and(|file| file.is_file())
    }

    /// Names of the YAML files in a folder of the project, without their ending, sorted.
    pub(super) fn names_in(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = self.root.join(folder).read_dir() else { return Vec::new() };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|name| name.strip_suffix(".yaml").map(str::to_owned))
            .collect();
        names.sort_unstable();
        names
    }

    fn take(&mut self, name: String, bytes: Vec<u8>) -> Option<Rc<Node>> {
        self.read.push((name.clone(), Digest::of(&bytes)));
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                self.refuse_encoding(&name, &error);
                return None;
            }
        };
        let source = self.sources.add(name, text);
        let text = std::sync::Arc::clone(&self.sources.get(source).text);
        yaml::parse(source, &text, &mut self.mistakes).map(Rc::new)
    }

    fn refuse_encoding(&mut self, name: &str, error: &std::string::FromUtf8Error) {
        let start = error.utf8_error().valid_up_to();
        let wrong = error.as_bytes()[start];
        let source = self.sources.add(name, String::from_utf8_lossy(error.as_bytes()));
        let start = u32::try_from(start).expect("files above 16 MiB were refused");
        let end = start + u32::try_from(char::REPLACEMENT_CHARACTER.len_utf8()).expect("three");
        self.mistakes.push(
            Diagnostic::error("spec::encoding", format!("`{name}` is not UTF-8"))
                .label(Span { source, start, end }, format!("byte 0x{wrong:02x} here"))
                .help("save the file as UTF-8"),
        );
    }

    /// The file at `path`, which must lie inside the project.
    fn inside(&self, path: &str) -> Result<PathBuf, Diagnostic> {
        let is_inside = Path::new(path)
            .components()
            .all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
        if is_inside {
            return Ok(self.root.join(path));
        }
        Err(Diagnostic::error(
            "spec::outside_project",
            format!("`{path}` lies outside the project"),
        )
        .help("a study that others can run holds all its files: copy it into the project"))
    }

    fn root_name(&self) -> String {
        let name = self.root.file_name().map(|name| name.to_string_lossy().into_owned());
        name.map_or_else(|| "this folder".to_owned(), |name| format!("`{name}`"))
    }
}

/// All bytes of a regular file that is not too large.
pub(super) fn read_limited(file: &Path) -> Result<Vec<u8>, String> {
    let reason = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "you may not read it".to_owned(),
        _ => error.to_string(),
    };
    // Looked at before it is opened: opening a pipe waits for somebody to write.
    let metadata = file.metadata().map_err(reason)?;
    if !metadata.is_file() {
        return Err("it is no file".to_owned());
    }
    let mut bytes =
        Vec::with_capacity(usize::try_from(metadata.len().min(FILE_BYTES_MAX)).unwrap_or(0));
    let too_large =
        |n| format!("it has {}, more than {}", wording::bytes(n), wording::bytes(FILE_BYTES_MAX));
    if metadata.len() > FILE_BYTES_MAX {
        return Err(too_large(metadata.len()));
    }
    let mut limited = std::fs::File::open(file).map_err(reason)?.take(FILE_BYTES_MAX + 1);
    limited.read_to_end(&mut bytes).map_err(reason)?;
    // It may have grown since.
    if bytes.len() as u64 > FILE_BYTES_MAX { Err(too_large(bytes.len() as u64)) } else { Ok(bytes) }
}

fn unreadable(name: &str, reason: &str) -> Diagnostic {
    Diagnostic::error("spec::unreadable_file", format!("`{name}` cannot be read: {reason}"))
}

/// How people know `file`: relative to the root where it lies below it.
fn display_name(root: &Path, file: &Path) -> String {
    let absolute = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (root, absolute) = (absolute(root), absolute(file));
    let path = absolute.strip_prefix(&root).unwrap_or(file);
    path.to_string_lossy().into_owned()
}
