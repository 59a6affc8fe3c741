//! A document as Markdown, for terminals, reviews and README files; figures are links to their SVG.

use askama::Template;

use super::FIGURES_FOLDER;
use super::document::{Block, Document, Gallery, Photo};
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
        Block::Gallery(one) => gallery(one),
        Block::Copy(text) => table::markdown_code(text),
        Block::Folded(summary, inner) => {
            format!("### {}\n{}", table::markdown(summary), blocks(inner).trim_end())
        }
    }
}

/// The photographs of a group in a row, under its name.
fn gallery(gallery: &Gallery) -> String {
    let photo = |(name, photo): (String, &Photo)| {
        let lines = table::markdown(&photo.lines.join(", "));
        let gap = if lines.is_empty() { "" } else { " " };
        format!("![{}]({FIGURES_FOLDER}/{name}.png){gap}{lines}", table::markdown(&photo.alt))
    };
    let mut photos = gallery.photos();
    let groups = gallery.groups.iter().map(|(name, group)| {
        let photos: Vec<String> = photos.by_ref().take(group.len()).map(photo).collect();
        let photos = photos.join("\n");
        if name.is_empty() { photos } else { format!("{}:\n{photos}", table::markdown(name)) }
    });
    let groups: Vec<String> = groups.collect();
    let (title, caption) = (table::markdown(&gallery.title), table::markdown(&gallery.caption));
    format!("**{title}** {caption}\n\n{}", groups.join("\n\n"))
}
