//! Collecting: takes a command's declared outputs out of its private folder, and nothing else.
//!
//! Files are moved, not copied. Knows nothing of the store that takes them next.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use super::attempt::make;
use super::error::JobError;
use crate::stage::CommandOutput;

/// Folder of the inputs inside the private folder; no output may come from there.
pub(super) const INPUTS: &str = "inputs";

/// Moves the `outputs` found in `private` to `taken/<name>/`.
pub(super) fn collect(
    private: &Path,
    outputs: &[CommandOutput],
    taken: &Path,
) -> Result<(), JobError> {
    let mut gone = BTreeSet::new();
    for output in outputs {
        let artifact = taken.join(&output.name);
        make(&artifact)?;
        for path in &output.paths {
            let found = find(private, path)?;
            if found.is_empty() {
                return Err(missing(private, output, path, &gone));
            }
            for relative in found {
                let to = destination(private, output, &relative, is_pattern(path));
                shift(&private.join(&relative), &artifact.join(to))?;
                gone.insert(relative);
            }
        }
    }
    Ok(())
}

/// Whether `path` is a glob rather than a name.
fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '[', '{'])
}

/// What `path` stands for in `private`, relative to it; sorted.
fn find(private: &Path, path: &str) -> Result<Vec<String>, JobError> {
    if !is_pattern(path) {
        let there = fs::symlink_metadata(private.join(path)).is_ok();
        return Ok(if there { vec![path.trim_end_matches('/').to_owned()] } else { Vec::new() });
    }
    let matcher = matcher(path)?;
    let files = files_in(private).map_err(JobError::io("cannot read", private))?;
    Ok(files.into_iter().filter(|file| matcher.is_match(file)).collect())
}

fn matcher(pattern: &str) -> Result<GlobMatcher, JobError> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| JobError::Stage(error.to_string()))
}

/// Every file below `private` but its inputs, by relative path, sorted. Ignore files mean nothing here.
fn files_in(private: &Path) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(private.join(&folder))? {
            let entry = entry?;
            let relative = folder.join(entry.file_name());
            if relative.as_os_str() == INPUTS {
                continue;
            }
            if entry.file_type()?.is_dir() {
                open.push(relative);
            } else {
                files.push(relative.to_string_lossy().into_owned());
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Where a found file goes inside its artifact.
///
/// Under its declared path in a list, or where a pattern found it. A single path of a map entry is the
/// artifact itself: a folder's content, or a file under its own name.
fn destination(private: &Path, output: &CommandOutput, found: &str, by_pattern: bool) -> PathBuf {
    if output.keeps_paths || by_pattern {
        return PathBuf::from(found);
    }
    let is_folder = fs::symlink_metadata(private.join(found)).is_ok_and(|facts| facts.is_dir());
    match Path::new(found).file_name() {
        Some(name) if !is_folder => PathBuf::from(name),
        _ => PathBuf::new(),
    }
}

fn shift(from: &Path, to: &Path) -> Result<(), JobError> {
    if let Some(parent) = to.parent() {
        make(parent)?;
    }
    fs::rename(from, to).map_err(JobError::io("cannot move", from))
}

fn missing(
    private: &Path,
    output: &CommandOutput,
    path: &str,
    gone: &BTreeSet<String>,
) -> JobError {
    if gone.iter().any(|taken| Path::new(path).starts_with(taken)) {
        return JobError::SharedOutput { path: path.to_owned() };
    }
    JobError::MissingOutput {
        output: output.name.clone(),
        path: path.to_owned(),
        there: listing(private),
    }
}

/// What lies in the folder, for people.
fn listing(private: &Path) -> String {
    const SHOWN: usize = 12;
    let files = files_in(private).unwrap_or_default();
    match files.len() {
        0 => "nothing".to_owned(),
        n if n <= SHOWN => crate::wording::list(&files),
        n => format!("{} and {} more", crate::wording::list(&files[..SHOWN]), n - SHOWN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::ArtifactType;

    fn output(name: &str, paths: &[&str], keeps_paths: bool) -> CommandOutput {
        CommandOutput {
            name: name.to_owned(),
            kind: ArtifactType::Files,
            paths: paths.iter().map(|&path| path.to_owned()).collect(),
            keeps_paths,
        }
    }

    /// Writes `files`, collects `outputs`, and lists what was taken.
    fn check(files: &[&str], outputs: &[CommandOutput]) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let (private, taken) = (folder.path().join("private"), folder.path().join("taken"));
        for file in files {
            fs::create_dir_all(private.join(file).parent().unwrap()).unwrap();
            fs::write(private.join(file), file).unwrap();
        }
        fs::create_dir_all(&private).unwrap();
        collect(&private, outputs, &taken).map_err(|error| error.to_string())?;
        Ok(files_in(&taken).unwrap())
    }

    #[test]
    fn a_list_keeps_relative_paths() {
        let taken =
            check(&["a/x.txt", "b.txt", "c.txt"], &[output("files", &["a", "b.txt"], true)]);
        assert_eq!(taken.unwrap(), ["files/a/x.txt", "files/b.txt"]);
    }

    #[test]
    fn a_map_entry_is_the_artifact_itself() {
        let outputs = [output("one", &["a"], false), output("two", &["d/b.txt"], false)];
        let taken = check(&["a/x.txt", "d/b.txt"], &outputs);
        assert_eq!(taken.unwrap(), ["one/x.txt", "two/b.txt"]);
    }

    #[test]
    fn patterns_find_files_and_never_inputs() {
        let files = ["inputs/data/z.csv", "out/a.csv", "out/deep/b.csv", ".gitignore", "top.csv"];
        let taken = check(&files, &[output("files", &["**/*.csv"], true)]);
        assert_eq!(taken.unwrap(), ["files/out/a.csv", "files/out/deep/b.csv", "files/top.csv"]);
    }

    #[test]
    fn a_missing_output_lists_what_is_there() {
        let error = check(&["model.pt", "log.txt"], &[output("files", &["model.bin"], true)]);
        assert_eq!(
            error.unwrap_err(),
            "output `files` is missing: no `model.bin` was written; there is `log.txt` and `model.pt`"
        );
    }

    #[test]
    fn a_file_of_two_outputs_is_refused() {
        let outputs = [output("one", &["*.txt"], false), output("two", &["a.txt"], false)];
        assert_eq!(check(&["a.txt"], &outputs).unwrap_err(), "`a.txt` belongs to two outputs");
    }
}
