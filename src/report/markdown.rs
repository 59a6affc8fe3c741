//! A document as Markdown, for terminals, reviews and README files; figures are links to their SVG.

use askama::Template;

use super::FIGURES_FOLDER;
use super::document::{Block, Document};
use super::table;

/// The Markdown of `document`.
pub(super) fn page(document: &Document) -> String {
    let text = Page { document }.render().expect("rendering into a string");
    format!("{}\n", text.trim_end())
}

#[derive(Template)]
#[template(path = "report.md", config = "src/report/templates/askama.toml", escape = "none")]
struct Page<'a> {
    document: &'a Document,
}

impl Page<'_> {
    #[expect(clippy::unused_self, reason = "templates call methods")]
    fn blocks(&self, inner: &[Block]) -> String {
        blocks(inner)
    }
}

fn blocks(inner: &[Block]) -> String {
    let texts: Vec<String> = inner.iter().map(block).collect();
    format!("\n{}\n", texts.join("\n\n"))
}

fn block(block: &Block) -> String {
    match block {
        Block::Text(prose) => prose.markdown(),
        Block::Heading(text) => format!("### {}", table::markdown(text)),
        Block::Figure(figure) => format!(
            "![{}]({FIGURES_FOLDER}/{}.svg)\n\n{}",
            table::markdown(&figure.title),
            figure.name,
            table::markdown(&figure.caption)
        ),
        Block::Table(one) => {
            format!("**{}**\n\n{}", table::markdown(&one.caption), one.markdown())
        }
        Block::Folded(summary, inner) => {
            format!("### {}\n{}", table::markdown(summary), blocks(inner).trim_end())
        }
    }
}
