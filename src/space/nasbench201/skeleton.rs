//! The network of a cell: a stem, three stages of cells with a residual block of stride 2 between them, and
//! a head (NAS-Bench-201, fig. 1).

use super::Nasbench201Config;
use super::cell::{Cell, EdgeOp, NODES};
use crate::net::{Assemble, Op, Window};
use crate::space::layers::{Sweep, conv, conv_norm, head, relu_conv_norm};

/// Stages of cells.
const STAGES: usize = 3;

/// Describes the network to `net`; the map that the head reads.
pub(super) fn describe<A: Assemble>(
    net: &mut A,
    config: &Nasbench201Config,
    cell: Cell,
    classes: usize,
) -> A::Map {
    let image = net.image();
    let edges: Vec<(usize, usize, EdgeOp)> = cell.live().collect();
    let mut map = conv_norm(net, "stem", image, Sweep::square(3, 1), config.filters);
    for stage in 0..STAGES {
        let filters = config.filters << stage;
        if stage > 0 {
            map = residual(net, stage - 1, map, filters);
        }
        for number in 0..config.cells {
            map = assemble(net, stage * config.cells + number, &edges, map, filters);
        }
    }
    let map = net.add(format_args!("head.norm"), Op::BatchNorm, &[map]);
    head(net, map, 0.0, classes);
    map
}

/// A cell of live edges: each node is the sum of what they bring.
fn assemble<A: Assemble>(
    net: &mut A,
    number: usize,
    edges: &[(usize, usize, EdgeOp)],
    input: A::Map,
    filters: usize,
) -> A::Map {
    let mut nodes: [Option<A::Map>; NODES] = [Some(input), None, None, None];
    for node in 1..NODES {
        let mut brought = Vec::with_capacity(node);
        for &(from, _, op) in edges.iter().filter(|(_, to, _)| *to == node) {
            let map = nodes[from].expect("a live edge reads a node that something reaches");
            let at = format_args!("cell{number}.edge{from}{node}");
            brought.push(match op {
                EdgeOp::None | EdgeOp::Skip => map,
                EdgeOp::Conv1x1 => relu_conv_norm(net, at, map, Sweep::square(1, 1), filters),
                EdgeOp::Conv3x3 => relu_conv_norm(net, at, map, Sweep::square(3, 1), filters),
                EdgeOp::AvgPool3x3 => {
                    let window = Window::same_on((3, 3), (1, 1), 1, net.shape(map));
                    net.add(format_args!("{at}.pool"), Op::AvgPool { window }, &[map])
                }
            });
        }
        nodes[node] = match brought[..] {
            [] => None,
            [map] => Some(map),
            _ => Some(net.add(format_args!("cell{number}.node{node}"), Op::Add, &brought)),
        };
    }
    nodes[NODES - 1].unwrap_or_else(|| zeros(net, number, input))
}

/// The output of a cell without a path: zeros, made by shifting the map out of its frame.
fn zeros<A: Assemble>(net: &mut A, number: usize, map: A::Map) -> A::Map {
    let rows = isize::try_from(net.shape(map).height).expect("a side is at most 4096");
    let shift = Op::Pad { rows: (-rows, rows), columns: (0, 0) };
    net.add(format_args!("cell{number}.zeros"), shift, &[map])
}

/// Halves the side: two 3x3 convolutions, beside them an average pooling and a 1x1 convolution.
fn residual<A: Assemble>(net: &mut A, number: usize, map: A::Map, filters: usize) -> A::Map {
    let at = format_args!("reduction{number}");
    let first = relu_conv_norm(net, format_args!("{at}.a"), map, Sweep::square(3, 2), filters);
    let main = relu_conv_norm(net, format_args!("{at}.b"), first, Sweep::square(3, 1), filters);
    let window = Window::same_on((2, 2), (2, 2), 1, net.shape(map));
    let pooled = net.add(format_args!("{at}.pool"), Op::AvgPool { window }, &[map]);
    let beside = conv(net, format_args!("{at}.beside"), pooled, Sweep::square(1, 1), filters);
    net.add(at, Op::Add, &[beside, main])
}
