//! The confusion matrix of the chosen network: a heat map with counts, recalls, and the worst mix-ups.

use super::{Study, figure_name};
use crate::report::document::Block;
use crate::report::findings::Finals;
use crate::report::plot::{Anchor, Figure, Svg, clipped, text_width};
use crate::report::table::{Cell, Table};
use crate::report::words;
use crate::wording;

/// More classes than this make cells too small to see; tables still tell all.
const CLASSES_DRAWN: usize = 60;
/// More classes than this leave no room for counts in cells.
const CLASSES_WITH_COUNTS: usize = 24;
/// Rows of the table of mix-ups.
const MIX_UPS: usize = 8;

/// Heat map, recalls and mix-ups; nothing without a matrix.
pub(super) fn blocks(study: &Study<'_>, finals: &Finals, index: usize) -> Vec<Block> {
    let summary = &finals.summary;
    let chosen = summary.models.iter().find(|model| model.genotype == summary.chosen.genotype);
    let Some(matrix) = chosen.map(|model| &model.confusion).filter(|matrix| !matrix.is_empty())
    else {
        return Vec::new();
    };
    let names = class_names(study, finals);
    let mut blocks = Vec::new();
    if names.len() <= CLASSES_DRAWN {
        blocks.push(Block::Figure(heat_map(matrix, &names, index)));
    }
    let mix_ups = mix_ups(matrix, &names);
    if !mix_ups.rows.is_empty() {
        blocks.push(Block::Table(mix_ups));
    }
    let recalls = vec![Block::Table(recalls(matrix, &names))];
    blocks.push(Block::Folded("Recall and precision of each class".to_owned(), recalls));
    blocks
}

/// The summary's names, or the dataset's when the summary only numbers its classes.
fn class_names(study: &Study<'_>, finals: &Finals) -> Vec<String> {
    let own = &finals.summary.classes;
    let are_numbers = own.iter().all(|name| name.parse::<usize>().is_ok());
    match &study.findings.data {
        Some(card) if are_numbers && card.classes.len() == own.len() => card.classes.clone(),
        _ => own.clone(),
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "places in a drawing"
)]
fn heat_map(matrix: &[Vec<u64>], names: &[String], index: usize) -> Figure {
    let n = names.len() as f64;
    let cell = if names.len() <= CLASSES_WITH_COUNTS {
        40.0_f64.min(560.0 / n).max(24.0)
    } else {
        (600.0 / n).max(10.0)
    };
    let size = if cell >= 20.0 { 12.0 } else { (cell * 0.8).max(8.0) };
    let longest = names.iter().map(|name| text_width(name, size)).fold(0.0, f64::max).min(120.0);
    let (left, top) = (longest + 30.0, longest * 0.75 + 34.0);
    let recall = 64.0;
    let (width, height) = (left + n * cell + recall + longest * 0.3, top + n * cell + 30.0);
    let mut svg = Svg::new(width as u32 + 1, height as u32 + 1);
    let class = if size < 12.0 { "small" } else { "label" };
    for (row, counts) in matrix.iter().enumerate() {
        let y = top + row as f64 * cell;
        let total: u64 = counts.iter().sum();
        let name = clipped(&names[row], size, 120.0);
        svg.text(class, (left - 8.0, y + cell / 2.0 + 4.0), Anchor::End, &name);
        svg.text_upwards(class, (left + row as f64 * cell + cell / 2.0 + 4.0, top - 8.0), &name);
        for (column, &count) in counts.iter().enumerate() {
            let share = count as f64 / total.max(1) as f64;
            let corner = (left + column as f64 * cell, y);
            let tip = format!(
                "{} seen as {}: {} of {}",
                names[row],
                names[column],
                wording::thousands(count),
                wording::thousands(total)
            );
            let hue = if row == column { "heat right" } else { "heat wrong" };
            svg.rect("cell", corner, (cell, cell), 1.0);
            svg.rect_with_tip(hue, corner, (cell, cell), share.sqrt().min(0.999), &tip);
            if count > 0 && names.len() <= CLASSES_WITH_COUNTS {
                let ink = if share.sqrt() > 0.62 { "count on" } else { "count" };
                let at = (corner.0 + cell / 2.0, y + cell / 2.0 + 4.0);
                svg.text(ink, at, Anchor::Middle, &count.to_string());
            }
        }
        let right = (left + n * cell + 10.0, y + cell / 2.0 + 4.0);
        if let Some(recall) = share(counts[row], total) {
            svg.text("small", right, Anchor::Start, &words::percent(recall));
        }
    }
    svg.text("name", (left + n * cell + 10.0, top - 8.0), Anchor::Start, "recall");
    svg.text("name", (4.0, 14.0), Anchor::Start, "rows: true class; columns: predicted");
    Figure {
        name: figure_name("confusion", index),
        title: "Confusion matrix of the chosen network".to_owned(),
        caption: "Test images by true and predicted class. Colour is the share of the row, on a square-root \
                  scale so that rare mistakes can be seen."
            .to_owned(),
        wide: svg,
        narrow: None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of images")]
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn share_cell(part: u64, whole: u64) -> Cell {
    share(part, whole).map_or_else(Cell::none, |share| Cell::number(share, words::percent(share)))
}

fn mix_ups(matrix: &[Vec<u64>], names: &[String]) -> Table {
    let mut wrong: Vec<(u64, usize, usize)> = Vec::new();
    for (row, counts) in matrix.iter().enumerate() {
        let others = counts.iter().enumerate().filter(|&(column, &n)| column != row && n > 0);
        wrong.extend(others.map(|(column, &n)| (n, row, column)));
    }
    wrong.sort_by_key(|&(n, row, column)| (std::cmp::Reverse(n), row, column));
    let columns = ["true class", "seen as", "#images", "#share of the class"];
    let mut table = Table::new("Most frequent mix-ups", &columns);
    for (n, row, column) in wrong.into_iter().take(MIX_UPS) {
        table.row(vec![
            Cell::text(&names[row]),
            Cell::text(&names[column]),
            Cell::count(n),
            share_cell(n, matrix[row].iter().sum()),
        ]);
    }
    table
}

fn recalls(matrix: &[Vec<u64>], names: &[String]) -> Table {
    let mut table =
        Table::new("Recall and precision", &["class", "#images", "#recall", "#precision"]);
    for (class, name) in names.iter().enumerate() {
        let right = matrix[class][class];
        let images = matrix[class].iter().sum();
        let predicted = matrix.iter().map(|row| row[class]).sum();
        table.row(vec![
            Cell::text(name),
            Cell::count(images),
            share_cell(right, images),
            share_cell(right, predicted),
        ]);
    }
    table
}
