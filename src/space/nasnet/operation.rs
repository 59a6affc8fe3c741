//! The thirteen operations and two combiners of a block (Zoph et al. 2018, sec. 3), and how each is built.

use std::fmt::{self, Display};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::net::{Assemble, Op, Window};
use crate::space::layers::{Sweep, conv_norm, relu_conv_norm};

/// What a block does with a state that it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum CellOp {
    /// The state itself.
    #[serde(rename = "id")]
    Identity,
    /// 1x3 convolution, then 3x1.
    #[serde(rename = "conv1x3_3x1")]
    Conv1x3,
    /// 1x7 convolution, then 7x1.
    #[serde(rename = "conv1x7_7x1")]
    Conv1x7,
    /// 3x3 convolution whose taps are two apart.
    #[serde(rename = "dil3x3")]
    Dilated3x3,
    /// 3x3 average pooling.
    #[serde(rename = "avg3x3")]
    AvgPool3x3,
    /// 3x3 max pooling.
    #[serde(rename = "max3x3")]
    MaxPool3x3,
    /// 5x5 max pooling.
    #[serde(rename = "max5x5")]
    MaxPool5x5,
    /// 7x7 max pooling.
    #[serde(rename = "max7x7")]
    MaxPool7x7,
    /// 1x1 convolution.
    #[serde(rename = "conv1x1")]
    Conv1x1,
    /// 3x3 convolution.
    #[serde(rename = "conv3x3")]
    Conv3x3,
    /// 3x3 depthwise-separable convolution, applied twice.
    #[serde(rename = "sep3x3")]
    Separable3x3,
    /// 5x5 depthwise-separable convolution, applied twice.
    #[serde(rename = "sep5x5")]
    Separable5x5,
    /// 7x7 depthwise-separable convolution, applied twice.
    #[serde(rename = "sep7x7")]
    Separable7x7,
}

/// How a block joins its two halves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Combiner {
    /// Their sum.
    Add,
    /// One after the other on the channel axis.
    Concat,
}

impl CellOp {
    /// All of them, in the paper's order.
    pub const ALL: [Self; 13] = [
        Self::Identity,
        Self::Conv1x3,
        Self::Conv1x7,
        Self::Dilated3x3,
        Self::AvgPool3x3,
        Self::MaxPool3x3,
        Self::MaxPool5x5,
        Self::MaxPool7x7,
        Self::Conv1x1,
        Self::Conv3x3,
        Self::Separable3x3,
        Self::Separable5x5,
        Self::Separable7x7,
    ];

    /// Its name in a genotype's text.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "id",
            Self::Conv1x3 => "conv1x3_3x1",
            Self::Conv1x7 => "conv1x7_7x1",
            Self::Dilated3x3 => "dil3x3",
            Self::AvgPool3x3 => "avg3x3",
            Self::MaxPool3x3 => "max3x3",
            Self::MaxPool5x5 => "max5x5",
            Self::MaxPool7x7 => "max7x7",
            Self::Conv1x1 => "conv1x1",
            Self::Conv3x3 => "conv3x3",
            Self::Separable3x3 => "sep3x3",
            Self::Separable5x5 => "sep5x5",
            Self::Separable7x7 => "sep7x7",
        }
    }

    /// Whether it is a pooling.
    #[must_use]
    pub fn is_pooling(self) -> bool {
        use CellOp::{AvgPool3x3, MaxPool3x3, MaxPool5x5, MaxPool7x7};
        matches!(self, AvgPool3x3 | MaxPool3x3 | MaxPool5x5 | MaxPool7x7)
    }

    /// Its output of `filters` channels for a map that may have any number of them.
    ///
    /// Always rectifier, convolution, normalisation. An identity or a pooling gets a 1x1 convolution
    /// only where channels, or for an identity sides, differ.
    pub(super) fn assemble<A: Assemble>(
        self,
        net: &mut A,
        at: impl Display,
        map: A::Map,
        filters: usize,
        stride: usize,
    ) -> A::Map {
        let conv = |net: &mut A, kernel| {
            relu_conv_norm(net, &at, map, Sweep::square(kernel, stride), filters)
        };
        let pool = |net: &mut A, kernel, op: fn(Window) -> Op| {
            pooled(net, &at, map, op, (kernel, stride), filters)
        };
        let average = |window| Op::AvgPool { window };
        let max = |window| Op::MaxPool { window };
        match self {
            Self::Identity if stride == 1 && net.shape(map).channels == filters => map,
            Self::Identity | Self::Conv1x1 => conv(net, 1),
            Self::Conv3x3 => conv(net, 3),
            Self::Conv1x3 => crossed(net, &at, map, (3, stride), filters),
            Self::Conv1x7 => crossed(net, &at, map, (7, stride), filters),
            Self::Dilated3x3 => {
                let sweep = Sweep { dilation: 2, ..Sweep::square(3, stride) };
                relu_conv_norm(net, &at, map, sweep, filters)
            }
            Self::AvgPool3x3 => pool(net, 3, average),
            Self::MaxPool3x3 => pool(net, 3, max),
            Self::MaxPool5x5 => pool(net, 5, max),
            Self::MaxPool7x7 => pool(net, 7, max),
            Self::Separable3x3 => separable_twice(net, &at, map, (3, stride), filters),
            Self::Separable5x5 => separable_twice(net, &at, map, (5, stride), filters),
            Self::Separable7x7 => separable_twice(net, &at, map, (7, stride), filters),
        }
    }
}

impl Combiner {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Add, Self::Concat];

    /// Its name in a genotype's text.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Concat => "concat",
        }
    }

    /// The node that joins.
    pub(super) fn op(self) -> Op {
        match self {
            Self::Add => Op::Add,
            Self::Concat => Op::Concat,
        }
    }
}

impl fmt::Display for CellOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A pooling, and a 1x1 convolution where it does not give `filters` channels.
fn pooled<A: Assemble>(
    net: &mut A,
    at: &impl Display,
    map: A::Map,
    op: fn(Window) -> Op,
    (kernel, stride): (usize, usize),
    filters: usize,
) -> A::Map {
    let shape = net.shape(map);
    let window = Window::same_on((kernel, kernel), (stride, stride), 1, shape);
    let map = net.add(format_args!("{at}.pool"), op(window), &[map]);
    if shape.channels == filters {
        map
    } else {
        conv_norm(net, at, map, Sweep::square(1, 1), filters)
    }
}

/// A 1xk convolution, then a kx1 one; each strides along its own axis.
fn crossed<A: Assemble>(
    net: &mut A,
    at: &impl Display,
    map: A::Map,
    (kernel, stride): (usize, usize),
    filters: usize,
) -> A::Map {
    let across = Sweep { kernel: (1, kernel), stride: (1, stride), dilation: 1 };
    let down = Sweep { kernel: (kernel, 1), stride: (stride, 1), dilation: 1 };
    let map = relu_conv_norm(net, format_args!("{at}.across"), map, across, filters);
    relu_conv_norm(net, format_args!("{at}.down"), map, down, filters)
}

/// Twice a rectifier, a depthwise convolution (the stride on the first only), a 1x1 convolution and a
/// normalisation; nothing stands between depthwise and 1x1 (App. A.4).
fn separable_twice<A: Assemble>(
    net: &mut A,
    at: &impl Display,
    map: A::Map,
    (kernel, stride): (usize, usize),
    filters: usize,
) -> A::Map {
    let mut map = map;
    for (time, stride) in [stride, 1].into_iter().enumerate() {
        map = net.add(format_args!("{at}.relu{time}"), Op::Relu, &[map]);
        let window = Window::same_on((kernel, kernel), (stride, stride), 1, net.shape(map));
        map = net.add(format_args!("{at}.depthwise{time}"), Op::Depthwise { window }, &[map]);
        map = conv_norm(net, format_args!("{at}.point{time}"), map, Sweep::square(1, 1), filters);
    }
    map
}
