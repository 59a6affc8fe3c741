//! Spans: where in which file a word stands.
//!
//! Knows nothing of YAML; a span is only an address into a text that was read.

use std::ops::Range;
use std::sync::Arc;

/// Which of the texts in a [`Sources`] a span points into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(u32);

/// A range of bytes in one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The text that the range is in.
    pub source: SourceId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The range as offsets into the source's text.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// One text that was read: a file, a preset shipped in the binary, or a `-p` on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name as people know it: a path relative to the project, `-p`, `preset NAME (built in)`.
    pub name: String,
    /// All of it.
    pub text: Arc<str>,
}

/// Every text that formed a pipeline.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources(Vec<Source>);

impl Sources {
    /// Takes a text in and returns its address.
    ///
    /// # Panics
    /// When four thousand million sources were read.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<Arc<str>>) -> SourceId {
        self.0.push(Source { name: name.into(), text: text.into() });
        SourceId(u32::try_from(self.0.len() - 1).expect("fewer than 2^32 sources"))
    }

    /// The text that `id` names.
    #[must_use]
    pub fn get(&self, id: SourceId) -> &Source {
        &self.0[id.0 as usize]
    }

    /// The words under `span`.
    #[must_use]
    pub fn words(&self, span: Span) -> &str {
        self.get(span.source).text.get(span.range()).unwrap_or_default()
    }

    /// Line and column of the first byte of `span`, both from 1, the column in characters.
    #[must_use]
    pub fn position(&self, span: Span) -> (usize, usize) {
        let text = &self.get(span.source).text;
        let before = text.get(..span.start as usize).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }

    /// All sources in the order they were read.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_knows_its_words_and_place() {
        let mut sources = Sources::default();
        let source = sources.add("a.yaml", "name: x\nä: serach\n");
        let span = Span { source, start: 12, end: 18 };
        assert_eq!(sources.words(span), "serach");
        assert_eq!(sources.position(span), (2, 4));
    }
}
