//! The check: walks a node and a shape together and collects every mistake.
//!
//! Reports; never reads values into types.

use std::fmt;

use super::shape::{Fields, Lengths, List, Range, Shape, Shapes, TAG, choose, names};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use crate::spec::{Node, Value};
use crate::wording;

/// Keys listed in a help text at most.
const KEYS_LISTED_MAX: usize = 16;

/// Every mistake in `node`, in the order of the walk.
pub(super) fn check(shapes: &Shapes, node: &Node) -> Vec<Diagnostic> {
    let mut check = Check { shapes, mistakes: Vec::new() };
    check.node(&shapes.root, node, &Place::Root);
    check.mistakes
}

/// Where in the tree the walk is, for messages: `budget.trials`, `filters[2]`.
#[derive(Clone, Copy)]
enum Place<'p> {
    Root,
    /// Under a key, which stands at a span.
    Key(&'p Place<'p>, &'p str, Span),
    Item(&'p Place<'p>, usize),
}

impl Place<'_> {
    fn is_root(&self) -> bool {
        matches!(self, Self::Root)
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(Self::Root, name, _) => f.write_str(name),
            Self::Key(parent, name, _) => write!(f, "{parent}.{name}"),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

struct Check<'s> {
    shapes: &'s Shapes,
    mistakes: Vec<Diagnostic>,
}

impl Check<'_> {
    fn node(&mut self, shape: &Shape, node: &Node, place: &Place<'_>) {
        match (self.shapes.follow(shape), &node.value) {
            (Shape::Anything, _) | (Shape::Null, Value::Null) | (Shape::Bool, Value::Bool(_)) => {}
            (Shape::Number(range), Value::Int(_) | Value::Float(_)) => {
                self.number(range, node, place);
            }
            (Shape::Text(lengths, _), Value::Text(text)) => self.text(*lengths, text, node, place),
            (Shape::Words(words), Value::Text(text)) => self.word(words, text, node, place),
            (Shape::List(list), Value::List(items)) => self.list(list, items, node, place),
            (Shape::Fields(fields), Value::Map(_)) => self.fields(fields, node, place, None),
            (Shape::Tagged(kinds), Value::Map(_) | Value::Text(_)) => {
                self.tagged(kinds, node, place);
            }
            (Shape::Choice(shapes), _) => self.choice(shapes, node, place),
            (expected, _) => self.wrong_type(expected, node, place),
        }
    }

    fn number(&mut self, range: &Range, node: &Node, place: &Place<'_>) {
        let value = match node.value {
            Value::Float(value) if range.whole && value.fract() != 0.0 => {
                return self.wrong_type(&Shape::Number(*range), node, place);
            }
            Value::Float(value) => value,
            #[expect(clippy::cast_precision_loss, reason = "only compared with a range's ends")]
            Value::Int(value) => value as f64,
            _ => return,
        };
        let low = range.min.is_some_and(|b| value < b.value || (b.exclusive && value <= b.value));
        let high = range.max.is_some_and(|b| value > b.value || (b.exclusive && value >= b.value));
        let limits = match range.to_string() {
            _ if !(low || high || value.is_nan()) => match beyond(range, &node.value) {
                Some(limits) => limits,
                None => return,
            },
            limits if limits.is_empty() => "a number".to_owned(),
            limits => limits,
        };
        let message = format!("{} is {}, but must be {limits}", subject(place), number(value));
        self.mistake("spec::out_of_range", message, node).put(format!("must be {limits}"));
    }

    fn text(&mut self, lengths: Lengths, text: &str, node: &Node, place: &Place<'_>) {
        let length = text.chars().count();
        if length < lengths.min || lengths.max.is_some_and(|max| length > max) {
            let message = match length {
                0 => format!("{} is empty", subject(place)),
                _ => format!("{} has {}", subject(place), wording::count(length, "character")),
            };
            self.mistake("spec::wrong_length", message, node).put(said(lengths, "character"));
        }
    }

    fn word(&mut self, words: &[String], text: &str, node: &Node, place: &Place<'_>) {
        if words.iter().any(|word| word == text) {
            return;
        }
        self.mistake("spec::unknown_word", format!("{} cannot be `{text}`", subject(place)), node)
            .help(suggest(text, words))
            .put("no such word");
    }

    fn list(&mut self, list: &List, items: &[Node], node: &Node, place: &Place<'_>) {
        let lengths = list.lengths;
        if items.len() < lengths.min || lengths.max.is_some_and(|max| items.len() > max) {
            let count = wording::count(items.len(), "item");
            let message = format!("{} has {count}", subject(place));
            self.mistake("spec::wrong_length", message, node).put(said(lengths, "item"));
        }
        for (index, item) in items.iter().enumerate() {
            let shape = list.first.get(index).unwrap_or(&list.item);
            self.node(shape, item, &Place::Item(place, index));
        }
    }

    /// Checks a map; `tag` holds the chosen kind and its siblings when `kind` is not one of its fields.
    fn fields(
        &mut self,
        fields: &Fields,
        node: &Node,
        place: &Place<'_>,
        tag: Option<&Chosen<'_>>,
    ) {
        let Value::Map(entries) = &node.value else { return };
        for (key, value) in entries.iter().filter(|(key, _)| tag.is_none() || key.name != TAG) {
            let place = Place::Key(place, &key.name, key.span);
            if let Some((_, shape)) = fields.known.iter().find(|(name, _)| *name == key.name) {
                self.node(shape, value, &place);
            } else if let Some(shape) = &fields.others {
                self.node(shape, value, &place);
            } else {
                let Place::Key(parent, ..) = place else { continue };
                self.unknown_key(fields, &key.name, key.span, value, parent, tag);
            }
        }
        self.missing_keys(fields, node, place, tag);
    }

    fn unknown_key(
        &mut self,
        fields: &Fields,
        key: &str,
        span: Span,
        value: &Node,
        parent: &Place<'_>,
        tag: Option<&Chosen<'_>>,
    ) {
        let holder = match (parent.is_root(), tag) {
            (_, Some(chosen)) => format!(" of `{}`", chosen.kind),
            (true, None) => String::new(),
            (false, None) => format!(" in `{parent}`"),
        };
        let known = names(&fields.known);
        let help = match tag.and_then(|chosen| chosen.owner_of(key)) {
            Some(owner) if wording::nearest(key, known.iter().copied()).is_none() => {
                format!("`{key}` is a key of kind `{owner}`; {}", keys_listed(&known))
            }
            _ => match wording::nearest(key, known.iter().copied()) {
                Some(nearest) => format!("did you mean `{nearest}`? {}", keys_listed(&known)),
                None => keys_listed(&known),
            },
        };
        let place = Node { value: Value::Null, span, used: value.used };
        self.mistake("spec::unknown_key", format!("unknown key `{key}`{holder}"), &place)
            .help(help)
            .put("no such key");
    }

    fn missing_keys(
        &mut self,
        fields: &Fields,
        node: &Node,
        place: &Place<'_>,
        tag: Option<&Chosen<'_>>,
    ) {
        let missing: Vec<&str> = fields
            .required
            .iter()
            .map(String::as_str)
            .filter(|name| node.get(name).is_none())
            .collect();
        for name in missing {
            let shape =
                fields.known.iter().find(|(known, _)| known == name).map(|(_, shape)| shape);
            let wanted = shape.map_or_else(|| "a value".to_owned(), |s| self.shapes.describe(s));
            let message = match (tag, place.is_root()) {
                (Some(chosen), _) => format!("`{}` needs `{name}`", chosen.kind),
                (None, true) => format!("`{name}` is missing"),
                (None, false) => format!("`{place}` needs `{name}`"),
            };
            let at = Node { value: Value::Null, span: handle(node, place), used: node.used };
            self.mistake("spec::missing_key", message, &at)
                .help(format!("add `{name}:` with {wanted}"))
                .put(format!("has no `{name}`"));
        }
    }

    fn tagged(&mut self, kinds: &[(String, Shape)], node: &Node, place: &Place<'_>) {
        let all = names(kinds);
        let Some(tag) = (if let Value::Text(_) = node.value { Some(node) } else { node.get(TAG) })
        else {
            let at = Node { value: Value::Null, span: handle(node, place), used: node.used };
            self.mistake("spec::missing_key", format!("{} needs `{TAG}`", subject(place)), &at)
                .help(format!("add `{TAG}:` with {}", choose(&all)))
                .put(format!("has no `{TAG}`"));
            return;
        };
        let Value::Text(name) = &tag.value else {
            return self.wrong_type(
                &Shape::Words(all.into_iter().map(str::to_owned).collect()),
                tag,
                place,
            );
        };
        let Some((_, Shape::Fields(fields))) = kinds.iter().find(|(kind, _)| kind == name) else {
            self.mistake(
                "spec::unknown_kind",
                format!("{} has no kind `{name}`", subject(place)),
                tag,
            )
            .help(suggest(name, &all))
            .put("no such kind");
            return;
        };
        let chosen = Chosen { kind: name, kinds };
        if let Value::Text(_) = node.value {
            self.missing_keys(fields, node, place, Some(&chosen));
        } else {
            self.fields(fields, node, place, Some(&chosen));
        }
    }

    /// Reports the mistakes of the alternative that the node comes nearest to.
    fn choice(&mut self, shapes: &[Shape], node: &Node, place: &Place<'_>) {
        let alike: Vec<&Shape> =
            shapes.iter().filter(|shape| self.is_alike(shape, &node.value)).collect();
        if alike.is_empty() {
            return self.wrong_type(&Shape::Choice(shapes.to_vec()), node, place);
        }
        let mistakes = alike.into_iter().map(|shape| {
            let mut check = Check { shapes: self.shapes, mistakes: Vec::new() };
            check.node(shape, node, place);
            check.mistakes
        });
        self.mistakes.extend(mistakes.min_by_key(Vec::len).unwrap_or_default());
    }

    /// Whether `value` is of the shape's basic type.
    fn is_alike(&self, shape: &Shape, value: &Value) -> bool {
        match self.shapes.follow(shape) {
            Shape::Anything => true,
            Shape::Null => *value == Value::Null,
            Shape::Bool => matches!(value, Value::Bool(_)),
            Shape::Number(_) => matches!(value, Value::Int(_) | Value::Float(_)),
            Shape::Text(..) | Shape::Words(_) => matches!(value, Value::Text(_)),
            Shape::List(_) => matches!(value, Value::List(_)),
            Shape::Fields(_) => matches!(value, Value::Map(_)),
            Shape::Tagged(_) => matches!(value, Value::Map(_) | Value::Text(_)),
            Shape::Choice(shapes) => shapes.iter().any(|shape| self.is_alike(shape, value)),
            Shape::Named(_) => false,
        }
    }

    fn wrong_type(&mut self, expected: &Shape, node: &Node, place: &Place<'_>) {
        let wanted = self.shapes.describe(expected);
        let found = match &node.value {
            Value::Float(value) => number(*value),
            Value::Text(text) if text.chars().count() <= 40 => format!("the text `{text}`"),
            other => other.noun().to_owned(),
        };
        let message = format!("{} must be {wanted}, not {found}", subject(place));
        let help = remedy(expected, &node.value);
        let multi_line = matches!(node.value, Value::List(_) | Value::Map(_));
        let span = if multi_line { handle(node, place) } else { node.span };
        let at = Node { value: Value::Null, span, used: node.used };
        let mut mistake = self.mistake("spec::wrong_type", message, &at);
        if let Some(help) = help {
            mistake = mistake.help(help);
        }
        mistake.put(format!("expected {wanted}"));
    }

    fn mistake<'m>(
        &'m mut self,
        code: &'static str,
        message: String,
        node: &'m Node,
    ) -> Mistake<'m> {
        Mistake { list: &mut self.mistakes, diagnostic: Diagnostic::error(code, message), node }
    }
}

/// A mistake that still lacks the words under its place.
struct Mistake<'m> {
    list: &'m mut Vec<Diagnostic>,
    diagnostic: Diagnostic,
    node: &'m Node,
}

impl Mistake<'_> {
    fn help(mut self, help: String) -> Self {
        self.diagnostic = self.diagnostic.help(help);
        self
    }

    fn put(self, label: impl Into<String>) {
        self.list.push(self.node.blame(self.diagnostic, label));
    }
}

/// The kind that was chosen, among its siblings.
struct Chosen<'c> {
    kind: &'c str,
    kinds: &'c [(String, Shape)],
}

impl Chosen<'_> {
    /// Another kind that has `key`.
    fn owner_of(&self, key: &str) -> Option<&str> {
        self.kinds.iter().find_map(|(kind, shape)| match shape {
            Shape::Fields(fields) if names(&fields.known).contains(&key) => Some(kind.as_str()),
            _ => None,
        })
    }
}

/// The place as a sentence's subject.
fn subject(place: &Place<'_>) -> String {
    if place.is_root() { "the value".to_owned() } else { format!("`{place}`") }
}

/// One line that stands for a map or list: its key, or its first key.
fn handle(node: &Node, place: &Place<'_>) -> Span {
    match (place, &node.value) {
        (Place::Key(_, _, span), _) if node.used.is_none() || span.source == node.span.source => {
            *span
        }
        (_, Value::Map(entries)) => entries.first().map_or(node.span, |(key, _)| key.span),
        _ => node.span,
    }
}

/// What the integer type holds, when `value` is beyond it.
fn beyond(range: &Range, value: &Value) -> Option<String> {
    let (low, high) = range.holds?;
    match *value {
        Value::Int(n) if i128::from(n) < low => Some(format!("at least {low}")),
        Value::Int(n) if i128::from(n) > high => Some(format!("at most {high}")),
        // Beyond 2^53 a float no longer says which whole number was meant.
        Value::Float(n) if n.abs() > 9_007_199_254_740_992.0 => {
            Some("small enough to be exact".to_owned())
        }
        Value::Float(n) if n < 0.0 && low == 0 => Some("at least 0".to_owned()),
        #[expect(clippy::cast_precision_loss, reason = "only compared")]
        Value::Float(n) if n > high as f64 => Some(format!("at most {high}")),
        _ => None,
    }
}

/// A number as people write it: `20`, `0.5`, `1e300`.
fn number(value: f64) -> String {
    if value.abs() < 1e15 { format!("{value}") } else { format!("{value:?}") }
}

/// What to do about a value of the wrong type, when its form tells.
fn remedy(expected: &Shape, found: &Value) -> Option<String> {
    let quotes = |value: &dyn fmt::Display| Some(format!("put it in quotes: \"{value}\""));
    match (expected, found) {
        (Shape::Text(_, None), Value::Int(value)) => quotes(value),
        (Shape::Text(_, None), Value::Float(value)) => quotes(value),
        (Shape::Text(_, None), Value::Bool(value)) => quotes(value),
        (Shape::Number(_), Value::Text(text)) if text.parse::<f64>().is_ok() => {
            Some(format!("take the quotes away: {text}"))
        }
        (Shape::Bool, Value::Text(text)) => match text.to_lowercase().as_str() {
            "yes" | "on" | "y" => Some("write `true`".to_owned()),
            "no" | "off" | "n" => Some("write `false`".to_owned()),
            _ => None,
        },
        (_, Value::Null) => Some("give it a value, or take the key out".to_owned()),
        (Shape::List(_), Value::Map(_)) => Some("write its items with `- `".to_owned()),
        (Shape::List(_), _) => Some("put it in brackets: `[…]`".to_owned()),
        _ => None,
    }
}

/// `must have 2 items`, `must have at least 1 item`.
fn said(lengths: Lengths, noun: &str) -> String {
    match lengths.max {
        Some(max) if max == lengths.min => format!("must have {}", wording::count(max, noun)),
        Some(max) if lengths.min == 0 => {
            format!("must have at most {}", wording::count(max, noun))
        }
        Some(max) => format!("must have {} to {}", lengths.min, wording::count(max, noun)),
        None => format!("must have at least {}", wording::count(lengths.min, noun)),
    }
}

fn suggest<T: AsRef<str>>(word: &str, words: &[T]) -> String {
    let choice = format!("choose {}", choose(words));
    match wording::nearest(word, words.iter().map(AsRef::as_ref)) {
        Some(nearest) => format!("did you mean `{nearest}`? {choice}"),
        None => choice,
    }
}

fn keys_listed(known: &[&str]) -> String {
    match known.len() {
        0 => "no key may stand here".to_owned(),
        1..=KEYS_LISTED_MAX => format!("its keys are {}", wording::list(known)),
        n => {
            let shown = known[..KEYS_LISTED_MAX].iter().map(|k| format!("`{k}`"));
            let shown: Vec<String> = shown.collect();
            format!("its keys are {} and {} more", shown.join(", "), n - KEYS_LISTED_MAX)
        }
    }
}
