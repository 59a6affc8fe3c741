//! The dataset's facts.

use super::Study;
use crate::report::document::{Block, Gallery, Photo, Prose};
use crate::report::findings::Data;
use crate::report::table::{Cell, Table};
use crate::report::words;
use crate::wording;

/// Broken images named in the page.
const BROKEN: usize = 20;

/// Letters of a class name beside its images.
const ALT_MAX: usize = 60;

/// The section; nothing without a dataset.
pub(super) fn blocks(study: &Study<'_>) -> Vec<Block> {
    let Some(data) = &study.findings.data else { return Vec::new() };
    let card = &data.card;
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
    blocks.extend(splits(study, data).map(Block::Table));
    blocks.extend(samples(data).map(Block::Gallery));
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

/// Images of each class in each part; a test set where a retraining met one with these classes.
fn splits(study: &Study<'_>, data: &Data) -> Option<Table> {
    if data.training.is_empty() {
        return None;
    }
    let summaries = study.findings.finals.iter().map(|finals| &finals.summary);
    let test = summaries
        .filter(|summary| summary.test_images > 0 && summary.classes == data.card.classes)
        .map(|summary| &summary.test_images_by_class)
        .find(|counts| counts.len() == data.training.len());
    let mut columns = vec!["class", "#training", "#validation"];
    columns.extend(test.map(|_| "#test"));
    let mut table = Table::new("Images by class and split", &columns);
    let all = |counts: &[u64]| counts.iter().sum();
    let names = data.card.classes.iter().map(String::as_str);
    let rows = names.enumerate().map(|(class, name)| (name, Some(class)));
    for (name, class) in rows.chain([("all classes", None)]) {
        let count = |counts: &[u64]| Cell::count(class.map_or_else(|| all(counts), |c| counts[c]));
        let mut cells = vec![Cell::text(name), count(&data.training), count(&data.validation)];
        cells.extend(test.map(|test| count(test)));
        table.row(cells);
    }
    Some(table)
}

/// A row of training images for each class.
fn samples(data: &Data) -> Option<Gallery> {
    let photo = |name: &str, png: &Vec<u8>| Photo {
        png: png.clone(),
        alt: words::cut(name, ALT_MAX),
        lines: Vec::new(),
    };
    let named =
        data.card.classes.iter().zip(&data.samples).filter(|(_, images)| !images.is_empty());
    let group = |(name, images): (&String, &Vec<Vec<u8>>)| {
        (words::cut(name, ALT_MAX), images.iter().map(|png| photo(name, png)).collect())
    };
    let groups: Vec<(String, Vec<Photo>)> = named.map(group).collect();
    (!groups.is_empty()).then(|| Gallery {
        name: "sample".to_owned(),
        title: "Training images".to_owned(),
        caption: "The first of each class in the dataset's own drawn order, not picked.".to_owned(),
        groups,
    })
}
