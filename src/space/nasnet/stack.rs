//! The network of a pair of cells (Zoph et al. 2018, sec. 3 and App. A, as in the released code).
//!
//! A stem, three stacks of normal cells with a reduction cell between them, and a head. Every cell reads
//! the cell before it and the one before that. Written once for [`Assemble`], so that counting and
//! building cannot differ.

use std::fmt::{self, Display};

use super::cell::INPUTS;
use super::table::{Half, Halves};
use super::{Cell, Cells, NasnetConfig, Size, Stem};
use crate::net::{Assemble, Op, Window};
use crate::space::layers::{Sweep, conv, conv_norm, head, relu_conv_norm};

/// Stacks of normal cells.
const STACKS: usize = 3;

/// A network to be described.
pub(super) struct Stack<'a> {
    pub(super) config: &'a NasnetConfig,
    pub(super) size: Size,
    pub(super) cells: &'a Cells,
    pub(super) classes: usize,
}

/// What was described.
pub(super) struct Described<M> {
    /// The map that the head reads.
    pub(super) last: M,
    /// Logits of the auxiliary head.
    pub(super) auxiliary: Option<M>,
}

/// A cell's place in the network.
#[derive(Clone, Copy)]
struct At {
    /// `cell`, `reduction` or `stem`.
    kind: &'static str,
    number: usize,
}

impl Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.kind, self.number)
    }
}

/// The maps so far.
struct Grown<M> {
    /// Outputs of all cells, the stem's convolution first; before it there is nothing.
    outputs: Vec<M>,
    /// Cells so far, those of the stem included.
    cells: usize,
}

impl<M: Copy> Grown<M> {
    fn last(&self) -> M {
        self.outputs[self.outputs.len() - 1]
    }

    fn last_but_one(&self) -> Option<M> {
        self.outputs.len().checked_sub(2).map(|place| self.outputs[place])
    }
}

impl Stack<'_> {
    /// Describes the network to `net`, the auxiliary head only where it is wanted.
    pub(super) fn describe<A: Halves>(
        &self,
        net: &mut A,
        with_auxiliary: bool,
    ) -> Described<A::Map> {
        let mut grown = self.stem(net);
        let mut auxiliary = None;
        for number in 0..STACKS * self.size.cells {
            let filters = self.size.filters << (number / self.size.cells);
            let mut before = grown.last_but_one();
            if number > 0 && number % self.size.cells == 0 {
                let at = At { kind: "reduction", number: number / self.size.cells - 1 };
                self.grow(net, &mut grown, at, (filters, 2), before);
                if !self.config.skip_reduction_input {
                    before = grown.last_but_one();
                }
            }
            self.grow(net, &mut grown, At { kind: "cell", number }, (filters, 1), before);
            if with_auxiliary && number + 1 == 2 * self.size.cells {
                auxiliary = Some(self.auxiliary(net, grown.last()));
            }
        }
        let last = grown.last();
        head(net, last, self.config.dropout, self.classes);
        Described { last, auxiliary }
    }

    /// The first convolution, and for large images two reduction cells at a quarter and half the filters.
    fn stem<A: Halves>(&self, net: &mut A) -> Grown<A::Map> {
        let image = net.image();
        let multiplier = self.config.stem_multiplier;
        match self.config.stem {
            Stem::Cifar => {
                let filters = self.size.filters * multiplier;
                let map = conv_norm(net, "stem", image, Sweep::square(3, 1), filters);
                Grown { outputs: vec![map], cells: 0 }
            }
            Stem::Imagenet => {
                let (filters, window) = (32 * multiplier, Window::valid(3, 2));
                let op = Op::Conv { filters, window, dilation: 1, bias: false };
                let map = net.add(format_args!("stem.conv"), op, &[image]);
                let map = net.add(format_args!("stem.norm"), Op::BatchNorm, &[map]);
                let mut grown = Grown { outputs: vec![map], cells: 0 };
                for (number, part) in [4, 2].into_iter().enumerate() {
                    let (before, filters) = (grown.last_but_one(), self.size.filters / part);
                    let at = At { kind: "stem", number };
                    self.grow(net, &mut grown, at, (filters, 2), before);
                }
                grown
            }
        }
    }

    /// Adds a cell that reads the last one and `before`; stride 2 makes it a reduction.
    fn grow<A: Halves>(
        &self,
        net: &mut A,
        grown: &mut Grown<A::Map>,
        at: At,
        (filters, stride): (usize, usize),
        before: Option<A::Map>,
    ) {
        let cell = if stride == 1 { &self.cells.normal } else { &self.cells.reduction };
        let share = self.share(grown.cells);
        let placed = Placed { at, cell, filters, stride, share };
        let map = net.cell(&placed, grown.last(), before);
        grown.outputs.push(map);
        grown.cells += 1;
    }

    /// Depth of the `number`-th cell in the network, at most 1: what `ScheduledDropPath` scales with.
    #[expect(clippy::cast_precision_loss, reason = "few cells")]
    fn share(&self, number: usize) -> f64 {
        let stem = if self.config.stem == Stem::Imagenet { 2 } else { 0 };
        (number + 1) as f64 / (STACKS * self.size.cells + 2 + stem) as f64
    }

    /// The auxiliary head: pooled, 128 and 768 channels, logits.
    fn auxiliary<A: Assemble>(&self, net: &mut A, map: A::Map) -> A::Map {
        let map = net.add(format_args!("auxiliary.relu"), Op::Relu, &[map]);
        let shape = net.shape(map);
        // Below 5 pixels the window is the whole map.
        let kernel = (shape.height.min(5), shape.width.min(5));
        let window = Window { kernel, ..Window::valid(1, 3) };
        let map = net.add(format_args!("auxiliary.pool"), Op::AvgPool { window }, &[map]);
        let map = conv_norm(net, "auxiliary.point", map, Sweep::square(1, 1), 128);
        let map = net.add(format_args!("auxiliary.point.relu"), Op::Relu, &[map]);
        let shape = net.shape(map);
        let window = Window { kernel: (shape.height, shape.width), ..Window::valid(1, 1) };
        let op = Op::Conv { filters: 768, window, dilation: 1, bias: false };
        let map = net.add(format_args!("auxiliary.full.conv"), op, &[map]);
        let map = net.add(format_args!("auxiliary.full.norm"), Op::BatchNorm, &[map]);
        let map = net.add(format_args!("auxiliary.full.relu"), Op::Relu, &[map]);
        net.add(format_args!("auxiliary.logits"), Op::Dense { units: self.classes }, &[map])
    }
}

/// A cell at its place.
pub(super) struct Placed<'a> {
    at: At,
    cell: &'a Cell,
    pub(super) filters: usize,
    pub(super) stride: usize,
    /// Depth in the network for dropped paths.
    share: f64,
}

impl Placed<'_> {
    pub(super) fn describe<A: Halves>(
        &self,
        net: &mut A,
        input: A::Map,
        before: Option<A::Map>,
    ) -> A::Map {
        let Self { at, cell, filters, .. } = *self;
        let entry = Sweep::square(1, 1);
        // The first cell has nothing before its input and reads it twice, once as it is.
        let other = before.map_or(input, |before| self.aligned(net, before, input));
        let mut states = Vec::with_capacity(cell.states());
        states.push(relu_conv_norm(net, format_args!("{at}.input"), input, entry, filters));
        states.push(other);
        for (b, block) in cell.blocks.iter().enumerate() {
            let [first, second] = [(0, "a"), (1, "b")].map(|(half, name)| {
                let read = block.inputs[half];
                let half = Half {
                    at: &format_args!("{at}.block{b}.{name}"),
                    op: block.ops[half],
                    filters,
                    stride: if read < INPUTS { self.stride } else { 1 },
                    share: self.share,
                };
                net.half(half, states[read])
            });
            let path = format_args!("{at}.block{b}");
            states.push(net.add(path, block.combiner.op(), &[first, second]));
        }
        self.joined(net, &states)
    }

    /// The cell before last with the side and channels of this cell's states.
    fn aligned<A: Assemble>(&self, net: &mut A, before: A::Map, input: A::Map) -> A::Map {
        let (shape, wanted) = (net.shape(before), net.shape(input));
        let at = format_args!("{}.before", self.at);
        if (shape.height, shape.width) != (wanted.height, wanted.width) {
            let map = net.add(format_args!("{at}.relu"), Op::Relu, &[before]);
            halved(net, at, map, self.filters)
        } else if shape.channels == self.filters {
            before
        } else {
            relu_conv_norm(net, at, before, Sweep::square(1, 1), self.filters)
        }
    }

    /// The output: states on the channel axis, each first made like the last state of the cell.
    fn joined<A: Assemble>(&self, net: &mut A, states: &[A::Map]) -> A::Map {
        let at = self.at;
        let like = net.shape(states[states.len() - 1]);
        let mut output = Vec::with_capacity(states.len());
        for place in Cell::places(self.cell.output()) {
            let (map, shape) = (states[place], net.shape(states[place]));
            let at = format_args!("{at}.state{place}");
            output.push(if (shape.height, shape.width) != (like.height, like.width) {
                halved(net, at, map, like.channels)
            } else if shape.channels == like.channels {
                map
            } else {
                conv_norm(net, at, map, Sweep::square(1, 1), like.channels)
            });
        }
        net.add(format_args!("{at}.output"), Op::Concat, &output)
    }
}

/// Factorized reduction: every second pixel, and every second one shifted by one down and right, each
/// through a 1x1 convolution to half the filters, then one normalisation.
fn halved<A: Assemble>(net: &mut A, at: impl Display, map: A::Map, filters: usize) -> A::Map {
    let sweep = Sweep::square(1, 2);
    let even = conv(net, format_args!("{at}.even"), map, sweep, filters / 2);
    let shift = Op::Pad { rows: (-1, 1), columns: (-1, 1) };
    let odd = net.add(format_args!("{at}.shift"), shift, &[map]);
    let odd = conv(net, format_args!("{at}.odd"), odd, sweep, filters - filters / 2);
    let both = net.add(format_args!("{at}.both"), Op::Concat, &[even, odd]);
    net.add(format_args!("{at}.norm"), Op::BatchNorm, &[both])
}
