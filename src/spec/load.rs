//! Loading: from a file to a pipeline, step by step, collecting every mistake.

use std::path::Path;
use std::rc::Rc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::expression::{Expressions, Scope};
use super::files::Files;
use super::matrix::{Matrix, STAGES_MAX};
use super::overlay::{Layer, overlay, verbatim};
use super::reference::{Directory, Written};
use super::stage::{Draft, Nursery, Planted, key_span, unknown_key};
use super::yaml::VALUES_MAX;
use super::{Key, Node, Pipeline, Project, Reference, Stage, Value, bind, params};
use crate::artifact::Coordinates;
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, in_file_order};
use crate::span::{Sources, Span};
use crate::wording;

/// Keys of a pipeline file; those that begin with `x-` are free, for YAML anchors.
const PIPELINE_KEYS: [&str; 6] = ["name", "description", "seed", "params", "extends", "stages"];
/// Edges between stages that a pipeline may have: `a[*]` read by every cell of another matrix squares fast.
const REFERENCES_MAX: usize = 1_000_000;

/// A pipeline with mistakes.
#[derive(Debug, Clone)]
pub struct Invalid {
    /// What is wrong, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
    /// What could be read, its stages with gaps. Good for binding and joining them, so that all mistakes
    /// are told at once; never to be run.
    pub pipeline: Pipeline,
}

impl From<Box<Invalid>> for Diagnostics {
    fn from(invalid: Box<Invalid>) -> Self {
        Self { list: invalid.diagnostics, sources: invalid.pipeline.sources }
    }
}

/// Reads the pipeline at `file` (a path as the command line has it), with `-p` parameters put in.
///
/// `kinds` are the names of all stage kinds: `use:` must lead to one of them.
///
/// # Errors
/// All mistakes, with what could be read nevertheless.
pub fn load(
    project: &Project,
    file: &Path,
    params: &[(String, String)],
    kinds: &[&str],
) -> Result<(Pipeline, Vec<Diagnostic>), Box<Invalid>> {
    let mut loader = Loader {
        files: Files::new(&project.root),
        expressions: Expressions::default(),
        kinds,
        values_left: VALUES_MAX,
        pipeline: Pipeline {
            name: stem(file),
            description: None,
            seed: 0,
            params: Vec::new(),
            stages: Vec::new(),
            sources: Sources::default(),
            files: Vec::new(),
        },
    };
    loader.pipeline(file, params);
    loader.finish()
}

struct Loader<'l> {
    files: Files<'l>,
    expressions: Expressions,
    kinds: &'l [&'l str],
    values_left: usize,
    pipeline: Pipeline,
}

/// The scalars at the top of the file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct HeadKeys {
    name: Option<String>,
    description: Option<String>,
    seed: u64,
}

impl<'l> Loader<'l> {
    fn nursery(&mut self) -> Nursery<'_, 'l> {
        let Self { files, expressions, kinds, values_left, .. } = self;
        Nursery { files, expressions, kinds, values_left }
    }

    fn finish(self) -> Result<(Pipeline, Vec<Diagnostic>), Box<Invalid>> {
        let Files { sources, read, mut mistakes, .. } = self.files;
        mistakes.extend(self.expressions.mistakes);
        let mistakes = in_file_order(mistakes);
        let mut pipeline = self.pipeline;
        pipeline.sources = sources;
        pipeline.files = read;
        if mistakes.iter().any(|mistake| mistake.severity == Severity::Error) {
            return Err(Box::new(Invalid { diagnostics: mistakes, pipeline }));
        }
        Ok((pipeline, mistakes))
    }

    fn pipeline(&mut self, file: &Path, overrides: &[(String, String)]) {
        let Some(tree) = self.files.open(file) else { return };
        let Value::Map(_) = tree.value else {
            let message = match tree.value {
                Value::Null => "the file is empty".to_owned(),
                ref other => format!("a pipeline is a map, not {}", other.noun()),
            };
            let mistake = Diagnostic::error("spec::no_pipeline", message)
                .help("a pipeline has `stages`, each with `use`, `with` and `inputs`");
            self.files.mistakes.push(tree.blame(mistake, "expected `stages: …`"));
            return;
        };
        let path = self.files.read.last().map(|(name, _)| name.clone()).unwrap_or_default();
        let tree = self.extended(tree, &mut vec![path]);
        self.check_keys(&tree);
        let Files { sources, mistakes, .. } = &mut self.files;
        self.pipeline.params = params::resolve(tree.get("params"), overrides, sources, mistakes);
        let declared = tree.get("params").map_or(tree.span, |node| node.span);
        let params =
            Node { value: Value::Map(self.pipeline.params.clone()), span: declared, used: None };
        let scope = Scope::default().with("params", &params);
        self.head(&tree, &scope);
        let pipeline = self.pipeline_node(&tree);
        self.stages(&tree, &scope.with("pipeline", &pipeline));
    }

    /// The tree with everything it `extends` laid under it.
    ///
    /// A base's name and description are its own: two pipelines of one name would share `out/`.
    fn extended(&mut self, tree: Rc<Node>, chain: &mut Vec<String>) -> Rc<Node> {
        let Some(extends) = tree.get("extends") else { return tree };
        let entries = match &extends.value {
            Value::List(items) => items.as_slice(),
            Value::Null => &[],
            _ => std::slice::from_ref(extends),
        };
        let mut bases = Vec::new();
        for entry in entries {
            if let Some(base) = self.base(entry, chain) {
                bases.push((base, entry.span));
            }
        }
        let mut layers = vec![Layer { node: &tree, used: None }];
        // A later base wins over an earlier one, as the file itself wins over all.
        layers.extend(bases.iter().rev().map(|(node, at)| Layer { node, used: Some(*at) }));
        let mut merged = overlay(&layers, &mut verbatim).unwrap_or_else(|| tree.as_ref().clone());
        if let Value::Map(entries) = &mut merged.value {
            entries.retain(|(key, _)| key.name != "extends");
        }
        Rc::new(merged)
    }

    fn base(&mut self, entry: &Node, chain: &mut Vec<String>) -> Option<Node> {
        let Value::Text(path) = &entry.value else {
            let message = format!("`extends` takes paths, not {}", entry.value.noun());
            let mistake = Diagnostic::error("spec::wrong_type", message)
                .help("write `extends: pipelines/base.yaml` or a list of paths");
            self.files.mistakes.push(entry.blame(mistake, "expected a path"));
            return None;
        };
        if chain.contains(path) {
            let ring =
                chain.iter().chain([path]).map(String::as_str).collect::<Vec<_>>().join(" → ");
            let message = format!("files extend each other in a ring: {ring}");
            let mistake =
                Diagnostic::error("spec::extends_cycle", message).help("take one `extends` out");
            self.files.mistakes.push(entry.blame(mistake, "leads back here"));
            return None;
        }
        let tree = self.files.follow(path, entry.span)?;
        if !matches!(tree.value, Value::Map(_)) {
            let message = format!("`{path}` must be a map, not {}", tree.value.noun());
            let mistake = Diagnostic::error("spec::wrong_type", message)
                .label(entry.span, "extended here")
                .label(tree.span, "expected a map");
            self.files.mistakes.push(mistake);
            return None;
        }
        chain.push(path.clone());
        let mut tree = self.extended(tree, chain).as_ref().clone();
        chain.pop();
        if let Value::Map(entries) = &mut tree.value {
            entries.retain(|(key, _)| key.name != "name" && key.name != "description");
        }
        Some(tree)
    }

    fn check_keys(&mut self, tree: &Node) {
        let Value::Map(entries) = &tree.value else { return };
        for (key, value) in entries {
            let is_known = PIPELINE_KEYS.contains(&key.name.as_str());
            if !is_known && !key.name.starts_with("x-") {
                let mistake = unknown_key(key, value.used, "a pipeline", &PIPELINE_KEYS);
                self.files.mistakes.push(mistake);
            }
        }
    }

    /// Reads name, description and seed.
    fn head(&mut self, tree: &Node, scope: &Scope<'_>) {
        let Value::Map(entries) = &tree.value else { return };
        let mut head = Vec::new();
        for (key, node) in entries {
            if matches!(key.name.as_str(), "name" | "description" | "seed") {
                let filled = self.expressions.fill(node, scope, &self.files.sources);
                head.extend(filled.map(|node| (key.clone(), node)));
            }
        }
        match bind::<HeadKeys>(&Node { value: Value::Map(head), span: tree.span, used: None }) {
            Ok(keys) => {
                self.pipeline.seed = keys.seed;
                self.pipeline.description = keys.description;
                self.check_name(tree, keys.name);
            }
            Err(mistakes) => self.files.mistakes.extend(mistakes),
        }
    }

    /// The pipeline's name becomes a folder in `out/`.
    fn check_name(&mut self, tree: &Node, name: Option<String>) {
        let given = name.is_some();
        let name = name.unwrap_or_else(|| self.pipeline.name.clone());
        let is_good = name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
        if !is_good {
            let mistake =
                Diagnostic::error("spec::bad_name", format!("`{name}` cannot name a pipeline"))
                    .help("use letters, digits, `_`, `-` and `.`; begin with a letter or digit");
            let mistake = match tree.get("name").filter(|_| given) {
                Some(node) => node.blame(mistake, "here"),
                None => mistake.label(
                    Span { end: tree.span.start, ..tree.span },
                    "without `name:` it is the file's name",
                ),
            };
            self.files.mistakes.push(mistake);
        }
        self.pipeline.name = name;
    }

    /// What expressions see as `pipeline`.
    fn pipeline_node(&self, tree: &Node) -> Node {
        let at = |key: &str| tree.get(key).map_or(tree.span, |node| node.span);
        let entry = |name: &str, value| {
            let span = at(name);
            (Key { name: name.to_owned(), span }, Node { value, span, used: None })
        };
        // A seed beyond 63 bits cannot be written in a file.
        let seed = i64::try_from(self.pipeline.seed).unwrap_or(i64::MAX);
        let entries = vec![
            entry("name", Value::Text(self.pipeline.name.clone())),
            entry("seed", Value::Int(seed)),
        ];
        Node { value: Value::Map(entries), span: tree.span, used: None }
    }

    fn stages(&mut self, tree: &Node, scope: &Scope<'_>) {
        let entries = match tree.get("stages").map(|node| (node, &node.value)) {
            Some((_, Value::Map(entries))) if !entries.is_empty() => entries,
            Some((node, value)) if !matches!(value, Value::Map(_) | Value::Null) => {
                let message = format!("`stages` must be a map, not {}", value.noun());
                let mistake = Diagnostic::error("spec::wrong_type", message)
                    .help("give each stage a name: `stages: {leaves: {use: dataset}}`");
                self.files.mistakes.push(node.blame(mistake, "expected a map"));
                return;
            }
            found => {
                let mistake = Diagnostic::error("spec::no_stages", "the pipeline has no stages")
                    .help("add `stages:` with at least one stage");
                let first = Span { end: tree.span.start, ..tree.span };
                let span = found.map_or(first, |(node, _)| node.span);
                self.files.mistakes.push(mistake.label(span, "nothing to run"));
                return;
            }
        };
        let mut directory = Directory::default();
        let drafts: Vec<Draft<'_>> = entries
            .iter()
            .filter_map(|(key, node)| {
                let draft = self.nursery().draft(key, node, scope);
                if draft.is_none() {
                    directory.add_broken(&key.name);
                }
                draft
            })
            .collect();
        let mut fields = Vec::with_capacity(drafts.len());
        for draft in &drafts {
            let matrix = draft.matrix.as_ref().filter(|node| node.value != Value::Null);
            match matrix.map(|node| Matrix::read(node, &mut self.files.mistakes)) {
                None => fields.push(Field { draft, matrix: None }),
                Some(Some(matrix)) => fields.push(Field { draft, matrix: Some(matrix) }),
                Some(None) => directory.add_broken(&draft.key.name),
            }
        }
        if self.refuse_too_many(&fields, entries.len(), tree) {
            return;
        }
        let mut planted = Vec::new();
        for field in &fields {
            planted.extend(self.plant(field, &mut directory, scope));
        }
        self.connect(planted, &mut directory);
    }

    /// All cells of a stage, entered in the directory.
    fn plant(
        &mut self,
        field: &Field<'_>,
        directory: &mut Directory,
        scope: &Scope<'_>,
    ) -> Vec<Planted> {
        let Field { draft, matrix } = field;
        let before = self.files.mistakes.len();
        let cells = match matrix {
            Some(matrix) => matrix.cells(&mut self.files.mistakes),
            None => Vec::new(),
        };
        if self.files.mistakes.len() > before {
            directory.add_broken(&draft.key.name);
            return Vec::new();
        }
        let coordinates = match matrix {
            Some(_) => cells.iter().map(|cell| cell.coordinates.clone()).collect(),
            None => vec![Coordinates::default()],
        };
        directory.add(&draft.key.name, coordinates);
        self.nursery().plant(draft, matrix.as_ref(), &cells, scope)
    }

    /// Refuses a pipeline of too many stages before any cell is made.
    fn refuse_too_many(&mut self, fields: &[Field<'_>], written: usize, tree: &Node) -> bool {
        let total = fields.iter().fold(0_usize, |sum, field| sum.saturating_add(field.count()));
        let total = total.max(written);
        if total <= STAGES_MAX {
            return false;
        }
        let most = wording::thousands(STAGES_MAX as u64);
        let message =
            format!("the pipeline has {}, more than {most}", wording::count(total, "stage"));
        let mistake = Diagnostic::error("spec::too_many_stages", message);
        let largest = fields.iter().max_by_key(|field| field.count());
        let mistake = if let Some(field) = largest.filter(|field| field.matrix.is_some()) {
            let message = format!("its matrix has {}", wording::count(field.count(), "cell"));
            let mistake = mistake.label(field.draft.key.span, message);
            mistake.help("shorten its lists, or use `exclude`")
        } else {
            let key = key_span(tree, "stages").unwrap_or(tree.span);
            mistake.label(key, "all of them here").help("split it into several pipelines")
        };
        self.files.mistakes.push(mistake);
        true
    }

    /// Finds what each stage's references name.
    fn connect(&mut self, planted: Vec<Planted>, directory: &mut Directory) {
        let mut references = 0_usize;
        for Planted { mut stage, inputs, needs } in planted {
            let gap = &mut stage.gaps.references;
            for (key, written) in inputs {
                stage.inputs.push((key, self.resolve(&written, directory, gap)));
            }
            stage.needs = self.resolve(&needs, directory, gap);
            let all = stage.inputs.iter().flat_map(|(_, found)| found).chain(&stage.needs);
            references += all.map(|reference| reference.cells.len()).sum::<usize>();
            if references > REFERENCES_MAX {
                self.refuse_references(&stage);
                return;
            }
            self.pipeline.stages.push(stage);
        }
    }

    /// What `written` names; `gap` is set when something of it leads nowhere.
    fn resolve(
        &mut self,
        written: &[Written],
        directory: &mut Directory,
        gap: &mut bool,
    ) -> Vec<Reference> {
        let mut found = Vec::with_capacity(written.len());
        for written in written {
            match directory.resolve(written) {
                Ok(Some(reference)) => found.push(reference),
                Ok(None) => *gap = true,
                Err(mistake) => {
                    *gap = true;
                    self.files.mistakes.push(mistake);
                }
            }
        }
        found
    }

    fn refuse_references(&mut self, stage: &Stage) {
        let most = wording::thousands(REFERENCES_MAX as u64);
        let message = format!("the stages read more than {most} outputs from each other");
        self.files.mistakes.push(
            Diagnostic::error("spec::too_many_references", message)
                .label(stage.span, "beyond the limit with this one")
                .help("select cells: `search[repeat=1]`, or `search[repeat=${{ matrix.repeat }}]`"),
        );
    }
}

/// A stage with its matrix, before its cells are made.
struct Field<'t> {
    draft: &'t Draft<'t>,
    matrix: Option<Matrix<'t>>,
}

impl Field<'_> {
    fn count(&self) -> usize {
        self.matrix.as_ref().map_or(1, Matrix::count)
    }
}

/// A pipeline without `name:` is called like its file.
fn stem(file: &Path) -> String {
    file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}
