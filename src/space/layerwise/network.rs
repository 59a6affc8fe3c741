//! The network of layers and the three repairs (Zoph & Le 2017, sec. 3.3): a layer that reads nothing
//! reads the image; outputs that nobody reads are concatenated before the classifier; smaller maps are
//! padded with zeros where they meet larger ones.

use std::fmt::Display;

use super::{Layer, LayerwiseConfig};
use crate::net::{Assemble, Op, Window};
use crate::space::layers::{Sweep, conv_norm};

/// Describes the network to `net`; the map whose mean is classified.
pub(super) fn describe<A: Assemble>(
    net: &mut A,
    config: &LayerwiseConfig,
    layers: &[Layer],
    classes: usize,
) -> A::Map {
    let image = net.image();
    let mut outputs: Vec<A::Map> = Vec::with_capacity(layers.len());
    let mut is_read = vec![false; layers.len()];
    for (i, layer) in layers.iter().enumerate() {
        let chain = [i.wrapping_sub(1)];
        let reads = match layer.reads.as_slice() {
            [] if !config.skips && i > 0 => chain.as_slice(),
            reads => reads,
        };
        for &from in reads {
            is_read[from] = true;
        }
        let maps: Vec<A::Map> = reads.iter().map(|from| outputs[*from]).collect();
        let map = joined(net, format_args!("layer{i}.input"), &maps).unwrap_or(image);
        let only = config.strides[0];
        let stride = layer.stride.unwrap_or((only, only));
        let sweep = Sweep { kernel: layer.kernel, stride, dilation: 1 };
        let map = conv_norm(net, format_args!("layer{i}"), map, sweep, layer.filters);
        let mut map = net.add(format_args!("layer{i}.relu"), Op::Relu, &[map]);
        if config.pools_after.contains(&(i + 1)) {
            let window = Window::same_on((2, 2), (2, 2), 1, net.shape(map));
            map = net.add(format_args!("layer{i}.pool"), Op::MaxPool { window }, &[map]);
        }
        outputs.push(map);
    }
    let unread = outputs.iter().zip(&is_read).filter(|(_, is_read)| !**is_read);
    let unread: Vec<A::Map> = unread.map(|(map, _)| *map).collect();
    let last = joined(net, "head.input", &unread).expect("nobody reads the last layer");
    let mean = net.add(format_args!("head.mean"), Op::GlobalAvgPool, &[last]);
    net.add(format_args!("logits"), Op::Dense { units: classes }, &[mean]);
    last
}

/// Maps on one channel axis, each padded to the largest side; nothing of nothing.
fn joined<A: Assemble>(net: &mut A, at: impl Display, maps: &[A::Map]) -> Option<A::Map> {
    let shapes = || maps.iter().map(|map| net.shape(*map));
    let height = shapes().map(|shape| shape.height).max()?;
    let width = shapes().map(|shape| shape.width).max()?;
    if let [map] = maps {
        return Some(*map);
    }
    let mut padded = Vec::with_capacity(maps.len());
    for (place, map) in maps.iter().enumerate() {
        let shape = net.shape(*map);
        let (rows, columns) = (around(height - shape.height), around(width - shape.width));
        let fits = rows == (0, 0) && columns == (0, 0);
        padded.push(if fits {
            *map
        } else {
            net.add(format_args!("{at}.pad{place}"), Op::Pad { rows, columns }, &[*map])
        });
    }
    Some(net.add(format_args!("{at}"), Op::Concat, &padded))
}

/// Zeros on both sides of a map; an odd one goes behind.
fn around(more: usize) -> (isize, isize) {
    let more = isize::try_from(more).expect("a side is at most 4096");
    (more / 2, more - more / 2)
}
