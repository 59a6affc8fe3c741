//! Findings: the diagnostics of a study, each once, in the order of the file.

use std::collections::HashSet;

use crate::diagnostic::{Diagnostic, Severity};
use crate::span::Span;

/// Collects diagnostics. The hundred cells of a matrix stage make the same mistake under the same
/// words; it is told once.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<Diagnostic>,
    seen: HashSet<(&'static str, Vec<Span>, String)>,
}

impl Findings {
    /// Takes a mistake whose words decide whether it is another one: values differ from cell to cell.
    pub(super) fn add(&mut self, diagnostic: Diagnostic) {
        let message = diagnostic.message.clone();
        self.add_as(diagnostic, message);
    }

    /// Takes a mistake that is the same wherever its labels are the same.
    pub(super) fn add_once(&mut self, diagnostic: Diagnostic) {
        self.add_as(diagnostic, String::new());
    }

    fn add_as(&mut self, diagnostic: Diagnostic, message: String) {
        let spans = diagnostic.labels.iter().map(|label| label.span).collect();
        if self.seen.insert((diagnostic.code, spans, message)) {
            self.list.push(diagnostic);
        }
    }

    /// Whether anything found so far keeps the pipeline from running.
    pub(super) fn has_errors(&self) -> bool {
        self.list.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// All of them, in the order of the files' words.
    pub(super) fn sorted(mut self) -> Vec<Diagnostic> {
        self.list.sort_by_key(|diagnostic| {
            diagnostic.labels.first().map(|label| (label.span.source, label.span.start))
        });
        self.list
    }
}
