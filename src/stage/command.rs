//! Stage kind `command`: any program, in a private folder, with declared files and outputs.
//!
//! Says what the program's result depends on and how it is started; `run` starts it. It is not a sandbox:
//! a command that reads what it did not declare gets results that nobody can explain.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component as PathPart, Path};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor, value};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    CommandLine, CommandOutput, Component, Config, Job, Launch, Outcome, Output, Ports, Stage,
    StageError,
};
use crate::artifact::ArtifactType;
use crate::dataset;
use crate::diagnostic::Diagnostic;
use crate::manifest::Manifest;
use crate::results;
use crate::spec::{Node, Value};

/// Name of the one artifact of a command whose outputs are a list.
const LISTED: &str = "files";

/// Where inputs lie in the private folder.
const INPUTS: &str = "inputs";

/// Variables that belong to the runner.
const OUR_VARIABLES: [&str; 3] = ["TMPDIR", "PHYTOTRON_CHECKPOINT_DIR", "PHYTOTRON_SEED"];

/// Runs a program; what it leaves at the declared paths is the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandConfig {
    /// Text for `/bin/sh -e`, or a list: a program and its arguments, passed on as they are.
    run: Run,
    /// Paths or globs of the results. A list makes one artifact `files` that keeps the paths; a map
    /// makes an artifact of each entry.
    #[serde(default)]
    outputs: Outputs,
    /// Project files to lie beside the program: paths, folders or globs, relative to the project.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    files: Vec<String>,
    /// Environment variables beyond `PATH`, `HOME`, `USER`, `TMPDIR` and `LANG`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    env: BTreeMap<String, String>,
    /// Programs on PATH whose content decides the result, such as `python3`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tools: Vec<String>,
    /// Passed on, mixed with the pipeline's seed, as `PHYTOTRON_SEED`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
}

/// What is executed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Run {
    /// For `/bin/sh -e`.
    Shell(String),
    /// A program and its arguments.
    Argv(Vec<String>),
}

/// What is taken out of the private folder.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outputs {
    /// One artifact that keeps the relative paths.
    Listed(Vec<String>),
    /// Artifacts by name.
    Named(BTreeMap<String, NamedOutput>),
}

impl Default for Outputs {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

/// An artifact of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NamedOutput {
    path: String,
    kind: ArtifactType,
}

impl Config for CommandConfig {
    const KIND: &'static str = "command";
    const SUMMARY: &'static str = "runs any program in a private folder";
    const EXAMPLE: &'static str = "\
counted:
  use: command
  inputs: { trials: search.trials } # whatever is named here lies in `inputs/`; of any type but test images
  with:
    run: wc -l inputs/trials/trials.jsonl > lines.txt
    outputs: { lines: { path: lines.txt, type: files } }
# makes counted.lines
";

    fn check(&self, with: &Node) -> Vec<Diagnostic> {
        let mut mistakes = Vec::new();
        self.check_run(with, &mut mistakes);
        check_outputs(with, &mut mistakes);
        check_env(with, &mut mistakes);
        check_files(with, &mut mistakes);
        mistakes
    }
}

impl CommandConfig {
    fn check_run(&self, with: &Node, mistakes: &mut Vec<Diagnostic>) {
        let is_empty = match &self.run {
            Run::Shell(text) => text.trim().is_empty(),
            Run::Argv(argv) => argv.first().is_none_or(String::is_empty),
        };
        if is_empty && let Some(node) = with.get("run") {
            let mistake = Diagnostic::error("command::empty_run", "`run` names no program")
                .help("give it shell text, or a list of a program and its arguments");
            mistakes.push(node.blame(mistake, "nothing to run"));
        }
    }

    /// The argv as the kernel gets it.
    fn argv(&self) -> Vec<String> {
        match &self.run {
            Run::Shell(text) => {
                ["/bin/sh", "-e", "-c", text].into_iter().map(str::to_owned).collect()
            }
            Run::Argv(argv) => argv.clone(),
        }
    }

    fn declared(&self) -> Vec<CommandOutput> {
        match &self.outputs {
            Outputs::Listed(paths) => vec![CommandOutput {
                name: LISTED.to_owned(),
                kind: ArtifactType::Files,
                paths: paths.clone(),
                keeps_paths: true,
            }],
            Outputs::Named(outputs) => outputs
                .iter()
                .map(|(name, output)| CommandOutput {
                    name: name.clone(),
                    kind: output.kind,
                    paths: vec![output.path.clone()],
                    keeps_paths: false,
                })
                .collect(),
        }
    }
}

fn check_outputs(with: &Node, mistakes: &mut Vec<Diagnostic>) {
    let Some(outputs) = with.get("outputs") else { return };
    if let Value::Map(entries) = &outputs.value {
        for (key, node) in entries.iter().filter(|(key, _)| !is_name(&key.name)) {
            let message = format!("`{}` cannot be the name of an output", key.name);
            let mistake = Diagnostic::error("command::bad_output_name", message)
                .help("names are made of letters, digits, `_` and `-`");
            mistakes.push(node.blame(mistake, "the output of this name"));
        }
    }
    let mut seen: Vec<(&str, &Node)> = Vec::new();
    for (path, node) in output_nodes(outputs) {
        if let Some(problem) = path_problem(path) {
            let mistake =
                Diagnostic::error("command::bad_output", format!("output `{path}` {problem}"))
                    .help("name a path inside the command's own folder, outside of `inputs/`");
            mistakes.push(node.blame(mistake, problem));
        } else if let Some((other, first)) = seen.iter().find(|(other, _)| overlap(path, other)) {
            let message = format!("outputs `{other}` and `{path}` overlap");
            let mistake = Diagnostic::error("command::overlapping_outputs", message)
                .help("a file belongs to one output: leave one of them out");
            let mistake = node.blame(mistake, "this one");
            mistakes.push(first.blame(mistake, "and this one"));
        }
        seen.push((path, node));
    }
}

fn check_env(with: &Node, mistakes: &mut Vec<Diagnostic>) {
    let Some(Value::Map(entries)) = with.get("env").map(|node| &node.value) else { return };
    for (key, node) in entries {
        let problem = match key.name.as_str() {
            name if OUR_VARIABLES.contains(&name) => "is set for each attempt",
            name if name.is_empty() || name.contains(['=', '\0']) => "is no variable's name",
            _ => continue,
        };
        let message = format!("environment variable `{}` {problem}", key.name);
        mistakes.push(node.blame(Diagnostic::error("command::bad_env", message), problem));
    }
}

fn check_files(with: &Node, mistakes: &mut Vec<Diagnostic>) {
    let Some(Value::List(items)) = with.get("files").map(|node| &node.value) else { return };
    for node in items {
        let Value::Text(path) = &node.value else { continue };
        if let Some(problem) = path_problem(path) {
            let mistake =
                Diagnostic::error("command::bad_file", format!("file `{path}` {problem}"))
                    .help("files are named relative to the project and lie in it");
            mistakes.push(node.blame(mistake, problem));
        }
    }
}

/// Every declared path with the node it stands in.
fn output_nodes(outputs: &Node) -> Vec<(&str, &Node)> {
    let entries: Vec<&Node> = match &outputs.value {
        Value::List(items) => items.iter().collect(),
        Value::Map(entries) => {
            entries.iter().map(|(_, node)| node.get("path").unwrap_or(node)).collect()
        }
        _ => Vec::new(),
    };
    entries
        .into_iter()
        .filter_map(|node| match &node.value {
            Value::Text(path) => Some((path.as_str(), node)),
            _ => None,
        })
        .collect()
}

/// What keeps `path` from being a path inside the private folder.
fn path_problem(path: &str) -> Option<&'static str> {
    let mut parts = Path::new(path).components();
    let first = parts.clone().next();
    if path.trim().is_empty() || path == "." {
        Some("names no file")
    } else if Path::new(path).is_absolute() {
        Some("is absolute")
    } else if parts.any(|part| matches!(part, PathPart::ParentDir)) {
        Some("leaves the folder")
    } else if first == Some(PathPart::Normal(INPUTS.as_ref())) {
        Some("lies among the inputs")
    } else {
        None
    }
}

/// Whether `stage.name` can be written.
fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    !name.is_empty() && name.chars().all(fits)
}

/// Whether one path is the other or lies in it. What patterns share shows when they are collected.
fn overlap(a: &str, b: &str) -> bool {
    let (a, b) = (Path::new(a), Path::new(b));
    a.starts_with(b) || b.starts_with(a)
}

impl Stage for CommandConfig {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn config(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("BUG: a command's config serializes")
    }

    fn ports(&self) -> Ports {
        Ports::Open
    }

    fn outputs(&self) -> Vec<Output> {
        let declared = self.declared().into_iter();
        declared.map(|output| Output { name: output.name, kind: output.kind }).collect()
    }

    fn components(&self) -> Vec<Component> {
        vec![Component { name: Self::KIND, version: 1 }]
    }

    /// Nothing: arguments, environment, outputs, files and tools come into the manifest from
    /// [`Stage::launch`] and [`Stage::files`], for whatever kind starts a program.
    fn parameters(&self, _: &mut Manifest) {}

    fn seed(&self) -> Option<u64> {
        self.seed
    }

    fn files(&self) -> Vec<String> {
        self.files.clone()
    }

    fn launch(&self) -> Launch {
        Launch::Command(CommandLine {
            argv: self.argv(),
            env: self.env.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            outputs: self.declared(),
            tools: self.tools.clone(),
        })
    }

    fn run(&self, _: &Job<'_>) -> Result<Outcome, StageError> {
        panic!("BUG: a command is started directly, never in a worker")
    }
}

/// Whether the folder holds what built-in kinds expect of an artifact of type `kind`.
///
/// # Errors
/// What is wrong, for people.
pub fn check_artifact(kind: ArtifactType, folder: &Path) -> Result<(), String> {
    match kind {
        ArtifactType::Trials => {
            results::Trials::read(folder).map(drop).map_err(|error| error.to_string())
        }
        ArtifactType::Models => {
            check_json::<results::ModelsSummary>(&folder.join(results::SUMMARY_FILE))
        }
        kind => dataset::validate(kind, folder)
            .map_err(|error| StageError::caused_by(&error).to_string()),
    }
}

fn check_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<(), String> {
    let name = path.file_name().unwrap_or_default().display().to_string();
    let bytes = std::fs::read(path).map_err(|error| format!("`{name}`: {error}"))?;
    serde_json::from_slice::<T>(&bytes).map(drop).map_err(|error| format!("`{name}`: {error}"))
}

// ---- values of several forms: read by visitors, since serde's `untagged` loses where they stand ----

impl<'de> Deserialize<'de> for Run {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;

        impl<'de> Visitor<'de> for Forms {
            type Value = Run;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("shell text, or a list of a program and its arguments")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Run, E> {
                Ok(Run::Shell(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Run, A::Error> {
                Vec::deserialize(value::SeqAccessDeserializer::new(items)).map(Run::Argv)
            }
        }

        deserializer.deserialize_any(Forms)
    }
}

impl Serialize for Run {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Shell(text) => text.serialize(serializer),
            Self::Argv(argv) => argv.serialize(serializer),
        }
    }
}

impl JsonSchema for Run {
    fn schema_name() -> Cow<'static, str> {
        "Run".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string", "description": "Text for /bin/sh -e." },
                {
                    "type": "array",
                    "description": "A program and its arguments.",
                    "items": { "type": "string" }
                }
            ]
        })
    }
}

impl<'de> Deserialize<'de> for Outputs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;

        impl<'de> Visitor<'de> for Forms {
            type Value = Outputs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of paths, or a map from names to paths")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Outputs, A::Error> {
                Vec::deserialize(value::SeqAccessDeserializer::new(items)).map(Outputs::Listed)
            }

            fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Outputs, A::Error> {
                BTreeMap::deserialize(value::MapAccessDeserializer::new(entries))
                    .map(Outputs::Named)
            }
        }

        deserializer.deserialize_any(Forms)
    }
}

impl Serialize for Outputs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Listed(paths) => paths.serialize(serializer),
            Self::Named(outputs) => outputs.serialize(serializer),
        }
    }
}

impl JsonSchema for Outputs {
    fn schema_name() -> Cow<'static, str> {
        "Outputs".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let named = generator.subschema_for::<NamedOutput>();
        json_schema!({
            "anyOf": [
                { "type": "array", "items": { "type": "string" } },
                { "type": "object", "additionalProperties": named }
            ]
        })
    }
}

impl<'de> Deserialize<'de> for NamedOutput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;

        impl<'de> Visitor<'de> for Forms {
            type Value = NamedOutput;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path, or a map of `path` and `type`")
            }

            fn visit_str<E: serde::de::Error>(self, path: &str) -> Result<NamedOutput, E> {
                Ok(NamedOutput { path: path.to_owned(), kind: ArtifactType::Files })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NamedOutput, A::Error> {
                let (mut path, mut kind) = (None, None);
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "path" => path = Some(map.next_value()?),
                        "type" => kind = Some(map.next_value()?),
                        other => return Err(A::Error::unknown_field(other, &["path", "type"])),
                    }
                }
                let path = path.ok_or_else(|| A::Error::missing_field("path"))?;
                Ok(NamedOutput { path, kind: kind.unwrap_or(ArtifactType::Files) })
            }
        }

        deserializer.deserialize_any(Forms)
    }
}

impl Serialize for NamedOutput {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.kind == ArtifactType::Files {
            return self.path.serialize(serializer);
        }
        BTreeMap::from([("path", self.path.as_str()), ("type", self.kind.word())])
            .serialize(serializer)
    }
}

impl JsonSchema for NamedOutput {
    fn schema_name() -> Cow<'static, str> {
        "NamedOutput".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let kind = generator.subschema_for::<ArtifactType>();
        json_schema!({
            "anyOf": [
                { "type": "string", "description": "A path or glob in the command's folder." },
                {
                    "type": "object",
                    "properties": { "path": { "type": "string" }, "type": kind },
                    "required": ["path"],
                    "additionalProperties": false
                }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{self, Project};
    use crate::stage::{Kind as _, Typed};

    /// Binds `with` as a pipeline file has it: the bound config, or the mistakes a line each.
    fn bind(with: &str) -> Result<CommandLine, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("p.yaml");
        std::fs::write(&file, format!("stages: {{ a: {{ use: command, with: {with} }} }}"))
            .unwrap();
        let project = Project::open(folder.path()).unwrap();
        let (pipeline, _) = spec::load(&project, &file, &[], &["command"]).unwrap();
        let kind = Typed::<CommandConfig>::KIND;
        let stage = kind.bind(&pipeline.stages[0].with).map_err(|mistakes| {
            let lines: Vec<String> = mistakes.into_iter().map(|mistake| mistake.message).collect();
            lines.join("\n")
        })?;
        let revived = kind.revive(&stage.config()).unwrap();
        assert_eq!(revived.launch(), stage.launch(), "the config survives its way to a worker");
        let Launch::Command(line) = stage.launch() else { panic!("commands are started directly") };
        Ok(line)
    }

    #[test]
    fn text_goes_to_a_shell_and_a_list_is_argv() {
        assert_eq!(bind("{ run: echo a }").unwrap().argv, ["/bin/sh", "-e", "-c", "echo a"]);
        assert_eq!(bind("{ run: [echo, a b] }").unwrap().argv, ["echo", "a b"]);
    }

    #[test]
    fn a_list_of_outputs_is_one_artifact_and_a_map_several() {
        let listed = bind("{ run: x, outputs: [a, 'b/*.csv'] }").unwrap().outputs;
        assert_eq!(listed.len(), 1);
        assert_eq!((listed[0].name.as_str(), listed[0].keeps_paths), ("files", true));
        assert_eq!(listed[0].paths, ["a", "b/*.csv"]);
        let with = "{ run: x, outputs: { one: a, two: { path: b, type: trials } } }";
        let named = bind(with).unwrap().outputs;
        let kinds: Vec<_> =
            named.iter().map(|output| (output.name.as_str(), output.kind)).collect();
        assert_eq!(kinds, [("one", ArtifactType::Files), ("two", ArtifactType::Trials)]);
        assert!(named.iter().all(|output| !output.keeps_paths));
    }

    fn check(with: &str, expected: &str) {
        assert_eq!(bind(with).unwrap_err(), expected, "{with}");
    }

    #[test]
    fn mistakes_are_told() {
        check("{ run: ' ' }", "`run` names no program");
        check("{ run: [] }", "`run` names no program");
        check("{ run: x, outputs: [/tmp/a] }", "output `/tmp/a` is absolute");
        check("{ run: x, outputs: [../a] }", "output `../a` leaves the folder");
        check("{ run: x, outputs: [inputs/a] }", "output `inputs/a` lies among the inputs");
        check("{ run: x, outputs: { a: d, b: d/e } }", "outputs `d` and `d/e` overlap");
        check("{ run: x, outputs: { a b: d } }", "`a b` cannot be the name of an output");
        check(
            "{ run: x, env: { TMPDIR: d } }",
            "environment variable `TMPDIR` is set for each attempt",
        );
        check("{ run: x, files: [../a] }", "file `../a` leaves the folder");
        check(
            "{ run: x, outputs: { a: { path: d, type: trails } } }",
            "`outputs.a.type` cannot be `trails`",
        );
        check("{ run: 3 }", "`run` must be text or a list, not a whole number");
        check("{ runs: x }", "unknown key `runs`\n`run` is missing");
    }

    #[test]
    fn typed_outputs_are_checked_by_the_types_own_reader() {
        let folder = tempfile::tempdir().unwrap();
        for kind in [ArtifactType::Trials, ArtifactType::Models, ArtifactType::Dataset] {
            assert!(check_artifact(kind, folder.path()).is_err(), "{kind}");
        }
        assert_eq!(check_artifact(ArtifactType::Files, folder.path()), Ok(()));
    }
}
