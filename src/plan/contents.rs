//! The content of a manifest: everything that a stage's result depends on, and nothing else.
//!
//! Never in it: names of stages, resources, retries, timeout, needs, description, threads, paths of
//! this machine (ARCHITECTURE.md, "Names are not content").

use std::collections::BTreeMap;

use crate::artifact::Coordinates;
use crate::digest::Digest;
use crate::manifest::{Manifest, segment};
use crate::stage::{CommandLine, Launch, Stage};

use super::reads::Seen;
use super::{Study, StudyStage};

/// Version of the layout that this file writes.
const MANIFEST_FORMAT: u32 = 1;

/// What a stage's manifest needs from outside of it, looked up before.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Tree of each input by port, in the order of the study.
    pub(super) inputs: Vec<Vec<Digest>>,
    /// Project files by relative path.
    pub(super) files: BTreeMap<String, Seen>,
    /// Digests of a command's tools by name.
    pub(super) tools: BTreeMap<String, Digest>,
}

/// Writes the manifest of a stage that is started by `launch`.
pub(super) fn manifest(
    study: &Study,
    stage: &StudyStage,
    launch: &Launch,
    facts: &Facts,
) -> Manifest {
    let mut manifest = Manifest::default();
    manifest.line("manifest", &MANIFEST_FORMAT);
    program(&mut manifest, stage.stage.as_ref(), study.pipeline.seed);
    inputs(&mut manifest, stage, &facts.inputs);
    if let Launch::Command(command) = launch {
        command_lines(&mut manifest, command, &facts.tools);
    }
    for (path, file) in &facts.files {
        let executable = if file.executable { " executable" } else { "" };
        manifest.line(format!("file.{path}"), &format!("{}{executable}", file.digest));
    }
    manifest
}

/// What computes, with which parameters and from which seed.
fn program(manifest: &mut Manifest, stage: &dyn Stage, pipeline_seed: u64) {
    manifest.line("kind", &stage.kind());
    for component in stage.components() {
        manifest.line(format!("component.{}", component.name), &component.version);
    }
    stage.parameters(manifest);
    if let Some(seed) = stage.seed() {
        manifest.line("seed.pipeline", &pipeline_seed);
        // Most kinds write their `with.seed` among the parameters; a default may be left out there.
        if manifest.get("with.seed").is_none() {
            manifest.line("seed.stage", &seed);
        }
    }
    if let Some(numerics) = stage.numerics() {
        manifest.line("numerics", &numerics);
    }
}

/// `input.data <tree>`, `input.trials[repeat=1] <tree>`: labels are content, as a report prints them.
fn inputs(manifest: &mut Manifest, stage: &StudyStage, trees: &[Vec<Digest>]) {
    for ((port, feeds), trees) in stage.inputs.iter().zip(trees) {
        let mut last_label = None;
        let mut nth = 1;
        for (feed, tree) in feeds.iter().zip(trees) {
            nth = if last_label == Some(&feed.coordinates) { nth + 1 } else { 1 };
            last_label = Some(&feed.coordinates);
            let number = if nth == 1 { String::new() } else { format!("#{nth}") };
            let key = format!("input.{}{}{number}", segment(port), label(&feed.coordinates));
            manifest.line(key, tree);
        }
    }
}

/// `[repeat=1,strategy=random]`, nothing without coordinates. Other than [`Coordinates`]' own text,
/// values that hold `,` or `=` cannot look like other coordinates.
fn label(coordinates: &Coordinates) -> String {
    if coordinates.0.is_empty() {
        return String::new();
    }
    let safe = |text: &str| {
        let plain = !text.is_empty() && !text.contains([',', '=', '[', ']', '"', '#', '\\']);
        if plain { text.to_owned() } else { format!("{text:?}") }
    };
    let pairs: Vec<String> =
        coordinates.0.iter().map(|(key, value)| format!("{}={}", safe(key), safe(value))).collect();
    format!("[{}]", pairs.join(","))
}

/// A command's own lines: it has no components that know what it does.
fn command_lines(manifest: &mut Manifest, command: &CommandLine, tools: &BTreeMap<String, Digest>) {
    manifest.section("command.argv", &command.argv);
    for (name, value) in
        command.env.iter().map(|(name, value)| (name, value)).collect::<BTreeMap<_, _>>()
    {
        manifest.section(&format!("command.env.{}", segment(name)), value);
    }
    for output in &command.outputs {
        let key = format!("command.output.{}", segment(&output.name));
        manifest.line(format!("{key}.type"), &output.kind);
        manifest.line(format!("{key}.keeps_paths"), &output.keeps_paths);
        manifest.section(&format!("{key}.paths"), &output.paths);
    }
    for (name, digest) in tools {
        manifest.line(format!("tool.{}", segment(name)), digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coordinates(pairs: &[(&str, &str)]) -> Coordinates {
        Coordinates(pairs.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect())
    }

    #[test]
    fn labels_read_as_references_do() {
        let cell = coordinates(&[("strategy", "random"), ("repeat", "1")]);
        assert_eq!(label(&cell), "[repeat=1,strategy=random]");
        assert_eq!(label(&coordinates(&[])), "");
    }

    #[test]
    fn labels_of_other_cells_differ() {
        let labels = [
            label(&coordinates(&[("a", "1,b=2")])),
            label(&coordinates(&[("a", "1"), ("b", "2")])),
            label(&coordinates(&[("a", "1]#2")])),
            label(&coordinates(&[("a", "\"1\"")])),
            label(&coordinates(&[("a", "1")])),
        ];
        let distinct: std::collections::BTreeSet<_> = labels.iter().collect();
        assert_eq!(distinct.len(), labels.len(), "{labels:?}");
    }
}
