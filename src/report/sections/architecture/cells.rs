//! Cells as in figure 4 of the NASNet paper: states at the bottom, operations in pairs, sums above them,
//! the concatenation at the top; the cells of a network side by side.

use crate::net::{Block, Diagram, Operation};
use crate::report::plot::{Anchor, Svg, clipped};

/// Size of an operation's box.
const OP: (f64, f64) = (62.0, 24.0);
/// Between the two operations of a block, and between blocks.
const GAP: (f64, f64) = (6.0, 16.0);
/// Radius of a sum.
const RADIUS: f64 = 10.0;
/// From a sum down to its operations.
const RISE: f64 = 16.0;
/// Between rows, for wires.
const AISLE: f64 = 46.0;
/// Height of the boxes of states and of the concatenation.
const STATE: f64 = 26.0;
/// Room above a cell for its title.
const HEAD: f64 = 34.0;
/// Between two cells.
const BETWEEN: f64 = 28.0;

/// Whether these diagrams can be drawn so: blocks of operations between states.
pub(super) fn fits(diagrams: &[Diagram]) -> bool {
    let has = |diagram: &Diagram| diagram.blocks.iter().any(|block| !block.operations.is_empty());
    !diagrams.is_empty() && diagrams.iter().all(has)
}

/// All cells, beside each other where `side_by_side`, else one below the other.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "places in a drawing"
)]
pub(super) fn draw(diagrams: &[Diagram], width: u32, side_by_side: bool) -> Svg {
    let columns = if side_by_side { diagrams.len() } else { 1 };
    let each = (f64::from(width) - BETWEEN * (columns - 1) as f64) / columns as f64;
    let cells: Vec<Cell<'_>> = diagrams.iter().map(|diagram| Cell::of(diagram, each)).collect();
    let heights = cells.iter().map(|cell| cell.height);
    let height: f64 = if side_by_side { heights.fold(0.0, f64::max) } else { heights.sum::<f64>() };
    let mut svg = Svg::new(width, height.ceil() as u32);
    let mut top = 0.0;
    for (i, cell) in cells.iter().enumerate() {
        if side_by_side {
            // Cells stand on one line, as their states do.
            cell.draw(&mut svg, (i as f64 * (each + BETWEEN), height - cell.height));
        } else {
            cell.draw(&mut svg, (0.0, top));
            top += cell.height;
        }
    }
    svg
}

/// Where a block stands: the middle, and the upper edge of its highest part.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    middle: f64,
    top: f64,
    width: f64,
}

/// A cell laid out.
struct Cell<'a> {
    diagram: &'a Diagram,
    width: f64,
    height: f64,
    places: Vec<Place>,
}

impl<'a> Cell<'a> {
    /// Rows from the concatenation down to the states; a row with too many blocks becomes several.
    #[expect(clippy::cast_precision_loss, reason = "a few blocks")]
    fn of(diagram: &'a Diagram, width: f64) -> Self {
        let rows = diagram.rows();
        let last = rows.iter().max().copied().unwrap_or(0);
        let unit = |block: &Block| unit_width(block.operations.len());
        let mut places = vec![Place { middle: 0.0, top: 0.0, width: 0.0 }; rows.len()];
        let mut top = HEAD;
        for row in (0..=last).rev() {
            let all: Vec<usize> = (0..rows.len()).filter(|block| rows[*block] == row).collect();
            let widest = all.iter().map(|b| unit(&diagram.blocks[*b])).fold(1.0, f64::max);
            let most = fitting(width, widest + GAP.1);
            // Later blocks above earlier ones, so that wires inside a row lead upwards, too.
            let parts = all.len().div_ceil(most).max(1);
            for part in all.chunks(all.len().div_ceil(parts).max(1)).rev() {
                let slot = width / part.len() as f64;
                for (i, block) in part.iter().enumerate() {
                    let room = slot - GAP.1;
                    let is_sum = !diagram.blocks[*block].operations.is_empty();
                    let box_width = if is_sum { widest } else { room.min(150.0) };
                    places[*block] =
                        Place { middle: slot * (i as f64 + 0.5), top, width: box_width };
                }
                let is_sums = part.iter().any(|b| !diagram.blocks[*b].operations.is_empty());
                top += if is_sums { 2.0 * RADIUS + RISE + OP.1 } else { STATE } + AISLE;
            }
        }
        Self { diagram, width, height: top - AISLE + 8.0, places }
    }

    fn draw(&self, svg: &mut Svg, (x, y): (f64, f64)) {
        // Bold letters are wider.
        let title = clipped(&self.diagram.title, 15.0, self.width);
        svg.text("layer", (x + self.width / 2.0, y + 14.0), Anchor::Middle, &title);
        for (block, place) in self.diagram.blocks.iter().zip(&self.places) {
            self.wires(svg, block, *place, (x, y));
        }
        for (block, place) in self.diagram.blocks.iter().zip(&self.places) {
            let place = Place { middle: place.middle + x, top: place.top + y, ..*place };
            if block.operations.is_empty() {
                state(svg, block, place);
            } else {
                sum(svg, block, place);
            }
        }
    }

    /// From what a block reads up to its operations, or to itself where it has none.
    fn wires(&self, svg: &mut Svg, block: &Block, place: Place, (x, y): (f64, f64)) {
        let mut wire = |read: usize, to: (f64, f64)| {
            let from = self.places[read];
            let (start, end) = ((from.middle + x, from.top + y), (to.0 + x, to.1 + y));
            // Far ends leave steeply: bundles stay apart from the boxes that they pass.
            let bend = ((start.1 - end.1) * 0.45).max(18.0);
            svg.path(
                "wire",
                &format!(
                    "M{:.1} {:.1}C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}",
                    start.0,
                    start.1,
                    start.0,
                    start.1 - bend,
                    end.0,
                    end.1 + bend,
                    end.0,
                    end.1
                ),
            );
        };
        for (i, operation) in block.operations.iter().enumerate() {
            let middle = op_middle(place, i, block.operations.len());
            wire(operation.reads, (middle, place.top + 2.0 * RADIUS + RISE + OP.1));
        }
        if block.operations.is_empty() {
            block.reads.iter().for_each(|read| wire(*read, (place.middle, place.top + STATE)));
        }
    }
}

/// How many blocks of a width a row has room for, at least one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few blocks in a few hundred pixels"
)]
fn fitting(width: f64, each: f64) -> usize {
    ((width / each) as usize).max(1)
}

#[expect(clippy::cast_precision_loss, reason = "two operations")]
fn unit_width(operations: usize) -> f64 {
    let n = operations.max(1) as f64;
    n * OP.0 + (n - 1.0) * GAP.0
}

#[expect(clippy::cast_precision_loss, reason = "two operations")]
fn op_middle(place: Place, i: usize, of: usize) -> f64 {
    place.middle - unit_width(of) / 2.0 + OP.0 / 2.0 + i as f64 * (OP.0 + GAP.0)
}

/// A state, or what all are put together in.
fn state(svg: &mut Svg, block: &Block, place: Place) {
    let corner = (place.middle - place.width / 2.0, place.top);
    svg.rect("paper", corner, (place.width, STATE), 1.0);
    svg.rect("state", corner, (place.width, STATE), 1.0);
    let words = block.lines.first().map_or(block.name.as_str(), String::as_str);
    let is_number = block.name.chars().all(|letter| letter.is_ascii_digit());
    let words = if is_number { format!("{}: {words}", block.name) } else { words.to_owned() };
    let at = (place.middle, place.top + 17.0);
    svg.text("label", at, Anchor::Middle, &clipped(&words, 12.0, place.width - 8.0));
}

/// A block: its operations, and above them what joins their results.
fn sum(svg: &mut Svg, block: &Block, place: Place) {
    let of = block.operations.len();
    let (bottom, top) = (place.top + 2.0 * RADIUS, place.top + 2.0 * RADIUS + RISE);
    for (i, operation) in block.operations.iter().enumerate() {
        let middle = op_middle(place, i, of);
        svg.line("wire", (middle, top), (place.middle, bottom - RADIUS));
        let corner = (middle - OP.0 / 2.0, top);
        let series = family(operation);
        svg.rect("paper", corner, OP, 1.0);
        svg.rect(&format!("op s{series}"), corner, OP, 1.0);
        svg.rect(&format!("rim s{series}"), corner, OP, 1.0);
        let words = clipped(&spaced(&operation.name), 11.0, OP.0 - 4.0);
        svg.text("op-name", (middle, top + 16.0), Anchor::Middle, &words);
    }
    svg.circle("join", (place.middle, place.top + RADIUS), RADIUS);
    let join = block.lines.last().map_or("add", String::as_str);
    let sign = if join == "add" { "+" } else { "∪" };
    svg.text("label", (place.middle, place.top + RADIUS + 4.0), Anchor::Middle, sign);
    let name = clipped(&block.name, 11.0, place.width / 2.0 - RADIUS - 5.0);
    let beside = place.middle + RADIUS + 5.0;
    svg.text("small", (beside, place.top + 8.0), Anchor::Start, &name);
}

/// `sep 5×5` of `sep5x5`, `1×7 7×1` of `conv1x7_7x1`.
fn spaced(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let is_digit = |place: Option<usize>| {
        place.and_then(|place| letters.get(place)).is_some_and(char::is_ascii_digit)
    };
    let mut text = String::new();
    for (i, letter) in letters.iter().enumerate() {
        match letter {
            'x' if is_digit(i.checked_sub(1)) && is_digit(Some(i + 1)) => text.push('×'),
            '_' => text.push(' '),
            digit if digit.is_ascii_digit() && i > 0 && letters[i - 1].is_ascii_alphabetic() => {
                if !text.ends_with('×') {
                    text.push(' ');
                }
                text.push(*digit);
            }
            other => text.push(*other),
        }
    }
    // Two kernels say that they are convolutions, and there is no room for the word.
    if text.matches('×').count() > 1 { text.trim_start_matches("conv ").to_owned() } else { text }
}

/// Which colour: operations of one family share one.
fn family(operation: &Operation) -> usize {
    let families = [("sep", 0), ("conv", 4), ("dil", 3), ("avg", 2), ("max", 1), ("id", 5)];
    let found = families.iter().find(|(begin, _)| operation.name.starts_with(begin));
    found.map_or(5, |(_, series)| *series)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two states, five blocks on them, one block on those, and the output.
    fn diagram() -> Diagram {
        let state = |name: &str| Block { name: name.to_owned(), ..Block::default() };
        let block = |number: usize, reads: [usize; 2]| Block {
            name: number.to_string(),
            lines: vec!["add".to_owned()],
            reads: reads.to_vec(),
            operations: reads.map(|reads| Operation { name: "sep5x5".to_owned(), reads }).to_vec(),
        };
        let mut blocks = vec![state("0"), state("1")];
        blocks.extend((2..7).map(|number| block(number, [0, 1])));
        blocks.push(block(7, [2, 1]));
        blocks.push(Block { name: "output".to_owned(), reads: vec![3, 7], ..Block::default() });
        Diagram { title: "Normal cell".to_owned(), blocks }
    }

    #[test]
    fn blocks_stand_above_what_they_read_and_never_on_each_other() {
        let diagram = diagram();
        for width in [360.0, 512.0, 1048.0] {
            let cell = Cell::of(&diagram, width);
            for (block, place) in diagram.blocks.iter().zip(&cell.places) {
                assert!(block.reads.iter().all(|read| cell.places[*read].top > place.top));
                assert!(place.middle - place.width / 2.0 >= 0.0);
                assert!(place.middle + place.width / 2.0 <= width, "{width} {place:?}");
            }
            for (i, one) in cell.places.iter().enumerate() {
                for other in &cell.places[i + 1..] {
                    let apart = (one.middle - other.middle).abs();
                    let same_row = (one.top - other.top).abs() < 1.0;
                    assert!(!same_row || apart >= f64::midpoint(one.width, other.width));
                }
            }
        }
    }

    #[test]
    fn names_of_operations_are_spaced() {
        let names = ["sep5x5", "max3x3", "id", "conv1x7_7x1", "conv3x3"].map(spaced);
        assert_eq!(names, ["sep 5×5", "max 3×3", "id", "1×7 7×1", "conv 3×3"]);
    }
}
