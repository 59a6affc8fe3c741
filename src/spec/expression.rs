//! Expressions: `${{ params.trials * 2 }}` in a text.
//!
//! minijinja evaluates; names are `params`, `matrix` and `pipeline`, nothing from environment or clock. A
//! text that is exactly one expression keeps the value's type; a path (`params.trials`,
//! `params[params.size].trials`) keeps its place too, so that a mistake in the value points at both.

mod path;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::rc::Rc;
use std::sync::LazyLock;

use minijinja::value::ValueKind;
use minijinja::{Environment, Expression, UndefinedBehavior, Value as Jinja};
use path::{Path, Step};

use super::{Key, Node, Value};
use crate::diagnostic::Diagnostic;
use crate::span::{Sources, Span};
use crate::wording;

/// What begins an expression.
pub(super) const OPENING: &str = "${{";

/// Names that an expression may use, with their values.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope<'s> {
    roots: Vec<(&'static str, &'s Node, Jinja)>,
}

impl<'s> Scope<'s> {
    /// This scope with one more name.
    pub(super) fn with(&self, name: &'static str, node: &'s Node) -> Self {
        let mut roots = self.roots.clone();
        roots.push((name, node, jinja(node)));
        Self { roots }
    }

    fn root(&self, name: &str) -> Option<&'s Node> {
        self.roots.iter().find(|(known, ..)| *known == name).map(|&(_, node, _)| node)
    }
}

/// Evaluates the expressions of one pipeline.
#[derive(Default)]
pub(super) struct Expressions {
    pub(super) mistakes: Vec<Diagnostic>,
    compiled: HashMap<String, Rc<Result<Compiled, String>>>,
    /// Keys of `matrix` that were asked for; `*` when all were.
    matrix_keys: HashSet<String>,
    /// Whether what is asked for now counts.
    pub(super) watches_matrix: bool,
    /// Values that chose a key which is not there: one mistake, in however many expressions.
    wrong_choices: HashSet<(Span, String)>,
}

struct Compiled {
    expression: Expression<'static, 'static>,
    /// The names it uses: `params.trials`, `matrix`.
    names: Vec<String>,
}

impl Expressions {
    /// Whether an expression asked for `matrix.KEY` since [`Self::forget_matrix`].
    pub(super) fn uses_matrix(&self, key: &str) -> bool {
        self.matrix_keys.contains(key) || self.matrix_keys.contains("*")
    }

    /// Begins a new stage.
    pub(super) fn forget_matrix(&mut self) {
        self.matrix_keys.clear();
    }

    /// The text at `node` with its expressions filled in; nothing when one fails.
    pub(super) fn fill(
        &mut self,
        node: &Node,
        scope: &Scope<'_>,
        sources: &Sources,
    ) -> Option<Node> {
        let Value::Text(text) = &node.value else { return Some(node.clone()) };
        if !text.contains(OPENING) {
            return Some(node.clone());
        }
        let Some(pieces) = pieces(text) else {
            let mistake = Diagnostic::error("spec::bad_expression", "the expression has no end");
            self.mistakes.push(node.blame(mistake, "`}}` is missing"));
            return None;
        };
        if let [Piece::Expression(range)] = pieces.as_slice() {
            return self.single(&text[range.clone()], node, scope, sources);
        }
        let mut filled = String::with_capacity(text.len());
        for piece in pieces {
            match piece {
                Piece::Words(range) => filled.push_str(&text[range]),
                Piece::Expression(range) => {
                    let value = self.single(&text[range], node, scope, sources)?;
                    filled.push_str(&self.words(&value, node)?);
                }
            }
        }
        Some(Node { value: Value::Text(filled), ..*node })
    }

    /// The value of one expression.
    fn single(
        &mut self,
        expression: &str,
        node: &Node,
        scope: &Scope<'_>,
        sources: &Sources,
    ) -> Option<Node> {
        let result = match Path::of(expression) {
            Some(path) => self.path(&path, scope),
            None => Ok(None),
        };
        let result = match result {
            Ok(Some(found)) => {
                let mut found = found.clone();
                found.mark_used(node.span);
                Ok(found)
            }
            Ok(None) => {
                let value = self.evaluate(expression, node, scope);
                value.map(|value| Node { value, ..*node })
            }
            Err(failure) => Err(failure),
        };
        result.map_err(|failure| self.report(failure, expression, node, sources)).ok()
    }

    /// Keeps the mistake, unless it is a choice that is known to be wrong.
    fn report(&mut self, failure: Failure, expression: &str, node: &Node, sources: &Sources) {
        if let Some(choice) = failure.choice
            && !self.wrong_choices.insert((choice, failure.message.clone()))
        {
            return;
        }
        let span = narrowed(node.span, expression, sources);
        let at = Node { value: Value::Null, span, used: node.used };
        let mut mistake = Diagnostic::error("spec::bad_expression", failure.message);
        mistake.help = failure.help;
        mistake = at.blame(mistake, failure.label);
        if let Some(choice) = failure.choice {
            mistake = mistake.label(choice, "chosen here");
        }
        self.mistakes.push(mistake);
    }

    /// The node that a path names; nothing when it is not by names in maps that it goes.
    fn path<'s>(
        &mut self,
        path: &Path<'_>,
        scope: &Scope<'s>,
    ) -> Result<Option<&'s Node>, Failure> {
        let mut node = scope.root(path.root).ok_or_else(|| unknown_root(path.root, scope))?;
        let mut holder = path.root.to_owned();
        if path.root == "matrix" && path.steps.is_empty() {
            self.note_matrix("*");
        }
        for (depth, step) in path.steps.iter().enumerate() {
            let (key, choice) = match step {
                Step::Name(name) => (*name, None),
                Step::At(inner) => {
                    let Some(chosen) = self.path(inner, scope)? else { return Ok(None) };
                    match (&chosen.value, &node.value) {
                        (Value::Text(key), Value::Map(_)) => (key.as_str(), Some(chosen.span)),
                        _ => return Ok(None),
                    }
                }
            };
            if depth == 0 && path.root == "matrix" {
                self.note_matrix(key);
            }
            let goes_on = depth + 1 < path.steps.len();
            node = node
                .get(key)
                .ok_or_else(|| Failure { choice, ..unknown_name(&holder, key, node, goes_on) })?;
            holder = format!("{holder}.{key}");
        }
        Ok(Some(node))
    }

    fn note_matrix(&mut self, key: &str) {
        if self.watches_matrix && !self.matrix_keys.contains(key) {
            self.matrix_keys.insert(key.to_owned());
        }
    }

    fn evaluate(
        &mut self,
        expression: &str,
        node: &Node,
        scope: &Scope<'_>,
    ) -> Result<Value, Failure> {
        let compiled = self.compiled(expression);
        let compiled = compiled.as_ref().as_ref().map_err(|reason| Failure {
            message: format!("the expression is not understood: {reason}"),
            label: "here".to_owned(),
            ..Failure::default()
        })?;
        for name in &compiled.names {
            let mut parts = name.split('.');
            let root = parts.next().unwrap_or_default();
            let node = scope.root(root).ok_or_else(|| unknown_root(root, scope))?;
            let key = parts.next();
            if root == "matrix" {
                self.note_matrix(key.unwrap_or("*"));
            }
            // Only maps: a list or text has methods and items that minijinja knows.
            if let (Some(key), Value::Map(_)) = (key, &node.value)
                && node.get(key).is_none()
                && !is_optional(expression)
            {
                return Err(unknown_name(root, key, node, false));
            }
        }
        let roots = scope.roots.iter().map(|(name, _, value)| (*name, value.clone()));
        let value = compiled.expression.eval(Jinja::from_pairs(roots)).map_err(|error| {
            let reason = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
            Failure {
                message: format!("the expression fails: {reason}"),
                label: "here".to_owned(),
                ..Failure::default()
            }
        })?;
        value_of(&value, node)
    }

    fn compiled(&mut self, expression: &str) -> Rc<Result<Compiled, String>> {
        if let Some(known) = self.compiled.get(expression) {
            return Rc::clone(known);
        }
        let result = ENVIRONMENT
            .compile_expression_owned(expression.to_owned())
            .map(|expression| {
                let mut names: Vec<String> =
                    expression.undeclared_variables(true).into_iter().collect();
                names.sort_unstable();
                names.retain(|name| !is_global(name));
                Compiled { expression, names }
            })
            .map_err(|error| error.detail().unwrap_or("a syntax error").to_owned());
        let result = Rc::new(result);
        self.compiled.insert(expression.to_owned(), Rc::clone(&result));
        result
    }

    /// A value inside a longer text.
    fn words(&mut self, value: &Node, node: &Node) -> Option<String> {
        if let Some(words) = value.value.words() {
            return Some(words);
        }
        let message = format!("{} cannot stand inside a text", value.value.noun());
        let mistake = Diagnostic::error("spec::bad_expression", message)
            .help("use `| join(\" \")`, or make the expression the whole value");
        self.mistakes.push(node.blame(mistake, "filled in here"));
        None
    }
}

/// Why an expression has no value.
#[derive(Default)]
struct Failure {
    message: String,
    label: String,
    help: Option<String>,
    /// Where the value stands that chose what is not there.
    choice: Option<Span>,
}

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment
});

fn is_global(name: &str) -> bool {
    ENVIRONMENT.globals().any(|(global, _)| global == name)
}

/// Whether the expression itself deals with what is missing.
fn is_optional(expression: &str) -> bool {
    expression.contains("default") || expression.contains("defined")
}

enum Piece {
    Words(Range<usize>),
    /// Between `${{` and `}}`.
    Expression(Range<usize>),
}

/// A text cut at its expressions; nothing when one has no end.
fn pieces(text: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut from = 0;
    while let Some(found) = text[from..].find(OPENING) {
        let (start, inner) = (from + found, from + found + OPENING.len());
        let end = inner + end_of(&text[inner..])?;
        if start > from {
            pieces.push(Piece::Words(from..start));
        }
        pieces.push(Piece::Expression(inner..end));
        from = end + "}}".len();
    }
    if from < text.len() {
        pieces.push(Piece::Words(from..text.len()));
    }
    Some(pieces)
}

/// Where the `}}` stands that ends an expression: outside quotes and brackets.
pub(super) fn end_of(text: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0_usize, None);
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match (letter, quote) {
            ('\\', Some(_)) => {
                letters.next();
            }
            ('"' | '\'', None) => quote = Some(letter),
            (_, Some(opened)) => quote = (letter != opened).then_some(opened),
            ('{' | '[' | '(', None) => depth += 1,
            ('}', None) if depth == 0 => return text[at..].starts_with("}}").then_some(at),
            ('}' | ']' | ')', None) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

fn unknown_root(root: &str, scope: &Scope<'_>) -> Failure {
    let known: Vec<&str> = scope.roots.iter().map(|(name, ..)| *name).collect();
    let help = match (root, wording::nearest(root, known.iter().copied())) {
        ("matrix", _) => "only a stage with `matrix` has it".to_owned(),
        (_, Some(nearest)) => format!("did you mean `{nearest}`?"),
        _ => format!("an expression here knows {}", wording::list(&known)),
    };
    Failure {
        message: format!("an expression here knows no `{root}`"),
        label: "no such name".to_owned(),
        help: Some(help),
        choice: None,
    }
}

/// `key` is not among those of `node`; when the path `goes_on` below it, only keys of maps would do.
fn unknown_name(holder: &str, key: &str, node: &Node, goes_on: bool) -> Failure {
    let known: Vec<&str> = match &node.value {
        Value::Map(entries) => entries
            .iter()
            .filter(|(_, value)| !goes_on || matches!(value.value, Value::Map(_)))
            .map(|(key, _)| key.name.as_str())
            .collect(),
        _ => Vec::new(),
    };
    let listed = match known.len() {
        0 if goes_on => format!("`{holder}` has no maps"),
        0 => format!("`{holder}` has no keys"),
        _ => format!("`{holder}` has {}", wording::list(&known)),
    };
    Failure {
        message: format!("`{holder}` has no `{key}`"),
        label: "no such name".to_owned(),
        help: Some(match wording::nearest(key, known) {
            Some(nearest) => format!("did you mean `{nearest}`? {listed}"),
            None => listed,
        }),
        choice: None,
    }
}

/// The expression's own words inside its scalar, when they stand there as they are (no escapes).
fn narrowed(span: Span, expression: &str, sources: &Sources) -> Span {
    match sources.words(span).find(expression) {
        Some(at) => {
            let lead = expression.len() - expression.trim_start().len();
            let offset = |n: usize| span.start + u32::try_from(n).expect("inside a span");
            let (start, end) = (at + lead, at + lead + expression.trim().len());
            Span { source: span.source, start: offset(start), end: offset(end) }
        }
        None => span,
    }
}

/// A node as minijinja sees it.
fn jinja(node: &Node) -> Jinja {
    match &node.value {
        Value::Null => Jinja::from(()),
        Value::Bool(value) => Jinja::from(*value),
        Value::Int(value) => Jinja::from(*value),
        Value::Float(value) => Jinja::from(*value),
        Value::Text(value) => Jinja::from(value.as_str()),
        Value::List(items) => items.iter().map(jinja).collect(),
        Value::Map(entries) => {
            Jinja::from_pairs(entries.iter().map(|(key, node)| (key.name.as_str(), jinja(node))))
        }
    }
}

/// What an expression gave, at the place of `at`; whole numbers beyond 64 bits become floats, as in YAML.
fn value_of(value: &Jinja, at: &Node) -> Result<Value, Failure> {
    let unusable = || Failure {
        message: format!("the expression gives {}", value.kind()),
        label: "this is no value for a pipeline".to_owned(),
        ..Failure::default()
    };
    let float = || f64::try_from(value.clone()).map(Value::Float).map_err(|_| unusable());
    Ok(match value.kind() {
        ValueKind::None => Value::Null,
        ValueKind::Bool => Value::Bool(value.is_true()),
        ValueKind::Number if value.is_integer() => {
            value.as_i64().map_or_else(float, |n| Ok(Value::Int(n)))?
        }
        ValueKind::Number => float()?,
        ValueKind::String => Value::Text(value.as_str().unwrap_or_default().to_owned()),
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter().map_err(|_| unusable())?;
            let node = |item: Jinja| Ok(Node { value: value_of(&item, at)?, ..*at });
            Value::List(items.map(node).collect::<Result<_, _>>()?)
        }
        ValueKind::Map => {
            let mut entries = Vec::new();
            for key in value.try_iter().map_err(|_| unusable())? {
                let item = value.get_item(&key).map_err(|_| unusable())?;
                let key = Key { name: key.to_string(), span: at.span };
                entries.push((key, Node { value: value_of(&item, at)?, ..*at }));
            }
            Value::Map(entries)
        }
        _ => return Err(unusable()),
    })
}
