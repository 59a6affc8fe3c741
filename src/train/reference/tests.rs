//! Every operation's gradient against central differences in f64.

use super::*;
use crate::net::{Builder, Shape};
use crate::seed::Seed;

/// Labels of the four images that the tests look at.
pub(in crate::train) const LABELS: [u16; 4] = [0, 2, 1, 2];

/// Every operation at least once: a stem, a branch that is added and joined, an auxiliary head.
pub(in crate::train) fn network() -> Network {
    let mut net = Builder::new(Shape { channels: 2, height: 7, width: 6 });
    let conv = |filters, kernel, bias| Op::Conv {
        filters,
        window: Window::same(kernel, 1, 7),
        dilation: 1,
        bias,
    };
    let image = net.image();
    let stem = net.add("stem", conv(3, 3, true), &[image]);
    let stem = net.add("stem.relu", Op::Relu, &[stem]);
    let pool = Window { pad_rows: (0, 1), pad_columns: (0, 1), ..Window::valid(3, 2) };
    let stem = net.add("stem.pool", Op::MaxPool { window: pool }, &[stem]);
    let left = net.add("left", Op::Depthwise { window: Window::same(3, 1, 4) }, &[stem]);
    let left = net.add("left.norm", Op::BatchNorm, &[left]);
    let left = net.add("left.relu", Op::Relu, &[left]);
    let left = net.add("left.path", Op::DropPath { share: 0.5 }, &[left]);
    let moved = net.add("moved", Op::Pad { rows: (-1, 1), columns: (1, -1) }, &[stem]);
    let wide = Window { pad_rows: (2, 2), pad_columns: (2, 2), ..Window::valid(3, 1) };
    let wide = Op::Conv { filters: 3, window: wide, dilation: 2, bias: false };
    let moved = net.add("moved.conv", wide, &[moved]);
    let right = net.add("right", Op::AvgPool { window: Window::same(3, 1, 4) }, &[stem]);
    let sum = net.add("sum", Op::Add, &[left, right, moved]);
    let both = net.add("both", Op::Concat, &[sum, stem]);
    let point = net.add("point", conv(4, 1, false), &[both]);
    let point = net.add("point.norm", Op::BatchNorm, &[point]);
    let mean = net.add("aux.mean", Op::GlobalAvgPool, &[point]);
    let auxiliary = net.add("aux.logits", Op::Dense { units: 3 }, &[mean]);
    let flat = net.add("flat", Op::Flatten, &[point]);
    let hidden = net.add("hidden", Op::Dense { units: 5 }, &[flat]);
    let hidden = net.add("hidden.relu", Op::Relu, &[hidden]);
    let hidden = net.add("hidden.drop", Op::Dropout { rate: 0.25 }, &[hidden]);
    net.add("logits", Op::Dense { units: 3 }, &[hidden]);
    net.finish_with_auxiliary(auxiliary)
}

/// Four images for [`network`].
#[expect(clippy::cast_possible_truncation, reason = "test data in f32 too")]
pub(in crate::train) fn images() -> Vec<f32> {
    let mut stream = Seed::root(11).stream("images", 0);
    (0..4 * 7 * 6 * 2).map(|_| stream.range(-1.0, 1.0) as f32).collect()
}

/// Weights for [`network`], also of what begins filled.
fn weights() -> BTreeMap<String, Vec<f64>> {
    let layers = crate::train::plan::Layers::of(&network(), false);
    let draw = |weight: &crate::train::plan::Weight| {
        let mut stream = Seed::root(5).stream(&weight.name, 0);
        let len = weight.shape.iter().product();
        (weight.name.clone(), (0..len).map(|_| stream.range(-0.5, 1.0)).collect())
    };
    layers.weights.iter().map(draw).collect()
}

/// Loss of the logits plus 0.4 of the auxiliary head's.
fn total(network: &Network, weights: &BTreeMap<String, Vec<f64>>, images: &[f64]) -> f64 {
    let maps = Reference::new(network, weights.clone(), Norms::Batch).forward(images);
    let auxiliary = network.auxiliary().expect("it has one").0;
    loss(&maps[maps.len() - 1], &LABELS, 0.1).0 + 0.4 * loss(&maps[auxiliary], &LABELS, 0.1).0
}

fn near(what: &str, found: f64, above: f64, below: f64) {
    const STEP: f64 = 1e-5;
    let expected = (above - below) / (2.0 * STEP);
    // The differences are good to 1e-9.
    let allowed = 1e-7 * expected.abs().max(1.0);
    assert!((found - expected).abs() < allowed, "{what}: {found} instead of {expected}");
}

#[test]
fn every_operations_gradient_equals_its_central_differences() {
    const STEP: f64 = 1e-5;
    let (network, weights) = (network(), weights());
    let images: Vec<f64> = images().into_iter().map(f64::from).collect();
    let reference = Reference::new(&network, weights.clone(), Norms::Batch);
    let maps = reference.forward(&images);
    let auxiliary = network.auxiliary().expect("it has one");
    let (_, logits) = loss(&maps[maps.len() - 1], &LABELS, 0.1);
    let (_, other) = loss(&maps[auxiliary.0], &LABELS, 0.1);
    let other = other.into_iter().map(|g| 0.4 * g).collect();
    let from = vec![(NodeId(maps.len() - 1), logits), (auxiliary, other)];
    let gradients = reference.backward(&maps, from);
    assert_eq!(gradients.weights.len(), weights.len());
    for (name, gradient) in &gradients.weights {
        for (i, &found) in gradient.iter().enumerate() {
            let moved = |by: f64| {
                let mut weights = weights.clone();
                weights.get_mut(name).expect("a weight of the network")[i] += by;
                total(&network, &weights, &images)
            };
            near(&format!("{name} at {i}"), found, moved(STEP), moved(-STEP));
        }
    }
    for (i, &found) in gradients.images.iter().enumerate() {
        let moved = |by: f64| {
            let mut images = images.clone();
            images[i] += by;
            total(&network, &weights, &images)
        };
        near(&format!("pixel {i}"), found, moved(STEP), moved(-STEP));
    }
}

#[test]
fn f32_and_f64_give_the_same_to_single_precision() {
    let (network, weights) = (network(), weights());
    let single: BTreeMap<String, Vec<f32>> = weights
        .iter()
        .map(|(name, values)| (name.clone(), values.iter().map(|&x| f32::of(x)).collect()))
        .collect();
    let double = Reference::new(&network, weights, Norms::Batch)
        .forward(&images().into_iter().map(f64::from).collect::<Vec<_>>());
    let single = Reference::new(&network, single, Norms::Batch).forward(&images());
    for (a, b) in single.iter().flatten().zip(double.iter().flatten()) {
        assert!((a.exact() - b).abs() < 1e-4 * b.abs().max(1.0), "{a} is not {b}");
    }
}

#[test]
fn removed_norms_do_nothing() {
    let mut net = Builder::new(Shape { channels: 1, height: 2, width: 2 });
    let image = net.image();
    net.add("norm", Op::BatchNorm, &[image]);
    let network = net.finish();
    let reference = Reference::new(&network, BTreeMap::new(), Norms::Removed);
    let maps = reference.forward(&[1.0, 2.0, 3.0, 4.0]);
    assert_eq!(maps[0], maps[1]);
}
