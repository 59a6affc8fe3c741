//! A document as Markdown, for terminals, reviews and README files; figures are links to their SVG.

use askama::Template;

use super::FIGURES_FOLDER;
use super::document::{Block, Document, Photo};
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
        Block::Gallery(gallery) => {
            let photo = |(name, photo): (String, &Photo)| {
                let lines = table::markdown(&photo.lines.join(", "));
                format!("![{}]({FIGURES_FOLDER}/{name}.png) {lines}", table::markdown(&photo.alt))
            };
            let photos: Vec<String> = gallery.photos().map(photo).collect();
            let (title, caption) = (&gallery.title, &gallery.caption);
            let head = format!("**{}** {}", table::markdown(title), table::markdown(caption));
            format!("{head}\n\n{}", photos.join("\n"))
        }
        Block::Copy(text) => table::markdown_code(text),
        Block::Folded(summary, inner) => {
            format!("### {}\n{}", table::markdown(summary), blocks(inner).trim_end())
        }
    }
}
