//! YAML text to nodes, from the events of serde-saphyr's parser.
//!
//! The events, not its `Deserialize`: only they give the place of every key and alias, quoted or plain
//! scalars, and a hold on what aliases expand to. Knows nothing of pipelines but two slips that people
//! make in them (an unquoted expression, an unquoted selection).

use std::collections::HashMap;

use serde_saphyr::granit_parser::{
    ErrorKind, Event, Parser, ScalarStyle, ScanError, Span as ParserSpan, StrInput, Tag, options,
};

use super::expression::{OPENING, end_of};
use super::{Key, Node, Value, scalar};
use crate::diagnostic::Diagnostic;
use crate::span::{SourceId, Span};
use crate::wording;

/// Lists and maps inside each other at most.
const DEPTH_MAX: usize = 64;
/// Values that a file of no size may have; aliases may add as many as the file has bytes.
const VALUES_MIN: usize = 50_000;
/// Values that no file, and no pipeline with all its cells, may exceed: what keeps memory within some
/// hundred megabytes.
pub(super) const VALUES_MAX: usize = 2_000_000;
/// Bytes of text that weigh as much as one value, so that an alias to a long text is no bomb either.
pub(super) const TEXT_BYTES_PER_VALUE: usize = 64;

/// Reads all of `text`, which is `source`.
///
/// Adds mistakes that leave the rest readable (a key twice, an unknown tag) to `mistakes`; no node when
/// the text is no YAML.
pub(super) fn parse(source: SourceId, text: &str, mistakes: &mut Vec<Diagnostic>) -> Option<Node> {
    let mut options = options! { flow_nesting_limit: DEPTH_MAX, block_nesting_limit: DEPTH_MAX };
    options.set_emit_comments(false);
    let budget = VALUES_MIN.saturating_add(text.len()).min(VALUES_MAX);
    let mut reader = TreeReader {
        parser: Parser::new_from_str_with_options(text, options),
        text,
        source,
        anchors: HashMap::new(),
        budget,
        left: budget,
        mistakes,
        path: Vec::new(),
    };
    match reader.document() {
        Ok(node) => Some(node),
        Err(mistake) => {
            mistakes.push(*mistake);
            None
        }
    }
}

/// Boxed, because a diagnostic is large and every step may fail.
type Fatal = Box<Diagnostic>;

struct TreeReader<'t, 'm> {
    parser: Parser<'t, StrInput<'t>>,
    text: &'t str,
    source: SourceId,
    /// Anchored nodes by the parser's number, with their weight.
    anchors: HashMap<usize, (Node, usize)>,
    budget: usize,
    left: usize,
    mistakes: &'m mut Vec<Diagnostic>,
    /// Keys of the two outer maps on the way here; tells a stage that stands twice from another key.
    path: Vec<String>,
}

impl<'t> TreeReader<'t, '_> {
    fn document(&mut self) -> Result<Node, Fatal> {
        let mut node = None;
        loop {
            let (event, span) = self.event()?;
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(..) if node.is_some() => {
                    return Err(Box::new(
                        Diagnostic::error("spec::several_documents", "the file has two documents")
                            .label(self.span(span), "a second one begins here")
                            .help(
                                "take out everything from `---` on, or make it a file of its own",
                            ),
                    ));
                }
                Event::DocumentStart(..) => {
                    let (event, span) = self.event()?;
                    node = Some(self.node(event, span)?);
                }
                // The stream's start and a document's end.
                _ => {}
            }
        }
        let nothing = Node { value: Value::Null, span: self.at(0, 0), used: None };
        Ok(node.unwrap_or(nothing))
    }

    fn event(&mut self) -> Result<(Event<'t>, ParserSpan), Fatal> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(Box::new(self.syntax(&error))),
            None => panic!("BUG: the YAML parser was asked for more after the stream's end"),
        }
    }

    fn node(&mut self, event: Event<'t>, span: ParserSpan) -> Result<Node, Fatal> {
        let before = self.left;
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let at = self.span(span);
                self.spend(1 + text.len() / TEXT_BYTES_PER_VALUE, at)?;
                let value = self.scalar(&text, style, tag.as_deref(), at);
                (Node { value, span: at, used: None }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), "seq", self.span(span));
                (self.list(span)?, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), "map", self.span(span));
                (self.map(span)?, anchor)
            }
            Event::Alias(id) => return self.alias(id, self.span(span)),
            other => panic!("BUG: the YAML parser gave {other:?} where a value stands"),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), before - self.left));
        }
        Ok(node)
    }

    fn list(&mut self, start: ParserSpan) -> Result<Node, Fatal> {
        let mut span = self.span(start);
        self.spend(1, span)?;
        let mut items = Vec::new();
        loop {
            match self.event()? {
                (Event::SequenceEnd, end) => {
                    span.end = self.closing(end, items.last().map(|item: &Node| item.span), span);
                    return Ok(Node { value: Value::List(items), span, used: None });
                }
                (event, at) => items.push(self.node(event, at)?),
            }
        }
    }

    fn map(&mut self, start: ParserSpan) -> Result<Node, Fatal> {
        let mut span = self.span(start);
        self.spend(1, span)?;
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut merged = Vec::new();
        loop {
            let (event, at) = self.event()?;
            if event == Event::MappingEnd {
                span.end = self.closing(at, entries.last().map(|(_, value)| value.span), span);
                break;
            }
            let merges =
                matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
            let key = self.key(event, at)?;
            let (event, at) = self.event()?;
            // Deeper keys cannot be those of a stage.
            let is_outer = self.path.len() < 2;
            if is_outer {
                self.path.push(key.as_ref().map(|key| key.name.clone()).unwrap_or_default());
            }
            let value = self.node(event, at)?;
            if is_outer {
                self.path.pop();
            }
            match key {
                Some(_) if merges => merged.push(value),
                Some(key) => entries.push((key, value)),
                None => {}
            }
        }
        self.drop_repeated(&mut entries);
        self.merge(&mut entries, merged);
        Ok(Node { value: Value::Map(entries), span, used: None })
    }

    fn key(&mut self, event: Event<'t>, at: ParserSpan) -> Result<Option<Key>, Fatal> {
        let span = self.span(at);
        match event {
            Event::Scalar(text, ..) => {
                self.spend(text.len() / TEXT_BYTES_PER_VALUE, span)?;
                Ok(Some(Key { name: text.into_owned(), span }))
            }
            other => {
                let node = self.node(other, at)?;
                if let Value::Text(name) = node.value {
                    return Ok(Some(Key { name, span }));
                }
                self.mistakes.push(
                    Diagnostic::error("spec::bad_key", format!("{} as a key", node.value.noun()))
                        .label(node.span, "keys are plain text"),
                );
                Ok(None)
            }
        }
    }

    /// Keeps the first of keys that stand twice.
    fn drop_repeated(&mut self, entries: &mut Vec<(Key, Node)>) {
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by(|&a, &b| entries[a].0.name.cmp(&entries[b].0.name).then(a.cmp(&b)));
        let mut repeated = Vec::new();
        let mut first = 0;
        for at in 1..order.len() {
            let (a, b) = (&entries[order[first]].0, &entries[order[at]].0);
            if a.name != b.name {
                first = at;
                continue;
            }
            repeated.push(order[at]);
            let is_stage = self.path.len() == 1 && self.path[0] == "stages";
            let (code, message, help) = if is_stage {
                let message = format!("two stages are called `{}`", a.name);
                ("spec::duplicate_stage", message, "rename one of them")
            } else {
                let message = format!("key `{}` stands twice", a.name);
                ("spec::duplicate_key", message, "take one of them out")
            };
            self.mistakes.push(
                Diagnostic::error(code, message)
                    .label(b.span, "again here")
                    .label(a.span, "first here")
                    .help(help),
            );
        }
        repeated.sort_unstable();
        for index in repeated.into_iter().rev() {
            entries.remove(index);
        }
    }

    /// Adds what `<<` names, where the map does not say it itself.
    fn merge(&mut self, entries: &mut Vec<(Key, Node)>, merged: Vec<Node>) {
        for node in merged {
            let span = node.span;
            match node.value {
                Value::Map(base) => {
                    for (key, value) in base {
                        if !entries.iter().any(|(known, _)| known.name == key.name) {
                            entries.push((key, value));
                        }
                    }
                }
                Value::List(items) => self.merge(entries, items),
                other => self.mistakes.push(
                    Diagnostic::error("spec::bad_merge", "`<<` takes a map or a list of maps")
                        .label(span, format!("this is {}", other.noun())),
                ),
            }
        }
    }

    fn alias(&mut self, id: usize, at: Span) -> Result<Node, Fatal> {
        let Some((node, weight)) = self.anchors.get(&id) else {
            return Err(Box::new(
                Diagnostic::error("spec::bad_alias", "an alias stands inside what it names")
                    .label(at, "contains itself"),
            ));
        };
        let (mut node, weight) = (node.clone(), *weight);
        self.spend(weight, at)?;
        node.mark_used(at);
        Ok(node)
    }

    fn spend(&mut self, weight: usize, at: Span) -> Result<(), Fatal> {
        if let Some(left) = self.left.checked_sub(weight) {
            self.left = left;
            return Ok(());
        }
        let most = wording::thousands(self.budget as u64);
        Err(Box::new(
            Diagnostic::error("spec::too_many_values", "the file expands to too many values")
                .label(at, format!("more than {most} with this"))
                .help("use fewer aliases of aliases; a matrix gives many stages from one"),
        ))
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, at: Span) -> Value {
        let plain = match style {
            ScalarStyle::Plain => scalar::resolve(text),
            _ => Value::Text(text.to_owned()),
        };
        match tag.and_then(Tag::core_suffix) {
            _ if tag.is_none() => plain,
            Some("str") => Value::Text(text.to_owned()),
            Some("int" | "float" | "bool" | "null") => scalar::resolve(text),
            _ => {
                self.refuse_tag(tag, "str", at);
                plain
            }
        }
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, allowed: &str, at: Span) {
        let Some(tag) = tag.filter(|tag| tag.core_suffix() != Some(allowed)) else { return };
        self.mistakes.push(
            Diagnostic::error(
                "spec::unknown_tag",
                format!("tag `{}` means nothing", tag.original()),
            )
            .label(at, "tagged")
            .help("take the tag away"),
        );
    }

    fn span(&self, span: ParserSpan) -> Span {
        let range = span.byte_range().unwrap_or_default();
        // A block scalar's span runs into the next line's indentation.
        let words = self.text.get(range.clone()).unwrap_or_default();
        self.at(range.start, range.start + words.trim_end().len())
    }

    fn at(&self, start: usize, end: usize) -> Span {
        let offset = |n| u32::try_from(n).expect("files above 16 MiB were refused");
        Span { source: self.source, start: offset(start), end: offset(end) }
    }

    /// Where a list or map ends: at its bracket, or else with its last value.
    fn closing(&self, end: ParserSpan, last: Option<Span>, whole: Span) -> u32 {
        let end = self.span(end);
        match last {
            _ if end.start < end.end => end.end,
            Some(last) if last.source == whole.source => last.end.max(whole.end),
            _ => whole.end,
        }
    }

    fn syntax(&self, error: &ScanError) -> Diagnostic {
        let at = error.marker().byte_offset().unwrap_or(0).min(self.text.len());
        let width = self.text[at..].chars().next().map_or(0, char::len_utf8);
        let span = self.at(at, at + width);
        let before = &self.text[..at];
        if let Some(expression) = self.unquoted_expression(at) {
            return expression;
        }
        if let Some(selection) = self.unquoted_selection(at) {
            return selection;
        }
        let line = &self.text[before.rfind('\n').map_or(0, |n| n + 1)..];
        let indent = &line[..line.len() - line.trim_start().len()];
        if indent.contains('\t') || self.text[at..].starts_with('\t') {
            return Diagnostic::error("spec::tab", "a tab stands in the indentation")
                .label(span, "here")
                .help("YAML is indented with spaces only");
        }
        let (message, help) = explain(error);
        let diagnostic = Diagnostic::error("spec::syntax", message).label(span, "here");
        match help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        }
    }

    /// `${{ … }}` without quotes where YAML reads its braces or colons as its own.
    fn unquoted_expression(&self, at: usize) -> Option<Diagnostic> {
        let line = self.text[..at].rfind('\n').map_or(0, |n| n + 1);
        // The parser stops behind the dollar, or at a colon further in.
        let dollar =
            line + self.text[line..self.text.floor_char_boundary(at + 2)].rfind(OPENING)?;
        let inner = dollar + OPENING.len();
        let end = inner + end_of(&self.text[inner..])? + "}}".len();
        let is_flow = at == dollar + 1;
        let is_one_line = !self.text[dollar..end].contains('\n');
        (at < end && is_one_line).then(|| {
            let message = if is_flow {
                "an expression inside `{}` or `[]` needs quotes"
            } else {
                "an expression with `:` in it needs quotes"
            };
            let line = self.quoted_line(dollar, end);
            Diagnostic::error("spec::unquoted_expression", message)
                .label(self.at(dollar, end), "quotes around this")
                .help(format!("write: {line}"))
        })
    }

    /// `search[*]` without quotes inside `{}` or `[]`.
    fn unquoted_selection(&self, at: usize) -> Option<Diagnostic> {
        let rest = self.text[at..].strip_prefix('[')?;
        let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        let start = self.text[..at].trim_end_matches(is_name).len();
        let end = at + 1 + rest[..rest.find('\n').unwrap_or(rest.len())].find(']')? + 1;
        let output = self.text[end..].strip_prefix('.').unwrap_or_default();
        let output = output.len() - output.trim_start_matches(is_name).len();
        let end = if output > 0 { end + 1 + output } else { end };
        (start < at).then(|| {
            let line = self.quoted_line(start, end);
            Diagnostic::error(
                "spec::unquoted_selection",
                "a selection inside `{}` or `[]` needs quotes",
            )
            .label(self.at(start, end), "quotes around this")
            .help(format!("write: {line}"))
        })
    }

    /// The line around a range, with quotes around the range.
    fn quoted_line(&self, start: usize, end: usize) -> String {
        let from = self.text[..start].rfind('\n').map_or(0, |n| n + 1);
        let to = self.text[end..].find('\n').map_or(self.text.len(), |n| end + n);
        let (before, words, after) =
            (&self.text[from..start], &self.text[start..end], &self.text[end..to]);
        let quote = if words.contains('"') { '\'' } else { '"' };
        format!("{}{quote}{words}{quote}{}", before.trim_start(), after.trim_end())
    }
}

/// The parser's complaint in our words, and what to do.
fn explain(error: &ScanError) -> (String, Option<&'static str>) {
    let (message, help) = match error.kind() {
        ErrorKind::MappingValueNotAllowed => (
            "`:` cannot stand here",
            "check the indentation of this line and the one above; text with `: ` in it needs quotes",
        ),
        ErrorKind::SimpleKeyExpected | ErrorKind::ExpectedBlockMappingKey => {
            ("a key with `:` was expected", "keys of one map start in one column")
        }
        ErrorKind::ExpectedFlowMappingSeparator => ("`,` or `}` was expected", "close the `{`"),
        ErrorKind::ExpectedFlowSequenceSeparator => ("`,` or `]` was expected", "close the `[`"),
        ErrorKind::InvalidColonPlacement => {
            ("`:` cannot stand here", "close the `[` or `{` before this line")
        }
        ErrorKind::UnclosedQuotedScalar => ("the quote is never closed", "add the closing quote"),
        ErrorKind::UnknownAnchor => (
            "no anchor has this name",
            "define it before with `&name`, or quote text that begins with `*`",
        ),
        ErrorKind::UnexpectedCharacter { character } => {
            return (format!("`{character}` cannot begin a value"), Some("put the text in quotes"));
        }
        ErrorKind::RecursionLimitExceeded => {
            ("lists and maps stand too deep inside each other", "64 levels are the most")
        }
        ErrorKind::InvalidIndentation => ("the indentation fits no line above", "align it"),
        _ => return (format!("this is no YAML: {error_text}", error_text = error.kind()), None),
    };
    (message.to_owned(), Some(help))
}

#[cfg(test)]
mod tests;
