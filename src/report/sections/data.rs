//! The dataset's facts.

use super::Study;
use crate::report::document::{Block, Prose};
use crate::report::table::{Cell, Table};
use crate::report::words;
use crate::wording;

/// Broken images named in the page.
const BROKEN: usize = 20;

/// The section; nothing without a dataset.
pub(super) fn blocks(study: &Study<'_>) -> Vec<Block> {
    let Some(card) = &study.findings.data else { return Vec::new() };
    let mut facts = Table::new("Dataset", &["fact", "value"]);
    let mut fact = |name: &str, value: String| {
        facts.row(vec![Cell::text(name), Cell::text(value)]);
    };
    fact("source", card.source.clone());
    fact("images are", if card.synthetic { "made up by a generator" } else { "real" }.to_owned());
    fact("shape", words::shape(card.image));
    fact("classes", format!("{}: {}", card.classes.len(), card.classes.join(", ")));
    let numbers =
        |numbers: &[f64]| numbers.iter().map(|n| format!("{n:.2}")).collect::<Vec<_>>().join(", ");
    if !card.mean.is_empty() {
        fact("channel mean (0 to 255, training images)", numbers(&card.mean));
        fact("channel standard deviation", numbers(&card.deviation));
    }
    let mut blocks = vec![Block::Table(facts)];
    if !card.broken.is_empty() {
        let n = wording::count(card.broken.len(), "image");
        let note = format!("Left out, because they could not be read: {n}.");
        blocks.push(Block::Text(Prose::new(note)));
        let mut table = Table::new("Images left out", &["image", "reason"]);
        for (name, reason) in card.broken.iter().take(BROKEN) {
            table.row(vec![Cell::code(name), Cell::text(reason)]);
        }
        blocks.push(Block::Folded(
            format!("The first of them, at most {BROKEN}"),
            vec![Block::Table(table)],
        ));
    }
    blocks
}
