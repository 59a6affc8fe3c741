//! Layers that the cell spaces and the layer space are made of, in the order of their papers: rectifier,
//! convolution, normalisation. No convolution has a bias, since a normalisation follows.

use std::fmt::Display;

use crate::net::{Assemble, Op, Window};

/// A convolution without its filters: kernel and stride for rows and columns, distance of its taps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sweep {
    pub(super) kernel: (usize, usize),
    pub(super) stride: (usize, usize),
    pub(super) dilation: usize,
}

impl Sweep {
    /// A square kernel.
    pub(super) fn square(kernel: usize, stride: usize) -> Self {
        Self { kernel: (kernel, kernel), stride: (stride, stride), dilation: 1 }
    }
}

/// Rectifier, convolution that keeps `ceil(side / stride)`, normalisation.
pub(super) fn relu_conv_norm<A: Assemble>(
    net: &mut A,
    at: impl Display,
    map: A::Map,
    sweep: Sweep,
    filters: usize,
) -> A::Map {
    let map = net.add(format_args!("{at}.relu"), Op::Relu, &[map]);
    conv_norm(net, at, map, sweep, filters)
}

/// Convolution that keeps `ceil(side / stride)`, normalisation.
pub(super) fn conv_norm<A: Assemble>(
    net: &mut A,
    at: impl Display,
    map: A::Map,
    sweep: Sweep,
    filters: usize,
) -> A::Map {
    let map = conv(net, &at, map, sweep, filters);
    net.add(format_args!("{at}.norm"), Op::BatchNorm, &[map])
}

/// Convolution that keeps `ceil(side / stride)`.
pub(super) fn conv<A: Assemble>(
    net: &mut A,
    at: impl Display,
    map: A::Map,
    sweep: Sweep,
    filters: usize,
) -> A::Map {
    let Sweep { kernel, stride, dilation } = sweep;
    let window = Window::same_on(kernel, stride, dilation, net.shape(map));
    let op = Op::Conv { filters, window, dilation, bias: false };
    net.add(format_args!("{at}.conv"), op, &[map])
}

/// Rectifier, mean of each map, dense layer to the logits of `classes`. `dropout` is the rate before
/// the dense layer; 0 adds none.
pub(super) fn head<A: Assemble>(net: &mut A, map: A::Map, dropout: f64, classes: usize) -> A::Map {
    let map = net.add(format_args!("head.relu"), Op::Relu, &[map]);
    let mut map = net.add(format_args!("head.mean"), Op::GlobalAvgPool, &[map]);
    if dropout > 0.0 {
        map = net.add(format_args!("head.dropout"), Op::Dropout { rate: dropout }, &[map]);
    }
    net.add(format_args!("logits"), Op::Dense { units: classes }, &[map])
}
