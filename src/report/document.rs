//! A document before it has a form: sections of prose, tables and figures.
//!
//! Sections are composed once and written as HTML and as Markdown, so the two never say different things.

use super::plot::{Figure, escape};
use super::table::{Table, markdown, markdown_code};

/// A whole report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) title: String,
    /// What it comes to, first.
    pub(super) headline: Vec<Prose>,
    /// Whether numbers are made up, which no reader may miss.
    pub(super) warning: Option<Prose>,
    /// The few numbers that sum it up.
    pub(super) key_figures: Vec<KeyFigure>,
    pub(super) sections: Vec<Section>,
}

/// A number with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyFigure {
    pub(super) name: &'static str,
    pub(super) value: String,
    /// A few words below it.
    pub(super) note: String,
}

/// A headed part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    /// Its address in the page.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) blocks: Vec<Block>,
}

/// A piece of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
    /// A paragraph.
    Text(Prose),
    /// A heading inside a section.
    Heading(String),
    Figure(Figure),
    Table(Table),
    /// Details that open on demand.
    Folded(String, Vec<Block>),
}

/// Text with a few words set apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Prose(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Plain(String),
    Strong(String),
    Code(String),
}

impl Prose {
    /// Begins with plain words.
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self::default().plain(text)
    }

    /// Adds plain words.
    pub(super) fn plain(mut self, text: impl Into<String>) -> Self {
        self.0.push(Piece::Plain(text.into()));
        self
    }

    /// Adds words that matter.
    pub(super) fn strong(mut self, text: impl Into<String>) -> Self {
        self.0.push(Piece::Strong(text.into()));
        self
    }

    /// Adds a genotype or another text for machines.
    pub(super) fn code(mut self, text: impl Into<String>) -> Self {
        self.0.push(Piece::Code(text.into()));
        self
    }

    /// As HTML, everything escaped.
    pub(super) fn html(&self) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Plain(text) => escape(text),
            Piece::Strong(text) => format!("<strong>{}</strong>", escape(text)),
            Piece::Code(text) => format!("<code>{}</code>", escape(text)),
        };
        self.0.iter().map(piece).collect()
    }

    /// As Markdown, everything escaped.
    pub(super) fn markdown(&self) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Plain(text) => markdown(text),
            Piece::Strong(text) => format!("**{}**", markdown(text)),
            Piece::Code(text) => markdown_code(text),
        };
        self.0.iter().map(piece).collect()
    }
}

impl Document {
    /// All figures in order, those in folded parts too.
    pub(super) fn figures(&self) -> Vec<&Figure> {
        let mut found = Vec::new();
        self.sections.iter().for_each(|section| collect(&section.blocks, &mut found));
        found
    }
}

fn collect<'a>(blocks: &'a [Block], found: &mut Vec<&'a Figure>) {
    for block in blocks {
        match block {
            Block::Figure(figure) => found.push(figure),
            Block::Folded(_, blocks) => collect(blocks, found),
            _ => {}
        }
    }
}
