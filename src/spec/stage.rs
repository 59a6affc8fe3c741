//! One stage of the file: its keys checked, its presets laid under it, its cells filled in.

use super::expression::{Expressions, Scope};
use super::files::Files;
use super::matrix::{Cell, Matrix};
use super::overlay::{Layer, overlay};
use super::preset::{Lead, Presets};
use super::reference::Written;
use super::settings::{SETTINGS_KEYS, SettingsKeys};
use super::yaml::VALUES_MAX;
use super::{Gaps, Key, Node, Settings, Stage, Value, bind};
use crate::artifact::{Coordinates, StageId};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use crate::wording;

/// All keys of a stage.
pub(super) const STAGE_KEYS: [&str; 11] = [
    "use",
    "with",
    "inputs",
    "matrix",
    "needs",
    "resources",
    "retries",
    "timeout",
    "frozen",
    "publish",
    "description",
];

/// A stage whose keys are checked, before its matrix is expanded.
pub(super) struct Draft<'t> {
    pub(super) key: &'t Key,
    node: &'t Node,
    /// Nothing where `use` leads nowhere.
    lead: Option<Lead>,
    /// Where `use` stands.
    kind_span: Span,
    /// `matrix` with all layers, expressions filled in.
    pub(super) matrix: Option<Node>,
}

/// A stage whose references are still words.
pub(super) struct Planted {
    pub(super) stage: Stage,
    pub(super) inputs: Vec<(Key, Vec<Written>)>,
    pub(super) needs: Vec<Written>,
}

/// Grows stages from nodes.
pub(super) struct Nursery<'f, 'p> {
    pub(super) files: &'f mut Files<'p>,
    pub(super) expressions: &'f mut Expressions,
    pub(super) kinds: &'f [&'f str],
    /// Values that the pipeline's stages may still hold.
    pub(super) values_left: &'f mut usize,
}

impl Nursery<'_, '_> {
    /// Checks a stage's keys and follows its `use`; nothing when it is no stage at all.
    pub(super) fn draft<'t>(
        &mut self,
        key: &'t Key,
        node: &'t Node,
        scope: &Scope<'_>,
    ) -> Option<Draft<'t>> {
        let has_name = self.check_name(key, node);
        let Value::Map(_) = node.value else {
            let message = format!("stage `{}` must be a map, not {}", key.name, node.value.noun());
            let mistake = Diagnostic::error("spec::wrong_type", message)
                .help("a stage is a map with `use`, `with` and `inputs`");
            let place = Node { value: Value::Null, span: key.span, used: node.used };
            self.files.mistakes.push(place.blame(mistake, "expected a map"));
            return None;
        };
        self.check_keys(node, None);
        let mut presets =
            Presets { files: self.files, expressions: self.expressions, kinds: self.kinds };
        let lead = presets.follow(node, key.span, scope);
        let kind_span = node.get("use").map_or(key.span, |word| word.used.unwrap_or(word.span));
        for preset in lead.iter().flat_map(|lead| &lead.presets) {
            self.check_keys(&preset.tree, Some(kind_span));
        }
        let mut draft = Draft { key, node, lead, kind_span, matrix: None };
        draft.matrix = self.overlaid(&draft, "matrix", scope);
        has_name.then_some(draft)
    }

    /// All cells of a stage, or the stage itself.
    pub(super) fn plant(
        &mut self,
        draft: &Draft<'_>,
        matrix: Option<&Matrix<'_>>,
        cells: &[Cell],
        scope: &Scope<'_>,
    ) -> Vec<Planted> {
        let Some(matrix) = matrix else {
            let only = self.cell(draft, Coordinates::default(), scope);
            return if self.spend(&only) { vec![only] } else { Vec::new() };
        };
        self.expressions.forget_matrix();
        let before = self.expressions.mistakes.len();
        let mut planted = Vec::with_capacity(cells.len());
        for cell in cells {
            let scope = scope.with("matrix", &cell.values);
            let cell = self.cell(draft, cell.coordinates.clone(), &scope);
            if !self.spend(&cell) {
                return planted;
            }
            planted.push(cell);
        }
        // What a failed expression or a missing preset would have used is not known.
        if self.expressions.mistakes.len() == before && draft.lead.is_some() {
            self.check_use(draft, matrix);
        }
        planted
    }

    /// Counts a cell's values: a long list in each of thousands of cells is a bomb too.
    fn spend(&mut self, planted: &Planted) -> bool {
        let stage = &planted.stage;
        if let Some(left) = self.values_left.checked_sub(stage.with.weight()) {
            *self.values_left = left;
            return true;
        }
        let most = wording::thousands(VALUES_MAX as u64);
        let message = format!("the stages hold more than {most} parameters in all");
        self.files.mistakes.push(
            Diagnostic::error("spec::too_many_values", message)
                .label(stage.span, "beyond the limit with this one")
                .help("put long lists into a file that the stages read"),
        );
        false
    }

    /// One cell, with gaps where something in it is wrong.
    fn cell(&mut self, draft: &Draft<'_>, coordinates: Coordinates, scope: &Scope<'_>) -> Planted {
        self.expressions.watches_matrix = true;
        let start = self.mistakes();
        let with = self.with(draft, scope);
        let bound = self.mistakes();
        let inputs = self.inputs(draft, scope);
        // What only order and settings ask for makes no cell different.
        self.expressions.watches_matrix = false;
        let needs = self.needs(draft, scope);
        let gaps = Gaps {
            kind: draft.lead.is_none(),
            with: bound > start,
            references: self.mistakes() > bound,
        };
        let (kind, presets) = match &draft.lead {
            Some(Lead { kind, presets }) => {
                (kind.clone(), presets.iter().map(super::preset::Preset::title).collect())
            }
            None => (String::new(), Vec::new()),
        };
        let stage = Stage {
            id: StageId { name: draft.key.name.clone(), coordinates },
            kind,
            kind_span: draft.kind_span,
            span: draft.key.span,
            presets,
            with,
            inputs: Vec::new(),
            needs: Vec::new(),
            settings: self.settings(draft, scope),
            gaps,
        };
        Planted { stage, inputs, needs }
    }

    fn mistakes(&self) -> usize {
        self.files.mistakes.len() + self.expressions.mistakes.len()
    }

    fn with(&mut self, draft: &Draft<'_>, scope: &Scope<'_>) -> Node {
        let empty = |used| Node { value: Value::Map(Vec::new()), span: draft.key.span, used };
        match self.overlaid(draft, "with", scope) {
            Some(node) if matches!(node.value, Value::Map(_)) => node,
            Some(node) if node.value != Value::Null => {
                self.expect_map("with", &node, "write `with: {trials: 200}`");
                empty(None)
            }
            _ => empty(None),
        }
    }

    fn inputs(&mut self, draft: &Draft<'_>, scope: &Scope<'_>) -> Vec<(Key, Vec<Written>)> {
        let before = self.expressions.mistakes.len();
        let Some(node) = self.overlaid(draft, "inputs", scope) else { return Vec::new() };
        match &node.value {
            Value::Null => Vec::new(),
            Value::Map(entries) => {
                let port = |(key, node): &(Key, Node)| (key.clone(), self.references(node));
                let mut ports: Vec<_> = entries.iter().map(port).collect();
                if self.expressions.mistakes.len() > before {
                    lay_out(&mut ports, draft);
                }
                ports
            }
            _ => {
                self.expect_map("inputs", &node, "name each port: `inputs: {data: leaves}`");
                Vec::new()
            }
        }
    }

    fn needs(&mut self, draft: &Draft<'_>, scope: &Scope<'_>) -> Vec<Written> {
        let Some(node) = self.overlaid(draft, "needs", scope) else { return Vec::new() };
        if node.value == Value::Null {
            return Vec::new();
        }
        let needs = self.references(&node);
        for written in &needs {
            if let Some(output) = &written.output {
                let message = format!("`needs` is about order, not about output `{output}`");
                let mistake = Diagnostic::error("spec::bad_reference", message)
                    .help(format!("write `{}`, or read it under `inputs`", written.stage));
                self.files.mistakes.push(written.place.blame(mistake, "an output"));
            }
        }
        needs
    }

    /// A reference or a list of them.
    fn references(&mut self, node: &Node) -> Vec<Written> {
        let nodes = match &node.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut references = Vec::with_capacity(nodes.len());
        for node in nodes {
            match Written::parse(node) {
                Ok(written) => references.push(written),
                Err(mistake) => self.files.mistakes.push(mistake),
            }
        }
        references
    }

    fn settings(&mut self, draft: &Draft<'_>, scope: &Scope<'_>) -> Settings {
        let mut entries = Vec::new();
        for name in SETTINGS_KEYS {
            if let Some(node) = self.overlaid(draft, name, scope) {
                let span = draft.layers().iter().find_map(|layer| key_span(layer.node, name));
                entries
                    .push((Key { name: name.to_owned(), span: span.unwrap_or(node.span) }, node));
            }
        }
        if entries.is_empty() {
            return Settings::default();
        }
        let node = Node { value: Value::Map(entries), span: draft.key.span, used: None };
        if let Ok(keys) = bind::<SettingsKeys>(&node) {
            return keys.into();
        }
        self.files.mistakes.extend(settings_mistakes(node));
        Settings::default()
    }

    /// A key's value with all layers, expressions filled in.
    fn overlaid(&mut self, draft: &Draft<'_>, key: &str, scope: &Scope<'_>) -> Option<Node> {
        let layers: Vec<Layer<'_>> =
            draft.layers().iter().filter_map(|layer| layer.get(key)).collect();
        if layers.is_empty() {
            return None;
        }
        let (expressions, sources) = (&mut *self.expressions, &self.files.sources);
        overlay(&layers, &mut |node| expressions.fill(node, scope, sources))
    }

    fn check_keys(&mut self, node: &Node, used: Option<Span>) {
        let Value::Map(entries) = &node.value else { return };
        for (key, value) in entries {
            if !STAGE_KEYS.contains(&key.name.as_str()) {
                let used = used.or(value.used);
                self.files.mistakes.push(unknown_key(key, used, "a stage", &STAGE_KEYS));
            }
        }
    }

    /// Names stand in paths, references and logs.
    fn check_name(&mut self, key: &Key, node: &Node) -> bool {
        let name = &key.name;
        let is_good = name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        if !is_good {
            let mistake =
                Diagnostic::error("spec::bad_name", format!("`{name}` cannot name a stage"))
                    .help("use letters, digits, `_` and `-`; begin with a letter or digit");
            let place = Node { value: Value::Null, span: key.span, used: node.used };
            self.files.mistakes.push(place.blame(mistake, "here"));
        }
        is_good
    }

    fn check_use(&mut self, draft: &Draft<'_>, matrix: &Matrix<'_>) {
        for key in matrix.keys() {
            if self.expressions.uses_matrix(&key.name) {
                continue;
            }
            let name = &key.name;
            let stage = &draft.key.name;
            let message =
                format!("`{name}` changes nothing in `{stage}`: cells would be identical");
            self.files.mistakes.push(
                Diagnostic::error("spec::unused_matrix_key", message)
                    .label(key.span, "no parameter or input uses it")
                    .help(format!(
                        "use it, as in `with: {{seed: \"${{{{ matrix.{name} }}}}\"}}`, or take it out"
                    )),
            );
        }
    }

    fn expect_map(&mut self, name: &str, node: &Node, help: &str) {
        let message = format!("`{name}` must be a map, not {}", node.value.noun());
        let mistake = Diagnostic::error("spec::wrong_type", message).help(help);
        self.files.mistakes.push(node.blame(mistake, "expected a map"));
    }
}

impl Draft<'_> {
    /// The stage and its presets, the stage on top.
    fn layers(&self) -> Vec<Layer<'_>> {
        let mut layers = vec![Layer { node: self.node, used: None }];
        let used = Some(self.kind_span);
        let presets = self.lead.iter().flat_map(|lead| &lead.presets);
        layers.extend(presets.map(|preset| Layer { node: &preset.tree, used }));
        layers
    }
}

/// Puts back the ports whose values failed as expressions, with nothing bound to them.
fn lay_out(ports: &mut Vec<(Key, Vec<Written>)>, draft: &Draft<'_>) {
    for layer in draft.layers() {
        let Some(Value::Map(entries)) = layer.node.get("inputs").map(|node| &node.value) else {
            continue;
        };
        for (key, _) in entries {
            if ports.iter().all(|(known, _)| known.name != key.name) {
                ports.push((key.clone(), Vec::new()));
            }
        }
    }
}

/// The mistakes of each setting by itself: a time that is no time shows beside a retry that is no number.
fn settings_mistakes(node: Node) -> Vec<Diagnostic> {
    let Node { value: Value::Map(entries), span, used } = node else { return Vec::new() };
    let alone = |entry| Node { value: Value::Map(vec![entry]), span, used };
    let bound = entries.into_iter().map(|entry| bind::<SettingsKeys>(&alone(entry)));
    bound.filter_map(Result::err).flatten().collect()
}

pub(super) fn key_span(node: &Node, name: &str) -> Option<Span> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().find(|(key, _)| key.name == name).map(|(key, _)| key.span)
}

/// A key that stands where only `known` ones may.
pub(super) fn unknown_key(
    key: &Key,
    used: Option<Span>,
    holder: &str,
    known: &[&str],
) -> Diagnostic {
    let listed = format!("the keys of {holder} are {}", wording::list(known));
    let help = match wording::nearest(&key.name, known.iter().copied()) {
        Some(nearest) => format!("did you mean `{nearest}`? {listed}"),
        None => listed,
    };
    let place = Node { value: Value::Null, span: key.span, used };
    let message = format!("{holder} has no key `{}`", key.name);
    place.blame(Diagnostic::error("spec::unknown_key", message).help(help), "no such key")
}
