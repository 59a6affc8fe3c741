//! Sizes of operations by level, looked up instead of described: a search over cells asks for the size of
//! a network at every trial, and nearly all of it are the same operations on maps of the same shapes. Within
//! a network, cells of a stack repeat each other from the third on: those are counted again, not described.

use std::fmt::{self, Display};

use super::stack::Placed;
use super::{CellOp, NasnetConfig, Size, Stem};
use crate::net::{Assemble, Builder, Op, Shape, Sizes, Tallied, Tally, Window};

/// What takes cells, and a cell's operations, one by one.
pub(super) trait Halves: Assemble + Sized {
    /// The output of a cell that reads `input` and, where there is one, the cell `before` it.
    fn cell(
        &mut self,
        cell: &Placed<'_>,
        input: Self::Map,
        before: Option<Self::Map>,
    ) -> Self::Map {
        cell.describe(self, input, before)
    }

    /// The output of an operation in a block: with `filters` channels, its path dropped at times.
    fn half(&mut self, half: Half<'_, impl Display>, map: Self::Map) -> Self::Map {
        half.describe(self, map)
    }
}

/// Half of a block: an operation at its place.
pub(super) struct Half<'a, D> {
    pub(super) at: &'a D,
    pub(super) op: CellOp,
    pub(super) filters: usize,
    pub(super) stride: usize,
    /// Depth of the cell in its network.
    pub(super) share: f64,
}

impl<D: Display> Half<'_, D> {
    fn describe<A: Assemble>(&self, net: &mut A, map: A::Map) -> A::Map {
        let map = self.op.assemble(net, self.at, map, self.filters, self.stride);
        if self.op == CellOp::Identity {
            return map;
        }
        net.add(format_args!("{}.path", self.at), Op::DropPath { share: self.share }, &[map])
    }
}

impl Halves for Builder {}

/// Sizes of all operations at each level of a network.
#[derive(Debug, Clone)]
pub(super) struct Table {
    levels: Vec<Level>,
}

/// Where maps have one side and operations one stride and number of filters.
#[derive(Debug, Clone)]
struct Level {
    side: (usize, usize),
    filters: usize,
    stride: usize,
    /// By operation, for maps of `filters` channels and of twice as many (concatenated halves).
    parts: Vec<[Part; 2]>,
}

/// What an operation adds to a network.
#[derive(Debug, Clone, Copy)]
struct Part {
    sizes: Sizes,
    output: Shape,
    depth: u32,
}

impl Table {
    /// The levels that cells of a network meet: each is entered by a reduction, except the first.
    pub(super) fn new(config: &NasnetConfig, size: Size, image: Shape) -> Self {
        let mut levels = Vec::new();
        let mut side = (image.height, image.width);
        let halved = |(rows, columns): (usize, usize)| (rows.div_ceil(2), columns.div_ceil(2));
        if config.stem == Stem::Imagenet {
            let window = Window::valid(3, 2);
            side = window.slide(image, 1).expect("the space was opened for images that fit");
            for part in [4, 2] {
                levels.push(Level::new(side, size.filters / part, 2));
                side = halved(side);
                levels.push(Level::new(side, size.filters / part, 1));
            }
        }
        levels.push(Level::new(side, size.filters, 1));
        for doublings in 1..3 {
            levels.push(Level::new(side, size.filters << doublings, 2));
            side = halved(side);
            levels.push(Level::new(side, size.filters << doublings, 1));
        }
        Self { levels }
    }

    fn find(&self, op: CellOp, shape: Shape, filters: usize, stride: usize) -> Option<&Part> {
        let fits = |level: &&Level| {
            (level.filters, level.stride) == (filters, stride)
                && level.side == (shape.height, shape.width)
        };
        let column = match shape.channels {
            channels if channels == filters => 0,
            channels if channels == 2 * filters => 1,
            // The first cell reads the stem as it is.
            _ => return None,
        };
        let level = self.levels.iter().find(fits)?;
        Some(&level.parts[op as usize][column])
    }
}

impl Level {
    fn new(side: (usize, usize), filters: usize, stride: usize) -> Self {
        let part = |op, channels| {
            let map =
                Tallied { shape: Shape { channels, height: side.0, width: side.1 }, depth: 0 };
            let mut tally = Tally::new(map.shape);
            let half = Half { at: &"", op, filters, stride, share: 1.0 };
            let output = half.describe(&mut tally, map);
            Part { sizes: tally.sizes(), output: output.shape, depth: output.depth }
        };
        let parts = CellOp::ALL.map(|op| [part(op, filters), part(op, 2 * filters)]);
        Self { side, filters, stride, parts: parts.to_vec() }
    }
}

/// A count of one network that looks operations and cells up where it can.
pub(super) struct Quick<'a> {
    tally: Tally,
    table: &'a Table,
    cells: Vec<Known>,
}

/// All that a cell's sizes and shape depend on within a network. How deep its output lies beyond its input
/// depends only on how far the inputs lie apart, since every path in a cell begins at one of them.
#[derive(PartialEq, Eq)]
struct Met {
    filters: usize,
    stride: usize,
    input: Shape,
    /// Shape of the cell before, and how much deeper the input lies; wraps.
    before: Option<(Shape, u32)>,
}

/// A cell that was counted.
struct Known {
    met: Met,
    sizes: Sizes,
    shape: Shape,
    /// How much deeper the output lies than the input; wraps.
    deeper: u32,
}

impl<'a> Quick<'a> {
    /// A count that has seen nothing.
    pub(super) fn new(image: Shape, table: &'a Table) -> Self {
        Self { tally: Tally::new(image), table, cells: Vec::new() }
    }

    /// What was counted.
    pub(super) fn sizes(&self) -> Sizes {
        self.tally.sizes()
    }
}

impl Assemble for Quick<'_> {
    type Map = Tallied;

    fn image(&self) -> Tallied {
        self.tally.image()
    }

    fn shape(&self, map: Tallied) -> Shape {
        map.shape
    }

    fn add(&mut self, path: fmt::Arguments<'_>, op: Op, inputs: &[Tallied]) -> Tallied {
        self.tally.add(path, op, inputs)
    }
}

impl Halves for Quick<'_> {
    fn cell(&mut self, cell: &Placed<'_>, input: Tallied, before: Option<Tallied>) -> Tallied {
        let met = Met {
            filters: cell.filters,
            stride: cell.stride,
            input: input.shape,
            before: before.map(|map| (map.shape, input.depth.wrapping_sub(map.depth))),
        };
        if let Some(known) = self.cells.iter().rev().find(|known| known.met == met) {
            self.tally.count(known.sizes);
            return Tallied { shape: known.shape, depth: input.depth.wrapping_add(known.deeper) };
        }
        let earlier = self.tally.sizes();
        let output = cell.describe(self, input, before);
        self.cells.push(Known {
            met,
            sizes: self.tally.sizes().since(earlier),
            shape: output.shape,
            deeper: output.depth.wrapping_sub(input.depth),
        });
        output
    }

    fn half(&mut self, half: Half<'_, impl Display>, map: Tallied) -> Tallied {
        match self.table.find(half.op, map.shape, half.filters, half.stride) {
            Some(part) => {
                self.tally.count(part.sizes);
                Tallied { shape: part.output, depth: map.depth + part.depth }
            }
            None => half.describe(self, map),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_stand_in_the_table_in_their_own_order() {
        for (place, op) in CellOp::ALL.into_iter().enumerate() {
            assert_eq!(op as usize, place);
        }
    }
}
