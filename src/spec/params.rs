//! Parameters: `params:` of the file with what `-p key=value` changes.
//!
//! A `-p` may only change what the file declares, and only to a value of the same type: a slip must not
//! silently leave a study as it was.

use super::expression::OPENING;
use super::{Key, Node, Value, scalar, yaml};
use crate::diagnostic::Diagnostic;
use crate::span::{SourceId, Sources, Span};
use crate::wording;

/// The parameters of a pipeline: the file's `declared` ones with `overrides` put in, in their order.
pub(super) fn resolve(
    declared: Option<&Node>,
    overrides: &[(String, String)],
    sources: &mut Sources,
    mistakes: &mut Vec<Diagnostic>,
) -> Vec<(Key, Node)> {
    let mut params = match declared.map(|node| (node, &node.value)) {
        None | Some((_, Value::Null)) => Vec::new(),
        Some((_, Value::Map(entries))) => entries.clone(),
        Some((node, other)) => {
            let message = format!("`params` must be a map, not {}", other.noun());
            mistakes.push(
                node.blame(Diagnostic::error("spec::wrong_type", message), "expected a map")
                    .help("write `params: {trials: 200}`"),
            );
            Vec::new()
        }
    };
    for (_, node) in &params {
        refuse_expressions(node, mistakes);
    }
    for (key, text) in overrides {
        let source = sources.add("-p", format!("{key}={text}"));
        let given = Override { key, text, source };
        if let Err(mistake) = given.apply(&mut params, mistakes) {
            mistakes.push(mistake);
        }
    }
    params
}

fn refuse_expressions(node: &Node, mistakes: &mut Vec<Diagnostic>) {
    match &node.value {
        Value::Text(text) if text.contains(OPENING) => {
            let mistake =
                Diagnostic::error("spec::expression_in_params", "a parameter is a plain value")
                    .help("put the expression where the parameter is used");
            mistakes.push(node.blame(mistake, "an expression"));
        }
        Value::List(items) => items.iter().for_each(|item| refuse_expressions(item, mistakes)),
        Value::Map(entries) => {
            for (_, value) in entries {
                refuse_expressions(value, mistakes);
            }
        }
        _ => {}
    }
}

/// One `-p key=value`.
struct Override<'o> {
    key: &'o str,
    text: &'o str,
    source: SourceId,
}

impl Override<'_> {
    fn apply(
        &self,
        params: &mut [(Key, Node)],
        mistakes: &mut Vec<Diagnostic>,
    ) -> Result<(), Diagnostic> {
        let Some(node) = find(params, self.key) else { return Err(self.unknown(params)) };
        let value = self.value(&node.value, mistakes).ok_or_else(|| self.wrong_type(node))?;
        if let Value::Text(text) = &value
            && text.contains(OPENING)
        {
            return Err(Diagnostic::error(
                "spec::expression_in_params",
                "a parameter is a plain value",
            )
            .label(self.value_span(), "an expression"));
        }
        *node = Node { value, span: self.value_span(), used: None };
        Ok(())
    }

    /// The given text as a value of the declared one's type; nothing when it is of another.
    fn value(&self, declared: &Value, mistakes: &mut Vec<Diagnostic>) -> Option<Value> {
        // What was declared as text stays text: `-p tag=2024` needs no quotes inside quotes.
        if matches!(declared, Value::Text(_)) {
            return Some(Value::Text(self.text.to_owned()));
        }
        let given = if self.text.starts_with(['[', '{', '"', '\'']) {
            let mut tree = yaml::parse(self.source, self.text, mistakes)?;
            tree.place_at(self.value_span());
            tree.value
        } else {
            scalar::resolve(self.text)
        };
        let fits = match declared {
            Value::Null => true,
            Value::Int(_) | Value::Float(_) => matches!(given, Value::Int(_) | Value::Float(_)),
            other => std::mem::discriminant(other) == std::mem::discriminant(&given),
        };
        fits.then_some(given)
    }

    fn unknown(&self, params: &[(Key, Node)]) -> Diagnostic {
        let mut known = Vec::new();
        for (key, node) in params {
            collect(&key.name, node, &mut known);
        }
        let listed = match known.len() {
            0 => "the pipeline declares no parameters".to_owned(),
            _ => format!("the pipeline declares {}", wording::list(&known)),
        };
        let help = match wording::nearest(self.key, known.iter().map(String::as_str)) {
            Some(nearest) => format!("did you mean `{nearest}`? {listed}"),
            None => listed,
        };
        Diagnostic::error("spec::unknown_param", format!("no parameter is called `{}`", self.key))
            .label(self.key_span(), "no such parameter")
            .help(help)
    }

    fn wrong_type(&self, declared: &Node) -> Diagnostic {
        let noun = declared.value.noun();
        let message = format!("parameter `{}` must be {noun}, not `{}`", self.key, self.text);
        let mistake = Diagnostic::error("spec::wrong_type", message)
            .label(self.value_span(), format!("expected {noun}"))
            .label(declared.span, "declared here");
        match declared.value {
            Value::Map(_) => mistake.help(format!("set a key of it: `-p {}.KEY=VALUE`", self.key)),
            Value::List(_) => mistake.help(format!("write `-p {}=[1,2,3]`", self.key)),
            _ => mistake,
        }
    }

    fn key_span(&self) -> Span {
        self.span(0, self.key.len())
    }

    fn value_span(&self) -> Span {
        self.span(self.key.len() + 1, self.key.len() + 1 + self.text.len())
    }

    fn span(&self, start: usize, end: usize) -> Span {
        let offset = |n| u32::try_from(n).unwrap_or(u32::MAX);
        Span { source: self.source, start: offset(start), end: offset(end) }
    }
}

/// The parameter at a dotted path.
fn find<'p>(params: &'p mut [(Key, Node)], path: &str) -> Option<&'p mut Node> {
    let (first, rest) = match path.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (path, None),
    };
    let (_, node) = params.iter_mut().find(|(key, _)| key.name == first)?;
    let Some(rest) = rest else { return Some(node) };
    match &mut node.value {
        Value::Map(entries) => find(entries, rest),
        _ => None,
    }
}

/// The dotted paths of all values that are no maps.
fn collect(path: &str, node: &Node, known: &mut Vec<String>) {
    match &node.value {
        Value::Map(entries) => {
            for (key, node) in entries {
                collect(&format!("{path}.{}", key.name), node, known);
            }
        }
        _ => known.push(path.to_owned()),
    }
}
