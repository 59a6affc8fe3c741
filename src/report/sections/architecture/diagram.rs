//! A small graph laid out in rows: every block below all that it reads.

use crate::net::{Block, Diagram};
use crate::report::plot::{Anchor, Svg, clipped};

/// Height of a line of words.
const LINE: f64 = 15.0;
/// Room between rows, for edges.
const GAP: f64 = 34.0;
/// Room between blocks of a row, and at the sides of the picture.
const AISLE: f64 = 10.0;
/// Widest block.
const BLOCK_MAX: f64 = 150.0;
/// Narrowest room for a block, in which the longest operation still can be read.
const SLOT_MIN: f64 = 110.0;

/// Where a block stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Place {
    fn middle(&self) -> f64 {
        self.left + self.width / 2.0
    }
}

/// The diagram, `width` pixels wide.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "places in a drawing"
)]
pub(super) fn draw(diagram: &Diagram, width: u32) -> Svg {
    let places = places(diagram, f64::from(width));
    let bottom = places.iter().map(|place| place.top + place.height).fold(0.0, f64::max);
    let mut svg = Svg::new(width, (bottom + AISLE) as u32);
    // Edges first: a block that one passes behind stays readable.
    for (block, place) in diagram.blocks.iter().zip(&places) {
        for (number, read) in block.reads.iter().enumerate() {
            let from = places[*read];
            let share = (number + 1) as f64 / (block.reads.len() + 1) as f64;
            let to = (place.left + place.width * share, place.top);
            let start = (from.middle(), from.top + from.height);
            let bend = GAP * 0.6;
            svg.path(
                "guide",
                &format!(
                    "M {:.1} {:.1} C {:.1} {:.1} {:.1} {:.1} {:.1} {:.1}",
                    start.0,
                    start.1,
                    start.0,
                    start.1 + bend,
                    to.0,
                    to.1 - bend,
                    to.0,
                    to.1
                ),
            );
        }
    }
    for (block, place) in diagram.blocks.iter().zip(&places) {
        draw_block(&mut svg, block, *place);
    }
    svg
}

#[expect(clippy::cast_precision_loss, reason = "few lines")]
fn draw_block(svg: &mut Svg, block: &Block, place: Place) {
    let corner = (place.left, place.top);
    // Paper below the tint, so that no edge shows through.
    svg.rect("paper", corner, (place.width, place.height), 1.0);
    svg.rect("map", corner, (place.width, place.height), 0.15);
    let room = place.width - 8.0;
    let name = clipped(&block.name, 12.0, room);
    svg.text("label", (place.middle(), place.top + LINE), Anchor::Middle, &name);
    for (i, line) in block.lines.iter().enumerate() {
        let at = (place.middle(), place.top + LINE * (i + 2) as f64);
        svg.text("small", at, Anchor::Middle, &clipped(line, 11.0, room));
    }
}

/// Rows from the top, the blocks of each spread evenly; a row with too many becomes several.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "few blocks"
)]
fn places(diagram: &Diagram, width: f64) -> Vec<Place> {
    let rows = diagram.rows();
    let count = rows.iter().max().map_or(0, |last| last + 1);
    let most = ((width / SLOT_MIN) as usize).max(1);
    let mut places = vec![Place { left: 0.0, top: 0.0, width: 0.0, height: 0.0 }; rows.len()];
    let mut top = AISLE;
    for row in 0..count {
        let all: Vec<usize> = (0..rows.len()).filter(|block| rows[*block] == row).collect();
        for blocks in all.chunks(most) {
            let slot = (width - AISLE) / blocks.len() as f64;
            let lines = blocks.iter().map(|block| diagram.blocks[*block].lines.len());
            let height = LINE * (lines.max().unwrap_or(0) + 1) as f64 + 8.0;
            let block_width = (slot - AISLE).min(BLOCK_MAX);
            for (number, block) in blocks.iter().enumerate() {
                let middle = AISLE / 2.0 + slot * (number as f64 + 0.5);
                let left = middle - block_width / 2.0;
                places[*block] = Place { left, top, width: block_width, height };
            }
            top += height + GAP;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(name: &str, lines: &[&str], reads: &[usize]) -> Block {
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        Block { name: name.to_owned(), lines, reads: reads.to_vec(), operations: Vec::new() }
    }

    #[test]
    fn blocks_stand_below_what_they_read_and_beside_each_other() {
        let blocks = vec![
            block("0", &["last cell"], &[]),
            block("1", &["cell before"], &[]),
            block("2", &["sep3x3 of 0", "id of 1", "add"], &[0, 1]),
            block("output", &["concat"], &[2]),
        ];
        let diagram = Diagram { title: "Cell".to_owned(), blocks };
        for width in [380.0, 760.0] {
            let places = places(&diagram, width);
            assert!(places[0].left + places[0].width < places[1].left);
            assert!(places[1].left + places[1].width <= width);
            for (block, place) in diagram.blocks.iter().zip(&places) {
                for read in &block.reads {
                    assert!(places[*read].top + places[*read].height < place.top);
                }
            }
        }
    }
}
