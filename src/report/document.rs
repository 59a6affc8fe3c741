//! A document before it has a form: sections of prose, tables and figures.
//!
//! Sections are composed once and written as HTML and as Markdown, so the two never say different things.

use std::collections::BTreeSet;

use super::plot::{Figure, escape};
use super::table::{Records, Table, markdown, markdown_code};
use super::words;

/// Letters of a piece of prose; a page's own sentences are shorter.
const PLAIN_MAX: usize = 1200;
/// Letters of words that matter.
const STRONG_MAX: usize = 240;
/// Letters of a genotype in a sentence.
const CODE_MAX: usize = 2000;
/// Letters of a file name before its ending.
const STEM_MAX: usize = 80;

/// A whole report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) title: String,
    /// What was asked, where somebody wrote it down.
    pub(super) question: Option<Prose>,
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
    /// Photographs.
    Gallery(Gallery),
    /// A text to take along: a genotype, a command.
    Copy(String),
    /// Details that open on demand.
    Folded(String, Vec<Block>),
}

/// Small photographs in groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gallery {
    /// Stem of its files, unique in a report.
    pub(super) name: String,
    pub(super) title: String,
    pub(super) caption: String,
    /// Each with its name, empty where it needs none.
    pub(super) groups: Vec<(String, Vec<Photo>)>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Photo {
    /// The file.
    pub(super) png: Vec<u8>,
    /// What is to be seen, for readers who cannot see it.
    pub(super) alt: String,
    /// Lines below it.
    pub(super) lines: Vec<String>,
}

impl Gallery {
    /// All photographs with the stems of their files.
    pub(super) fn photos(&self) -> impl Iterator<Item = (String, &Photo)> {
        let photos = self.groups.iter().flat_map(|(_, photos)| photos);
        photos.enumerate().map(|(i, photo)| (format!("{}-{:02}", self.name, i + 1), photo))
    }
}

impl Photo {
    /// The photograph inside a page.
    pub(super) fn address(&self) -> String {
        format!("data:image/png;base64,{}", base64(&self.png))
    }
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for part in bytes.chunks(3) {
        let bits = part.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - part.len()));
        for place in 0..4 {
            let six = bits >> (18 - 6 * place) & 63;
            let letter = LETTERS[usize::try_from(six).expect("six bits")];
            text.push(if place <= part.len() { char::from(letter) } else { '=' });
        }
    }
    text
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
        self.0.push(Piece::Plain(words::cut(text, PLAIN_MAX)));
        self
    }

    /// Adds words that matter.
    pub(super) fn strong(mut self, text: impl Into<String>) -> Self {
        self.0.push(Piece::Strong(words::cut(text, STRONG_MAX)));
        self
    }

    /// Adds a genotype or another text for machines.
    pub(super) fn code(mut self, text: impl Into<String>) -> Self {
        self.0.push(Piece::Code(words::cut(text, CODE_MAX)));
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
    /// All blocks in order, those in folded parts too.
    fn blocks(&self) -> Vec<&Block> {
        let mut found = Vec::new();
        self.sections.iter().for_each(|section| collect(&section.blocks, &mut found));
        found
    }

    /// All figures in order.
    pub(super) fn figures(&self) -> Vec<&Figure> {
        let figures = self.blocks().into_iter().filter_map(|block| match block {
            Block::Figure(figure) => Some(figure),
            _ => None,
        });
        figures.collect()
    }

    /// All galleries in order.
    pub(super) fn galleries(&self) -> Vec<&Gallery> {
        let galleries = self.blocks().into_iter().filter_map(|block| match block {
            Block::Gallery(gallery) => Some(gallery),
            _ => None,
        });
        galleries.collect()
    }

    /// All tables in order, for machines; named by section and caption.
    pub(super) fn tables(&self) -> Vec<Records> {
        let mut names = BTreeSet::new();
        let mut found = Vec::new();
        for section in &self.sections {
            let mut blocks = Vec::new();
            collect(&section.blocks, &mut blocks);
            for block in blocks {
                let Block::Table(table) = block else { continue };
                let stem = stem(section.id, &table.caption);
                let numbered = (2..).map(|n| format!("{stem}-{n}"));
                let mut free = std::iter::once(stem.clone()).chain(numbered);
                let name = free.find(|name| !names.contains(name)).expect("numbers do not end");
                names.insert(name.clone());
                found.push(table.records(name));
            }
        }
        found
    }
}

fn collect<'a>(blocks: &'a [Block], found: &mut Vec<&'a Block>) {
    for block in blocks {
        found.push(block);
        if let Block::Folded(_, blocks) = block {
            collect(blocks, found);
        }
    }
}

/// `search-scores-by-exploration-rate`: safe in any file system, whatever a caption quotes.
fn stem(section: &str, caption: &str) -> String {
    let words = caption.split(|letter: char| !letter.is_ascii_alphanumeric());
    let words: Vec<String> =
        words.filter(|word| !word.is_empty()).map(str::to_ascii_lowercase).collect();
    let text = format!("{section}-{}", words.join("-"));
    text[..text.len().min(STEM_MAX)].trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let words = ["", "f", "fo", "foo", "foob", "fooba", "foobar"];
        let expected = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];
        assert_eq!(words.map(|word| base64(word.as_bytes())), expected);
        assert_eq!(base64(&[0xff, 0xfe, 0xfd]), "//79");
    }

    #[test]
    fn file_names_have_nothing_of_a_caption_but_letters() {
        assert_eq!(stem("data", "../<a>  Ähre, 2"), "data-a-hre-2");
        assert!(stem("x", &"y".repeat(500)).len() <= STEM_MAX);
    }
}
