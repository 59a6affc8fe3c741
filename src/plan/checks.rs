//! Checks on paths: two stages with one folder, two outputs with one file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use globset::GlobBuilder;

use crate::diagnostic::Diagnostic;
use crate::span::Span;
use crate::spec::{self, Pipeline};
use crate::stage::{CommandLine, Launch, Stage};

use super::findings::Findings;
use super::folder;

/// No two stages may have the same folder below `out/`, whose name logs have, too.
pub(super) fn folders(pipeline: &Pipeline, findings: &mut Findings) {
    let mut owners: HashMap<PathBuf, &spec::Stage> = HashMap::new();
    for stage in &pipeline.stages {
        let path = folder::of_stage(&stage.id);
        if let Some(owner) = owners.get(&path) {
            findings.add_once(same_folder(owner, stage, &path));
        } else {
            owners.insert(path, stage);
        }
    }
}

fn same_folder(first: &spec::Stage, second: &spec::Stage, path: &Path) -> Diagnostic {
    let message = format!(
        "`{}` and `{}` would publish into one folder, `{}`",
        first.id,
        second.id,
        path.display()
    );
    Diagnostic::error("plan::same_folder", message)
        .label(second.span, "the second")
        .label(first.span, "the first")
        .help("rename one: in folder names all signs but letters, digits and `._=,+-` become `_`")
}

/// No file may belong to two declared outputs of a command.
pub(super) fn declared_outputs(
    pipeline: &Pipeline,
    bound: &[Option<Box<dyn Stage>>],
    findings: &mut Findings,
) {
    for (stage, bound) in pipeline.stages.iter().zip(bound) {
        if let Some(Launch::Command(line)) = bound.as_ref().map(|bound| bound.launch()) {
            for (inner, outer) in overlaps(&line) {
                findings.add_once(overlap(stage, inner, outer));
            }
        }
    }
}

/// Declared paths that another one holds: `(inner, outer)`, equal ones included.
fn overlaps(line: &CommandLine) -> Vec<(&str, &str)> {
    let paths = line.outputs.iter().flat_map(|output| &output.paths).map(String::as_str);
    let (globs, literals): (Vec<&str>, Vec<&str>) = paths.partition(|path| is_glob(path));
    let mut literals: Vec<(Vec<&str>, &str)> =
        literals.into_iter().map(|path| (parts(path), path)).collect();
    literals.sort();
    let mut found = Vec::new();
    // Sorted by parts, everything inside a folder follows the folder directly.
    let mut outer: Option<(&[&str], &str)> = None;
    for (inner, path) in &literals {
        match outer {
            Some((folder, holder)) if inner.starts_with(folder) => found.push((*path, holder)),
            _ => outer = Some((inner, path)),
        }
    }
    for glob in globs {
        let Ok(matcher) = GlobBuilder::new(glob).literal_separator(true).build() else { continue };
        let matcher = matcher.compile_matcher();
        let hit = literals.iter().find(|(parts, _)| matcher.is_match(parts.join("/")));
        found.extend(hit.map(|(_, literal)| (*literal, glob)));
    }
    found
}

fn is_glob(path: &str) -> bool {
    path.contains(['*', '?', '[', '{'])
}

fn parts(path: &str) -> Vec<&str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".").collect()
}

fn overlap(stage: &spec::Stage, inner: &str, outer: &str) -> Diagnostic {
    let message = if parts(inner) == parts(outer) {
        format!("stage `{}` declares the output `{inner}` twice", stage.id.name)
    } else {
        format!("the outputs `{inner}` and `{outer}` of `{}` overlap", stage.id.name)
    };
    Diagnostic::error("plan::overlapping_outputs", message)
        .label(path_span(stage, inner), "this file would belong to two outputs")
        .help("declare each file once: a folder holds everything in it")
}

/// Where the declared path is written (the last time), or else the stage.
fn path_span(stage: &spec::Stage, path: &str) -> Span {
    let written = stage.with.get("outputs").and_then(|outputs| outputs.last_text(path));
    written.map_or(stage.span, |node| node.span)
}

#[cfg(test)]
mod tests {
    use crate::artifact::ArtifactType;
    use crate::stage::CommandOutput;

    use super::*;

    fn check(paths: &[&str], expected: &[(&str, &str)]) {
        let output = |path: &&str| CommandOutput {
            name: (*path).to_owned(),
            kind: ArtifactType::Files,
            paths: vec![(*path).to_owned()],
            keeps_paths: false,
        };
        let line = CommandLine {
            argv: Vec::new(),
            env: Vec::new(),
            outputs: paths.iter().map(output).collect(),
            tools: Vec::new(),
        };
        assert_eq!(overlaps(&line), expected);
    }

    #[test]
    fn a_folder_holds_everything_in_it() {
        check(&["a", "a-b", "ab", "b/c"], &[]);
        check(&["a/x", "a-b", "a", "a/y/z"], &[("a/x", "a"), ("a/y/z", "a")]);
        check(&["./a/", "a"], &[("a", "./a/")]);
    }

    #[test]
    fn a_glob_holds_what_it_matches() {
        check(&["*.csv", "a.csv"], &[("a.csv", "*.csv")]);
        check(&["*.csv", "a/b.csv", "c.txt"], &[]);
    }
}
