//! A chain's child network, and its size without building it.

use super::rules::pooled;
use super::{Chain, Layer};
use crate::net::{Builder, Network, NodeId, Op, Shape, Window};
use crate::space::Features;

impl Chain {
    /// The child network for images of shape `image`.
    ///
    /// Convolutions keep the side (padding of half the kernel) and carry a bias, or with `batch_norm`
    /// no bias but a normalisation before their rectifier; so does the 1x1 convolution of a global
    /// pooling. Poolings have no padding. Dropout is in the network when it is in the chain.
    ///
    /// # Panics
    /// When a pooling is larger than the map it meets.
    #[must_use]
    pub fn network(&self, image: Shape, batch_norm: bool) -> Network {
        let mut build = Building { builder: Builder::new(image), at: NodeId(0), batch_norm };
        for (i, layer) in self.layers().iter().enumerate() {
            build.layer(i, *layer);
        }
        build.builder.finish()
    }

    /// Size and shape of [`Chain::network`], counted layer by layer.
    ///
    /// # Panics
    /// As [`Chain::network`].
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn features(&self, image: Shape, batch_norm: bool) -> Features {
        let mut count =
            Counting { channels: image.channels, side: image.height, ..Counting::default() };
        for layer in self.layers() {
            count.layer(*layer, batch_norm);
        }
        let side_before_head = count.side_before_head.unwrap_or(image.height);
        let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        Features {
            parameters: count.parameters,
            multiply_adds: count.multiply_adds,
            depth: count.parametric,
            identity_share: 0.0,
            halvings: libm::log2(image.height as f64 / side_before_head as f64),
            pool_share: share(f64::from(count.pools), f64::from(count.pools + count.convs)),
            dense_share: share(count.dense_parameters as f64, count.parameters as f64),
            batch_norm,
            activations: count.activations,
        }
    }
}

/// A network under construction.
struct Building {
    builder: Builder,
    at: NodeId,
    batch_norm: bool,
}

impl Building {
    fn layer(&mut self, i: usize, layer: Layer) {
        match layer {
            Layer::Conv { filters, kernel, stride } => self.conv(i, filters, kernel, stride),
            Layer::Pool { kernel, stride } => {
                self.add(format!("pool{i}"), Op::MaxPool { window: Window::valid(kernel, stride) });
            }
            Layer::Fc { units } => {
                self.dense(format!("fc{i}"), units);
                self.add(format!("relu{i}"), Op::Relu);
            }
            Layer::Gap { classes } => {
                self.conv(i, classes, 1, 1);
                self.add(format!("gap{i}"), Op::GlobalAvgPool);
            }
            Layer::Softmax { classes } => self.dense("logits".to_owned(), classes),
            Layer::Dropout { slot, slots } => {
                self.add(format!("dropout{i}"), Op::Dropout { rate: dropout_rate(slot, slots) });
            }
        }
    }

    /// Convolution, normalisation when there is any, rectifier.
    fn conv(&mut self, i: usize, filters: usize, kernel: usize, stride: usize) {
        let pad = (kernel / 2, kernel / 2);
        let window = Window { pad_rows: pad, pad_columns: pad, ..Window::valid(kernel, stride) };
        let bias = !self.batch_norm;
        self.add(format!("conv{i}"), Op::Conv { filters, window, dilation: 1, bias });
        if self.batch_norm {
            self.add(format!("norm{i}"), Op::BatchNorm);
        }
        self.add(format!("relu{i}"), Op::Relu);
    }

    /// A dense layer, after flattening what is still a map.
    fn dense(&mut self, path: String, units: usize) {
        let shape = self.builder.shape(self.at);
        if shape.height > 1 || shape.width > 1 {
            self.add("flatten".to_owned(), Op::Flatten);
        }
        self.add(path, Op::Dense { units });
    }

    fn add(&mut self, path: String, op: Op) {
        self.at = self.builder.add(path, op, &[self.at]);
    }
}

/// Rates rise in equal steps to one half (Baker et al. 2017, sec. 5).
#[expect(clippy::cast_precision_loss, reason = "a chain has few layers")]
fn dropout_rate(slot: usize, slots: usize) -> f64 {
    slot as f64 / (2 * slots) as f64
}

/// Counters that pass along a chain.
#[derive(Debug, Default)]
struct Counting {
    channels: usize,
    /// 1 for vectors.
    side: usize,
    /// Known once the head begins: with the global pooling or the first dense layer.
    side_before_head: Option<usize>,
    parameters: u64,
    multiply_adds: u64,
    dense_parameters: u64,
    activations: u64,
    parametric: u32,
    convs: u32,
    pools: u32,
}

impl Counting {
    fn layer(&mut self, layer: Layer, batch_norm: bool) {
        match layer {
            Layer::Conv { filters, kernel, stride } => {
                self.convs += 1;
                self.side = (self.side + 2 * (kernel / 2) - kernel) / stride + 1;
                self.conv(filters, kernel, batch_norm);
            }
            Layer::Pool { kernel, stride } => {
                self.pools += 1;
                self.side = pooled(self.side, kernel, stride);
                self.keep();
            }
            Layer::Fc { units } => self.dense(units),
            Layer::Gap { classes } => {
                self.side_before_head = Some(self.side);
                self.conv(classes, 1, batch_norm);
                self.side = 1;
                self.keep();
            }
            Layer::Softmax { classes } => self.dense(classes),
            Layer::Dropout { .. } => {}
        }
    }

    fn conv(&mut self, filters: usize, kernel: usize, batch_norm: bool) {
        let weights = kernel * kernel * self.channels * filters;
        // Either a bias for each map, or a scale and a shift.
        let others = if batch_norm { 2 * filters } else { filters };
        self.parameters += (weights + others) as u64;
        self.multiply_adds += (weights * self.side * self.side) as u64;
        self.parametric += 1;
        self.channels = filters;
        self.keep();
        if batch_norm {
            self.keep();
        }
    }

    fn dense(&mut self, units: usize) {
        self.side_before_head.get_or_insert(self.side);
        let inputs = self.channels * self.side * self.side;
        let parameters = ((inputs + 1) * units) as u64;
        self.parameters += parameters;
        self.dense_parameters += parameters;
        self.multiply_adds += (inputs * units) as u64;
        self.parametric += 1;
        (self.channels, self.side) = (units, 1);
        self.keep();
    }

    /// Counts the map that was just made.
    fn keep(&mut self) {
        self.activations += (self.channels * self.side * self.side) as u64;
    }
}
