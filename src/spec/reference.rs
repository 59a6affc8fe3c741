//! References between stages: `search`, `search.trials`, `search[*]`, `search[strategy=ppo].trials`.
//!
//! First the words are taken apart, then, when all stages and cells are known, checked to exist. Whether a
//! port takes one or many is `plan`'s to say.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::{Node, Reference, Value};
use crate::artifact::Coordinates;
use crate::diagnostic::Diagnostic;
use crate::wording;

/// A reference as written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Written {
    pub(super) stage: String,
    /// Keys and values in brackets; empty for `[*]`.
    pub(super) selection: Option<Vec<(String, String)>>,
    pub(super) output: Option<String>,
    /// Place and use, without value.
    pub(super) place: Node,
}

impl Written {
    /// Takes apart a text.
    pub(super) fn parse(node: &Node) -> Result<Self, Diagnostic> {
        let Value::Text(text) = &node.value else {
            let message = format!("a stage's name was expected, not {}", node.value.noun());
            let mistake = Diagnostic::error("spec::bad_reference", message);
            return Err(node.blame(mistake, "here"));
        };
        let place = Node { value: Value::Null, ..*node };
        let bad = |why: &str| {
            let message = format!("`{text}` is no reference to a stage");
            let mistake = Diagnostic::error("spec::bad_reference", message)
                .help("write `stage`, `stage.output`, `stage[*]` or `stage[key=value].output`");
            node.blame(mistake, why)
        };
        let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        let text = text.trim();
        let name_ends = text.find(|c| !is_name(c)).unwrap_or(text.len());
        let (stage, rest) = text.split_at(name_ends);
        if stage.is_empty() {
            return Err(bad("begins with no name"));
        }
        let (selection, rest) = match rest.strip_prefix('[') {
            Some(inner) => {
                let (inner, rest) = until_bracket(inner).ok_or_else(|| bad("`]` is missing"))?;
                (Some(selection(inner).map_err(bad)?), rest)
            }
            None => (None, rest),
        };
        let output = match rest.strip_prefix('.') {
            Some(output) if !output.is_empty() && output.chars().all(is_name) => {
                Some(output.to_owned())
            }
            None if rest.is_empty() => None,
            _ => return Err(bad("what follows the name is not understood")),
        };
        Ok(Self { stage: stage.to_owned(), selection, output, place })
    }
}

/// Splits at the first `]` outside quotes.
fn until_bracket(text: &str) -> Option<(&str, &str)> {
    let mut is_quoted = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '"' => is_quoted = !is_quoted,
            ']' if !is_quoted => return Some((&text[..at], &text[at + 1..])),
            _ => {}
        }
    }
    None
}

/// `*`, or `key=value` pairs; a value with `,` or `]` in it stands in double quotes.
fn selection(text: &str) -> Result<Vec<(String, String)>, &'static str> {
    if text.trim() == "*" {
        return Ok(Vec::new());
    }
    let mut pairs = Vec::new();
    let mut rest = text;
    loop {
        let (key, after) = rest.split_once('=').ok_or("a selection is `*` or `key=value`")?;
        let after = after.trim_start();
        let (value, after) = if let Some(quoted) = after.strip_prefix('"') {
            quoted.split_once('"').ok_or("a quote is missing")?
        } else {
            let end = after.find(',').unwrap_or(after.len());
            (after[..end].trim(), &after[end..])
        };
        pairs.push((key.trim().to_owned(), value.to_owned()));
        rest = match after.trim_start().strip_prefix(',') {
            Some(rest) => rest,
            None if after.trim().is_empty() => return Ok(pairs),
            None => return Err("`,` or `]` was expected"),
        };
    }
}

/// Every stage of a pipeline with its cells, for looking up references.
#[derive(Default)]
pub(super) struct Directory {
    stages: HashMap<String, Cells>,
    /// Stages that were refused: a reference to one is no second mistake.
    broken: Vec<String>,
}

/// The cells of one stage.
struct Cells {
    all: Arc<[Coordinates]>,
    /// Which cells have a value under a key.
    by_value: HashMap<(String, String), Vec<usize>>,
    /// Selections made before.
    selected: HashMap<Vec<(String, String)>, Rc<Selected>>,
}

/// What a selection gives.
type Selected = Result<Arc<[Coordinates]>, Failure>;

/// What a selection gets wrong.
struct Failure {
    code: &'static str,
    message: String,
    help: String,
}

impl Directory {
    /// Adds a stage and all its cells.
    pub(super) fn add(&mut self, stage: &str, cells: Vec<Coordinates>) {
        let mut by_value: HashMap<(String, String), Vec<usize>> = HashMap::new();
        for (index, cell) in cells.iter().enumerate() {
            for (key, value) in &cell.0 {
                by_value.entry((key.clone(), value.clone())).or_default().push(index);
            }
        }
        let cells = Cells { all: cells.into(), by_value, selected: HashMap::new() };
        self.stages.insert(stage.to_owned(), cells);
    }

    /// Notes a stage whose cells are not known.
    pub(super) fn add_broken(&mut self, stage: &str) {
        self.broken.push(stage.to_owned());
    }

    /// Finds the cells that a reference names; nothing when it names a stage that was refused.
    pub(super) fn resolve(&mut self, written: &Written) -> Result<Option<Reference>, Diagnostic> {
        let Written { stage, selection, output, place } = written;
        let Some(cells) = self.stages.get_mut(stage) else {
            return if self.broken.contains(stage) {
                Ok(None)
            } else {
                Err(self.unknown_stage(written))
            };
        };
        let selected = match selection {
            None => Arc::clone(&cells.all),
            Some(pairs) => match &*cells.select(stage, pairs) {
                Ok(selected) => Arc::clone(selected),
                Err(failure) => {
                    let mistake = Diagnostic::error(failure.code, &failure.message);
                    return Err(place.blame(mistake.help(&failure.help), "no such cell"));
                }
            },
        };
        Ok(Some(Reference {
            stage: stage.clone(),
            cells: selected,
            gathered: selection.is_some(),
            output: output.clone(),
            span: place.used.unwrap_or(place.span),
        }))
    }

    fn unknown_stage(&self, written: &Written) -> Diagnostic {
        let mut known: Vec<&str> =
            self.stages.keys().chain(&self.broken).map(String::as_str).collect();
        known.sort_unstable();
        let message = format!("no stage is called `{}`", written.stage);
        let help = match wording::nearest(&written.stage, known.iter().copied()) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None if known.len() <= 12 => format!("the stages are {}", wording::list(&known)),
            None => format!("the pipeline has {}", wording::count(known.len(), "stage")),
        };
        let mistake = Diagnostic::error("spec::unknown_stage", message).help(help);
        written.place.blame(mistake, "no such stage")
    }
}

impl Cells {
    fn select(&mut self, stage: &str, pairs: &[(String, String)]) -> Rc<Selected> {
        if let Some(known) = self.selected.get(pairs) {
            return Rc::clone(known);
        }
        let result = Rc::new(self.find(stage, pairs));
        self.selected.insert(pairs.to_vec(), Rc::clone(&result));
        result
    }

    fn find(&self, stage: &str, pairs: &[(String, String)]) -> Selected {
        let mut lists = Vec::new();
        for pair in pairs {
            let list = self.by_value.get(pair).ok_or_else(|| self.unknown(stage, pair))?;
            lists.push(list);
        }
        // The shortest list holds every candidate.
        let Some(shortest) = lists.iter().min_by_key(|list| list.len()) else {
            return Ok(Arc::clone(&self.all));
        };
        let fits =
            |cell: &&Coordinates| pairs.iter().all(|(key, value)| cell.0.get(key) == Some(value));
        let found: Arc<[Coordinates]> =
            shortest.iter().map(|&index| &self.all[index]).filter(fits).cloned().collect();
        if found.is_empty() {
            let asked: Vec<String> = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
            return Err(Failure {
                code: "spec::unknown_cell",
                message: format!("`{stage}` has no cell with {}", asked.join(" and ")),
                help: "each value exists, but not together".to_owned(),
            });
        }
        Ok(found)
    }

    fn unknown(&self, stage: &str, (key, value): &(String, String)) -> Failure {
        let first = self.all.first().map(|cell| &cell.0);
        let keys: Vec<&str> = first.into_iter().flatten().map(|(key, _)| key.as_str()).collect();
        if keys.is_empty() {
            return Failure {
                code: "spec::unknown_cell",
                message: format!("`{stage}` has no matrix to select from"),
                help: format!("write `{stage}`"),
            };
        }
        if !keys.contains(&key.as_str()) {
            return Failure {
                code: "spec::unknown_cell",
                message: format!("the matrix of `{stage}` has no key `{key}`"),
                help: match wording::nearest(key, keys.iter().copied()) {
                    Some(nearest) => format!("did you mean `{nearest}`?"),
                    None => format!("its keys are {}", wording::list(&keys)),
                },
            };
        }
        let mut values: Vec<&str> =
            self.all.iter().filter_map(|c| c.0.get(key)).map(String::as_str).collect();
        values.sort_unstable();
        values.dedup();
        let help = match wording::nearest(value, values.iter().copied()) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None if values.len() <= 12 => format!("`{key}` is {}", wording::list(&values)),
            None => format!("`{key}` has {}", wording::count(values.len(), "value")),
        };
        let message = format!("`{key}` of `{stage}` is never `{value}`");
        Failure { code: "spec::unknown_cell", message, help }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::{Sources, Span};

    fn written(text: &str) -> Result<String, String> {
        let source = Sources::default().add("x", text);
        let span = Span { source, start: 0, end: 0 };
        let node = Node { value: Value::Text(text.to_owned()), span, used: None };
        match Written::parse(&node) {
            Ok(written) => {
                Ok(format!("{} {:?} {:?}", written.stage, written.selection, written.output))
            }
            Err(mistake) => Err(mistake.labels[0].text.clone()),
        }
    }

    #[test]
    fn references_are_taken_apart() {
        let good = |text| written(text).unwrap();
        assert_eq!(good("a-1"), "a-1 None None");
        assert_eq!(good("a.out"), r#"a None Some("out")"#);
        assert_eq!(good("a[*]"), "a Some([]) None");
        assert_eq!(good("a[k=v, l = w].o"), r#"a Some([("k", "v"), ("l", "w")]) Some("o")"#);
        assert_eq!(good(r#"a[k="x,y]"]"#), r#"a Some([("k", "x,y]")]) None"#);
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in ["", ".x", "a.", "a[", "a[k]", "a[k=v", "a[*]x", "a b", r#"a[k="v]"#, "a..b"] {
            assert!(written(text).is_err(), "{text}");
        }
    }
}
