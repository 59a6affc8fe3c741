//! Diagnostics for people (drawn by miette) and for editors (JSON).
//!
//! Draws what it is given; finds no mistakes.

use std::fmt;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode, ThemeCharacters,
    ThemeStyles,
};
use serde_json::json;

use crate::diagnostic::{Diagnostic, Diagnostics, Label, Severity};
use crate::span::{SourceId, Sources};
use crate::wording;

/// All diagnostics as text for a terminal `width` columns wide, and a last line that counts them.
///
/// Colours and box drawing where `color` is wanted, plain ASCII elsewhere.
#[must_use]
pub fn render(diagnostics: &Diagnostics, color: bool, width: usize) -> String {
    let theme = if color {
        GraphicalTheme { characters: ThemeCharacters::unicode(), styles: ThemeStyles::ansi() }
    } else {
        GraphicalTheme { characters: ThemeCharacters::ascii(), styles: ThemeStyles::none() }
    };
    let mut handler = GraphicalReportHandler::new_themed(theme)
        .with_width(width)
        .with_links(false)
        .with_wrap_lines(true);
    if !color {
        handler = handler.without_syntax_highlighting();
    }
    let mut text = String::new();
    for diagnostic in &diagnostics.list {
        for part in parts(diagnostic, &diagnostics.sources) {
            let mut drawn = String::new();
            handler.render_report(&mut drawn, &part).expect("writing to a string cannot fail");
            text.push_str(if part.code.is_some() { &drawn } else { without_message(&drawn) });
        }
        text.push('\n');
    }
    text + &summary(diagnostics)
}

/// `2 errors, 1 warning`.
fn summary(diagnostics: &Diagnostics) -> String {
    let count = |severity| diagnostics.list.iter().filter(|d| d.severity == severity).count();
    let parts = [(count(Severity::Error), "error"), (count(Severity::Warning), "warning")];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, noun)| wording::count(count, noun))
        .collect();
    if parts.is_empty() { String::new() } else { parts.join(", ") + "\n" }
}

/// All diagnostics for an editor: an array of objects with `file`, `line`, `column`, `end_line`,
/// `end_column` (from 1, in characters), `code`, `severity`, `message`, `label`, `labels` and `help`.
#[must_use]
pub fn to_json(diagnostics: &Diagnostics) -> serde_json::Value {
    diagnostics.list.iter().map(|diagnostic| entry(diagnostic, &diagnostics.sources)).collect()
}

fn entry(diagnostic: &Diagnostic, sources: &Sources) -> serde_json::Value {
    let mut entry = match diagnostic.labels.first() {
        Some(label) => place(label, sources),
        None => json!({"file": null}),
    };
    entry["code"] = json!(diagnostic.code);
    entry["severity"] = json!(match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    });
    entry["message"] = json!(diagnostic.message);
    entry["labels"] = diagnostic.labels.iter().map(|label| place(label, sources)).collect();
    entry["help"] = json!(diagnostic.help);
    entry
}

fn place(label: &Label, sources: &Sources) -> serde_json::Value {
    let (line, column) = sources.position(label.span);
    let end = crate::span::Span { start: label.span.end, ..label.span };
    let (end_line, end_column) = sources.position(end);
    json!({
        "file": sources.get(label.span.source).name,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
        "label": label.text,
    })
}

/// One source of a diagnostic as miette draws it: miette knows one source a report.
struct Part<'d> {
    message: &'d str,
    /// Nothing but in the first part.
    code: Option<&'d str>,
    severity: miette::Severity,
    /// Nothing but in the last part, so that it ends the diagnostic.
    help: Option<&'d str>,
    labels: Vec<&'d Label>,
    source: Option<NamedSource<String>>,
}

/// A diagnostic cut by the sources of its labels.
fn parts<'d>(diagnostic: &'d Diagnostic, sources: &Sources) -> Vec<Part<'d>> {
    let mut parts: Vec<(SourceId, Part<'d>)> = Vec::new();
    let part = |source| Part {
        message: &diagnostic.message,
        code: None,
        severity: match diagnostic.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        },
        help: None,
        labels: Vec::new(),
        source,
    };
    for label in &diagnostic.labels {
        let id = label.span.source;
        if let Some((_, part)) = parts.iter_mut().find(|(source, _)| *source == id) {
            part.labels.push(label);
        } else {
            let labels = vec![label];
            parts.push((id, Part { labels, ..part(Some(named(id, sources))) }));
        }
    }
    let mut parts: Vec<Part<'d>> = parts.into_iter().map(|(_, part)| part).collect();
    if parts.is_empty() {
        parts.push(part(None));
    }
    parts[0].code = Some(diagnostic.code);
    if let Some(last) = parts.last_mut() {
        last.help = diagnostic.help.as_deref();
    }
    parts
}

/// What miette drew below the message, which the first part says.
fn without_message(drawn: &str) -> &str {
    let snippet = drawn.lines().find(|line| line.contains(",-[") || line.contains("╭─["));
    match snippet.and_then(|line| drawn.find(line)) {
        Some(at) => &drawn[at..],
        None => drawn,
    }
}

fn named(source: SourceId, sources: &Sources) -> NamedSource<String> {
    let source = sources.get(source);
    NamedSource::new(&source.name, source.text.to_string())
}

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)
    }
}

impl fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)
    }
}

impl std::error::Error for Part<'_> {}

impl miette::Diagnostic for Part<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.code.map(|code| Box::new(code) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let labels = self
            .labels
            .iter()
            .map(|label| LabeledSpan::new_with_span(Some(label.text.clone()), label.span.range()));
        Some(Box::new(labels))
    }
}
