//! Diagnostics: a mistake in a pipeline as a fact with an address.
//!
//! Every check returns these; only `cli` renders them. A code such as `spec::unknown_stage` is stable.

use std::fmt;

use crate::span::{Sources, Span};

/// How much a diagnostic weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Nothing runs.
    Error,
    /// It runs, but a person should know.
    Warning,
}

/// Words in a source and what is to be said of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The words.
    pub span: Span,
    /// What stands under them; may be empty.
    pub text: String,
}

/// One mistake: what, where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code, `room::mistake`.
    pub code: &'static str,
    /// Error or warning.
    pub severity: Severity,
    /// A lower-case fragment without full stop, names in backticks.
    pub message: String,
    /// The first is the use; a second says where the value came from (preset, base, `-p`).
    pub labels: Vec<Label>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error with nothing but its words; add labels and help.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            labels: Vec::new(),
            help: None,
        }
    }

    /// A warning with nothing but its words.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Puts `text` under the words at `span`.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Sorts diagnostics by the place of their first label and drops repetitions: a thousand cells of one
/// matrix make the same mistake once.
#[must_use]
pub fn in_file_order(mut list: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let place = |diagnostic: &Diagnostic| diagnostic.labels.first().map(|label| label.span);
    list.sort_by_key(place);
    let mut kept: Vec<Diagnostic> = Vec::with_capacity(list.len());
    for diagnostic in list {
        let same = kept.iter().rev().take_while(|known| place(known) == place(&diagnostic));
        if !same.into_iter().any(|known| *known == diagnostic) {
            kept.push(diagnostic);
        }
    }
    kept
}

/// All diagnostics of one load, in the order of the file, with the texts that they point into.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    /// The mistakes.
    pub list: Vec<Diagnostic>,
    /// The texts.
    pub sources: Sources,
}

impl Diagnostics {
    /// Whether anything keeps the pipeline from running.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

impl fmt::Display for Diagnostics {
    /// One line each, `file:line:column: message`; `cli` has the full rendering.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnostic in &self.list {
            if let Some(label) = diagnostic.labels.first() {
                let (line, column) = self.sources.position(label.span);
                let name = &self.sources.get(label.span.source).name;
                write!(f, "{name}:{line}:{column}: ")?;
            }
            writeln!(f, "{}", diagnostic.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_mistakes_are_told_once_in_the_order_of_the_file() {
        let source = Sources::default().add("a.yaml", "");
        let at = |start| Span { source, start, end: start + 1 };
        let mistake =
            |message: &str, start| Diagnostic::error("a::b", message).label(at(start), "");
        let list = vec![
            mistake("late", 9),
            mistake("early", 1),
            mistake("late", 9),
            mistake("other", 9),
            mistake("late", 9),
            Diagnostic::error("a::b", "nowhere"),
        ];
        let messages: Vec<String> = in_file_order(list).into_iter().map(|d| d.message).collect();
        assert_eq!(messages, ["nowhere", "early", "late", "other"]);
    }
}
