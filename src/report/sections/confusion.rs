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
/// Letters of a class name.
const NAME_MAX: usize = 80;
/// Rows of the table of mix-ups.
const MIX_UPS: usize = 8;

/// Heat map, recalls and mix-ups; nothing without a matrix.
pub(super) fn blocks(study: &Study<'_>, finals: &Finals, index: usize) -> Vec<Block> {
    let tested = finals.chosen_model().filter(|model| model.failure.is_none());
    let Some(matrix) = tested.map(|model| &model.confusion).filter(|matrix| !matrix.is_empty())
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
    blocks.push(Block::Table(recalls(matrix, &names)));
    blocks
}

/// The summary's names, or the dataset's when the summary only numbers its classes.
pub(super) fn class_names(study: &Study<'_>, finals: &Finals) -> Vec<String> {
    let own = &finals.summary.classes;
    let are_numbers = own.iter().all(|name| name.parse::<usize>().is_ok());
    let names = match &study.findings.data {
        Some(data) if are_numbers && data.card.classes.len() == own.len() => &data.card.classes,
        _ => own,
    };
    names.iter().map(|name| words::cut(name, NAME_MAX)).collect()
}

fn heat_map(matrix: &[Vec<u64>], names: &[String], index: usize) -> Figure {
    Figure {
        name: figure_name("confusion", index),
        title: "Confusion matrix of the chosen network".to_owned(),
        caption: "Test images by true and predicted class. Colour is the share of the row, on a \
                  square-root scale so that rare mistakes can be seen."
            .to_owned(),
        wide: Grid::new(names, 760.0, 40.0).draw(matrix, names),
        narrow: Some(Grid::new(names, 380.0, 40.0).draw(matrix, names)),
    }
}

/// Where the cells of a heat map stand.
struct Grid {
    /// Side of a cell.
    cell: f64,
    /// Left and upper edge of the first cell.
    left: f64,
    top: f64,
    /// Right and lower edge of the last.
    right: f64,
    bottom: f64,
    /// Size and room of class names.
    letters: f64,
    room: f64,
}

/// Room right of the cells for recalls.
const RECALL: f64 = 60.0;
/// Cells narrower than this have no room for three digits.
const CELL_WITH_COUNT: f64 = 23.0;

impl Grid {
    /// A grid of about `width`; wider when there are so many classes that cells could not be seen.
    #[expect(clippy::cast_precision_loss, reason = "a few classes")]
    fn new(names: &[String], width: f64, cell_max: f64) -> Self {
        let n = names.len() as f64;
        let longest = names.iter().map(|name| text_width(name, 12.0)).fold(0.0, f64::max);
        let room = longest.min(width / 5.0);
        let cell = ((width - room - 12.0 - RECALL) / n).clamp(9.0, cell_max);
        let letters = if cell >= 15.0 { 12.0 } else { cell * 0.75 };
        let (left, top) = (room + 12.0, room * 0.75 + 36.0);
        Self { cell, left, top, right: left + n * cell, bottom: top + n * cell, letters, room }
    }

    #[expect(clippy::cast_precision_loss, reason = "a few classes")]
    fn corner(&self, row: usize, column: usize) -> (f64, f64) {
        (self.left + column as f64 * self.cell, self.top + row as f64 * self.cell)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few hundred pixels"
    )]
    fn draw(&self, matrix: &[Vec<u64>], names: &[String]) -> Svg {
        let width = self.right + RECALL.max(self.room * 0.75);
        let mut svg = Svg::new(width.ceil() as u32, (self.bottom + 8.0).ceil() as u32);
        let class = if self.letters < 12.0 { "small" } else { "label" };
        for (row, counts) in matrix.iter().enumerate() {
            let total: u64 = counts.iter().sum();
            let name = clipped(&names[row], self.letters, self.room);
            let middle = self.corner(row, row).1 + self.cell / 2.0 + 4.0;
            svg.text(class, (self.left - 8.0, middle), Anchor::End, &name);
            let above = self.corner(0, row).0 + self.cell / 2.0 + 4.0;
            svg.text_upwards(class, (above, self.top - 8.0), &name);
            for (column, &count) in counts.iter().enumerate() {
                self.draw_cell(&mut svg, (row, column), count, total, names);
            }
            if let Some(recall) = share(counts[row], total) {
                svg.text(
                    "small",
                    (self.right + 8.0, middle),
                    Anchor::Start,
                    &words::percent(recall),
                );
            }
        }
        svg.text(
            "name",
            (4.0, 14.0),
            Anchor::Start,
            "rows: true class; columns: predicted; right: recall",
        );
        svg
    }

    fn draw_cell(
        &self,
        svg: &mut Svg,
        (row, column): (usize, usize),
        count: u64,
        total: u64,
        names: &[String],
    ) {
        let corner = self.corner(row, column);
        let size = (self.cell, self.cell);
        svg.rect("cell", corner, size, 1.0);
        if count == 0 {
            return;
        }
        let shade = share(count, total).unwrap_or(0.0).sqrt();
        let tip = format!(
            "{} seen as {}: {} of {}",
            names[row],
            names[column],
            wording::thousands(count),
            wording::thousands(total)
        );
        let hue = if row == column { "heat right" } else { "heat wrong" };
        svg.rect_with_tip(hue, corner, size, shade.min(0.999), &tip);
        let digits = count.to_string();
        if self.cell >= CELL_WITH_COUNT && text_width(&digits, 12.0) < self.cell {
            let ink = if shade > 0.62 { "count on" } else { "count" };
            let at = (corner.0 + self.cell / 2.0, corner.1 + self.cell / 2.0 + 4.0);
            svg.text(ink, at, Anchor::Middle, &digits);
        }
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
    let mut table = Table::new(
        "Recall and precision of each class",
        &["class", "#images", "#recall", "#precision"],
    );
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
