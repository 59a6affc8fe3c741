//! What stages declare to read and the project does not have: files, folders, programs.
//!
//! Planning stops at the first of them that it needs; this finds them all, with their places in the file.
//! Reads no content.

use std::collections::BTreeMap;
use std::path::Path;

use crate::diagnostic::Diagnostic;
use crate::spec::{self, Node, Value};
use crate::stage::Launch;
use crate::wording;

use super::findings::Findings;
use super::reads::{Reads, find_tool};
use super::{Selected, StageIndex, Study};

/// Everything that the `selected` stages declare and cannot read, in the order of the file; a frozen stage
/// reads nothing.
#[must_use]
pub fn absent(study: &Study, root: &Path, selected: &Selected) -> Vec<Diagnostic> {
    let mut findings = Findings::default();
    let mut reads = Reads::new(root);
    // Thousands of stages call the same few.
    let mut tools: BTreeMap<String, bool> = BTreeMap::new();
    for index in (0..study.stages.len()).map(StageIndex) {
        let (stage, written) = (&study.get(index).stage, study.written(index));
        if written.settings.frozen || !selected.contains(index) {
            continue;
        }
        for pattern in stage.files() {
            if let Err(reason) = reads.expand(&pattern) {
                findings.add_once(file(written, &pattern, &reason.to_string(), root));
            }
        }
        let Launch::Command(command) = stage.launch() else { continue };
        for name in &command.tools {
            let is_there =
                tools.entry(name.clone()).or_insert_with(|| find_tool(name, root).is_some());
            if !*is_there {
                findings.add_once(tool(written, name));
            }
        }
    }
    findings.sorted()
}

fn file(stage: &spec::Stage, pattern: &str, reason: &str, root: &Path) -> Diagnostic {
    let help = match near(pattern, root) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("paths begin at the project's root, `{}`", root.display()),
    };
    let mistake = Diagnostic::error("plan::absent_file", format!("`{pattern}`: {reason}"));
    place(stage, pattern).blame(mistake.help(help), "read here")
}

fn tool(stage: &spec::Stage, name: &str) -> Diagnostic {
    let mistake = Diagnostic::error("plan::absent_tool", format!("`{name}` is not on `PATH`"))
        .help("install it, or take it off `tools`");
    place(stage, name).blame(mistake, "used here")
}

/// Where `text` is written, or else the stage.
fn place(stage: &spec::Stage, text: &str) -> Node {
    let (value, used) = (Value::Null, None);
    stage.with.last_text(text).cloned().unwrap_or(Node { value, span: stage.span, used })
}

/// The neighbour in its folder that `path` is nearest to.
fn near(path: &str, root: &Path) -> Option<String> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let entries = root.join(folder).read_dir().ok()?;
    let names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let near = wording::nearest(name, names.iter().map(String::as_str))?;
    Some(if folder.is_empty() { near.to_owned() } else { format!("{folder}/{near}") })
}
