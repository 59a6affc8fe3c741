//! The two cells as diagrams of blocks.

use super::cell::INPUTS;
use super::{Cell, Cells};
use crate::net::{Block, Diagram, Drawing, Operation};

/// Both cells.
pub(super) fn draw(cells: &Cells) -> Drawing {
    let diagrams = [("Normal cell", &cells.normal), ("Reduction cell", &cells.reduction)];
    Drawing { diagrams: diagrams.map(|(title, cell)| diagram(title, cell)).to_vec() }
}

fn diagram(title: &str, cell: &Cell) -> Diagram {
    let input = |name: &str, line: &str| Block {
        name: name.to_owned(),
        lines: vec![line.to_owned()],
        ..Block::default()
    };
    let mut blocks = vec![input("0", "last cell"), input("1", "cell before")];
    for (b, block) in cell.blocks.iter().enumerate() {
        let half = |half: usize| format!("{} of {}", block.ops[half], block.inputs[half]);
        let lines = vec![half(0), half(1), block.combiner.name().to_owned()];
        let mut reads = block.inputs.to_vec();
        reads.sort_unstable();
        reads.dedup();
        let operation = |half: usize| Operation {
            name: block.ops[half].to_string(),
            reads: block.inputs[half],
        };
        let operations = vec![operation(0), operation(1)];
        blocks.push(Block { name: (b + INPUTS).to_string(), lines, reads, operations });
    }
    let reads: Vec<usize> = Cell::places(cell.output()).collect();
    let lines = vec!["concat".to_owned()];
    blocks.push(Block { name: "output".to_owned(), lines, reads, operations: Vec::new() });
    Diagram { title: title.to_owned(), blocks }
}
