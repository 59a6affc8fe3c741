//! Presets: what `use:` names, followed to a stage kind.
//!
//! `use: X` is the kind X, or the project's `stages/X.yaml`, or the built-in preset X, in this order; a
//! path ending in `.yaml` is itself. A preset is a partial stage and may use another.

use std::rc::Rc;

use super::expression::{Expressions, Scope};
use super::files::Files;
use super::{Node, Value, builtin};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use crate::wording;

/// Where `use:` leads.
#[derive(Debug)]
pub(super) struct Lead {
    /// The stage kind.
    pub(super) kind: String,
    /// Presets on the way, from the stage to the kind.
    pub(super) presets: Vec<Preset>,
}

/// A preset on the way.
#[derive(Debug)]
pub(super) struct Preset {
    /// Its name as written.
    name: String,
    /// The file, relative to the project, or `builtin:stages/x.yaml`.
    file: String,
    /// The partial stage.
    pub(super) tree: Rc<Node>,
}

impl Preset {
    /// `name (file)`, for people.
    pub(super) fn title(&self) -> String {
        if self.name == self.file {
            self.file.clone()
        } else {
            format!("{} ({})", self.name, self.file)
        }
    }
}

/// Follows uses to kinds.
pub(super) struct Presets<'f, 'p> {
    pub(super) files: &'f mut Files<'p>,
    pub(super) expressions: &'f mut Expressions,
    pub(super) kinds: &'f [&'f str],
}

impl Presets<'_, '_> {
    /// Follows the `use:` of `stage`; nothing, and a mistake, when it leads nowhere.
    ///
    /// `at` stands for the stage when it has no `use` at all.
    pub(super) fn follow(&mut self, stage: &Node, at: Span, scope: &Scope<'_>) -> Option<Lead> {
        let Some(first) = stage.get("use") else {
            self.files.mistakes.push(
                Diagnostic::error("spec::missing_key", "the stage has no `use`")
                    .label(at, "has no `use`")
                    .help(format!(
                        "name a kind or preset: `use: {}`",
                        self.kinds.first().unwrap_or(&"KIND")
                    )),
            );
            return None;
        };
        let outer = first.used.unwrap_or(first.span);
        let mut presets: Vec<Preset> = Vec::new();
        let mut next = first.clone();
        loop {
            let word = self.expressions.fill(&next, scope, &self.files.sources)?;
            let Value::Text(name) = &word.value else {
                let message =
                    format!("`use` must name a kind or preset, not {}", word.value.noun());
                let mistake = Diagnostic::error("spec::wrong_type", message);
                self.files.mistakes.push(word.blame(mistake, "expected a name"));
                return None;
            };
            if self.kinds.contains(&name.as_str()) {
                return Some(Lead { kind: name.clone(), presets });
            }
            let preset = self.preset(name, &word)?;
            if presets.iter().any(|known| known.file == preset.file) {
                let mut ring: Vec<&str> = presets.iter().map(|p| p.name.as_str()).collect();
                ring.push(name);
                let message = format!("presets use each other in a ring: {}", ring.join(" → "));
                let mistake = Diagnostic::error("spec::preset_cycle", message)
                    .help("the last one must `use` a stage kind");
                self.files.mistakes.push(word.blame(mistake, "leads back here"));
                return None;
            }
            next = self.next(&preset, outer)?;
            next.used = Some(outer);
            presets.push(preset);
        }
    }

    /// The preset's own `use`.
    fn next(&mut self, preset: &Preset, outer: Span) -> Option<Node> {
        let Preset { name, tree, .. } = preset;
        let (code, message) = match &tree.value {
            Value::Map(_) => match tree.get("use") {
                Some(next) => return Some(next.clone()),
                None => ("spec::missing_key", format!("preset `{name}` has no `use`")),
            },
            other => {
                let noun = other.noun();
                ("spec::wrong_type", format!("preset `{name}` must be a partial stage, not {noun}"))
            }
        };
        let mistake = Diagnostic::error(code, message)
            .label(outer, "used here")
            .label(first_line(tree), "the preset")
            .help("a preset names the kind that it prepares: `use: search`");
        self.files.mistakes.push(mistake);
        None
    }

    fn preset(&mut self, name: &str, word: &Node) -> Option<Preset> {
        let at = word.used.unwrap_or(word.span);
        let is_path = std::path::Path::new(name).extension().is_some_and(|e| e == "yaml");
        let own = format!("stages/{name}.yaml");
        let (file, tree) = if is_path {
            (name.to_owned(), self.files.follow(name, at)?)
        } else if self.files.has(&own) {
            let tree = self.files.follow(&own, at)?;
            (own, tree)
        } else if let Some(built_in) = builtin::preset(name) {
            (built_in.path(), self.files.follow_built_in(name)?)
        } else {
            let mistake = self.unknown(name);
            self.files.mistakes.push(word.blame(mistake, "no such kind or preset"));
            return None;
        };
        Some(Preset { name: name.to_owned(), file, tree })
    }

    fn unknown(&self, name: &str) -> Diagnostic {
        let mut presets = self.files.names_in("stages");
        presets.extend(builtin::PRESETS.iter().map(|preset| preset.name.to_owned()));
        presets.sort_unstable();
        presets.dedup();
        let known = self.kinds.iter().copied().chain(presets.iter().map(String::as_str));
        let guess = wording::nearest(name, known)
            .map_or_else(String::new, |nearest| format!("did you mean `{nearest}`? "));
        let kinds = wording::list(self.kinds);
        let help = format!("{guess}the kinds are {kinds}; `phytotron kinds` lists the presets too");
        let message = format!("no stage kind or preset is called `{name}`");
        Diagnostic::error("spec::unknown_kind", message).help(help)
    }
}

/// A span on one line that stands for a tree.
fn first_line(tree: &Node) -> Span {
    match &tree.value {
        Value::Map(entries) => entries.first().map_or(tree.span, |(key, _)| key.span),
        _ => tree.span,
    }
}
