//! Images without meaning in ten classes, for tests of everything but learning.

use phytotron::dataset::{Card, Fit, Images};
use phytotron::net::Shape;
use phytotron::seed::Seed;
use phytotron::train::{Preprocessing, Standard};

/// `count` images, other ones for other names.
pub(crate) fn images(name: &str, count: usize, shape: Shape) -> Images {
    let mut stream = Seed::root(8).stream(name, 0);
    let mut byte = || u8::try_from(stream.below(256)).unwrap();
    let pixels = (0..count * shape.len()).map(|_| byte()).collect();
    let labels = (0..count).map(|i| u16::try_from(i % 10).unwrap()).collect();
    Images { pixels, labels, shape }
}

/// Statistics of such images in three channels.
pub(crate) fn standard(shape: Shape) -> Standard {
    let card = Card {
        format: 1,
        source: "noise".to_owned(),
        synthetic: true,
        image: shape,
        classes: (0..10).map(|class| class.to_string()).collect(),
        mean: vec![127.5; 3],
        deviation: vec![74.0; 3],
        broken: Vec::new(),
        fit: Fit::default(),
    };
    Standard::of(&card, Preprocessing::Standard).unwrap()
}
