//! A document as one HTML page that needs nothing else: style, script and pictures are inside.
//!
//! Askama escapes everything; what is marked safe comes from functions of this room that escape.

use askama::Template;

use super::document::{Block, Document, Section};

/// Where [`super::page::with_run_facts`] puts its section.
pub(super) const FACTS_MARK: &str = "<!-- run facts -->";
/// Where it puts the link to it.
pub(super) const LINK_MARK: &str = "<!-- link to run facts -->";

/// Where it puts what the pipeline asks, in a page that has no question of its own.
pub(super) const QUESTION_MARK: &str = "<!-- question -->";

/// The page of `document`.
pub(super) fn page(document: &Document) -> String {
    let page = Page {
        document,
        figure_style: FIGURE_STYLE,
        sheet_style: include_str!("templates/page.css"),
        script: include_str!("templates/page.js"),
        facts_mark: FACTS_MARK,
        link_mark: LINK_MARK,
        question_mark: if document.question.is_none() { QUESTION_MARK } else { "" },
    };
    page.render().expect("rendering into a string")
}

/// The style of all figures.
pub(super) const FIGURE_STYLE: &str = include_str!("templates/figure.css");

#[derive(Template)]
#[template(path = "page.html", config = "src/report/templates/askama.toml")]
struct Page<'a> {
    document: &'a Document,
    figure_style: &'static str,
    sheet_style: &'static str,
    script: &'static str,
    facts_mark: &'static str,
    link_mark: &'static str,
    question_mark: &'static str,
}

impl Page<'_> {
    #[expect(clippy::unused_self, reason = "templates call methods")]
    fn section(&self, one: &Section) -> String {
        section(one)
    }
}

/// One section.
pub(super) fn section(section: &Section) -> String {
    SectionPage { section }.render().expect("rendering into a string")
}

#[derive(Template)]
#[template(path = "section.html", config = "src/report/templates/askama.toml")]
struct SectionPage<'a> {
    section: &'a Section,
}

impl SectionPage<'_> {
    fn blocks(&self) -> String {
        blocks(&self.section.blocks)
    }
}

fn blocks(blocks: &[Block]) -> String {
    Blocks { blocks }.render().expect("rendering into a string")
}

#[derive(Template)]
#[template(path = "blocks.html", config = "src/report/templates/askama.toml")]
struct Blocks<'a> {
    blocks: &'a [Block],
}

impl Blocks<'_> {
    #[expect(clippy::unused_self, reason = "templates call methods")]
    fn nested(&self, inner: &[Block]) -> String {
        blocks(inner)
    }
}
