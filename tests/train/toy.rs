//! A tiny image set that a small network can learn, and such a network.

use phytotron::dataset::{Card, Dataset, Fit, Images, Testset};
use phytotron::net::{Builder, Network, Op, Shape, Window};
use phytotron::seed::Seed;

/// Shape of the toy images.
pub(crate) const SHAPE: Shape = Shape { channels: 1, height: 8, width: 8 };

/// `count` noisy images of bars: horizontal, vertical, both.
pub(crate) fn images(name: &str, count: usize) -> Images {
    let mut stream = Seed::root(42).stream(name, 0);
    let mut images = Images { pixels: Vec::new(), labels: Vec::new(), shape: SHAPE };
    for i in 0..count {
        let label = i % 3;
        let (row, column) = (stream.index(8), stream.index(8));
        for place in 0..64 {
            let bar = (label != 1 && place / 8 == row) || (label != 0 && place % 8 == column);
            let light = if bar { 160 } else { 40 };
            images.pixels.push(light + u8::try_from(stream.below(60)).unwrap());
        }
        images.labels.push(u16::try_from(label).unwrap());
    }
    images
}

fn card(statistics: bool) -> Card {
    let of = |number: f64| if statistics { vec![number] } else { Vec::new() };
    Card {
        format: 1,
        source: "bars".to_owned(),
        synthetic: true,
        image: SHAPE,
        classes: ["horizontal", "vertical", "both"].map(str::to_owned).to_vec(),
        mean: of(90.0),
        deviation: of(50.0),
        fit: Fit::Stretch,
        broken: Vec::new(),
    }
}

/// Training and validation images.
pub(crate) fn dataset(training: usize, validation: usize) -> Dataset {
    Dataset {
        card: card(true),
        training: images("training", training),
        validation: images("validation", validation),
    }
}

/// Test images.
pub(crate) fn testset(count: usize) -> Testset {
    Testset { card: card(false), images: images("test", count) }
}

/// Convolution, batch norm, pooling, dropout, dense.
pub(crate) fn network() -> Network {
    let mut net = Builder::new(SHAPE);
    let conv = |filters, side| Op::Conv {
        filters,
        window: Window::same(3, 1, side),
        dilation: 1,
        bias: true,
    };
    let node = net.image();
    let node = net.add("conv0", conv(8, 8), &[node]);
    let node = net.add("norm0", Op::BatchNorm, &[node]);
    let node = net.add("relu0", Op::Relu, &[node]);
    let node = net.add("pool", Op::MaxPool { window: Window::valid(2, 2) }, &[node]);
    let node = net.add("drop", Op::Dropout { rate: 0.125 }, &[node]);
    let node = net.add("conv1", conv(12, 4), &[node]);
    let node = net.add("relu1", Op::Relu, &[node]);
    let node = net.add("flat", Op::Flatten, &[node]);
    net.add("logits", Op::Dense { units: 3 }, &[node]);
    net.finish()
}
